"""Store: what a reader gives back, the same for every kind."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocistore.errors import UnreadableFile

if TYPE_CHECKING:
    from ocistore.disk.tree import DirectoryTree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph


DIFF_IDS = "diff_ids"
"""Key of `Store.cache`: number of a node with unpacked files -> diff ID (`sha256:...`) of the layer that they are."""

Fingerprint = tuple[int, int, int]
"""inode, size, mtime in nanoseconds."""


def fingerprint(tree: DirectoryTree, path: str) -> Fingerprint | None:
    """How a file looks now, None where it can't be seen: it wasn't written between two looks that are the same."""
    try:
        st = tree.stat(path)
    except UnreadableFile:
        return None
    return st.st_ino, st.st_size, st.st_mtime_ns


@dataclass(slots=True)
class Place:
    """A directory that belongs to a store.

    Attributes:
        tree: access to it.
        prefix: what stands before a path in it in answers: empty for the root, else its absolute path and `/`
            (a runroot, a split image store).
        owned: path (relative to this directory) -> number of the node that owns it and all below it, unless a deeper
            path is owned by another node.  `""` is the directory itself; a directory above owned paths that is not
            itself owned belongs to the node of the nearest owned directory above it.
        ledger: whether df gives this directory a ledger of its own (a runroot has none).
    """

    tree: DirectoryTree
    prefix: str = ""
    owned: dict[str, int] = field(default_factory=dict)
    ledger: bool = True


@dataclass(slots=True)
class Store:
    """A store that was read: its graph, and which node owns which path.

    Attributes:
        kind: `containers-storage`, `oci-layout`, `docker`, `containerd`, `buildkit`.
        root: how answers name it: relative to the PATH argument, `"."` for itself.
        driver: storage driver, None where the kind has none.
        graph: shared by this store and its `others`.
        findings: likewise.
        number: `Node.store` of this store's nodes.
        places: the root first, then what else belongs to it.
        others: stores that this one reads but doesn't own (additional image stores); never in a plan.
        watched: files whose change while the store is read makes the answer doubtful: (place, path, fingerprint).
        doubts: parts of the store that no plan may touch, each with the reason: `images`, `containers`, `volumes`,
            `cache` (build records), `history`, `content` (blobs and snapshots).  What blocks every plan is a finding
            whose code blocks.
        cache: what rooms above computed of this store and would compute again.
        detail: the records as the reader of this kind keeps them; plan and check know its type by `kind`.
    """

    kind: str
    root: str
    driver: str | None
    graph: Graph
    findings: Findings
    number: int = 0
    places: list[Place] = field(default_factory=list)
    others: list[Store] = field(default_factory=list)
    watched: list[tuple[int, str, Fingerprint | None]] = field(default_factory=list)
    doubts: dict[str, str] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)
    detail: Any = None

    @property
    def tree(self) -> DirectoryTree:
        """Access to the root."""
        return self.places[0].tree

    def own(self, path: str, node: int, place: int = 0) -> None:
        """Says that `node` owns `path` (relative to that place) and what lies below it; the first owner stays."""
        self.places[place].owned.setdefault(path, node)

    def all_stores(self) -> list[Store]:
        """This store and those it reads."""
        return [self, *self.others]

    def locate(self, path: str) -> tuple[Place, str]:
        """The place of a path as answers spell it, and the path in it.

        Raises:
            KeyError: an absolute path that is in no place of this store.
        """
        for place in self.places[1:]:
            if path.startswith(place.prefix):
                return place, path.removeprefix(place.prefix)
        if path.startswith("/"):
            raise KeyError(path)
        return self.places[0], path

    def watch(self, path: str, place: int = 0) -> None:
        """Remembers how a file looks now, before it is read."""
        self.watched.append((place, path, fingerprint(self.places[place].tree, path)))

    def notice_changes(self) -> bool:
        """Looks at the watched files again and adds a finding for each that changed; whether any did.

        An engine that writes meanwhile makes records and directories disagree (containers-storage Part 4, rule zero).
        """
        changed = False
        for store in self.all_stores():
            for place, path, before in store.watched:
                if fingerprint(store.places[place].tree, path) != before:
                    changed = True
                    self.findings.say(
                        "changed-while-read",
                        "changed while the store was read; an engine is writing, so ask again when it has ended",
                        path=store.places[place].prefix + path,
                        root=store.root,
                    )
        return changed

    def close(self) -> None:
        """Closes the trees of this store and of those it reads."""
        for store in self.all_stores():
            for place in store.places:
                place.tree.close()


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line or a caller says about a store beyond its directory.

    Attributes:
        runroot: containers-storage: the volatile half.
        imagestore: containers-storage: the split image store.
        additional_image_stores: containers-storage: read-only stores that this one builds on.
        containerd_root: docker: the root of the containerd beside it.
        now_ns: the time at which leases and downloads expire, nanoseconds since 1970; None: when it is read.
        sizes: whether all sizes will be asked for, so that directories may be counted while records are read.
    """

    runroot: str | None = None
    imagestore: str | None = None
    additional_image_stores: tuple[str, ...] = ()
    containerd_root: str | None = None
    now_ns: int | None = None
    sizes: bool = False

    @property
    def of_one_store(self) -> bool:
        """Whether they say something that can only be true of one store."""
        return self != Options(now_ns=self.now_ns, sizes=self.sizes)

    def judged_at(self) -> int:
        """The time at which expiries are judged."""
        return time.time_ns() if self.now_ns is None else self.now_ns
