"""The content of a containers/storage directory against its digests (containers-storage 1.12, 3.0 check (a))."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ocistore.check.verified import Verified
from ocistore.errors import OcistoreError
from ocistore.stores.containers_storage.content import LayerTar
from ocistore.stores.containers_storage.layout import big_data_file, is_safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.containers_storage.records import ImageRecord, LayerRecord
    from ocistore.stores.containers_storage.storage import Storage
    from ocistore.stores.store import Store


def verify_storage(store: Store, progress: Callable[[int, int], None] | None) -> Verified:
    """Makes each layer's tar again and hashes it, and hashes each image's data.

    Args:
        store: as the reader gave it; its findings receive `bad-digest`, `unverified` and `unreadable`.
        progress: is told (bytes read, bytes in all).
    """
    return _Verification(store, progress).run()


class _Verification:
    def __init__(self, store: Store, progress: Callable[[int, int], None] | None) -> None:
        self._store = store
        self._storage: Storage = store.detail
        self._progress = progress
        self._done = self._nodes = 0
        self._whole = sum(max(layer.diff_size, 0) for layer in self._storage.layers.values())

    def run(self) -> Verified:
        without: list[str] = []
        for layer in self._storage.layers.values():
            if layer.incomplete or not layer.diff_digest:
                continue
            if f"{layer.id}.tar-split.gz" not in self._storage.layer_files:
                without.append(layer.id)
                continue
            self._layer(layer)
        if without:
            first = without[0][:12]
            text = f"{len(without)} layers have no tar-split, so their tar can't be made again, the first {first}"
            self._say("unverified", text, f"{self._storage.driver}-layers", f"layer:{without[0]}")
        for image in self._storage.images:
            self._image(image)
        return Verified(self._nodes, self._done)

    def _layer(self, layer: LayerRecord) -> None:
        node = f"layer:{layer.id}"
        where = self._storage.layer_directory(layer.id)
        path = self._storage.spelled(*where) if where else ""
        try:
            tar = LayerTar(self._storage, layer.id, layer.diff_digest.partition(":")[0])
            for piece in tar.chunks():
                self._count(len(piece))
        except OcistoreError as err:
            self._say("bad-digest", f"its tar can't be made again: {err}", path, node)
            return
        self._nodes += 1
        if tar.digest != layer.diff_digest:
            self._say(
                "bad-digest", f"its content has the digest {tar.digest}, recorded is {layer.diff_digest}", path, node
            )
        elif layer.diff_size not in (-1, tar.length):
            self._say("bad-digest", f"its tar has {tar.length} bytes, recorded are {layer.diff_size}", path, node)

    def _image(self, image: ImageRecord) -> None:
        base = f"{self._storage.driver}-images/{image.id}"
        for key, digest in image.big_data_digests.items():
            name = big_data_file(key)
            algorithm, _, wanted = digest.partition(":")
            if not is_safe_name(name) or algorithm not in hashlib.algorithms_guaranteed:
                self._say(
                    "unverified", f"data item {key[:80]} with the digest {digest[:80]}", base, f"image:{image.id}"
                )
                continue
            try:
                data = self._storage.places[image.place].tree.read(f"{base}/{name}")
            except OcistoreError as err:
                text = f"data item {key} can't be read: {err.sentence}"
                self._say("image-data-missing", text, self._storage.spelled(image.place, base), f"image:{image.id}")
                continue
            self._count(len(data))
            self._nodes += 1
            if hashlib.new(algorithm, data).hexdigest() != wanted:
                path = self._storage.spelled(image.place, f"{base}/{name}")
                self._say("bad-digest", f"data item {key} has another digest than recorded", path, f"image:{image.id}")

    def _count(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, max(self._whole, self._done))

    def _say(self, code: str, text: str, path: str, node: str | None) -> None:
        self._store.findings.say(code, text, path=path, node=node, root=self._store.root)
