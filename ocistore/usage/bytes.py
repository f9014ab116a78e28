"""Bytes: always three numbers."""

from __future__ import annotations

from typing import NamedTuple


class Bytes(NamedTuple):
    """An amount on disk.

    Attributes:
        allocated: 512 x st_blocks, in bytes.
        apparent: st_size, in bytes.
        inodes: how many inodes; one counts once however many names it has.
    """

    allocated: int = 0
    apparent: int = 0
    inodes: int = 0

    def plus(self, other: Bytes) -> Bytes:
        """The sum, unit by unit (`+` would join the tuples)."""
        return Bytes(self[0] + other[0], self[1] + other[1], self[2] + other[2])

    def minus(self, other: Bytes) -> Bytes:
        """The difference, unit by unit."""
        return Bytes(self[0] - other[0], self[1] - other[1], self[2] - other[2])


ZERO = Bytes()
