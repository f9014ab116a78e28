"""What builders leave behind: generations of buildx's image, its state volumes, pack's builders and caches.

The words are traits of nodes; README documents the rule of each (docker-buildkit-containerd 6.2, classes 15 to 17).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.stores.store import Store

    from .records import DockerRecords, GraphHalf

BUILDX_REPOSITORY = "moby/buildkit"
_BUILDX_TAG = re.compile(r"buildx-stable-1(?:-rootless)?")
_BUILDX_CONTAINER = re.compile(r"buildx_buildkit_.+")
_BUILDX_STATE = re.compile(r"(buildx_buildkit_.+)_state")
_PACK_BUILDER = re.compile(r"pack\.local/builder/[0-9a-f]{20}:latest")
_PACK_IMAGE = re.compile(r"pack\.local/(?:lifecycle|run-image)/.+")
_PACK_LABEL = "io.buildpacks.builder.metadata"
_PACK_VOLUME = re.compile(r"pack-(?:layers|app)-[0-9a-z]{10}")
_PACK_CACHE = re.compile(r"pack-cache-.+\.[a-z]+")
_METADATA_LIMIT = 4 * 1024 * 1024


def tell_builders_apart(store: Store, records: DockerRecords) -> None:
    """Gives traits to images, containers and volumes of builders; names and records decide, never a guess."""
    _images(store, records)
    _containers(store, records)
    _volumes(store, records)


def _images(store: Store, records: DockerRecords) -> None:
    graph = store.graph
    refs: dict[int, list[str]] = {}
    for number, node in enumerate(graph.nodes):
        if node.kind == "ref" and node.store == store.number:
            for image, _ in graph.held_by(number):
                refs.setdefault(image, []).append(node.id)
    builders = _images_of_builders(store, records)
    pulled: set[str] = set()
    if records.graph is not None:
        pulled = _pulled_from_buildx(store, records.graph) | _on_the_base_of_buildx(store, records.graph)
    for number, node in enumerate(graph.nodes):
        if node.kind != "image" or node.store != store.number:
            continue
        names = refs.get(number, [])
        if number in builders or node.id in pulled or any(_is_buildx_name(name) for name in names):
            _add(store, number, "builder-generation")
        if any(_PACK_BUILDER.fullmatch(name) for name in names):
            _add(store, number, "pack-builder")
        elif any(_PACK_IMAGE.fullmatch(name) for name in names):
            _add(store, number, "pack-ephemeral")
        elif node.labels and _PACK_LABEL in node.labels:
            _add(store, number, "builder")


def _is_buildx_name(name: str) -> bool:
    """Whether a familiar reference is of buildx's builder image: its tag, or a digest of its repository."""
    repository, at, _ = name.partition("@")
    if at:
        return repository == BUILDX_REPOSITORY
    repository, _, tag = name.rpartition(":")
    return repository == BUILDX_REPOSITORY and _BUILDX_TAG.fullmatch(tag) is not None


def _images_of_builders(store: Store, records: DockerRecords) -> set[int]:
    """Images that a builder's container was made from by buildx, whatever they are called now."""
    found = set()
    for container in records.containers.values():
        if not _BUILDX_CONTAINER.fullmatch(container.name) or BUILDX_REPOSITORY not in container.image_text:
            continue
        number = store.graph.find("container", container.id, store.number)
        if number is not None:
            held = (image for image, _ in store.graph.held_by(number))
            found |= {image for image in held if store.graph.nodes[image].kind == "image"}
    return found


def _pulled_from_buildx(store: Store, half: GraphHalf) -> set[str]:
    """Nameless images whose top layer was pulled from buildx's repository, as the distribution records say (7.5)."""
    base = f"{half.base}/distribution/v2metadata-by-diffid/sha256"
    named = set((half.names or {}).values())
    found = set()
    for image in half.images.values():
        if image.id in named or not image.diff_ids:
            continue
        try:
            data = store.tree.read(f"{base}/{image.diff_ids[-1].removeprefix('sha256:')}", _METADATA_LIMIT)
            sources = strict_json.parse(data, duplicates=[])
        except (CorruptFile, UnreadableFile):
            continue
        if any(isinstance(source, dict) and _is_buildx_source(source) for source in _items(sources)):
            found.add(image.id)
    return found


def _on_the_base_of_buildx(store: Store, half: GraphHalf) -> set[str]:
    """Nameless images without children that stand on the lowest layer of buildx's builder image, as no other name does.

    A pull of a newer builder takes the name off the older one, and an import leaves no record of where it came from.
    """
    names: dict[str, list[str]] = {}
    for name, ident in (half.names or {}).items():
        names.setdefault(ident, []).append(name)
    bases: set[str] = set()
    others: set[str] = set()
    for image in half.images.values():
        base = image.diff_ids[:1]
        if any(_is_buildx_name(name) for name in names.get(image.id, ())):
            bases.update(base)
        elif image.id in names:
            others.update(base)
    found = set()
    for image in half.images.values():
        if image.id not in names and image.id not in half.children and bases.difference(others) & {*image.diff_ids[:1]}:
            found.add(image.id)
            number = half.node_of("image", image.id)
            if number is not None:
                store.graph.nodes[number].note = "stands on the base of buildx's builder image, as no other name does"
    return found


def _is_buildx_source(source: dict[str, object]) -> bool:
    return source.get("SourceRepository") == f"docker.io/{BUILDX_REPOSITORY}"


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _containers(store: Store, records: DockerRecords) -> None:
    """Builders' containers, and stopped ones that alone keep an image from `docker image prune -a`."""
    graph = store.graph
    users: dict[int, list[int]] = {}
    running = set()
    for container in records.containers.values():
        number = graph.find("container", container.id, store.number)
        if number is None:
            continue
        if _BUILDX_CONTAINER.fullmatch(container.name):
            _add(store, number, "buildx-builder")
        if container.running:
            running.add(number)
        for image, _ in graph.held_by(number):
            if graph.nodes[image].kind == "image":
                users.setdefault(image, []).append(number)
    for image, numbers in users.items():
        if running.isdisjoint(numbers):
            _add(store, image, "pinned")
            for number in numbers:
                _add(store, number, "pins-image")


def _volumes(store: Store, records: DockerRecords) -> None:
    names = {container.name for container in records.containers.values()}
    for volume in records.volumes.values():
        number = store.graph.find("volume", volume.name, store.number)
        if number is None:
            continue
        state = _BUILDX_STATE.fullmatch(volume.name)
        if state is not None:
            _add(store, number, "buildx-state")
            # Where a container's record can't be read it may be the builder's.
            if state.group(1) not in names and not records.broken_containers:
                _add(store, number, "builder-gone")
        elif _PACK_VOLUME.fullmatch(volume.name):
            _add(store, number, "pack-ephemeral")
        elif _PACK_CACHE.fullmatch(volume.name):
            _add(store, number, "pack-cache")


def _add(store: Store, number: int, trait: str) -> None:
    node = store.graph.nodes[number]
    if trait not in node.traits:
        node.traits = (*node.traits, trait)
