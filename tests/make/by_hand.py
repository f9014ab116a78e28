"""Trees and stores that are written down in a test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocistore.disk.tree import DirectoryTree
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.store import Place, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def plant(top: Path, files: Mapping[str, int | str]) -> None:
    """Makes files below `top`: of so many bytes, or a further name (`=PATH`) or a link (`>TARGET`)."""
    top.mkdir(exist_ok=True)
    for path, what in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, int):
            target.write_bytes(bytes(what))
        elif what.startswith("="):
            os.link(top / what[1:], target)
        else:
            target.symlink_to(what[1:])


def store_of(
    top: Path,
    owned: Mapping[str, str],
    holds: Iterable[tuple[str, str]] = (),
    roots: Iterable[str] = (),
) -> Store:
    """A store at `top` whose paths belong to nodes named `kind:id`; `""` belongs to `own:store` unless it is said."""
    graph = Graph()
    store = Store("containers-storage", ".", "overlay", graph, Findings())
    store.places.append(Place(DirectoryTree(str(top))))
    for path, key in {"": "own:store", **owned}.items():
        store.own(path, number(store, key))
    for holder, held in holds:
        graph.hold(number(store, holder), number(store, held), "is held by")
    for key in roots:
        graph.root(number(store, key), "is a root")
    return store


def number(store: Store, key: str) -> int:
    """The number of the node `kind:id`, which is made if it isn't there."""
    kind, _, ident = key.partition(":")
    return store.graph.add(kind, ident)


def add_place(store: Store, top: Path, owned: Mapping[str, str], ledger: bool = False) -> None:
    """Adds a directory that belongs to the store too."""
    place = Place(DirectoryTree(str(top)), prefix=f"{top}/", ledger=ledger)
    store.places.append(place)
    for path, key in owned.items():
        store.own(path, number(store, key), len(store.places) - 1)
