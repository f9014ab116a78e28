"""What a prune of BuildKit's cache takes, exactly (docker-buildkit-containerd 3.7, 3.8).

    state = CacheState(cache, backend, now_ns=..., version=(0, 32, 2), store=store)
    state.prune([Rule(all=True)], outcome)

The state changes as BuildKit's would; commands that follow see what those before them left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.findings import CODES, Finding
from ocistore.plan.buildkit.filters import FilterError, parse_filters
from ocistore.plan.buildkit.ranking import Ranking
from ocistore.plan.buildkit.rules import keep_bytes
from ocistore.plan.buildkit.versions import COUNTERS_FROM_ONE, DESCRIPTIONS, STAMPS
from ocistore.plan.buildkit.world import World
from ocistore.plan.plan import Removal
from ocistore.stores.shared.buildkit.cache import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocistore.plan.buildkit.backend import CacheBackend
    from ocistore.plan.buildkit.filters import Filter
    from ocistore.plan.buildkit.rules import Rule
    from ocistore.plan.buildkit.versions import Version
    from ocistore.plan.buildkit.world import Live
    from ocistore.plan.plan import Outcome
    from ocistore.stores.shared.buildkit.cache import Cache
    from ocistore.stores.store import Store

    Native = Callable[[str], str | None]

_HIDDEN = frozenset(("internal", "frontend"))
"""Types of records that only a prune with All takes."""
_MOST_STAMPED = 24
"""Records of which each is tried as the last one of those that were used at once."""
_MOST_STEPS = 200_000
"""Records that all those trials together may go through."""
_TAKEN = "the prune takes it"
_DROPPED = "not retained: BuildKit drops it when nothing names it any more"
_LOOKED_AT = "not retained: BuildKit drops it when it looks at its size"


class Pruned:
    """What one rule did.

    Attributes:
        rule: which.
        records: ids as BuildKit reports them, in order.
        reported: bytes that BuildKit says it freed.
        unreported: ids of records that went without being reported.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.records: list[str] = []
        self.reported = 0
        self.unreported: list[str] = []


class CacheState:
    """A worker's records, and what commands do to them.

    Attributes:
        at_once: ids of records that were used at the same time, so that which was used last is open.
    """

    def __init__(self, cache: Cache, backend: CacheBackend, *, now_ns: int, version: Version, store: Store) -> None:
        self.cache = cache
        self.backend = backend
        self.now_ns = now_ns
        self.version = version
        self._store = store
        self.world = World(cache.loaded, now_ns, stamps=version >= STAMPS)
        self.at_once: dict[str, None] = {}
        self._shared: dict[str, bool] = {}

    def follow(self, version: Version) -> None:
        """From here on the rules of a version hold."""
        self.version = version
        self.world.stamps = version >= STAMPS

    def prune(self, rules: Iterable[Rule], outcome: Outcome) -> list[Pruned]:
        """Applies rules one after the other, then collects.

        A filter that BuildKit refuses becomes the outcome's failure; what the rules before it took stays taken, and
        nothing is collected.

        Raises:
            UsageError: a filter whose meaning isn't simulated.
        """
        self._shared.clear()
        done: list[Pruned] = []
        rules = list(rules)
        for number, rule in enumerate(rules, 1):
            try:
                wanted = parse_filters(rule.filters)
            except FilterError as err:
                outcome.failure = err.sentence
                return done
            why = _TAKEN if len(rules) == 1 else f"rule {number} of {len(rules)} takes it"
            done.append(_Run(self, rule, wanted, outcome, why).run())
        self.backend.collect()
        return done

    def size(self, live: Live) -> int:
        """What BuildKit counts for a record (3.7, step 4); unknown sizes are measured once."""
        known = live.known_size
        if known is None:
            # Of a pair the mutable half has the snapshot.
            record = live.halves[0].record
            known = 0 if record.blob_only else self.backend.snapshot_usage(record)
            if live.record.blob:
                known += self.backend.blob_usage(live.record)
            live.size = known
        return known

    def is_shared(self, live: Live) -> bool:
        """Whether an image has the record's layers, by the checker of this host; without its ancestors (3.8)."""
        ident = live.id
        if ident not in self._shared:
            chain = self.cache.loaded.layer_chain(ident) if self.backend.compares_blobs else []
            self._shared[ident] = self.backend.shared(live.record, chain)
        return self._shared[ident]

    def disk_usage(self, outcome: Outcome, pruned: Pruned) -> int:
        """Bytes of the records that no image shares, as `du` counts them, with what asking for sizes does (3.7, 3.8).

        A mutable record of unknown size is dropped by that if it isn't retained; a retained one without an immutable
        half gets one.
        """
        visible = list(self.world.visible())
        shared = self._shared_with_ancestors(visible)
        unknown = [live for live in visible if live.known_size is None]
        self.world.touched = []
        sizes = {live: self.size(live) for live in visible}
        total = sum(size for live, size in sizes.items() if live not in shared)
        for live in unknown:
            if live.gone or live.record.committed:
                continue
            if live.is_retained:
                if live.immutable is None:
                    self.world.commit(live)
                continue
            groups = self.world.remove(live)
            self.take(groups, outcome, _LOOKED_AT)
            pruned.unreported += [group[0].id for group in groups]
        # BuildKit asks for all sizes at the same time, so that these uses have no order.
        self.at_once.update(dict.fromkeys(live.id for live in self.world.touched))
        return total

    def _shared_with_ancestors(self, visible: list[Live]) -> set[Live]:
        if not self.backend.has_sharing():
            return set()
        found: set[Live] = set()
        stack = [live for live in visible if self.is_shared(live)]
        while stack:
            live = stack.pop()
            if live not in found:
                found.add(live)
                stack.extend(live.parents)
        return found

    def take(self, groups: list[tuple[Live, ...]], outcome: Outcome, why: str) -> None:
        """Records that went, and the leases of each; the first group is what was asked for."""
        for place, halves in enumerate(groups):
            number, shown = self._node_of(halves)
            reason = why if place == 0 else _DROPPED
            outcome.removals.append(Removal(number, "record", shown, (), reason))
            # Only the mutable half of a pair has leases (3.3).
            self.backend.delete_lease(halves[0].id)
            self.backend.delete_lease(halves[0].id + VARIANTS)

    def _node_of(self, halves: tuple[Live, ...]) -> tuple[int | None, str]:
        """The node of a record and the id that it bears: that of the half which was visible when the store was read."""
        number = self.cache.numbers.get(halves[0].record.id)
        return number, self._store.graph.nodes[number].id if number is not None else halves[0].id


class _Run:
    """One rule."""

    def __init__(self, state: CacheState, rule: Rule, wanted: Filter, outcome: Outcome, why: str) -> None:
        self._why = why
        self._state, self._rule, self._wanted, self._outcome = state, rule, wanted, outcome
        self._pruned = Pruned(rule)
        # moby and buildx always send a filter, if an empty one, so that the checker is there (3.8, step 2).
        self._checks = state.backend.has_sharing() and (not rule.all or bool(rule.filters))
        self._cutoff = state.now_ns - rule.keep_duration_ns

    def run(self) -> Pruned:
        """Takes what the rule takes."""
        total = 0
        if self._rule.has_sizes:
            total = self._state.disk_usage(self._outcome, self._pruned)
        free = self._state.backend.free_space() if self._rule.min_free else 0
        keep = keep_bytes(self._rule, total, free)
        if keep == 0:
            self._take_all()
        elif total >= keep:
            self._take_down_to(keep, total)
        return self._pruned

    def _candidates(self, world: World) -> list[Live]:
        return [live for live in world.visible() if self._is_candidate(live)]

    def _is_candidate(self, live: Live) -> bool:
        """Whether the rule takes a record now (3.8, pruneOnce steps 2 to 4)."""
        if live.refs or live.gone:
            return False
        rule, record = self._rule, live.record
        if not rule.all and (record.record_type in _HIDDEN or self._is_shared(live)):
            return False
        if rule.keep_duration_ns and live.used_ns is not None and live.used_ns > self._cutoff:
            return False
        if self._wanted.matches_all:
            return True
        shared, described = self._is_shared(live), self._state.version >= DESCRIPTIONS
        return self._wanted.matches(lambda name: _field(name, live, shared, described))

    def _is_shared(self, live: Live) -> bool:
        return self._checks and self._state.is_shared(live)

    def _freed(self, world: World) -> list[Live]:
        """Records that became candidates since the last look."""
        freed = [live.visible for live in world.freed]
        world.freed.clear()
        return [live for live in freed if self._is_candidate(live)]

    def _take_all(self) -> None:
        world = self._state.world
        world.freed.clear()
        queue = self._candidates(world)
        at = 0
        while at < len(queue):
            self._take(queue[at])
            at += 1
            queue += self._freed(world)

    def _take(self, live: Live) -> int:
        size = self._state.size(live)
        groups = self._state.world.remove(live)
        self._state.take(groups, self._outcome, self._why)
        # Of a pair BuildKit reports the mutable half; here it bears the id under which it is listed.
        self._pruned.records.append(groups[0][0].id)
        self._pruned.unreported += [group[0].id for group in groups[1:]]
        self._pruned.reported += size
        return size

    def _take_down_to(self, keep: int, total: int) -> None:
        """One record at a time, until what is left is less than the limit (3.8, pruneOnce steps 1 and 5).

        Where BuildKit leaves open which record is first, several orders are tried, and only what goes in each of them
        is taken.
        """
        live = [ident for ident in self._state.at_once if ident in self._state.world.lives]
        order, tied = self._simulate(keep, total, live, prefer_first=True)
        sure = set(order)
        if tied:
            sure.intersection_update(self._simulate(keep, total, live, prefer_first=False)[0])
        for stamped in _orders(live, len(self._state.world.lives)):
            other, more = self._simulate(keep, total, stamped, prefer_first=True)
            sure.intersection_update(other)
            if more:
                tied += more
                sure.intersection_update(self._simulate(keep, total, stamped, prefer_first=False)[0])
        if len(live) > _MOST_STAMPED and len(sure) < len(order):
            sure.difference_update(live)
        if tied or len(sure) < len(order):
            _say_undefined(self._state._store, self._outcome, len(order), len(sure))
        for ident in order:
            if ident in sure:
                self._take(self._state.world.lives[ident])
        self._state.world.freed.clear()

    def _simulate(self, keep: int, total: int, stamped: Sequence[str], *, prefer_first: bool) -> tuple[list[str], int]:
        """The ids that go, in order, and how many times BuildKit's order left open which goes first.

        Args:
            keep: bytes down to which is pruned.
            total: bytes that there are.
            stamped: records that were used at once, in the order in which that may have been.
            prefer_first: of equals take the first by BuildKit's rule; False: the one that it names last.
        """
        world = self._state.world.copy()
        _restamp(world, stamped)
        ranking = Ranking(from_one=self._state.version >= COUNTERS_FROM_ONE)
        for live in self._candidates(world):
            ranking.add(live)
        order: list[str] = []
        tied = 0
        while len(ranking) and total >= keep:
            first = ranking.first()
            live = first.live
            if first.rivals:
                tied += 1
                if not prefer_first:
                    live = max(first.rivals, key=lambda rival: (rival.usage, rival.used_ns or 0, rival.id))
            ranking.remove(live)
            total -= self._state.size(live)
            order.append(live.id)
            world.remove(live)
            for freed in self._freed(world):
                ranking.add(freed)
        return order, tied


def _orders(stamped: list[str], lives: int) -> Iterator[list[str]]:
    """Orders that tell how far that of these records matters: backwards, and each of them last.

    Being last is the worst that can happen to a record that shall go.
    """
    if len(stamped) > 1:
        yield stamped[::-1]
    if 1 < len(stamped) <= _MOST_STAMPED and len(stamped) * lives <= _MOST_STEPS:
        for ident in stamped:
            yield [*(other for other in stamped if other != ident), ident]


def _restamp(world: World, stamped: Sequence[str]) -> None:
    """Gives the last uses of these records to them in this order."""
    lives = [world.lives[ident] for ident in stamped]
    for live, used_ns in zip(lives, sorted(live.used_ns or 0 for live in lives), strict=True):
        live.used_ns = used_ns


def _say_undefined(store: Store, outcome: Outcome, count: int, sure: int) -> None:
    text = (
        f"BuildKit's order leaves open which of several records goes first; {sure} of {count} records go in every order"
        " that was tried, and only they are planned"
    )
    code = "native-order-undefined"
    outcome.findings.append(Finding(code, CODES[code].severity, store.root, "", None, text))


def _field(name: str, live: Live, shared: bool, described: bool) -> tuple[str, bool]:
    """A field as a prune's filters see it; `parents` and `inuse` are always absent there (3.8, pruneOnce step 4)."""
    record = live.record
    if name == "id":
        return live.id, True
    if name == "type":
        return record.record_type, True
    if name == "description":
        return (record.description, record.description != "") if described else ("", False)
    presences = {
        "mutable": not record.committed,
        "immutable": record.committed,
        "shared": shared,
        "private": not shared,
    }
    return "", presences.get(name, False)
