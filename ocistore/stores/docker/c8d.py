"""The containerd image store of a data-root: images, blobs and snapshots lie in a containerd."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocistore.stores.store import Options, Store

    from .records import DockerRecords


def read_containerd_half(store: Store, records: DockerRecords, options: Options, snapshotters: list[str]) -> None:
    """Adds what the containerd of a data-root keeps.

    It is called after containers and volumes are read and `records.active` is chosen, and before the containers are
    nodes; it is called in the other mode, too, where containerd keeps manifests of pulled images (2.9).

    Args:
        store: is filled.
        records: are filled.
        options: `containerd_root` names the containerd beside the data-root.
        snapshotters: those that the image store was used with; empty where it never was.
    """
    del store, records, options, snapshotters
