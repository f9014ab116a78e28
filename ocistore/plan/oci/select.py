"""What the scopes of `--prune` mean for an OCI layout, and the native commands of single steps."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ocistore.plan.oci.umoci import is_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.oci_layout.records import LayoutRecords
    from ocistore.stores.store import Store


def select_dangling(store: Store) -> list[int]:
    """The images that only unnamed entries of index.json list (oci-layout 8, rule 5).

    Other tools list images without names on purpose (oras, ko); so this is never part of another scope but `all`.
    """
    records: LayoutRecords = store.detail
    named = {entry.descriptor.digest for entry in records.entries if entry.name or entry.full_name}
    found: dict[int, None] = {}
    for entry in records.entries:
        digest = entry.descriptor.digest
        node = store.graph.find("blob", digest, store.number)
        if node is not None and digest not in named:
            found[node] = None
    return list(found)


def select_nothing(store: Store) -> list[int]:
    """A scope that means nothing here: a layout has no containers or volumes, and its names are its purpose."""
    del store
    return []


SCOPES: dict[str, Callable[[Store], list[int]]] = {
    "unreferenced": select_nothing,
    "dangling": select_dangling,
    "intermediate": select_nothing,
    "cache": select_nothing,
    "containers": select_nothing,
    "unused": select_nothing,
    "volumes": select_nothing,
    "all": select_dangling,
}
"""Scope -> nodes that are no roots any more; `unreferenced` drops none, what nothing holds is taken anyway."""


def native_command(store: Store, node: int) -> str | None:
    """The command that does exactly what removing this node does, None if there is none.

    Removing a name is `umoci rm`; no tool removes a single blob.  umoci splits its argument at the first colon and has
    rules for names, so not every name has a command.
    """
    mine = store.graph.nodes[node]
    records: LayoutRecords = store.detail
    path = store.tree.path
    if mine.kind != "ref" or ":" in path or not is_tag(mine.id) or records.layout_refused:
        return None
    return shlex.join(["umoci", "rm", "--image", f"{path}:{mine.id}"])
