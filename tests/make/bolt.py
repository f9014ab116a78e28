"""Writes bolt files from nested dictionaries, page by page, so that tests may spoil any part.

    page 0, 1: meta     page 2: freelist     from 3: leaf and branch pages of buckets, root bucket last

A dictionary is a bucket; one that fits into a quarter of a page and holds no bucket is written inline, as bolt does.
Source: docker-buildkit-containerd 1.1 to 1.8.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeAlias

Tree: TypeAlias = "dict[bytes, bytes | Tree]"

MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF, META, FREELIST = 1, 2, 4, 16
HEADER = 16


@dataclass
class BoltMaker:
    """A bolt file that is being made.

    Attributes:
        page_size: bytes.
        order: `<` or `>`: of the machine that wrote it.
        fanout: most elements of a leaf page; more make branch pages.
        inline: whether small buckets are written inline.
        pages: page runs by number, whole.
    """

    page_size: int = 4096
    order: str = "<"
    fanout: int = 8
    inline: bool = True
    pages: dict[int, bytes] = field(default_factory=dict)
    _next: int = 3

    def write(self, tree: Tree, txid: int = 7) -> bytes:
        """The file of a root bucket; both meta pages are of it, the second one transaction older."""
        root = self.bucket(tree)
        self.pages[2] = self.page(2, FREELIST, 0, b"")
        return self.file(root, txid)

    def file(self, root: int, txid: int = 7) -> bytes:
        """The pages with meta pages before them that name `root`."""
        metas = {txid % 2: self.meta(txid % 2, root, txid), 1 - txid % 2: self.meta(1 - txid % 2, root, txid - 1)}
        whole = {**self.pages, **metas}
        data = bytearray(self._next * self.page_size)
        for number, page in whole.items():
            data[number * self.page_size : number * self.page_size + len(page)] = page
        return bytes(data)

    def meta(self, number: int, root: int, txid: int) -> bytes:
        """A meta page."""
        body = struct.pack(self.order + "IIIIQQQQQ", MAGIC, VERSION, self.page_size, 0, root, 0, 2, self._next, txid)
        header = struct.pack(self.order + "QHHI", number, META, 0, 0)
        return header + body + struct.pack(self.order + "Q", checksum(body))

    def bucket(self, tree: Tree) -> int:
        """Writes a bucket's pages; the number of its root page."""
        elements = [self._element(key, value) for key, value in sorted(tree.items())]
        groups = [elements[at : at + self.fanout] for at in range(0, len(elements), self.fanout)] or [[]]
        level = [(group[0][1] if group else b"", self.leaf(group)) for group in groups]
        while len(level) > 1:
            groups_above = [level[at : at + self.fanout] for at in range(0, len(level), self.fanout)]
            level = [(group[0][0], self.branch(group)) for group in groups_above]
        return level[0][1]

    def _element(self, key: bytes, value: bytes | Tree) -> tuple[int, bytes, bytes]:
        if isinstance(value, bytes):
            return 0, key, value
        plain = {k: v for k, v in value.items() if isinstance(v, bytes)}
        size = HEADER + sum(16 + len(k) + len(v) for k, v in plain.items())
        if self.inline and len(plain) == len(value) and size <= self.page_size // 4:
            elements = [(0, k, v) for k, v in sorted(plain.items())]
            header = struct.pack(self.order + "QHHI", 0, LEAF, len(elements), 0)
            return 1, key, struct.pack(self.order + "QQ", 0, 0) + header + self.body(elements)
        return 1, key, struct.pack(self.order + "QQ", self.bucket(value), 0)

    def leaf(self, elements: list[tuple[int, bytes, bytes]]) -> int:
        """A leaf page of (flags, key, value); its number."""
        return self.add(LEAF, len(elements), self.body(elements))

    def body(self, elements: list[tuple[int, bytes, bytes]]) -> bytes:
        """What follows a leaf page's header."""
        heads, data = b"", b""
        for index, (flags, key, value) in enumerate(elements):
            position = 16 * (len(elements) - index) + len(data)
            heads += struct.pack(self.order + "IIII", flags, position, len(key), len(value))
            data += key + value
        return heads + data

    def branch(self, children: list[tuple[bytes, int]]) -> int:
        """A branch page of (first key, child page); its number."""
        heads, data = b"", b""
        for index, (key, child) in enumerate(children):
            heads += struct.pack(self.order + "IIQ", 16 * (len(children) - index) + len(data), len(key), child)
            data += key
        return self.add(BRANCH, len(children), heads + data)

    def add(self, flags: int, count: int, body: bytes) -> int:
        """Adds a page run; its number."""
        number = self._next
        run = -(-(HEADER + len(body)) // self.page_size)
        self._next += run
        self.pages[number] = self.page(number, flags, count, body)
        return number

    def page(self, number: int, flags: int, count: int, body: bytes) -> bytes:
        """The bytes of a page run."""
        run = max(-(-(HEADER + len(body)) // self.page_size), 1)
        header = struct.pack(self.order + "QHHI", number, flags, count, run - 1)
        return (header + body).ljust(run * self.page_size, b"\0")


def checksum(data: bytes) -> int:
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value
