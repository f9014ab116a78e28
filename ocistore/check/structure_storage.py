"""The structure of a containers/storage directory (containers-storage 3.0 check (a) to (g), Part 4)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocistore.errors import OcistoreError
from ocistore.stores.containers_storage.homes import read_lowers
from ocistore.stores.containers_storage.layout import big_data_file, is_safe_name
from ocistore.usage.fates import fates

if TYPE_CHECKING:
    from ocistore.stores.containers_storage.records import ImageRecord, LayerRecord
    from ocistore.stores.containers_storage.storage import Storage
    from ocistore.stores.store import Store

_MOST_NAMED = 3


def check_storage(store: Store) -> None:
    """Looks at each record's data, links and lowers, at what nothing references, and at where the store was made."""
    checker = _Checker(store)
    checker.layers()
    checker.images()
    checker.containers()
    checker.unreferenced()
    checker.mounts()
    checker.moved()


class _Checker:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._storage: Storage = store.detail

    def layers(self) -> None:
        linked = {name: target for home in self._storage.homes for name, target in home.links.items()}
        for layer in self._storage.layers.values():
            if layer.incomplete:
                continue
            self._layer_data(layer)
            if self._storage.driver == "overlay" and self._storage.layer_directory(layer.id) is not None:
                self._link(layer, linked)
                self._lowers(layer)
                self._elsewhere(layer)

    def _layer_data(self, layer: LayerRecord) -> None:
        base = f"{self._storage.driver}-layers/{layer.id}"
        for key in layer.big_data_names:
            if self._size(0, f"{base}/{big_data_file(key)}") is None:
                self._say("layer-data-missing", f"data item {key} of layer {layer.id} is missing", base, layer.id)

    def _link(self, layer: LayerRecord, linked: dict[str, str]) -> None:
        name = self._storage.read_link_name(layer.id)
        place, path = self._storage.layer_directory(layer.id) or (0, "")
        if name and linked.get(name) != layer.id:
            text = f"its short link l/{name} is missing or leads elsewhere"
            self._say("link-missing", text, self._storage.spelled(place, f"{path}/link"), layer.id)

    def _lowers(self, layer: LayerRecord) -> None:
        place, path = self._storage.layer_directory(layer.id) or (0, "")
        ancestors = list(self._storage.ancestors(layer.id))[1:]
        lowers = read_lowers(self._storage, layer.id)
        for lower in lowers:
            if self._storage.layer_directory(lower) is None and lower not in self._storage.readonly_layers:
                text = f"is mounted on layer {lower}, which isn't there"
                self._say("lower-missing", text, self._storage.spelled(place, f"{path}/lower"), layer.id)
        if lowers and not layer.mapped and set(ancestors) - set(lowers) and not self._has_mapped(ancestors):
            text = "is mounted on other layers than its record's ancestors"
            self._say("lower-missing", text, self._storage.spelled(place, f"{path}/lower"), layer.id)

    def _elsewhere(self, layer: LayerRecord) -> None:
        """A layer of an additional layer store has its content there (1.12); whether it is there isn't looked at."""
        if f"{layer.id}.tar-split.gz" in self._storage.layer_files:
            # Such a layer never came as a tar.
            return
        place, path = self._storage.layer_directory(layer.id) or (0, "")
        tree = self._storage.places[place].tree
        try:
            where = tree.read(f"{path}/additionallayer", 4096).decode("utf-8", "replace").strip()
        except OcistoreError:
            return
        text = f"its content lies in an additional layer store, at {where[:200]}, which is not read"
        self._say("additional-layer", text, self._storage.spelled(place, f"{path}/additionallayer"), layer.id)

    def _has_mapped(self, idents: list[str]) -> bool:
        return any((record := self._storage.layer(ident)) is not None and record.mapped for ident in idents)

    def images(self) -> None:
        for image in self._storage.images:
            if image.id in self._storage.image_dirs.get(image.place, ()):
                self._image_data(image)

    def _image_data(self, image: ImageRecord) -> None:
        base = f"{self._storage.driver}-images/{image.id}"
        for key in image.big_data_names:
            name = big_data_file(key)
            size = self._size(image.place, f"{base}/{name}") if is_safe_name(name) else None
            path = self._storage.spelled(image.place, f"{base}/{name}")
            if size is None:
                self._say("image-data-missing", f"data item {key} is missing", path, image.id, "image")
            elif size != image.big_data_sizes.get(key, size):
                text = f"data item {key} has {size} bytes, recorded are {image.big_data_sizes[key]}"
                self._say("data-size", text, path, image.id, "image")

    def containers(self) -> None:
        for container in self._storage.containers.values():
            base = f"{self._storage.driver}-containers/{container.id}"
            for key in container.big_data_names:
                name = big_data_file(key)
                size = self._size(0, f"{base}/{name}") if is_safe_name(name) else None
                if size is None:
                    self._say(
                        "data-missing", f"data item {key} is missing", f"{base}/{name}", container.id, "container"
                    )

    def unreferenced(self) -> None:
        found = [
            node.id
            for node, fate in zip(self._store.graph.nodes, fates(self._store), strict=True)
            if node.kind == "layer" and fate == "unreferenced" and node.store == self._store.number
        ]
        for ident in found:
            text = "has a record, and no image and no container stands on it; no prune and no gc removes it"
            self._say("unreferenced-layer", text, f"{self._storage.homes[0].base}/{ident}", ident)

    def mounts(self) -> None:
        mounted = [count for count in self._storage.mounts.values() if count.count > 0]
        if mounted and self._storage.runroot is not None:
            named = ", ".join(count.layer[:12] for count in mounted[:_MOST_NAMED])
            path = self._storage.spelled(self._storage.runroot, f"{self._storage.driver}-layers/mountpoints.json")
            text = f"counts mounts of {len(mounted)} layers ({named}); as long as it does, stale staging data stays"
            self._say("mount-count", text, path, mounted[0].layer)

    def moved(self) -> None:
        here = os.path.realpath(self._store.tree.path)
        for database in self._storage.databases:
            made_for = database.config.get("graph-root", "")
            if made_for and os.path.normpath(made_for) not in (here, os.path.abspath(self._store.tree.path)):
                text = f"was made for {made_for}; this store is a copy, or was moved"
                self._store.findings.say("graphroot-moved", text, path=database.path, root=self._store.root)

    def _size(self, place: int, path: str) -> int | None:
        try:
            return self._storage.places[place].tree.stat(path).st_size
        except OcistoreError:
            return None

    def _say(self, code: str, text: str, path: str, ident: str, kind: str = "layer") -> None:
        self._store.findings.say(code, text, path=path, node=f"{kind}:{ident}", root=self._store.root)
