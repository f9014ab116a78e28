"""Fills the graph from a worker's cache: build records, builds, and the leases that they are kept by.

What a record holds, it holds through its leases (docker-buildkit-containerd 3.3); the leases' own edges are made where
leases are read.  A pair of a mutable and an immutable record is one thing on the disk and one node.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.formats.gotime import told_time
from ocistore.stores.shared.buildkit.cache import TEMPORARY, VARIANTS, VIEW, is_lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocistore.stores.shared.buildkit.cache import Cache, Loaded
    from ocistore.stores.shared.buildkit.records import CacheRecord, HistoryRecord
    from ocistore.stores.shared.containerd.records import LeaseRecord, Namespace
    from ocistore.stores.store import Store

STALE = "stale"
"""State of a record that a start of BuildKit clears; `du` doesn't list it, so it is a leftover (`debris`)."""
_RECORD_LEASE = re.compile(r"([a-z0-9]{25})(?:-variants|-view)?")
_BUILD_LEASE = re.compile(r"ref_([a-z0-9]{25})")
_CACHE_MOUNT = "exec.cachemount"
_TRAITS = "buildkit_traits"
_MOUNT_PATH = re.compile(r"cached mount (\S+) from ")
_NOTE_LENGTH = 160


def is_record_lease(ident: str) -> bool:
    """Whether a lease has the form of a build record's (6.2, class 12)."""
    return _RECORD_LEASE.fullmatch(ident) is not None


def owned_leases(caches: Iterable[Cache]) -> Callable[[str, str], bool]:
    """(namespace, id) -> whether a lease belongs to a record or build of these caches, so that it is no root."""
    all_caches = list(caches)

    def owns(namespace: str, ident: str) -> bool:
        return any(cache.owns_lease(namespace, ident) for cache in all_caches)

    return owns


def populate_cache(store: Store, cache: Cache, lease: Callable[[str, str], int | None]) -> None:
    """Adds `record` and `history` nodes, their edges and findings; fills `cache.numbers` and `cache.builds`.

    Args:
        store: whose graph and findings are filled.
        cache: as `load_cache` read it.
        lease: (namespace, id) -> the node of a lease, None if there is none (`Placed.lease`).
    """
    _add_records(store, cache, lease)
    _add_builds(store, cache, lease)
    _tell_leaked(store, cache, lease)


def _add_records(store: Store, cache: Cache, lease: Callable[[str, str], int | None]) -> None:
    graph, loaded = store.graph, cache.loaded
    for ident in cache.records:
        if ident not in loaded.records:
            cache.numbers[ident] = _add_stale(store, cache, ident)
        elif loaded.is_visible(ident):
            number = graph.add("record", ident, store.number)
            for half in loaded.halves(ident):
                cache.numbers[half] = number
    for ident in cache.records:
        # A second immutable half of one mutable record is hidden and belongs to that one's node.
        if ident not in cache.numbers:
            cache.numbers[ident] = cache.numbers[loaded.visible(ident)]
    further: dict[str, list[str]] = {}
    for name in _namespace_leases(cache, cache.namespace):
        # Few have one of these.
        if name.endswith((VARIANTS, VIEW)):
            further.setdefault(name.rpartition("-")[0], []).append(name)
    for ident, record in cache.records.items():
        number = cache.numbers[ident]
        if graph.nodes[number].id == ident:
            _describe(store, cache, loaded, number, record)
            graph.root(number, "is a build record")
        for parent in record.parents:
            holder = cache.numbers.get(parent)
            if holder is not None:
                # "PARENT is the parent of RECORD": the record needs it.
                graph.hold(number, holder, "is the parent of")
                if holder != number and holder not in graph.nodes[number].parents:
                    graph.nodes[number].parents += (holder,)
        for name in (ident, *further.get(ident, ())):
            held = lease(cache.namespace, name)
            if held is not None:
                graph.hold(number, held, "is the lease of")


def _add_stale(store: Store, cache: Cache, ident: str) -> int:
    if cache.doubt:
        # What it seems to lack may be in the part that can't be read.
        return store.graph.add("record", ident, store.number)
    number = store.graph.add("debris", f"record {ident}", store.number)
    node = store.graph.nodes[number]
    node.state = STALE
    node.created_ns = told_time(cache.records[ident].created_ns)
    node.note = f"a build record that a start of BuildKit drops: {cache.start.dropped[ident]}"
    store.graph.root(number, "is a build record")
    return number


def _describe(store: Store, cache: Cache, loaded: Loaded, number: int, record: CacheRecord) -> None:
    node = store.graph.nodes[number]
    halves = [cache.records[half] for half in loaded.halves(record.id) if half in cache.records]
    node.state = record.record_type
    node.created_ns = told_time(record.created_ns)
    node.note = _note(halves)
    # One tuple for all records of the same traits.
    traits = tuple(_traits(record, halves, cache))
    node.traits = store.cache.setdefault(_TRAITS, {}).setdefault(traits, traits)


def _traits(record: CacheRecord, halves: list[CacheRecord], cache: Cache) -> Iterable[str]:
    yield "immutable" if record.committed else "mutable"
    if record.record_type == "regular":
        for half in halves:
            if half.record_type != "regular":
                yield half.record_type
                break
    for half in halves:
        if half.policy == 1:
            yield "retained"
            break
    if record.kind in ("merge", "diff"):
        yield record.kind
    if is_lazy(record, cache.presence):
        yield "lazy"
    if len(halves) > 1:
        yield "pair"


def _note(halves: list[CacheRecord]) -> str:
    """What it is: a cache mount by its path and id, else the step as BuildKit describes it."""
    for half in halves:
        if half.record_type == _CACHE_MOUNT and half.indexes and "cache-dir" in half.indexes:
            path = _MOUNT_PATH.match(half.description)
            ident = half.indexes["cache-dir"]
            return f"cache mount {path.group(1)}, id {ident}" if path else f"cache mount with id {ident}"
    for half in halves:
        if half.description:
            return half.description[:_NOTE_LENGTH]
    return ""


def _add_builds(store: Store, cache: Cache, lease: Callable[[str, str], int | None]) -> None:
    graph = store.graph
    for ref, build in cache.history.items():
        number = cache.builds[ref] = graph.add("history", ref, store.number)
        node = graph.nodes[number]
        node.state = "completed" if build.completed_ns is not None else "unfinished"
        node.traits = ("pinned",) if build.pinned else ()
        node.created_ns = told_time(build.completed_ns or build.created_ns)
        node.note = _build_note(build)
        graph.root(number, "is a build's history")
        for namespace in (cache.history_namespace, cache.namespace):
            held = lease(namespace, f"ref_{ref}")
            if held is not None:
                graph.hold(number, held, "is the lease of")
    for ref, build in cache.orphans.items():
        number = graph.add("debris", f"history {ref}", store.number)
        node = graph.nodes[number]
        node.state, node.created_ns = STALE, told_time(build.completed_ns or build.created_ns)
        node.note = "a build of which nothing is kept; a start of BuildKit deletes its record"
        graph.root(number, "is a build's history")


def _build_note(build: HistoryRecord) -> str:
    words = ["history of a build", f"of target {build.target}" if build.target else "", build.frontend]
    return " ".join(filter(None, words))[:_NOTE_LENGTH]


def _tell_leaked(store: Store, cache: Cache, lease: Callable[[str, str], int | None]) -> None:
    """Leases whose record or build is gone (6.2, class 12); nothing is said of them where records may be missing."""
    if not cache.doubt:
        for ident in _namespace_leases(cache, cache.namespace):
            if is_record_lease(ident) and not cache.has_lease(ident):
                _say_leaked(store, cache, cache.namespace, ident, lease)
    if cache.history_database and not cache.history_doubt:
        for ident in _namespace_leases(cache, cache.history_namespace):
            found = _BUILD_LEASE.fullmatch(ident)
            if found and not cache.owns_lease(cache.history_namespace, ident):
                _say_leaked(store, cache, cache.history_namespace, ident, lease)


def _say_leaked(
    store: Store, cache: Cache, namespace: str, ident: str, lease: Callable[[str, str], int | None]
) -> None:
    number = lease(namespace, ident)
    if number is None or cache.meta is None:
        return
    what = "build" if namespace == cache.history_namespace else "build record"
    labels = _leases_of(cache, namespace)[ident].labels
    ends = "; the next start of BuildKit deletes it" if TEMPORARY in labels else "; no command of BuildKit frees it"
    store.findings.say(
        "leaked-lease",
        f"lease {ident} of namespace {namespace} holds data of a {what} that isn't there{ends}",
        path=store.places[cache.meta.place].prefix + cache.meta.database,
        node=store.graph.nodes[number].key,
        root=store.root,
    )


def _namespace_leases(cache: Cache, name: str) -> list[str]:
    return list(_leases_of(cache, name))


def _leases_of(cache: Cache, name: str) -> dict[str, LeaseRecord]:
    metadata = cache.meta.metadata if cache.meta is not None else None
    namespace: Namespace | None = metadata.namespaces.get(name) if metadata is not None else None
    return namespace.leases if namespace is not None else {}
