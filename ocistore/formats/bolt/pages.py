"""Pages and meta pages of a bolt file (docker-buildkit-containerd 1.1 to 1.3)."""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

from ocistore.errors import CorruptFile

MAGIC = 0xED0CDAED
VERSION = 2
BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
HEADER_SIZE = 16
ELEMENT_SIZE = 16
NO_FREELIST = (1 << 64) - 1
"""In the place of the freelist's page: it isn't written (NoFreelistSync, 1.6)."""
_META_SIZE = 64
_CHECKED = 56
_START, _PRIME, _WORD = 0xCBF29CE484222325, 0x100000001B3, (1 << 64) - 1
_SMALLEST, _LARGEST = 512, 1 << 24


class Meta(NamedTuple):
    """The body of a meta page whose checksum is right (1.2)."""

    page_size: int
    root: int
    freelist: int
    pages: int
    txid: int


class Source(Protocol):
    """Where the bytes of a file come from: memory, or a file that is read page by page."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        ...

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer at the end of the file."""
        ...


class Whole:
    """A file that is in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, start: int, end: int) -> bytes:
        """See Source."""
        return self._data[start:end]


Page = tuple[int, int, bytes]
"""A page run, or the page in an inline bucket's value: flags, number of elements, its bytes with the header."""


class Structs:
    """The structures of a file's byte order: that of the machine that wrote it (1.1)."""

    def __init__(self, order: str) -> None:
        self.header = struct.Struct(order + "QHHI")
        self.leaf = struct.Struct(order + "IIII")
        self.branch = struct.Struct(order + "IIQ")
        self.bucket = struct.Struct(order + "QQ")
        self.number = struct.Struct(order + "Q")


def read_meta(source: Source, offset: int, order: str) -> Meta | None:
    """The meta page that begins at an offset, None if there is no valid one."""
    body = source.read(offset + HEADER_SIZE, offset + HEADER_SIZE + _META_SIZE)
    if len(body) < _META_SIZE:
        return None
    magic, version, page_size, _, root, _, freelist, pages, txid, checksum = struct.unpack(order + "IIIIQQQQQQ", body)
    if magic != MAGIC or version != VERSION or checksum != fnv1a(body[:_CHECKED]):
        return None
    return Meta(page_size, root, freelist, pages, txid)


def find_page_size(source: Source) -> tuple[int, str]:
    """Page size and byte order, from the first valid meta page (1.3).

    Raises:
        CorruptFile: there is none, or it names a size that bolt never uses.
    """
    for offset in (0, *(1024 << i for i in range(15)), _SMALLEST):
        for order in "<>":
            meta = read_meta(source, offset, order)
            if meta:
                size = meta.page_size
                if not _SMALLEST <= size <= _LARGEST or size & (size - 1):
                    raise CorruptFile(f"page size {size} is none that bolt uses", place="meta page")
                return size, order
    raise CorruptFile("no valid meta page; not a bolt file, or its head is damaged", place="pages 0 and 1")


def choose_meta(source: Source, page_size: int, order: str) -> tuple[Meta, bool]:
    """The valid meta page with the larger transaction, and whether the other one is damaged (1.2).

    Raises:
        CorruptFile: neither is valid where the page size says that they are.
    """
    metas = [read_meta(source, page * page_size, order) for page in (0, 1)]
    valid = [meta for meta in metas if meta]
    if not valid:
        raise CorruptFile("no valid meta page", place="pages 0 and 1")
    return max(valid, key=lambda meta: meta.txid), len(valid) == 1


def fnv1a(data: bytes) -> int:
    """The checksum of a meta page: FNV-1a of 64 bits."""
    value = _START
    for byte in data:
        value = ((value ^ byte) * _PRIME) & _WORD
    return value


def place_of(path: tuple[bytes, ...]) -> str:
    """A bucket as errors name it."""
    return "bucket " + "/".join(part.decode("utf-8", "replace") for part in path) if path else "root bucket"
