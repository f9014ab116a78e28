"""Reads containerd's root directory: its files -> nodes, edges, owned paths, findings; no sizes.

Source: docker-buildkit-containerd 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.stores.shared.containerd.describe import describe_images
from ocistore.stores.shared.containerd.populate import Placed, populate
from ocistore.stores.shared.containerd.root import claim_containerd, load_containerd
from ocistore.stores.store import Options, Place, Store

if TYPE_CHECKING:
    from ocistore.disk.tree import DirectoryTree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore

KIND = "containerd"
NO_OPTIONS = Options()


@dataclass(slots=True)
class Containerd:
    """What the reader keeps for plans and checks."""

    meta: MetadataStore
    placed: Placed


def read_containerd(
    tree: DirectoryTree,
    root: str,
    graph: Graph,
    findings: Findings,
    number: int = 0,
    options: Options = NO_OPTIONS,
) -> Store:
    """Reads the store at a tree's root.

    Args:
        tree: access to it; the store closes it.
        root: how answers name the store.
        graph: is filled.
        findings: are filled.
        number: `Node.store` of the nodes of this store.
        options: the time at which leases and downloads expire.

    Raises:
        UnreadableFile: the root can't be listed.
    """
    store = Store(KIND, root, None, graph, findings, number, places=[Place(tree)])
    entries = tree.list("")
    meta = load_containerd(store, entries)
    store.driver = _driver(meta)
    placed = populate(store, meta, now_ns=options.judged_at())
    store.detail = Containerd(meta, placed)
    claim_containerd(store, placed, entries)
    describe_images(store, meta, placed)
    return store


def _driver(meta: MetadataStore) -> str | None:
    """The one snapshotter that has a database; None for none or several."""
    named = [each.name for each in meta.snapshotters.values() if f"{each.path}/metadata.db" in each.own]
    return named[0] if len(named) == 1 else None
