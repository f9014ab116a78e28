"""Element tables of leaf pages, each worked out once (docker-buildkit-containerd 1.4).

Whoever writes the same record 100,000 times writes 100,000 pages and inline buckets with the same table: keys and
values of the same lengths in the same places.  What a table says of its page depends on the table and on the page's
length alone.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, cast

from ocistore.formats.bolt.pages import ELEMENT_SIZE, HEADER_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from struct import Struct

_SHORT = 16
"""Elements up to which a table is remembered; a longer one hardly comes twice."""
_REMEMBERED = 1024
"""Tables that are remembered at once."""


class Layout:
    """Where a leaf page's keys and buckets lie.

    Attributes:
        problem: why nothing on the page can be trusted; None if it can.
        outside: numbers of the elements that run out of the page; nothing else here tells of them.
        headless: keys of the buckets whose value is too short for a bucket's header; likewise.
        keys: cuts the keys out of a page.
        buckets: of each element that is a bucket: its number among the keys, where its value begins, the value's bytes.
        ordered: the keys of the last page with this table that were found in order; what comes again is in order, too.
    """

    __slots__ = ("buckets", "headless", "keys", "ordered", "outside", "problem")

    def __init__(self, table: bytes, entries: int, end: int, leaf: Struct) -> None:
        """What a table says.

        Args:
            table: the elements, as much of them as the page has.
            entries: how many the page's header promises.
            end: the page's bytes.
            leaf: structure of an element.
        """
        self.problem: str | None = None
        self.outside: list[int] = []
        self.headless: list[slice] = []
        self.buckets: list[tuple[int, int, int]] = []
        self.ordered: tuple[bytes, ...] | None = None
        keys: list[slice] = []
        if len(table) < ELEMENT_SIZE * entries:
            self.problem = f"{entries} elements don't fit into the page"
            table = table[: len(table) - len(table) % ELEMENT_SIZE]
        used = 0
        at = HEADER_SIZE
        for number, (flags, position, key_size, value_size) in enumerate(leaf.iter_unpack(table)):
            # Positions count from the element's own place, which is never before the page's header.
            key_at = at + position
            at += ELEMENT_SIZE
            value_at = key_at + key_size
            if value_at + value_size > end:
                self.outside.append(number)
                continue
            used += key_size + value_size
            if flags & 1 and value_size < HEADER_SIZE:
                self.headless.append(slice(key_at, value_at))
                continue
            if flags & 1:
                self.buckets.append((len(keys), value_at, value_size))
            keys.append(slice(key_at, value_at))
        if self.problem is None and used > end:
            # Given out one by one they would be more bytes than the file has.
            self.problem = "elements overlap"
        self.keys = _cutter(keys)


class Layouts:
    """The layouts of one file's pages."""

    def __init__(self, leaf: Struct) -> None:
        self._leaf = leaf
        self._known: dict[tuple[bytes, int, int], Layout] = {}

    def of(self, data: bytes, entries: int) -> Layout:
        """The layout of a page with this many elements."""
        table = data[HEADER_SIZE : HEADER_SIZE + ELEMENT_SIZE * entries]
        if entries > _SHORT:
            return Layout(table, entries, len(data), self._leaf)
        wanted = table, entries, len(data)
        layout = self._known.get(wanted)
        if layout is None:
            if len(self._known) == _REMEMBERED:
                self._known.clear()
            layout = self._known[wanted] = Layout(table, entries, len(data), self._leaf)
        return layout


def _cutter(slices: list[slice]) -> Callable[[bytes], tuple[bytes, ...]]:
    if not slices:
        return lambda data: ()
    if len(slices) == 1:
        only = slices[0]
        return lambda data: (data[only],)
    return cast("Callable[[bytes], tuple[bytes, ...]]", itemgetter(*slices))
