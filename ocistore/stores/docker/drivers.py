"""Reads what lies in a graph driver's directory: the ids and their short links (docker-buildkit-containerd 2.5)."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.beside import LAST, Beside
from ocistore.errors import UnreadableFile

from .files import list_directory, read_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.stores.store import Store

    from .records import GraphHalf

_MANY = 4096
"""Links from which a second process pays, in which they are read."""
_LINK_LIMIT = 4096
"""Bytes; a `link` file has 26, and no name of a file is as long."""
_TARGET = re.compile(r"\.\./([^/]+)/diff")
PROJECT_QUOTA = "backingFsBlockDev"
"""Device node that the daemon makes for project quotas, here and in volumes/."""


def read_driver(store: Store, half: GraphHalf) -> list[str]:
    """Fills the directories of a half; returns why directories may be missing from it."""
    driver = half.driver
    doubts: list[str] = []
    for base in (driver.base, *driver.also):
        entries = list_directory(store, base)
        if entries is None:
            doubts.append(f"{base} can't be listed")
        links = driver.links.rpartition("/")[2] if driver.links.startswith(f"{base}/") else ""
        directories = [e for e in entries or [] if e.type == "dir" and e.name != links]
        store.tree.count_ahead(base, directories)
        half.directories.update({entry.name: entry.inode for entry in directories})
        if base == driver.base:
            half.others = [e for e in entries or [] if e.type != "dir" or e.name == links]
    return doubts


class _Owners(NamedTuple):
    """By short link: the place of the directory it leads to, -1 for none; whether the `link` file there names it."""

    places: array[int]
    named: bytearray


class Links:
    """The short links of a half while they are read: as many small files as directories, so beside databases (2.5)."""

    def __init__(self, store: Store, half: GraphHalf) -> None:
        base = half.driver.links
        entries = list_directory(store, base) if base else []
        self._half = half
        self._tree = store.tree
        self._names = [entry.name for entry in entries or [] if entry.type == "link"]
        # In the disk's order.
        self._directories = sorted(half.directories, key=half.directories.__getitem__)
        self._reading = Beside(self._find_owners, worth=len(self._names) > _MANY, niceness=LAST)

    def put(self) -> None:
        """Says whose each link is: removal takes the one that the `link` file names, and no other (2.5)."""
        links, lost = self._half.links, self._half.lost_links
        for name, place, named in zip(self._names, *self._reading.result(), strict=True):
            if named:
                links[self._directories[place]] = name
            else:
                lost[name] = self._directories[place] if place >= 0 else ""

    def close(self) -> None:
        """Reads no further."""
        self._reading.close()

    def _find_owners(self) -> _Owners:
        driver = self._half.driver
        place_of = {ident: place for place, ident in enumerate(self._directories)}
        places = array("i")
        for target in self._tree.readlink_each(driver.links, self._names) if self._names else ():
            found = _TARGET.fullmatch(target or "")
            places.append(place_of.get(found.group(1), -1) if found else -1)
        led_to = sorted({place for place in places if place >= 0})
        words = self._tree.read_in_each(driver.base, [self._directories[at] for at in led_to], "link", _LINK_LIMIT)
        word_of = {
            place: (word or b"").decode("utf-8", "replace").strip() for place, word in zip(led_to, words, strict=True)
        }
        named = bytearray(word_of.get(place) == name for name, place in zip(self._names, places, strict=True))
        return _Owners(places, named)


def read_lowers(store: Store, half: GraphHalf, idents: Iterable[str]) -> dict[str, list[str]]:
    """The ids that the `lower` files of some ids name: a record of parents that no database keeps (2.5)."""
    if not half.driver.links:
        return {}
    by_link = {link: ident for ident, link in half.links.items()}
    by_link.update({link: ident for link, ident in half.lost_links.items() if ident})
    found: dict[str, list[str]] = {}
    for ident in idents:
        try:
            text = read_word(store, f"{half.driver.base}/{ident}/lower") or ""
        except UnreadableFile:
            continue
        lowers = [by_link.get(part.rpartition("/")[2], "") for part in text.split(":") if part]
        found[ident] = [lower for lower in lowers if lower]
    return found
