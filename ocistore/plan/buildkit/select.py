"""What the scopes of `--prune` mean for buildkitd's root, and the native command of single removals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.shared.buildkit.populate import STALE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.buildkit.reader import BuildKit
    from ocistore.stores.store import Store


def select_nothing(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """A scope that drops no root here: there are no images, containers or volumes."""
    del store, dropped, now_ns
    return []


def select_cache(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Every build record, also those that a start of BuildKit drops; the history of builds stays."""
    del dropped, now_ns
    return [
        number
        for number, node in enumerate(store.graph.nodes)
        if node.store == store.number
        and (node.kind == "record" or (node.state == STALE and node.id.startswith("record ")))
    ]


SCOPES: dict[str, Callable[[Store, frozenset[int], int], list[int]]] = {
    "unreferenced": select_nothing,
    "dangling": select_nothing,
    "intermediate": select_nothing,
    "cache": select_cache,
    "containers": select_nothing,
    "unused": select_nothing,
    "volumes": select_nothing,
}
"""Scope -> nodes that are no roots any more, after others were dropped, at a time."""


def native_command(store: Store, node: int) -> str | None:
    """The command at the step that it begins: it takes this node and those of the steps that follow from it (7.7).

    Records go children first, so that nothing names one when its turn comes.
    """
    mine = store.graph.nodes[node]
    if mine.kind != "record":
        return None
    detail: BuildKit = store.detail
    for worker in detail.workers:
        if mine.id in worker.cache.records:
            return f"buildctl prune --all --filter id=={worker.cache.id_to_prune(mine.id)}"
    return None
