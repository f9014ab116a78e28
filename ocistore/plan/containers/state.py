"""A store's records as a simulation changes them, and the primitives of containers/storage (3.0).

Every removal is recorded with its paths; the files themselves are never touched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from ocistore.findings import CODES, Finding
from ocistore.plan.plan import Outcome, Removal
from ocistore.stores.containers_storage.layout import is_hex_id
from ocistore.stores.containers_storage.relations import ImageTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.stores.containers_storage.makers import Maker
    from ocistore.stores.containers_storage.records import ContainerRecord, ImageKey, ImageRecord, LayerRecord
    from ocistore.stores.containers_storage.storage import Storage
    from ocistore.stores.store import Store


Record = TypeVar("Record", "ImageRecord", "ContainerRecord", "LayerRecord")


class RuleFails(Exception):
    """A native command would fail here; what it did before stays done.

    Attributes:
        in_use: it fails because a container uses the thing.
    """

    def __init__(self, sentence: str, *, in_use: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.in_use = in_use


def raise_first(failures: Sequence[RuleFails]) -> None:
    """Raises the first failure of a command that tries all it is given and then fails."""
    if failures:
        raise failures[0]


class State:
    """The records of a store while commands run on it.

    Attributes:
        images: records in the order of look-up, by key; copies, whose names change.
        layers: of the writable layer store, without incomplete ones: any command's start removes these (3.0).
        containers: storage records by id.
        makers: who made a container, by id.
        tree: relations of images, kept up to date.
        lists_fail: see `ImageTree`; by the version of the present command.
        outcome: what the present command did.
    """

    def __init__(self, store: Store, now_ns: int) -> None:
        self.store = store
        self.storage: Storage = store.detail
        self.now_ns = now_ns
        self.outcome = Outcome()
        self.images: dict[ImageKey, ImageRecord] = {
            i.key: replace(i, names=list(i.names), mapped_layers=list(i.mapped_layers)) for i in self.storage.images
        }
        self.readonly_images: list[ImageRecord] = list(self.storage.readonly_images)
        self.layers: dict[str, LayerRecord] = {k: r for k, r in self.storage.layers.items() if not r.incomplete}
        self.containers: dict[str, ContainerRecord] = dict(self.storage.containers)
        self.makers: dict[str, Maker] = dict(self.storage.makers)
        self._swept: set[str] = set()
        self._noted: set[Finding] = set()
        self._silent = 0
        self._children: dict[str, set[str]] = {}
        for layer in self.layers.values():
            self._children.setdefault(layer.parent, set()).add(layer.id)
        self._tops: dict[int, Counter[str]] = {}
        for image in self.images.values():
            self._tops.setdefault(image.place, Counter()).update((image.layer, *image.mapped_layers))
        self._top_users = Counter((image.place, image.layer) for image in self.images.values())
        self._layer_users = Counter(container.layer for container in self.containers.values())
        self._records: dict[str, list[ImageRecord]] = {}
        self._mapped: dict[str, list[ImageRecord]] = {}
        for image in self.images.values():
            self._records.setdefault(image.id, []).append(image)
            for mapped in image.mapped_layers:
                self._mapped.setdefault(mapped, []).append(image)
        self._by_image: dict[str, list[ContainerRecord]] = {}
        for container in self.containers.values():
            self._by_image.setdefault(container.image, []).append(container)
        self._tree: ImageTree | None = None
        self.lists_fail = False

    @property
    def tree(self) -> ImageTree:
        """Relations of the images that are there now."""
        if self._tree is None:
            layers = [*self.layers.values(), *self.storage.readonly_layers.values()]
            self._tree = ImageTree(layers, self.all_images(), self.storage.data)
        self._tree.lists_fail = self.lists_fail
        return self._tree

    def all_images(self) -> list[ImageRecord]:
        """Images of all stores in the order of look-up."""
        return [*self.images.values(), *self.readonly_images]

    def containers_of(self, image: ImageRecord) -> list[ContainerRecord]:
        """Container records whose image is this one, whoever made them."""
        return list(self._by_image.get(image.id, ()))

    def is_there(self, image: ImageRecord) -> bool:
        """Whether an image is still recorded."""
        return image.readonly or image.key in self.images

    # Recording -------------------------------------------------------------------------------------------------------

    def begin(self) -> Outcome:
        """A fresh outcome for the next command."""
        self.outcome = Outcome()
        self._noted = set()
        return self.outcome

    def silence(self) -> None:
        """From here on removals are an engine's start, no command's doing; `speak` ends it."""
        self._silent += 1

    def speak(self) -> None:
        """Ends `silence`."""
        self._silent -= 1

    def record(self, kind: str, ident: str, paths: tuple[str, ...], why: str, node: int | None = None) -> None:
        """Adds a removal to the present command's outcome."""
        if self._silent:
            return
        number = node if node is not None else self.store.graph.find(kind, ident, self.store.number)
        self.outcome.removals.append(Removal(number, kind, ident, paths, why))

    def note(self, code: str, text: str, node: str | None = None, path: str = "") -> None:
        """Adds a finding to the present command's outcome."""
        finding = Finding(code, CODES[code].severity, self.store.root, path, node, text)
        if finding not in self._noted:
            self._noted.add(finding)
            self.outcome.findings.append(finding)

    # Primitives ------------------------------------------------------------------------------------------------------

    def untag(self, image: ImageRecord, name: str) -> None:
        """Takes a name off an image."""
        image.names = [n for n in image.names if n != name]

    def delete_image(self, image: ImageRecord, why: str) -> None:
        """DeleteImage: the record, then the layers that only it needs, from the top down.

        With a split image store it runs for each writable image store that has the id.

        Raises:
            RuleFails: a container's record names the image; nothing is changed.

        Source: containers-storage 3.0 (`storage/store.go DeleteImage`).
        """
        self.check_unused(image)
        doomed: list[str] = []
        for record in list(self._records.get(image.id, ())):
            doomed.extend(layer for layer in self._drop_image(record, why) if layer not in doomed)
        for layer in doomed:
            self.drop_layer(layer, f"only image {image.id[:12]} needed it")

    def check_unused(self, image: ImageRecord) -> None:
        """Raises RuleFails where a container's record names the image."""
        users = self._by_image.get(image.id)
        if users:
            raise RuleFails(f"image {image.id[:12]} is used by container {users[0].id[:12]}", in_use=True)

    def _drop_image(self, image: ImageRecord, why: str) -> list[str]:
        tops = self._tops[image.place]
        tops.subtract((image.layer, *image.mapped_layers))
        doomed = [layer for layer in image.mapped_layers if layer in self.layers]
        doomed_set = set(doomed)
        layer = image.layer
        at_top = True
        while layer and layer in self.layers:
            children = set(self._children.get(layer, ()))
            if at_top:
                for mapped in image.mapped_layers:
                    children |= self._children.get(mapped, set())
            # The identifiers of containers are compared with the layer's, as the engine does.
            if layer in self.containers or tops[layer] > 0 or not children <= doomed_set:
                break
            doomed.append(layer)
            doomed_set.add(layer)
            layer, at_top = self.layers[layer].parent, False
        self._forget_image(image)
        self.record("image", image.id, self.storage.image_paths(image), why)
        return doomed

    def drop_image_record(self, image: ImageRecord, why: str) -> None:
        """Takes an image's record and data, and leaves its layers (`containers-storage delete`)."""
        self._tops[image.place].subtract((image.layer, *image.mapped_layers))
        self._forget_image(image)
        self.record("image", image.id, self.storage.image_paths(image), why)

    def _forget_image(self, image: ImageRecord) -> None:
        if self._tree is not None:
            self._tree.remove_image(image)
        self._records[image.id].remove(image)
        self._top_users[image.place, image.layer] -= 1
        del self.images[image.key]

    def drop_layer(self, ident: str, why: str) -> None:
        """Removes a layer's record and files, without a question."""
        layer = self.layers.pop(ident, None)
        if layer is None:
            return
        if self._tree is not None:
            self._tree.remove_layer(ident)
        siblings = self._children.get(layer.parent)
        if siblings:
            siblings.discard(ident)
        for image in self._mapped.pop(ident, ()):
            if image.key in self.images:
                image.mapped_layers = [m for m in image.mapped_layers if m != ident]
                self._tops[image.place].subtract((ident,))
        self.record("layer", ident, self.storage.layer_paths(ident), why)

    def delete_layer(self, ident: str, why: str) -> None:
        """DeleteLayer: refused while a layer, an image of the primary image store or a container stands on it (3.0).

        Raises:
            RuleFails: it is refused, or not known.
        """
        if ident not in self.layers:
            raise RuleFails(f"layer {ident[:12]} is not known")
        if self._children.get(ident):
            raise RuleFails(f"layer {ident[:12]} has children", in_use=True)
        if self._top_users[self.primary_place, ident] > 0:
            raise RuleFails(f"layer {ident[:12]} is the top layer of an image", in_use=True)
        if self._layer_users[ident] > 0:
            raise RuleFails(f"layer {ident[:12]} is a container's", in_use=True)
        self.drop_layer(ident, why)

    @property
    def primary_place(self) -> int:
        """Index of the place whose image store is the primary one: the split one where there is one (1.2)."""
        return self.storage.imagestore if self.storage.imagestore is not None else 0

    def delete_container(self, ident: str, why: str, paths: tuple[str, ...] | None = None) -> None:
        """DeleteContainer: its layer if that has a record, its directories, its record; no question (3.0).

        Args:
            ident: which.
            why: the reason.
            paths: what goes of its directories, if not all of them.
        """
        container = self.containers.pop(ident)
        self._by_image[container.image].remove(container)
        self._layer_users[container.layer] -= 1
        self.record("container", ident, self.storage.container_paths(ident) if paths is None else paths, why)
        if container.layer in self.layers:
            self.drop_layer(container.layer, f"is the layer of container {ident[:12]}")

    def collect_garbage(self, *, sweeps_layer_files: bool, knows_tempdirs: bool) -> None:
        """GarbageCollect: directories without a record (3.0).

        Args:
            sweeps_layer_files: storage after 2026-03-27: also tar-split files and data of layers without record.
            knows_tempdirs: storage 1.59: `tempdirs` is no layer; before, it is taken for one and removed whole.
        """
        storage, driver = self.storage, self.storage.driver
        for ident in sorted(storage.container_dirs.get(0, set()) - self.containers.keys()):
            if is_hex_id(ident):
                self._sweep(f"{driver}-containers/{ident}", "a container's directory without a record")
        primary = self.primary_place
        ids = {image.id for image in self.images.values() if image.place == primary}
        for ident in sorted(storage.image_dirs.get(primary, set()) - ids):
            if is_hex_id(ident):
                spelled = storage.spelled(primary, f"{driver}-images/{ident}")
                self._sweep(spelled, "an image's directory without a record")
        for ident in self.unaccounted_layers(knows_tempdirs=knows_tempdirs):
            self.drop_unaccounted(ident, with_files=True)
        if sweeps_layer_files:
            for name in sorted(storage.layer_files):
                ident = name.removesuffix(".tar-split.gz")
                if is_hex_id(ident) and ident not in self.storage.layers:
                    self._sweep(f"{driver}-layers/{name}", "a layer's file without a record")

    def unaccounted_layers(self, *, knows_tempdirs: bool) -> list[str]:
        """Names that the driver lists as layers and no record names (1.5, 1.6 ListLayers); zfs can't list."""
        if self.storage.driver == "zfs" or not self.storage.homes:
            return []
        # Only the graphroot's home is listed; an incomplete layer is gone when a command looks.
        home = self.storage.homes[0]
        condemned = {r.id for r in self.storage.layers.values() if r.incomplete}
        found = home.directories - self.layers.keys() - condemned - self._dropped_layers()
        if not knows_tempdirs and self.storage.driver == "overlay" and self._has_tempdirs():
            found = found | {"tempdirs"}
        return sorted(found)

    def _dropped_layers(self) -> set[str]:
        """Recorded layers that are gone by now: their directories went with them."""
        return {ident for ident in self.storage.layers if ident not in self.layers}

    def _has_tempdirs(self) -> bool:
        return any(entry.name == "tempdirs" for entry in self.store.tree.list(self.storage.homes[0].base))

    def drop_unaccounted(self, ident: str, *, with_files: bool) -> None:
        """The driver removes a layer that no record names; gc takes its tar-split and data too."""
        home = self.storage.homes[0]
        path = f"{home.base}/{ident}"
        if path in self._swept:
            return
        paths = self.storage.driver_paths(ident) or (self.storage.spelled(home.place, path),)
        self._swept.add(path)
        self.record("debris", paths[0], paths, "the driver has it, no record names it", self._debris(paths[0]))
        if with_files:
            base = f"{self.storage.driver}-layers"
            for name in (f"{ident}.tar-split.gz", ident):
                if name in self.storage.layer_files:
                    self._sweep(f"{base}/{name}", "a layer's file without a record")

    def _sweep(self, path: str, why: str) -> None:
        if path in self._swept:
            return
        self._swept.add(path)
        self.record("debris", path, (path,), why, self._debris(path))

    def _debris(self, path: str) -> int | None:
        return self.store.graph.find("debris", path, self.store.number)

    # Look-up ---------------------------------------------------------------------------------------------------------

    def find_image(self, text: str) -> ImageRecord | None:
        """An image by exact id, exact name or unique id prefix, one image store after the other (3.0 Lookup)."""
        stores = groupby(self.all_images(), key=lambda image: (image.store, image.place))
        return next((found for _, images in stores if (found := _lookup(text, list(images)))), None)

    def find_container(self, text: str) -> ContainerRecord | None:
        """A container record by exact id, exact name, the id of its layer, or unique id prefix.

        Source: `storage/containers.go lookup`; storage 1.64 and 1.57 were seen to take a layer's id.
        """
        records = list(self.containers.values())
        by_layer = next((record for record in records if text and record.layer == text), None)
        if by_layer is not None and not any(text == record.id or text in record.names for record in records):
            return by_layer
        return _lookup(text, records)

    def find_layer(self, text: str) -> LayerRecord | None:
        """A layer by exact id, exact name or unique id prefix."""
        return _lookup(text, list(self.layers.values()))


def _lookup(text: str, records: Sequence[Record]) -> Record | None:
    if not text:
        return None
    for record in records:
        if record.id == text:
            return record
    for record in records:
        if text in record.names:
            return record
    found = {record.id: record for record in records if record.id.startswith(text)}
    return next(iter(found.values())) if len(found) == 1 else None
