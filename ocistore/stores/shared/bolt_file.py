"""Reading a bolt file of a store: what is damaged or live becomes findings, what is readable is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats.bolt import Database

if TYPE_CHECKING:
    from ocistore.stores.store import Store


def read_bolt(store: Store, path: str, place: int = 0, *, code: str = "database-unreadable") -> Database | None:
    """Opens a bolt file and watches it; None if it isn't there or nothing of it can be read.

    A damaged file is told of with the finding `code` (and place) for each damaged part; what lies around the damage can
    be read then, and `Database.damage` is not empty, so a caller must take what it doesn't find as unknown, not absent.

    Args:
        store: which store's findings and watch list it is about.
        path: of the file in that place.
        place: number of the place.
        code: of the finding: `database-unreadable`, or `index-unreadable-db` for files that hold no data.
    """
    where = store.places[place]
    store.watch(path, place)
    try:
        data = where.tree.read(path)
    except Missing:
        return None
    except UnreadableFile as err:
        store.findings.say(code, f"can't be read: {err.sentence}", path=where.prefix + path, root=store.root)
        return None
    try:
        database = Database(data, salvage=True)
        database.check_reachable()
    except CorruptFile as err:
        _say(store, where.prefix + path, code, err)
        return None
    for damage in database.damage:
        _say(store, where.prefix + path, code, damage)
    if database.torn:
        text = "the newest commit was torn; the one before it is complete and used"
        store.findings.say("database-torn", text, path=where.prefix + path, root=store.root)
    return database


def _say(store: Store, path: str, code: str, err: CorruptFile) -> None:
    text = f"{err.place}: {err.sentence}" if err.place else err.sentence
    store.findings.say(code, text, path=path, root=store.root)
