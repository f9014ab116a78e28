"""Counting the slow and obvious way, to hold the fast one against."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ocistore.usage.bytes import Bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def lstats(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every path at or below `top` on its file system, with its lstat."""
    device = os.lstat(top).st_dev
    todo = [top]
    while todo:
        path = todo.pop()
        st = os.lstat(path)
        if st.st_dev != device:
            continue
        yield path, st
        if stat.S_ISDIR(st.st_mode):
            todo += [os.path.join(path, name) for name in os.listdir(path)]


def count(stats: Iterable[os.stat_result]) -> Bytes:
    """The bytes of these, each inode once."""
    once = {(st.st_dev, st.st_ino): st for st in stats}
    return Bytes(sum(512 * st.st_blocks for st in once.values()), sum(st.st_size for st in once.values()), len(once))


def du(top: str) -> Bytes:
    """What `du -x` says of a directory."""
    return count(st for _, st in lstats(top))


def freed(tops: Iterable[str]) -> Bytes:
    """What the disk gets back when all of these are unlinked: an inode only with the last of its names."""
    cover: dict[str, os.stat_result] = {}
    for top in tops:
        if os.path.lexists(top):
            cover.update(lstats(top))
    names: dict[int, int] = {}
    for st in cover.values():
        names[st.st_ino] = names.get(st.st_ino, 0) + 1
    return count(st for st in cover.values() if stat.S_ISDIR(st.st_mode) or names[st.st_ino] >= st.st_nlink)
