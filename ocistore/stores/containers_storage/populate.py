"""Fills the graph: layers, images, containers, pods, volumes, and who holds whom.

Roots of this kind of store: each image record (named or not: only a prune rule may take it), each container record or
row, each pod, each volume with a row.  A layer stays only by what stands on it.

Source: containers-storage 2.3 ("relations to honour"), 1.11, 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.formats.gotime import told_time
from ocistore.stores.store import DIFF_IDS

from .homes import read_lowers
from .layout import COUNTED_DRIVERS
from .libpod import State
from .makers import Maker, find_maker

if TYPE_CHECKING:
    from ocistore.graph.graph import Graph
    from ocistore.stores.store import Store

    from .libpod import PodmanContainer
    from .records import ContainerRecord, ImageRecord
    from .storage import Storage

OWN = "."
"""Id of the node that owns the engine's own files."""
_MAKER_ROOTS = {
    Maker.PODMAN: "is podman's container",
    Maker.IMAGE_VOLUME: "is the storage of a volume",
    Maker.BUILDAH: "is buildah's working container",
    Maker.CRIO: "is CRI-O's container",
    Maker.LOST: "is a container that podman lost",
    Maker.OTHER: "is a container record",
}
_MAKER_NOTES = {
    Maker.BUILDAH: "buildah's working container (buildah from, or a build stage)",
    Maker.CRIO: "CRI-O's container",
    Maker.LOST: "made by podman, but podman's database has no row for it",
    Maker.IMAGE_VOLUME: "storage of a volume of the image driver",
    Maker.OTHER: "made by a tool that left no sign",
}


def populate(store: Store, storage: Storage) -> None:
    """Adds all nodes that have records, and their edges."""
    builder = _Builder(store, storage)
    builder.own()
    builder.layers()
    builder.images()
    builder.containers()
    builder.pods()
    builder.volumes()


class _Builder:
    def __init__(self, store: Store, storage: Storage) -> None:
        self.store, self.storage = store, storage
        self.graph: Graph = store.graph
        self.number = store.number

    def add(self, kind: str, ident: str) -> int:
        return self.graph.add(kind, ident, self.number)

    def find_layer(self, ident: str) -> int | None:
        """The node of a layer, of this store or of the first additional one that records it."""
        for store in self.store.all_stores():
            number = self.graph.find("layer", ident, store.number)
            if number is not None:
                return number
        return None

    def find_image(self, ident: str) -> int | None:
        for store in self.store.all_stores():
            number = self.graph.find("image", ident, store.number)
            if number is not None:
                return number
        return None

    def own(self) -> None:
        number = self.add("own", OWN)
        self.graph.nodes[number].note = "the engine's own files: records, locks, databases"
        self.graph.root(number, "is the engine's own")

    def layers(self) -> None:
        for record in self.storage.layers.values():
            if record.incomplete:
                continue
            node = self.graph.nodes[self.add("layer", record.id)]
            node.names = list(record.names)
            node.created_ns = told_time(record.created_ns)
            node.unsized = self.storage.driver not in COUNTED_DRIVERS
        mapped = {layer for image in self.storage.images for layer in image.mapped_layers}
        for record in self.storage.layers.values():
            number = self.graph.find("layer", record.id, self.number)
            if number is None:
                continue
            below = self.find_layer(record.parent) if record.parent else None
            if below is not None:
                self.graph.hold(number, below, "is the parent of")
                self.graph.nodes[number].parents = (below,)
            if record.mapped or record.id in mapped:
                self.graph.nodes[number].traits = ("mapped",)
                self._lowers(number, record.id, record.parent)
        self._mark_duplicates()

    def _mark_duplicates(self) -> None:
        """Layers of one content on different parents are copies of their own (1.13)."""
        same: dict[str, list[str]] = {}
        diff_ids: dict[int, str] = self.store.cache.setdefault(DIFF_IDS, {})
        for record in self.storage.layers.values():
            if record.diff_digest and not record.incomplete:
                same.setdefault(record.diff_digest, []).append(record.id)
                diff_ids[self.add("layer", record.id)] = record.diff_digest
        for ids in same.values():
            for ident in ids if len(ids) > 1 else ():
                node = self.graph.nodes[self.add("layer", ident)]
                node.traits = (*node.traits, "duplicate")

    def _lowers(self, number: int, ident: str, parent: str) -> None:
        """An id-mapped layer is made on top of its template, which its record doesn't name (1.11)."""
        for lower in read_lowers(self.storage, ident):
            below = self.find_layer(lower)
            if below is not None and lower != parent:
                self.graph.hold(number, below, "is mounted below")

    def images(self) -> None:
        for record in self.storage.images:
            number = self.add("image", record.id)
            node = self.graph.nodes[number]
            node.names = list(record.names)
            node.created_ns = told_time(record.created_ns)
            self.graph.root(number, "is an image record")
            self._image_layers(number, record)

    def _image_layers(self, number: int, record: ImageRecord) -> None:
        words = {record.layer: "is the top layer of"} if record.layer else {}
        for mapped in record.mapped_layers:
            words.setdefault(mapped, "is an id-mapped layer of")
        for ident, word in words.items():
            layer = self.find_layer(ident)
            if layer is not None:
                self.graph.hold(number, layer, word)
            elif ident in self.storage.layers:
                self.store.findings.say(
                    "incomplete-layer-used",
                    f"image {record.id} stands on layer {ident}, which is flagged incomplete",
                    path=record.file,
                    node=f"image:{record.id}",
                    root=self.store.root,
                )

    def containers(self) -> None:
        rows = {
            ident: row for database in reversed(self.storage.databases) for ident, row in database.containers.items()
        }
        keepers = {v.storage_id for database in self.storage.databases for v in database.volumes.values()}
        for record in self.storage.containers.values():
            maker = find_maker(record, rows, keepers, self.storage.read_buildah_file)
            self.storage.makers[record.id] = maker
            self._container(record, maker, rows.get(record.id))
        for row in rows.values():
            if row.id not in self.storage.containers:
                self._rowed_container(row)
        sources = {source for row in rows.values() for source in row.image_volumes}
        images = self._image_volumes(sources) if sources else {}
        for row in rows.values():
            self._row_edges(row, images)

    def _container(self, record: ContainerRecord, maker: Maker, row: PodmanContainer | None) -> None:
        number = self.add("container", record.id)
        node = self.graph.nodes[number]
        # podman lists a record's first name only (1.4).
        node.names = [row.name] if row else record.names[:1]
        node.created_ns = told_time(record.created_ns)
        node.state = row.state.word if row else "external"
        node.traits = (str(maker),)
        node.note = _MAKER_NOTES.get(maker, "")
        if maker is Maker.LOST and self.storage.broken_databases:
            node.state, node.note = "unknown", "made by podman, whose database can't be read"
        node.labels = row.labels if row else None
        self.graph.root(number, _MAKER_ROOTS[maker])
        layer = self.find_layer(record.layer) if record.layer else None
        if layer is not None:
            self.graph.hold(number, layer, "is the layer of")
        image = self.find_image(record.image) if record.image else None
        if image is not None:
            word = "is the base of" if maker is Maker.BUILDAH else "is the image of"
            self.graph.hold(number, image, word)
        if record.image and image is None:
            self._say("container-image-missing", f"its image {record.image} has no record", record.file, record.id)
        if record.layer and record.layer not in self.storage.layers:
            self._say("container-layer-missing", f"its layer {record.layer} has no record", record.file, record.id)

    def _rowed_container(self, row: PodmanContainer) -> None:
        """A row without storage record (Part 4 class 11), or a container on a user's own directory."""
        number = self.add("container", row.id)
        node = self.graph.nodes[number]
        node.names, node.state, node.labels = [row.name], row.state.word, row.labels
        node.created_ns = told_time(row.created_ns)
        self.graph.root(number, "is a row in podman's database")
        if row.rootfs:
            node.traits, node.note = ("podman", "rootfs"), f"its file system is the user's directory {row.rootfs}"
            return
        node.traits, node.note = ("podman", "no-storage"), "podman's database has it, the storage has not"
        path = next(d.path for d in self.storage.databases if row.id in d.containers)
        self._say(
            "container-storage-missing", "podman's database has it, the storage has no record of it", path, row.id
        )

    def _image_volumes(self, sources: set[str]) -> dict[str, dict[int, None]]:
        """The image nodes that sources of image volumes name, by id or name (2.3)."""
        found: dict[str, dict[int, None]] = {}
        for image in self.storage.all_images():
            number = self.find_image(image.id)
            if number is not None:
                for name in sources.intersection((image.id, *image.names)):
                    found.setdefault(name, {})[number] = None
        return found

    def _row_edges(self, row: PodmanContainer, images: dict[str, dict[int, None]]) -> None:
        number = self.add("container", row.id)
        for needed in sorted(row.depends_on):
            other = self.graph.find("container", needed, self.number)
            if other is not None:
                self.graph.hold(number, other, "is needed by")
        for source in row.image_volumes:
            for image in images.get(source, ()):
                self.graph.hold(number, image, "is a volume's image in")

    def pods(self) -> None:
        for database in self.storage.databases:
            by_pod = database.members()
            for pod in database.pods.values():
                members = by_pod.get(pod.id, [])
                number = self.add("pod", pod.id)
                node = self.graph.nodes[number]
                node.names, node.labels, node.created_ns = [pod.name], pod.labels, told_time(pod.created_ns)
                node.state = pod_state([c.state for c in members])
                self.graph.root(number, "is a pod")
                infra = self.graph.find("container", pod.infra, self.number)
                if infra is not None:
                    self.graph.hold(number, infra, "is the infra container of")
                for member in members:
                    if member.id != pod.infra:
                        self.graph.hold(self.add("container", member.id), number, "is the pod of")
                if pod.service:
                    service = self.graph.find("container", pod.service, self.number)
                    if service is not None:
                        self.graph.hold(number, service, "is the service container of")

    def volumes(self) -> None:
        for database in self.storage.databases:
            by_volume = database.users()
            for volume in database.volumes.values():
                number = self.add("volume", volume.name)
                node = self.graph.nodes[number]
                users = by_volume.get(volume.name, [])
                node.names, node.labels, node.created_ns = [volume.name], volume.labels, told_time(volume.created_ns)
                node.state = "used" if users else "unused"
                node.traits = ("anonymous" if volume.anonymous else "named-volume", volume.driver)
                self.graph.root(number, "has a row in podman's database")
                for user in users:
                    self.graph.hold(self.add("container", user), number, "is mounted by")
                keeper = self.graph.find("container", volume.storage_id, self.number) if volume.storage_id else None
                if keeper is not None:
                    self.graph.hold(number, keeper, "is the storage of")
                image = self.find_image(volume.storage_image) if volume.storage_image else None
                if image is not None:
                    self.graph.hold(number, image, "is the image of")

    def _say(self, code: str, text: str, path: str, container: str) -> None:
        self.store.findings.say(code, text, path=path, node=f"container:{container}", root=self.store.root)


def pod_state(states: list[State]) -> str:
    """A pod's state from those of its containers (3.7)."""
    if not states:
        return "created"
    count = {state: states.count(state) for state in set(states)}
    total = len(states)
    ended = count.get(State.STOPPED, 0) + count.get(State.EXITED, 0)
    if count.get(State.RUNNING, 0) == total:
        return "running"
    if count.get(State.RUNNING):
        return "degraded"
    if count.get(State.PAUSED, 0) == total:
        return "paused"
    if ended == total:
        return "exited"
    if ended:
        return "stopped"
    if any(count.get(state) for state in (State.UNKNOWN, State.REMOVING, State.STOPPING, State.PAUSED)):
        return "errored"
    return "created"
