"""Bolt files as the format allows, and what a scan says of others (docker-buildkit-containerd 1, 6.1)."""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.bolt import Bucket, Database, read_structure
from ocistore.formats.bolt.pages import NO_FREELIST
from tests.make.bolt import BRANCH, FREELIST, HEADER, LEAF, BoltMaker, Tree, checksum

if TYPE_CHECKING:
    from collections.abc import Callable

ORDER = "keys are not in ascending order"
WIDE: Tree = {b"k%03d" % n: b"v" * n for n in range(90)}


def read(bucket: Bucket) -> Tree:
    """A bucket as the dictionary that it was written from."""
    return {key: read(value) if isinstance(value, Bucket) else value for key, value in bucket.items()}


def with_freelist(data: bytes, page: int, page_size: int = 512) -> bytes:
    """The file with another page of the freelist in both metas."""
    made = bytearray(data)
    for meta in (0, 1):
        start = meta * page_size + HEADER
        struct.pack_into("<Q", made, start + 32, page)
        struct.pack_into("<Q", made, start + 56, checksum(bytes(made[start : start + 56])))
    return bytes(made)


def freelist(data: bytes, numbers: list[int], *, many: bool = False, page: int = 2, page_size: int = 512) -> bytes:
    """The file with these numbers in the freelist on a page."""
    body = struct.pack(f"<{len(numbers)}Q", *numbers)
    count = len(numbers)
    if many:
        count, body = 0xFFFF, struct.pack("<Q", len(numbers)) + body
    made = bytearray(data)
    made[page * page_size : page * page_size + HEADER + len(body)] = (
        struct.pack("<QHHI", page, FREELIST, count, 0) + body
    )
    return bytes(made)


@pytest.mark.parametrize("page_size", [1024, 4096, 16384, 65536])
@pytest.mark.parametrize("broken", [None, 0, 1])
def test_page_sizes_with_either_meta_broken(page_size: int, broken: int | None) -> None:
    """The size is found in the second meta where the first is damaged (cases 2, 3, 4)."""
    made = bytearray(BoltMaker(page_size).write(WIDE, txid=8))
    if broken is not None:
        made[broken * page_size + HEADER] ^= 0xFF

    database = Database(bytes(made))

    assert (page_size, broken is not None) == (database.page_size, database.torn)
    assert WIDE == read(database.root)


def test_a_torn_commit_leaves_the_one_before() -> None:
    """The newer meta's checksum is wrong: the older tree counts (case 3)."""
    maker = BoltMaker(512)
    old = maker.bucket({b"k": b"old"})
    new = maker.bucket({b"k": b"new"})
    data = bytearray(maker.file(new, txid=9))
    data[: len(maker.meta(0, old, 8))] = maker.meta(0, old, 8)
    data[512 + HEADER + 16] ^= 1

    assert {b"k": b"old"} == read(Database(bytes(data)).root)


@pytest.mark.parametrize("order", "<>")
def test_depth_overflow_and_inline_buckets(order: str) -> None:
    """Branches three deep, a value longer than a page, inline buckets, empty and full (cases 7, 8, 9)."""
    quarter = 512 // 4 - HEADER - 16 - 1
    tree: Tree = {
        b"deep": {b"%04d" % n: b"x" for n in range(200)},
        b"empty": {},
        b"inline": {b"k": b"v" * quarter},
        b"long": b"y" * 2000,
        b"outer": {b"inner": {b"a": b"1"}, b"wide": {b"%02d" % n: b"z" * 60 for n in range(20)}},
    }
    maker = BoltMaker(512, order, fanout=4)
    data = maker.write(tree)

    assert tree == read(Database(data).root)
    # 200 keys, four a page: 50 leaves, 13 branches, 4, 1.
    assert sum(struct.unpack_from(order + "QH", page)[1] == BRANCH for page in maker.pages.values()) >= 18


def test_an_empty_value_is_no_bucket() -> None:
    """Only the flag tells them apart (1.4)."""
    root = Database(BoltMaker().write({b"bucket": {}, b"value": b""})).root

    assert (b"", None) == (root.get(b"value"), root.bucket(b"value"))
    assert root.get(b"bucket") is None
    assert root.bucket(b"bucket") is not None


def test_sequences() -> None:
    """NextSequence's last number, of inline buckets and others (1.5)."""
    maker = BoltMaker(512)
    inner = struct.pack("<QQ", maker.bucket({b"k": b"v"}), 41)
    inline = struct.pack("<QQQHHI", 0, 42, 0, LEAF, 0, 0)
    root = Database(maker.file(maker.leaf([(1, b"inline", inline), (1, b"paged", inner)]))).root

    assert [("inline", 42), ("paged", 41)] == [(key.decode(), bucket.sequence) for key, bucket in root.buckets()]
    assert 0 == root.sequence


def test_walking_twice_and_looking_up() -> None:
    """A walk keeps nothing, a look-up keeps the elements; both give the same."""
    bucket = Database(BoltMaker(512).write({b"b": WIDE})).root.bucket(b"b")
    assert bucket is not None

    assert WIDE == read(bucket) == read(bucket)
    assert b"v" * 7 == bucket.get(b"k007")
    assert WIDE == read(bucket)


# Damage --------------------------------------------------------------------------------------------------------------


def page_of(maker: BoltMaker, key: bytes) -> int:
    """Number of the leaf page with a key."""
    return next(n for n, page in maker.pages.items() if key in page and struct.unpack_from("<QH", page)[1] == LEAF)


def spoil_flags(page: bytearray) -> None:
    """Flags of no kind of tree page."""
    struct.pack_into("<H", page, 8, 3)


def spoil_number(page: bytearray) -> None:
    """Another page's number."""
    struct.pack_into("<Q", page, 0, 77)


def spoil_count(page: bytearray) -> None:
    """More elements than there is room for."""
    struct.pack_into("<H", page, 10, 60000)


def spoil_overflow(page: bytearray) -> None:
    """A run that ends behind the file."""
    struct.pack_into("<I", page, 12, 1 << 20)


@pytest.mark.parametrize("spoil", [spoil_flags, spoil_number, spoil_count, spoil_overflow])
def test_what_lies_around_a_damaged_page_is_read(spoil: Callable[[bytearray], None]) -> None:
    """One leaf gives nothing, the others all; the damage names bucket and page (cases 10, 11)."""
    maker = BoltMaker(512, fanout=8)
    data = bytearray(maker.write({b"b": WIDE, b"other": {b"x": b"y" * 200}}))
    number = page_of(maker, b"k016")
    page = bytearray(data[number * 512 : (number + 1) * 512])
    spoil(page)
    data[number * 512 : (number + 1) * 512] = page

    database = Database(bytes(data), salvage=True)

    lost = {b"k%03d" % n for n in range(16, 24)}
    assert {b"b": {k: v for k, v in WIDE.items() if k not in lost}, b"other": {b"x": b"y" * 200}} == read(database.root)
    assert 1 == len(database.damage)
    assert "bucket b" in database.damage[0].place
    with pytest.raises(CorruptFile):
        read(Database(bytes(data)).root)


def test_an_element_that_leaves_its_page_is_left_out() -> None:
    """Its neighbours are given (case 10)."""
    maker = BoltMaker(512)
    page = maker.leaf([(0, b"a", b"1"), (0, b"b", b"2"), (0, b"c", b"3")])
    spoilt = bytearray(maker.pages[page])
    struct.pack_into("<I", spoilt, HEADER + 16 + 4, 5000)
    maker.pages[page] = bytes(spoilt)

    database = Database(maker.file(page), salvage=True)

    assert {b"a": b"1", b"c": b"3"} == read(database.root)
    assert [("element 1 runs out of its page", "root bucket, page 3")] == [
        (err.sentence, err.place) for err in database.damage
    ]


def test_a_circle_of_pages_ends() -> None:
    """A branch that leads to itself gives what its other children have (case 10)."""
    maker = BoltMaker(512)
    leaf = maker.leaf([(0, b"a", b"1")])
    root = maker.branch([(b"a", leaf), (b"b", leaf + 1)])

    database = Database(maker.file(root), salvage=True)

    assert {b"a": b"1"} == read(database.root)
    assert [f"page {root} is reached twice"] == [err.sentence for err in database.damage]


def test_a_page_inside_anothers_run_is_reached_twice() -> None:
    """Overflow pages belong to the run."""
    maker = BoltMaker(512)
    long = maker.leaf([(0, b"a", b"x" * 900)])
    maker.pages[long] = maker.pages[long][:512] + struct.pack("<QHHI", long + 1, LEAF, 0, 0) + maker.pages[long][528:]
    root = maker.branch([(b"a", long), (b"b", long + 1)])

    assert [f"page {long + 1} is reached twice"] == [
        err.sentence for err in Database(maker.file(root), salvage=True).damage
    ]


def test_keys_keep_the_range_of_their_branch() -> None:
    """Below the branch's key, or not below the next one's (1.4, 1.8)."""
    for children in ([(b"b", b"a"), (b"x", b"x")], [(b"a", b"p"), (b"m", b"z")]):
        maker = BoltMaker(512)
        root = maker.branch([(key, maker.leaf([(0, inner, b"")])) for key, inner in children])

        [damage] = Database(maker.file(root), salvage=True).damage

        assert "a key is outside the range of its branch" == damage.sentence


def test_keys_ascend_from_page_to_page() -> None:
    """In a page they do; across pages they don't."""
    maker = BoltMaker(512)
    root = maker.branch([(b"a", maker.leaf([(0, b"m", b"")])), (b"b", maker.leaf([(0, b"c", b"")]))])

    sentences = {err.sentence for err in Database(maker.file(root), salvage=True).damage}

    assert {"a key is outside the range of its branch", "keys are not in ascending order"} == sentences


def test_elements_that_overlap_give_no_flood() -> None:
    """Each would give the whole page again."""
    maker = BoltMaker(512)
    value = b"v" * 300
    page = maker.leaf([(0, b"a", value), (0, b"b", b""), (0, b"c", b"")])
    spoilt = bytearray(maker.pages[page])
    for index in (1, 2):
        struct.pack_into("<IIII", spoilt, HEADER + 16 * index, 0, 48 - 16 * index, 1, 300)
    maker.pages[page] = bytes(spoilt)

    database = Database(maker.file(page), salvage=True)

    assert {} == read(database.root)
    assert ["elements overlap"] == [err.sentence for err in database.damage]


def test_inline_buckets_that_are_none() -> None:
    """Too short for a header, or no leaf."""
    maker = BoltMaker(512)
    short = struct.pack("<QQ", 0, 0) + b"abc"
    branch = struct.pack("<QQQHHI", 0, 0, 0, BRANCH, 0, 0)
    root = maker.leaf([(1, b"branch", branch), (1, b"short", short), (0, b"value", b"v")])

    database = Database(maker.file(root), salvage=True)

    assert {b"branch": {}, b"short": {}, b"value": b"v"} == read(database.root)
    assert [
        ("page flags 0x1, not a leaf's", "bucket branch"),
        ("an inline bucket without a page header", "bucket short"),
    ] == [(err.sentence, err.place) for err in database.damage]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_salvage_of_spoilt_files(data: st.DataObject) -> None:
    """Bytes set and ends cut off: what is given was written, or the damage is told; nothing else is raised."""
    tree: Tree = {b"b": WIDE, b"c": {b"d": {b"e": b"f"}}, b"long": b"l" * 3000}
    made = bytearray(BoltMaker(512, fanout=4).write(tree))
    head = 1024
    for _ in range(data.draw(st.integers(1, 6))):
        made[data.draw(st.integers(head, len(made) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.one_of(st.just(len(made)), st.integers(head, len(made))))

    with contextlib.suppress(CorruptFile):
        database = Database(bytes(made[:cut]), salvage=True)
        found = read(database.root)
        read_structure(database)
        # Without damage only keys and values can differ.
        assert database.damage or len(found) == len(tree)


# Structure -----------------------------------------------------------------------------------------------------------


def test_a_sound_file_has_no_problems() -> None:
    """The pages of trees, the freelist's and free ones are all there are."""
    maker = BoltMaker(512)
    unused = maker.leaf([])
    root = maker.bucket({b"k": b"v"})
    maker.pages[2] = maker.page(2, FREELIST, 0, b"")
    found = read_structure(Database(freelist(maker.file(root), [unused])))

    assert ([], 1, 1, 0) == (found.problems, found.reached, found.free, found.leaked)
    assert 512 == found.free_bytes


def test_a_freelist_whose_count_does_not_fit() -> None:
    """0xFFFF: the first number is the count (case 5)."""
    maker = BoltMaker(512)
    unused = [maker.leaf([]), maker.leaf([])]
    root = maker.bucket({b"k": b"v"})

    found = read_structure(Database(freelist(maker.file(root), unused, many=True)))

    assert ([], 2, 0) == (found.problems, found.free, found.leaked)


def test_no_freelist_is_written() -> None:
    """What no tree reaches is free then (case 6)."""
    maker = BoltMaker(512)
    maker.leaf([])
    root = maker.bucket({b"k": b"v"})

    database = Database(with_freelist(maker.file(root), NO_FREELIST))

    assert {b"k": b"v"} == read(database.root)
    # Page 2, which the maker leaves for a freelist, and the unused leaf.
    assert (2, []) == (read_structure(database).free, read_structure(database).problems)


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ([4], "pages are free and in use: 4"),
        ([3, 3], "1 pages are freed twice"),
        ([3, 99], "free pages are outside the file: 99"),
        ([3, 2], "pages are free and in use: 2"),
    ],
)
def test_a_freelist_that_contradicts_the_trees(numbers: list[int], sentence: str) -> None:
    """Page 3 is unused, page 4 the root, page 2 the list."""
    maker = BoltMaker(512)
    maker.leaf([])
    root = maker.bucket({b"k": b"v"})
    assert 4 == root

    found = read_structure(Database(freelist(maker.file(root), numbers)))

    assert sentence in [problem.sentence for problem in found.problems]


def test_leaks_short_files_and_broken_lists() -> None:
    """A page that nobody has, a file that ends before its last page in use, a list that is none."""
    maker = BoltMaker(512)
    root = maker.bucket({b"k": b"v"})
    lost = maker.leaf([])
    data = freelist(maker.file(root), [])

    assert 1 == read_structure(Database(data)).leaked
    assert ["5 pages are in use, and the file has 4"] == [
        problem.sentence for problem in read_structure(Database(data[: lost * 512])).problems
    ]
    assert ["page 3 has the flags 0x2, not a freelist's"] == [
        problem.sentence for problem in read_structure(Database(with_freelist(data, root))).problems
    ]
    assert ["600 free pages don't fit into the list"] == [
        problem.sentence
        for problem in read_structure(Database(data[:1034] + struct.pack("<H", 600) + data[1036:])).problems
    ]


def test_what_follows_the_last_page_is_no_problem() -> None:
    """Files grow in steps (1.8)."""
    found = read_structure(Database(freelist(BoltMaker(512).write({b"k": b"v"}), []) + bytes(5000)))

    assert ([], 5000) == (found.problems, found.trailing)


def test_an_empty_file_has_no_pages() -> None:
    """As bolt takes one that was just created (case 1)."""
    database = Database(b"")

    assert ([], 0, 0) == (database.damage, read_structure(database).pages, read_structure(database).free)


def test_order_is_looked_at_on_every_page_of_one_table() -> None:
    """A page whose elements lie just as those of a sound page before it may have other keys."""
    maker = BoltMaker(512)
    buckets = [
        (1, name, struct.pack("<QQ", maker.leaf([(0, first, b"1"), (0, second, b"2")]), 0))
        for name, first, second in ((b"a", b"k", b"m"), (b"b", b"k", b"m"), (b"c", b"m", b"k"), (b"d", b"k", b"k"))
    ]

    damage = Database(maker.file(maker.leaf(buckets)), salvage=True).damage

    assert [("bucket c, page 5", ORDER), ("bucket d, page 6", ORDER)] == sorted(
        (err.place, err.sentence) for err in damage
    )


def test_more_tables_than_are_remembered() -> None:
    """Values of 1,500 lengths, and the first lengths again: all are sound, and what is spoilt is found."""
    maker = BoltMaker(65536)
    many: Tree = {b"%04d" % number: {b"key": b"v" * (number % 1500)} for number in range(1600)}
    made = maker.write({b"many": many})
    assert ([], {b"many": many}) == (Database(made).damage, read(Database(made).root))

    at = made.rindex(struct.pack("<IIII", 0, 16, 3, 99))
    spoilt = made[:at] + struct.pack("<IIII", 0, 16, 3, 60000) + made[at + 16 :]

    damage = Database(spoilt, salvage=True).damage
    assert [("bucket many/1599", "element 0 runs out of its page")] == [(err.place, err.sentence) for err in damage]
