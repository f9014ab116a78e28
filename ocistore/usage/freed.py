"""Freed: what the disk gets back when paths are unlinked, one step after the other.

An inode comes back with the last of its names, and only if every name is among the paths.

Source: formats, containers-storage Part 5, rules 2 and 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.findings import Finding, Findings
from ocistore.usage.bytes import ZERO, Bytes
from ocistore.usage.claims import Spot, Spots, count_claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ocistore.stores.store import Store
    from ocistore.usage.claims import Counted


class Freed(NamedTuple):
    """What steps give back.

    Attributes:
        steps: by step, what it gives back after those before it; None where that can't be proved.
        total: their sum; None if one of them is.
        findings: why something can't be proved, and what else was odd.
    """

    steps: tuple[Bytes | None, ...]
    total: Bytes | None
    findings: list[Finding]


def measure_freed(
    store: Store,
    steps: Sequence[Sequence[str]],
    progress: Callable[[int, int], None] | None = None,
) -> Freed:
    """What unlinking the paths of `steps`, in order, gives back; only those paths are walked.

    Args:
        store: whose places the paths are in.
        steps: by step, paths as answers spell them: relative to the root, absolute in other places.  One that isn't
            there gives nothing; one that is listed twice, or lies below another, counts at the earliest step that
            covers it.
        progress: see `ocistore.disk.walk.walk`.

    Raises:
        KeyError: a path that is in no place of the store.
    """
    findings = Findings()
    where = Spots(store)
    first: dict[Spot, int] = {}
    for number, paths in enumerate(steps):
        for path in paths:
            first.setdefault(where.find(path), number)
    taken = _claims(first)
    spots, step_of = list(taken), list(taken.values())
    counted = count_claims(store, spots, lambda _claim: None, findings, progress)
    unproved = {step_of[claim] for claim in counted.incomplete}
    unproved.update(_unsized(store, where, taken))
    return sum_freed(len(steps), step_of, counted, unproved, findings)


def sum_freed(
    steps: int, step_of: Sequence[int], counted: Counted, unproved: Iterable[int], findings: Findings
) -> Freed:
    """Adds up by step what claims give back.

    Args:
        steps: how many steps there are.
        step_of: by claim, the step that unlinks it, -1 for none.
        counted: the claims.
        unproved: steps whose bytes can't be proved.
        findings: takes a finding for each of those.
    """
    allocated, apparent, inodes = [0] * steps, [0] * steps, [0] * steps
    without = set(unproved)
    doubtful = bool(counted.incomplete)
    single = counted.single.columns
    for claim, step in enumerate(step_of):
        if step >= 0:
            allocated[step] += single[0][claim]
            apparent[step] += single[1][claim]
            inodes[step] += single[2][claim]
    for claims, complete, amount in counted.groups:
        covering = [step_of[claim] for claim in claims]
        if min(covering) < 0:
            continue
        step = max(covering)
        if complete:
            allocated[step] += amount[0]
            apparent[step] += amount[1]
            inodes[step] += amount[2]
        elif doubtful:
            # A name that wasn't met may lie in what couldn't be read, which another step takes.
            without.add(step)
    for step in sorted(without):
        findings.say("step-not-provable", f"step {step + 1}: not all that it takes could be counted")
    result = tuple(None if n in without else Bytes(allocated[n], apparent[n], inodes[n]) for n in range(steps))
    total: Bytes | None = ZERO
    for amount_or_none in result:
        total = None if total is None or amount_or_none is None else total.plus(amount_or_none)
    return Freed(result, total, findings)


def _claims(first: dict[Spot, int]) -> dict[Spot, int]:
    """The paths that begin something and their steps, those left out that a step above takes anyway."""
    taken: dict[Spot, int] = {}
    # Shorter paths first, so that what lies above is known.
    for spot in sorted(first, key=lambda s: (s.place, s.path.count("/") if s.path else -1, s.path)):
        step = first[spot]
        above = _nearest(taken, spot)
        if above is None or step < above:
            taken[spot] = step
    return taken


def _nearest(known: dict[Spot, int], spot: Spot, itself: bool = False) -> int | None:
    """The value of the nearest known path above, or of the path `itself`."""
    path = spot.path
    if itself and spot in known:
        return known[spot]
    while path:
        path = path.rpartition("/")[0]
        found = known.get(Spot(spot.place, path))
        if found is not None:
            return found
    return None


def _unsized(store: Store, where: Spots, taken: dict[Spot, int]) -> set[int]:
    """Steps that take paths of nodes whose bytes can't be counted from files."""
    nodes = store.graph.nodes
    if not any(node.unsized for node in nodes):
        return set()
    owners = {
        where.spot(number, path): owner
        for number, place in enumerate(store.places)
        for path, owner in place.owned.items()
    }
    found = set()
    for spot, step in taken.items():
        owner = _nearest(owners, spot, itself=True)
        if owner is not None and nodes[owner].unsized:
            found.add(step)
    for spot, owner in owners.items():
        if nodes[owner].unsized:
            step_above = _nearest(taken, spot, itself=True)
            if step_above is not None:
                found.add(step_above)
    return found
