"""BuildKit's cache as it stands when BuildKit has started and nothing runs (docker-buildkit-containerd 3.2 to 3.4).

Three hosts keep such a cache: buildkitd, dockerd with graph drivers, dockerd with the containerd image store.  They
differ in where the files lie and in what is below the records; `Presence` asks for the latter.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ocistore.stores.shared.buildkit.records import CacheRecord, HistoryRecord
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore

TEMPORARY = "buildkit/lease.temporary"
"""Label of leases that a start of BuildKit deletes."""
VARIANTS = "-variants"
VIEW = "-view"
_REMOTE = "containerd.io/snapshot/remote"
MAX_CHAIN = 4096
"""Blobs of a layer chain that are looked at; no manifest has so many layers."""


class Presence(Protocol):
    """What of a record's data is there; None where that can't be known."""

    def snapshot(self, key: str) -> bool | None:
        """Whether the worker's snapshotter has a snapshot of that key (3.4: in each host another test)."""
        ...

    def content(self, digest: str) -> bool | None:
        """Whether the worker's namespace has a record of a blob."""
        ...

    def remote(self, key: str) -> bool:
        """Whether a snapshot's data lies elsewhere (stargz and its like)."""
        ...


class MetadataPresence:
    """Presence by a metadata database: buildkitd's own, or the containerd beside it."""

    def __init__(self, meta: MetadataStore | None, namespace: str, snapshotter: str) -> None:
        self._snapshotter = snapshotter
        known = meta is not None and meta.metadata is not None
        self._sound = known and not (meta and meta.doubt)
        self._namespace = meta.metadata.namespaces.get(namespace) if meta and meta.metadata else None

    def snapshot(self, key: str) -> bool | None:
        """See Presence."""
        if self._namespace and (self._snapshotter, key) in self._namespace.snapshots:
            return True
        return False if self._sound else None

    def content(self, digest: str) -> bool | None:
        """See Presence."""
        if self._namespace and digest in self._namespace.blobs:
            return True
        return False if self._sound else None

    def remote(self, key: str) -> bool:
        """See Presence."""
        record = self._namespace.snapshots.get((self._snapshotter, key)) if self._namespace else None
        return record is not None and _REMOTE in record.labels


class Start(NamedTuple):
    """What a start of BuildKit makes of the records (3.4).

    Attributes:
        dropped: records that it clears, each with the reason; with them go the leases `<id>` and `<id>-variants`.
        cleared: immutable records whose `equal_mutable` it clears, as that one is gone and their own snapshot is there.
    """

    dropped: dict[str, str]
    cleared: frozenset[str]


def dropped_by_start(records: Mapping[str, CacheRecord], presence: Presence) -> Start:
    """Loads every record with its parents, as BuildKit does (cache/manager.go `init`, `getRecord`; 3.4).

    Where it can't be known whether data exists, the record is kept.
    """
    dropped: dict[str, str] = {}
    cleared: set[str] = set()
    for ident in _bases_first(records, dropped):
        record = records[ident]
        why = _judge(record, records, dropped, presence, cleared)
        if why:
            dropped[ident] = why
    return Start(dropped, frozenset(cleared))


def _judge(
    record: CacheRecord,
    records: Mapping[str, CacheRecord],
    dropped: dict[str, str],
    presence: Presence,
    cleared: set[str],
) -> str:
    """Why a record isn't loaded, empty if it is; its parents and its mutable half were judged before."""
    for parent in record.parents:
        if parent not in records:
            return f"its parent {parent} isn't there"
        if parent in dropped:
            return f"its parent {parent} is dropped"
    mutable = record.equal_mutable
    if mutable and mutable in records and mutable not in dropped:
        return ""
    if mutable:
        if presence.snapshot(record.snapshot) is False:
            return "neither its mutable half nor its snapshot is there"
        cleared.add(record.id)
    if record.deleted:
        return "its removal was begun"
    if not record.committed and presence.snapshot(record.id) is False:
        return "its snapshot isn't there"
    if is_lazy(record, presence):
        return "its content was never fetched, and only a build can say from where"
    return ""


def is_lazy(record: CacheRecord, presence: Presence) -> bool:
    """Whether a record's blob isn't here (3.4); a record without a blob, as in Docker's graph mode, never is."""
    if not record.blob_only or not record.blob:
        return False
    return presence.content(record.blob) is False or presence.remote(record.snapshot)


def _bases_first(records: Mapping[str, CacheRecord], dropped: dict[str, str]) -> Iterator[str]:
    """Every record after those that it needs; records that need themselves are dropped, not given."""
    # Whether a record that was entered is done, too.
    done: dict[str, bool] = {}
    for start in records:
        if start in done:
            continue
        stack = [start]
        while stack:
            ident = stack[-1]
            if ident not in done:
                done[ident] = False
                needs = [need for need in _needs(records[ident], records) if not done.get(need)]
                # What was entered and isn't done lies on the way here.
                if any(need in done for need in needs):
                    dropped[ident] = "it is its own ancestor"
                stack += [need for need in needs if need not in done]
                if stack[-1] is not ident:
                    continue
            stack.pop()
            if not done[ident]:
                done[ident] = True
                if ident not in dropped:
                    yield ident


def _needs(record: CacheRecord, records: Mapping[str, CacheRecord]) -> list[str]:
    return [need for need in (*record.parents, record.equal_mutable) if need and need in records]


@dataclass(slots=True)
class Loaded:
    """The records that a start loads, and the reference counts of an idle BuildKit (3.3, 7.2).

    Attributes:
        records: by id.
        mutable_of: immutable half of a pair -> mutable half.
        immutable_of: mutable half -> immutable half.
        refs: record -> how many loaded records stand on it; none of those without.
    """

    records: dict[str, CacheRecord]
    mutable_of: dict[str, str] = field(default_factory=dict)
    immutable_of: dict[str, str] = field(default_factory=dict)
    refs: Counter[str] = field(default_factory=Counter)

    def is_visible(self, ident: str) -> bool:
        """Whether `du` lists this half: of a pair the immutable one if something stands on it, else the mutable."""
        immutable = self.immutable_of.get(ident)
        if immutable is not None and self.refs[immutable] > 0:
            return False
        return not (ident in self.mutable_of and self.refs[ident] == 0)

    def visible(self, ident: str) -> str:
        """The half of a record's pair that `du` lists; of a single record itself."""
        if self.is_visible(ident):
            return ident
        return self.immutable_of.get(ident) or self.mutable_of.get(ident) or ident

    def halves(self, ident: str) -> tuple[str, ...]:
        """Both ids of a pair, mutable first; of a single record its own."""
        if ident in self.immutable_of:
            return (ident, self.immutable_of[ident])
        if ident in self.mutable_of:
            return (self.mutable_of[ident], ident)
        return (ident,)

    def layer_chain(self, ident: str) -> list[str]:
        """The blob digests of a record's layer chain, base first (7.2); at most `MAX_CHAIN`, the newest."""
        found: list[str] = []
        # What is still to be listed, last first, so that the list grows from the top down and is turned at the end.
        stack = [ident]
        while stack and len(found) < MAX_CHAIN:
            record = self.records.get(stack.pop())
            if record is None:
                continue
            if record.kind == "merge":
                stack.extend(record.parents)
            elif record.kind == "diff" and not record.blob:
                stack.append(record.upper)
            else:
                found.append(record.blob)
                if record.kind == "layer":
                    stack.extend(record.parents)
        found.reverse()
        return found


def load_idle(records: Mapping[str, CacheRecord], start: Start) -> Loaded:
    """The state after a start, with nothing running."""
    loaded = Loaded({ident: record for ident, record in records.items() if ident not in start.dropped})
    for ident, record in loaded.records.items():
        for parent in record.parents:
            loaded.refs[parent] += 1
        if record.equal_mutable and ident not in start.cleared:
            loaded.mutable_of[ident] = record.equal_mutable
            loaded.immutable_of[record.equal_mutable] = ident
    return loaded


@dataclass
class Cache:
    """A worker's cache and the build history beside it, as files say it.

    Attributes:
        place: number of the place in which the paths lie.
        metadata: path of metadata_v2.db.
        history: builds by ref; empty without a history database.
        orphans: builds that a start of BuildKit deletes, as nothing is kept of them.
        history_database: its path, empty where there is none.
        namespace: of the worker's leases.
        history_namespace: of the history's leases.
        snapshotter: the name under which leases name the worker's snapshots.
        records: every record of the file.
        start: what a start makes of them.
        presence: what of their data is there.
        meta: where the leases are.
        doubt: why the records are unknown, empty if they are known.
        history_doubt: likewise the history's.
        numbers: record -> its node; both halves of a pair have one; filled by `populate_cache`.
        builds: ref -> its node.
    """

    place: int
    metadata: str
    namespace: str
    history_namespace: str
    snapshotter: str
    presence: Presence
    meta: MetadataStore | None
    records: dict[str, CacheRecord] = field(default_factory=dict)
    history: dict[str, HistoryRecord] = field(default_factory=dict)
    orphans: dict[str, HistoryRecord] = field(default_factory=dict)
    history_database: str = ""
    doubt: str = ""
    history_doubt: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    builds: dict[str, int] = field(default_factory=dict)

    @cached_property
    def start(self) -> Start:
        """What a start makes of the records."""
        return dropped_by_start(self.records, self.presence)

    @cached_property
    def loaded(self) -> Loaded:
        """The state after a start; plans copy it before they change anything."""
        return load_idle(self.records, self.start)

    def has_lease(self, ident: str) -> bool:
        """Whether a lease of the worker's namespace belongs to a record that is there (3.3)."""
        if ident in self.records:
            return True
        return any(ident.endswith(suffix) and ident.removesuffix(suffix) in self.records for suffix in (VARIANTS, VIEW))

    def id_to_prune(self, ident: str) -> str:
        """The id by which a prune finds a record when nothing names it any more: of a pair the mutable half's."""
        return self.loaded.halves(ident)[0]

    def owns_lease(self, namespace: str, ident: str) -> bool:
        """Whether a lease is a record's or a build's, so that it is no root of its own."""
        if namespace == self.namespace and self.has_lease(ident):
            return True
        # History of version 1 has its leases in the worker's own namespace (3.6).
        return namespace in (self.history_namespace, self.namespace) and (
            ident.startswith("ref_") and (ident[4:] in self.history or ident[4:] in self.orphans)
        )
