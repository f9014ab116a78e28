"""How images build on each other: parent, child, dangling, intermediate, as libimage decides it.

Source: containers-storage 2.10 (`libimage/layer_tree.go, oci.go, image.go`).  The tree is kept up to date while a
plan removes images and layers, so that each look is one on a fresh tree.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .configs import BigData, ImageConfig
    from .records import ImageKey, ImageRecord, LayerRecord


_UNREADABLE = -1


class ListingFails(Exception):
    """A configuration can't be read, the image's own or a candidate relative's: a listing of relations fails (2.10).

    Attributes:
        image: whose configuration it is.
    """

    def __init__(self, image: ImageRecord) -> None:
        super().__init__(image.id)
        self.image = image


class ImageTree:
    """Images on the tree of layers.

    Images and layers are those of all stores in order: the primary one, then the additional ones.  Mapped layers
    don't count; a container's layer is a node without images.

    Attributes:
        lists_fail: as before podman 4.8: relations of an image without layers are looked for among manifest lists,
            too, and these have no configuration.
    """

    lists_fail = False

    def __init__(self, layers: Iterable[LayerRecord], images: Iterable[ImageRecord], data: BigData) -> None:
        """Builds the tree; an image whose top layer has no record is on no node."""
        self._data = data
        self._layer_parent: dict[str, str] = {}
        for layer in layers:
            self._layer_parent.setdefault(layer.id, layer.parent)
        self._nodes = self._layer_parent.keys() | set(self._layer_parent.values())
        self._by_top: dict[str, dict[ImageKey, ImageRecord]] = {}
        self._by_steps: dict[tuple[str, int], dict[ImageKey, ImageRecord]] = {}
        self._order: dict[ImageKey, int] = {}
        self._empty: list[ImageRecord] = []
        self._listed: Counter[str] = Counter()
        for image in images:
            if not image.layer:
                self._empty.append(image)
                self._listed.update(i.digest for i in data.instances(image) or ())
            elif image.layer in self._nodes:
                self._order[image.key] = len(self._order)
                self._by_top.setdefault(image.layer, {})[image.key] = image
                self._by_steps.setdefault((image.layer, self._steps(image)), {})[image.key] = image
        # Most layers bear no image of their own.
        self._layer_children: dict[str, dict[str, None]] = {}
        for ident, parent in self._layer_parent.items():
            if parent and ident in self._by_top:
                self._layer_children.setdefault(parent, {})[ident] = None

    def remove_image(self, image: ImageRecord) -> None:
        """Takes an image off the tree."""
        if not image.layer:
            self._empty.remove(image)
            self._listed.subtract(i.digest for i in self._data.instances(image) or ())
        elif image.layer in self._by_top:
            self._by_top[image.layer].pop(image.key, None)
            self._by_steps.get((image.layer, self._steps(image)), {}).pop(image.key, None)

    def remove_layer(self, layer: str) -> None:
        """Takes a layer off the tree."""
        parent = self._layer_parent.pop(layer, "")
        self._layer_children.get(parent, {}).pop(layer, None)

    def children(self, image: ImageRecord) -> Iterator[ImageRecord]:
        """The images built on this one by one step.

        Raises:
            ListingFails: see there.
        """
        config = self._data.config(image)
        if config is None:
            if not self._data.is_list(image):
                raise ListingFails(image)
            return
        for candidate in self._child_candidates(image, len(config.history) + 1):
            if candidate.key != image.key and self._is_child(config, candidate):
                yield candidate

    def has_children(self, image: ImageRecord) -> bool:
        """Whether any image is built on this one by one step; raises as `children`."""
        return next(self.children(image), None) is not None

    def parent(self, image: ImageRecord) -> ImageRecord | None:
        """The image that this one is built on by one step.

        Raises:
            ListingFails: see there.
        """
        config = self._data.config(image)
        if config is None:
            return None
        for candidate in self._parent_candidates(image, len(config.history) - 1):
            if candidate.key == image.key:
                continue
            other = self._data.config(candidate)
            if other is None:
                raise ListingFails(candidate)
            if is_parent_and_child(other, config):
                return candidate
        return None

    def is_dangling(self, image: ImageRecord, *, spare_listed: bool) -> bool:
        """Whether it has no name, no child, and, if `spare_listed` (podman 5.5), no manifest list names its digest.

        Raises:
            ListingFails: see there.
        """
        if image.names or self.has_children(image):
            return False
        return not (spare_listed and self.is_listed(image))

    def is_intermediate(self, image: ImageRecord) -> bool:
        """Whether it has no name and a child; raises as `children`."""
        return not image.names and self.has_children(image)

    def is_listed(self, image: ImageRecord) -> bool:
        """Whether a manifest list without layer names the record's own digest (the list's, if it was pulled by one)."""
        return self._listed[image.digest] > 0

    def nearest_below(self, image: ImageRecord) -> ImageRecord | None:
        """The first image on the nearest layer under this one's top layer: what it is built on, loosely."""
        layer = self._layer_parent.get(image.layer, "")
        for _ in range(len(self._layer_parent)):
            if not layer:
                return None
            there = self._by_top.get(layer)
            if there:
                return next((i for i in there.values() if i.names), next(iter(there.values())))
            layer = self._layer_parent.get(layer, "")
        return None

    def _steps(self, image: ImageRecord) -> int:
        config = self._data.config(image)
        return _UNREADABLE if config is None else len(config.history)

    def _on(self, layer: str, steps: int) -> Iterable[ImageRecord]:
        """The images on a layer, in order, that have so many history entries or can't be read: others never relate."""
        found = self._by_steps.get((layer, steps), {})
        unreadable = self._by_steps.get((layer, _UNREADABLE))
        if unreadable:
            return sorted([*found.values(), *unreadable.values()], key=lambda image: self._order[image.key])
        return found.values()

    def _child_candidates(self, image: ImageRecord, steps: int) -> Iterator[ImageRecord]:
        if not image.layer:
            yield from self._empty_images()
            return
        # One layer step only, then images of the same layer.
        for child in self._layer_children.get(image.layer, ()):
            yield from self._on(child, steps)
        yield from self._on(image.layer, steps)

    def _parent_candidates(self, image: ImageRecord, steps: int) -> Iterator[ImageRecord]:
        if not image.layer:
            yield from self._empty_images()
            return
        yield from self._on(image.layer, steps)
        yield from self._on(self._layer_parent.get(image.layer, ""), steps)

    def _empty_images(self) -> Iterator[ImageRecord]:
        return (image for image in self._empty if self.lists_fail or not self._data.is_list(image))

    def _is_child(self, parent: ImageConfig, candidate: ImageRecord) -> bool:
        config = self._data.config(candidate)
        if config is None:
            raise ListingFails(candidate)
        return is_parent_and_child(parent, config)


def is_parent_and_child(parent: ImageConfig, child: ImageConfig) -> bool:
    """Whether one image is the other plus one history entry (2.10, `libimage/oci.go areParentAndChild`)."""
    steps = len(parent.history)
    if len(child.history) != steps + 1 or len(parent.diff_ids) > len(child.diff_ids):
        return False
    return child.diff_ids[: len(parent.diff_ids)] == parent.diff_ids and child.history[:steps] == parent.history
