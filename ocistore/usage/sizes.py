"""Sizes: one walk of a whole store, and the answers that it gives: ledger, own bytes, what comes back."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.walk import upwards
from ocistore.findings import Findings
from ocistore.graph.graph import FATES
from ocistore.usage.bytes import ZERO, Bytes
from ocistore.usage.claims import Spot, Spots, count_claims
from ocistore.usage.fates import fates
from ocistore.usage.freed import Freed, measure_freed, sum_freed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from ocistore.graph.graph import Fate
    from ocistore.stores.store import Store
    from ocistore.usage.claims import Counted

NOBODY = -1
"""Owner of what no path that is owned lies above."""


class KindSum(NamedTuple):
    """A line of the ledger.

    Attributes:
        nodes: how many of the kind there are, with or without bytes.
        bytes: what they own; an inode that several kinds have a name of counts for one of them.
        unreferenced: what of that is.
    """

    nodes: int
    bytes: Bytes
    unreferenced: Bytes


def measure(
    store: Store,
    progress: Callable[[int, int], None] | None = None,
    cuts: Iterable[str] = (),
) -> Sizes:
    """Walks all places of a store; findings go to the store's.

    Args:
        store: a store that was read.
        progress: called now and then with (directories done, directories in all), place after place.
        cuts: paths, as answers spell them, that `Sizes.freed` will be asked about besides owned ones; a path that
            is in no place is left out.
    """
    where = Spots(store)
    owners: dict[Spot, int] = {}
    for number, place in enumerate(store.places):
        for path, owner in place.owned.items():
            owners.setdefault(where.spot(number, path), owner)
        if place.ledger:
            # Nothing may be missing from a ledger, whatever the reader knows.
            owners.setdefault(where.spot(number, ""), NOBODY)
    for path in cuts:
        try:
            spot = where.find(path)
        except KeyError:
            continue
        if spot not in owners:
            owners[spot] = _owner_above(owners, spot)
    nodes = store.graph.nodes
    spots, owner_of = list(owners), list(owners.values())
    owners.clear()

    def key_of(claim: int) -> str | None:
        owner = owner_of[claim]
        return nodes[owner].key if owner >= 0 else None

    counted = count_claims(store, spots, key_of, store.findings, progress)
    return Sizes(store, where, owner_of, counted)


class Sizes:
    """What a walk found.

    Attributes:
        store: the store that was walked.
    """

    def __init__(self, store: Store, where: Spots, owners: list[int], counted: Counted) -> None:
        self.store = store
        self._where = where
        self._owners = owners
        self._counted = counted
        self._incomplete = {owners[claim] for claim in counted.incomplete}
        self._own: dict[int, Bytes] | None = None
        self._fates: list[Fate] | None = None
        self._retained: list[Bytes | None] | None = None
        self._kept: dict[str, list[Bytes | None] | None] = {}
        self._nested: _Nested | None = None
        self._sums: dict[int, dict[tuple[Fate, str | None], Bytes]] = {}
        self._has_unsized = any(node.unsized for node in store.graph.nodes)

    @property
    def node_fates(self) -> list[Fate]:
        """The fate of every node, by number."""
        if self._fates is None:
            self._fates = fates(self.store)
        return self._fates

    @property
    def noted(self) -> Collection[str] | None:
        """The directories of the root that bear a name which its tree was to note; None if that isn't known.

        It isn't where the tree was to note none, where not all could be counted, and of a root inside another place.
        """
        return self._counted.noted.get(0)

    def total(self, place: int = 0) -> Bytes:
        """All that lies in a place, as `du -x` counts it."""
        total = ZERO
        for amount in self._summed(place).values():
            total = total.plus(amount)
        return total

    def fates(self, place: int = 0) -> dict[Fate, Bytes]:
        """The bytes of a place by fate; they add up to its total.

        An inode with names in several nodes is held if one of them is, else unknown if one of them is, else the
        engine's own, else unreferenced.
        """
        sums = dict.fromkeys(FATES, ZERO)
        for (fate, _), amount in self._summed(place).items():
            sums[fate] = sums[fate].plus(amount)
        return sums

    def kinds(self, place: int = 0) -> dict[str, KindSum]:
        """The bytes of a place by kind of node; they add up to its total, but for what no node owns."""
        counts = Counter(node.kind for node in self.store.graph.nodes if node.store == self.store.number)
        sums = {kind: KindSum(count, ZERO, ZERO) for kind, count in counts.items()}
        for (fate, kind), amount in self._summed(place).items():
            if kind is None:
                continue
            count, whole, free = sums.get(kind, KindSum(0, ZERO, ZERO))
            free = free.plus(amount) if fate == "unreferenced" else free
            sums[kind] = KindSum(count, whole.plus(amount), free)
        return sums

    def own(self, node: int) -> Bytes | None:
        """What du says of a node's paths: each inode once, also one that other nodes have names of.

        None where it can't be counted: something is unreadable, or the driver shares blocks that stat doesn't see.
        """
        if self._own is None:
            self._own = self._owned()
        if not self._is_counted(node):
            return None
        return self._own.get(node, ZERO)

    def retains(self, node: int) -> Bytes | None:
        """What comes back if this node alone goes, with all that nothing else holds then; None as for `own`."""
        if self._retained is None:
            self._retained = self._retain(())
        return self._retained[node]

    def kept(self, node: int) -> Bytes | None:
        """What the other of two reference counts keeps from coming back when this node alone goes.

        Of an image: the bytes that the build cache alone keeps; of a build record: those that images alone keep.  It
        is what the node would retain if all build records (all images and their names) were gone, less what it retains
        now.  None for other kinds, for stores without both, and where it can't be counted.
        """
        kind = self.store.graph.nodes[node].kind
        if kind not in _COUNTERPARTS:
            return None
        if kind not in self._kept:
            self._kept[kind] = self._retain_without(_COUNTERPARTS[kind])
        without, now = self._kept[kind], self.retains(node)
        alone = without[node] if without is not None else None
        return None if alone is None or now is None else alone.minus(now)

    def _retain_without(self, kinds: tuple[str, ...]) -> list[Bytes | None] | None:
        gone = [n for n, node in enumerate(self.store.graph.nodes) if node.kind in kinds]
        return self._retain(gone) if gone else None

    def freed(self, steps: Sequence[Sequence[str]]) -> Freed:
        """As `measure_freed`, without another walk if each path is owned as such or was named as a cut.

        Raises:
            KeyError: a path that is in no place of the store.
        """
        counted, nodes = self._counted, self.store.graph.nodes
        at, below = self._nesting
        # A path of the root is mostly spelled as the walk of it sees it.
        top = at[0] if self._where.spot(0, "") == Spot(0, "") else {}
        step_of = array("i", [-1]) * len(counted.spots)
        for number, paths in enumerate(steps):
            for path in paths:
                claim = top.get(path)
                if claim is None:
                    spot = self._where.find(path)
                    claim = at[spot.place].get(spot.path)
                if claim is None:
                    return measure_freed(self.store, steps)
                if step_of[claim] < 0:
                    step_of[claim] = number
                for deeper in below.get(claim, ()):
                    if step_of[deeper] < 0:
                        step_of[deeper] = number
        unproved = {step_of[claim] for claim in counted.incomplete if step_of[claim] >= 0}
        if self._has_unsized:
            unproved.update(
                step_of[claim]
                for claim, owner in enumerate(self._owners)
                if step_of[claim] >= 0 and owner >= 0 and nodes[owner].unsized
            )
        return sum_freed(len(steps), step_of, counted, unproved, Findings())

    def _summed(self, place: int) -> dict[tuple[Fate, str | None], Bytes]:
        """The bytes of a place by fate and kind of an owner that has this fate, None where no node owns them."""
        known = self._sums.get(place)
        if known is None:
            known = self._sums[place] = self._sum_up(place)
        return known

    def _sum_up(self, place: int) -> dict[tuple[Fate, str | None], Bytes]:
        of_node, nodes, owners = self.node_fates, self.store.graph.nodes, self._owners
        allocated, apparent, inodes = self._counted.single.columns
        sums: dict[tuple[Fate, str | None], list[int]] = defaultdict(lambda: [0, 0, 0])
        there = bytearray(len(owners))
        for claim in self._claims_below(self._where.spot(place, "")):
            there[claim] = 1
            if inodes[claim]:
                owner = owners[claim]
                line = sums[(of_node[owner], nodes[owner].kind) if owner >= 0 else ("unknown", None)]
                line[0] += allocated[claim]
                line[1] += apparent[claim]
                line[2] += inodes[claim]
        for claims, _, amount in self._counted.groups:
            within = [owners[claim] for claim in claims if there[claim]]
            if not within:
                continue
            # A name in another place of this store holds the inode too.
            among: dict[Fate, int] = {}
            for claim in claims:
                owner = owners[claim]
                among.setdefault(of_node[owner] if owner >= 0 else "unknown", owner)
            fate = next(f for f in _STRONGEST if f in among)
            owner = among[fate] if among[fate] in within else within[0]
            line = sums[fate, nodes[owner].kind if owner >= 0 else None]
            for column, part in enumerate(amount):
                line[column] += part
        return {key: Bytes(*line) for key, line in sums.items()}

    @property
    def _nesting(self) -> _Nested:
        if self._nested is None:
            self._nested = _nest_claims(self._counted.spots, len(self.store.places))
        return self._nested

    def _claims_below(self, spot: Spot) -> Iterable[int]:
        """The claims at a path and below it."""
        at, below = self._nesting
        claims = at[spot.place]
        claim = claims.get(spot.path)
        if claim is not None:
            return claim, *below.get(claim, ())
        prefix = f"{spot.path}/" if spot.path else ""
        return [claim for path, claim in claims.items() if path.startswith(prefix)]

    def _is_counted(self, node: int) -> bool:
        thing = self.store.graph.nodes[node]
        return thing.store == self.store.number and not thing.unsized and node not in self._incomplete

    def _owned(self) -> dict[int, Bytes]:
        own: dict[int, Bytes] = {}
        for claim, amount in enumerate(self._counted.single):
            if amount.inodes:
                owner = self._owners[claim]
                own[owner] = own.get(owner, ZERO).plus(amount)
        for claims, _, amount in self._counted.groups:
            for owner in {self._owners[claim] for claim in claims}:
                own[owner] = own.get(owner, ZERO).plus(amount)
        return own

    def _retain(self, gone: Collection[int]) -> list[Bytes | None]:
        """What each node retains once `gone` are gone with all that only they hold; nothing for those themselves."""
        # Only `ls -s` needs it.
        from ocistore.graph.dominators import find_dominators

        nodes = self.store.graph.nodes
        tree = find_dominators(self.store.graph, gone)
        stays = [above >= 0 for above in tree.above]
        sums = [[0] * (len(nodes) + 1) for _ in range(3)]

        def put(node: int, amount: Bytes) -> None:
            for column, part in zip(sums, amount, strict=True):
                column[node] += part

        for claim, amount in enumerate(self._counted.single):
            if self._owners[claim] >= 0 and stays[self._owners[claim]]:
                put(self._owners[claim], amount)
        for claims, complete, amount in self._counted.groups:
            # An inode with names elsewhere stays whatever goes.
            if not complete:
                continue
            owners = [self._owners[claim] if self._owners[claim] >= 0 else tree.top for claim in claims]
            left = [owner for owner in owners if owner == tree.top or stays[owner]]
            if not left:
                continue
            common, *others = left
            for other in others:
                common = tree.common(common, other)
            put(common, amount)
        uncounted = bytearray(len(nodes) + 1)
        for node in self._incomplete:
            uncounted[node] = 1
        for number, node_ in enumerate(nodes):
            if node_.unsized:
                uncounted[number] = 1
        for node in reversed(tree.order):
            above = tree.above[node]
            for column in sums:
                column[above] += column[node]
            if uncounted[node]:
                uncounted[above] = 1
        return [
            None if uncounted[n] or nodes[n].store != self.store.number else Bytes(sums[0][n], sums[1][n], sums[2][n])
            for n in range(len(nodes))
        ]


_COUNTERPARTS = {"image": ("record",), "record": ("image", "ref")}
"""By kind, the kinds whose reference count keeps the same bytes (docker-buildkit-containerd 2.8)."""
_STRONGEST: tuple[Fate, ...] = ("held", "unknown", "own", "unreferenced")


class _Nested(NamedTuple):
    """Where claims lie.

    Attributes:
        at: by place of the store: the claim of each path in it.
        below: of a claim, the claims that lie deeper in it; none of those without.
    """

    at: list[dict[str, int]]
    below: dict[int, list[int]]


def _nest_claims(spots: list[Spot], places: int) -> _Nested:
    at: list[dict[str, int]] = [{} for _ in range(places)]
    for claim, spot in enumerate(spots):
        at[spot.place][spot.path] = claim
    below: dict[int, list[int]] = {}
    for claims in at:
        # Most claims lie side by side in a few directories.
        around: dict[str, list[list[int]]] = {}
        for path, claim in claims.items():
            if not path:
                continue
            head = path.rpartition("/")[0]
            lists = around.get(head)
            if lists is None:
                above = [claims[each] for each in (*upwards(head), "") if each in claims]
                lists = around[head] = [below.setdefault(each, []) for each in above]
            for each in lists:
                each.append(claim)
    return _Nested(at, below)


def _owner_above(owners: dict[Spot, int], spot: Spot) -> int:
    path = spot.path
    while path:
        path = path.rpartition("/")[0]
        owner = owners.get(Spot(spot.place, path))
        if owner is not None:
            return owner
    return NOBODY
