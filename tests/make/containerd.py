"""Makes containerd roots by hand: records, blobs, snapshots, leases, downloads, in any state.

    made = ContainerdMaker(tmp_path / "root")
    blob = made.blob("default", b"layer")
    made.image("default", "docker.io/library/x:1", made.manifest("default", [blob]))
    made.write()

Source: docker-buildkit-containerd 4.1 to 4.5.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from tests.make.bolt import BoltMaker, Tree

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
CONTENT = "io.containerd.content.v1.content"
NOW = "2026-11-21T07:00:00Z"
_EPOCH = 62135596800
_MADE_AT = 1_795_000_000
KINDS = {"view": 1, "active": 2, "committed": 3}


def go_time(seconds: int, zone: int = -1, version: int = 1) -> bytes:
    """A time as Go marshals it."""
    tail = b"\x07" if version == 2 else b""
    return struct.pack(">bqih", version, seconds + _EPOCH, 5, zone) + tail


def uvarint(number: int) -> bytes:
    """An unsigned varint."""
    made = b""
    while number >= 0x80:
        made += bytes([number & 0x7F | 0x80])
        number >>= 7
    return made + bytes([number])


def varint(number: int) -> bytes:
    """A signed varint, zigzag."""
    return uvarint(number * 2 if number >= 0 else -number * 2 - 1)


def at(tree: Tree, *path: str) -> Tree:
    """The bucket of a path, made where it isn't there."""
    for part in path:
        tree = cast("Tree", tree.setdefault(part.encode(), {}))
    return tree


def texts(values: dict[str, str]) -> Tree:
    """A bucket of texts."""
    return {key.encode(): value.encode() for key, value in values.items()}


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@dataclass
class ContainerdMaker:
    """A containerd root that is being made.

    Attributes:
        root: its directory.
        meta: the tree of meta.db, which a test may change.
        backends: the tree of each snapshotter's metadata.db.
        schema: minor version; None leaves it out.
    """

    root: Path
    meta: Tree = field(default_factory=dict)
    backends: dict[str, Tree] = field(default_factory=dict)
    schema: int | None = 4
    _serial: int = 0
    _ids: dict[str, int] = field(default_factory=dict)

    def records(self, namespace: str, *path: str) -> Tree:
        """A bucket of a namespace."""
        return at(self.meta, "v1", namespace, *path)

    def blob(
        self,
        namespace: str,
        data: bytes,
        labels: dict[str, str] | None = None,
        *,
        algorithm: str = "sha256",
        file: bool = True,
    ) -> str:
        """A blob with a record and a file; its digest."""
        digest = digest_of(data, algorithm)
        record = self.records(namespace, "content", "blob", digest)
        record.update({b"createdat": go_time(_MADE_AT), b"updatedat": go_time(_MADE_AT), b"size": varint(len(data))})
        if labels:
            at(record, "labels").update(texts(labels))
        if file:
            self.file(f"{CONTENT}/blobs/{digest.replace(':', '/')}", data)
        return digest

    def manifest(
        self, namespace: str, children: list[str], *, name: str = "", labels: dict[str, str] | None = None
    ) -> str:
        """A blob that refers to a configuration, the first child, and to layers."""
        refs = {"containerd.io/gc.ref.content.config": children[0]} if children else {}
        refs.update({f"containerd.io/gc.ref.content.l.{n}": digest for n, digest in enumerate(children[1:])})
        return self.blob(namespace, f"manifest {name} {children}".encode(), {**refs, **(labels or {})})

    def image(self, namespace: str, name: str, target: str, labels: dict[str, str] | None = None) -> None:
        """An image record."""
        record = self.records(namespace, "images", name)
        record.update({b"createdat": go_time(_MADE_AT), b"updatedat": go_time(_MADE_AT)})
        at(record, "target").update(
            {
                b"digest": target.encode(),
                b"mediatype": b"application/vnd.oci.image.manifest.v1+json",
                b"size": varint(9),
            }
        )
        if labels:
            at(record, "labels").update(texts(labels))

    def snapshot(
        self,
        namespace: str,
        key: str,
        parent: str = "",
        *,
        kind: str = "committed",
        snapshotter: str = "overlayfs",
        labels: dict[str, str] | None = None,
        backend: bool = True,
        directory: bool = True,
    ) -> int:
        """A snapshot with a record, one in its snapshotter, and a directory; the directory's number."""
        self._serial += 1
        name = f"{namespace}/{self._serial}/{key}"
        record = self.records(namespace, "snapshots", snapshotter, key)
        record.update({b"createdat": go_time(_MADE_AT), b"updatedat": go_time(_MADE_AT), b"name": name.encode()})
        if parent:
            record[b"parent"] = parent.encode()
        if labels:
            at(record, "labels").update(texts(labels))
        above = ""
        if parent:
            above = self.records(namespace, "snapshots", snapshotter, parent).get(b"name", b"").decode()  # type: ignore[union-attr]
        self._ids[f"{namespace}/{snapshotter}/{key}"] = self._serial
        if backend:
            self.backend(snapshotter, name, self._serial, above, kind=kind, directory=directory)
        return self._serial

    def backend(
        self,
        snapshotter: str,
        name: str,
        number: int,
        parent: str = "",
        *,
        kind: str = "committed",
        directory: bool = True,
    ) -> None:
        """A snapshot in a snapshotter's own database, with its directory."""
        record = at(self.backends.setdefault(snapshotter, {}), "v1", "snapshots", name)
        record.update({b"id": uvarint(number), b"kind": bytes([KINDS[kind]]), b"createdat": go_time(_MADE_AT)})
        if parent:
            record[b"parent"] = parent.encode()
        if directory:
            self.directory(f"{self.home(snapshotter)}/snapshots/{number}/fs")

    def number(self, namespace: str, key: str, snapshotter: str = "overlayfs") -> int:
        """The number of a snapshot's directory."""
        return self._ids[f"{namespace}/{snapshotter}/{key}"]

    @staticmethod
    def home(snapshotter: str) -> str:
        """The directory of a snapshotter."""
        return f"io.containerd.snapshotter.v1.{snapshotter}"

    def lease(self, namespace: str, ident: str, labels: dict[str, str] | None = None, **held: list[str]) -> None:
        """A lease; `content`, `snapshots` (snapshotter/key), `ingests`, `images` are what it holds."""
        record = self.records(namespace, "leases", ident)
        record[b"createdat"] = go_time(_MADE_AT)
        if labels:
            at(record, "labels").update(texts(labels))
        for kind, names in held.items():
            for name in names:
                if kind == "snapshots":
                    snapshotter, _, key = name.partition("/")
                    at(record, "snapshots", snapshotter)[key.encode()] = b""
                else:
                    at(record, kind)[name.encode()] = b""

    def ingest(
        self, namespace: str, ref: str, *, expire: int | None = None, expected: str = "", directory: bool = True
    ) -> str:
        """A download with a record and a directory; the directory's path."""
        self._serial += 1
        backend = f"{namespace}/{self._serial}/{ref}"
        record = self.records(namespace, "content", "ingests", ref)
        record[b"ref"] = backend.encode()
        if expire is not None:
            record[b"expireat"] = go_time(expire)
        if expected:
            record[b"expected"] = expected.encode()
        return self.ingest_directory(backend) if directory else ""

    def ingest_directory(self, backend: str, *, with_ref: bool = True) -> str:
        """A download's directory; its path."""
        path = f"{CONTENT}/ingest/{hashlib.sha256(backend.encode()).hexdigest()}"
        self.file(f"{path}/data", b"half")
        if with_ref:
            self.file(f"{path}/ref", backend.encode())
        return path

    def container(
        self, namespace: str, ident: str, image: str = "", key: str = "", snapshotter: str = "overlayfs"
    ) -> None:
        """A container's record."""
        record = self.records(namespace, "containers", ident)
        record.update({b"createdat": go_time(_MADE_AT), b"image": image.encode()})
        if key:
            record.update({b"snapshotter": snapshotter.encode(), b"snapshotKey": key.encode()})

    def file(self, path: str, data: bytes = b"") -> None:
        """A file below the root."""
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(data)

    def directory(self, path: str) -> None:
        """A directory below the root."""
        (self.root / path).mkdir(parents=True, exist_ok=True)

    def _relate(self) -> None:
        """Writes the children beside the parents, in meta.db and in the snapshotters, as containerd does."""
        for name in [key.decode() for key, value in at(self.meta, "v1").items() if isinstance(value, dict)]:
            for snapshotter, keys in _buckets(self.records(name).get(b"snapshots")):
                for key, record in _buckets(keys):
                    parent = record.get(b"parent", b"")
                    if isinstance(parent, bytes) and parent in keys:
                        at(self.records(name, "snapshots", snapshotter.decode(), parent.decode()), "children")[key] = (
                            b""
                        )
        for tree in self.backends.values():
            snapshots = at(tree, "v1", "snapshots")
            for key, record in _buckets(snapshots):
                above_key = record.get(b"parent")
                above = snapshots.get(above_key) if isinstance(above_key, bytes) else None
                if isinstance(above, dict):
                    related = cast("bytes", above[b"id"]) + b"\0" + cast("bytes", record[b"id"])
                    at(tree, "v1", "parents")[related] = key

    def write(self) -> Path:
        """Writes the databases; the root."""
        self._relate()
        if self.schema is not None:
            at(self.meta, "v1")[b"version"] = varint(self.schema)
        self.directory(f"{CONTENT}/blobs/sha256")
        self.directory(f"{CONTENT}/ingest")
        self.file(DATABASE, BoltMaker().write(self.meta))
        for snapshotter, tree in self.backends.items():
            self.directory(f"{self.home(snapshotter)}/snapshots")
            self.file(f"{self.home(snapshotter)}/metadata.db", BoltMaker().write(tree))
        return self.root


def _buckets(tree: bytes | Tree | None) -> list[tuple[bytes, Tree]]:
    """The buckets in one."""
    return [(key, value) for key, value in tree.items() if isinstance(value, dict)] if isinstance(tree, dict) else []
