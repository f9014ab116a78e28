"""The engine's own files, and what stands in the root, containers/, volumes/ and buildkit/ besides (2.1, 3.1, 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import UnreadableFile

from .debris import Debris
from .drivers import PROJECT_QUOTA
from .files import list_directory
from .layout import (
    BUILDKIT,
    BUILDKIT_ID,
    CONTAINERS,
    DRIVERS,
    HEX_ID,
    IMAGES,
    OWN_ENTRIES,
    START_CLEARS,
    VOLUMES,
)
from .populate import OWN

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .records import DockerRecords

_BUILDKIT_FILES = frozenset(
    (
        "metadata_v2.db",
        "metadata.db",
        "cache.db",
        "cache-debug.db",
        "snapshots.db",
        "containerdmeta.db",
        "history.db",
        "history_c8d.db",
        "content",
        "executor",
        "net",
        "cachemounts",
        "policy",
        "buildkitd.lock",
        "workerid",
    )
)


def add_own(store: Store) -> int:
    """The node of the engine's own files; it owns the root, and so what nobody else does."""
    number = store.graph.add("own", OWN, store.number)
    store.graph.nodes[number].note = "the engine's own files: records, networks, plugins"
    store.graph.root(number, "is the engine's own")
    store.own("", number)
    return number


def claim_common(store: Store, records: DockerRecords) -> None:
    """Claims what both image stores share: containers, volumes, temporary directories, strangers in the root."""
    debris = Debris(store, records)
    _claim_root(store, records, debris)
    _claim_containers(store, records, debris)
    _claim_volumes(store, records, debris)
    _claim_buildkit(store, records, debris)
    _claim_plugins(store, debris)


def _claim_root(store: Store, records: DockerRecords, debris: Debris) -> None:
    shown = {half.driver.top for half in records.halves()}
    tops = {driver.top for driver in DRIVERS.values()}
    for entry in store.tree.list(""):
        if entry.name == "tmp-old":
            records.start.add(debris.add(entry.name, "temporary", "a start of the daemon removes it"))
        elif entry.name in START_CLEARS:
            for inner in list_directory(store, entry.name) or []:
                path = f"{entry.name}/{inner.name}"
                records.start.add(debris.add(path, "temporary", "left by a pull, load or build; a start removes it"))
        elif entry.name in shown or entry.name in OWN_ENTRIES:
            continue
        elif entry.name in tops and entry.type == "dir":
            _unrecorded_driver(store, debris, entry.name)
        else:
            debris.judge(entry.name, entry)
    for entry in list_directory(store, IMAGES) or []:
        known = any(half.base == f"{IMAGES}/{entry.name}" for half in records.halves())
        if not known and not entry.name.startswith("identity-cache.db"):
            debris.stranger(f"{IMAGES}/{entry.name}")


def _unrecorded_driver(store: Store, debris: Debris, name: str) -> None:
    """The directory of a graph driver without image records: a store used earlier, or one that lost them (2.1, 2.9)."""
    if not list_directory(store, name):
        return
    note = "data of a graph driver whose image records aren't here; what needs it is unknown"
    number = debris.add(name, "unrecorded-driver", note, doubt=True)
    store.findings.say("second-driver", note, path=name, node=store.graph.nodes[number].key, root=store.root)


def _claim_containers(store: Store, records: DockerRecords, debris: Debris) -> None:
    for ident in records.containers:
        number = store.graph.find("container", ident, store.number)
        if number is not None:
            store.own(f"{CONTAINERS}/{ident}", number)
    for name in records.broken_containers:
        debris.container(name)
    debris.strangers(CONTAINERS, lambda name: name in records.containers or name in records.broken_containers)


def _claim_volumes(store: Store, records: DockerRecords, debris: Debris) -> None:
    for name in records.volumes:
        number = store.graph.find("volume", name, store.number)
        if number is not None:
            store.own(f"{VOLUMES}/{name}", number)
    for entry in list_directory(store, VOLUMES) or []:
        if entry.name in records.volumes or entry.name in ("metadata.db", PROJECT_QUOTA):
            continue
        path = f"{VOLUMES}/{entry.name}"
        if entry.type == "dir" and not list_directory(store, path):
            debris.add(path, "unrecorded", "left by a volume's creation that was not ended")
        else:
            debris.stranger(path)


def _claim_buildkit(store: Store, records: DockerRecords, debris: Debris) -> None:
    """Build state besides records, leases and content: bundles of steps that a crash left (3.1)."""
    debris.strangers(BUILDKIT, lambda name: name in _BUILDKIT_FILES or name.startswith("containerd-"))
    for entry in list_directory(store, f"{BUILDKIT}/executor") or []:
        if entry.type == "dir" and BUILDKIT_ID.fullmatch(entry.name):
            path = f"{BUILDKIT}/executor/{entry.name}"
            debris.add(path, "unrecorded", "left by a build step that was not ended")


def _claim_plugins(store: Store, debris: Debris) -> None:
    for entry in list_directory(store, "plugins") or []:
        if entry.type != "dir" or not HEX_ID.fullmatch(entry.name):
            continue
        try:
            store.tree.stat(f"plugins/{entry.name}/config.json")
        except Missing:
            debris.add(f"plugins/{entry.name}", "unrecorded", "a plugin without a record", doubt=True)
        except UnreadableFile:
            continue
