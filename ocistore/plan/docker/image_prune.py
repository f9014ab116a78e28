"""`docker image prune` with graph drivers (docker-buildkit-containerd 5.3)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from .failures import RuleFails
from .filters import ImageFilters, matches_labels
from .image_remove import ImageRemover

if TYPE_CHECKING:
    from ocistore.stores.docker.records import ImageRecord

    from .graph_images import GraphImages


def prune_images(images: GraphImages, filters: ImageFilters, *, dangling_only: bool) -> None:
    """Removes candidates as `docker rmi` without force would; one with a conflict stays.

    Source: moby `daemon/images/image_prune.go ImagesPrune` (20.10 to 29).
    """
    remover = ImageRemover(images, force=False, prune=True)
    for image in _candidates(images, filters, dangling_only=dangling_only):
        names = images.names_of(image.id)
        if names:
            # A plain prune takes images that have digests for names and no tag.
            if dangling_only and any("@" not in name for name in names):
                continue
            for name in names:
                with suppress(RuleFails):
                    remover.remove(name, "no container uses it")
        elif image.id in images.images:
            with suppress(RuleFails):
                remover.remove(image.id, "it has no name, and nothing is made from it")


def _candidates(images: GraphImages, filters: ImageFilters, *, dangling_only: bool) -> list[ImageRecord]:
    found = []
    for image in images.images.values():
        has_children = bool(images.children.get(image.id))
        if has_children and (dangling_only or not images.names_of(image.id)):
            continue
        if filters.until_ns is not None and _is_too_young(images, image, filters.until_ns):
            continue
        if image.labels is not None and not matches_labels(image.labels, filters.labels, filters.not_labels):
            continue
        found.append(image)
    return found


def _is_too_young(images: GraphImages, image: ImageRecord, until_ns: int) -> bool:
    if image.created_ns is None:
        return images.state.rules.needs_created
    return image.created_ns > until_ns
