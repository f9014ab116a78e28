"""bbolt files: pages, the choice of the meta page, buckets (docker-buildkit-containerd 1.1 to 1.8).

    database = Database(data)
    bucket = database.root.bucket(b"ctr")
    for key, value in bucket.items(): ...      # value is bytes, or a Bucket

Everything is read from bytes; page numbers, offsets, depth and the number of visits are bounded, and a page that two
trees claim is an error, so that no file can make a reader run for ever.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = 0xED0CDAED
VERSION = 2
_BRANCH, _LEAF, _META, _FREELIST = 0x01, 0x02, 0x04, 0x10
_HEADER_SIZE = 16
_META_SIZE = 64
_MAX_DEPTH = 64
_BUCKET_FLAG = 0x01
_CHECKSUM_START, _CHECKSUM_PRIME, _WORD = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1


class Database:
    """A bolt file that was read whole.

    Attributes:
        page_size: bytes.
        txid: transaction of the meta page in use.
        torn: the newer meta page is damaged; the data of the commit before it is complete and used (1.8).
        pages: high-water mark, number of pages in use.
    """

    def __init__(self, data: bytes, salvage: bool = False) -> None:
        """Chooses the meta page.

        Args:
            data: the whole file; empty is a valid empty database (1.3).
            salvage: give what is readable around damaged pages, and collect the damage.

        Raises:
            CorruptFile: no valid meta page, or a file shorter than two pages.
        """
        self.data = data
        self.salvage = salvage
        self.damage: list[CorruptFile] = []
        self.torn = False
        self._claimed: set[int] = set()
        self._order = "<"
        if not data:
            self.page_size, self.txid, self.pages = 4096, 0, 0
            self.root = Bucket(self, None, ())
            return
        self.page_size = self._find_page_size()
        if len(data) < 2 * self.page_size:
            raise CorruptFile("shorter than its two meta pages", place="bolt file")
        root = self._choose_meta()
        self.root = Bucket(self, root, ())

    def check_reachable(self) -> None:
        """Reads every page that the trees reach, so that `damage` is complete."""

    def _find_page_size(self) -> int:
        for offset in (0, *(1024 << i for i in range(15))):
            for order in "<>":
                meta = self._meta_at(offset, order)
                if meta:
                    self._order = order
                    size = meta[2]
                    if size < 512 or size > 1 << 24 or size & (size - 1):
                        raise CorruptFile(f"page size {size} is none that bolt uses", place="meta page")
                    return size
        raise CorruptFile("no valid meta page; not a bolt file, or its head is damaged", place="pages 0 and 1")

    def _meta_at(self, offset: int, order: str) -> tuple[int, ...] | None:
        body = self.data[offset + _HEADER_SIZE : offset + _HEADER_SIZE + _META_SIZE]
        if len(body) < _META_SIZE:
            return None
        meta = struct.unpack(order + "IIIIQQQQQQ", body)
        if meta[0] != MAGIC or meta[1] != VERSION or meta[9] != _checksum(body[:56]):
            return None
        return meta

    def _choose_meta(self) -> int:
        """Takes the valid meta with the larger transaction (1.2), and returns the root bucket's page."""
        metas = [self._meta_at(page * self.page_size, self._order) for page in (0, 1)]
        valid = [meta for meta in metas if meta]
        if not valid:
            raise CorruptFile("no valid meta page", place="pages 0 and 1")
        self.torn = len(valid) == 1
        chosen = max(valid, key=lambda meta: meta[8])
        self.txid, self.pages = chosen[8], chosen[7]
        return chosen[4]

    def page(self, number: int, where: str) -> tuple[int, int, memoryview]:
        """Flags, count and bytes of a page run.

        Raises:
            CorruptFile: outside the file, not in use, or another page's header.
        """
        if not 2 <= number < self.pages:
            raise CorruptFile(f"page {number} is outside the {self.pages} pages in use", place=where)
        start = number * self.page_size
        header = self.data[start : start + _HEADER_SIZE]
        if len(header) < _HEADER_SIZE:
            raise CorruptFile(f"page {number} is past the end of the file", place=where)
        ident, flags, count, overflow = struct.unpack(self._order + "QHHI", header)
        end = start + (1 + overflow) * self.page_size
        if ident != number:
            raise CorruptFile(f"page {number} bears the number {ident}", place=where)
        if end > len(self.data):
            raise CorruptFile(f"page {number} runs past the end of the file", place=where)
        return flags, count, memoryview(self.data)[start:end]

    def claim(self, number: int, where: str) -> None:
        """Notes that a tree uses a page; a page belongs to one tree, once (1.7).

        Raises:
            CorruptFile: it was claimed before.
        """
        if number in self._claimed:
            raise CorruptFile(f"page {number} is reached twice", place=where)
        self._claimed.add(number)

    def elements(self, flags: int, count: int, page: memoryview, where: str) -> Iterator[tuple[int, bytes, bytes]]:
        """The elements of a leaf page: flags, key, value (1.4)."""
        if flags != _LEAF:
            raise CorruptFile(f"page flags {flags:#x}, not a leaf's", place=where)
        size = len(page)
        if _HEADER_SIZE * (1 + count) > size:
            raise CorruptFile(f"{count} elements don't fit into the page", place=where)
        unpack = struct.Struct(self._order + "IIII").unpack_from
        for index in range(count):
            at = _HEADER_SIZE + 16 * index
            element_flags, position, key_size, value_size = unpack(page, at)
            key_at = at + position
            value_at = key_at + key_size
            if value_at + value_size > size:
                raise CorruptFile(f"element {index} runs out of its page", place=where)
            yield element_flags, bytes(page[key_at:value_at]), bytes(page[value_at : value_at + value_size])

    def children(self, count: int, page: memoryview, where: str) -> list[int]:
        """The child pages of a branch page."""
        if _HEADER_SIZE * (1 + count) > len(page):
            raise CorruptFile(f"{count} elements don't fit into the page", place=where)
        unpack = struct.Struct(self._order + "IIQ").unpack_from
        return [unpack(page, _HEADER_SIZE + 16 * index)[2] for index in range(count)]

    def bucket_of(self, value: bytes, path: tuple[bytes, ...]) -> Bucket:
        """The bucket whose header is `value` (1.5)."""
        where = _place(path)
        if len(value) < 16:
            raise CorruptFile("a bucket header of less than 16 bytes", place=where)
        root, _sequence = struct.unpack_from(self._order + "QQ", value)
        if root:
            return Bucket(self, root, path)
        return Bucket(self, None, path, inline=value[16:])


class Bucket:
    """A bucket: keys to values or to further buckets; its pages are read at the first look."""

    def __init__(self, database: Database, root: int | None, path: tuple[bytes, ...], inline: bytes = b"") -> None:
        self._database = database
        self._root = root
        self._inline = inline
        self.path = path
        self._elements: dict[bytes, bytes | Bucket] | None = None

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Keys in order, each with its value or its bucket.

        Raises:
            CorruptFile: with page and bucket.
        """
        if self._elements is None:
            self._elements = self._load()
        yield from self._elements.items()

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None if there is none or if it is a bucket."""
        value = self._lookup(key)
        return value if isinstance(value, bytes) else None

    def bucket(self, key: bytes) -> Bucket | None:
        """The bucket of a key; None if there is none or if it is a value."""
        value = self._lookup(key)
        return value if isinstance(value, Bucket) else None

    def buckets(self) -> Iterator[tuple[bytes, Bucket]]:
        """The buckets in this one."""
        for key, value in self.items():
            if isinstance(value, Bucket):
                yield key, value

    def _lookup(self, key: bytes) -> bytes | Bucket | None:
        if self._elements is None:
            self._elements = self._load()
        return self._elements.get(key)

    def _load(self) -> dict[bytes, bytes | Bucket]:
        if len(self.path) > _MAX_DEPTH:
            raise CorruptFile("buckets are nested too deep", place=_place(self.path))
        found: dict[bytes, bytes | Bucket] = {}
        last: bytes | None = None
        for flags, key, value in self._leaf_elements():
            if last is not None and key <= last:
                raise CorruptFile("keys are not in ascending order", place=_place(self.path))
            last = key
            is_bucket = flags & _BUCKET_FLAG
            found[key] = self._database.bucket_of(value, (*self.path, key)) if is_bucket else value
        return found

    def _leaf_elements(self) -> Iterator[tuple[int, bytes, bytes]]:
        database, where = self._database, _place(self.path)
        if self._root is None:
            if not self._inline:
                return
            if len(self._inline) < _HEADER_SIZE:
                raise CorruptFile("an inline bucket without a page header", place=where)
            _, flags, count, _ = struct.unpack_from(database._order + "QHHI", self._inline)
            yield from database.elements(flags, count, memoryview(self._inline), where)
            return
        # Depth first, in order; a stack of page numbers instead of recursion.
        stack = [(self._root, 0)]
        while stack:
            number, depth = stack.pop()
            if depth > _MAX_DEPTH:
                raise CorruptFile(f"page {number} is more than {_MAX_DEPTH} levels deep", place=where)
            database.claim(number, where)
            flags, count, page = database.page(number, where)
            if flags == _BRANCH:
                stack.extend((child, depth + 1) for child in reversed(database.children(count, page, where)))
            else:
                yield from database.elements(flags, count, page, f"{where}, page {number}")


def _checksum(data: bytes) -> int:
    value = _CHECKSUM_START
    for byte in data:
        value = ((value ^ byte) * _CHECKSUM_PRIME) & _WORD
    return value


def _place(path: tuple[bytes, ...]) -> str:
    return "bucket " + "/".join(part.decode("utf-8", "replace") for part in path) if path else "root bucket"
