"""The content of an OCI layout against its digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.check.verify_blobs import NamedBlob, verify_blobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.check.verified import Verified
    from ocistore.stores.oci_layout.records import LayoutRecords
    from ocistore.stores.store import Store


def verify_layout(store: Store, progress: Callable[[int, int], None] | None) -> Verified:
    """Hashes every blob, referred to or not, and compares it with its name (oci-layout 1; 6, last paragraph).

    Args:
        store: as `read_layout` gave it; its findings receive `bad-digest`, `unverified` and `unreadable`.
        progress: is told (bytes read, bytes in all).
    """
    records: LayoutRecords = store.detail
    blobs = (NamedBlob(file.digest, file.path, is_link=file.is_link) for file in records.blobs.values())
    return verify_blobs(store, blobs, progress)
