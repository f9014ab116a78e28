"""What a Docker data-root records, as values; ids are hex without `sha256:`, times nanoseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocistore.disk.tree import Entry
    from ocistore.stores.docker.c8d_records import ContainerdHalf
    from ocistore.stores.docker.layout import Driver
    from ocistore.stores.shared.buildkit.cache import Cache
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.shared.containerd.populate import Placed


@dataclass(slots=True)
class LayerRecord:
    """A loaded layer of `layerdb/sha256/<chain>` (2.4).

    Attributes:
        chain: its chain id.
        diff: digest of its uncompressed tar, with algorithm.
        parent: chain id of the layer below, empty for a base layer.
        cache_id: its directory in the graph driver.
        size: apparent bytes as counted when it was made; what a prune reports.
    """

    chain: str
    diff: str
    parent: str
    cache_id: str
    size: int


@dataclass(slots=True)
class BrokenLayer:
    """A layer directory that no daemon loads (2.4): what it says is kept as far as it can be read.

    Attributes:
        name: of its directory.
        why: what is missing.
        parent, cache_id: empty where they can't be read.
    """

    name: str
    why: str
    parent: str = ""
    cache_id: str = ""


@dataclass(slots=True)
class MountRecord:
    """A read-write layer, `layerdb/mounts/<name>` (2.4).

    Attributes:
        name: id of a container, or 25 characters of BuildKit's, or `ID-IMAGE` of an image that a container mounts.
        mount_id, init_id: directories in the graph driver, empty for none.
        parent: chain id of the layer that it stands on, empty for none.
        loaded: whether a daemon loads it, so that it counts as a use of its parent.
    """

    name: str
    mount_id: str = ""
    init_id: str = ""
    parent: str = ""
    loaded: bool = True

    @property
    def top(self) -> str:
        """Its entry of `layerdb/mounts`: the name of an image that was typed with slashes makes directories there."""
        return self.name.partition("/")[0]

    @property
    def is_nested(self) -> bool:
        """Whether it lies below an entry of `layerdb/mounts`, where no daemon finds it after a start."""
        return "/" in self.name


@dataclass(slots=True)
class ImageRecord:
    """A loaded image of `imagedb` (2.3).

    Attributes:
        chain: chain id of its top layer, empty without layers.
        diff_ids: digests of its layers, base first.
        parent: id of the image that it was made from here, empty for none.
        created_ns: None where the configuration doesn't say.
        labels: None where the configuration has no `config`.
        has_metadata: whether `imagedb/metadata/sha256/<id>` is there.
    """

    id: str
    chain: str
    diff_ids: tuple[str, ...]
    parent: str
    created_ns: int | None
    labels: Mapping[str, str] | None
    has_metadata: bool


@dataclass(slots=True)
class MountPoint:
    """A mount of a container (2.6).

    Attributes:
        type: `volume`, `bind`, `tmpfs`, `image`, ...
        name, driver: of a volume.
        anonymous: whether `docker rm -v` takes the volume along.
        image: of an image mount: id of the image.
        id: of an image mount: name of the `layerdb/mounts` entry.
    """

    type: str
    name: str = ""
    driver: str = ""
    anonymous: bool = False
    image: str = ""
    id: str = ""


@dataclass(slots=True)
class ContainerRecord:
    """A container of `containers/<id>` (2.6).

    Attributes:
        name: without the leading `/`.
        driver: of the image store that it was made with, empty in very old records.
        image: hex of the image id (with the containerd store: of the target's digest).
        image_text: what the user typed.
        running: running, paused or restarting by its record.
        state: `created`, `running`, `exited`, `paused`, `restarting`, `dead`.
        auto_remove: made with `--rm`.
        loaded: whether the daemon in use loads it (it is of the active image store).
    """

    id: str
    name: str
    driver: str
    image: str
    image_text: str
    labels: Mapping[str, str]
    created_ns: int | None
    running: bool
    state: str
    mounts: tuple[MountPoint, ...] = ()
    auto_remove: bool = False
    loaded: bool = True


@dataclass(slots=True)
class VolumeRecord:
    """A volume of the `local` driver (2.7).

    Attributes:
        labels: empty where metadata.db has no entry.
        options: as metadata.db has them.
        recorded: whether metadata.db has an entry.
        has_data: whether there is a `_data`, or options.
        leads_out: `_data` is a link that leads out of volumes/.
        data: path that `_data` leads to inside volumes/, empty where it is a directory.
        device: what is mounted on it when it is used, empty for a plain directory.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = False
    leads_out: bool = False
    data: str = ""
    device: str = ""

    @property
    def anonymous(self) -> bool:
        """Whether it bears the label that the daemon gives to volumes without a name (23.0 and later)."""
        return ANONYMOUS in self.labels


ANONYMOUS = "com.docker.volume.anonymous"


@dataclass(slots=True)
class SnapshotRecord:
    """A bucket of BuildKit's `snapshots.db` (2.8).

    Attributes:
        key: name of the bucket.
        parent: key of the snapshot below, empty for none.
        is_committed: the data belongs to the snapshot that names it in `committed`.
        committed: key of the snapshot whose directory has the data, empty for its own.
        chain: hex of the chain id of the layer that it is, empty for none.
        size: apparent bytes, None where it wasn't counted.
    """

    key: str
    parent: str = ""
    is_committed: bool = False
    committed: str = ""
    chain: str = ""
    size: int | None = None

    @property
    def directory(self) -> str:
        """Its directory in the graph driver."""
        return self.committed or self.key


@dataclass(slots=True)
class GraphHalf:
    """The image store of one graph driver: images, layers, mounts, and the driver's directories.

    Attributes:
        driver: which.
        base: `image/<driver>`.
        active: whether it is the image store in use.
        images, layers, mounts: what a daemon loads, by id, chain and name; mounts that it doesn't load too.
        empty_mounts: entries of `layerdb/mounts` with directories alone in them.
        broken_images: name of a file in imagedb/content -> why no daemon loads it.
        foreign_images: those of them that are whole, and for another system: id -> chain of the top layer.
        broken_layers: name of a directory in layerdb -> what can be read of a layer that no daemon loads.
        names: familiar reference -> image id, as repositories.json has them; None where it can't be read.
        removing: layers whose removal was begun: name of the directory -> cache id (empty if unknown).
        write_sets: layers whose registration was begun: likewise.
        directories: ids in the graph driver, each with the inode number of its directory.
        others: what else lies beside these directories.
        links: id -> its short link, where its `link` file and the link agree; removal takes it along.
        lost_links: short links of no id: name -> id that they lead to (empty: to nothing).
        snapshots: BuildKit's, by key; None where snapshots.db can't be read.
        children: parent image -> images.
        doubt: why layers that nothing is seen to hold may be held all the same, empty if none are.
        nodes: (kind, id) of images, layers and names -> number in the graph.
        snapshot_nodes: key -> number, of snapshots that are no layers.
        mount_owners: name of a mount -> number of the container that it belongs to.
        leased: chains that build records hold by leases.
    """

    driver: Driver
    base: str
    active: bool = True
    images: dict[str, ImageRecord] = field(default_factory=dict)
    broken_images: dict[str, str] = field(default_factory=dict)
    foreign_images: dict[str, str] = field(default_factory=dict)
    layers: dict[str, LayerRecord] = field(default_factory=dict)
    broken_layers: dict[str, BrokenLayer] = field(default_factory=dict)
    mounts: dict[str, MountRecord] = field(default_factory=dict)
    empty_mounts: list[str] = field(default_factory=list)
    names: dict[str, str] | None = field(default_factory=dict)
    removing: dict[str, str] = field(default_factory=dict)
    write_sets: dict[str, str] = field(default_factory=dict)
    directories: dict[str, int] = field(default_factory=dict)
    others: list[Entry] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    lost_links: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, SnapshotRecord] | None = field(default_factory=dict)
    children: dict[str, set[str]] = field(default_factory=dict)
    doubt: str = ""
    nodes: dict[tuple[str, str], int] = field(default_factory=dict)
    snapshot_nodes: dict[str, int] = field(default_factory=dict)
    mount_owners: dict[str, int] = field(default_factory=dict)
    leased: set[str] = field(default_factory=set)

    def node_of(self, kind: str, ident: str) -> int | None:
        """Number of the node of an image, a layer or a name (`ref`)."""
        return self.nodes.get((kind, ident))

    def layer_of(self, key: str) -> str:
        """Chain id of the layer that a snapshot is, empty if it is none (7.1); the layer need not be there."""
        if key.startswith("sha256:"):
            return key.removeprefix("sha256:")
        found = (self.snapshots or {}).get(key)
        return found.chain if found else ""

    def directory_of(self, key: str) -> str:
        """The graph driver's directory of a snapshot (7.1)."""
        found = (self.snapshots or {}).get(key)
        return found.directory if found else key


@dataclass(slots=True)
class DockerRecords:
    """`Store.detail` of a Docker data-root.

    Attributes:
        graph: the graph driver's image store that is shown and planned; None where there is none.
        inactive: those of other graph drivers.
        active: driver or snapshotter of the image store that is taken to be in use, empty where there is none.
        undecided: why that is not certain, empty where it is.
        containers: by id, of all image stores.
        broken_containers: name of a directory -> why its record can't be read.
        container_doubt: why further containers may be there, empty if all are known.
        volumes: by name.
        volume_doubt: why labels and options of volumes are unknown, empty where they are known.
        snapshots: BuildKit's, by key, None where snapshots.db can't be read.
        snapshot_doubt: why some may be missing, empty if none is.
        meta: leases and content of the builds of the graph driver's image store.
        placed: the nodes of `meta`.
        cache: build records of the graph driver's image store.
        containerd: what lies in a containerd; None where there is nothing of the kind.
        start: nodes that a start of the daemon removes.
    """

    graph: GraphHalf | None = None
    inactive: list[GraphHalf] = field(default_factory=list)
    active: str = ""
    undecided: str = ""
    containers: dict[str, ContainerRecord] = field(default_factory=dict)
    broken_containers: dict[str, str] = field(default_factory=dict)
    container_doubt: str = ""
    volumes: dict[str, VolumeRecord] = field(default_factory=dict)
    volume_doubt: str = ""
    snapshots: dict[str, SnapshotRecord] | None = field(default_factory=dict)
    snapshot_doubt: str = ""
    meta: MetadataStore | None = None
    placed: Placed | None = None
    cache: Cache | None = None
    containerd: ContainerdHalf | None = None
    start: set[int] = field(default_factory=set)

    def halves(self) -> list[GraphHalf]:
        """The image stores of graph drivers, the shown one first."""
        return [*([self.graph] if self.graph is not None else []), *self.inactive]

    @property
    def active_cache(self) -> Cache | None:
        """The build records of the image store in use."""
        if self.graph is not None and self.graph.active:
            return self.cache
        return self.containerd.cache if self.containerd is not None else None

    def active_images(self) -> list[int]:
        """The nodes of the images of the image store in use."""
        if self.graph is not None and self.graph.active:
            return [self.graph.nodes["image", ident] for ident in self.graph.images]
        placed = self.containerd.placed if self.containerd is not None else None
        return list(placed.images.values()) if placed is not None else []
