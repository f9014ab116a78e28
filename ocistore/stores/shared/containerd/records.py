"""containerd's metadata database as values (docker-buildkit-containerd 4.2).

Keys are text (bytes that are no UTF-8 come out with surrogateescape), times nanoseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.bolt import Bucket
from ocistore.formats.wire import read_time, read_varint
from ocistore.stores.shared.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.formats.bolt import Database

Labels = dict[str, str]
_LEASED = (b"snapshots", b"content", b"ingests", b"images")
"""Buckets of a lease, by type of resource."""
_NO_RECORD = "a value where a record should be"
_MOST_FAULTS = 100
SnapshotKey = tuple[str, str]
"""(snapshotter, key)."""


@dataclass(slots=True)
class BlobRecord:
    """`content/blob/<digest>`: size in bytes, None where the record doesn't say."""

    digest: str
    size: int | None
    labels: Labels
    created_ns: int | None
    updated_ns: int | None


@dataclass(slots=True)
class ImageRecord:
    """`images/<name>`: a name and the digest of its target."""

    name: str
    target: str
    media_type: str
    size: int | None
    labels: Labels
    created_ns: int | None
    updated_ns: int | None


@dataclass(slots=True)
class SnapshotRecord:
    """`snapshots/<snapshotter>/<key>`.

    Attributes:
        name: its key in the snapshotter's own database.
        parent: key of the parent in the same namespace and snapshotter, empty for none.
        children: keys that it lists as its children; the collector leaves those that it takes in this list.
    """

    snapshotter: str
    key: str
    name: str
    parent: str
    labels: Labels
    created_ns: int | None
    children: tuple[str, ...] = ()


@dataclass(slots=True)
class LeaseRecord:
    """`leases/<id>` and the resources that it names."""

    id: str
    labels: Labels
    created_ns: int | None
    snapshots: tuple[SnapshotKey, ...] = ()
    content: tuple[str, ...] = ()
    ingests: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(slots=True)
class IngestRecord:
    """`content/ingests/<ref>`.

    Attributes:
        backend: ref in the content store, `<ns>/<n>/<ref>`.
        expire_ns: when it may be collected, None if it doesn't say (then it may at once).
        expected: digest of what it will be, empty if it doesn't say.
    """

    ref: str
    backend: str
    expire_ns: int | None
    expected: str


@dataclass(slots=True)
class ContainerRecord:
    """`containers/<id>`: `image` is a name, `snapshot_key` a key in `snapshotter`; empty where it has none."""

    id: str
    image: str
    snapshotter: str
    snapshot_key: str
    labels: Labels
    created_ns: int | None
    sandbox: str = ""
    runtime: str = ""


@dataclass(slots=True)
class SandboxRecord:
    """`sandboxes/<id>`."""

    id: str
    labels: Labels
    created_ns: int | None


@dataclass(slots=True)
class Namespace:
    """All records of one namespace; references never cross it (4.3)."""

    name: str
    labels: Labels = field(default_factory=dict)
    images: dict[str, ImageRecord] = field(default_factory=dict)
    blobs: dict[str, BlobRecord] = field(default_factory=dict)
    ingests: dict[str, IngestRecord] = field(default_factory=dict)
    snapshots: dict[SnapshotKey, SnapshotRecord] = field(default_factory=dict)
    leases: dict[str, LeaseRecord] = field(default_factory=dict)
    containers: dict[str, ContainerRecord] = field(default_factory=dict)
    sandboxes: dict[str, SandboxRecord] = field(default_factory=dict)


@dataclass(slots=True)
class Metadata:
    """A metadata database.

    Attributes:
        namespaces: by name, in the order of the file.
        schema: minor version of the schema, None where the file doesn't say (moby's and BuildKit's own).
        faults: records that could not be decoded, each with its bucket; what they say is unknown.
    """

    namespaces: dict[str, Namespace] = field(default_factory=dict)
    schema: int | None = None
    faults: list[CorruptFile] = field(default_factory=list)


def read_metadata(database: Database) -> Metadata:
    """All records of a metadata database; those that can't be decoded are told in `faults` and left out.

    Raises:
        CorruptFile: a page of it is damaged and the database wasn't opened for salvage.
    """
    found = Metadata()
    v1 = database.root.bucket(b"v1")
    if v1 is None:
        return found
    version = v1.get(b"version")
    if version is not None:
        try:
            found.schema = read_varint(version)
        except CorruptFile as err:
            found.faults.append(CorruptFile(err.sentence, place="bucket v1/version"))
    for key, bucket in v1.items():
        if isinstance(bucket, Bucket):
            found.namespaces[text_of(key)] = _Reader(found, text_of(key)).read(bucket)
        elif key != b"version":
            found.faults.append(CorruptFile(_NO_RECORD, place=_place(v1, key)))
    if (found.schema or 0) < 4:
        # Before schema 4 sandboxes lay in buckets of the root, by namespace.
        for key, bucket in database.root.buckets():
            sandboxes = bucket.bucket(b"sandboxes") if key != b"v1" else None
            if sandboxes is not None:
                name = text_of(key)
                namespace = found.namespaces.setdefault(name, Namespace(name))
                _Reader(found, name, namespace).sandboxes(sandboxes)
    return found


class _Reader:
    """Reads one namespace."""

    def __init__(self, metadata: Metadata, name: str, namespace: Namespace | None = None) -> None:
        self._metadata = metadata
        self._namespace = namespace or Namespace(name)

    def read(self, bucket: Bucket) -> Namespace:
        self._namespace.labels = _labels_of(bucket)
        for key, inner in self._entries(bucket):
            reader = _SECTIONS.get(key)
            if reader is not None:
                reader(self, inner)
        return self._namespace

    def images(self, bucket: Bucket) -> None:
        for key, entry in self._entries(bucket):
            target = entry.bucket(b"target")
            digest = self._text(target, b"digest") if target else ""
            if not digest:
                self._fault(entry, b"target/digest", CorruptFile("an image without a target"))
            self._namespace.images[text_of(key)] = ImageRecord(
                text_of(key),
                digest,
                self._text(target, b"mediatype") if target else "",
                self._number(target, b"size") if target else None,
                _labels_of(entry),
                self._time(entry, b"createdat"),
                self._time(entry, b"updatedat"),
            )

    def content(self, bucket: Bucket) -> None:
        blobs = self._section(bucket, b"blob")
        for key, entry in self._entries(blobs) if blobs else ():
            self._namespace.blobs[text_of(key)] = BlobRecord(
                text_of(key),
                self._number(entry, b"size"),
                _labels_of(entry),
                self._time(entry, b"createdat"),
                self._time(entry, b"updatedat"),
            )
        ingests = self._section(bucket, b"ingests")
        for key, entry in self._entries(ingests) if ingests else ():
            self._namespace.ingests[text_of(key)] = IngestRecord(
                text_of(key), self._text(entry, b"ref"), self._time(entry, b"expireat"), self._text(entry, b"expected")
            )
        # Before schema 2: ref = backend ref.
        old = self._section(bucket, b"ingest")
        for key, value in old.items() if old else ():
            if isinstance(value, bytes):
                self._namespace.ingests.setdefault(text_of(key), IngestRecord(text_of(key), text_of(value), None, ""))

    def snapshots(self, bucket: Bucket) -> None:
        for snapshotter, keys in self._entries(bucket):
            for key, entry in self._entries(keys):
                name = self._text(entry, b"name")
                if not name:
                    # Without it the snapshot in its snapshotter would look like one that nothing names.
                    self._fault(entry, b"name", CorruptFile("a snapshot without a name in its snapshotter"))
                children = self._section(entry, b"children")
                self._namespace.snapshots[text_of(snapshotter), text_of(key)] = SnapshotRecord(
                    text_of(snapshotter),
                    text_of(key),
                    name,
                    self._text(entry, b"parent"),
                    _labels_of(entry),
                    self._time(entry, b"createdat"),
                    tuple(text_of(child) for child, _ in children.items()) if children else (),
                )

    def leases(self, bucket: Bucket) -> None:
        for key, entry in self._entries(bucket):
            # Looked up at once: there are as many leases as build records.
            values = dict(entry.items())
            labels, made = values.get(b"labels"), values.get(b"createdat")
            ident = text_of(key)
            lease = self._namespace.leases[ident] = LeaseRecord(
                ident,
                _texts_of(labels) if isinstance(labels, Bucket) else {},
                self._time_of(entry, b"createdat", made) if isinstance(made, bytes) else None,
            )
            for name in _LEASED:
                named = values.get(name)
                if named is None:
                    continue
                if not isinstance(named, Bucket):
                    self._fault(entry, name, CorruptFile(_NO_RECORD))
                elif name == b"snapshots":
                    lease.snapshots = self._leased_snapshots(named)
                elif name == b"content":
                    lease.content = _names_of(named)
                elif name == b"ingests":
                    lease.ingests = _names_of(named)
                else:
                    lease.images = _names_of(named)

    def _leased_snapshots(self, bucket: Bucket) -> tuple[SnapshotKey, ...]:
        return tuple(
            (text_of(snapshotter), text_of(name))
            for snapshotter, keys in self._entries(bucket)
            for name, _ in keys.items()
        )

    def containers(self, bucket: Bucket) -> None:
        for key, entry in self._entries(bucket):
            runtime = entry.bucket(b"runtime")
            self._namespace.containers[text_of(key)] = ContainerRecord(
                text_of(key),
                self._text(entry, b"image"),
                self._text(entry, b"snapshotter"),
                self._text(entry, b"snapshotKey"),
                _labels_of(entry),
                self._time(entry, b"createdat"),
                self._text(entry, b"sandboxid"),
                text_of(runtime.get(b"name")) if runtime else "",
            )

    def sandboxes(self, bucket: Bucket) -> None:
        for key, entry in self._entries(bucket):
            self._namespace.sandboxes[text_of(key)] = SandboxRecord(
                text_of(key), _labels_of(entry), self._time(entry, b"createdat")
            )

    def _entries(self, bucket: Bucket) -> Iterator[tuple[bytes, Bucket]]:
        """The buckets in one that has nothing else; a value among them is a fault."""
        for key, value in bucket.items():
            if isinstance(value, Bucket):
                yield key, value
            else:
                self._fault(bucket, key, CorruptFile(_NO_RECORD))

    def _section(self, bucket: Bucket, key: bytes) -> Bucket | None:
        """The bucket of a key, None without one; a value in its place is a fault."""
        found = bucket.bucket(key)
        if found is None and bucket.get(key) is not None:
            self._fault(bucket, key, CorruptFile(_NO_RECORD))
        return found

    def _text(self, bucket: Bucket, key: bytes) -> str:
        """The text of a key, empty without one; a bucket in its place is a fault."""
        value = bucket.get(key)
        if value is None:
            if bucket.bucket(key) is not None:
                self._fault(bucket, key, CorruptFile("a bucket where a value should be"))
            return ""
        return value.decode("utf-8", "surrogateescape")

    def _time(self, bucket: Bucket, key: bytes) -> int | None:
        return self._time_of(bucket, key, bucket.get(key))

    def _time_of(self, bucket: Bucket, key: bytes, value: bytes | None) -> int | None:
        if not value:
            return None
        try:
            return read_time(value)
        except CorruptFile as err:
            self._fault(bucket, key, err)
            return None

    def _number(self, bucket: Bucket, key: bytes) -> int | None:
        value = bucket.get(key)
        if not value:
            return None
        try:
            return read_varint(value)
        except CorruptFile as err:
            self._fault(bucket, key, err)
            return None

    def _fault(self, bucket: Bucket, key: bytes, err: CorruptFile) -> None:
        if len(self._metadata.faults) < _MOST_FAULTS:
            self._metadata.faults.append(CorruptFile(err.sentence, place=_place(bucket, key)))


_SECTIONS = {
    b"images": _Reader.images,
    b"content": _Reader.content,
    b"snapshots": _Reader.snapshots,
    b"leases": _Reader.leases,
    b"containers": _Reader.containers,
    b"sandboxes": _Reader.sandboxes,
}


def _place(bucket: Bucket, key: bytes) -> str:
    return "bucket " + "/".join(text_of(part) for part in (*bucket.path, key))


def _labels_of(bucket: Bucket) -> Labels:
    labels = bucket.bucket(b"labels")
    return {} if labels is None else _texts_of(labels)


def _texts_of(bucket: Bucket) -> dict[str, str]:
    return {text_of(key): text_of(value) for key, value in bucket.items() if isinstance(value, bytes)}


def _names_of(bucket: Bucket) -> tuple[str, ...]:
    return tuple(text_of(key) for key, _ in bucket.items())
