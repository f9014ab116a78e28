"""Content against digests, for every kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.check.verified import Verified
    from ocistore.stores.store import Store


def verify(store: Store, progress: Callable[[int, int], None] | None = None) -> Verified:
    """Reads content and compares it with the digests that name it; the store's findings receive what differs.

    Args:
        store: what was read.
        progress: is told (bytes read, bytes in all).
    """
    # One kind's verification is loaded, not all.
    if store.kind == "containers-storage":
        from ocistore.check.verify_storage import verify_storage

        return verify_storage(store, progress)
    if store.kind == "docker":
        from ocistore.check.verify_docker import verify_docker

        return verify_docker(store, progress)
    if store.kind != "oci-layout":
        from ocistore.check.verify_content import verify_content

        return verify_content(store, progress)
    from ocistore.check.verify_layout import verify_layout

    return verify_layout(store, progress)
