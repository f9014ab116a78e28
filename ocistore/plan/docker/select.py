"""What the scopes of `--prune` mean for a data-root, and the native command of single removals (7.7)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ocistore.stores.docker.layout import BUILDKIT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocistore.stores.docker.records import DockerRecords
    from ocistore.stores.store import Store

_ENDED = ("created", "exited", "dead")


def select_nothing(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """`unreferenced` drops no root: what nothing holds is taken anyway."""
    del store, dropped, now_ns
    return []


def select_dangling(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Images without a name that nothing is made from and no container uses, as `docker image prune` takes them."""
    del now_ns
    return _unused_images(store, dropped, lambda number: _is_nameless(store, number, "dangling"))


def select_intermediate(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Images without a name that others are made from: held by these alone, so that they are dropped with them."""
    del now_ns
    return _unused_images(store, dropped, lambda number: _is_nameless(store, number, "intermediate"))


def select_cache(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """All build records of the image store in use."""
    del dropped, now_ns
    if "cache" in store.doubts:
        return []
    records: DockerRecords = store.detail
    cache = records.active_cache
    return sorted(set(cache.numbers.values())) if cache is not None else []


def select_containers(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Containers that don't run; those of another image store are left alone."""
    del dropped, now_ns
    if "containers" in store.doubts:
        return []
    nodes = store.graph.nodes
    return [n for n in _of_kind(store, "container") if nodes[n].state in _ENDED and "not-loaded" not in nodes[n].traits]


def select_unused(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Images, named or not, that no container uses, and their names."""
    del now_ns
    images = _unused_images(store, dropped, lambda _: True)
    taken = set(images)
    names = [n for n in _of_kind(store, "ref") if any(held in taken for held, _ in store.graph.held_by(n))]
    return [*names, *images]


def select_volumes(store: Store, dropped: frozenset[int], now_ns: int) -> list[int]:
    """Volumes that no container mounts, named ones too, as `docker volume prune -a` takes them.

    Those with driver options stay, and those whose data lies elsewhere (5.5).
    """
    del now_ns
    if "volumes" in store.doubts:
        return []
    records: DockerRecords = store.detail
    found = []
    for number in _of_kind(store, "volume"):
        volume = records.volumes.get(store.graph.nodes[number].id)
        if volume is None or volume.options or volume.leads_out:
            continue
        if not any(holder not in dropped for holder, _ in store.graph.holders(number)):
            found.append(number)
    return found


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


def _is_nameless(store: Store, number: int, state: str) -> bool:
    return store.graph.nodes[number].state == state


def _unused_images(store: Store, dropped: frozenset[int], wanted: Callable[[int], bool]) -> list[int]:
    """Images of the image store in use that no container uses, nor an image that one uses is made from."""
    if "images" in store.doubts:
        return []
    records: DockerRecords = store.detail
    mine = records.active_images()
    used = _below_containers(store, mine, dropped)
    return [number for number in mine if number not in used and wanted(number)]


def _below_containers(store: Store, images: Iterable[int], dropped: frozenset[int]) -> set[int]:
    """The images that containers use, and those that these were made from."""
    nodes = store.graph.nodes
    used: set[int] = set()
    stack = [
        number
        for number in images
        if any(nodes[h].kind == "container" and h not in dropped for h, _ in store.graph.holders(number))
    ]
    while stack:
        number = stack.pop()
        if number not in used:
            used.add(number)
            stack += [parent for parent in nodes[number].parents if nodes[parent].kind == "image"]
    return used


def _of_kind(store: Store, kind: str) -> list[int]:
    nodes = store.graph.nodes
    return [n for n, node in enumerate(nodes) if node.kind == kind and node.store == store.number]


def native_command(store: Store, node: int) -> str | None:
    """The command at the step that it begins: it takes this node and those of the steps that follow from it (7.7)."""
    mine = store.graph.nodes[node]
    if mine.kind in ("image", "ref", "record", "history") and node not in _active(store):
        return None
    if mine.kind == "container" and not {"not-loaded", "image-mount-unloaded"}.intersection(mine.traits):
        return f"docker rm {mine.id}"
    if mine.kind == "volume":
        return shlex.join(["docker", "volume", "rm", mine.id])
    if mine.kind == "ref":
        return shlex.join(["docker", "rmi", "--no-prune", mine.id]) if mine.state != "broken" else None
    if mine.kind == "image" and mine.state in ("dangling", "intermediate"):
        return f"docker rmi --no-prune {mine.id}"
    if mine.kind == "record" and BUILDKIT_ID.fullmatch(mine.id):
        cache = store.detail.active_cache
        # When its turn comes nothing names a pair's immutable half, so that the mutable one is listed.
        ident = cache.id_to_prune(mine.id) if cache is not None else mine.id
        return f"docker builder prune -a -f --filter id={ident}"
    if mine.kind == "history":
        return f"docker buildx history rm {mine.id}"
    return None


def _active(store: Store) -> frozenset[int]:
    """The nodes of images, names and builds that the daemon's commands reach: those of the image store in use."""
    found: frozenset[int] | None = store.cache.get("docker_active")
    if found is None:
        records: DockerRecords = store.detail
        images = records.active_images()
        numbers = {*images, *(holder for image in images for holder, _ in store.graph.holders(image))}
        cache = records.active_cache
        if cache is not None:
            numbers.update(cache.numbers.values(), cache.builds.values())
        found = store.cache["docker_active"] = frozenset(numbers)
    return found
