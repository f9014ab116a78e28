"""Fills the graph from a graph driver's image store, the containers and the volumes: nodes, and who holds whom.

Roots: names, containers, volumes, and images without a name that no image was made from (only a prune rule may take
them).  A layer stays by what stands on it, and by the leases of build records (docker-buildkit-containerd 2.8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.store import DIFF_IDS

from .layout import CONTAINERS, NAMESPACE, SNAPSHOTTER, VOLUMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.graph.graph import Node
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.store import Store

    from .records import ContainerRecord, DockerRecords, GraphHalf, ImageRecord, LayerRecord, MountRecord

OWN = "."
"""Id of the node that owns the engine's own files."""
_INACTIVE = "belongs to an image store that is not in use"


def populate_half(store: Store, half: GraphHalf) -> None:
    """Adds layers, images and names of an image store."""
    _Half(store, half).fill()


class _Half:
    def __init__(self, store: Store, half: GraphHalf) -> None:
        self.store, self.half, self.graph = store, half, store.graph

    def fill(self) -> None:
        self.layers()
        self.images()
        self.names()

    def add(self, kind: str, ident: str) -> int:
        if kind in ("image", "layer") and (number := self.half.node_of(kind, ident)) is not None:
            return number
        taken = not self.half.active and self.graph.find(kind, ident, self.store.number) is not None
        number = self.graph.add(kind, f"{self.half.driver.name}/{ident}" if taken else ident, self.store.number)
        self.half.nodes[kind, ident] = number
        return number

    def layers(self) -> None:
        half = self.half
        for layer in half.layers.values():
            number = self.add("layer", layer.chain)
            self.graph.nodes[number].unsized = half.driver.bytes != "files"
            if not half.active:
                self.graph.root(number, _INACTIVE)
        for layer in half.layers.values():
            if layer.parent:
                number, below = self.add("layer", layer.chain), self.add("layer", layer.parent)
                self.graph.hold(number, below, "is the parent of")
                self.graph.nodes[number].parents = (below,)
        self.mark_duplicates()

    def mark_duplicates(self) -> None:
        """Layers of one content on different parents are copies of their own."""
        same: dict[str, list[LayerRecord]] = {}
        diff_ids: dict[int, str] = self.store.cache.setdefault(DIFF_IDS, {})
        for layer in self.half.layers.values():
            same.setdefault(layer.diff, []).append(layer)
            diff_ids[self.add("layer", layer.chain)] = layer.diff
        for layers in same.values():
            for layer in layers if len(layers) > 1 else ():
                self.graph.nodes[self.add("layer", layer.chain)].traits = ("duplicate",)

    def images(self) -> None:
        half = self.half
        tags: dict[str, list[str]] = {}
        named: set[str] = set()
        for name, ident in sorted((half.names or {}).items()):
            named.add(ident)
            if "@" not in name:
                tags.setdefault(ident, []).append(name)
        for image in half.images.values():
            node = self.graph.nodes[self.image(image)]
            node.names = tags.get(image.id, [])
            node.state = self.state_of(image, image.id in named)

    def image(self, image: ImageRecord) -> int:
        half, graph = self.half, self.graph
        number = self.add("image", image.id)
        node = graph.nodes[number]
        node.created_ns = image.created_ns
        node.labels = image.labels
        if image.chain:
            graph.hold(number, self.add("layer", image.chain), "is the top layer of")
        if image.parent:
            below = self.add("image", image.parent)
            graph.hold(number, below, "is the parent of")
            node.parents = (below,)
        if not half.active:
            graph.root(number, _INACTIVE)
        return number

    def state_of(self, image: ImageRecord, named: bool) -> str:
        """What kind of image it is; without readable names none is taken for nameless (6.3)."""
        number = self.add("image", image.id)
        if self.half.names is None:
            self.graph.nodes[number].doubt = self.half.doubt
            return "unknown"
        if named:
            return "named"
        if image.id in self.half.children:
            return "intermediate"
        self.graph.root(number, "is an image record")
        return "dangling"

    def names(self) -> None:
        for name, ident in (self.half.names or {}).items():
            number = self.add("ref", name)
            self.graph.root(number, "is a name")
            if ident in self.half.images:
                self.graph.hold(number, self.add("image", ident), "is named by")
            else:
                node = self.graph.nodes[number]
                node.state, node.note = "broken", f"names image {ident}, which isn't there"


def populate_snapshots(store: Store, records: DockerRecords, half: GraphHalf) -> None:
    """Adds BuildKit's snapshots that are no layers, and what leases hold (2.8, 7.1)."""
    graph = store.graph
    for key in _data_keys(half):
        number = graph.add("snapshot", f"{NAMESPACE}/{SNAPSHOTTER}/{key}", store.number)
        half.snapshot_nodes[key] = number
        graph.nodes[number].unsized = half.driver.bytes != "files"
        graph.nodes[number].note = "a directory of BuildKit's that is no image's layer"
    for key, number in half.snapshot_nodes.items():
        below = node_of_snapshot(half, _parent_of(half, key))
        if below is not None:
            graph.hold(number, below, "is the parent of")
            graph.nodes[number].parents = (below,)
    for lease, key in leased(records.meta):
        holder = records.placed.lease(NAMESPACE, lease) if records.placed else None
        chain = half.layer_of(key)
        held = _node_of(half, key, chain)
        if chain in half.layers:
            half.leased.add(chain)
        if holder is not None and held is not None:
            graph.hold(holder, held, "is leased by")


def _data_keys(half: GraphHalf) -> list[str]:
    """Keys that own a directory of the graph driver which no layer owns; a committed key's is its committer's."""
    snapshots = half.snapshots or {}
    committers = {snapshot.committed for snapshot in snapshots.values()}
    of_layers = {layer.cache_id for layer in half.layers.values()}
    return [
        snapshot.key
        for snapshot in snapshots.values()
        if snapshot.chain not in half.layers
        and (directory := snapshot.directory) in half.directories
        and directory not in of_layers
        and not (snapshot.is_committed and snapshot.key in committers)
    ]


def _parent_of(half: GraphHalf, key: str) -> str:
    """Key of the snapshot below one; the bucket that made the directory knows it (2.8)."""
    snapshots = half.snapshots or {}
    made = snapshots.get(half.directory_of(key)) or snapshots.get(key)
    return made.parent if made else ""


def node_of_snapshot(half: GraphHalf, key: str) -> int | None:
    """The layer or snapshot that a key means; None for a view, and for what isn't there."""
    return _node_of(half, key, half.layer_of(key))


def _node_of(half: GraphHalf, key: str, chain: str) -> int | None:
    layer = half.nodes.get(("layer", chain)) if chain else None
    return half.snapshot_nodes.get(key) if layer is None else layer


def leased(meta: MetadataStore | None) -> Iterator[tuple[str, str]]:
    """(lease, snapshot) of every lease of build records (2.8)."""
    metadata = meta.metadata if meta else None
    namespace = metadata.namespaces.get(NAMESPACE) if metadata else None
    for lease in namespace.leases.values() if namespace else ():
        for snapshotter, key in lease.snapshots:
            if snapshotter == SNAPSHOTTER:
                yield lease.id, key


def populate_containers(store: Store, records: DockerRecords) -> None:
    """Adds containers and what they hold: images, layers below their own file systems, volumes (2.6)."""
    halves = records.halves()
    graph = store.graph
    for container in records.containers.values():
        number = graph.add("container", container.id, store.number)
        node = graph.nodes[number]
        _describe(node, container)
        graph.root(number, "is a container")
        home = next((half for half in halves if half.driver.name == container.driver), None)
        home = home or next((half for half in halves if container.id in half.mounts), None)
        if home is not None:
            _stand(store, home, container, number)
        for mount in container.mounts:
            volume = graph.find("volume", mount.name, store.number) if mount.type == "volume" else None
            if volume is not None and mount.driver in ("", "local"):
                graph.hold(number, volume, "is mounted by")


def _describe(node: Node, container: ContainerRecord) -> None:
    node.names, node.state, node.labels = [container.name] if container.name else [], container.state, container.labels
    node.created_ns = container.created_ns
    if not container.loaded:
        node.traits = ("not-loaded",)
        node.note = f"made with {container.driver}, so that a daemon with another image store doesn't see it"


def _stand(store: Store, half: GraphHalf, container: ContainerRecord, number: int) -> None:
    graph = store.graph
    image = half.node_of("image", container.image)
    if image is not None:
        graph.hold(number, image, "is the image of")
    mounted = {mount.id for mount in container.mounts if mount.id}
    for mount in container.mounts:
        image = half.node_of("image", mount.image) if mount.image else None
        if image is not None:
            graph.hold(number, image, "is mounted by")
    for name in (container.id, *sorted(mounted)):
        mount_record = half.mounts.get(name)
        if mount_record is not None:
            half.mount_owners[name] = number
            hold_layer(store, half, mount_record, number)
    if container.id not in half.mounts and container.driver == half.driver.name:
        text = "its read-write layer has no record, so the daemon can't start it"
        store.findings.say(
            "container-layer-missing",
            text,
            path=f"{CONTAINERS}/{container.id}",
            node=f"container:{container.id}",
            root=store.root,
        )


def hold_layer(store: Store, half: GraphHalf, mount: MountRecord, holder: int) -> None:
    """A read-write layer holds the layer that it stands on, loaded or not."""
    layer = half.node_of("layer", mount.parent) if mount.parent else None
    if layer is not None:
        store.graph.hold(holder, layer, "is below the file system of")


def populate_volumes(store: Store, records: DockerRecords) -> None:
    """Adds volumes; each stays by itself, only a volume command takes one (2.7)."""
    for volume in records.volumes.values():
        number = store.graph.add("volume", volume.name, store.number)
        node = store.graph.nodes[number]
        node.labels = volume.labels
        node.state = "anonymous" if volume.anonymous else ""
        if volume.options:
            node.traits = ("options",)
        if volume.device:
            node.note = f"{volume.device} is mounted on it when it is used; that content is not seen"
        if volume.leads_out:
            node.note = "its data directory is a link that leads out of volumes/; what it leads to is not counted"
            text = "a link that leads out of volumes/; the daemon refuses to remove the volume"
            path = f"{VOLUMES}/{volume.name}/_data"
            store.findings.say("volume-elsewhere", text, path=path, node=f"volume:{volume.name}", root=store.root)
        store.graph.root(number, "is a volume")
