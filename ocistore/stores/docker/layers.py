"""Reads `layerdb`: layers, read-write layers, and what interrupted daemons left (docker-buildkit-containerd 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile

from .files import list_directory, read_number, read_word
from .layout import BUILDKIT_ID, HEX_ID, MOUNT_ID, REMOVING, hex_of
from .records import BrokenLayer, LayerRecord, MountRecord

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .records import GraphHalf

_DEEPEST = 16
"""Slashes in the name of a read-write layer; names of images have a few."""


def read_layers(store: Store, half: GraphHalf) -> list[str]:
    """Fills layers, mounts and leftovers of a half; returns why further layers may be there or be held.

    Source: docker-buildkit-containerd 2.4, 7.1.
    """
    doubts: list[str] = []
    base = f"{half.base}/layerdb/sha256"
    entries = list_directory(store, base)
    if entries is None:
        doubts.append(f"{base} can't be listed")
    for entry in entries or []:
        if entry.type != "dir":
            continue
        if HEX_ID.fullmatch(entry.name):
            _read_layer(store, half, f"{base}/{entry.name}", entry.name)
        elif REMOVING.fullmatch(entry.name):
            half.removing[entry.name] = _lenient(store, f"{base}/{entry.name}/cache-id")
    _drop_unloadable(half)
    for name, broken in half.broken_layers.items():
        doubts.append(f"layer {name} can't be loaded ({broken.why})")
    _read_mounts(store, half, doubts)
    for entry in list_directory(store, f"{half.base}/layerdb/tmp") or []:
        if entry.type == "dir":
            half.write_sets[entry.name] = _lenient(store, f"{half.base}/layerdb/tmp/{entry.name}/cache-id")
    return doubts


def _read_layer(store: Store, half: GraphHalf, path: str, chain: str) -> None:
    """A layer needs `diff`, `size` and `cache-id`; `parent` is absent for a base layer (2.4)."""
    missing = []
    words: dict[str, str] = {}
    for name in ("diff", "size", "cache-id", "parent"):
        try:
            word = read_word(store, f"{path}/{name}")
        except UnreadableFile as err:
            missing.append(f"{name}: {err.sentence}")
            continue
        if word is None and name != "parent":
            missing.append(f"no {name}")
        words[name] = word or ""
    parent = words.get("parent", "")
    if not missing:
        if not hex_of(words["diff"]):
            missing.append("diff is no digest")
        if read_number(words["size"]) is None:
            missing.append("size is no number")
        if not words["cache-id"] or "/" in words["cache-id"] or words["cache-id"] in (".", ".."):
            missing.append("cache-id is none")
        if parent and not hex_of(parent):
            missing.append("parent is no digest")
    if missing:
        cache_id = words.get("cache-id", "")
        half.broken_layers[chain] = BrokenLayer(
            chain, ", ".join(missing), hex_of(parent), "" if "/" in cache_id else cache_id
        )
        return
    half.layers[chain] = LayerRecord(
        chain, words["diff"], hex_of(parent), words["cache-id"], read_number(words["size"]) or 0
    )


def _drop_unloadable(half: GraphHalf) -> None:
    """A layer whose parent isn't loaded isn't either; nor is one that is its own ancestor (7.1)."""
    loaded: set[str] = set()
    for start in half.layers:
        way: list[str] = []
        at = start
        on_way: set[str] = set()
        while at and at not in loaded and at in half.layers and at not in on_way:
            way.append(at)
            on_way.add(at)
            at = half.layers[at].parent
        if not at or at in loaded:
            loaded.update(way)
    for chain in [chain for chain in half.layers if chain not in loaded]:
        layer = half.layers.pop(chain)
        half.broken_layers[chain] = BrokenLayer(
            chain, f"its parent {layer.parent} isn't loaded", layer.parent, layer.cache_id
        )


def _read_mounts(store: Store, half: GraphHalf, doubts: list[str]) -> None:
    base = f"{half.base}/layerdb/mounts"
    entries = list_directory(store, base)
    if entries is None:
        doubts.append(f"{base} can't be listed")
    for entry in entries or []:
        if entry.type != "dir":
            continue
        if MOUNT_ID.fullmatch(entry.name) or BUILDKIT_ID.fullmatch(entry.name):
            _read_mount(store, half, doubts, entry.name)
            continue
        mounts, is_empty = _search_mounts(store, base, entry.name)
        for name in mounts:
            _read_mount(store, half, doubts, name)
        if is_empty:
            half.empty_mounts.append(entry.name)
        elif not mounts:
            _read_mount(store, half, doubts, entry.name)


def _search_mounts(store: Store, base: str, name: str) -> tuple[list[str], bool]:
    """The read-write layers at and below an entry, and whether there are only directories.

    Since 28 a container that mounts an image has a layer `ID-IMAGE`, with the image's name as it was typed, slashes and
    all, so that it may lie deeper; when it goes, the directories above it stay (seen with 28.5.2).
    """
    found: list[str] = []
    is_empty = True
    stack = [name]
    while stack:
        at = stack.pop()
        entries = list_directory(store, f"{base}/{at}")
        is_empty = is_empty and entries is not None and all(entry.type == "dir" for entry in entries)
        if any(entry.name == "mount-id" for entry in entries or []):
            found.append(at)
        if at.count("/") < _DEEPEST:
            stack += [f"{at}/{entry.name}" for entry in entries or [] if entry.type == "dir"]
        else:
            is_empty = False
    return sorted(found), is_empty


def _read_mount(store: Store, half: GraphHalf, doubts: list[str], name: str) -> None:
    path = f"{half.base}/layerdb/mounts/{name}"
    try:
        mount_id, init_id, parent = (
            read_word(store, f"{path}/{file}") or "" for file in ("mount-id", "init-id", "parent")
        )
    except UnreadableFile as err:
        store.findings.say("layer-unloadable", err.sentence, path=err.file or path, root=store.root)
        doubts.append(f"{path} can't be read")
        half.mounts[name] = MountRecord(name, loaded=False)
        return
    mount = MountRecord(name, mount_id, init_id, hex_of(parent))
    known = not parent or (mount.parent and mount.parent in half.layers)
    named = bool(MOUNT_ID.fullmatch(mount_id)) and (not init_id or bool(MOUNT_ID.fullmatch(init_id)))
    if not named or not known:
        mount.mount_id = mount_id if _is_name(mount_id) else ""
        mount.init_id = init_id if _is_name(init_id) else ""
    if not named:
        doubts.append(f"{path} doesn't say which directories are its own")
    mount.loaded = named and bool(known) and not mount.is_nested
    half.mounts[name] = mount


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and text not in (".", "..")


def _lenient(store: Store, path: str) -> str:
    try:
        word = read_word(store, path) or ""
    except UnreadableFile:
        return ""
    return word if _is_name(word) else ""
