"""What the scopes of `--prune` mean for a containers/storage directory, and the native command of single removals."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.makers import Maker
from ocistore.usage.fates import fates

from .images import prune_images
from .state import RuleFails, State
from .versions import rules_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.containers_storage.storage import Storage
    from ocistore.stores.store import Store

_ENDED = ("created", "stopped", "exited")


def select_nothing(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """`unreferenced` drops no root: what nothing holds is taken anyway."""
    del store, dropped, now_ns
    return []


def select_dangling(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """The images that `podman image prune` takes by the newest rules, parents left dangling included (3.3)."""
    state = State(store, now_ns)
    for number in dropped:
        node = store.graph.nodes[number]
        if node.kind == "container" and node.id in state.containers:
            state.delete_container(node.id, "dropped before")
    state.begin()
    # What it took before an image that can't go; that image stays.
    with contextlib.suppress(RuleFails):
        prune_images(state, rules_of("podman", None), {}, everything=False, external=False)
    return _nodes(store, [removal.id for removal in state.outcome.removals if removal.kind == "image"], "image")


def select_intermediate(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Images without a name that others are built on: steps of builds, kept as their cache (2.10)."""
    del now_ns
    return _unused_images(store, dropped, lambda node: store.graph.nodes[node].state == "intermediate")


def select_cache(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """The cache of builds, which is the images that their steps left without a name (3.8)."""
    del now_ns

    def is_cache(number: int) -> bool:
        node = store.graph.nodes[number]
        return node.state == "intermediate" or "build-step" in node.traits

    return _unused_images(store, dropped, is_cache)


def select_containers(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Podman's containers that have ended or never ran, outside pods; other tools' containers stay (3.4)."""
    del dropped, now_ns
    storage: Storage = store.detail
    rows = {ident: row for database in storage.databases for ident, row in database.containers.items()}
    found = []
    for number in _of_kind(store, "container"):
        node = store.graph.nodes[number]
        row = rows.get(node.id)
        if row is not None and not row.pod and node.state in _ENDED:
            found.append(number)
    return found


def select_unused(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Images, named or not, that no container stands on."""
    del now_ns
    return _unused_images(store, dropped, lambda _: True)


def select_volumes(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Volumes with a row that no container uses, named ones too; a volume's directory without a row never."""
    del now_ns
    return [n for n in _of_kind(store, "volume") if not _container_holders(store, n, dropped)]


SCOPES: dict[str, Callable[[Store, frozenset[int], int], list[int]]] = {
    "unreferenced": select_nothing,
    "dangling": select_dangling,
    "intermediate": select_intermediate,
    "cache": select_cache,
    "containers": select_containers,
    "unused": select_unused,
    "volumes": select_volumes,
}
"""Scope -> nodes that are no roots any more, after others were dropped, at a time."""


def _unused_images(store: Store, dropped: frozenset[int], wanted: Callable[[int], bool]) -> list[int]:
    return [n for n in _of_kind(store, "image") if wanted(n) and not _container_holders(store, n, dropped)]


def _container_holders(store: Store, number: int, dropped: frozenset[int]) -> list[int]:
    nodes = store.graph.nodes
    return [h for h, _ in store.graph.holders(number) if h not in dropped and nodes[h].kind in ("container", "volume")]


def _of_kind(store: Store, kind: str) -> list[int]:
    nodes = store.graph.nodes
    return [n for n, node in enumerate(nodes) if node.kind == kind and node.store == store.number]


def _nodes(store: Store, ids: list[str], kind: str) -> list[int]:
    found = [store.graph.find(kind, ident, store.number) for ident in ids]
    return [number for number in found if number is not None]


def native_command(store: Store, node: int) -> str | None:
    """The command at the step that it begins: it takes this node and those of the steps that follow from it."""
    mine = store.graph.nodes[node]
    storage: Storage = store.detail
    if mine.kind == "container":
        maker = storage.makers.get(mine.id)
        if maker is Maker.BUILDAH:
            return f"buildah rm {mine.id}"
        return f"podman rm {mine.id}" if maker is Maker.PODMAN else None
    if mine.kind == "image":
        return f"podman rmi --no-prune {mine.id}" if len(mine.names) < 2 else f"podman rmi --no-prune -f {mine.id}"
    if mine.kind == "volume":
        return shlex.join(["podman", "volume", "rm", mine.id])
    if mine.kind == "layer" and _is_unreferenced(store, node):
        # Children go first, so that nothing stands on it when its turn comes.
        return f"containers-storage delete-layer {mine.id}"
    return None


def _is_unreferenced(store: Store, node: int) -> bool:
    if "fates" not in store.cache:
        store.cache["fates"] = fates(store)
    return bool(store.cache["fates"][node] == "unreferenced")
