"""What is odd in a store's structure, beyond what every reading notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocistore.stores.store import Store


def check_structure(store: Store) -> None:
    """Adds findings about records and the files that they name; content is not read.

    A layout has nothing to add: its reader looks at every document anyway.
    """
    if store.kind == "containers-storage":
        # Only this kind's checks are loaded.
        from ocistore.check.structure_storage import check_storage

        check_storage(store)
    if "bolt_files" in store.cache:
        from ocistore.check.bolt_structure import check_bolt_files

        check_bolt_files(store)
