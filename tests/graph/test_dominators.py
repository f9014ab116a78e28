"""The dominator tree."""

from __future__ import annotations

from ocistore.graph.dominators import find_dominators
from ocistore.graph.graph import Graph


def diamond() -> Graph:
    """Layer 3 is held by 1 and 2, both held by 0, a root; 4 is held by 3 and by 5, another root."""
    graph = Graph()
    for number in range(6):
        graph.add("layer", str(number))
    for holder, held in ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (5, 4)):
        graph.hold(holder, held, "is held by")
    graph.root(0, "is a root")
    graph.root(5, "is a root")
    return graph


def test_diamond() -> None:
    """Both sides of a diamond end below its top; what two roots hold is below the virtual root."""
    tree = find_dominators(diamond())

    assert 6 == tree.top
    assert [6, 0, 0, 0, 6, 6] == tree.above


def test_order_has_dominators_first() -> None:
    """Each node comes after the one above it."""
    tree = find_dominators(diamond())
    place = {node: at for at, node in enumerate([tree.top, *tree.order])}

    assert sorted(place) == list(range(7))
    assert all(place[tree.above[node]] < place[node] for node in tree.order)


def test_common_dominator() -> None:
    """The lowest that two nodes are both below, one of themselves where it is above the other."""
    tree = find_dominators(diamond())

    assert 0 == tree.common(1, 3)
    assert 0 == tree.common(0, 3)
    assert 3 == tree.common(3, 3)
    assert tree.top == tree.common(3, 4)


def test_unreferenced_nodes_are_in_the_tree() -> None:
    """What no root holds hangs from the virtual root, and what only it holds hangs from it."""
    graph = diamond()
    six, seven = graph.add("layer", "6"), graph.add("layer", "7")
    graph.hold(six, seven, "is held by")
    tree = find_dominators(graph)

    assert [tree.top, six] == [tree.above[six], tree.above[seven]]


def test_empty_graph() -> None:
    """A graph without nodes has a tree of only the virtual root."""
    assert [] == find_dominators(Graph()).order


def test_a_long_chain_needs_no_recursion() -> None:
    """Fifty thousand layers, each held by the next and every tenth by a name, are no problem of depth or time."""
    graph = Graph()
    count = 50_000
    for number in range(count):
        graph.add("layer", str(number))
    for number in range(1, count):
        graph.hold(number, number - 1, "is the parent of")
    for number in range(9, count, 10):
        graph.root(number, "is a root")
    tree = find_dominators(graph)

    assert count / 10 == sum(1 for above in tree.above if above == tree.top)


def test_without_what_is_gone() -> None:
    """Nodes taken for gone, and what only they held, are not in the tree; what others hold hangs from those alone."""
    tree = find_dominators(diamond(), gone=[5, 1])

    assert [6, -1, 0, 2, 3, -1] == tree.above
    assert [0, 2, 3, 4] == sorted(tree.order)


def test_what_only_the_gone_held_is_gone() -> None:
    """A chain goes with its top, also from where another that is gone held it."""
    tree = find_dominators(diamond(), gone=[0])

    assert [-1, -1, -1, -1, 5, 6] == tree.above
