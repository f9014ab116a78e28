"""Orders of nodes: holders before what they hold, which is the order in which things can be removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.graph.graph import Graph


def order_holders_first(graph: Graph, nodes: Iterable[int] | None = None) -> list[int]:
    """The nodes, each after all of them that hold it: children first, then what they are built on.

    Args:
        graph: whose edges count.
        nodes: which nodes, all if None; only edges between two of them count.

    Returns:
        Each node once; the same for the same graph whatever the order of `nodes`.  Nodes that hold each other in a
        circle stand together, after all that hold the circle.
    """
    count = len(graph)
    if nodes is None:
        within, starts = bytearray(b"\x01") * count, range(count - 1, -1, -1)
        return order_below(graph, starts, within)
    chosen = sorted(set(nodes), reverse=True)
    within = bytearray(count)
    for number in chosen:
        within[number] = 1
    return order_below(graph, chosen, within)


def order_below(graph: Graph, starts: Iterable[int], within: bytearray) -> list[int]:
    """Reverse postorder of the depth-first search from `starts`, one after the other.

    Args:
        graph: whose edges count.
        starts: where to begin; those tried later stand earlier in the result if nothing else decides.
        within: 1 for the nodes that are entered at all; set to 0 for each that was.
    """
    offsets, held = graph.held_numbers()
    left: list[int] = []
    path: list[int] = []
    # Edges not tried yet lie between offsets[n] and at[-1], and are tried from the end.
    at: list[int] = []
    for start in starts:
        if not within[start]:
            continue
        within[start] = 0
        path.append(start)
        at.append(offsets[start + 1])
        while path:
            number = path[-1]
            edge = at[-1] - 1
            first = offsets[number]
            while edge >= first and not within[held[edge]]:
                edge -= 1
            if edge < first:
                left.append(number)
                path.pop()
                at.pop()
                continue
            at[-1] = edge
            deeper = held[edge]
            within[deeper] = 0
            path.append(deeper)
            at.append(offsets[deeper + 1])
    left.reverse()
    return left
