"""Dominators: which one node everything that leads to another goes through.

Lengauer and Tarjan, "A Fast Algorithm for Finding Dominators in a Flowgraph", 1979, the simple variant with path
compression: O(E log V), without recursion, on flat lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.graph.reach import tops

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.graph.graph import Graph


class Dominators:
    """The dominator tree below a virtual root, whose number is the number of nodes.

    The virtual root holds all that stays by itself (`ocistore.graph.reach.tops`), so every node is in the tree, but for
    those that were taken for gone and what only they hold.

    Attributes:
        above: by node, its immediate dominator; -1 for a node that is not in the tree.
        order: the nodes in the tree, each after its dominator.
        depth: by node, how far below the virtual root; that of the virtual root, the last one, is 0.
    """

    __slots__ = ("above", "depth", "order")

    def __init__(self, above: list[int], order: list[int]) -> None:
        self.above = above
        self.order = order
        self.depth = [0] * (len(above) + 1)
        depth = self.depth
        for number in order:
            depth[number] = depth[above[number]] + 1

    @property
    def top(self) -> int:
        """Number of the virtual root."""
        return len(self.above)

    def common(self, one: int, other: int) -> int:
        """The lowest node that both go through, one of themselves perhaps, the virtual root if there is none."""
        above, depth = self.above, self.depth
        while depth[one] > depth[other]:
            one = above[one]
        while depth[other] > depth[one]:
            other = above[other]
        while one != other:
            one, other = above[one], above[other]
        return one


def find_dominators(graph: Graph, gone: Iterable[int] = ()) -> Dominators:
    """The dominator tree of the whole graph, below the virtual root that holds what stays by itself.

    Args:
        graph: the graph.
        gone: nodes that are taken for gone, with all that nothing else holds then.
    """
    absent = set(gone)
    starts = [start for start in tops(graph) if start not in absent]
    vertex, number, parent = _search(graph, starts, absent)
    total = len(vertex)
    offsets, holders = graph.holder_numbers()
    semi = list(range(total))
    best = list(range(total))
    linked = [-1] * total
    above = [0] * total
    # Vertices by semidominator, as linked lists: the last one met, and the one before each.
    last = [-1] * total
    before = [-1] * total
    held_by_root = bytearray(total)
    for start in starts:
        held_by_root[number[start]] = 1
    for v in range(total - 1, 0, -1):
        node = vertex[v]
        lowest = 0 if held_by_root[v] else parent[v]
        for holder in holders[offsets[node] : offsets[node + 1]]:
            u = number[holder]
            if u <= 0:
                continue
            # A vertex that is not linked yet stands for itself.
            if linked[u] >= 0:
                if linked[linked[u]] >= 0:
                    _compress(u, linked, best, semi)
                u = best[u]
            if semi[u] < lowest:
                lowest = semi[u]
        semi[v] = lowest
        before[v] = last[lowest]
        last[lowest] = v
        up = parent[v]
        linked[v] = up
        w = last[up]
        last[up] = -1
        while w >= 0:
            if linked[linked[w]] >= 0:
                _compress(w, linked, best, semi)
            u = best[w]
            above[w] = u if semi[u] < semi[w] else up
            w = before[w]
    for v in range(1, total):
        if above[v] != semi[v]:
            above[v] = above[above[v]]
    result = [-1] * len(graph)
    for v in range(1, total):
        result[vertex[v]] = vertex[above[v]]
    return Dominators(result, vertex[1:])


def _compress(vertex: int, linked: list[int], best: list[int], semi: list[int]) -> None:
    """Lets a vertex know the best one on its way up, and hangs the way directly below the end."""
    path = []
    at = vertex
    while linked[linked[at]] >= 0:
        path.append(at)
        at = linked[at]
    while path:
        u = path.pop()
        over = linked[u]
        if semi[best[over]] < semi[best[u]]:
            best[u] = best[over]
        linked[u] = linked[over]


def _search(graph: Graph, starts: list[int], absent: set[int]) -> tuple[list[int], list[int], list[int]]:
    """Depth-first numbers from the virtual root: (node by number, number by node, parent's number by number).

    The number of a node that isn't reached is 0 or less.
    """
    count = len(graph)
    offsets, held = graph.held_numbers()
    vertex = [count]
    number = [0] * (count + 1)
    for node in absent:
        number[node] = -1
    parent = [0]
    path: list[int] = []
    at: list[int] = []
    for start in starts:
        if number[start]:
            continue
        number[start] = len(vertex)
        parent.append(0)
        vertex.append(start)
        path.append(start)
        at.append(offsets[start])
        while path:
            node = path[-1]
            edge, end = at[-1], offsets[node + 1]
            while edge < end and number[held[edge]]:
                edge += 1
            if edge == end:
                path.pop()
                at.pop()
                continue
            at[-1] = edge + 1
            deeper = held[edge]
            number[deeper] = len(vertex)
            parent.append(number[node])
            vertex.append(deeper)
            path.append(deeper)
            at.append(offsets[deeper])
    return vertex, number, parent
