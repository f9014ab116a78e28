"""One walk over all trees of a bolt file, which finds what is damaged (docker-buildkit-containerd 1.7, 1.8)."""

from __future__ import annotations

from itertools import islice
from operator import lt
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.bolt.layout import Layouts
from ocistore.formats.bolt.pages import BRANCH, ELEMENT_SIZE, HEADER_SIZE, LEAF, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.formats.bolt.pages import Page, Source, Structs

MAX_DEPTH = 64
MOST_DAMAGE = 100
"""Damaged places that are told one by one; a file with more is told by these."""
Path = tuple[bytes, ...]


class Pages:
    """Access to the pages of a file.

    Attributes:
        source: its bytes.
        page_size: bytes.
        count: high-water mark: every valid page number is below it.
        structs: of its byte order.
        layouts: of its leaf pages.
    """

    def __init__(self, source: Source, page_size: int, count: int, structs: Structs) -> None:
        self.source = source
        self.page_size = page_size
        self.count = count
        self.structs = structs
        self.layouts = Layouts(structs.leaf)

    def page(self, number: int) -> Page:
        """A page run.

        Raises:
            CorruptFile: outside the file, not in use, or another page's header.
        """
        if not 2 <= number < self.count:
            raise CorruptFile(f"page {number} is outside the {self.count} pages in use")
        start = number * self.page_size
        data = self.source.read(start, start + self.page_size)
        if len(data) < HEADER_SIZE:
            raise CorruptFile(f"page {number} is past the end of the file")
        ident, flags, count, overflow = self.structs.header.unpack_from(data)
        if ident != number:
            raise CorruptFile(f"page {number} bears the number {ident}")
        size = (1 + overflow) * self.page_size
        if start + size > self.source.size:
            raise CorruptFile(f"page {number} runs past the end of the file")
        if overflow:
            data = self.source.read(start, start + size)
        if len(data) < size:
            raise CorruptFile(f"page {number} runs past the end of the file")
        return flags, count, data

    def children(self, data: bytes, entries: int) -> list[tuple[int, int, int]]:
        """The elements of a branch page: position of the key, its length, child page.

        Raises:
            CorruptFile: they don't fit into the page.
        """
        last = HEADER_SIZE + ELEMENT_SIZE * entries
        if last > len(data):
            raise CorruptFile(f"{entries} elements don't fit into the page")
        return list(self.structs.branch.iter_unpack(data[HEADER_SIZE:last]))

    def inline(self, data: bytes) -> Page:
        """The page in an inline bucket's value, after the bucket's header (1.5).

        Raises:
            CorruptFile: no header, or not a leaf's.
        """
        if len(data) < HEADER_SIZE:
            raise CorruptFile("an inline bucket without a page header")
        _, flags, count, _ = self.structs.header.unpack_from(data)
        if flags != LEAF:
            raise CorruptFile(f"page flags {flags:#x}, not a leaf's")
        return flags, count, data


class Scan:
    """What a walk over all trees found.

    Attributes:
        damage: in the order in which it was met, at most `MOST_DAMAGE`.
        reached: a byte a page: whether a tree uses it.
        bad_pages: pages that give nothing.
        bad_edges: (branch page, element) that must not be followed.
        bad_buckets: buckets whose pages can't be read.
    """

    def __init__(self, pages: Pages, root: int) -> None:
        self.damage: list[CorruptFile] = []
        self.bad_pages: set[int] = set()
        self.bad_edges: set[tuple[int, int]] = set()
        self.bad_buckets: set[Path] = set()
        self._pages = pages
        # A meta page may claim more pages than the file has.
        self.reached = bytearray(min(pages.count, pages.source.size // pages.page_size + 1))
        self._work: list[tuple[Path, int]] = [((), root)]
        while self._work:
            path, number = self._work.pop()
            self._tree(path, number)

    def __getstate__(self) -> dict[str, object]:
        """What it found, without the file, which is no longer needed."""
        return {name: value for name, value in self.__dict__.items() if name != "_pages"}

    def _tree(self, path: Path, root: int) -> None:
        """The pages of one bucket, depth first and in order; a stack of page numbers instead of recursion."""
        if len(path) > MAX_DEPTH:
            self._hurt(path, "buckets are nested too deep")
            self.bad_buckets.add(path)
            return
        last: bytes | None = None
        stack: list[tuple[int, int, tuple[int, int] | None, bytes, bytes | None]] = [(root, 0, None, b"", None)]
        while stack:
            number, depth, edge, low, high = stack.pop()
            try:
                if depth > MAX_DEPTH:
                    raise CorruptFile(f"page {number} is more than {MAX_DEPTH} levels deep")
                flags, entries, data = self._claim(number)
            except CorruptFile as err:
                self._hurt(path, err.sentence)
                if edge is None:
                    self.bad_buckets.add(path)
                else:
                    self.bad_edges.add(edge)
                continue
            try:
                if flags == BRANCH:
                    stack += reversed(self._branch(path, number, depth, data, entries, low, high))
                elif flags == LEAF:
                    last = self._leaf(path, number, data, entries, last, low, high)
                else:
                    raise CorruptFile(f"page flags {flags:#x}, not a leaf's")
            except CorruptFile as err:
                self._hurt(path, err.sentence, number)
                self.bad_pages.add(number)

    def _claim(self, number: int) -> Page:
        """A page that no tree has used yet; a page belongs to one tree, once (1.7).

        Raises:
            CorruptFile: it can't be read, or it was used before.
        """
        page = self._pages.page(number)
        reached = self.reached
        end = min(number + len(page[2]) // self._pages.page_size, len(reached))
        twice = reached.find(1, number, end)
        if twice >= 0:
            raise CorruptFile(f"page {twice} is reached twice")
        reached[number:end] = b"\1" * (end - number)
        return page

    def _branch(
        self, path: Path, number: int, depth: int, data: bytes, entries: int, low: bytes, high: bytes | None
    ) -> list[tuple[int, int, tuple[int, int] | None, bytes, bytes | None]]:
        """The children of a branch page, each with the range that its keys must keep."""
        elements = self._pages.children(data, entries)
        keys: list[bytes] = []
        total = 0
        at = HEADER_SIZE
        for index, (position, key_size, _) in enumerate(elements):
            total += key_size
            if at + position + key_size > len(data) or total > len(data):
                raise CorruptFile(f"element {index} runs out of its page")
            keys.append(data[at + position : at + position + key_size])
            at += ELEMENT_SIZE
        if keys:
            self._check_keys(path, number, keys, _ascend(keys), None, low, high)
        uppers: Sequence[bytes | None] = [*keys[1:], high]
        return [
            (child, depth + 1, (number, index), keys[index], uppers[index])
            for index, (_, _, child) in enumerate(elements)
        ]

    def _leaf(
        self,
        path: Path,
        number: int | None,
        data: bytes,
        entries: int,
        last: bytes | None,
        low: bytes,
        high: bytes | None,
    ) -> bytes | None:
        """Checks a leaf page and goes into the buckets on it; gives its last key."""
        layout = self._pages.layouts.of(data, entries)
        if layout.problem is not None:
            raise CorruptFile(layout.problem)
        for index in layout.outside:
            self._hurt(path, f"element {index} runs out of its page", number)
        for key in layout.headless:
            inner = (*path, data[key])
            self._hurt(inner, "a bucket header of less than 16 bytes")
            self.bad_buckets.add(inner)
        keys = layout.keys(data)
        for index, at, size in layout.buckets:
            inner = (*path, keys[index])
            root, _ = self._pages.structs.bucket.unpack_from(data, at)
            if root:
                self._work.append((inner, root))
            else:
                self._inline(inner, data[at + HEADER_SIZE : at + size])
        if not keys:
            return last
        ascend = keys == layout.ordered or _ascend(keys)
        if ascend:
            layout.ordered = keys
        self._check_keys(path, number, keys, ascend, last, low, high)
        return keys[-1]

    def _inline(self, path: Path, page: bytes) -> None:
        try:
            if len(path) > MAX_DEPTH:
                raise CorruptFile("buckets are nested too deep")
            _, entries, data = self._pages.inline(page)
            self._leaf(path, None, data, entries, None, b"", None)
        except CorruptFile as err:
            self._hurt(path, err.sentence)
            self.bad_buckets.add(path)

    def _check_keys(
        self,
        path: Path,
        number: int | None,
        keys: Sequence[bytes],
        ascend: bool,
        last: bytes | None,
        low: bytes,
        high: bytes | None,
    ) -> None:
        """Keys ascend in a page, from page to page, and keep the range of the branch above (1.4)."""
        if not ascend or (last is not None and keys[0] <= last):
            self._hurt(path, "keys are not in ascending order", number)
        elif keys[0] < low or (high is not None and keys[-1] >= high):
            self._hurt(path, "a key is outside the range of its branch", number)

    def _hurt(self, path: Path, sentence: str, number: int | None = None) -> None:
        if len(self.damage) < MOST_DAMAGE:
            page = "" if number is None else f", page {number}"
            self.damage.append(CorruptFile(sentence, place=place_of(path) + page))


def _ascend(keys: Sequence[bytes]) -> bool:
    return all(map(lt, keys, islice(keys, 1, None)))
