"""`docker buildx history rm` (docker-buildkit-containerd 3.6, 5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.buildkit.history import completed, remove_builds
from ocistore.plan.buildkit.versions import HISTORY_COLLECTS, buildkit_in_docker

from .failures import RuleFails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .state import DockerState


def remove_history(state: DockerState, refs: Sequence[str], *, everything: bool) -> None:
    """Removes builds with their leases; with `everything` all that ended, pinned ones too.

    In the graph driver's mode nothing is collected before BuildKit 0.18; containerd always collects (5.7).

    Raises:
        RuleFails: there is no such build, neither builds nor `--all` were given, or both.
        UsageError: a build that is named by its place in the list.
    """
    if bool(refs) == everything:
        raise RuleFails("it needs either the refs of builds or --all")
    state.check("history")
    images = state.images
    cache, meta = images.cache, images.meta
    known = cache.history if cache is not None else {}
    wanted: list[str] = []
    missing = ""
    for text in refs:
        # A ref may be given with its builder and node before it.
        ref = text.rpartition("/")[2]
        if ref.startswith("^"):
            raise UsageError(f"docker buildx history rm: {text} names a build by its age, which is not simulated")
        if ref in known and ref not in state.builds_gone:
            wanted.append(ref)
        else:
            missing = missing or ref
    if missing:
        raise RuleFails(f"no record found for ref {missing!r}")
    if cache is None or meta is None:
        return
    if everything:
        wanted = completed(cache, state.builds_gone)
    remove_builds(state.store, meta, cache, wanted, state.outcome, gone=state.builds_gone)
    graph = state.records.graph
    is_graph_mode = graph is not None and graph.active
    if not is_graph_mode or buildkit_in_docker(state.rules.version) >= HISTORY_COLLECTS:
        meta.collect()
