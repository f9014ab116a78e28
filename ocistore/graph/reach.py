"""Reach: what stays because of what, and every chain that says so."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush, nsmallest
from typing import TYPE_CHECKING

from ocistore.graph.order import order_below

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.graph.graph import Graph

_EFFORT = 2_000_000
"""Nodes looked at in the search for chains, at most; only circles that lead nowhere ever need so many."""

Chain = list[tuple[int, str]]
"""From a root down: (node, why it stays); the first says why it is a root, each other "NODE `word` the one before"."""


def reach_from(graph: Graph, starts: Iterable[int], without: int = -1) -> bytearray:
    """What the nodes in `starts` hold, directly or not, themselves included.

    Args:
        graph: the graph.
        starts: numbers of nodes.
        without: a node that is taken for gone, -1 for none.

    Returns:
        A byte a node, 1 where it is reached.
    """
    reached = bytearray(len(graph))
    if without >= 0:
        reached[without] = 1
    _reach_on(graph, starts, reached)
    if without >= 0:
        reached[without] = 0
    return reached


def anchors(graph: Graph) -> list[int]:
    """The nodes that nothing else needs to hold: roots, the engine's own, and those in doubt, which count as held."""
    found = dict.fromkeys(graph.roots)
    for number, node in enumerate(graph.nodes):
        if node.doubt or node.kind == "own":
            found[number] = None
    return sorted(found)


def tops(graph: Graph) -> list[int]:
    """Nodes from which all others are reached: the anchors, and the uppermost of what no anchor holds.

    Of nodes that hold each other in a circle, and that nothing else holds, one stands for all.
    """
    found = anchors(graph)
    reached = reach_from(graph, found)
    if reached.count(1) == len(reached):
        return found
    rest = [number for number, there in enumerate(reached) if not there]
    within = bytearray(len(reached))
    for number in rest:
        within[number] = 1
    # In this order a node that nothing before it reaches is held by nothing but its own circle.
    for number in order_below(graph, reversed(rest), within):
        if not reached[number]:
            found.append(number)
            _reach_on(graph, (number,), reached)
    return found


def goes_with(graph: Graph, node: int) -> list[int]:
    """What nothing holds any more when `node` alone goes, without itself; in the order of numbers."""
    starts = tops(graph)
    below = reach_from(graph, [node])
    reached = reach_from(graph, starts, without=node)
    return [n for n, under in enumerate(below) if under and not reached[n] and n != node]


def chains(graph: Graph, node: int, limit: int) -> list[Chain]:
    """The chains of holders from a root down to `node`, shortest first; no node comes twice in one.

    Roots are also the engine's own files and nodes in doubt, whose doubt stands for the reason.

    Args:
        graph: the graph.
        node: number of the node that is asked about.
        limit: how many chains at most; in a graph with circles the search may end with fewer.

    Returns:
        None at all if nothing holds it; one of length 1 among them if it is a root itself.
    """
    distance = _distances(graph, node)
    if node not in distance:
        return []
    circular = _has_circle(graph, distance)
    found: list[Chain] = []
    # (length that it will have at least, edges still missing, a number that decides equal ones, chain from its top on)
    serial = 0
    heap: list[tuple[int, int, int, _Link]] = [(distance[node], distance[node], 0, (node, "", None))]
    effort = _EFFORT + limit * len(distance)
    while heap and len(found) < limit and effort > 0:
        length, missing, _, link = heappop(heap)
        top = link[0]
        if not missing:
            found.append(_unlink(link, _reason(graph, top)))
        depth = length - missing + 1
        on_chain = _numbers(link) if circular else ()
        onward = []
        for holder, word in dict.fromkeys(graph.holders(top)):
            above = distance.get(holder)
            if above is not None and holder not in on_chain:
                serial += 1
                onward.append((depth + above, above, serial, (holder, word, link)))
        effort -= 1 + len(on_chain) + len(onward)
        # More than `limit` of them are never needed from one place, unless circles make some of them useless.
        for item in nsmallest(limit, onward) if len(onward) > limit else onward:
            heappush(heap, item)
    return found


_Link = tuple[int, str, "_Link | None"]


def _reach_on(graph: Graph, starts: Iterable[int], reached: bytearray) -> None:
    """Marks what nodes hold that aren't marked yet, themselves included; nothing is looked for below what is marked."""
    offsets, held = graph.held_numbers()
    for start in starts:
        if reached[start]:
            continue
        reached[start] = 1
        number, stack = start, []
        while True:
            first, last = offsets[number], offsets[number + 1]
            if last - first == 1:
                # By far the most nodes hold one thing: a record its lease, this its snapshot.
                deeper = held[first]
                if not reached[deeper]:
                    reached[deeper] = 1
                    number = deeper
                    continue
            else:
                for deeper in held[first:last]:
                    if not reached[deeper]:
                        reached[deeper] = 1
                        stack.append(deeper)
            if not stack:
                break
            number = stack.pop()


def _reason(graph: Graph, number: int) -> str:
    words = graph.roots.get(number)
    if words:
        return ", ".join(words)
    return graph.nodes[number].doubt or "is the engine's own"


def _distances(graph: Graph, node: int) -> dict[int, int]:
    """Edges from the nearest root, for `node` and each of its holders that some root holds."""
    above = {node}
    todo = deque([node])
    while todo:
        for holder, _ in graph.holders(todo.popleft()):
            if holder not in above:
                above.add(holder)
                todo.append(holder)
    roots = graph.roots
    distance = {n: 0 for n in sorted(above) if n in roots or graph.nodes[n].doubt or graph.nodes[n].kind == "own"}
    todo.extend(distance)
    offsets, held = graph.held_numbers()
    while todo:
        number = todo.popleft()
        for deeper in held[offsets[number] : offsets[number + 1]]:
            if deeper in above and deeper not in distance:
                distance[deeper] = distance[number] + 1
                todo.append(deeper)
    return distance


def _has_circle(graph: Graph, numbers: Iterable[int]) -> bool:
    """Whether some of these nodes hold each other in a circle."""
    chosen = list(numbers)
    within = bytearray(len(graph))
    for number in chosen:
        within[number] = 1
    place = {number: at for at, number in enumerate(order_below(graph, chosen, within))}
    offsets, held = graph.held_numbers()
    return any(
        place.get(deeper, at) < at
        for number, at in place.items()
        for deeper in held[offsets[number] : offsets[number + 1]]
    )


def _numbers(link: _Link) -> set[int]:
    return {number for number, _ in _downward(link)}


def _downward(link: _Link) -> list[tuple[int, str]]:
    nodes: list[tuple[int, str]] = []
    at: _Link | None = link
    while at is not None:
        number, word, below = at
        nodes.append((number, word))
        at = below
    return nodes


def _unlink(link: _Link, reason: str) -> Chain:
    nodes = _downward(link)
    # Each link carries the word of the edge down from it; a chain says it of the node below.
    return [(nodes[n][0], nodes[n - 1][1] if n else reason) for n in range(len(nodes))]
