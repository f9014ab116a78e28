"""The content of a Docker data-root against its digests (docker-buildkit-containerd 2.3, 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.check.verified import Verified
from ocistore.check.verify_blobs import NamedBlob, verify_blobs
from ocistore.check.verify_content import verify_content
from ocistore.errors import OcistoreError
from ocistore.formats.digest import Digest
from ocistore.stores.shared.layer_tar import SplitTar

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.docker.records import DockerRecords, GraphHalf, LayerRecord
    from ocistore.stores.store import Store

TAR_SPLIT = "tar-split.json.gz"
_OVERLAYS = ("overlay2", "fuse-overlayfs")


def verify_docker(store: Store, progress: Callable[[int, int], None] | None) -> Verified:
    """Hashes blobs and configurations of images, and makes each layer's tar again and hashes it.

    Build records that are no layers, containers and volumes have no digest.

    Args:
        store: its findings receive `bad-digest`, `unverified` and `unreadable`.
        progress: is told (bytes read, bytes in all).
    """
    records: DockerRecords = store.detail
    blobs = verify_content(store, progress)
    nodes, size = blobs.nodes, blobs.bytes
    for half in records.halves():
        base = f"{half.base}/imagedb/content/sha256"
        configs = verify_blobs(store, (NamedBlob(Digest("sha256", i), f"{base}/{i}") for i in half.images), progress)
        layers = _Layers(store, half, progress).run()
        nodes += configs.nodes + layers.nodes
        size += configs.bytes + layers.bytes
    return Verified(nodes, size)


class _Layers:
    def __init__(self, store: Store, half: GraphHalf, progress: Callable[[int, int], None] | None) -> None:
        self._store, self._half, self._progress = store, half, progress
        self._done = self._nodes = 0
        self._whole = sum(layer.size for layer in half.layers.values())

    def run(self) -> Verified:
        if self._half.driver.bytes == "elsewhere":
            path = self._half.driver.top
            self._say("unverified", "the layers' files lie on devices that aren't mounted", path, None)
            return Verified(0, 0)
        without = []
        for layer in self._half.layers.values():
            path = f"{self._half.base}/layerdb/sha256/{layer.chain}/{TAR_SPLIT}"
            try:
                split = self._store.tree.read(path)
            except OcistoreError:
                without.append(layer)
                continue
            self._layer(layer, split, path)
        if without:
            text = f"{len(without)} layers have no tar-split, so their tar can't be made again"
            self._say("unverified", text, f"{self._half.base}/layerdb/sha256/{without[0].chain}", without[0])
        return Verified(self._nodes, self._done)

    def _layer(self, layer: LayerRecord, split: bytes, path: str) -> None:
        driver = self._half.driver
        directory = f"{driver.base}/{layer.cache_id}" + ("/diff" if driver.name in _OVERLAYS else "")
        try:
            tar = SplitTar(split, path, [(self._store.tree, directory)], layer.diff.partition(":")[0])
            for piece in tar.chunks():
                self._count(len(piece))
        except OcistoreError as err:
            self._say("bad-digest", f"its tar can't be made again: {err}", directory, layer)
            return
        self._nodes += 1
        if tar.digest != layer.diff:
            text = f"its content has the digest {tar.digest}, recorded is {layer.diff}"
            self._say("bad-digest", text, directory, layer)

    def _count(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, max(self._whole, self._done))

    def _say(self, code: str, text: str, path: str, layer: LayerRecord | None) -> None:
        number = self._half.node_of("layer", layer.chain) if layer is not None else None
        node = self._store.graph.nodes[number].key if number is not None else None
        self._store.findings.say(code, text, path=path, node=node, root=self._store.root)
