"""Laws of reach, dominators and order on random graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings

from ocistore.graph.dominators import find_dominators
from ocistore.graph.order import order_holders_first
from ocistore.graph.reach import chains, goes_with, reach_from, tops
from tests.strategies import graphs

if TYPE_CHECKING:
    from ocistore.graph.graph import Graph

law = settings(derandomize=True, deadline=None, max_examples=300)


def gone_without(graph: Graph, node: int) -> set[int]:
    """What no top reaches any more when `node` is taken away, by definition."""
    return {n for n, there in enumerate(reach_from(graph, tops(graph), without=node)) if not there}


@law
@given(graphs())
def test_tops_reach_all(graph: Graph) -> None:
    """Every node is reached from the tops, and no top beyond the anchors is reached from another one."""
    assert len(graph) == reach_from(graph, tops(graph)).count(1)
    for top in tops(graph):
        others = [other for other in tops(graph) if other != top]
        free = top in graph.roots or graph.nodes[top].doubt or graph.nodes[top].kind == "own"
        assert free or not reach_from(graph, others)[top]


@law
@given(graphs())
def test_dominators_are_what_one_removal_cuts_off(graph: Graph) -> None:
    """The nodes below one in the dominator tree are those that nothing reaches without it."""
    tree = find_dominators(graph)
    below: dict[int, set[int]] = {node: set() for node in range(len(graph) + 1)}
    for node in range(len(graph)):
        at = node
        while at != tree.top:
            below[at].add(node)
            at = tree.above[at]

    for node in range(len(graph)):
        assert gone_without(graph, node) == below[node]
        assert sorted(below[node] - {node}) == goes_with(graph, node)


@law
@given(graphs(circles=False))
def test_order_respects_every_edge(graph: Graph) -> None:
    """In a graph without circles each holder comes before what it holds."""
    order = order_holders_first(graph)
    place = {node: at for at, node in enumerate(order)}

    assert sorted(order) == list(range(len(graph)))
    assert all(place[holder] < place[held] for holder, held, _ in graph.edges())


@law
@given(graphs(max_nodes=8))
def test_chains_are_all_ways_down(graph: Graph) -> None:
    """With room for all, the chains are the ways without a repeated node from a root, own or doubted node down."""

    def ways(node: int, seen: frozenset[int]) -> set[tuple[int, ...]]:
        found: set[tuple[int, ...]] = set()
        if node in graph.roots or graph.nodes[node].doubt or graph.nodes[node].kind == "own":
            found.add((node,))
        for holder, _ in graph.holders(node):
            if holder not in seen:
                found |= {(*way, node) for way in ways(holder, seen | {holder})}
        return found

    found = chains(graph, 0, 100_000)

    assert ways(0, frozenset((0,))) == {tuple(node for node, _ in chain) for chain in found}
    assert sorted(len(chain) for chain in found) == [len(chain) for chain in found]
