"""Reading the many small files of a Docker data-root: what can't be read becomes a finding or a reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import UnreadableFile

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry
    from ocistore.stores.store import Store

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
SMALL = 1 << 20
"""Bytes; a file of one word that is larger is damaged."""


def list_directory(store: Store, path: str) -> list[Entry] | None:
    """The entries of a directory; none where it isn't there, None (and a finding) where it can't be listed."""
    try:
        return store.tree.list(path)
    except Missing:
        return []
    except UnreadableFile as err:
        store.findings.say("unreadable", f"can't be listed: {err.sentence}", path=path, root=store.root)
        return None


def read_word(store: Store, path: str) -> str | None:
    """The text of a file of one word, without blanks around it; None where it isn't there.

    Raises:
        UnreadableFile: it is there and can't be read.
    """
    try:
        return store.tree.read(path, SMALL).decode("utf-8", "replace").strip()
    except Missing:
        return None


def read_number(text: str) -> int | None:
    """A decimal number as the daemon reads it (strconv.ParseInt); None for what is none, or too large for 64 bits."""
    return int(text) if _NUMBER.fullmatch(text) else None
