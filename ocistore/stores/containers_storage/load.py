"""Loads the record files of all places of a store, and says what of them can't be trusted.

Source: containers-storage 1.2 to 1.4, 1.9, Part 4 (rule zero).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import strict_json

from .layout import is_safe_name
from .libpod_bolt import read_bolt
from .libpod_sqlite import read_sqlite
from .records import (
    ContainerRecord,
    ImageRecord,
    LayerRecord,
    read_containers,
    read_images,
    read_layers,
    read_mount_counts,
)
from .storage import GRAPHROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ocistore.stores.store import Store

    from .libpod import Libpod
    from .storage import Storage

Record = TypeVar("Record", LayerRecord, ImageRecord, ContainerRecord)
Value = TypeVar("Value")


def load_records(store: Store, storage: Storage) -> None:
    """Fills layers, images, containers and mount counts; a file that can't be trusted leaves a blocking finding."""
    loader = _Loader(store, storage)
    driver = storage.driver
    layers = [(GRAPHROOT, f"{driver}-layers/layers.json")]
    if storage.imagestore is not None:
        layers.append((storage.imagestore, f"{driver}-layers/layers.json"))
    layers.append((GRAPHROOT, f"{driver}-layers/volatile-layers.json"))
    containers = [
        (GRAPHROOT, f"{driver}-containers/containers.json"),
        (GRAPHROOT, f"{driver}-containers/volatile-containers.json"),
    ]
    if storage.runroot is not None:
        # Where a store is transient its volatile records lie in the runroot; a store may be used in both modes (1.9).
        layers.append((storage.runroot, f"{driver}-layers/volatile-layers.json"))
        containers.append((storage.runroot, f"{driver}-containers/volatile-containers.json"))
        for count in loader.read(storage.runroot, f"{driver}-layers/mountpoints.json", read_mount_counts) or ():
            storage.mounts[count.layer] = count
    for place, path in layers:
        for layer in loader.records(place, path, read_layers):
            layer.in_imagestore = place == storage.imagestore
            storage.layers.setdefault(layer.id, layer)
    # The split image store is the primary one; the graphroot's images are a further writable store (1.2).
    for place in ([storage.imagestore] if storage.imagestore is not None else []) + [GRAPHROOT]:
        for image in loader.records(place, f"{driver}-images/images.json", read_images):
            image.place, image.store = place, store.number
            storage.images.append(image)
        drop_conflicting_names([image for image in storage.images if image.place == place])
    volatile: dict[int, str] = {}
    for place, path in containers:
        for container in loader.records(place, path, read_containers):
            storage.containers.setdefault(container.id, container)
            if "volatile-" in path:
                volatile.setdefault(place, container.file)
    if len(volatile) > 1:
        text = "containers were made with and without a transient store; an engine sees one half, here both are held"
        store.findings.say("two-modes", text, path=volatile[GRAPHROOT], root=store.root)
    drop_conflicting_names(list(storage.layers.values()))
    drop_conflicting_names(list(storage.containers.values()))


def drop_conflicting_names(records: Sequence[LayerRecord | ImageRecord | ContainerRecord]) -> None:
    """A name that two records of one store bear belongs to the later one (1.3)."""
    owners: dict[str, LayerRecord | ImageRecord | ContainerRecord] = {}
    for record in records:
        for name in record.names:
            other = owners.get(name)
            if other is not None and other is not record:
                other.names = [n for n in other.names if n != name]
            owners[name] = record


def load_databases(store: Store, storage: Storage) -> None:
    """Reads podman's databases, wherever they may lie (2.1); none is normal."""
    _Loader(store, storage).databases()


class _Loader:
    def __init__(self, store: Store, storage: Storage) -> None:
        self.store = store
        self.storage = storage

    def records(self, place: int, path: str, parse: Callable[[Any], list[Record]]) -> list[Record]:
        """The records of a file that are safe to use, each told where it was recorded."""
        spelled = self.storage.spelled(place, path)
        found: list[Record] = []
        seen: set[str] = set()
        for record in self.read(place, path, parse) or ():
            record.file = spelled
            if not is_safe_name(record.id):
                self.say("leaves-root", f"a record's id is {record.id[:80]!r}; it is no name of a directory", spelled)
            elif record.id in seen:
                self.say("record-twice", f"the id {record.id} is recorded twice; the first record counts", spelled)
            else:
                seen.add(record.id)
                found.append(record)
        return found

    def read(self, place: int, path: str, parse: Callable[[Any], Value]) -> Value | None:
        """The parsed value of a record file, None if it isn't there or can't be used (then there is a finding)."""
        spelled = self.storage.spelled(place, path)
        self.store.watch(path, place)
        try:
            data = self.storage.places[place].tree.read(path)
            # An empty file is an empty list (1.4).
            return parse(strict_json.parse(data) if data else None)
        except Missing:
            return None
        except CorruptFile as err:
            where = f" ({err.place})" if err.place else ""
            self.say("records-corrupt", f"{err.sentence}{where}", spelled)
        except UnreadableFile as err:
            self.say("records-unreadable", err.sentence, spelled)
        return None

    def databases(self) -> None:
        places = [GRAPHROOT] + ([self.storage.runroot] if self.storage.runroot is not None else [])
        for place in places:
            self._database(place, "db.sql", self._sqlite)
        self._database(GRAPHROOT, "libpod/db.sql", self._sqlite)
        self._database(GRAPHROOT, "libpod/bolt_state.db", self._bolt)
        if len(self.storage.databases) > 1:
            both = " and ".join(database.path for database in self.storage.databases)
            self.say("two-databases", f"podman left {both}; what either names is held", self.storage.databases[1].path)

    def _database(self, place: int, path: str, read: Callable[[int, str, str], Libpod]) -> None:
        spelled = self.storage.spelled(place, path)
        tree = self.storage.places[place].tree
        try:
            tree.stat(path)
        except UnreadableFile:
            return
        self.store.watch(path, place)
        try:
            self.storage.databases.append(read(place, path, spelled))
        except CorruptFile as err:
            where = f" ({err.place})" if err.place else ""
            self._broken(f"{err.sentence}{where}", spelled)
        except UnreadableFile as err:
            self._broken(err.sentence, spelled)

    def _broken(self, text: str, spelled: str) -> None:
        self.storage.broken_databases.append(spelled)
        self.say("database-corrupt", text, spelled)

    def _sqlite(self, place: int, path: str, spelled: str) -> Libpod:
        tree = self.storage.places[place].tree

        def beside(suffix: str) -> bytes | None:
            self.store.watch(path + suffix, place)
            try:
                return tree.read(path + suffix)
            except Missing:
                return None

        # The log and the journal are part of the database: an error in reading them is one of the database.
        journal, wal = beside("-journal"), beside("-wal")
        return read_sqlite(spelled, tree.read(path), journal, wal)

    def _bolt(self, place: int, path: str, spelled: str) -> Libpod:
        return read_bolt(spelled, self.storage.places[place].tree.read(path))

    def say(self, code: str, text: str, path: str) -> None:
        self.store.findings.say(code, text, path=path, root=self.store.root)
