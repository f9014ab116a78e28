"""Ahead: directories that are counted in a second process while records are read.

Which claims there are is known only when all records are read; that most directories of a driver are claims as they
are, each whole, can be told from where they lie.  What turns out otherwise is walked again.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.beside import LAST, Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocistore.disk.walker import Tally

_WAIT = 0.1
"""Seconds between two looks at how far the second process is."""
_DONE = struct.Struct("=q")


class Counted(NamedTuple):
    """What a walk ahead found: sums by number of directory, and the numbers of those that must be walked again."""

    tally: Tally
    again: set[int]


class Ahead:
    """Directories that are being counted.

    Attributes:
        paths: which, relative to the root of the walk, `/` between names.
    """

    def __init__(self, descriptor: int, paths: Sequence[str], notes: frozenset[str] = frozenset()) -> None:
        """Begins.

        Args:
            descriptor: an open directory.
            paths: directories below it, all different, none below another.
            notes: see `ocistore.disk.walk.walk`.
        """
        self.paths = paths
        # Shared with the second process, which writes how many are done.
        self._done = mmap.mmap(-1, _DONE.size)
        self._counting = Beside(lambda: self._count(descriptor, notes), niceness=LAST)

    def result(self, progress: Callable[[int, int], None] | None) -> Counted:
        """What was found, as soon as it is; `progress` as for `ocistore.disk.walk.walk`."""
        while progress is not None and not self._counting.is_ready(_WAIT):
            progress(_DONE.unpack_from(self._done)[0], len(self.paths))
        return self._counting.result()

    def close(self) -> None:
        """Ends the second process if it still counts."""
        self._counting.close()

    def _count(self, descriptor: int, notes: frozenset[str]) -> Counted:
        from ocistore.disk.walk import count

        def tell(done: int, _: int) -> None:
            _DONE.pack_into(self._done, 0, done)

        tally, incomplete = count(descriptor, self.paths, tell, notes)
        return Counted(tally, incomplete | {problem.claim for problem in tally.problems})
