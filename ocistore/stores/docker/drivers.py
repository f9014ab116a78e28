"""Reads what lies in a graph driver's directory: the ids and their short links (docker-buildkit-containerd 2.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile

from .files import list_directory, read_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.stores.store import Store

    from .records import GraphHalf

_TARGET = re.compile(r"\.\./([^/]+)/diff")
PROJECT_QUOTA = "backingFsBlockDev"
"""Device node that the daemon makes for project quotas, here and in volumes/."""


def read_driver(store: Store, half: GraphHalf) -> list[str]:
    """Fills directories and links of a half; returns why directories may be missing from it."""
    driver = half.driver
    doubts: list[str] = []
    for base in (driver.base, *driver.also):
        entries = list_directory(store, base)
        if entries is None:
            doubts.append(f"{base} can't be listed")
        links = driver.links.rpartition("/")[2] if driver.links.startswith(f"{base}/") else ""
        half.directories.update(e.name for e in entries or [] if e.type == "dir" and e.name != links)
    if driver.links:
        _read_links(store, half)
    return doubts


def _read_links(store: Store, half: GraphHalf) -> None:
    """Who each short link belongs to: removal takes the one that the `link` file names, and no other (2.5)."""
    base = half.driver.links
    targets: dict[str, str] = {}
    for entry in list_directory(store, base) or []:
        if entry.type != "link":
            continue
        try:
            found = _TARGET.fullmatch(store.tree.readlink(f"{base}/{entry.name}"))
        except UnreadableFile:
            found = None
        ident = found.group(1) if found else ""
        targets[entry.name] = ident if ident in half.directories else ""
    names: dict[str, list[str]] = {}
    for name, ident in targets.items():
        if ident:
            names.setdefault(ident, []).append(name)
    for ident, links in names.items():
        try:
            own = read_word(store, f"{half.driver.base}/{ident}/link") or ""
        except UnreadableFile:
            own = ""
        if own in links:
            half.links[ident] = own
    half.lost_links = {name: ident for name, ident in targets.items() if half.links.get(ident) != name}


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
