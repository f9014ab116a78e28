"""What the scopes of `--prune` mean for containerd's root, and the native command of single removals."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.containerd.reader import Containerd
    from ocistore.stores.store import Store


def select_nothing(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """A scope that means nothing here.

    An image without a name isn't one of containerd's, a container's state is in /run, and volumes and build caches are
    other programs' business.
    """
    del store, dropped, now_ns
    return []


def select_unused(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Image records whose name no container of the namespace has, as `ctr images prune --all` asks (4.7)."""
    del now_ns
    detail: Containerd = store.detail
    namespaces = detail.meta.metadata.namespaces if detail.meta.metadata is not None else {}
    used = {
        (name, container.image)
        for name, namespace in namespaces.items()
        for container in namespace.containers.values()
        if detail.placed.containers[name, container.id] not in dropped
    }
    return [number for key, number in detail.placed.refs.items() if key not in used]


SCOPES: dict[str, Callable[[Store, frozenset[int], int], list[int]]] = {
    "unreferenced": select_nothing,
    "dangling": select_nothing,
    "intermediate": select_nothing,
    "cache": select_nothing,
    "containers": select_nothing,
    "unused": select_unused,
    "volumes": select_nothing,
}
"""Scope -> nodes that are no roots any more, after others were dropped, at a time."""


def native_command(store: Store, node: int) -> str | None:
    """The command at the step that it begins: it takes this node and what the collection after it takes (7.7)."""
    mine = store.graph.nodes[node]
    if mine.kind == "ref":
        namespace, _, name = mine.id.partition("/")
        return shlex.join(["ctr", "-n", namespace, "images", "rm", "--sync", name])
    if mine.kind == "lease":
        namespace, _, ident = mine.id.partition("/")
        return shlex.join(["ctr", "-n", namespace, "leases", "rm", "--sync", ident])
    if mine.kind == "container":
        namespace, _, ident = mine.id.partition("/")
        return shlex.join(["ctr", "-n", namespace, "containers", "rm", ident])
    if mine.kind == "snapshot":
        namespace, snapshotter, key = mine.id.split("/", 2)
        return shlex.join(["ctr", "-n", namespace, "snapshots", "--snapshotter", snapshotter, "rm", key])
    if mine.kind == "content":
        namespace, _, digest = mine.id.partition("/")
        return shlex.join(["ctr", "-n", namespace, "content", "rm", digest])
    if mine.kind == "blob":
        return _remove_blob(store, mine.id)
    return None


def _remove_blob(store: Store, digest: str) -> str | None:
    """Of the only namespace with a record; where several have one, each has a node and a command of its own."""
    if "namespaces_by_blob" not in store.cache:
        detail: Containerd = store.detail
        found: dict[str, list[str]] = {}
        for name, blob in detail.placed.contents:
            found.setdefault(blob, []).append(name)
        store.cache["namespaces_by_blob"] = found
    having: list[str] = store.cache["namespaces_by_blob"].get(digest, [])
    if len(having) != 1:
        return None
    return shlex.join(["ctr", "-n", having[0], "content", "rm", digest])
