"""SQLite databases, from the bytes of their files, on a private copy.

A rollback journal that is hot and a write-ahead log hold part of the truth (containers-storage 2.2): SQLite itself
rolls them back or replays them, on a copy that is made for it, so that the original is never written.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

HEADER = b"SQLite format 3\0"
_WAL_VERSIONS = slice(18, 20)
_LEGACY = b"\x01\x01"


@contextlib.contextmanager
def open_copy(database: bytes, journal: bytes | None = None, wal: bytes | None = None) -> Iterator[sqlite3.Connection]:
    """A connection to a private copy, gone afterwards.

    Args:
        database: bytes of the database file.
        journal: bytes of its `-journal`, None if there is none.
        wal: bytes of its `-wal`, None if there is none.

    Raises:
        CorruptFile: not a SQLite database, or one that SQLite can't read (also while the caller uses it).
    """
    # Imported here: only stores with a database pay for it.
    import sqlite3

    if database and not database.startswith(HEADER):
        raise CorruptFile("is not a SQLite database")
    try:
        if journal or wal:
            with _copied(database, journal, wal) as path, contextlib.closing(sqlite3.connect(path)) as connection:
                yield connection
        else:
            with contextlib.closing(sqlite3.connect(":memory:")) as connection:
                if database:
                    connection.deserialize(_without_wal_mark(database))
                yield connection
    except sqlite3.Error as err:
        raise CorruptFile(f"SQLite can't read it ({err})") from None
    except UnicodeDecodeError:
        # Python turns what SQLite says into a text, also where it quotes spoilt bytes.
        raise CorruptFile("SQLite can't read it, for a reason that quotes what is no UTF-8") from None


def _without_wal_mark(database: bytes) -> bytes:
    """In memory there is no log; with none on disk either, the file is complete and may be read as if it had none."""
    if database[_WAL_VERSIONS] == _LEGACY:
        return database
    return database[:18] + _LEGACY + database[20:]


@contextlib.contextmanager
def _copied(database: bytes, journal: bytes | None, wal: bytes | None) -> Iterator[str]:
    # Imported here: tempfile is slow to load and only an interrupted database needs it.
    import tempfile

    directory = tempfile.mkdtemp(prefix="ocistore-")
    try:
        path = os.path.join(directory, "db.sql")
        for suffix, data in (("", database), ("-journal", journal), ("-wal", wal)):
            if data is not None:
                with open(path + suffix, "wb") as copy:
                    copy.write(data)
        yield path
    finally:
        shutil.rmtree(directory, ignore_errors=True)
