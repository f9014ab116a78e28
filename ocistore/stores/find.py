"""Which node a person means: by id, prefix, name, digest or path."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ocistore.errors import UnknownThing, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocistore.graph.graph import Node
    from ocistore.stores.store import Place, Store

_SHOWN = 8
_DIGEST_PREFIX = "sha256:"
SHORTEST_PREFIX = 2


def find_things(store: Store, text: str) -> list[int]:
    """The nodes that `text` names; more than one only where one name stands on several nodes of a kind.

    Tried in this order, the first that fits counts: `kind:` before any of the following; id; name; path in the store
    (relative or absolute; the nearest owner above it); a name's short forms (`web` for `localhost/web:latest`);
    digest; unique prefix of an id.

    Raises:
        UnknownThing: nothing fits, or different things do.
    """
    nodes = store.graph.nodes
    kinds = {node.kind for node in nodes}
    kind, colon, rest = text.partition(":")
    if colon and kind in kinds:
        found = _look(store, rest, lambda node: node.kind == kind, by_path=False)
        if found:
            return _agreed(store, text, found)
    found = _look(store, text, lambda node: True, by_path=True)
    if not found:
        raise UnknownThing(_unknown(nodes, text))
    return _agreed(store, text, found)


def owner_of(store: Store, path: str) -> int | None:
    """The node that owns a path; None if there is no such path in the store.

    Args:
        store: the store.
        path: relative to its root, or absolute in any of its places.
    """
    for place, inner in _spellings(store, path):
        if inner in place.owned or _exists(place, inner):
            while inner and inner not in place.owned:
                inner = inner.rpartition("/")[0]
            if inner in place.owned:
                return place.owned[inner]
    return None


def _look(store: Store, text: str, wanted: Callable[[Node], bool], *, by_path: bool) -> list[int]:
    nodes = [(number, node) for number, node in enumerate(store.graph.nodes) if wanted(node)]
    if not text:
        return []

    def those(fits: Callable[[Node], bool]) -> list[int]:
        return [number for number, node in nodes if fits(node)]

    if found := those(lambda node: node.id == text) or those(lambda node: text in node.names):
        return found
    if by_path and (owner := owner_of(store, text)) is not None:
        return [owner]
    forms = set(short_forms(text))
    if found := those(lambda node: not forms.isdisjoint(node.names)):
        return found
    tail = text if _has_tag(text) else f"{text}:latest"
    if found := those(lambda node: any(name.endswith(f"/{tail}") for name in node.names)):
        return found
    if text.startswith(_DIGEST_PREFIX):
        bare = text.removeprefix(_DIGEST_PREFIX)
        if found := those(lambda node: node.id == bare) or those(lambda node: _has_digest(node, text)):
            return found
    if len(text) < SHORTEST_PREFIX:
        return []
    return those(lambda node: node.id.startswith(text) or node.id.startswith(_DIGEST_PREFIX + text)) or those(
        lambda node: node.id.startswith(text.removeprefix(_DIGEST_PREFIX))
    )


def short_forms(text: str) -> list[str]:
    """The full names that a short image name may stand for, without a registries.conf.

    Source: formats, containers-storage 2.7.
    """
    name = text if _has_tag(text) else f"{text}:latest"
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return [name]
    return [name, f"localhost/{name}", f"docker.io/{name}" if slash else f"docker.io/library/{name}"]


def _has_tag(text: str) -> bool:
    return "@" in text or ":" in text.rpartition("/")[2]


def _has_digest(node: Node, digest: str) -> bool:
    return any(name.endswith(f"@{digest}") for name in node.names)


def _spellings(store: Store, path: str) -> Iterable[tuple[Place, str]]:
    """The places that a path may lie in, and what it is called there."""
    clean = os.path.normpath(path)
    for each in store.all_stores():
        for place in each.places:
            if not os.path.isabs(clean):
                if place is store.places[0] and clean.split("/")[0] != "..":
                    yield place, "" if clean == "." else clean
                continue
            for top in {os.path.abspath(place.tree.path), os.path.realpath(place.tree.path)}:
                if clean == top:
                    yield place, ""
                elif clean.startswith(top.rstrip("/") + "/"):
                    yield place, clean[len(top.rstrip("/")) + 1 :]


def _exists(place: Place, path: str) -> bool:
    try:
        place.tree.stat(path)
    except UnreadableFile:
        return False
    return True


def _agreed(store: Store, text: str, found: list[int]) -> list[int]:
    """The nodes found, if they are one thing.

    Raises:
        UnknownThing: they are several.
    """
    nodes = store.graph.nodes
    if len(found) > 1:
        own = [number for number in found if nodes[number].store == store.number]
        found = own or found
    if len(found) == 1:
        return found
    if len({nodes[number].kind for number in found}) == 1 and all(text in nodes[number].names for number in found):
        return found
    listed = [_told(nodes[number]) for number in found[:_SHOWN]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise UnknownThing(f"{text!r} may be {len(found)} things: {', '.join(listed)}{more}")


def _told(node: Node) -> str:
    return node.key + (f" ({node.names[0]})" if node.names else "")


def _unknown(nodes: list[Node], text: str) -> str:
    known = {name for node in nodes for name in node.names}
    known.update(name.rpartition("/")[2] for name in list(known))
    known.update(node.id for node in nodes if len(node.id) < 64)
    close = get_close_matches(text, sorted(known), n=3, cutoff=0.6)
    hint = f"; close to it: {', '.join(close)}" if close else ""
    return f"nothing in the store is called {text!r}, has it as the beginning of its id, or as a path{hint}"
