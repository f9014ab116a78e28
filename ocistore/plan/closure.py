"""What goes when roots are dropped: the same for every kind of store.

A scope or a removal names nodes that shall stay no longer because of themselves; whatever nothing holds then goes,
holders before what they hold.  What is in doubt, and what it holds, stays; so does what is too young.
"""

from __future__ import annotations

from itertools import compress, count
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.findings import CODES, Finding
from ocistore.graph.order import order_holders_first
from ocistore.graph.reach import reach_from
from ocistore.plan.plan import Outcome, Removal
from ocistore.usage.fates import fates, nodes_of_fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ocistore.graph.graph import Fate, Node
    from ocistore.stores.store import Store


def take(
    store: Store,
    dropped: Iterable[int],
    *,
    unreferenced: bool,
    now_ns: int,
    grace_ns: int,
    native: Callable[[Store, int], str | None],
    gone: Iterable[int] = (),
    named: bool = False,
) -> Outcome:
    """The removals that follow from dropping roots.

    Args:
        store: what was read.
        dropped: nodes that are roots no longer; edges to them from the engine's own files don't count either.
        unreferenced: whether what nothing holds now goes, too.
        now_ns: time that ages are judged by, nanoseconds since 1970.
        grace_ns: what is unreferenced and younger stays: a writer may be active.
        native: the native command that does exactly one node's removal.
        gone: nodes that earlier steps took.
        named: the dropped were named one by one: they go even if nothing, or only doubt, held them before.
    """
    outcome = Outcome()
    before = fates(store)
    drop = set(dropped)
    owned = owned_paths(store)
    falling = find_falling(
        store,
        drop,
        unreferenced=unreferenced,
        now_ns=now_ns,
        grace_ns=grace_ns,
        gone=gone,
        named=named,
        outcome=outcome,
    )
    for number in order_holders_first(store.graph, falling):
        node = store.graph.nodes[number]
        paths = tuple(owned.get(number, ()))
        why = _why_dropped(node) if number in drop else _why_taken(node, before[number])
        outcome.removals.append(Removal(number, node.kind, node.id, paths, why, native(store, number)))
    return outcome


def find_falling(
    store: Store,
    dropped: Iterable[int],
    *,
    unreferenced: bool,
    now_ns: int,
    grace_ns: int,
    gone: Iterable[int] = (),
    named: bool = False,
    outcome: Outcome | None = None,
) -> list[int]:
    """As `take`, the nodes alone in the order of their numbers; findings go to `outcome`.

    `dropped` and `gone` may be masks, a byte a node.
    """
    graph = store.graph
    outcome = Outcome() if outcome is None else outcome
    drop, absent = _mask(store, dropped), _mask(store, gone)
    if 1 not in drop and 1 not in absent and grace_ns <= 0:
        # Nothing is other than what fates say.
        loose = nodes_of_fate(store, "unreferenced") if unreferenced else []
        return [n for n in loose if graph.nodes[n].store == store.number]
    starts = [n for n in graph.roots if not drop[n] and not absent[n]]
    starts += [n for n in nodes_of_fate(store, "unknown") if not drop[n]]
    spared = _spared(store, unreferenced, now_ns, grace_ns, absent, outcome)
    if named:
        # What nothing holds stays, except what is named and what only that holds.
        below = reach_from(graph, [n for n, is_dropped in enumerate(drop) if is_dropped])
        spared = [n for n in spared if not below[n]]
    starts += spared
    kept = reach_from(graph, _through_own(store, starts, drop))
    # Most stays, and what doesn't is found quicker than what does is looked at.
    taken = [
        n
        for n in _zeros(kept)
        if not absent[n] and (node := graph.nodes[n]).store == store.number and node.kind != "own"
    ]
    for number in _ones(drop):
        if kept[number]:
            outcome.findings.append(_still_held(store, number, kept))
    return taken


def _ones(mask: bytearray) -> Iterator[int]:
    """The numbers whose byte is 1, ascending."""
    return compress(count(), mask)


def _zeros(mask: bytearray) -> Iterator[int]:
    """The numbers whose byte is 0, ascending."""
    return compress(count(), mask.translate(_FLIPPED))


_FLIPPED = bytes((1, *bytes(255)))


def _mask(store: Store, numbers: Iterable[int]) -> bytearray:
    """A byte a node, 1 for these; a mask is itself."""
    if isinstance(numbers, bytearray):
        return numbers
    mask = bytearray(len(store.graph))
    for number in numbers:
        mask[number] = 1
    return mask


def _through_own(store: Store, starts: list[int], drop: bytearray) -> list[int]:
    """Starts without the own nodes, and in their place what these hold, the dropped left out."""
    nodes = store.graph.nodes
    found = [number for number in starts if nodes[number].kind != "own"]
    for number in nodes_of_fate(store, "own"):
        found += [held for held, _ in store.graph.held_by(number) if not drop[held]]
    return found


def _spared(
    store: Store, unreferenced: bool, now_ns: int, grace_ns: int, absent: bytearray, outcome: Outcome
) -> list[int]:
    """What nothing holds and stays all the same: all of it if it isn't asked for, else what is too young."""
    loose = [
        number
        for number in nodes_of_fate(store, "unreferenced")
        if not absent[number] and store.graph.nodes[number].store == store.number
    ]
    if not unreferenced:
        return loose
    if grace_ns <= 0:
        return []
    spared = [number for number in loose if not _is_older(store, number, now_ns - grace_ns)]
    young = [store.graph.nodes[number] for number in spared]
    if young:
        text = f"{len(young)} unreferenced things are younger than the grace and stay, the first {young[0].key}"
        outcome.findings.append(
            Finding("younger-than-grace", CODES["younger-than-grace"].severity, store.root, "", young[0].key, text)
        )
    return spared


def _is_older(store: Store, number: int, limit_ns: int) -> bool:
    """Whether a node's record, and each path that it owns, was last written, or expired, before a time."""
    node = store.graph.nodes[number]
    if store.cache.get("expired", {}).get(number, limit_ns - 1) >= limit_ns:
        # Clocks differ: an expiry less than the grace ago counts as none (docker-buildkit-containerd 6.3).
        return False
    if node.created_ns is not None and node.created_ns >= limit_ns:
        return False
    for path in owned_paths(store).get(number, ()):
        try:
            place, inside = store.locate(path)
            if place.tree.stat(inside).st_mtime_ns >= limit_ns:
                return False
        except UnreadableFile:
            return False
    return True


def _still_held(store: Store, number: int, kept: bytearray) -> Finding:
    node = store.graph.nodes[number]
    holders = [(n, word) for n, word in store.graph.holders(number) if kept[n] and store.graph.nodes[n].kind != "own"]
    by = f"{node.key} {holders[0][1]} {store.graph.nodes[holders[0][0]].key}" if holders else f"{node.key} stays a root"
    return Finding("still-held", CODES["still-held"].severity, store.root, "", node.key, f"stays: {by}")


def _why_dropped(node: Node) -> str:
    words = [node.state] if node.state else []
    words += [trait for trait in node.traits if trait in ("stage", "build-step", "pack-builder", "builder-generation")]
    return "asked for" + (f" ({', '.join(words)})" if words else "")


def _why_taken(node: Node, before: Fate) -> str:
    if before == "unreferenced":
        return node.note or "nothing references it"
    return "only what goes held it"


def owned_paths(store: Store) -> dict[int, list[str]]:
    """The topmost paths of each node, as answers spell them; computed once a store."""
    cached: dict[int, list[str]] | None = store.cache.get("owned_paths")
    if cached is not None:
        return cached
    found: dict[int, list[str]] = {}
    for place in store.places:
        for path, number in place.owned.items():
            if path and not _is_below_own(place.owned, path, number):
                found.setdefault(number, []).append(place.prefix + path)
    for paths in found.values():
        paths.sort()
    store.cache["owned_paths"] = found
    return found


def paths_of(store: Store, nodes: Iterable[int]) -> list[str]:
    """The topmost paths of some nodes."""
    owned = owned_paths(store)
    return [path for number in nodes for path in owned.get(number, ())]


def _is_below_own(owned: dict[str, int], path: str, number: int) -> bool:
    head = path.rpartition("/")[0]
    while head:
        if head in owned:
            return owned[head] == number
        head = head.rpartition("/")[0]
    return False
