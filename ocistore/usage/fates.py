"""Fates: what becomes of each node if everything that nothing holds goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.graph.reach import reach_from

if TYPE_CHECKING:
    from ocistore.graph.graph import Fate
    from ocistore.stores.store import Store


_KEY = "node_fates"
_FEW: tuple[Fate, ...] = ("own", "unknown", "unreferenced")
_BY_FATE = "nodes_by_fate"


def fates(store: Store) -> list[Fate]:
    """The fate of every node of the graph, by number.

    `held` is what a root or one of the engine's own files reaches, `own` those files themselves, `unknown` a node in
    doubt and what only such nodes reach.  The rest is `unreferenced`, except in a store whose findings forbid plans:
    there nothing is known to be.
    """
    graph = store.graph
    # What is read doesn't change; findings may come later.
    state = (len(graph), graph.edge_count, bool(store.findings.blocking))
    known: tuple[tuple[int, int, bool], list[Fate]] | None = store.cache.get(_KEY)
    if known is not None and known[0] == state:
        return known[1]
    result = _judge(store)
    store.cache[_KEY] = (state, result)
    store.cache[_BY_FATE] = {fate: [n for n, other in enumerate(result) if other == fate] for fate in _FEW}
    return result


def nodes_of_fate(store: Store, fate: Fate) -> list[int]:
    """The numbers of the nodes that bear a fate other than `held`, ascending."""
    fates(store)
    by_fate: dict[Fate, list[int]] = store.cache[_BY_FATE]
    return by_fate[fate]


def _judge(store: Store) -> list[Fate]:
    graph = store.graph
    nodes = graph.nodes
    own = [number for number, node in enumerate(nodes) if node.kind == "own"]
    doubted = [number for number, node in enumerate(nodes) if node.doubt]
    rest: Fate = "unknown" if store.findings.blocking else "unreferenced"
    result: list[Fate] = [rest] * len(nodes)
    if doubted:
        for number, reached in enumerate(reach_from(graph, doubted)):
            if reached:
                result[number] = "unknown"
    for number, reached in enumerate(reach_from(graph, [*graph.roots, *own])):
        if reached:
            result[number] = "held"
    for number in own:
        result[number] = "own"
    return result
