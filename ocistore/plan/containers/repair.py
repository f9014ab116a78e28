"""check --repair: what is damaged, and what repair takes (containers-storage 3.0 "check" and "repair")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, OcistoreError
from ocistore.formats.gotime import ZERO_TIME_NS, parse_duration
from ocistore.stores.containers_storage.homes import read_lowers
from ocistore.stores.containers_storage.layout import big_data_file, is_safe_name

from .state import RuleFails

if TYPE_CHECKING:
    from ocistore.stores.containers_storage.records import ContainerRecord, ImageRecord

    from .rows import Rows
    from .state import State
    from .versions import Rules

_DEFAULT_AGE = "24h"
_VOLATILE = "work/work/incompat/volatile"


def repair(
    state: State,
    rules: Rules,
    *,
    quick: bool,
    quick_digests: bool,
    force: bool,
    max_age: str | None,
    rows: Rows | None,
) -> None:
    """Removes what check finds damaged, as far as the store lets it go.

    Args:
        state: is changed.
        rules: versions.
        quick: -q: no contents, and no digests unless `quick_digests`.
        quick_digests: whether digests are still looked at with -q (podman before 5.8, containers-storage).
        force: damaged containers go too.
        max_age: -m: age from which a layer that nothing needs counts as unreferenced.
        rows: podman's database, whose rows of removed containers go afterwards; None for containers-storage.
    """
    checker = Checker(state, rules, _age(max_age))
    checker.check(digests=not quick or quick_digests, contents=not quick)
    clear_volatile_marks(state)
    _repair_containers(state, checker, force=force, rows=rows)
    for image in [i for i in state.images.values() if i.id in checker.images]:
        if not state.is_there(image):
            continue
        try:
            state.delete_image(image, f"check: {checker.images[image.id]}")
        except RuleFails as err:
            state.note("native-command-fails", f"repair leaves image {image.id[:12]}: {err.sentence}")
    _repair_layers(state, checker)


def _age(text: str | None) -> int:
    try:
        return parse_duration(text or _DEFAULT_AGE)
    except CorruptFile as err:
        raise RuleFails(f"--max: {err.sentence}") from None


def _repair_containers(state: State, checker: Checker, *, force: bool, rows: Rows | None) -> None:
    if not force:
        return
    for ident in [c for c in state.containers if c in checker.containers]:
        state.delete_container(ident, f"check: {checker.containers[ident]}")
        if rows is not None and ident in rows.containers:
            rows.forget(rows.containers[ident])


def _repair_layers(state: State, checker: Checker) -> None:
    """Known layers before unaccounted ones, deeper chains first; what has children or users stays."""
    depths = _depths(state)
    for ident in sorted(checker.layers, key=lambda i: (-depths[i], i)):
        if ident not in state.layers:
            continue
        try:
            state.delete_layer(ident, f"check: {checker.layers[ident]}")
        except RuleFails as err:
            state.note("native-command-fails", f"repair leaves layer {ident[:12]}: {err.sentence}")
    for ident in checker.unaccounted:
        # The driver removes it; its tar-split stays.
        state.drop_unaccounted(ident, with_files=False)


def _depths(state: State) -> dict[str, int]:
    """How many layers each layer's chain has."""
    depths: dict[str, int] = {}
    for ident in state.storage.layers:
        chain: list[str] = []
        below = 0
        for layer in state.storage.ancestors(ident):
            if layer in depths:
                below = depths[layer]
                break
            chain.append(layer)
        depths.update((layer, below + above) for above, layer in enumerate(reversed(chain), 1))
    return depths


def clear_volatile_marks(state: State) -> None:
    """Mounting a container's layer removes the mark of a volatile mount that was not undone (3.0)."""
    if state.storage.driver != "overlay":
        return
    for container in state.containers.values():
        where = state.storage.layer_directory(container.layer)
        if where is None:
            continue
        path = f"{where[1]}/{_VOLATILE}"
        try:
            state.storage.places[where[0]].tree.stat(path)
        except OcistoreError:
            continue
        spelled = state.storage.spelled(where[0], path)
        state.record("debris", spelled, (spelled,), "check mounts the layer, which clears the mark of a volatile mount")


class Checker:
    """Finds what check reports, by id with the reason.

    Attributes:
        layers: damaged or unreferenced layers that have records.
        unaccounted: names that the driver has and no record names.
        images, containers: damaged ones; damage of a layer or an image is inherited.
    """

    def __init__(self, state: State, rules: Rules, max_age_ns: int) -> None:
        self._state, self._rules, self._max_age_ns = state, rules, max_age_ns
        self.layers: dict[str, str] = {}
        self.unaccounted: list[str] = []
        self.images: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self._broken: dict[str, str] = {}
        self._known = {image.id for image in state.all_images()}

    def check(self, *, digests: bool, contents: bool) -> None:
        """Runs the checks in their order (a) to (g)."""
        state = self._state
        for ident in state.layers:
            reason = self._layer_data(ident) or self._mountable(ident) or self._parent(ident)
            if reason:
                self._broken[ident] = reason
        if digests or contents:
            self._verify(digests=digests, contents=contents)
        self.layers.update(self._broken)
        for image in state.images.values():
            reason = self._image(image)
            if reason:
                self.images[image.id] = reason
        for container in state.containers.values():
            reason = self._container(container)
            if reason:
                self.containers[container.id] = reason
        self._unreferenced()
        self.unaccounted = state.unaccounted_layers(knows_tempdirs=self._rules.storage_from(1, 59))

    def _verify(self, *, digests: bool, contents: bool) -> None:
        # Imported here: only a full check reads the layers' contents.
        from .contents import ATTRIBUTES, verify_layers

        found = verify_layers(self._state, digests=digests, contents=contents)
        for ident, reason in found.items():
            if reason.startswith(ATTRIBUTES) and ident not in self._broken:
                self._state.note(
                    "native-takes-healthy",
                    f"check takes layer {ident[:12]} for damaged ({reason.removeprefix(ATTRIBUTES)}), as it does with "
                    "every layer that was pulled by chunks; its images would go though their bytes may be right",
                    f"layer:{ident}",
                )
        self._broken.update((ident, reason) for ident, reason in found.items() if ident not in self._broken)

    def _layer_data(self, ident: str) -> str:
        storage = self._state.storage
        for key in self._state.layers[ident].big_data_names:
            name = big_data_file(key)
            path = f"{storage.driver}-layers/{ident}/{name}"
            if not is_safe_name(name) or self._size(0, path) is None:
                return f"data item {key} is missing"
        return ""

    def _mountable(self, ident: str) -> str:
        """Every directory that the layer is mounted on must be there, in the stores that are given."""
        storage = self._state.storage
        if storage.layer_directory(ident) is None:
            return "its directory is missing"
        for lower in read_lowers(storage, ident):
            if storage.layer_directory(lower) is None and lower not in storage.readonly_layers:
                return f"layer {lower[:12]} below it is missing"
        return ""

    def _parent(self, ident: str) -> str:
        parent = self._state.layers[ident].parent
        if parent and self._state.storage.layer(parent) is None:
            return f"its parent {parent[:12]} has no record"
        return ""

    def _image(self, image: ImageRecord) -> str:
        storage = self._state.storage
        base = f"{storage.driver}-images/{image.id}"
        reason = self._data_items(image, image.place, base)
        if reason:
            return reason
        for top in (image.layer, *image.mapped_layers):
            for ident in storage.ancestors(top):
                if storage.layer(ident) is None:
                    return f"layer {ident[:12]} is missing"
                if ident in self._broken:
                    return f"layer {ident[:12]}: {self._broken[ident]}"
        return ""

    def _data_items(self, record: ImageRecord | ContainerRecord, place: int, base: str) -> str:
        """Each listed item must be there, in the size that is recorded."""
        for key in record.big_data_names:
            name = big_data_file(key)
            size = self._size(place, f"{base}/{name}") if is_safe_name(name) else None
            if size is None:
                return f"data item {key} is missing"
            if size != record.big_data_sizes.get(key, size):
                return f"data item {key} has another size than recorded"
        return ""

    def _container(self, container: ContainerRecord) -> str:
        storage = self._state.storage
        base = f"{storage.driver}-containers/{container.id}"
        reason = self._data_items(container, 0, base)
        if reason:
            return reason
        if container.image and container.image not in self._known:
            return "its image is missing"
        if container.image in self.images:
            return f"image {container.image[:12]}: {self.images[container.image]}"
        return ""

    def _unreferenced(self) -> None:
        """Layers that no image's chain reaches and that are no container's own, if they are old enough."""
        state = self._state
        reached: set[str] = set()
        for image in state.all_images():
            for top in (image.layer, *image.mapped_layers):
                for ident in state.storage.ancestors(top):
                    if ident in reached:
                        break
                    reached.add(ident)
        reached.update(container.layer for container in state.containers.values())
        limit = state.now_ns - self._max_age_ns
        for ident, record in state.layers.items():
            old = record.created_ns == ZERO_TIME_NS or record.created_ns < limit
            if ident not in reached and old:
                self.layers.setdefault(ident, "nothing references it")

    def _size(self, place: int, path: str) -> int | None:
        try:
            return self._state.storage.places[place].tree.stat(path).st_size
        except OcistoreError:
            return None
