"""Which image store a data-root uses: nothing on the disk says it (docker-buildkit-containerd 2.1, 2.9)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile

from .files import list_directory
from .layout import BUILDKIT, IMAGES

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .records import DockerRecords

_WORKER = re.compile(r"containerd-(.+)")


def find_graph_drivers(store: Store) -> list[str]:
    """The graph drivers that have image records."""
    return [
        entry.name
        for entry in list_directory(store, IMAGES) or []
        if entry.type == "dir"
        and {"imagedb", "layerdb"} & {e.name for e in list_directory(store, f"{IMAGES}/{entry.name}") or []}
    ]


def find_snapshotters(store: Store) -> list[str]:
    """The snapshotters that an image store of containerd was used with: each has build records of its own."""
    names = [entry.name for entry in list_directory(store, BUILDKIT) or [] if entry.type == "dir"]
    found = [match.group(1) for name in names if (match := _WORKER.fullmatch(name))]
    return found or [entry.name for entry in list_directory(store, "rootfs") or [] if entry.type == "dir"]


def choose_active(store: Store, records: DockerRecords, drivers: list[str], snapshotters: list[str]) -> None:
    """Says which image store is taken to be in use, and whether that is certain.

    The only one there is; else the one that containers name; else the one whose records changed last, and a note.
    """
    candidates = [*drivers, *snapshotters]
    if len(candidates) < 2:
        records.active = candidates[0] if candidates else ""
        return
    named = {container.driver for container in records.containers.values()} & set(candidates)
    if len(named) == 1:
        records.active = named.pop()
    else:
        records.active = max(candidates, key=lambda name: _changed(store, name, name in drivers))
        records.undecided = (
            f"image stores of {', '.join(candidates)} lie here, and nothing says which the daemon is set to;"
            f" {records.active} changed last and is taken to be in use"
        )
    for name in candidates:
        if name != records.active:
            text = f"the image store of {name} is taken not to be in use ({records.active} is); all of it is held"
            path = f"{IMAGES}/{name}" if name in drivers else f"{BUILDKIT}/containerd-{name}"
            store.findings.say("inactive-image-store", text, path=path, root=store.root)


def _changed(store: Store, name: str, is_graph_driver: bool) -> int:
    paths = (
        (f"{IMAGES}/{name}/repositories.json", f"{IMAGES}/{name}")
        if is_graph_driver
        else (f"{BUILDKIT}/containerd-{name}/metadata_v2.db", f"rootfs/{name}")
    )
    for path in paths:
        try:
            return store.tree.stat(path).st_mtime_ns
        except UnreadableFile:
            continue
    return 0
