"""Reach, chains, and what goes with a node.

The graph of these tests, holders above::

    name    ctr        debris
      |    /   |         |
    image      |       leftover
      |        |
     top ------+
      |
     base
"""

from __future__ import annotations

import pytest

from ocistore.graph.graph import Graph
from ocistore.graph.reach import anchors, chains, goes_with, reach_from, tops


@pytest.fixture
def graph() -> Graph:
    """As drawn above."""
    graph = Graph()
    for kind, ident in (
        ("ref", "name"),
        ("container", "ctr"),
        ("image", "image"),
        ("layer", "top"),
        ("layer", "base"),
        ("debris", "debris"),
        ("layer", "leftover"),
    ):
        graph.add(kind, ident)
    graph.hold(0, 2, "is named by")
    graph.hold(1, 2, "is the image of")
    graph.hold(1, 3, "is mounted by")
    graph.hold(2, 3, "is the top layer of")
    graph.hold(3, 4, "is the parent of")
    graph.hold(5, 6, "lies below")
    graph.root(0, "is a name")
    graph.root(1, "is a container")
    return graph


def test_reach_is_what_roots_hold(graph: Graph) -> None:
    """Everything below a root is reached, and nothing else."""
    assert bytes((1, 1, 1, 1, 1, 0, 0)) == reach_from(graph, graph.roots)


def test_reach_without_a_node(graph: Graph) -> None:
    """A node that is taken for gone holds nothing and isn't reached."""
    assert bytes((1, 1, 1, 0, 0, 0, 0)) == reach_from(graph, graph.roots, without=3)


def test_tops_have_the_uppermost_unreferenced(graph: Graph) -> None:
    """What nothing holds stands beside the roots; what it holds doesn't."""
    assert [0, 1, 5] == tops(graph)


def test_a_circle_that_nothing_holds_has_one_top(graph: Graph) -> None:
    """Two nodes that hold each other are both below one of them."""
    graph.hold(6, 5, "lies below")

    assert 3 == len(tops(graph))
    assert 7 == reach_from(graph, tops(graph)).count(1)


def test_own_and_doubted_nodes_are_anchors(graph: Graph) -> None:
    """The engine's own files and nodes in doubt need nothing that holds them."""
    graph.nodes[6].doubt = "may be in use"
    own = graph.add("own", "lock")

    assert [0, 1, 6, own] == anchors(graph)


def test_chains_come_shortest_first(graph: Graph) -> None:
    """Each chain begins at a root with the reason for it and says with each node what it is to the one before."""
    assert [
        [(1, "is a container"), (3, "is mounted by"), (4, "is the parent of")],
        [(0, "is a name"), (2, "is named by"), (3, "is the top layer of"), (4, "is the parent of")],
        [(1, "is a container"), (2, "is the image of"), (3, "is the top layer of"), (4, "is the parent of")],
    ] == chains(graph, 4, 10)


def test_chains_end_at_the_limit(graph: Graph) -> None:
    """No more chains than were asked for, the shortest."""
    assert [[1, 3, 4]] == [[node for node, _ in chain] for chain in chains(graph, 4, 1)]


def test_a_root_is_a_chain_of_one(graph: Graph) -> None:
    """A root that nothing holds has one chain, itself."""
    assert [[(0, "is a name")]] == chains(graph, 0, 10)


def test_what_no_root_holds_has_no_chain(graph: Graph) -> None:
    """Holders that nothing holds make no chain."""
    assert [] == chains(graph, 6, 10)


def test_circles_make_no_chain_longer() -> None:
    """No node comes twice in a chain, and nodes of a circle don't hold the search up."""
    graph = Graph()
    for number in range(40):
        graph.add("layer", str(number))
    for one in range(40):
        for other in range(40):
            graph.hold(one, other, "is held by")
    graph.root(0, "is a root")
    found = chains(graph, 39, 5)

    assert [2, 3, 3, 3, 3] == [len(chain) for chain in found]


def test_what_goes_with_a_node(graph: Graph) -> None:
    """Only what has no other way to a root goes too."""
    assert [4] == goes_with(graph, 3)
    assert [] == goes_with(graph, 2)
    assert [6] == goes_with(graph, 5)


def test_a_long_chain_needs_no_recursion() -> None:
    """Twenty thousand layers on each other are walked, asked about and explained."""
    graph = Graph()
    count = 20_000
    for number in range(count):
        graph.add("layer", str(number))
    for number in range(1, count):
        graph.hold(number, number - 1, "is the parent of")
    graph.root(count - 1, "is a root")

    assert count == reach_from(graph, graph.roots).count(1)
    assert count - 1 == len(goes_with(graph, count - 1))
    assert [count] == [len(chain) for chain in chains(graph, 0, 3)]
