"""What of build records' data is there, with a graph driver (docker-buildkit-containerd 2.8, 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.shared.buildkit.cache import MetadataPresence

from .layout import NAMESPACE, SNAPSHOTTER

if TYPE_CHECKING:
    from .records import DockerRecords


class GraphPresence:
    """A Presence: a snapshot is a bucket of snapshots.db, or a layer."""

    def __init__(self, records: DockerRecords) -> None:
        self._records = records
        self._content = MetadataPresence(records.meta, NAMESPACE, SNAPSHOTTER)

    def snapshot(self, key: str) -> bool | None:
        """See Presence."""
        records = self._records
        if key in (records.snapshots or {}):
            return True
        chain = key.removeprefix("sha256:") if key.startswith("sha256:") else ""
        if chain and any(chain in half.layers for half in records.halves()):
            return True
        unsure = records.snapshot_doubt or (chain and any(half.doubt for half in records.halves()))
        return None if unsure else False

    def content(self, digest: str) -> bool | None:
        """See Presence."""
        return self._content.content(digest)

    def remote(self, key: str) -> bool:
        """See Presence; graph drivers keep all data here."""
        del key
        return False
