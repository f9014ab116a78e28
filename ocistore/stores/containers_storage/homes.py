"""The drivers' directories and the directories of records: what is there, by name (containers-storage 1.5, 1.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.disk.tree import Entry, Missing
from ocistore.errors import UnreadableFile

from .storage import GRAPHROOT, Home

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .storage import Storage

_LINK_TARGET = re.compile(r"\.\./([^/]+)/diff")
NOT_LAYERS = frozenset(("l", "staging", "tempdirs"))
"""Directories of the overlay home that are no layers (1.5 ListLayers)."""
_BASES = {"overlay": "overlay", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes", "zfs": "zfs/graph"}


def read_homes(store: Store, storage: Storage) -> None:
    """Lists every directory that holds things of layers, images, containers and volumes."""
    driver = storage.driver
    layers, images, containers = set(storage.layers), {i.id for i in storage.images}, set(storage.containers)
    homes = [GRAPHROOT] + ([storage.imagestore] if storage.imagestore is not None else [])
    for place in homes:
        home = Home(place, _BASES.get(driver, driver))
        entries = list_directory(store, storage, place, home.base)
        home.directories = _named(entries, layers)
        if driver == "overlay":
            home.directories -= NOT_LAYERS
        storage.places[place].tree.count_ahead(home.base, [e for e in entries or () if e.name in home.directories])
        if driver == "overlay":
            home.links = _read_links(store, storage, place, f"{home.base}/l")
        storage.homes.append(home)
        storage.image_dirs[place] = _directories(store, storage, place, f"{driver}-images", images)
    for place in [GRAPHROOT] + ([storage.runroot] if storage.runroot is not None else []):
        storage.container_dirs[place] = _directories(store, storage, place, f"{driver}-containers", containers)
    storage.layer_files = {e.name for e in list_directory(store, storage, GRAPHROOT, f"{driver}-layers") or ()}
    if storage.volume_path is not None:
        storage.volume_dirs = _directories(store, storage, GRAPHROOT, storage.volume_path, set())


def list_directory(store: Store, storage: Storage, place: int, path: str) -> list[Entry] | None:
    """The entries of a directory; none if it isn't there; None, with a finding, if it can't be read."""
    try:
        return storage.places[place].tree.list(path)
    except Missing:
        return []
    except UnreadableFile as err:
        store.findings.say("unreadable", err.sentence, path=storage.spelled(place, path), root=store.root)
        return None


def _directories(store: Store, storage: Storage, place: int, path: str, recorded: set[str]) -> set[str]:
    return _named(list_directory(store, storage, place, path), recorded)


def _named(entries: list[Entry] | None, recorded: set[str]) -> set[str]:
    """Names of the directories in a directory; if it can't be read, those that records say must be there.

    So an unreadable directory never makes a thing weigh nothing: its path is kept, and its bytes can't be proved.
    """
    if entries is None:
        return set(recorded)
    return {entry.name for entry in entries if entry.type == "dir"}


def _read_links(store: Store, storage: Storage, place: int, path: str) -> dict[str, str]:
    tree = storage.places[place].tree
    links: dict[str, str] = {}
    for entry in list_directory(store, storage, place, path) or ():
        target = None
        if entry.type == "link":
            try:
                target = _LINK_TARGET.fullmatch(tree.readlink(f"{path}/{entry.name}"))
            except UnreadableFile as err:
                store.findings.say("unreadable", err.sentence, path=storage.spelled(place, f"{path}/{entry.name}"))
        links[entry.name] = target.group(1) if target else ""
    return links


def read_lowers(storage: Storage, ident: str) -> list[str]:
    """Ids of the layers that an overlay layer is mounted on, nearest first, as its own files say (1.5).

    `lower-layers` is preferred where it is; `lower` names links, which are looked up in every home.
    """
    where = storage.layer_directory(ident)
    if storage.driver != "overlay" or where is None:
        return []
    place, path = where
    tree = storage.places[place].tree
    try:
        return [part for part in _text(tree.read(f"{path}/lower-layers", 1 << 17)).split(":") if part]
    except UnreadableFile:
        pass
    try:
        names = _text(tree.read(f"{path}/lower", 1 << 17)).split(":")
    except UnreadableFile:
        return []
    found = []
    for name in names:
        for home in storage.homes:
            target = home.links.get(name.removeprefix("l/"))
            if target:
                found.append(target)
                break
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()
