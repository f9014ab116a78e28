"""Says who owns which path of an image store with a graph driver, and finds what nobody does.

Source: docker-buildkit-containerd 2.4, 2.5, 6.2, 7.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .debris import Debris
from .drivers import PROJECT_QUOTA, read_lowers
from .files import list_directory
from .layout import BUILDKIT_ID, HEX_ID, NAMESPACE, REMOVING
from .populate import hold_layer, leased

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .records import DockerRecords, GraphHalf, MountRecord


def claim_half(store: Store, records: DockerRecords, half: GraphHalf) -> None:
    """Claims the paths of an image store, once its nodes and those of containers are there."""
    claims = _Claims(store, records, half)
    claims.layers()
    claims.mounts()
    claims.broken_layers()
    claims.snapshots()
    claims.leftovers()
    claims.images()
    claims.strangers()
    claims.unrecorded()
    claims.links()
    claims.doubt_layers()


class _Claims:
    def __init__(self, store: Store, records: DockerRecords, half: GraphHalf) -> None:
        self.store, self.records, self.half, self.graph = store, records, half, store.graph
        self.debris = Debris(store, records)
        self.owners: dict[str, int] = {}
        """Directory of the graph driver -> node."""
        self.layerdb = f"{half.base}/layerdb"

    def layers(self) -> None:
        for layer in self.half.layers.values():
            number = self.half.nodes["layer", layer.chain]
            self.store.own(f"{self.layerdb}/sha256/{layer.chain}", number)
            self.directory(layer.cache_id, number)
            if layer.cache_id not in self.half.directories and self.half.driver.bytes != "elsewhere":
                text = f"its directory {layer.cache_id} isn't there; images on it are broken"
                self.say("layer-directory-missing", text, f"{self.layerdb}/sha256/{layer.chain}", number)

    def directory(self, ident: str, number: int) -> None:
        """Gives a directory of the graph driver with its short link to a node; two owners are held for doubt."""
        half = self.half
        if not ident or ident not in half.directories:
            return
        if ident in self.owners:
            self.claimed_twice(ident, number)
            return
        self.owners[ident] = number
        for path in directory_paths(half, ident):
            self.store.own(path, number)

    def claimed_twice(self, ident: str, number: int) -> None:
        other = self.owners[ident]
        if other == number:
            return
        path = f"{self.half.driver.base}/{ident}"
        text = f"two records name this directory, {self.graph.nodes[other].key} and {self.graph.nodes[number].key}"
        self.say("directory-claimed-twice", text, path, number)
        self.half.doubt = self.half.doubt or f"{path}: {text}"
        self.graph.hold(number, other, "has the directory of")
        for each in (other, number):
            self.graph.nodes[each].doubt = self.graph.nodes[each].doubt or text

    def mounts(self) -> None:
        half = self.half
        tops = {m.top: half.mount_owners[m.name] for m in half.mounts.values() if m.name in half.mount_owners}
        for mount in half.mounts.values():
            path = f"{self.layerdb}/mounts/{mount.top}"
            number = half.mount_owners.get(mount.name)
            if number is None:
                number = tops.get(mount.top)
                if number is None:
                    number = tops[mount.top] = self.unowned_mount(mount.top, path)
                hold_layer(self.store, half, mount, number)
            self.store.own(path, number)
            for ident in (mount.mount_id, mount.init_id):
                if self.graph.nodes[number].kind == "debris":
                    self.spare_directory(ident, number)
                else:
                    self.directory(ident, number)
            if not mount.loaded:
                self.unloaded_mount(mount, number)
        for name in half.empty_mounts:
            path = f"{self.layerdb}/mounts/{name}"
            note = "directories above the layer of an image that a container mounted; the layer is gone"
            self.say("leaked-mount", note, path, self.debris.add(path, "leaked-mount", note))

    def unloaded_mount(self, mount: MountRecord, number: int) -> None:
        node = self.graph.nodes[number]
        path = f"{self.layerdb}/mounts/{mount.name}"
        if mount.is_nested and mount.mount_id:
            # What it is, is known; only the daemon doesn't find it.
            text = "its name has slashes, so that after a start no daemon finds it, or removes it with its container"
            self.say("image-mount-unloaded", text, path, number)
            if node.kind == "container":
                node.traits = (*node.traits, "image-mount-unloaded")
            return
        text = "its record names no directory or layer that is there"
        self.say("layer-unloadable", f"a read-write layer that no daemon loads: {text}", path, number)
        node.doubt = node.doubt or text

    def unowned_mount(self, name: str, path: str) -> int:
        """A read-write layer whose container or build is gone; nothing ever releases it (6.2, 4)."""
        if name in self.records.broken_containers:
            return self.debris.container(name)
        note = "a read-write layer of a build that ended" if BUILDKIT_ID.fullmatch(name) else ""
        note = note or "a read-write layer of a container that is gone"
        number = self.debris.add(path, "leaked-mount", note)
        if self.records.container_doubt:
            self.graph.nodes[number].doubt = self.records.container_doubt
        else:
            self.say("leaked-mount", f"{note}; nothing removes it, and it holds the layer below it", path, number)
        return number

    def broken_layers(self) -> None:
        for broken in self.half.broken_layers.values():
            path = f"{self.layerdb}/sha256/{broken.name}"
            number = self.debris.add(path, "unloadable-layer", f"no daemon loads it: {broken.why}", doubt=True)
            self.say("layer-unloadable", f"no daemon loads this layer: {broken.why}", path, number)
            self.directory(broken.cache_id, number)
            below = self.half.node_of("layer", broken.parent) if broken.parent else None
            if below is not None:
                self.graph.hold(number, below, "is the parent of")

    def snapshots(self) -> None:
        for key, number in self.half.snapshot_nodes.items():
            self.directory(self.half.directory_of(key), number)

    def leftovers(self) -> None:
        """Removals and registrations of layers that were not ended (6.2, 1 and 2)."""
        for name, cache_id in self.half.removing.items():
            path = f"{self.layerdb}/sha256/{name}"
            note = "a layer whose removal was begun; the daemon ends it by itself"
            number = self.debris.add(path, "removing", note)
            self.say("interrupted-removal", note, path, number)
            data = self.spare_directory(cache_id, number)
            self.records.start.update([number] if data is None else [number, data])
        for name, cache_id in self.half.write_sets.items():
            path = f"{self.layerdb}/tmp/{name}"
            note = "a layer whose registration was not ended; nothing removes it"
            number = self.debris.add(path, "write-set", note)
            self.say("interrupted-write", note, path, number)
            self.spare_directory(cache_id, number)

    def spare_directory(self, ident: str, number: int) -> int | None:
        """The data of an interrupted write or removal, unless a live record names it; a node of its own."""
        if not ident or ident in self.owners or ident not in self.half.directories:
            return None
        node = self.graph.nodes[number]
        data = self.debris.add(f"{self.half.driver.base}/{ident}", node.state, f"the data of {node.note}")
        self.graph.nodes[data].unsized = self.half.driver.bytes != "files"
        self.graph.hold(number, data, "is the data of")
        self.directory(ident, data)
        return data

    def images(self) -> None:
        half, base = self.half, f"{self.half.base}/imagedb"
        for image in half.images.values():
            number = half.nodes["image", image.id]
            self.store.own(f"{base}/content/sha256/{image.id}", number)
            if image.has_metadata:
                self.store.own(f"{base}/metadata/sha256/{image.id}", number)
        for name, why in half.broken_images.items():
            path = f"{base}/content/sha256/{name}"
            number = self.debris.add(path, "unloadable-image", f"no daemon loads it: {why}", doubt=True)
            self.store.own(f"{base}/metadata/sha256/{name}", number)
            layer = half.node_of("layer", half.foreign_images.get(name, ""))
            if layer is not None:
                self.graph.hold(number, layer, "is the top layer of")
        for entry in list_directory(self.store, f"{base}/metadata/sha256") or []:
            if entry.name in half.images or entry.name in half.broken_images:
                continue
            path = f"{base}/metadata/sha256/{entry.name}"
            if HEX_ID.fullmatch(entry.name):
                note = "metadata of an image that is gone; nothing reads or removes it"
                number = self.debris.add(path, "unrecorded", note)
                if entry.name in (half.names or {}).values():
                    self.graph.nodes[number].doubt = "an image is named that isn't there"
            else:
                self.debris.stranger(path)

    def strangers(self) -> None:
        """Entries that the daemon doesn't write where it writes records."""
        known = {"repositories.json", "imagedb", "layerdb", "distribution"}
        self.debris.strangers(self.half.base, lambda name: name in known)
        self.debris.strangers(f"{self.half.base}/imagedb", lambda name: name in ("content", "metadata"))
        self.debris.strangers(f"{self.half.base}/imagedb/content", lambda name: name == "sha256")
        self.debris.strangers(f"{self.half.base}/imagedb/content/sha256", lambda name: bool(HEX_ID.fullmatch(name)))
        self.debris.strangers(f"{self.half.base}/imagedb/metadata", lambda name: name == "sha256")
        self.debris.strangers(self.layerdb, lambda name: name in ("sha256", "mounts", "tmp"))
        self.debris.strangers(
            f"{self.layerdb}/sha256", lambda name: bool(HEX_ID.fullmatch(name) or REMOVING.fullmatch(name))
        )
        mounts = {*self.half.empty_mounts, *(mount.top for mount in self.half.mounts.values())}
        self.debris.strangers(f"{self.layerdb}/mounts", lambda name: name in mounts)
        self.debris.strangers(f"{self.layerdb}/tmp", lambda name: name in self.half.write_sets)
        driver = self.half.driver
        tops = {path.rpartition("/")[2] for path in (driver.base, driver.links, *driver.also) if path != driver.top}
        tops.add(PROJECT_QUOTA)
        if driver.base != driver.top:
            self.debris.strangers(driver.top, lambda name: name in tops)
            # They lie beside the base, not in it.
            tops = set()
        for entry in self.half.others:
            if entry.name not in tops and entry.name not in self.half.directories:
                self.debris.judge(f"{driver.base}/{entry.name}", entry)

    def unrecorded(self) -> None:
        """Directories of the graph driver that no record names (6.2, 3 and 5)."""
        half = self.half
        lost = sorted(half.directories.keys() - self.owners.keys())
        wanted = self.wanted() if lost else {}
        for ident in lost:
            path = f"{half.driver.base}/{ident}"
            number = self.debris.add(path, "unrecorded", "no record names it; nothing removes it")
            node = self.graph.nodes[number]
            node.unsized = half.driver.bytes != "files"
            if half.doubt:
                node.doubt = "the records that should name it can't be trusted"
            else:
                self.say("unrecorded-directory", "the graph driver has it, no record names it", path, number)
            for each in directory_paths(half, ident):
                self.store.own(each, number)
            for holder, word in wanted.get(ident, ()):
                self.graph.hold(holder, number, word)
            mount = self.owners.get(ident.removesuffix("-init")) if ident.endswith("-init") else None
            if mount is not None:
                self.graph.hold(mount, number, "is the init layer of")

    def wanted(self) -> dict[str, list[tuple[int, str]]]:
        """Directories that something wants though no record has them: (holder, word) of each.

        The `lower` of a directory that is owned, or a lease whose snapshot BuildKit has lost.
        """
        half, placed = self.half, self.records.placed
        found: dict[str, list[tuple[int, str]]] = {}
        for ident, lowers in read_lowers(self.store, half, self.owners).items():
            for lower in lowers:
                found.setdefault(lower, []).append((self.owners[ident], "is mounted below"))
        for lease, key in leased(self.records.meta):
            number = placed.lease(NAMESPACE, lease) if placed is not None else None
            if number is not None:
                found.setdefault(half.directory_of(key), []).append((number, "is leased by"))
        return found

    def links(self) -> None:
        """Short links of no directory, and those that the directory's `link` file doesn't name (6.2, 5)."""
        half = self.half
        for name, ident in half.lost_links.items():
            path = f"{half.driver.links}/{name}"
            number = self.debris.add(path, "stale-link", "a short link that no removal takes along")
            if not ident:
                self.say("stale-link", "a short link that leads to no directory", path, number)
                continue
            # Something may be mounted through it all the same.
            lost = self.graph.find("debris", f"{half.driver.base}/{ident}", self.store.number)
            owner = self.owners.get(ident, lost)
            if owner is not None:
                self.graph.hold(owner, number, "leads to the directory of")

    def doubt_layers(self) -> None:
        """Where holders may be unknown, what nothing is seen to hold is in doubt; what is held stays held (6.3)."""
        half = self.half
        if not half.doubt:
            return
        used = {layer.parent for layer in half.layers.values()} | half.leased
        used |= {image.chain for image in half.images.values()}
        used |= {mount.parent for mount in half.mounts.values()}
        heads = [half.nodes["layer", chain] for chain in half.layers if chain not in used]
        # What is no layer is held by leases alone.
        lease_doubt = self.records.snapshot_doubt or (self.records.meta.doubt if self.records.meta else "")
        for number in (*heads, *(half.snapshot_nodes.values() if lease_doubt else ())):
            self.graph.nodes[number].doubt = self.graph.nodes[number].doubt or half.doubt
        for name in {mount.top for mount in half.mounts.values()}:
            leaked = self.graph.find("debris", f"{self.layerdb}/mounts/{name}", self.store.number)
            if leaked is not None:
                self.graph.nodes[leaked].doubt = self.graph.nodes[leaked].doubt or half.doubt

    def say(self, code: str, text: str, path: str, node: int) -> None:
        self.store.findings.say(code, text, path=path, node=self.graph.nodes[node].key, root=self.store.root)


def directory_paths(half: GraphHalf, ident: str) -> list[str]:
    """What goes when the graph driver removes an id: its directories and the short link that its `link` file names."""
    if ident not in half.directories:
        return []
    driver = half.driver
    paths = [f"{base}/{ident}" for base in (driver.base, *driver.also)]
    if ident in half.links:
        paths.append(f"{driver.links}/{half.links[ident]}")
    return paths
