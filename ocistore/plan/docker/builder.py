"""Commands of the build cache (docker-buildkit-containerd 5.6, 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.plan.buildkit.cache_state import CacheState
from ocistore.plan.buildkit.docker_flags import engine_rule, read_prune
from ocistore.plan.buildkit.failure import CommandFails
from ocistore.plan.buildkit.versions import buildkit_in_docker
from ocistore.plan.zone import local_zone

from .failures import RuleFails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.plan.buildkit.rules import Rule

    from .state import DockerState


def prune_builder(state: DockerState, argv: Sequence[str]) -> None:
    """`docker builder prune` and `docker buildx prune`.

    Args:
        state: the data-root.
        argv: the words after `docker`.

    Raises:
        RuleFails: the command line or the daemon refuses it.
        UsageError: an option that isn't simulated.
    """
    try:
        rule = read_prune(argv, state.rules.version, state.now_ns, local_zone())
    except CommandFails as err:
        raise RuleFails(err.sentence) from None
    prune_cache(state, rule)


def prune_for_system(state: DockerState, filters: Mapping[str, list[str]], *, everything: bool) -> None:
    """The build cache's part of `docker system prune`: by the engine's own API, which ignores labels (5.6).

    Raises:
        RuleFails: an `until` that this API doesn't take.
    """
    try:
        rule = engine_rule(
            {key: list(values) for key, values in filters.items()},
            everything=everything,
            docker=state.rules.version,
            now_ns=state.now_ns,
            zone=local_zone(),
        )
    except CommandFails as err:
        raise RuleFails(err.sentence) from None
    prune_cache(state, rule)


def prune_cache(state: DockerState, rule: Rule) -> None:
    """Prunes the build records of the image store in use, then collects (3.8).

    Raises:
        RuleFails: BuildKit refuses a filter.
    """
    state.check("cache")
    cache = state.cache_state()
    if cache is None:
        return
    cache.prune([rule], state.outcome)
    if state.outcome.failure:
        raise RuleFails(state.outcome.failure)


def open_cache(state: DockerState) -> CacheState | None:
    """The build records of the image store in use, as a start of BuildKit leaves them; None where there are none."""
    cache = state.images.cache
    if cache is None:
        return None
    version = buildkit_in_docker(state.rules.version)
    return CacheState(cache, state.images.backend, now_ns=state.now_ns, version=version, store=state.store)
