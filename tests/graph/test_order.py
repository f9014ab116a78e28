"""Orders for removal."""

from __future__ import annotations

from ocistore.graph.graph import Graph
from ocistore.graph.order import order_holders_first


def chain(*edges: tuple[int, int]) -> Graph:
    """A graph of five nodes with these edges."""
    graph = Graph()
    for number in range(5):
        graph.add("layer", str(number))
    for holder, held in edges:
        graph.hold(holder, held, "is held by")
    return graph


def test_holders_come_first() -> None:
    """A child comes before what it is built on, whatever their numbers are."""
    graph = chain((0, 3), (3, 1), (4, 1), (1, 2))
    order = order_holders_first(graph)

    assert [0, 1, 2, 3, 4] == sorted(order)
    assert all(order.index(a) < order.index(b) for a, b, _ in graph.edges())


def test_only_chosen_nodes() -> None:
    """Nodes that weren't asked for aren't in the order; the order in which they were asked doesn't matter."""
    graph = chain((0, 3), (3, 1))

    assert [0, 3, 1] == order_holders_first(graph, [1, 0, 3])
    assert [0, 3, 1] == order_holders_first(graph, [3, 3, 1, 0])


def test_without_edges_numbers_decide() -> None:
    """Nodes that nothing orders come by number."""
    assert [0, 1, 2, 3, 4] == order_holders_first(chain())


def test_circles_end() -> None:
    """Nodes in a circle come once each, after what holds the circle and before what it holds."""
    order = order_holders_first(chain((4, 1), (1, 2), (2, 1), (2, 0)))

    assert [0, 1, 2, 3, 4] == sorted(order)
    assert order.index(4) < order.index(1)
    assert order.index(4) < order.index(2)
    assert order.index(2) < order.index(0)
