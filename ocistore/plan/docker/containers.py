"""`docker container prune` and `docker rm` (docker-buildkit-containerd 5.4; both image stores, 20.10 to 29)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .failures import RuleFails
from .filters import matches_labels, read_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.stores.docker.records import ContainerRecord

    from .state import DockerState


def prune_containers(state: DockerState, filters: Mapping[str, list[str]]) -> None:
    """Removes those that don't run, as `docker rm` without `-v` (moby `daemon/prune.go ContainersPrune`).

    Raises:
        RuleFails: a filter that can't be read; nothing is removed then.
    """
    state.check("containers")
    until_ns = read_until(filters, state.now_ns)
    for container in list(state.containers.values()):
        if container.running or _is_younger(container, until_ns):
            continue
        if matches_labels(container.labels, filters.get("label", ()), filters.get("label!", ())):
            state.delete_container(container, "it doesn't run")
    tell_running(state)


def _is_younger(container: ContainerRecord, until_ns: int | None) -> bool:
    # A container without a time was made in the year 1.
    return until_ns is not None and container.created_ns is not None and container.created_ns > until_ns


def tell_running(state: DockerState) -> None:
    """Says which containers are taken as running: a daemon that died leaves its records so (2.6)."""
    running = [container for container in state.containers.values() if container.running]
    if running:
        text = (
            f"{len(running)} containers are recorded as running and are taken so, the first {running[0].id[:12]}; a"
            " daemon that starts after a crash finds them ended"
        )
        state.note("recorded-running", text, node=f"container:{running[0].id}")


def remove_containers(state: DockerState, texts: Sequence[str], *, force: bool, volumes: bool) -> None:
    """`docker rm [-f] [-v]`: each by itself; those that fail don't stop the others.

    Raises:
        RuleFails: the first that failed; with force one that isn't there is no failure.
    """
    state.check("containers")
    if volumes:
        state.check("volumes")
    failures: list[RuleFails] = []
    for text in texts:
        try:
            remove_container(state, state.find_container(text), force=force, volumes=volumes)
        except RuleFails as err:
            if not (force and err.sentence.startswith("no such container")):
                failures.append(err)
    if failures:
        raise failures[0]


def remove_container(state: DockerState, container: ContainerRecord, *, force: bool, volumes: bool) -> None:
    """Removes one, and with `volumes` each volume that was made for it and that no other container mounts.

    Source: moby `daemon/delete.go`, `daemon/mounts.go removeMountPoints`.

    Raises:
        RuleFails: it runs, and force isn't given.
    """
    if container.running and not force:
        raise RuleFails(f"container {container.id[:12]} is {container.state}: stop it first, or use -f")
    if container.running:
        tell_running(state)
    state.delete_container(container, "asked for")
    if not volumes:
        return
    for mount in container.mounts:
        volume = state.volumes.get(mount.name) if mount.anonymous and mount.driver in ("", "local") else None
        if volume is not None and not state.users_of(volume.name):
            state.delete_volume(volume, f"was made for container {container.id[:12]}")
