"""The image store of a graph driver as commands change it: images, layers, and the double reference count.

Source: docker-buildkit-containerd 2.4, 2.8, 5.1 to 5.3, 7.1.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from ocistore.plan.containerd.state import MetaState, RecordMissing
from ocistore.stores.docker.c8d_records import MOBY
from ocistore.stores.docker.claim import directory_paths
from ocistore.stores.docker.layout import IMAGE_LEASE, NAMESPACE, SNAPSHOTTER
from ocistore.stores.docker.populate import leased
from ocistore.stores.docker.records import SnapshotRecord
from ocistore.stores.shared.buildkit.cache import TEMPORARY, VARIANTS
from ocistore.stores.shared.containerd.references import SAFE
from ocistore.stores.shared.docker_names import parse_reference

from .failures import Doubtful
from .graph_backend import GraphBackend
from .image_prune import prune_images
from .image_remove import ImageRemover

if TYPE_CHECKING:
    from ocistore.plan.docker.filters import ImageFilters
    from ocistore.plan.docker.state import DockerState
    from ocistore.plan.docker.versions import Rules
    from ocistore.plan.plan import Outcome
    from ocistore.stores.docker.records import ContainerRecord, GraphHalf, ImageRecord
    from ocistore.stores.shared.buildkit.cache import Cache


class GraphImages:
    """Images and layers while commands run (an ImageMode).

    Attributes:
        images: loaded ones, by id.
        names: familiar reference -> image id.
        parents: image -> the image that it was made from; none of those without.
        children: the reverse.
        layers: chain -> layer.
        counts: chain -> how many images, layers, mounts and BuildKit's one reference hold it (2.4).
        leased: chains on which BuildKit has its reference (2.8).
    """

    def __init__(self, state: DockerState, half: GraphHalf) -> None:
        self.state, self.half = state, half
        self.images: dict[str, ImageRecord] = dict(half.images)
        self.names: dict[str, str] = {name: i for name, i in (half.names or {}).items() if i in half.images}
        self._names_of: dict[str, set[str]] = {}
        for name, ident in self.names.items():
            self._names_of.setdefault(ident, set()).add(name)
        self.parents = {image.id: image.parent for image in half.images.values() if image.parent}
        self.children = {parent: set(ids) for parent, ids in half.children.items()}
        self.layers = dict(half.layers)
        self.mounts = dict(half.mounts)
        self.snapshots = dict(half.snapshots or {})
        self.leased = set(half.leased)
        self.counts = self._count()
        self._containerd: MetaState | None = None
        self.meta: MetaState | None = None
        if state.records.meta is not None:
            self.meta = MetaState(state.store, state.records.meta, state.now_ns, SAFE)
        self._backend = GraphBackend(self)

    def _count(self) -> Counter[str]:
        """The reference counts as after a start (2.4, 7.1)."""
        counts = Counter(layer.parent for layer in self.layers.values())
        counts.update(mount.parent for mount in self.mounts.values() if mount.loaded)
        counts.update(image.chain for image in self.images.values())
        counts.update(self.leased)
        del counts[""]
        return counts

    # What a command asks ---------------------------------------------------------------------------------------------

    def begin(self, outcome: Outcome, rules: Rules) -> None:
        """See ImageMode."""
        del rules
        if self.meta is not None:
            self.meta.begin(outcome)

    @property
    def cache(self) -> Cache | None:
        """See ImageMode."""
        return self.state.records.cache

    @property
    def backend(self) -> GraphBackend:
        """See ImageMode."""
        return self._backend

    def start(self) -> None:
        """BuildKit's start: leases of records that it drops, and temporary ones, go with their snapshots (3.4, 2.8).

        Blobs that nothing leases then stay until a prune collects (Part 5, "State used").
        """
        if self.meta is None:
            return
        for lease, key in leased(self.state.records.meta):
            if key.startswith("sha256:"):
                # So that the id of the record resolves to the layer (2.8).
                known = self.snapshots.get(lease, SnapshotRecord(lease))
                self.snapshots[lease] = SnapshotRecord(
                    lease, known.parent, known.is_committed, known.committed, self.half.layer_of(key), known.size
                )
        cache = self.cache
        dropped = cache.start.dropped if cache is not None and not cache.doubt else {}
        leases = [ident + suffix for ident in dropped for suffix in ("", VARIANTS)]
        leases += [lease.id for lease in self.meta.namespace(NAMESPACE).leases.values() if TEMPORARY in lease.labels]

        def delete() -> None:
            for lease in leases:
                self.delete_lease(lease)

        # What it removes are the leases' snapshots; leases themselves have no bytes.
        self.meta.silently(delete)

    def remove_image(self, text: str, *, force: bool, prune: bool) -> None:
        """See ImageMode."""
        self.check()
        try:
            ImageRemover(self, force=force, prune=prune).remove(text)
        finally:
            self._collect_manifests()

    def prune_images(self, filters: ImageFilters, *, dangling_only: bool) -> None:
        """See ImageMode."""
        self.check()
        prune_images(self, filters, dangling_only=dangling_only)
        self._collect_manifests()

    def check(self) -> None:
        """Raises Doubtful where images or layers are unknown (6.3)."""
        self.state.check("images")

    def container_paths(self, container: ContainerRecord) -> tuple[str, ...]:
        """See ImageMode: read-write layers, with their directories, `-init` ones and short links (5.4)."""
        return tuple(path for name in self._mounts_of(container) for path in self._mount_paths(name))

    def release_container(self, container: ContainerRecord) -> None:
        """See ImageMode: the layers below give up one reference each."""
        for name in self._mounts_of(container):
            mount = self.mounts.pop(name)
            if mount.parent and mount.loaded:
                self.release(mount.parent, f"container {container.id[:12]} was the last that stood on it")

    def _mounts_of(self, container: ContainerRecord) -> list[str]:
        names = [container.id, *sorted({mount.id for mount in container.mounts if mount.id})]
        # One below a directory is none that the daemon knows after a start.
        return [name for name in names if name in self.mounts and not self.mounts[name].is_nested]

    def _mount_paths(self, name: str) -> list[str]:
        mount = self.mounts[name]
        paths = [f"{self.half.base}/layerdb/mounts/{name}"]
        for ident in (mount.mount_id, mount.init_id):
            paths += directory_paths(self.half, ident)
        return paths

    # Images ----------------------------------------------------------------------------------------------------------

    def names_of(self, ident: str) -> list[str]:
        """The references of an image, sorted by their full names, as the daemon has them (5.3)."""
        return sorted(self._names_of.get(ident, ()), key=lambda name: parse_reference(name, default_tag=False).name)

    def is_dangling(self, ident: str) -> bool:
        """Whether an image has neither a reference nor an image that was made from it."""
        return not self._names_of.get(ident) and not self.children.get(ident)

    def untag(self, name: str) -> None:
        """Takes a reference out of repositories.json; one that isn't there is no error."""
        ident = self.names.pop(name, None)
        if ident is not None:
            self._names_of[ident].discard(name)
            number = self.half.node_of("ref", name)
            self.state.record("ref", name, (), "its name is removed", number)

    def delete_image(self, image: ImageRecord, why: str) -> None:
        """imageStore.Delete: configuration, metadata, and its reference on the top layer (5.2, helper 3)."""
        del self.images[image.id]
        parent = self.parents.pop(image.id, "")
        if parent:
            self.children[parent].discard(image.id)
        for child in self.children.pop(image.id, ()):
            # Removes their `parent` file; only force gets here with children, and the daemon refuses that, too.
            self.parents.pop(child, None)
        self.__dict__.pop("prefixes", None)
        base = f"{self.half.base}/imagedb"
        paths = [f"{base}/content/sha256/{image.id}"]
        if image.has_metadata:
            paths.append(f"{base}/metadata/sha256/{image.id}")
        self.state.record("image", image.id, tuple(paths), why, self.half.node_of("image", image.id))
        self._delete_manifests(image)
        if image.chain:
            self.release(image.chain, f"image {image.id[:12]} was the last that needed it")

    def _delete_manifests(self, image: ImageRecord) -> None:
        """Deletes the lease by which containerd keeps the manifests of a pulled image (2.9; 5.2, helper 3)."""
        half = self.state.records.containerd
        if half is None or half.meta is None:
            return
        if half.meta.doubt:
            raise Doubtful(half.meta.doubt)
        if self._containerd is None:
            self._containerd = MetaState(self.state.store, half.meta, self.state.now_ns, SAFE)
            # What a start of containerd has taken is no command's doing.
            self._containerd.start()
        self._containerd.begin(self.state.outcome)
        with suppress(RecordMissing):
            self._containerd.delete_lease(MOBY, f"{IMAGE_LEASE}{image.id}", "its image goes")

    def _collect_manifests(self) -> None:
        if self._containerd is not None and self._containerd.mutated:
            self._containerd.begin(self.state.outcome)
            self._containerd.collect()

    @cached_property
    def prefixes(self) -> frozenset[str]:
        """The chains whose diff ids are a prefix of an image's: what BuildKit calls shared (3.7.3)."""
        found: set[str] = set()
        for image in self.images.values():
            at = image.chain
            while at and at not in found:
                found.add(at)
                at = self.half.layers[at].parent if at in self.half.layers else ""
        return frozenset(found)

    # Layers ----------------------------------------------------------------------------------------------------------

    def release(self, chain: str, why: str) -> None:
        """Gives a reference on a layer back; at none it goes, and gives back its own on its parent (7.1).

        Raises:
            Doubtful: the layer would go, and others may hold it that can't be seen.
        """
        while chain and chain in self.layers:
            self.counts[chain] -= 1
            if self.counts[chain] > 0:
                return
            if self.half.doubt:
                raise Doubtful(self.half.doubt)
            layer = self.layers.pop(chain)
            paths = (f"{self.half.base}/layerdb/sha256/{chain}", *directory_paths(self.half, layer.cache_id))
            self.state.record("layer", chain, paths, why, self.half.node_of("layer", chain))
            chain, why = layer.parent, f"layer {chain[:12]} was the last that stood on it"

    # BuildKit --------------------------------------------------------------------------------------------------------

    def layer_of(self, key: str) -> str:
        """Chain of the layer that a snapshot is, as things stand; empty for none (7.1)."""
        if key.startswith("sha256:"):
            return key.removeprefix("sha256:")
        found = self.snapshots.get(key)
        return found.chain if found else ""

    def delete_lease(self, lease: str) -> None:
        """Deletes a lease of build records; each of its snapshots goes at once, though another lease has it (2.8).

        The map that should know of the other lease is never filled (dockerd 20.10 to 29).
        """
        if self.meta is None:
            return
        record = self.meta.namespace(NAMESPACE).leases.get(lease)
        if record is None:
            return
        for snapshotter, key in record.snapshots:
            if snapshotter == SNAPSHOTTER:
                self._remove_snapshot(key, lease)
        self.meta.delete_lease(NAMESPACE, lease, "its build record goes")

    def _remove_snapshot(self, key: str, lease: str) -> None:
        """`remove(S)` of the adapter (2.8, Release; 7.1 del_lease)."""
        found = self.snapshots.get(key)
        if found is not None and found.is_committed:
            return
        chain = self.layer_of(key)
        directory = found.directory if found else key
        self.snapshots.pop(key, None)
        if directory != key:
            self.snapshots.pop(directory, None)
        if chain:
            # Two builds with the same result are one layer, on the directory of one of them.  That of the other is left
            # by the daemon: what is a layer, it asks the layer store to release, which knows nothing of the directory.
            if chain in self.leased:
                self.leased.discard(chain)
                self.release(chain, f"build record {lease[:25]} was the last that held it")
        elif found is not None and directory in self.half.directories:
            number = self.half.snapshot_nodes.get(key)
            # Its node bears its id; the text needn't be made again.
            ident = f"{NAMESPACE}/{SNAPSHOTTER}/{key}" if number is None else self.state.store.graph.nodes[number].id
            if number is None:
                number = self.half.snapshot_nodes.get(directory)
            paths = tuple(directory_paths(self.half, directory))
            self.state.record("snapshot", ident, paths, "its build record goes", number)
