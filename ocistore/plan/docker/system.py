"""`docker system prune` (docker-buildkit-containerd 5.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .builder import prune_for_system
from .containers import prune_containers
from .filters import ImageFilters
from .volumes import prune_volumes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .state import DockerState


def prune_system(state: DockerState, filters: Mapping[str, list[str]], *, everything: bool, volumes: bool) -> None:
    """Containers, networks, volumes if asked for, images, build cache: in this order, so that each frees the next.

    Volumes are never taken with `-a`'s rule; labels are ignored for the build cache (docker/cli
    `cli/command/system/prune.go`, 20.10 to 29).

    Raises:
        RuleFails: a filter that can't be read.
    """
    images = ImageFilters.of(filters, state.now_ns)
    prune_containers(state, filters)
    if volumes:
        prune_volumes(state, filters)
    state.images.prune_images(images, dangling_only=not everything)
    prune_for_system(state, filters, everything=everything)
    tell_networks(state)


def tell_networks(state: DockerState) -> None:
    """Says that unused networks go, and why no step does."""
    text = "the command also removes unused networks, entries of network/files/local-kv.db; no file goes with them"
    state.note("networks-without-files", text, path="network/files/local-kv.db")
