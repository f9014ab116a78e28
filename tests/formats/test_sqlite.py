"""SQLite databases as podman leaves them: whole, interrupted, with a log, and spoilt."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.sqlite import open_copy


def rows(database: bytes, journal: bytes | None = None, wal: bytes | None = None) -> list[tuple[object, ...]]:
    """The rows of table `t` of a database."""
    with open_copy(database, journal, wal) as connection:
        return connection.execute("SELECT * FROM t ORDER BY 1").fetchall()


def make(path: Path, *statements: str) -> sqlite3.Connection:
    """A database in which statements were run; the caller closes it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("CREATE TABLE t (a, b BLOB)", *statements):
        connection.execute(statement)
    return connection


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """A database of two rows."""
    make(tmp_path / "db", "INSERT INTO t VALUES (1, x'00ff'), (2, NULL)").close()
    return (tmp_path / "db").read_bytes()


def test_rows_are_read(whole: bytes) -> None:
    """Blobs stay bytes."""
    assert [(1, b"\x00\xff"), (2, None)] == rows(whole)


def test_an_empty_file_has_no_tables() -> None:
    """As SQLite takes a file that was just created."""
    with open_copy(b"") as connection:
        assert [] == connection.execute("SELECT name FROM sqlite_master").fetchall()


def test_a_hot_journal_is_rolled_back(tmp_path: Path) -> None:
    """What an interrupted transaction wrote doesn't count, and the files stay as they are."""
    path = tmp_path / "db"
    writer = make(path, "PRAGMA cache_size = 1", "INSERT INTO t VALUES (1, zeroblob(20000))")
    writer.execute("BEGIN")
    writer.execute("UPDATE t SET a = 2, b = randomblob(20000)")
    writer.execute("INSERT INTO t SELECT 3, randomblob(90000)")
    copies = tmp_path / "copies"
    copies.mkdir()
    for file in tmp_path.glob("db*"):
        shutil.copy(file, copies)
    writer.close()
    database, journal = (copies / "db").read_bytes(), (copies / "db-journal").read_bytes()

    assert [(1, bytes(20000))] == rows(database, journal)
    assert (database, journal) == ((copies / "db").read_bytes(), (copies / "db-journal").read_bytes())


def test_a_log_is_replayed(tmp_path: Path) -> None:
    """What was committed to the write-ahead log counts."""
    path = tmp_path / "db"
    writer = make(path, "PRAGMA journal_mode = wal", "PRAGMA wal_autocheckpoint = 0", "INSERT INTO t VALUES (5, NULL)")
    database, wal = path.read_bytes(), (tmp_path / "db-wal").read_bytes()
    writer.close()

    assert [(5, None)] == rows(database, wal=wal)


def test_a_mark_of_a_log_that_is_gone_is_no_hindrance(tmp_path: Path) -> None:
    """A database in WAL mode that was closed in order is whole without its log."""
    path = tmp_path / "db"
    make(path, "PRAGMA journal_mode = wal", "INSERT INTO t VALUES (6, NULL)").close()

    assert [(6, None)] == rows(path.read_bytes())


@pytest.mark.parametrize("journal", [b"", bytes(512), b"garbage" * 100])
def test_a_journal_that_is_none_is_left_out(whole: bytes, journal: bytes) -> None:
    """Empty, zeroed by a truncating commit, or garbage: SQLite does not roll back by it."""
    assert [(1, b"\x00\xff"), (2, None)] == rows(whole, journal)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"garbage", "is not a SQLite database"),
        (bytes(4096), "is not a SQLite database"),
        (b"SQLite format 3\0", "SQLite can't read it"),
        (b"SQLite format 3\0" + bytes(4080), "SQLite can't read it"),
    ],
    ids=["garbage", "zeroes", "head only", "head and zeroes"],
)
def test_what_is_no_database_is_told(data: bytes, sentence: str) -> None:
    """With a journal beside it, too."""
    for journal in (None, bytes(512)):
        with pytest.raises(CorruptFile, match=sentence):
            rows(data, journal)


def test_a_cut_database_is_told(tmp_path: Path) -> None:
    """Pages that its header promises are missing."""
    make(tmp_path / "db", "INSERT INTO t VALUES (1, zeroblob(50000))").close()

    with pytest.raises(CorruptFile, match="SQLite can't read it"):
        rows((tmp_path / "db").read_bytes()[:9000])


def test_no_copy_is_left_behind(whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The private directory is gone after an answer and after an error."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows(whole, bytes(512))
    with contextlib.suppress(CorruptFile):
        rows(b"SQLite format 3\0", bytes(512))

    assert [] == [path.name for path in tmp_path.iterdir() if path.name != "db"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database of some pages."""
    path = tmp_path_factory.mktemp("large") / "db"
    # The same bytes in each run: what hypothesis found once it tries again.
    blob = bytes(n * n % 251 for n in range(3000)).hex()
    make(path, f"INSERT INTO t VALUES (1, x'{blob}'), (2, 'text')", "CREATE INDEX i ON t (a)").close()
    return path.read_bytes()


@given(
    places=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=10),
    cut=st.none() | st.integers(0, 1 << 20),
    journal=st.sampled_from((None, bytes(512))),
)
@settings(max_examples=150, deadline=None)
def test_spoilt_bytes_only_ever_raise_one_error(
    large: bytes, places: list[tuple[int, int]], cut: int | None, journal: bytes | None
) -> None:
    """Some bytes are set, or the end is cut off: rows are read, or CorruptFile is raised."""
    made = bytearray(large)
    for at, byte in places:
        made[at % len(made)] = byte
    if cut is not None:
        del made[cut % len(made) :]

    with contextlib.suppress(CorruptFile):
        rows(bytes(made), journal)


def test_a_spoilt_statement_that_sqlite_quotes(tmp_path: Path) -> None:
    """What SQLite says of a table's statement quotes it, and it need not be UTF-8."""
    make(tmp_path / "db").close()
    spoilt = (tmp_path / "db").read_bytes().replace(b"CREATE TABLE t (", b"CREATE TABLE t \x80")

    with pytest.raises(CorruptFile, match="quotes what is no UTF-8"):
        rows(spoilt)
