"""Bolt files of a store: damage, torn and live files (docker-buildkit-containerd 1.8, 1.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.check.structure import check_structure
from ocistore.disk import beside
from ocistore.disk.tree import DirectoryTree, RandomFile
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.shared import bolt_file
from ocistore.stores.shared.bolt_file import read_bolt, scan_ahead
from ocistore.stores.store import Place, Store
from tests.make.bolt import FREELIST, HEADER, BoltMaker, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store over a directory, with nothing read."""
    made = Store("containerd", ".", None, Graph(), Findings(), places=[Place(DirectoryTree(str(tmp_path)))])
    yield made
    made.close()


def write(path: Path, value: bytes, txid: int) -> None:
    """A file with one key."""
    path.write_bytes(BoltMaker(512).write({b"k": value}, txid))


def codes(store: Store) -> list[str]:
    """Codes of the findings."""
    return [finding.code for finding in store.findings]


def test_a_sound_file_says_nothing(store: Store, tmp_path: Path) -> None:
    """And is watched."""
    write(tmp_path / "a.db", b"v", 8)

    database = read_bolt(store, "a.db")

    assert database is not None
    assert b"v" == database.root.get(b"k")
    assert [] == codes(store)
    assert not store.notice_changes()


def test_no_file_is_none(store: Store) -> None:
    """Whether it must be there is the caller's to say."""
    assert read_bolt(store, "a.db") is None
    assert [] == codes(store)


def test_damage_is_told_with_its_place(store: Store, tmp_path: Path) -> None:
    """Under the code that the caller gives; what is readable is given."""
    maker = BoltMaker(512, fanout=2)
    data = bytearray(maker.write({b"%d" % n: b"v" for n in range(4)}))
    data[3 * 512] = 99
    (tmp_path / "a.db").write_bytes(data)

    database = read_bolt(store, "a.db", code="index-unreadable-db")

    assert database is not None
    assert {b"2": b"v", b"3": b"v"} == dict(database.root.items())
    [finding] = store.findings
    assert ("index-unreadable-db", "a.db", "root bucket: page 3 bears the number 99") == (
        finding.code,
        finding.path,
        finding.text,
    )


def test_a_torn_commit_is_a_note(store: Store, tmp_path: Path) -> None:
    """The commit before it is whole."""
    data = bytearray(BoltMaker(512).write({b"k": b"v"}, 8))
    data[HEADER + 20] ^= 1
    (tmp_path / "a.db").write_bytes(data)

    assert read_bolt(store, "a.db") is not None
    assert ["database-torn"] == codes(store)


class Writer:
    """Writes the file anew before the looks that a test names."""

    def __init__(self, path: Path, txids: list[int]) -> None:
        self.path, self.txids, self.original = path, txids, bolt_file.open_pages

    def __call__(self, tree: DirectoryTree, path: str, in_memory: bool = False) -> bytes | RandomFile:
        """What `open_pages` gives, and a write right after it."""
        data = self.original(tree, path, in_memory)
        if self.txids:
            txid = self.txids.pop(0)
            # Longer each time, so that the file looks different however coarse its times are.
            self.path.write_bytes(BoltMaker(512).write({b"k": b"%d" % txid}, txid) + bytes(512 * txid))
        return data


@pytest.mark.parametrize(
    ("txids", "value", "told"),
    [
        ([9], b"v", []),
        ([12], b"12", []),
        ([12, 15, 18], b"15", ["changed-while-read"]),
    ],
    ids=["one commit", "several commits, then quiet", "never quiet"],
)
def test_a_file_that_is_written_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, txids: list[int], value: bytes, told: list[str]
) -> None:
    """One commit leaves what was read alone; after more the file is read again, three times at most (1.9)."""
    write(tmp_path / "a.db", b"v", 8)
    monkeypatch.setattr(bolt_file, "open_pages", Writer(tmp_path / "a.db", txids))

    database = read_bolt(store, "a.db")

    assert database is not None
    assert value == database.root.get(b"k")
    assert told == codes(store)


def test_a_large_file_is_read_page_by_page(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives the same as one that is read whole, an overflow page and what a file is too long by included."""
    tree: Tree = {b"big": b"v" * 3000, b"bucket": {b"%03d" % n: {b"inline": b"%d" % n} for n in range(60)}}
    data = BoltMaker(512).write(tree, 8)
    (tmp_path / "a.db").write_bytes(data + bytes(1 << 20))
    whole = read_bolt(store, "a.db")
    monkeypatch.setattr(bolt_file, "_WHOLE", 100)
    monkeypatch.setattr(store.tree, "read", None)

    paged = read_bolt(store, "a.db")

    assert whole is not None
    assert paged is not None
    assert b"v" * 3000 == paged.root.get(b"big")
    buckets = [database.root.bucket(b"bucket") for database in (whole, paged)]
    shown = [[(key, inner.get(b"inline")) for key, inner in each.buckets()] for each in buckets if each]
    assert shown[0] == shown[1]
    assert 60 == len(shown[1])
    assert [] == codes(store)


def test_a_large_file_that_is_cut(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages past its end are damage, also where they are read one by one."""
    data = BoltMaker(512).write({b"%03d" % n: b"v" * 100 for n in range(60)}, 8)
    (tmp_path / "a.db").write_bytes(data[:-900])
    monkeypatch.setattr(bolt_file, "_WHOLE", 100)

    database = read_bolt(store, "a.db")

    assert database is not None
    assert database.damage
    assert "database-unreadable" in codes(store)


@pytest.mark.parametrize("cut", [0, 900], ids=["sound", "cut"])
def test_a_file_that_another_process_scans(
    store: Store, tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it finds is what the reader would find, damage with its place."""
    data = BoltMaker(512).write({b"%03d" % n: b"v" * 100 for n in range(60)}, 8)
    (tmp_path / "a.db").write_bytes(data[: len(data) - cut])
    monkeypatch.setattr(bolt_file, "_WHOLE", 100)
    monkeypatch.setattr(beside, "may_fork", lambda: True)
    alone = read_bolt(store, "a.db")
    told = [str(finding) for finding in store.findings]
    scan_ahead(store, "a.db")

    database = read_bolt(store, "a.db")

    assert alone is not None
    assert database is not None
    assert bool(cut) == bool(database.damage)
    assert [str(err) for err in alone.damage] == [str(err) for err in database.damage]
    assert list(alone.root.items()) == list(database.root.items())
    assert set(told) == {str(finding) for finding in store.findings}


def test_a_scan_of_another_transaction_is_not_taken(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was written in between: it is scanned again, and what was damaged then is not said."""
    data = BoltMaker(512).write({b"%03d" % n: b"v" * 100 for n in range(60)}, 8)
    (tmp_path / "a.db").write_bytes(data[:-900])
    monkeypatch.setattr(bolt_file, "_WHOLE", 100)
    scan_ahead(store, "a.db")
    (tmp_path / "a.db").write_bytes(BoltMaker(512).write({b"%03d" % n: b"v" * 100 for n in range(60)}, 9))

    database = read_bolt(store, "a.db")

    assert database is not None
    assert [] == database.damage
    assert [] == codes(store)


def test_no_file_to_scan(store: Store) -> None:
    """Is the reader's to tell."""
    scan_ahead(store, "a.db")

    assert read_bolt(store, "a.db") is None
    assert [] == codes(store)


def leak(maker: BoltMaker) -> bytes:
    """A page that neither a tree nor the freelist has."""
    root = maker.bucket({b"k": b"v"})
    maker.leaf([])
    maker.pages[2] = maker.page(2, FREELIST, 0, b"")
    return maker.file(root)


def contradict(maker: BoltMaker) -> bytes:
    """The root's page is free."""
    root = maker.bucket({b"k": b"v"})
    maker.pages[2] = maker.page(2, FREELIST, 1, root.to_bytes(8, "little"))
    return maker.file(root)


def bloat(maker: BoltMaker) -> bytes:
    """Much more at the end than in use."""
    return maker.write({b"k": b"v"}) + bytes(5 << 20)


@pytest.mark.parametrize(
    ("make", "told"),
    [(leak, ["database-leak"]), (contradict, ["database-structure"]), (bloat, ["database-bloat"])],
)
def test_the_structure_is_checks_to_tell(
    store: Store, tmp_path: Path, make: Callable[[BoltMaker], bytes], told: list[str]
) -> None:
    """Reading says nothing of it; `check` does."""
    (tmp_path / "a.db").write_bytes(make(BoltMaker(512)))

    assert read_bolt(store, "a.db") is not None
    assert [] == codes(store)
    check_structure(store)

    assert told == codes(store)
