"""Reads what lies in a graph driver's directory: the ids and their short links (docker-buildkit-containerd 2.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.beside import Beside
from ocistore.errors import UnreadableFile

from .files import list_directory, read_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.stores.store import Store

    from .records import GraphHalf

_MANY = 4096
"""Links from which a second process pays, in which they are read."""
_LINK_LIMIT = 4096
"""Bytes; no name of a file is as long, so that a longer `link` file names none."""
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
        names = [e.name for e in entries or [] if e.type == "dir" and e.name != links]
        store.tree.count_ahead(base, names)
        half.directories.update(names)
    return doubts


class Links(NamedTuple):
    """Short links: those that their directory's `link` file names, by id; the others, with the id they lead to."""

    own: dict[str, str]
    lost: dict[str, str]


def read_links(store: Store, half: GraphHalf) -> Beside[Links]:
    """Who each short link belongs to: removal takes the one that the `link` file names, and no other (2.5).

    There are as many small files as directories, so that they are read while databases are.
    """
    base = half.driver.links
    entries = list_directory(store, base) if base else []
    names = [entry.name for entry in entries or [] if entry.type == "link"]
    return Beside(lambda: _find_owners(store, half, names), worth=len(names) > _MANY)


def _find_owners(store: Store, half: GraphHalf, names: list[str]) -> Links:
    targets: dict[str, str] = {}
    links_of: dict[str, list[str]] = {}
    for name, target in zip(names, store.tree.readlink_each(half.driver.links, names), strict=True):
        found = _TARGET.fullmatch(target or "")
        ident = found.group(1) if found and found.group(1) in half.directories else ""
        targets[name] = ident
        if ident:
            links_of.setdefault(ident, []).append(name)
    own: dict[str, str] = {}
    words = store.tree.read_in_each(half.driver.base, list(links_of), "link", _LINK_LIMIT)
    for (ident, links), word in zip(links_of.items(), words, strict=True):
        named = (word or b"").decode("utf-8", "replace").strip()
        if named in links:
            own[ident] = named
    return Links(own, {name: ident for name, ident in targets.items() if own.get(ident) != name})


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
