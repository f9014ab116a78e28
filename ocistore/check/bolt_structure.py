"""Bolt files beyond what their trees say: freelist, leaks, free space (docker-buildkit-containerd 1.6, 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import OcistoreError
from ocistore.formats.bolt import Database, read_structure
from ocistore.stores.shared.bolt_file import BOLT_FILES, open_pages

if TYPE_CHECKING:
    from ocistore.formats.bolt import Structure
    from ocistore.stores.shared.bolt_file import BoltFile
    from ocistore.stores.store import Store

_BLOATED_BYTES = 4 << 20
_BLOATED_SHARE = 2
"""A file is told of if more than one in so many of its bytes is free, and the free ones are more than 4 MiB."""


def check_bolt_files(store: Store) -> None:
    """Adds `database-structure` and `database-bloat` findings for the bolt files that the reader read."""
    files: dict[BoltFile, None] = store.cache.get(BOLT_FILES, {})
    for file in files:
        where = store.places[file.place]
        try:
            database = Database(open_pages(where.tree, file.path), salvage=True)
            found = read_structure(database)
        except OcistoreError:
            # Told when it was read.
            continue
        path = where.prefix + file.path
        for problem in found.problems:
            store.findings.say("database-structure", f"{problem.place}: {problem.sentence}", path=path, root=store.root)
        if found.leaked and not database.damage:
            text = (
                f"{found.leaked} pages are neither in use nor free, which wastes {found.leaked * found.page_size} bytes"
            )
            store.findings.say("database-leak", text, path=path, root=store.root)
        _tell_bloat(store, path, found, database.size)


def _tell_bloat(store: Store, path: str, found: Structure, size: int) -> None:
    unused = found.free_bytes + found.trailing
    if unused > _BLOATED_BYTES and unused * _BLOATED_SHARE > size:
        text = f"{unused} of its {size} bytes hold nothing; no prune makes it smaller"
        store.findings.say("database-bloat", text, path=path, root=store.root)
