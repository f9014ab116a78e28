"""A snapshotter: its own database, and the directories that it governs (docker-buildkit-containerd 4.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats.bolt import Bucket
from ocistore.formats.wire import read_time, read_uvarint, read_varint
from ocistore.stores.shared.bolt_file import read_bolt
from ocistore.stores.shared.containerd.metadata_store import BackendSnapshot, Snapshotter
from ocistore.stores.shared.texts import text_of

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry, Tree
    from ocistore.formats.bolt import Database
    from ocistore.stores.store import Store

DATABASE = "metadata.db"
VIEW, ACTIVE, COMMITTED = 1, 2, 3
_CLEANING = frozenset(("overlayfs", "fuse-overlayfs", "stargz", "erofs"))
"""Those whose removals and `Cleanup()` take every entry of `snapshots/` that is no id of a record."""
_UNSIZED = frozenset(("btrfs", "devmapper", "zfs"))
"""Those whose data lies in subvolumes, on devices or in datasets, where stat doesn't see what is shared."""
_WITHOUT_DIRECTORIES = frozenset(("devmapper", "zfs"))
_BUILTIN = _CLEANING | _UNSIZED | {"native", "blockfile", "windows", "windows-lcow", "aufs"}
_SUBVOLUMES = {VIEW: "view", ACTIVE: "active", COMMITTED: "snapshots"}
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_LEFT_BY = {
    "new-": "a directory of a snapshot that was being made",
    "rm-": "a snapshot's directory that was being removed",
}
_OWN_FILES = re.compile(r"scratch|.*\.db|.*\.toml|.*\.lock", re.ASCII)


def read_snapshotter(store: Store, place: int, name: str, path: str, *, named: bool) -> Snapshotter:
    """A snapshotter's records and directories.

    Args:
        store: its findings receive what can't be read.
        place: number of the place.
        name: of the snapshotter (`overlayfs`).
        path: its directory in that place.
        named: whether records of the metadata database name snapshots of it; then its own database must be there.
    """
    return _Reader(store, place, name, path, named).read()


def is_builtin(name: str) -> bool:
    """Whether a snapshotter is part of containerd, so that its data should lie in containerd's root."""
    return name in _BUILTIN


class _Reader:
    def __init__(self, store: Store, place: int, name: str, path: str, named: bool) -> None:
        self._store, self._place, self._named = store, place, named
        self._tree: Tree = store.places[place].tree
        self._prefix = store.places[place].prefix
        self._found = Snapshotter(name, path, cleans=name in _CLEANING, unsized=name in _UNSIZED)
        self._database = f"{path}/{DATABASE}"

    def read(self) -> Snapshotter:
        entries = self._list(self._found.path)
        directories = self._data_directories(entries)
        listed = {path: self._list(path) for path in directories}
        for path, found in listed.items():
            self._tree.count_ahead(path, [entry for entry in found if entry.type == "dir"])
        self._records(any(listed.values()))
        for path, found in listed.items():
            self._match(path, found)
        for entry in entries:
            below = f"{self._found.path}/{entry.name}"
            if below in listed or entry.name == DATABASE or self._is_own(entry):
                self._found.own.append(below)
            else:
                self._found.strangers.append(below)
        return self._found

    def _data_directories(self, entries: list[Entry]) -> list[str]:
        """The directories whose entries are snapshots."""
        names = ("active", "view", "snapshots") if self._found.name == "btrfs" else ("snapshots",)
        return [f"{self._found.path}/{entry.name}" for entry in entries if entry.name in names and entry.type == "dir"]

    def _is_own(self, entry: Entry) -> bool:
        # What a snapshotter that isn't containerd's own keeps beside its records is its own business.
        return self._found.name not in _BUILTIN or _OWN_FILES.fullmatch(entry.name) is not None

    def _records(self, has_data: bool) -> None:
        found = self._found
        needed = self._named or has_data
        where = self._prefix + self._database
        if not self._is_there():
            if needed:
                self._miss("isn't there, so which snapshot is in which directory is unknown")
            else:
                found.snapshots = {}
            return
        database = read_bolt(self._store, self._database, self._place)
        if database is None:
            found.doubt = f"{where} can't be read"
            return
        try:
            found.snapshots = self._snapshots(database)
        except CorruptFile as err:
            found.doubt = f"{where}: {err}"
            self._store.findings.say("database-unreadable", str(err), path=where, root=self._store.root)
            return
        if database.damage:
            found.doubt = f"{where} is damaged, and records may be missing"
        elif needed and database.root.bucket(b"v1") is None:
            self._miss("has no records, though there are snapshots")

    def _miss(self, what: str) -> None:
        where = self._prefix + self._database
        self._found.doubt = f"{where} {what}"
        self._store.findings.say("database-missing", what, path=where, root=self._store.root)

    def _is_there(self) -> bool:
        try:
            self._tree.stat(self._database)
        except Missing:
            return False
        except UnreadableFile:
            # Told when it is read.
            return True
        return True

    def _snapshots(self, database: Database) -> dict[str, BackendSnapshot]:
        v1 = database.root.bucket(b"v1")
        bucket = v1.bucket(b"snapshots") if v1 is not None else None
        found: dict[str, BackendSnapshot] = {}
        for key, value in bucket.items() if bucket is not None else ():
            name = text_of(key)
            try:
                if not isinstance(value, Bucket):
                    raise CorruptFile("a value where a record should be")
                found[name] = _read_snapshot(name, value)
            except CorruptFile as err:
                self._fault(name, err)
        return found

    def _fault(self, name: str, err: CorruptFile) -> None:
        where = self._prefix + self._database
        self._found.doubt = self._found.doubt or f"a record of {where} can't be decoded"
        self._store.findings.say(
            "record-unreadable", f"bucket v1/snapshots/{name}: {err.sentence}", path=where, root=self._store.root
        )

    def _match(self, path: str, entries: list[Entry]) -> None:
        """Gives the entries of a directory of snapshots to the records; what is left over has none."""
        by_id = {self._expected(snapshot): snapshot for snapshot in (self._found.snapshots or {}).values()}
        for entry in entries:
            below = f"{path}/{entry.name}"
            snapshot = by_id.get(below)
            if snapshot is not None and entry.type in ("dir", "file"):
                snapshot.path = below
            elif snapshot is not None:
                self._found.strangers.append(below)
            elif self._found.cleans:
                self._found.orphans[below] = _describe(entry.name) or "an entry of snapshots/ that is no snapshot"
            elif what := _describe(entry.name):
                self._found.orphans[below] = what
            else:
                self._found.strangers.append(below)

    def _expected(self, snapshot: BackendSnapshot) -> str:
        directory = _SUBVOLUMES.get(snapshot.kind, "snapshots") if self._found.name == "btrfs" else "snapshots"
        return f"{self._found.path}/{directory}/{snapshot.id}"

    def _list(self, path: str) -> list[Entry]:
        try:
            return self._tree.list(path)
        except Missing:
            return []
        except UnreadableFile as err:
            where = self._prefix + path
            self._store.findings.say("unreadable", err.sentence, path=where, root=self._store.root)
            self._found.doubt = self._found.doubt or f"{where} can't be read: {err.sentence}"
            return []


def has_directories(name: str) -> bool:
    """Whether a snapshotter's data are directories or files of its own directory."""
    return name not in _WITHOUT_DIRECTORIES


def _describe(name: str) -> str:
    if _NUMBER.fullmatch(name):
        return "a snapshot's directory that no record names"
    return next((what for prefix, what in _LEFT_BY.items() if name.startswith(prefix)), "")


def _read_snapshot(key: str, bucket: Bucket) -> BackendSnapshot:
    """Decodes a record.

    Raises:
        CorruptFile: a number is none, or the kind or the id is missing.
    """
    kind, ident = bucket.get(b"kind"), bucket.get(b"id")
    if not ident or not kind or kind[0] not in (VIEW, ACTIVE, COMMITTED):
        raise CorruptFile("a snapshot without a number or a kind")
    size, inodes, made = bucket.get(b"size"), bucket.get(b"inodes"), bucket.get(b"createdat")
    labels = bucket.bucket(b"labels")
    return BackendSnapshot(
        key,
        read_uvarint(ident),
        kind[0],
        text_of(bucket.get(b"parent")),
        read_varint(size) if size else None,
        read_varint(inodes) if inodes else None,
        read_time(made) if made else None,
        {text_of(k): text_of(v) for k, v in labels.items() if isinstance(v, bytes)} if labels is not None else {},
    )
