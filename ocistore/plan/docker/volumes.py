"""`docker volume prune` and `docker volume rm` (docker-buildkit-containerd 5.5)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from .failures import RuleFails
from .filters import matches_labels, read_bool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.stores.docker.records import ContainerRecord, GraphHalf, VolumeRecord

    from .state import DockerState


def prune_volumes(state: DockerState, filters: Mapping[str, list[str]]) -> None:
    """Takes volumes that no container mounts, without driver options; from 23.0 only anonymous ones, unless all.

    Source: moby `daemon/volume/service Prune`; the label of anonymous volumes is as old as the rule (23.0).

    Raises:
        RuleFails: a filter that can't be read; nothing is removed then.
    """
    state.check("volumes")
    everything = not state.rules.volumes_by_label or read_bool(filters, "all", False, state.rules)
    for volume in list(state.volumes.values()):
        if volume.options or not (everything or volume.anonymous):
            continue
        if not matches_labels(volume.labels, filters.get("label", ()), filters.get("label!", ())):
            continue
        if users := state.users_of(volume.name):
            _note_forgotten(state, volume, users)
            continue
        with suppress(RuleFails):
            state.delete_volume(volume, "no container mounts it")


def _note_forgotten(state: DockerState, volume: VolumeRecord, users: Sequence[ContainerRecord]) -> None:
    """Says where a daemon may not know of any of a volume's users.

    At a start it looks at a container's mounts in no order, and at none after an image mount whose layer it doesn't
    find: one by a name with slashes, or one that came by --volumes-from (seen with 28.5.2; moby `daemon/daemon.go
    prepareMountPoints`).  The volume stays in any order but one.
    """
    half = state.records.graph
    if half is None or not half.active:
        return
    if all(_lacks_image(half, user) for user in users):
        text = (
            f"the daemon may not know that container {users[0].id[:12]} uses volume {volume.name}, as after a start it"
            " doesn't find the layer of an image that the container mounts; the volume is taken to stay"
        )
        state.note("native-order-undefined", text, node=f"volume:{volume.name}")


def _lacks_image(half: GraphHalf, container: ContainerRecord) -> bool:
    ids = [mount.id for mount in container.mounts if mount.type == "image"]
    return any(ident not in half.mounts or not half.mounts[ident].loaded for ident in ids)


def remove_volumes(state: DockerState, names: Sequence[str], *, force: bool) -> None:
    """`docker volume rm [-f]`: each by itself; force forgives only that one isn't there.

    Raises:
        RuleFails: the first that failed.
    """
    state.check("volumes")
    failures: list[RuleFails] = []
    for name in names:
        volume = state.volumes.get(name)
        users = state.users_of(name)
        try:
            if volume is None:
                if not force:
                    raise RuleFails(f"no such volume: {name}")
            elif users:
                _note_forgotten(state, volume, users)
                raise RuleFails(f"volume {name} is in use by container {users[0].id[:12]}")
            else:
                state.delete_volume(volume, "asked for")
        except RuleFails as err:
            failures.append(err)
    if failures:
        raise failures[0]
