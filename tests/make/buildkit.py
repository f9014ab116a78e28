"""Makes roots of buildkitd from a few lines, as its runc worker leaves them.

runc-overlayfs/{metadata_v2.db,containerdmeta.db,workerid,content/blobs/sha256/<hex>,
                snapshots/{metadata.db,snapshots/<n>/{fs,work}}}, history.db, cache.db
Source: docker-buildkit-containerd 3.1 to 3.6, 4.2, 4.5.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocistore.stores.open import open_store
from tests.make.bolt import BoltMaker

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.plan.plan import Outcome
    from ocistore.stores.store import Store
    from tests.make.bolt import Tree

SECOND = 10**9
NOW = 1_800_000_000 * SECOND
"""The time at which commands run, nanoseconds since 1970."""
COMMITTED, ACTIVE, VIEW = 3, 2, 1


def build_id(name: str) -> str:
    """An id of 25 characters, as BuildKit makes them, that a short name always gets."""
    return base64.b32encode(hashlib.sha256(name.encode()).digest()).decode().lower()[:25]


def digest(data: bytes) -> str:
    """A blob's digest."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def time_value(ns: int) -> bytes:
    """A time as Go marshals it, in UTC."""
    seconds, rest = divmod(ns, SECOND)
    return b"\x01" + struct.pack(">qih", seconds + 62135596800, rest, -1)


def uvarint(number: int) -> bytes:
    """An unsigned varint."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def varint(number: int) -> bytes:
    """A signed varint."""
    return uvarint(number * 2 if number >= 0 else -number * 2 - 1)


def message(*fields: tuple[int, int | bytes | str]) -> bytes:
    """A protobuf message of numbered varints and byte strings."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += uvarint(number << 3) + uvarint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += uvarint(number << 3 | 2) + uvarint(len(data)) + data
    return out


@dataclass
class BuildKitMaker:
    """A root that is being made; `open` writes it and reads it.

    Attributes:
        root: its directory.
        worker: directory of the worker.
        records: id -> key -> JSON value (None: cleared), for metadata_v2.db.
        leases: (namespace, id) -> (labels, snapshots, blobs).
        snapshots: key -> (parent, kind, size), numbered in order; the key's record is in namespace `buildkit`.
        blobs: (namespace, digest) -> labels.
        builds: ref -> message, for history.db.
    """

    root: Path
    worker: str = "runc-overlayfs"
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    leases: dict[tuple[str, str], tuple[dict[str, str], list[str], list[str]]] = field(default_factory=dict)
    snapshots: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    blobs: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    builds: dict[str, bytes] = field(default_factory=dict)

    @property
    def snapshotter(self) -> str:
        """The worker's snapshotter."""
        return self.worker.partition("-")[2]

    def record(self, name: str, parent: str = "", *, size: int | None = 1000, used: int | None = 0, **keys: Any) -> str:  # noqa: ANN401 - JSON is any value
        """A retained immutable record with a snapshot and a lease of its own; its id.

        Args:
            name: short; ids are made of it.
            parent: short name of the record that it stands on.
            size: bytes; None for unknown.
            used: seconds before NOW of its last use; None for never.
            keys: further keys, without `cache.` and with `_` for `.` (`recordType="frontend"`, `usageCount=2`).
        """
        ident = build_id(name)
        values: dict[str, Any] = {
            "cache.snapshot": ident,
            "cache.createdAt": NOW - 1000 * SECOND,
            "cache.usageCount": 1,
            "cache.cachePolicy": 1,
            "cache.description": f"step {name}",
            "snapshot.committed": True,
            "snapshot.size": -1 if size is None else size,
        }
        if parent:
            values["cache.parent"] = build_id(parent)
        if used is not None:
            values["cache.lastUsedAt"] = NOW - used * SECOND
        for key, value in keys.items():
            values["snapshot.committed" if key == "committed" else f"cache.{key}"] = value
        self.records[ident] = values
        kind = COMMITTED if values["snapshot.committed"] else ACTIVE
        self.snapshots[ident] = (build_id(parent) if parent else "", kind, size or 0)
        self.lease(ident, snapshots=[ident])
        return ident

    def pair(self, name: str, parent: str = "", **keys: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON is any value
        """A mutable record and the immutable half `NAME-i` of it; ids of both."""
        mutable = self.record(name, parent, committed=False, **keys)
        immutable = build_id(f"{name}-i")
        values: dict[str, Any] = {
            "cache.snapshot": immutable,
            "cache.equalMutable": mutable,
            "snapshot.committed": True,
            "snapshot.size": -1,
            "cache.createdAt": NOW - 900 * SECOND,
        }
        if parent:
            values["cache.parent"] = build_id(parent)
        if "cachePolicy" not in keys:
            values["cache.cachePolicy"] = 1
        self.records[immutable] = values
        return mutable, immutable

    def lease(
        self,
        ident: str,
        *,
        snapshots: list[str] | None = None,
        blobs: list[str] | None = None,
        labels: dict[str, str] | None = None,
        namespace: str = "buildkit",
    ) -> None:
        """A lease, flat unless labels are given."""
        flat = {"containerd.io/gc.flat": "2026-11-21T07:00:00Z"}
        self.leases[namespace, ident] = (flat if labels is None else labels, snapshots or [], blobs or [])

    def blob(self, data: bytes, *, namespace: str = "buildkit", labels: dict[str, str] | None = None) -> str:
        """A blob with its file; its digest."""
        name = digest(data)
        path = self.root / self.worker / "content/blobs/sha256" / name.removeprefix("sha256:")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.blobs[namespace, name] = labels or {}
        return name

    def build(self, ref: str, blobs: list[str], *, pinned: bool = False, completed: bool = True) -> None:
        """A build of the history with its lease."""
        fields: list[tuple[int, int | bytes | str]] = [
            (1, ref),
            (2, "dockerfile.v0"),
            (3, message((1, "target"), (2, "final"))),
            (6, message((1, NOW // SECOND - 20), (2, 5))),
            (10, message(*((2, message((1, "x"), (2, blob), (3, 1))) for blob in blobs))),
        ]
        if completed:
            fields.append((7, message((1, NOW // SECOND - 10), (2, 7))))
        if pinned:
            fields.append((14, 1))
        self.builds[ref] = message(*fields)
        self.lease(f"ref_{ref}", blobs=blobs, labels={}, namespace="buildkit_history")

    def write(self) -> None:
        """Writes all files."""
        base = self.root / self.worker
        (base / "snapshots/snapshots").mkdir(parents=True, exist_ok=True)
        (base / "content/blobs/sha256").mkdir(parents=True, exist_ok=True)
        (base / "content/ingest").mkdir(exist_ok=True)
        (base / "workerid").write_text("w" * 25)
        (base / "metadata_v2.db").write_bytes(bolt({b"_main": self._main()}))
        (base / "containerdmeta.db").write_bytes(bolt({b"v1": {b"version": b"\x08", **self._namespaces()}}))
        (base / "snapshots/metadata.db").write_bytes(bolt({b"v1": {b"snapshots": self._backend()}}))
        for number in range(1, len(self.snapshots) + 1):
            (base / f"snapshots/snapshots/{number}/fs").mkdir(parents=True, exist_ok=True)
        records: Tree = {ref.encode(): data for ref, data in self.builds.items()}
        (self.root / "history.db").write_bytes(bolt({b"_records": records, b"_version": {b"version": b"2"}}))
        (self.root / "cache.db").write_bytes(bolt({b"_result": {}}))

    def open(self) -> Store:
        """Writes the root, and reads it as of NOW."""
        self.write()
        return open_store(str(self.root))

    def directory(self, key: str) -> str:
        """The directory of a snapshot, as answers spell it."""
        return f"{self.worker}/snapshots/snapshots/{list(self.snapshots).index(key) + 1}"

    def _main(self) -> Tree:
        return {
            ident.encode(): {
                key.encode(): b"" if value is None else json.dumps({"value": value}).encode()
                for key, value in values.items()
            }
            for ident, values in self.records.items()
        }

    def _namespaces(self) -> Tree:
        found: Tree = {}
        for name in ("buildkit", "buildkit_history"):
            found[name.encode()] = {
                b"leases": {
                    ident.encode(): self._lease_bucket(*lease)
                    for (namespace, ident), lease in self.leases.items()
                    if namespace == name
                },
                b"content": {
                    b"blob": {
                        blob.encode(): {
                            b"createdat": time_value(NOW),
                            b"size": varint(len(self._data(blob))),
                            b"labels": {k.encode(): v.encode() for k, v in labels.items()},
                        }
                        for (namespace, blob), labels in self.blobs.items()
                        if namespace == name
                    }
                },
                b"snapshots": self._snapshot_records() if name == "buildkit" else {},
            }
        return found

    def _data(self, blob: str) -> bytes:
        path = self.root / self.worker / "content/blobs/sha256" / blob.removeprefix("sha256:")
        return path.read_bytes() if path.exists() else b""

    def _lease_bucket(self, labels: dict[str, str], snapshots: list[str], blobs: list[str]) -> Tree:
        return {
            b"createdat": time_value(NOW - 1000 * SECOND),
            b"labels": {key.encode(): value.encode() for key, value in labels.items()},
            b"snapshots": {self.snapshotter.encode(): {key.encode(): b"" for key in snapshots}},
            b"content": {blob.encode(): b"" for blob in blobs},
        }

    def _snapshot_records(self) -> Tree:
        records: Tree = {}
        for number, (key, (parent, _, _)) in enumerate(self.snapshots.items(), 1):
            record: Tree = {b"name": f"buildkit/{number}/{key}".encode(), b"createdat": time_value(NOW)}
            if parent:
                record[b"parent"] = parent.encode()
            records[key.encode()] = record
        return {self.snapshotter.encode(): records}

    def _backend(self) -> Tree:
        numbers = {key: number for number, key in enumerate(self.snapshots, 1)}
        found: Tree = {}
        for key, (parent, kind, size) in self.snapshots.items():
            record: Tree = {b"id": uvarint(numbers[key]), b"kind": bytes([kind]), b"createdat": time_value(NOW)}
            if parent in numbers:
                record[b"parent"] = f"buildkit/{numbers[parent]}/{parent}".encode()
            if kind == COMMITTED:
                record[b"size"] = varint(size)
            found[f"buildkit/{numbers[key]}/{key}".encode()] = record
        return found


def bolt(tree: Tree) -> bytes:
    """A bolt file."""
    return BoltMaker().write(tree)


def taken(outcome: Outcome, kind: str = "record") -> set[str]:
    """The ids of one kind that an outcome removes."""
    return {removal.id for removal in outcome.removals if removal.kind == kind}


def names(ids: set[str], *short: str) -> set[str]:
    """The short names among `short` whose ids are in a set; other ids as they are."""
    known = {build_id(name): name for name in short}
    return {known.get(ident, ident) for ident in ids}
