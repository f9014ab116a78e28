"""What stands on what, as trees: images on images, layers on layers, or what a name holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ocistore.graph.graph import Graph


MAX_LEVELS = 500
"""No engine stacks so many layers; a deeper tree is not opened further."""


class Forest:
    """Nodes with those that stand on each; what is met a second time is not opened again.

    Attributes:
        tops: nodes that stand on nothing that is shown.
    """

    def __init__(self, shown: Sequence[int], under: Callable[[int], Iterable[int]]) -> None:
        """Makes the trees.

        Args:
            shown: the nodes, in the order of siblings.
            under: those that a node stands on; others than `shown` don't count.
        """
        self._children: dict[int, list[int]] = {number: [] for number in shown}
        self.tops: list[int] = []
        for number in shown:
            bases = [base for base in dict.fromkeys(under(number)) if base in self._children and base != number]
            for base in bases:
                self._children[base].append(number)
            if not bases:
                self.tops.append(number)
        # A circle (a damaged store) has no top; one of its nodes stands for it.
        reached = self.reach(self.tops)
        for number in shown:
            if number not in reached:
                self.tops.append(number)
                reached |= self.reach([number])

    def children(self, number: int) -> list[int]:
        """Those that stand on a node."""
        return self._children[number]

    def __contains__(self, number: int) -> bool:
        return number in self._children

    def reach(self, tops: Iterable[int]) -> set[int]:
        """These nodes and all that stand on them."""
        seen = set(tops)
        todo = list(seen)
        while todo:
            for child in self._children[todo.pop()]:
                if child not in seen:
                    seen.add(child)
                    todo.append(child)
        return seen

    def around(self, number: int) -> Forest:
        """Only what stands on a node, and what it stands on."""
        bases: dict[int, list[int]] = {}
        for base, children in self._children.items():
            for child in children:
                bases.setdefault(child, []).append(base)
        keep = self.reach([number])
        todo = [number]
        while todo:
            for base in bases.get(todo.pop(), ()):
                if base not in keep:
                    keep.add(base)
                    todo.append(base)
        # What else stands on a base is another subtree.
        return Forest([each for each in self._children if each in keep], lambda each: bases.get(each, ()))

    def walk(self) -> Iterator[tuple[int, tuple[bool, ...], bool]]:
        """Each node as (node, per level whether it is the last of its siblings, whether it is not opened here).

        A node is opened where it is met first, and above `MAX_LEVELS`.
        """
        opened: set[int] = set()
        todo: list[tuple[int, tuple[bool, ...]]] = [(top, ()) for top in reversed(self.tops)]
        while todo:
            number, lasts = todo.pop()
            again = number in opened or len(lasts) >= MAX_LEVELS
            yield number, lasts, again
            if again:
                continue
            opened.add(number)
            children = self._children[number]
            last = len(children) - 1
            todo.extend((children[at], (*lasts, at == last)) for at in range(last, -1, -1))


def built_on(graph: Graph, kinds: Sequence[str]) -> Forest:
    """How nodes of these kinds build on each other, by their `parents`."""
    shown = [number for number, node in enumerate(graph.nodes) if node.kind in kinds]
    return Forest(shown, lambda number: graph.nodes[number].parents)


def held_by_names(graph: Graph) -> Forest:
    """What each root holds, and what that holds in turn (a layout: names, indexes, manifests, layers)."""
    holders: dict[int, list[int]] = {}
    for holder, held, _ in graph.edges():
        holders.setdefault(held, []).append(holder)
    shown = sorted(range(len(graph.nodes)), key=lambda number: number not in graph.roots)
    return Forest(
        [number for number in shown if graph.nodes[number].kind not in ("own", "debris")],
        lambda number: holders.get(number, ()),
    )
