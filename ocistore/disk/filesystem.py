"""What file system a directory lies on."""

from __future__ import annotations

import os

EXTENT_SHARING = frozenset(("bcachefs", "btrfs", "ocfs2", "xfs", "zfs"))
"""File systems where files can share blocks that st_blocks counts for each of them (reflinks, snapshots)."""
_MOUNTS = "/proc/self/mountinfo"


def find_type(path: str, mounts: str | None = None) -> str:
    """The type of the file system that a path lies on, as the kernel names it; empty if it can't be told.

    Args:
        path: an existing path.
        mounts: text of the kernel's mountinfo; None: as it is now.

    Source: proc(5), /proc/pid/mountinfo: mount point is the fifth field, the type follows the lone dash.
    """
    if mounts is None:
        try:
            with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:
            return ""
    here = os.path.realpath(path)
    best, found = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if "-" not in fields[6:] or len(fields) < 10:
            continue
        point = _unescape(fields[4]).rstrip("/")
        # A later mount on the same point lies over an earlier one.
        if (here == point or here.startswith(point + "/")) and len(point) >= best:
            best, found = len(point), fields[fields.index("-", 6) + 1]
    return found


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
