"""What lies below BuildKit's records with graph drivers (docker-buildkit-containerd 2.8, 3.7)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile

if TYPE_CHECKING:
    from ocistore.plan.docker.graph_images import GraphImages
    from ocistore.stores.shared.buildkit.records import CacheRecord

_OVERLAYS = ("overlay2", "fuse-overlayfs")


class GraphBackend:
    """A CacheBackend."""

    def __init__(self, images: GraphImages) -> None:
        self._images = images

    def delete_lease(self, lease: str) -> None:
        """See CacheBackend; the snapshots go at once."""
        self._images.delete_lease(lease)

    def collect(self) -> None:
        """See CacheBackend; blobs that nothing refers to go."""
        if self._images.meta is not None:
            self._images.meta.collect()

    @property
    def compares_blobs(self) -> bool:
        """See CacheBackend."""
        return False

    def has_sharing(self) -> bool:
        """See CacheBackend; moby's builder always has one."""
        return True

    def shared(self, record: CacheRecord, chain: list[str]) -> bool:
        """See CacheBackend; records have no blobs here, the layer that a record is decides (3.7.3)."""
        del chain
        layer = self._images.layer_of(record.id)
        return layer in self._images.layers and layer in self._images.prefixes

    def snapshot_usage(self, record: CacheRecord) -> int:
        """See CacheBackend: a layer's `size`, else the apparent bytes of what the snapshot changed (3.7.4)."""
        images = self._images
        if record.blob_only:
            return 0
        layer = images.layers.get(images.layer_of(record.snapshot))
        if layer is not None:
            return layer.size
        snapshot = images.snapshots.get(record.snapshot)
        if snapshot is None:
            return 0
        if snapshot.size is not None:
            return snapshot.size
        driver = images.half.driver
        top = f"{driver.base}/{snapshot.directory}" + ("/diff" if driver.name in _OVERLAYS else "")
        return self._apparent(top)

    def blob_usage(self, record: CacheRecord) -> int:
        """See CacheBackend; build records of graph drivers have no blobs, those of another mode say their size."""
        return record.blob_size or 0

    def _apparent(self, top: str) -> int:
        """The sizes of all files below a directory, those with several names once (moby `pkg/directory Size`)."""
        tree = self._images.state.store.tree
        total = 0
        seen: set[int] = set()
        stack = [top]
        while stack:
            path = stack.pop()
            try:
                entries = tree.list(path)
            except UnreadableFile:
                continue
            for entry in entries:
                inner = f"{path}/{entry.name}"
                if entry.type == "dir":
                    stack.append(inner)
                    continue
                status = tree.stat(inner)
                if status.st_ino not in seen and not stat.S_ISDIR(status.st_mode):
                    seen.add(status.st_ino)
                    total += status.st_size
        return total

    def free_space(self) -> int:
        """See CacheBackend."""
        status = os.fstatvfs(self._images.state.store.tree.descriptor)
        return status.f_bfree * status.f_bsize
