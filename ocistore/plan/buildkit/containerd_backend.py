"""What lies below BuildKit's records where containerd's parts keep it: leases, content, snapshots.

Used with buildkitd's runc worker, which has these parts in itself, and with Docker's containerd image store.
Source: docker-buildkit-containerd 3.3, 3.7.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.formats.media_types import shape_of
from ocistore.plan.containerd.state import RecordMissing
from ocistore.stores.shared.containerd.images import Contents

if TYPE_CHECKING:
    from ocistore.plan.containerd.state import MetaState
    from ocistore.stores.shared.buildkit.records import CacheRecord

BLOCK = 512
"""Bytes of a unit of st_blocks."""
_ACTIVE, _COMMITTED = 2, 3
_UPPER = frozenset(("overlayfs", "fuse-overlayfs", "stargz"))
"""Snapshotters that measure what an active snapshot changed; others measure its whole directory."""
_MERGED_SIZE = "buildkit.mergeUsageSize"
"""Label of a merged snapshot: its size without what it has by hard links (BuildKit `snapshot/merge.go`)."""
_VARIANT = "containerd.io/gc.ref.content.blob-"


class ContainerdBackend:
    """A CacheBackend over a metadata store that commands change."""

    def __init__(self, state: MetaState, namespace: str, snapshotter: str, *, sharing: bool) -> None:
        """A worker's backend.

        Args:
            state: its records.
            namespace: of the worker.
            snapshotter: that the worker uses.
            sharing: whether there is a checker of sharing: with an image store, not with buildkitd's runc worker.
        """
        self._state, self._namespace, self._snapshotter, self._sharing = state, namespace, snapshotter, sharing
        self._manifests: set[tuple[str, ...]] | None = None
        self._named: frozenset[str] = frozenset()

    def delete_lease(self, lease: str) -> None:
        """See CacheBackend; what it held goes with the next collection."""
        with suppress(RecordMissing):
            self._state.delete_lease(self._namespace, lease, "its build record goes")

    def collect(self) -> None:
        """See CacheBackend."""
        self._state.collect()

    @property
    def compares_blobs(self) -> bool:
        """See CacheBackend."""
        return True

    def has_sharing(self) -> bool:
        """See CacheBackend."""
        return self._sharing

    def shared(self, record: CacheRecord, chain: list[str]) -> bool:
        """See CacheBackend: the chain is that of a whole manifest of some image (3.7.3)."""
        del record
        images = frozenset(self._state.namespace(self._namespace).images)
        if self._manifests is None or images != self._named:
            self._manifests, self._named = self._read_manifests(), images
        return tuple(chain) in self._manifests

    def _read_manifests(self) -> set[tuple[str, ...]]:
        """The layers of every manifest of every image; reading stops at an image of an unknown type (3.7.3)."""
        contents = Contents(self._state.store, self._state.meta)
        found: set[tuple[str, ...]] = set()
        for image in self._state.namespace(self._namespace).images.values():
            if shape_of(image.media_type) not in ("manifest", "index"):
                break
            found.update(manifest.layers for manifest in contents.manifests(image.target))
        return found

    def snapshot_usage(self, record: CacheRecord) -> int:
        """See CacheBackend; the snapshotter's own record, of an active snapshot the blocks on the disk (3.7.4)."""
        snapshot = self._state.namespace(self._namespace).snapshots.get((self._snapshotter, record.snapshot))
        snapshotter = self._state.meta.snapshotters.get(self._snapshotter)
        if snapshot is None or snapshotter is None:
            return 0
        merged = snapshot.labels.get(_MERGED_SIZE, "")
        if merged.isascii() and merged.isdecimal():
            return int(merged)
        backend = (snapshotter.snapshots or {}).get(snapshot.name)
        if backend is None or backend.path is None or backend.kind == _COMMITTED:
            return (backend.size or 0) if backend is not None else 0
        if backend.kind != _ACTIVE:
            return 0
        return self._blocks(f"{backend.path}/fs" if self._snapshotter in _UPPER else backend.path)

    def blob_usage(self, record: CacheRecord) -> int:
        """See CacheBackend; variants are those that the blob's labels lead to."""
        blobs = self._state.namespace(self._namespace).blobs
        total = 0
        seen: set[str] = set()
        stack = [record.blob]
        while stack:
            digest = stack.pop()
            blob = blobs.get(digest)
            if blob is None or digest in seen:
                continue
            seen.add(digest)
            total += blob.size or 0
            stack += [value for key, value in blob.labels.items() if key.startswith(_VARIANT)]
        return total

    def free_space(self) -> int:
        """See CacheBackend; blocks that are reserved for root count as free (3.8, step 4)."""
        place = self._state.store.places[self._state.meta.place]
        status = os.fstatvfs(place.tree.descriptor)
        return status.f_bfree * status.f_bsize

    def _blocks(self, top: str) -> int:
        """Blocks of a directory and all below it, each inode once (containerd `continuity/fs DiskUsage`)."""
        tree = self._state.store.places[self._state.meta.place].tree
        seen: set[int] = set()
        total = 0
        stack = [top]
        while stack:
            path = stack.pop()
            try:
                status = tree.stat(path)
                entries = tree.list(path)
            except UnreadableFile:
                continue
            total += status.st_blocks * BLOCK
            for entry in entries:
                inner = f"{path}/{entry.name}"
                if entry.type == "dir":
                    stack.append(inner)
                    continue
                status = tree.stat(inner)
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * BLOCK
        return total
