"""The image store of a graph driver: records, nodes, paths, build records (docker-buildkit-containerd 2.2 to 2.8)."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import UnreadableFile
from ocistore.stores.shared.bolt_file import scan_ahead
from ocistore.stores.shared.buildkit.load import load_cache
from ocistore.stores.shared.buildkit.populate import populate_cache
from ocistore.stores.shared.containerd.load import load_metadata_store
from ocistore.stores.shared.containerd.populate import populate

from .drivers import Links, read_driver
from .files import list_directory
from .images import read_images
from .layers import read_layers
from .layout import (
    CACHE_INDEX,
    CACHE_RECORDS,
    CONTENT,
    DRIVERS,
    HISTORY,
    IMAGES,
    LEASES,
    MOUNT_ID,
    NAMESPACE,
    SNAPSHOTS,
    SNAPSHOTTER,
    Driver,
)
from .populate import leased, populate_half, populate_snapshots
from .presence import GraphPresence
from .records import GraphHalf
from .snapshots_db import read_snapshots

if TYPE_CHECKING:
    from ocistore.stores.store import Options, Store

    from .records import DockerRecords


def read_graph_halves(store: Store, records: DockerRecords, drivers: list[str], options: Options) -> None:
    """Reads the image stores of all graph drivers that have one; that in use, or else the first, is the shown one."""
    before = dict(store.doubts)
    # In the order in which they will be read.
    for path in (SNAPSHOTS, LEASES, CACHE_RECORDS):
        scan_ahead(store, path)
    ordered = sorted(drivers, key=lambda driver: driver != records.active)
    records.graph, *records.inactive = [read_half(store, records, driver) for driver in ordered]
    with ExitStack() as beside:
        links = [beside.enter_context(closing(Links(store, half))) for half in records.halves()]
        read_build_state(store, records, options)
        for each in links:
            each.put()
    for half in records.halves():
        place_snapshots(store, records, half)
    if records.active not in drivers:
        # No command reaches what isn't in use, so that doubt about it blocks none.
        store.doubts = before


def read_half(store: Store, records: DockerRecords, driver: str) -> GraphHalf:
    """Reads the image store of one graph driver, without build state, and adds its images and layers."""
    known = DRIVERS.get(driver) or Driver(driver, driver, driver)
    half = GraphHalf(known, f"{IMAGES}/{driver}", active=driver == records.active)
    # First, since its directories are counted ahead while all else is read.
    unlisted = read_driver(store, half)
    doubts = [*read_layers(store, half), *read_images(store, half), *unlisted]
    # BuildKit's directories have ids of their own form, and records of their own.
    layers = [ident for ident in half.directories if MOUNT_ID.fullmatch(ident)]
    if layers and not half.layers and not half.mounts and not _has_layerdb(store, half):
        text = "there are no layer records, so that nothing is known of the directories of the graph driver"
        store.findings.say("layer-unloadable", text, path=f"{half.base}/layerdb", root=store.root)
        doubts.append(f"{half.base}/layerdb: {text}")
    if records.container_doubt:
        doubts.append(records.container_doubt)
    half.doubt = doubts[0] if doubts else ""
    if half.driver.bytes != "files":
        text = f"the {driver} driver's files share blocks that stat doesn't see, or lie elsewhere"
        store.findings.say("driver-bytes-unknown", text, path=half.driver.top, root=store.root)
    populate_half(store, half)
    return half


def _has_layerdb(store: Store, half: GraphHalf) -> bool:
    return any(entry.name == "sha256" for entry in list_directory(store, f"{half.base}/layerdb") or [])


def read_build_state(store: Store, records: DockerRecords, options: Options) -> None:
    """Reads leases, content and records of the builds of graph drivers' image stores (2.8, 3.1)."""
    records.snapshot_doubt = read_snapshots(store, records)
    records.meta = load_metadata_store(store, database=LEASES, content=CONTENT, snapshotters={})
    cache = load_cache(
        store,
        place=0,
        metadata=CACHE_RECORDS,
        history=HISTORY,
        cache_index=CACHE_INDEX,
        namespace=NAMESPACE,
        snapshotter=SNAPSHOTTER,
        meta=records.meta,
        presence=GraphPresence(records),
    )
    records.cache = cache
    if (cache.records or records.snapshots) and not records.meta.doubt and _has_no_leases(records):
        # 6.3: a database that is missing counts as unreadable where other records need it.
        what = "has no records" if _is_there(store, LEASES) else "isn't there"
        records.meta.doubt = f"{LEASES} {what}, so what build records hold is unknown"
        store.findings.say("database-missing", records.meta.doubt, path=LEASES, root=store.root)
        for area in ("cache", "content"):
            store.doubts.setdefault(area, records.meta.doubt)
    if not records.snapshots and not records.snapshot_doubt and next(leased(records.meta), None) is not None:
        # Each leased snapshot has a bucket; an empty file is a database that the daemon made anew (1.3).
        what = "has no records, though leases name snapshots, so that what they hold is unknown"
        records.snapshot_doubt = f"{SNAPSHOTS} {what}"
        store.findings.say("database-missing", what, path=SNAPSHOTS, root=store.root)
    records.placed = populate(store, records.meta, now_ns=options.judged_at(), owned_leases=cache.owns_lease)
    populate_cache(store, cache, records.placed.lease)


def _has_no_leases(records: DockerRecords) -> bool:
    """Whether nobody ever wrote leases: a namespace stays when its last lease goes."""
    return records.meta is None or records.meta.metadata is None or not records.meta.metadata.namespaces


def _is_there(store: Store, path: str) -> bool:
    try:
        store.tree.stat(path)
    except Missing:
        return False
    except UnreadableFile:
        # Told when it is read.
        return True
    return True


def place_snapshots(store: Store, records: DockerRecords, half: GraphHalf) -> None:
    """Adds BuildKit's snapshots of a half and what leases hold, once snapshots.db and the leases are read."""
    half.snapshots = records.snapshots
    meta_doubt = records.meta.doubt if records.meta else ""
    if records.snapshot_doubt or meta_doubt:
        why = records.snapshot_doubt or meta_doubt
        half.doubt = half.doubt or f"{why}; layers that build records hold are unknown"
        store.doubts.setdefault("cache", half.doubt)
    populate_snapshots(store, records, half)
