"""The content stores of containerd, wherever an engine keeps them, against their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.check.verify_blobs import NamedBlob, verify_blobs
from ocistore.formats.digest import parse_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocistore.check.verified import Verified
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.store import Store

METADATA_STORES = "metadata_stores"
"""Key of `Store.cache`: the metadata stores that the reader loaded."""


def verify_content(store: Store, progress: Callable[[int, int], None] | None) -> Verified:
    """Hashes every blob, with a record or without, and compares it with its name (docker-buildkit-containerd 4.4).

    What is in snapshots has no digest: layers are compared where they are compressed.

    Args:
        store: its findings receive `bad-digest`, `unverified` and `unreadable`.
        progress: is told (bytes read, bytes in all).
    """
    return verify_blobs(store, _blobs(store), progress)


def _blobs(store: Store) -> Iterator[NamedBlob]:
    stores: list[MetadataStore] = store.cache.get(METADATA_STORES, [])
    for meta in stores:
        for text, path in meta.content.blobs.items():
            digest = parse_digest(text)
            if digest is not None:
                yield NamedBlob(digest, path, meta.place)
