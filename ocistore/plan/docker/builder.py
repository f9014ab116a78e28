"""Commands of the build cache and the build history (docker-buildkit-containerd 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .failures import RuleFails

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .state import DockerState


def find_build_command(words: list[str]) -> Callable[[DockerState], None] | None:
    """The build command that words begin with; None for another one."""
    if words[:2] in (["builder", "prune"], ["buildx", "prune"]):
        raise RuleFails("not yet")
    return None


def prune_for_system(state: DockerState, filters: Mapping[str, list[str]], *, everything: bool) -> None:
    """The build cache's part of `docker system prune`: the engine's own API, labels ignored (5.6)."""
    del state, filters, everything
