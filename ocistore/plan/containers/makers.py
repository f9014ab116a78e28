"""Who made a container, as the database that is open says it (containers-storage 2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.makers import Maker, find_maker

if TYPE_CHECKING:
    from ocistore.stores.containers_storage.libpod import Libpod

    from .state import State


def judge_by(state: State, database: Libpod | None) -> None:
    """What only another database names is no container of podman's: a version opens one of them (2.1, 2.6)."""
    rows = database.containers if database else {}
    volumes = {volume.storage_id for volume in database.volumes.values()} if database else set()
    for ident, maker in state.storage.makers.items():
        if not maker.is_external:
            record = state.storage.containers[ident]
            state.makers[ident] = find_maker(record, rows, volumes, state.storage.read_buildah_file)


def maker_of(state: State, container: str) -> Maker:
    """Who made a container."""
    return state.makers.get(container, Maker.OTHER)


def is_external(state: State, container: str) -> bool:
    """Whether podman's database doesn't know a container, and no image volume owns it."""
    return maker_of(state, container).is_external
