"""A metadata database with the content store and the snapshotters that it governs (docker-buildkit-containerd 4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocistore.stores.shared.containerd.records import Metadata


@dataclass(slots=True)
class BackendSnapshot:
    """A snapshot in a snapshotter's metadata.db (4.5).

    Attributes:
        key: the `name` of meta.db.
        id: number of its directory.
        kind: 1 view, 2 active, 3 committed.
        parent: key of its parent, empty for none.
        size: bytes on disk at commit time as the record says (never used for sums), None if it doesn't say.
        path: its directory relative to the place, None where its data lies on a device or isn't there.
    """

    key: str
    id: int
    kind: int
    parent: str
    size: int | None
    inodes: int | None
    created_ns: int | None
    labels: dict[str, str]
    path: str | None = None


@dataclass(slots=True)
class Snapshotter:
    """A snapshotter: its records, and what lies in its directory.

    Attributes:
        name: `overlayfs`, `native`, ...
        path: its directory relative to the place.
        snapshots: by key; None where metadata.db is missing or unreadable.
        orphans: directories below it that no record names (an id without record, `new-*`, `rm-*`): path -> what it is.
        doubt: why it can't be known what its directories are, empty if it can.
        strangers: other paths, which this snapshotter doesn't write.
        own: its database and the directories above its data.
        cleans: whether the collector makes it remove every entry that is no snapshot's (overlayfs and its relatives).
        unsized: whether the bytes of its data can't be told from files (subvolumes, devices, datasets).
    """

    name: str
    path: str
    snapshots: dict[str, BackendSnapshot] | None = None
    orphans: dict[str, str] = field(default_factory=dict)
    doubt: str = ""
    strangers: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    cleans: bool = False
    unsized: bool = False


@dataclass(slots=True)
class IngestDirectory:
    """`ingest/<hex>`: `ref` is the backend ref, None where no file says it (then containerd never removes it)."""

    path: str
    ref: str | None


@dataclass(slots=True)
class ContentStore:
    """The files of a content store (4.4).

    Attributes:
        path: its directory relative to the place.
        blobs: digest -> path, of algorithms that containerd knows.
        strangers: other paths below blobs/, unknown to containerd.
        ingests: directories below ingest/.
        sizes: digest -> st_size.
        doubt: why not all of its files are known, empty if they are.
    """

    path: str
    blobs: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    ingests: list[IngestDirectory] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    doubt: str = ""


class View:
    """How an engine shows records of a metadata database as nodes; containerd's own view."""

    def ref_id(self, namespace: str, name: str) -> str:
        """The id of the `ref` node of an image record."""
        return f"{namespace}/{name}"

    def image_name(self, namespace: str, name: str) -> str | None:
        """The name that the `image` node bears for an image record; None if it bears none for it."""
        return f"{namespace}/{name}"

    def has_image_node(self, namespace: str) -> bool:
        """Whether images of a namespace are nodes of kind `image`, or only names."""
        del namespace
        return True

    def container_node(self, namespace: str, ident: str) -> tuple[str, str]:
        """Kind and id of the node of a container's record."""
        return "container", f"{namespace}/{ident}"

    def has_ref_node(self, namespace: str, name: str) -> bool:
        """Whether an image record is a `ref` node of its own; without one its image node is the root."""
        del namespace, name
        return True


@dataclass(slots=True)
class MetadataStore:
    """meta.db and what it governs, in one place of a store.

    Attributes:
        place: number of the place.
        database: path of the database, for findings.
        metadata: its records, None where it is missing or unreadable.
        content: the content store's files.
        snapshotters: by name.
        view: how its records are shown.
        doubt: why what it holds is unknown, empty if it is known.
    """

    place: int
    database: str
    metadata: Metadata | None
    content: ContentStore
    snapshotters: dict[str, Snapshotter] = field(default_factory=dict)
    view: View = field(default_factory=View)
    doubt: str = ""


def image_id(digest: str) -> str:
    """The id of an image node: the target's digest, of sha256 without the algorithm (design: Ids in JSON)."""
    return digest.removeprefix("sha256:")
