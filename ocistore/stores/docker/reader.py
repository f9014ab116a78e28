"""Reads a Docker data-root: its files -> nodes, edges, owned paths, findings; no sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.store import Options, Place, Store

from .active import choose_active, find_graph_drivers, find_snapshotters
from .builders import tell_builders_apart
from .claim import claim_half
from .containers import read_containers
from .files import list_directory
from .layout import MANAGED_CONTAINERD
from .own import add_own, claim_common
from .populate import populate_containers, populate_volumes
from .records import DockerRecords
from .volumes import read_volumes

if TYPE_CHECKING:
    from ocistore.disk.tree import DirectoryTree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph

KIND = "docker"
NO_OPTIONS = Options()


def read_docker(
    tree: DirectoryTree,
    root: str,
    graph: Graph,
    findings: Findings,
    number: int = 0,
    options: Options = NO_OPTIONS,
) -> Store:
    """Reads the data-root at a tree's root: both image stores where both are there (2.9).

    Containers come before images, and images before layers, as what holds is made last and goes first (7.6).

    Args:
        tree: access to the data-root; the store closes it.
        root: how answers name the store.
        graph: is filled.
        findings: are filled.
        number: `Node.store` of the nodes of this store.
        options: the containerd beside it, and the time at which leases expire.

    Raises:
        UnreadableFile: the root can't be listed.
    """
    store = Store(KIND, root, None, graph, findings, number, places=[Place(tree)])
    records = store.detail = DockerRecords()
    add_own(store)
    records.container_doubt = read_containers(store, records)
    read_volumes(store, records)
    drivers, snapshotters = find_graph_drivers(store), find_snapshotters(store)
    choose_active(store, records, drivers, snapshotters)
    store.driver = records.active or None
    for container in records.containers.values():
        # A record without a driver is of the time when there was one image store.
        container.loaded = container.driver in ("", records.active)
    populate_volumes(store, records)
    if drivers:
        # The halves are loaded where they are, so that one kind of root doesn't pay for the other.
        from .graph_half import read_graph_halves

        read_graph_halves(store, records, drivers, options)
    if snapshotters or options.containerd_root is not None or _has_containerd(store):
        from .c8d import read_containerd_half

        read_containerd_half(store, records, options, snapshotters)
    populate_containers(store, records)
    for half in records.halves():
        claim_half(store, records, half)
    claim_common(store, records)
    tell_builders_apart(store, records)
    _say_doubts(store, records)
    return store


def _has_containerd(store: Store) -> bool:
    head, _, name = MANAGED_CONTAINERD.rpartition("/")
    return any(entry.name == name and entry.type == "dir" for entry in list_directory(store, head) or [])


def _say_doubts(store: Store, records: DockerRecords) -> None:
    """Which plans doubt forbids (6.3)."""
    if records.container_doubt:
        for area in ("containers", "volumes", "images"):
            store.doubts.setdefault(area, records.container_doubt)
    if records.volume_doubt:
        store.doubts.setdefault("volumes", records.volume_doubt)
    if records.graph is not None and records.graph.active and records.graph.doubt:
        store.doubts.setdefault("images", records.graph.doubt)
    for area, why in store.doubts.items():
        store.findings.say("plans-blocked-for", f"plans of {area} are blocked: {why}", root=store.root)
