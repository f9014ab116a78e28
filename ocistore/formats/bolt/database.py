"""A bolt file and its buckets (docker-buildkit-containerd 1.4, 1.5, 1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.bolt.pages import (
    BRANCH,
    ELEMENT_SIZE,
    HEADER_SIZE,
    NO_FREELIST,
    Structs,
    Whole,
    choose_meta,
    find_page_size,
)
from ocistore.formats.bolt.scan import Pages, Scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.formats.bolt.pages import Source
    from ocistore.formats.bolt.scan import Path


class Database:
    """A bolt file.

    Attributes:
        size: bytes of the file.
        salvage: whether what lies around damaged pages is given.
        page_size: bytes.
        txid: transaction of the meta page in use.
        torn: the other meta page is damaged; the data of the commit that is used is complete (1.8).
        pages: high-water mark, number of pages in use.
        freelist: page of the freelist, `NO_FREELIST` where none is written.
        access: its pages; None of an empty file.
        checked: whether all trees were scanned, and what is damaged was told or is left out.
        root: the root bucket.
    """

    def __init__(self, data: bytes | Source, salvage: bool = False) -> None:
        """Chooses the meta page.

        Args:
            data: the whole file, or where its pages are read from one by one, each when it is asked for; an empty file
                is a valid empty database (1.3).
            salvage: give what is readable around damaged pages, and collect the damage.

        Raises:
            CorruptFile: no valid meta page, or a file shorter than two pages.
        """
        source: Source = Whole(data) if isinstance(data, bytes) else data
        self.size = source.size
        self.salvage = salvage
        self.torn = False
        self.access: Pages | None = None
        self.checked = False
        self._scan: Scan | None = None
        if not self.size:
            self.page_size, self.txid, self.pages, self.freelist, self._root = 4096, 0, 0, NO_FREELIST, 0
        else:
            self.page_size, order = find_page_size(source)
            if self.size < 2 * self.page_size:
                raise CorruptFile("shorter than its two meta pages", place="bolt file")
            meta, self.torn = choose_meta(source, self.page_size, order)
            self.txid, self.pages, self.freelist, self._root = meta.txid, meta.pages, meta.freelist, meta.root
            self.access = Pages(source, self.page_size, self.pages, Structs(order))
        self.root = Bucket(self, (), self._root or None, b"", 0)

    @property
    def damage(self) -> list[CorruptFile]:
        """What is damaged, each with page and bucket; the trees are scanned for it once."""
        return self.scan.damage

    @property
    def scan(self) -> Scan:
        """The walk over all trees."""
        if self._scan is None:
            if self.access is None:
                self._scan = Scan(Pages(Whole(b""), self.page_size, 0, Structs("<")), 2)
                self._scan.damage.clear()
            else:
                self._scan = Scan(self.access, self._root)
        return self._scan

    def take_scan(self, txid: int, scan: Scan) -> None:
        """Spares itself the walk where somebody made it already, of the same transaction of the same file."""
        if txid == self.txid:
            self._scan = scan

    def check_reachable(self) -> None:
        """Scans all trees, so that `damage` is complete.

        Raises:
            CorruptFile: something is damaged and the database wasn't opened for salvage.
        """
        if self.damage and not self.salvage:
            raise self.damage[0]
        self.checked = True


class Bucket:
    """A bucket: keys to values or to further buckets.

    Walking over it keeps nothing; the first look for one key keeps its elements.

    Attributes:
        path: keys from the root down.
        sequence: what NextSequence returned last (1.5).
    """

    __slots__ = ("_database", "_elements", "_inline", "_root", "path", "sequence")

    def __init__(self, database: Database, path: Path, root: int | None, inline: bytes, sequence: int) -> None:
        """A bucket with pages of its own, or one whose page lies in its value.

        Args:
            database: whose it is.
            path: its keys from the root down.
            root: its root page; None for an inline bucket.
            inline: the page of an inline bucket.
            sequence: what NextSequence returned last (1.5); 0 for the root bucket, which no format here uses.
        """
        self._database = database
        self._root = root
        self._inline = inline
        self.path = path
        self.sequence = sequence
        self._elements: dict[bytes, bytes | Bucket] | None = None

    def items(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        """Keys in order, each with its value or its bucket.

        Raises:
            CorruptFile: with page and bucket.
        """
        if self._elements is not None:
            return iter(self._elements.items())
        return self._walk()

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
            self._elements = dict(self._walk())
        return self._elements.get(key)

    def _walk(self) -> Iterator[tuple[bytes, bytes | Bucket]]:
        database = self._database
        if not database.checked:
            database.check_reachable()
        access = database.access
        if access is None:
            return iter(())
        scan = database.scan
        if scan.bad_buckets and self.path in scan.bad_buckets:
            return iter(())
        # There are hundreds of thousands of buckets on one page: nothing more is made of what the scan found sound.
        if self._root is None:
            page = self._inline
            return iter(self._on_page(access, page, access.structs.header.unpack_from(page)[2]) if page else ())
        flags, entries, data = access.page(self._root)
        if flags != BRANCH:
            return iter(() if self._root in scan.bad_pages else self._on_page(access, data, entries))
        return (
            element
            for data, entries in self._below_branches(access, scan, self._root)
            for element in self._on_page(access, data, entries)
        )

    def _on_page(self, access: Pages, data: bytes, entries: int) -> list[tuple[bytes, bytes | Bucket]]:
        path = self.path
        unpack = access.structs.bucket.unpack_from
        found: list[tuple[bytes, bytes | Bucket]] = []
        end = len(data)
        at = 0
        for flags, position, key_size, value_size in access.structs.leaf.iter_unpack(
            data[HEADER_SIZE : HEADER_SIZE + ELEMENT_SIZE * entries]
        ):
            at += ELEMENT_SIZE
            key_at = at + position
            value_at = key_at + key_size
            value_end = value_at + value_size
            if value_end > end:
                continue
            key = data[key_at:value_at]
            if not flags & 1:
                found.append((key, data[value_at:value_end]))
            elif value_size >= HEADER_SIZE:
                root, sequence = unpack(data, value_at)
                inline = b"" if root else data[value_at + HEADER_SIZE : value_end]
                found.append((key, Bucket(self._database, (*path, key), root or None, inline, sequence)))
        return found

    def _below_branches(self, access: Pages, scan: Scan, root: int) -> Iterator[tuple[bytes, int]]:
        """The leaf pages of a tree that the scan found sound, in order, each with its number of elements."""
        stack = [root]
        while stack:
            number = stack.pop()
            if number in scan.bad_pages:
                continue
            flags, entries, data = access.page(number)
            if flags == BRANCH:
                children = [child for _, _, child in access.children(data, entries)]
                stack += [
                    child
                    for index, child in reversed(list(enumerate(children)))
                    if (number, index) not in scan.bad_edges
                ]
            else:
                yield data, entries
