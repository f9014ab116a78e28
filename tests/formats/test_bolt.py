"""Bolt files: what is written is read, and what is spoilt is an error with its place."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.bolt import Bucket, Database
from tests.make.bolt import BRANCH, HEADER, LEAF, BoltMaker, Tree

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = st.binary(min_size=1, max_size=12)
TREES = st.recursive(
    st.dictionaries(KEYS, st.binary(max_size=600), max_size=20),
    lambda inner: st.dictionaries(KEYS, st.one_of(st.binary(max_size=40), inner), max_size=6),
    max_leaves=12,
)
SMALL: Tree = {b"ctr": {b"a": b"1", b"b": {b"c": b"2"}}, b"empty": {}, b"pod": b"x"}


def read(bucket: Bucket) -> Tree:
    """A bucket as the dictionary that it was written from."""
    return {key: read(value) if isinstance(value, Bucket) else value for key, value in bucket.items()}


@given(TREES, st.sampled_from((512, 4096, 65536)), st.sampled_from("<>"), st.sampled_from((2, 3, 100)), st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read(tree: Tree, page_size: int, order: str, fanout: int, inline: bool) -> None:
    """Every page size, byte order, depth of branches, inline bucket and long value gives back the same tree."""
    made = BoltMaker(page_size, order, fanout, inline).write(tree)

    assert tree == read(Database(made).root)


@given(TREES, st.data())
@settings(max_examples=300, deadline=None)
def test_spoilt_bytes_only_ever_raise_one_error(tree: Tree, data: st.DataObject) -> None:
    """Some bytes are set, or the end is cut off: the tree is read, or CorruptFile is raised."""
    made = bytearray(BoltMaker(512, fanout=3).write(tree))
    for _ in range(data.draw(st.integers(1, 8))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(made)), st.integers(0, len(made))))

    with contextlib.suppress(CorruptFile):
        read(Database(bytes(made[:cut])).root)


@given(st.binary(max_size=3000))
def test_random_bytes_only_ever_raise_one_error(data: bytes) -> None:
    """What is no bolt file is none; an empty file is an empty database."""
    with contextlib.suppress(CorruptFile):
        assert {} == read(Database(data).root)


def test_an_empty_file_is_an_empty_database() -> None:
    """As bolt takes a file that it has just created."""
    assert {} == read(Database(b"").root)


def test_values_and_buckets_are_told_apart() -> None:
    """A value is no bucket and a bucket no value; what isn't there is neither."""
    root = Database(BoltMaker().write(SMALL)).root

    assert (root.get(b"pod"), root.get(b"ctr"), root.get(b"nothing")) == (b"x", None, None)
    assert (root.bucket(b"pod"), root.bucket(b"nothing")) == (None, None)
    assert [b"ctr", b"empty"] == [key for key, _ in root.buckets()]


def test_a_bucket_knows_its_path() -> None:
    """Keys from the root down."""
    inner = Database(BoltMaker().write(SMALL)).root.bucket(b"ctr")

    assert inner is not None
    assert (b"ctr", b"b") == next(bucket for _, bucket in inner.buckets()).path


@pytest.mark.parametrize("torn", [0, 1])
def test_a_torn_meta_page_leaves_the_other(torn: int) -> None:
    """The file says so, and the valid one counts, newer or older."""
    made = bytearray(BoltMaker(1024).write(SMALL, txid=8))
    made[torn * 1024 + HEADER + 20] ^= 0xFF

    database = Database(bytes(made))

    assert (True, 7 if torn == 0 else 8) == (database.torn, database.txid)
    assert SMALL == read(database.root)


def test_the_newer_meta_page_counts() -> None:
    """Of two valid ones the larger transaction, in whichever place."""
    maker = BoltMaker(512)
    old = maker.bucket({b"k": b"old"})
    new = maker.bucket({b"k": b"new"})
    data = bytearray(maker.file(new, txid=9))
    data[: len(maker.meta(0, old, 8))] = maker.meta(0, old, 8)

    assert {b"k": b"new"} == read(Database(bytes(data)).root)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda data: data[:100], "shorter than its two meta pages"),
        (lambda data: b"\0" * 1024 + data[1024:], "no valid meta page; not a bolt file, or its head is damaged"),
        (lambda data: data[: 3 * 512], "page 4 is past the end of the file"),
        (lambda data: data[: 4 * 512 + 20], "page 4 runs past the end of the file"),
    ],
    ids=["head only", "zeroes", "cut before the root", "cut in the root"],
)
def test_a_cut_or_zeroed_file_is_told(spoil: Callable[[bytes], bytes], sentence: str) -> None:
    """Each says what is missing."""
    made = BoltMaker(512).write({b"k": {b"a": b"v" * 200}})

    with pytest.raises(CorruptFile) as caught:
        read(Database(spoil(made)).root)

    assert sentence == caught.value.sentence


def patched(make: Callable[[BoltMaker], int], page_size: int = 512) -> Bucket:
    """The root bucket of a file whose root page a function makes."""
    maker = BoltMaker(page_size)
    return Database(maker.file(make(maker))).root


def header_of(maker: BoltMaker, page: int, *, number: int | None = None, flags: int = LEAF, count: int = 0) -> int:
    """Gives a page another header."""
    header = struct.pack("<QHHI", page if number is None else number, flags, count, 0)
    maker.pages[page] = header + maker.pages[page][HEADER:]
    return page


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda maker: 999, "page 999 is outside the 3 pages in use"),
        (lambda maker: 1, "page 1 is outside the 3 pages in use"),
        (lambda maker: maker.branch([(b"a", 3)]), "page 3 is reached twice"),
        (lambda maker: maker.branch([(b"a", maker.leaf([])), (b"b", 3)]), "page 3 is reached twice"),
        (lambda maker: header_of(maker, maker.leaf([]), number=77), "page 3 bears the number 77"),
        (lambda maker: header_of(maker, maker.leaf([]), flags=16), "page flags 0x10, not a leaf's"),
        (lambda maker: header_of(maker, maker.leaf([]), count=999), "999 elements don't fit into the page"),
        (lambda maker: header_of(maker, maker.leaf([]), flags=BRANCH, count=99), "99 elements don't fit into the page"),
        (lambda maker: maker.leaf([(0, b"b", b""), (0, b"a", b"")]), "keys are not in ascending order"),
        (lambda maker: maker.leaf([(0, b"a", b""), (0, b"a", b"")]), "keys are not in ascending order"),
        (lambda maker: maker.leaf([(1, b"a", b"short")]), "a bucket header of less than 16 bytes"),
    ],
)
def test_a_contradictory_page_is_told(make: Callable[[BoltMaker], int], sentence: str) -> None:
    """Numbers, flags, counts, order, and pages that are used twice or in a circle."""
    with pytest.raises(CorruptFile) as caught:
        read(patched(make))

    assert sentence == caught.value.sentence


def test_a_bucket_that_another_has_too_is_told() -> None:
    """A page belongs to one tree, once, also across buckets."""

    def make(maker: BoltMaker) -> int:
        shared = struct.pack("<QQ", maker.leaf([]), 0)
        return maker.leaf([(1, b"a", shared), (1, b"b", shared)])

    with pytest.raises(CorruptFile, match="page 3 is reached twice"):
        read(patched(make))


def test_an_element_that_runs_out_of_its_page_is_told() -> None:
    """Its value would end behind the page."""

    def make(maker: BoltMaker) -> int:
        page = maker.leaf([(0, b"key", b"value")])
        spoilt = bytearray(maker.pages[page])
        struct.pack_into("<I", spoilt, HEADER + 12, 5000)
        maker.pages[page] = bytes(spoilt)
        return page

    with pytest.raises(CorruptFile, match="element 0 runs out of its page"):
        read(patched(make))


def test_inline_buckets_in_each_other_end() -> None:
    """Nesting is followed to a depth, not to the end of the stack."""
    inner: Tree = {b"k": b"v"}
    for _ in range(70):
        inner = {b"b": inner}

    with pytest.raises(CorruptFile, match="buckets are nested too deep"):
        read(Database(BoltMaker(512).write(inner)).root)


def test_a_page_size_that_bolt_never_uses_is_told() -> None:
    """A valid checksum over a size that is no power of two."""
    maker = BoltMaker(512)
    maker.page_size = 1000

    with pytest.raises(CorruptFile, match="page size 1000 is none that bolt uses"):
        Database(maker.meta(0, 3, 1).ljust(4096, b"\0"))
