"""What a directory is: which kind of store, by its files and not by its name or place."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from ocistore.errors import UnreadableFile
from ocistore.stores.shared.drivers import DRIVERS, find_drivers

if TYPE_CHECKING:
    import os

    from ocistore.disk.tree import Entry, Tree

StoreKind = Literal["containers-storage", "oci-layout", "docker", "containerd", "buildkit"]
KINDS: tuple[StoreKind, ...] = get_args(StoreKind)

CONTAINERD_RECORDS = "io.containerd.metadata.v1.bolt"
SNAPSHOTTER = "io.containerd.snapshotter.v1."
BUILDKIT_WORKER = re.compile(r"(?:runc|containerd)-(.+)")
_BUILDKIT_RECORDS = ("metadata_v2.db", "metadata.db")
_WORKER_OF_CONTAINERD = re.compile(r"containerd-(.+)")


class Identity(NamedTuple):
    """What a directory is: kind of store, driver, and further drivers whose records lie in the same directory."""

    kind: StoreKind
    driver: str | None
    others: tuple[str, ...] = ()


def identify(tree: Tree, path: str = "") -> Identity | None:
    """What kind of store the directory `path` of `tree` is; None if it is none.

    Raises:
        UnreadableFile: the directory can't be listed.
    """
    return identify_entries(tree, path, {entry.name: entry for entry in tree.list(path)})


def join(path: str, name: str) -> str:
    """`name` below `path`, where `""` is the root."""
    return f"{path}/{name}" if path else name


def is_directory(tree: Tree, path: str) -> bool:
    """Whether a directory is there (a link to one isn't one)."""
    try:
        return stat.S_ISDIR(tree.stat(path).st_mode)
    except UnreadableFile:
        return False


def identify_entries(tree: Tree, path: str, entries: dict[str, Entry]) -> Identity | None:
    """As `identify`, of a directory whose entries are known."""
    drivers = find_drivers(tree, path, (name for name, entry in entries.items() if entry.type == "dir"))
    if drivers:
        return Identity("containers-storage", drivers[0], tuple(drivers[1:]))
    if CONTAINERD_RECORDS in entries or _has_directory(entries, "io.containerd.content.v1.content"):
        return Identity("containerd", _snapshotter(tree, path, entries))
    if _is_docker(tree, path, entries):
        return Identity("docker", _docker_driver(tree, path, entries))
    for name, entry in entries.items():
        worker = BUILDKIT_WORKER.fullmatch(name)
        if worker and entry.type == "dir" and any(_stat(tree, path, name, db) for db in _BUILDKIT_RECORDS):
            return Identity("buildkit", worker.group(1))
    if "oci-layout" in entries or ("index.json" in entries and "blobs" in entries):
        # Imported here: the rest of the search needs no reader.
        from ocistore.stores.oci_layout.layout import looks_like_layout

        if looks_like_layout(tree, path):
            return Identity("oci-layout", None)
    return None


def _has_directory(entries: dict[str, Entry], name: str) -> bool:
    entry = entries.get(name)
    return entry is not None and entry.type == "dir"


def is_runroot(entries: dict[str, Entry]) -> bool:
    """Whether it is the volatile half of a store (formats: containers-storage 1.1)."""
    return any(
        _has_directory(entries, f"{p}-layers")
        and _has_directory(entries, f"{p}-containers")
        and not _has_directory(entries, f"{p}-images")
        for p in DRIVERS
    )


def _stat(tree: Tree, *parts: str) -> os.stat_result | None:
    try:
        return tree.stat("/".join(part for part in parts if part))
    except UnreadableFile:
        return None


def _is_docker(tree: Tree, path: str, entries: dict[str, Entry]) -> bool:
    """Source: formats: docker-buildkit-containerd 2.1."""
    if not (_has_directory(entries, "containers") and _has_directory(entries, "volumes")):
        return False
    if _has_directory(entries, "buildkit") or is_directory(tree, join(path, "containerd/daemon")):
        return True
    return bool(_has_directory(entries, "image") and _directories(tree, join(path, "image")))


def _docker_driver(tree: Tree, path: str, entries: dict[str, Entry]) -> str | None:
    """The driver whose image records changed last (formats: docker-buildkit-containerd 2.1, 2.9)."""
    used: list[tuple[int, str]] = []
    for driver in _directories(tree, join(path, "image")) if "image" in entries else []:
        records = _stat(tree, path, "image", driver, "repositories.json") or _stat(tree, path, "image", driver)
        used.append((records.st_mtime_ns if records else 0, driver))
    states = _directories(tree, join(path, "buildkit"))
    workers = [found.group(1) for name in states if (found := _WORKER_OF_CONTAINERD.fullmatch(name))]
    for snapshotter in workers or (_directories(tree, join(path, "rootfs")) if not used else []):
        records = _stat(tree, path, "buildkit", f"containerd-{snapshotter}", "metadata_v2.db")
        used.append((records.st_mtime_ns if records else 0, snapshotter))
    return max(used)[1] if used else None


def _snapshotter(tree: Tree, path: str, entries: dict[str, Entry]) -> str | None:
    """The one snapshotter that has records; None for none or several."""
    named = [
        name.removeprefix(SNAPSHOTTER)
        for name in entries
        if name.startswith(SNAPSHOTTER) and _stat(tree, path, name, "metadata.db")
    ]
    return named[0] if len(named) == 1 else None


def _directories(tree: Tree, path: str) -> list[str]:
    try:
        return [entry.name for entry in tree.list(path) if entry.type == "dir"]
    except UnreadableFile:
        return []
