"""Which drivers left records in a containers/storage directory (containers-storage 1.1)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.disk.tree import Tree

DRIVERS = ("overlay", "vfs", "btrfs", "zfs", "aufs", "devicemapper")
"""Prefixes of record directories, newest first; `overlay2` is only an input alias of `overlay`."""


def find_drivers(tree: Tree, path: str, directories: Iterable[str]) -> list[str]:
    """The drivers that have both `P-images/` and `P-layers/`, the one that looks most in use first.

    Args:
        tree: access to the files.
        path: the directory.
        directories: names of the directories in it.
    """
    names = set(directories)
    found = [driver for driver in DRIVERS if {f"{driver}-images", f"{driver}-layers"} <= names]
    return sorted(found, key=lambda driver: _use(tree, f"{path}/{driver}" if path else driver), reverse=True)


def _use(tree: Tree, prefix: str) -> tuple[bool, int]:
    """Whether a driver has images, then when its layers changed last."""
    size, changed = 0, 0
    with contextlib.suppress(UnreadableFile):
        size = tree.stat(f"{prefix}-images/images.json").st_size
    with contextlib.suppress(UnreadableFile):
        changed = tree.stat(f"{prefix}-layers/layers.json").st_mtime_ns
    return size > 2, changed
