"""Storage: the records of a containers/storage directory, and which paths each thing has."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.errors import OcistoreError

from .layout import is_safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.stores.store import Place

    from .configs import BigData
    from .libpod import Libpod
    from .makers import Maker
    from .records import ContainerRecord, ImageRecord, LayerRecord, MountCount

GRAPHROOT = 0
"""Index of the graphroot among a store's places."""


@dataclass(slots=True)
class Home:
    """A driver's directory in one place.

    Attributes:
        place: index of the place.
        base: directory that holds the layers' directories: `overlay`, `vfs/dir`.
        directories: names of the directories that the driver lists as layers (1.5, 1.6 ListLayers).
        links: overlay only: name in `l/` -> id of the layer that it leads to, empty if it leads elsewhere.
    """

    place: int
    base: str
    directories: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Storage:
    """What was read of a store; `Store.detail` of this kind.

    Attributes:
        driver: `overlay`, `vfs`, ...
        places: the store's places: graphroot, then runroot and image store where they were given.
        runroot, imagestore: their indexes among `places`, None if there is none.
        layers: of the writable stores by id, the first record of an id wins; incomplete ones included.
        images: of the writable image stores, in the order of look-up.
        containers: by id, likewise.
        readonly_layers, readonly_images: of additional stores.
        databases: podman's, SQLite first.
        broken_databases: paths of those that can't be read; what they would name is unknown.
        mounts: layer id -> its entry in the runroot's mountpoints.json.
        homes: the driver's directories, graphroot first.
        image_dirs: place -> names of directories in its `D-images`.
        container_dirs: place -> names of directories in its `D-containers`.
        layer_files: names in the graphroot's `D-layers`.
        volume_path: where volumes lie, relative to the graphroot; None if outside.
        volume_dirs: names of directories there.
        makers: container id -> who made it.
        data: reads images' big data.
        link_names: layer id -> what `read_link_name` found, so that each file is read once.
        start: numbers of nodes that an engine of this store removes by merely starting (Part 3).
    """

    driver: str
    places: list[Place]
    data: BigData
    runroot: int | None = None
    imagestore: int | None = None
    layers: dict[str, LayerRecord] = field(default_factory=dict)
    images: list[ImageRecord] = field(default_factory=list)
    containers: dict[str, ContainerRecord] = field(default_factory=dict)
    readonly_layers: dict[str, LayerRecord] = field(default_factory=dict)
    readonly_images: list[ImageRecord] = field(default_factory=list)
    databases: list[Libpod] = field(default_factory=list)
    broken_databases: list[str] = field(default_factory=list)
    mounts: dict[str, MountCount] = field(default_factory=dict)
    homes: list[Home] = field(default_factory=list)
    image_dirs: dict[int, set[str]] = field(default_factory=dict)
    container_dirs: dict[int, set[str]] = field(default_factory=dict)
    layer_files: set[str] = field(default_factory=set)
    volume_path: str | None = "volumes"
    volume_dirs: set[str] = field(default_factory=set)
    makers: dict[str, Maker] = field(default_factory=dict)
    start: set[int] = field(default_factory=set)
    link_names: dict[str, str] = field(default_factory=dict)

    # Records --------------------------------------------------------------------------------------------------------

    def layer(self, ident: str) -> LayerRecord | None:
        """A layer's record, of whichever store; the writable ones first."""
        return self.layers.get(ident) or self.readonly_layers.get(ident)

    def all_layers(self) -> Iterable[LayerRecord]:
        """Layer records of all stores in order of look-up."""
        yield from self.layers.values()
        yield from self.readonly_layers.values()

    def all_images(self) -> list[ImageRecord]:
        """Image records of all stores in order of look-up."""
        return [*self.images, *self.readonly_images]

    def ancestors(self, ident: str) -> Iterable[str]:
        """A layer and those below it by record, each once (cycles end)."""
        seen: set[str] = set()
        while ident and ident not in seen:
            seen.add(ident)
            yield ident
            record = self.layer(ident)
            ident = record.parent if record else ""

    @property
    def network_files(self) -> list[str]:
        """Configurations of networks in the graphroot, as rootless podman keeps them there (2.9)."""
        try:
            entries = self.places[GRAPHROOT].tree.list("networks")
        except OcistoreError:
            return []
        return [entry.name for entry in entries if entry.name.endswith(".json")]

    # Paths ----------------------------------------------------------------------------------------------------------

    def spelled(self, place: int, path: str) -> str:
        """A path as answers spell it."""
        return self.places[place].prefix + path

    def layer_directory(self, ident: str) -> tuple[int, str] | None:
        """Place and path of a layer's directory, None if it has none."""
        for home in self.homes:
            if ident in home.directories:
                return home.place, f"{home.base}/{ident}"
        return None

    def layer_paths(self, ident: str) -> tuple[str, ...]:
        """What goes when the driver and the layer store remove a layer (3.9).

        The link is looked for in the graphroot's `l/` by the name in the layer's `link` file: a layer without
        directory, and one of a split image store, leaves its link behind (1.5).
        """
        if not is_safe_name(ident):
            return ()
        found = list(self.driver_paths(ident))
        split, data = f"{ident}.tar-split.gz", ident
        base = f"{self.driver}-layers"
        found.extend(self.spelled(GRAPHROOT, f"{base}/{name}") for name in (split, data) if name in self.layer_files)
        return tuple(found)

    def driver_paths(self, ident: str) -> tuple[str, ...]:
        """What goes when only the driver removes a layer: its directory and its link."""
        where = self.layer_directory(ident)
        if where is None:
            return ()
        place, path = where
        found = [self.spelled(place, path)]
        link = self.read_link_name(ident)
        if link and self.homes and link in self.homes[0].links:
            found.append(self.spelled(GRAPHROOT, f"{self.homes[0].base}/l/{link}"))
        return tuple(found)

    def read_link_name(self, ident: str) -> str:
        """The name in an overlay layer's `link` file, empty if there is none that could be one."""
        name = self.link_names.get(ident)
        if name is None:
            name = self.link_names[ident] = self._read_link_name(ident)
        return name

    def _read_link_name(self, ident: str) -> str:
        where = self.layer_directory(ident)
        if self.driver != "overlay" or where is None:
            return ""
        try:
            data = self.places[where[0]].tree.read(f"{where[1]}/link", 255)
        except OcistoreError:
            return ""
        name = data.decode("utf-8", "replace")
        return name if is_safe_name(name) else ""

    def image_paths(self, image: ImageRecord) -> tuple[str, ...]:
        """The directory of an image's big data, if it is there."""
        if image.id in self.image_dirs.get(image.place, ()):
            return (self.spelled(image.place, f"{self.driver}-images/{image.id}"),)
        return ()

    def container_paths(self, ident: str) -> tuple[str, ...]:
        """A container's directories in graphroot and runroot, those that are there."""
        base = f"{self.driver}-containers"
        return tuple(
            self.spelled(place, f"{base}/{ident}") for place, names in self.container_dirs.items() if ident in names
        )

    def userdata_paths(self, ident: str) -> tuple[str, ...]:
        """A container's directory in the graphroot, and only `userdata` of that in the runroot (3.0 Delete)."""
        graphroot = self.spelled(GRAPHROOT, f"{self.driver}-containers/{ident}")
        found = [path for path in self.container_paths(ident) if path == graphroot]
        if self.runroot is not None and ident in self.container_dirs.get(self.runroot, ()):
            inside = f"{self.driver}-containers/{ident}/userdata"
            with contextlib.suppress(OcistoreError):
                self.places[self.runroot].tree.stat(inside)
                found.append(self.spelled(self.runroot, inside))
        return tuple(found)

    def volume_paths(self, name: str) -> tuple[str, ...]:
        """A volume's directory, if it is there."""
        if self.volume_path is not None and name in self.volume_dirs:
            return (f"{self.volume_path}/{name}",)
        return ()

    def is_mounted(self, layer: str) -> bool:
        """Whether the runroot counts mounts of a layer (1.10): a count, not a proof."""
        mount = self.mounts.get(layer)
        return mount is not None and mount.count > 0

    def has_buildah_file(self, container: str) -> bool:
        """Whether a container has `userdata/buildah.json`, of whatever type (3.7)."""
        return self.read_buildah_file(container) is not None

    def read_buildah_file(self, container: str) -> bytes | None:
        """Bytes of a container's `userdata/buildah.json`, None if there is none or it can't be read."""
        if container not in self.container_dirs.get(GRAPHROOT, ()):
            return None
        try:
            return self.places[GRAPHROOT].tree.read(f"{self.driver}-containers/{container}/userdata/buildah.json")
        except OcistoreError:
            return None
