"""What a checker says of a bolt file beyond its trees: freelist, leaks, bloat (docker-buildkit-containerd 1.6, 1.8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.bolt.pages import FREELIST, HEADER_SIZE, NO_FREELIST

if TYPE_CHECKING:
    from ocistore.formats.bolt.database import Database
    from ocistore.formats.bolt.scan import Pages

_MANY = 0xFFFF
"""A freelist's count that says: the first number is the count."""
_SHOWN = 5


@dataclass(slots=True)
class Structure:
    """Pages of a bolt file by use.

    Attributes:
        page_size: bytes.
        pages: high-water mark.
        reached: pages of trees.
        free: pages that the next commits may use: the freelist, or where none is written all that no tree reaches.
        leaked: pages that neither a tree nor the freelist has.
        trailing: bytes of the file after the last page in use.
        problems: contradictions in which no data is lost, each with its place.
    """

    page_size: int = 0
    pages: int = 0
    reached: int = 0
    free: int = 0
    leaked: int = 0
    trailing: int = 0
    problems: list[CorruptFile] = field(default_factory=list)

    @property
    def free_bytes(self) -> int:
        """Bytes of the file's free and leaked pages."""
        return (self.free + self.leaked) * self.page_size


def read_structure(database: Database) -> Structure:
    """Holds the freelist against what the trees reach."""
    access = database.access
    if access is None:
        return Structure()
    found = Structure(database.page_size, database.pages)
    reached = database.scan.reached
    found.reached = sum(reached)
    size = database.size
    found.trailing = max(size - database.pages * database.page_size, 0)
    if database.pages * database.page_size > size:
        sentence = f"{database.pages} pages are in use, and the file has {size // database.page_size}"
        found.problems.append(CorruptFile(sentence, place="bolt file"))
    used = min(database.pages, len(reached))
    if database.freelist == NO_FREELIST:
        found.free = max(used - 2 - found.reached, 0)
        return found
    try:
        free, run = _read_freelist(access, database.freelist)
    except CorruptFile as err:
        found.problems.append(CorruptFile(err.sentence, place="freelist"))
        return found
    _compare(found, free, run, reached, used)
    return found


def _read_freelist(access: Pages, number: int) -> tuple[list[int], range]:
    """The free pages and the pages of the list itself (1.6).

    Raises:
        CorruptFile: it can't be read.
    """
    flags, count, data = access.page(number)
    if flags != FREELIST:
        raise CorruptFile(f"page {number} has the flags {flags:#x}, not a freelist's")
    first = HEADER_SIZE
    if count == _MANY and len(data) >= first + 8:
        count = access.structs.number.unpack_from(data, first)[0]
        first += 8
    if first + 8 * count > len(data):
        raise CorruptFile(f"{count} free pages don't fit into the list")
    numbers = [n for (n,) in access.structs.number.iter_unpack(data[first : first + 8 * count])]
    return numbers, range(number, number + len(data) // access.page_size)


def _compare(found: Structure, free: list[int], run: range, reached: bytearray, used: int) -> None:
    state = bytearray(reached[:used])
    for number in run:
        if number < used and state[number]:
            _say(found, f"page {number} is the freelist's and a tree's")
        elif number < used:
            state[number] = 1
    outside = [n for n in free if not 2 <= n < used]
    twice = len(free) - len(set(free))
    both = [n for n in free if 2 <= n < used and state[n]]
    if outside:
        _say(found, f"free pages are outside the file: {_some(outside)}")
    if twice:
        _say(found, f"{twice} pages are freed twice")
    if both:
        _say(found, f"pages are free and in use: {_some(both)}")
    if any(a > b for a, b in pairwise(free)):
        _say(found, "free pages are not in ascending order")
    found.free = len(set(free)) - len(outside) - len(both)
    for number in free:
        if 2 <= number < used:
            state[number] = 1
    found.leaked = used - 2 - sum(state[2:])


def _say(found: Structure, sentence: str) -> None:
    found.problems.append(CorruptFile(sentence, place="freelist"))


def _some(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more
