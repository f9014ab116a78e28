"""Who made a container, while a simulation removes rows and records (containers-storage 2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.makers import Maker

if TYPE_CHECKING:
    from .state import State


def maker_of(state: State, container: str) -> Maker:
    """Who made a container, as the store was read."""
    return state.storage.makers.get(container, Maker.OTHER)


def is_external(state: State, container: str) -> bool:
    """Whether podman's database doesn't know a container, and no image volume owns it."""
    return maker_of(state, container).is_external
