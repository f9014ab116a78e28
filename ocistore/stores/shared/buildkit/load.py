"""Reads a worker's cache: records, build history, and whether the solver's index is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.stores.shared.bolt_file import read_bolt
from ocistore.stores.shared.buildkit.cache import Cache, MetadataPresence
from ocistore.stores.shared.buildkit.history import read_history
from ocistore.stores.shared.buildkit.metadata import read_records

if TYPE_CHECKING:
    from ocistore.stores.shared.buildkit.cache import Presence
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.store import Store


def load_cache(
    store: Store,
    *,
    place: int = 0,
    metadata: str,
    history: str = "",
    cache_index: str = "",
    namespace: str,
    snapshotter: str,
    meta: MetadataStore | None,
    presence: Presence | None = None,
    alone: bool = True,
) -> Cache:
    """Reads a worker's records and the history beside them; damage becomes findings and `store.doubts`.

    Damaged records block plans that touch the cache (`store.doubts["cache"]`), a damaged history those that touch the
    history; a damaged cache.db blocks nothing, as it holds no data (6.3).

    Args:
        store: whose place it is.
        place: number of the place; the paths are relative to it.
        metadata: path of the worker's metadata_v2.db.
        history: path of history.db or history_c8d.db, empty if it isn't asked for or another cache has read it.
        cache_index: path of cache.db, likewise.
        namespace: of the worker's leases (`buildkit`, `moby`); history has `<namespace>_history`.
        snapshotter: as leases name it (`overlayfs`, ...; `default` in Docker's graph mode).
        meta: where leases, content and snapshots are; None if that isn't at hand.
        presence: what is there of the records' data; None: as `meta` says.
        alone: whether all leases of the history are in `meta`; not where several workers share it.
    """
    cache = Cache(
        place,
        metadata,
        namespace,
        f"{namespace}_history",
        snapshotter,
        presence or MetadataPresence(meta, namespace, snapshotter),
        meta,
        history_database=history,
    )
    _read_records(store, cache)
    if history:
        _read_builds(store, cache)
        if alone:
            _set_orphans_aside(cache)
    if cache_index:
        read_bolt(store, cache_index, place, code="index-unreadable-db")
    if cache.doubt:
        store.doubts.setdefault("cache", cache.doubt)
    if cache.history_doubt:
        store.doubts.setdefault("history", cache.history_doubt)
    return cache


def _read_records(store: Store, cache: Cache) -> None:
    where = store.places[cache.place].prefix + cache.metadata
    if _is_missing(store, cache.place, cache.metadata):
        if _has_record_leases(cache):
            cache.doubt = f"{where} isn't there, though there are leases of build records"
            store.findings.say("database-missing", cache.doubt, path=where, root=store.root)
        return
    database = read_bolt(store, cache.metadata, cache.place)
    if database is None:
        cache.doubt = f"{where} can't be read, so which build records there are is unknown"
        return
    try:
        cache.records, faults = read_records(database)
    except CorruptFile as err:
        cache.doubt = f"{where} can't be read, so which build records there are is unknown"
        store.findings.say("database-unreadable", str(err), path=where, root=store.root)
        return
    for fault in faults:
        store.findings.say("record-unreadable", f"{fault.place}: {fault.sentence}", path=where, root=store.root)
    if faults:
        cache.doubt = f"a build record of {where} can't be decoded"
    if database.damage:
        cache.doubt = f"{where} is damaged, and build records may be missing"
    if cache.records and cache.meta is not None and cache.meta.metadata is None:
        cache.doubt = cache.doubt or cache.meta.doubt


def _read_builds(store: Store, cache: Cache) -> None:
    path = cache.history_database
    where = store.places[cache.place].prefix + path
    if _is_missing(store, cache.place, path):
        return
    database = read_bolt(store, path, cache.place, code="index-unreadable-db")
    if database is None:
        cache.history_doubt = f"{where} can't be read, so which builds it names is unknown"
        return
    try:
        cache.history, faults = read_history(database)
    except CorruptFile as err:
        cache.history_doubt = f"{where} can't be read, so which builds it names is unknown"
        store.findings.say("index-unreadable-db", str(err), path=where, root=store.root)
        return
    for fault in faults:
        store.findings.say("record-unreadable", f"{fault.place}: {fault.sentence}", path=where, root=store.root)
    if faults:
        cache.history_doubt = f"a build of {where} can't be decoded"
    if database.damage:
        cache.history_doubt = f"{where} is damaged, and builds may be missing"


def _set_orphans_aside(cache: Cache) -> None:
    """Builds without a lease, or whose lease holds nothing: a start of BuildKit deletes them (3.6)."""
    meta = cache.meta
    if meta is None or meta.metadata is None or meta.doubt or cache.history_doubt:
        return
    namespaces = [
        found for name in (cache.history_namespace, cache.namespace) if (found := meta.metadata.namespaces.get(name))
    ]
    for ref in list(cache.history):
        leases = [lease for space in namespaces if (lease := space.leases.get(f"ref_{ref}")) is not None]
        if not any(lease.content or lease.snapshots or lease.ingests or lease.images for lease in leases):
            cache.orphans[ref] = cache.history.pop(ref)


def _is_missing(store: Store, place: int, path: str) -> bool:
    try:
        store.places[place].tree.stat(path)
    except Missing:
        return True
    except UnreadableFile:
        # Told when it is read.
        return False
    return False


def _has_record_leases(cache: Cache) -> bool:
    # Imported here: only where the database is missing.
    from ocistore.stores.shared.buildkit.populate import is_record_lease

    metadata = cache.meta.metadata if cache.meta is not None else None
    namespace = metadata.namespaces.get(cache.namespace) if metadata is not None else None
    return namespace is not None and any(is_record_lease(ident) for ident in namespace.leases)
