"""Reading a bolt file of a store: what is damaged or live becomes findings, what is readable is given back.

Files are read in one pass, large ones page by page, never mapped (see `formats.bolt`) and never locked: a daemon may
write meanwhile.  A commit overwrites no page of the tree before it, so that what was read is sound if the transaction
moved on by one at most while it was read (docker-buildkit-containerd 1.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.beside import Beside
from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats.bolt import Database
from ocistore.stores.store import fingerprint

if TYPE_CHECKING:
    from ocistore.disk.tree import RandomFile, Tree
    from ocistore.formats.bolt.scan import Scan
    from ocistore.stores.store import Store

BOLT_FILES = "bolt_files"
"""Key of `Store.cache`: the bolt files that were read, for `check`."""
_SCANS = "bolt_scans"
"""Key of `Store.cache`: the files that are being scanned by another process."""
_TRIES = 3
_WHOLE = 16 * 1024 * 1024
"""Bytes up to which a file is read whole, which is quicker."""
_HEAD = 2 << 16
"""Bytes in which both meta pages lie, of every page size up to 64 KiB."""


class BoltFile(NamedTuple):
    """A bolt file of a store: number of the place, and the path in it."""

    place: int
    path: str


class Scanned(NamedTuple):
    """What another process found in a file."""

    txid: int
    scan: Scan


def scan_ahead(store: Store, path: str, place: int = 0) -> None:
    """Begins to look for damage in a file that will be read later, in a second process, if it is a large one."""
    tree = store.places[place].tree
    looks = fingerprint(tree, path)
    if looks is not None and looks[1] > _WHOLE:
        store.cache.setdefault(_SCANS, {})[BoltFile(place, path)] = looks, Beside(lambda: _scan(tree, path))


def _scan(tree: Tree, path: str) -> Scanned | None:
    """What a scan finds, and of which transaction; None where the file can't be read, which its reader will tell."""
    try:
        database = Database(open_pages(tree, path), salvage=True)
        return Scanned(database.txid, database.scan)
    except (UnreadableFile, CorruptFile):
        return None


def read_bolt(store: Store, path: str, place: int = 0, *, code: str = "database-unreadable") -> Database | None:
    """Opens a bolt file and watches it; None if it isn't there or nothing of it can be read.

    A damaged file is told of with the finding `code` (and place) for each damaged part; what lies around the damage can
    be read then, and `Database.damage` is not empty, so a caller must take what it doesn't find as unknown, not absent.
    One that was written while it was read is read again, three times at most; then `changed-while-read` is told.

    Args:
        store: which store's findings and watch list it is about.
        path: of the file in that place.
        place: number of the place.
        code: of the finding: `database-unreadable`, or `index-unreadable-db` for files that hold no data.
    """
    where = store.places[place]
    watched = len(store.watched)
    looked, ahead = store.cache.get(_SCANS, {}).pop(BoltFile(place, path), (None, None))
    for _ in range(_TRIES):
        # What counts is how the file looked before the reading that is used.
        del store.watched[watched:]
        store.watch(path, place)
        try:
            scanned = ahead.result() if ahead is not None and looked == store.watched[-1][2] else None
            data = open_pages(where.tree, path, in_memory=scanned is not None)
        except Missing:
            return None
        except UnreadableFile as err:
            store.findings.say(code, f"can't be read: {err.sentence}", path=where.prefix + path, root=store.root)
            return None
        database, damage = _open(data, scanned)
        ahead = None
        if not _moved_on(where.tree, path, database, bool(damage), store.watched[-1][2]):
            break
    else:
        text = "changed while it was read, three times over; an engine is writing, so ask again when it has ended"
        store.findings.say("changed-while-read", text, path=where.prefix + path, root=store.root)
    store.cache.setdefault(BOLT_FILES, {})[BoltFile(place, path)] = None
    for each in damage:
        _say(store, where.prefix + path, code, each)
    if database is not None and database.torn:
        text = "the newest commit was torn; the one before it is complete and used"
        store.findings.say("database-torn", text, path=where.prefix + path, root=store.root)
    return database


def open_pages(tree: Tree, path: str, in_memory: bool = False) -> bytes | RandomFile:
    """A bolt file: its bytes, or a large one to be read page by page, so that memory doesn't grow with it.

    A cache of 100,000 build records has 200,000 pages of leases; a file is made longer in steps of up to 1 GiB (1.8).

    Args:
        tree: where it lies.
        path: of it.
        in_memory: whether the system was made to have a large one in memory already.

    Raises:
        UnreadableFile: it can't be read.
    """
    if tree.stat(path).st_size <= _WHOLE:
        return tree.read(path)
    return tree.open_random(path, in_memory)


def _head(tree: Tree, path: str, size: int) -> bytes:
    parts: list[bytes] = []
    left = size
    for piece in tree.chunks(path):
        parts.append(piece[:left])
        left -= len(parts[-1])
        if not left:
            break
    return b"".join(parts)


def _open(data: bytes | RandomFile, scanned: Scanned | None = None) -> tuple[Database | None, list[CorruptFile]]:
    try:
        database = Database(data, salvage=True)
    except CorruptFile as err:
        return None, [err]
    if scanned is not None:
        database.take_scan(scanned.txid, scanned.scan)
    return database, database.damage


def _moved_on(
    tree: Tree, path: str, database: Database | None, damaged: bool, before: tuple[int, int, int] | None
) -> bool:
    """Whether an engine wrote so much, or just so, while the file was read that it must be read again (1.9)."""
    try:
        now = tree.stat(path)
        if (now.st_ino, now.st_size, now.st_mtime_ns) == before:
            return False
        again, _ = _open(_head(tree, path, _HEAD))
    except UnreadableFile:
        return True
    if damaged or database is None or again is None:
        return True
    return abs(again.txid - database.txid) > 1


def _say(store: Store, path: str, code: str, err: CorruptFile) -> None:
    text = f"{err.place}: {err.sentence}" if err.place else err.sentence
    store.findings.say(code, text, path=path, root=store.root)
