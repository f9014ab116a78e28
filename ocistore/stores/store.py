"""Store: what a reader gives back, the same for every kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocistore.disk.tree import DirectoryTree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph


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
    """

    runroot: str | None = None
    imagestore: str | None = None
    additional_image_stores: tuple[str, ...] = ()
