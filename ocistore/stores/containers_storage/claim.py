"""Says which node owns which path, and finds the debris: what no record names.

Source: containers-storage 1.2, 1.7 and Part 4.  S1 and S2 of that table become unreferenced nodes of kind `debris`;
S3, where a person must decide, gets a doubt, so that its fate is unknown and no plan takes it by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.formats.gotime import told_time
from ocistore.stores.shared.drivers import DRIVERS

from .homes import list_directory
from .layout import big_data_key, is_hex_id
from .populate import OWN
from .storage import GRAPHROOT

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry
    from ocistore.stores.store import Store

    from .storage import Storage

_TOP_OWN = frozenset(
    "storage.lock userns.lock db.sql db.sql-journal db.sql-wal db.sql-shm libpod defaultNetworkBackend secrets "
    "networks cache artifacts".split()
)
_RECORDS = {
    "layers": frozenset(
        ("layers.json", "volatile-layers.json", "layers.lock", "tmp", "mountpoints.json", "mountpoints.lock")
    ),
    "images": frozenset(("images.json", "images.lock")),
    "containers": frozenset(("containers.json", "volatile-containers.json", "containers.lock")),
}
_QUOTA_DEVICE = "backingFsBlockDev"
_HOME_OWN = frozenset((".has-mount-program", _QUOTA_DEVICE, "l", "staging", "tempdirs"))
_PROBES = re.compile(r"(compat|metacopy-check|opaque-bug-check|volatile-check|volatile|idmapped-check|dataonly)[^/]*")
_DEFERRED = ("temp-dir-", "lock-")
_TAR_SPLIT = ".tar-split.gz"
_TEMPORARY = ".tmp-"


def claim_paths(store: Store, storage: Storage) -> None:
    """Gives every path of every place to a node."""
    claimer = _Claimer(store, storage)
    claimer.root()
    for home in range(len(storage.homes)):
        claimer.home(home)
    claimer.layer_files()
    claimer.images()
    claimer.containers()
    claimer.volumes()
    claimer.runroot()


class _Claimer:
    def __init__(self, store: Store, storage: Storage) -> None:
        self.store, self.storage, self.graph = store, storage, store.graph
        self.own = self.graph.add("own", OWN, store.number)
        self.incomplete = {r.id for r in storage.layers.values() if r.incomplete}
        self.known = storage.layers.keys() - self.incomplete
        self.blocked = bool(store.findings.blocking)
        self.needed = {container.layer for container in storage.containers.values()} - self.known
        self.rows = {ident for database in storage.databases for ident in database.containers}

    # The parts of a store --------------------------------------------------------------------------------------------

    def root(self) -> None:
        driver = self.storage.driver
        ours = _TOP_OWN | {driver, f"{driver}-layers", f"{driver}-images", f"{driver}-containers", f"{driver}-locks"}
        if self.storage.volume_path is not None:
            ours |= {self.storage.volume_path.split("/")[0]}
        ours |= {"volumes"}
        for place in self._ledgers():
            self.claim(place, "", self.own)
            for entry in self.entries(place, ""):
                if entry.name in ours:
                    continue
                self._stray_at_top(place, entry)
        if driver not in ("overlay", "vfs"):
            # Its bytes can't be told by stat; saying so of the whole directory keeps them out of every sum.
            number = self.doubtful(
                GRAPHROOT, driver, "unsupported-driver", f"bytes of the {driver} driver can't be counted"
            )
            self.graph.nodes[number].unsized = True
            self.say("driver-unsupported", f"the {driver} driver shares data in ways that stat doesn't see", driver)

    def _stray_at_top(self, place: int, entry: Entry) -> None:
        name = entry.name
        other = name.split("-")[0]
        if other in DRIVERS and other != self.storage.driver:
            self.doubtful(place, name, "second-driver", f"part of another store, of the driver {other}")
            self.say("second-driver", f"belongs to a store of the driver {other}, which is not read", name, place)
        elif name in ("mounts", "tmp", "l") and entry.type == "dir":
            self._old_directory(place, name)
        else:
            self.stray(place, name)

    def _old_directory(self, place: int, name: str) -> None:
        """Empty directories that engines leave: `mounts`, `tmp` (class 29), a split image store's `l` (1.2).

        With content they are a person's matter.
        """
        if self.entries(place, name):
            self.doubtful(place, name, "old-directory", "left by an old version, with content")
        else:
            self.claim(place, name, self.own)

    def home(self, index: int) -> None:
        home, driver = self.storage.homes[index], self.storage.driver
        if driver not in ("overlay", "vfs"):
            return
        for entry in self.entries(home.place, home.base):
            path = f"{home.base}/{entry.name}"
            if driver == "overlay" and entry.name in _HOME_OWN:
                continue
            if entry.type != "dir":
                self.stray(home.place, path)
            else:
                self._layer_directory(home.place, path, entry.name)
        if driver == "vfs":
            for entry in self.entries(home.place, "vfs"):
                if entry.name not in ("dir", "tempdirs"):
                    self.stray(home.place, f"vfs/{entry.name}")
        self._links(index)
        self._staging(home.place)
        self._deferred(home.place, f"{driver}/tempdirs")

    def _layer_directory(self, place: int, path: str, name: str) -> None:
        if name in self.known:
            self.claim(place, path, self.layer(name))
        elif name in self.incomplete:
            self.claim(place, path, self._incomplete(name))
        elif is_hex_id(name):
            number = self.debris(place, path, "unrecorded-directory", "a layer's directory that no record names")
            if name in self.needed:
                self.graph.nodes[number].doubt = "a container's record says that this is its layer"
            self.say("unrecorded-directory", "a layer's directory that no record names", path, place)
        elif _PROBES.fullmatch(name):
            self.debris(place, path, "probe-directory", "left by a probe of the overlay driver")
        else:
            self.doubtful(place, path, "stray-directory", "the driver takes it for a layer, no record names it")
            self.say("unrecorded-directory", "the driver takes it for a layer, no record names it", path, place)

    def _links(self, index: int) -> None:
        home = self.storage.homes[index]
        leading: dict[str, list[str]] = {}
        for name, target in home.links.items():
            leading.setdefault(target, []).append(name)
        there = {name for h in self.storage.homes for name in h.directories}
        for target, names in leading.items():
            right = names[0]
            if target in there and len(names) > 1:
                right = self.storage.read_link_name(target)
            for name in names:
                path = f"{home.base}/l/{name}"
                if target in there and name == right:
                    owner = self.layer(target) if target in self.known else None
                    if owner is None and target in self.incomplete:
                        owner = self._incomplete(target)
                    self.claim(home.place, path, owner if owner is not None else self._owner_of(home.place, target))
                else:
                    self.debris(home.place, path, "stale-link", "leads to no layer's directory")
                    self.say(
                        "stale-link",
                        "leads to no layer's directory, or not under the layer's name for it",
                        path,
                        home.place,
                    )

    def _owner_of(self, place: int, target: str) -> int:
        for home in self.storage.homes:
            owner = self.store.places[home.place].owned.get(f"{home.base}/{target}")
            if owner is not None:
                return owner
        return self.own

    def _staging(self, place: int) -> None:
        base = f"{self.storage.driver}/staging"
        mounted = any(count.count > 0 for count in self.storage.mounts.values())
        for entry in self.entries(place, base):
            number = self.debris(place, f"{base}/{entry.name}", "staging", "left by a partial pull")
            if not mounted:
                self.storage.start.add(number)

    def _deferred(self, place: int, base: str) -> None:
        for entry in self.entries(place, base):
            path = f"{base}/{entry.name}"
            if entry.name.startswith(_DEFERRED):
                self.storage.start.add(self.debris(place, path, "deferred-deletion", "was being deleted or extracted"))
            else:
                self.stray(place, path)

    def layer_files(self) -> None:
        for place in self._ledgers():
            base = f"{self.storage.driver}-layers"
            for entry in self.entries(place, base):
                self._layer_file(place, f"{base}/{entry.name}", entry)
            self._deferred(place, f"{base}/tmp")

    def _layer_file(self, place: int, path: str, entry: Entry) -> None:
        name = entry.name
        ident = name.removesuffix(_TAR_SPLIT)
        if name in _RECORDS["layers"]:
            return
        if name.startswith(_TEMPORARY):
            self._temporary(place, path)
        elif ident in self.known and (name.endswith(_TAR_SPLIT) or entry.type == "dir"):
            self.claim(place, path, self.layer(ident))
            if entry.type == "dir":
                names = self.storage.layers[ident].big_data_names
                self._data_files(place, path, names, f"layer:{ident}")
        elif ident in self.incomplete:
            self.claim(place, path, self._incomplete(ident))
        elif is_hex_id(ident) and name.endswith(_TAR_SPLIT):
            self.debris(place, path, "unrecorded-tar-split", "a layer's tar-split that no record names")
            self.say("unrecorded-tar-split", "a layer's tar-split that no record names", path, place)
        elif is_hex_id(name) and entry.type == "dir":
            self.debris(place, path, "unrecorded-layer-data", "a layer's data that no record names")
            self.say("unrecorded-layer-data", "a layer's data that no record names", path, place)
        else:
            self.stray(place, path)

    def images(self) -> None:
        owners = {(r.place, r.id): self.graph.add("image", r.id, self.store.number) for r in self.storage.images}
        data_names = {(r.place, r.id): r.big_data_names for r in self.storage.images}
        for place in self._ledgers():
            base = f"{self.storage.driver}-images"
            for entry in self.entries(place, base):
                path, name = f"{base}/{entry.name}", entry.name
                owner = owners.get((place, name))
                if name in _RECORDS["images"]:
                    continue
                if name.startswith(_TEMPORARY):
                    self._temporary(place, path)
                elif owner is not None and entry.type == "dir":
                    self.claim(place, path, owner)
                    self._data_files(place, path, data_names[place, name], f"image:{name}")
                elif is_hex_id(name) and entry.type == "dir":
                    self.debris(place, path, "unrecorded-image-data", "an image's data that no record names")
                    self.say("unrecorded-image-data", "an image's data that no record names", path, place)
                else:
                    self.stray(place, path)
        for record in self.storage.images:
            if record.big_data_names and record.id not in self.storage.image_dirs.get(record.place, ()):
                self.say(
                    "image-data-missing",
                    f"image {record.id} has no data directory",
                    f"{self.storage.driver}-images/{record.id}",
                    record.place,
                    f"image:{record.id}",
                )

    def containers(self) -> None:
        base = f"{self.storage.driver}-containers"
        for entry in self.entries(GRAPHROOT, base):
            path, name = f"{base}/{entry.name}", entry.name
            if name in _RECORDS["containers"]:
                continue
            if name.startswith(_TEMPORARY):
                self._temporary(GRAPHROOT, path)
            elif name in self.storage.containers:
                self.claim(GRAPHROOT, path, self.graph.add("container", name, self.store.number))
            elif is_hex_id(name) and entry.type == "dir":
                number = self.debris(
                    GRAPHROOT, path, "unrecorded-container-data", "a container's data that no record names"
                )
                if name in self.rows:
                    self.graph.nodes[number].doubt = "podman's database has a row of this container"
                elif self.storage.broken_databases:
                    self.graph.nodes[number].doubt = "podman's database, which may have a row of it, can't be read"
                self.say("unrecorded-container-data", "a container's data that no record names", path)
            else:
                self.stray(GRAPHROOT, path)

    def volumes(self) -> None:
        base = self.storage.volume_path
        if base is None:
            return
        rows = {name for database in self.storage.databases for name in database.volumes}
        for entry in self.entries(GRAPHROOT, base):
            path = f"{base}/{entry.name}"
            if entry.name == _QUOTA_DEVICE:
                continue
            if entry.name in rows:
                self.claim(GRAPHROOT, path, self.graph.add("volume", entry.name, self.store.number))
            elif entry.type == "dir":
                self.doubtful(GRAPHROOT, path, "unrecorded-volume", "a volume's data without a row; it may be a user's")
                self.say("unrecorded-volume", "a volume's data without a row in podman's database", path)
            else:
                self.stray(GRAPHROOT, path)

    def runroot(self) -> None:
        """The volatile half: containers' directories, and mount points of layers from additional stores (1.2)."""
        place, driver = self.storage.runroot, self.storage.driver
        if place is None:
            return
        self.claim(place, "", self.own)
        for name in sorted(self.storage.container_dirs.get(place, ())):
            path = f"{driver}-containers/{name}"
            if name in self.storage.containers:
                self.claim(place, path, self.graph.add("container", name, self.store.number))
            elif is_hex_id(name):
                self.debris(place, path, "unrecorded-run-data", "a container's run directory that no record names")
        for entry in self.entries(place, driver):
            if is_hex_id(entry.name) and entry.type == "dir":
                path = f"{driver}/{entry.name}"
                if entry.name in self.known:
                    self.claim(place, path, self.layer(entry.name))
                elif self.storage.layer(entry.name) is None:
                    self.debris(place, path, "unrecorded-run-data", "a mount point of a layer that no record names")

    # Claims ----------------------------------------------------------------------------------------------------------

    def claim(self, place: int, path: str, node: int) -> None:
        self.store.own(path, node, place)

    def layer(self, ident: str) -> int:
        return self.graph.add("layer", ident, self.store.number)

    def debris(self, place: int, path: str, state: str, note: str) -> int:
        """A node for a path that nothing needs; its id is the path."""
        number = self.graph.add("debris", self.storage.spelled(place, path), self.store.number)
        node = self.graph.nodes[number]
        node.state, node.note = state, note
        if self.blocked and state.startswith("unrecorded"):
            node.doubt = "the records that should name it can't be trusted"
        self.claim(place, path, number)
        return number

    def doubtful(self, place: int, path: str, state: str, note: str) -> int:
        """A node for a path that only a person can judge."""
        number = self.debris(place, path, state, note)
        self.graph.nodes[number].doubt = note
        return number

    def stray(self, place: int, path: str) -> None:
        self.doubtful(place, path, "stray", "no engine is known to write it")
        self.say("stray-file", "no engine is known to write a file of this name here", path, place)

    def _incomplete(self, ident: str) -> int:
        """A layer flagged incomplete: already condemned, the next process that loads the store removes it (1.3)."""
        number = self.graph.add("debris", f"{self.storage.homes[0].base}/{ident}", self.store.number)
        node = self.graph.nodes[number]
        node.state, node.note = "incomplete-layer", "flagged incomplete; any engine removes it when it starts"
        node.created_ns = told_time(self.storage.layers[ident].created_ns)
        self.storage.start.add(number)
        self.store.findings.say(
            "incomplete-layer",
            f"layer {ident} is flagged incomplete",
            path=self.storage.layers[ident].file,
            root=self.store.root,
        )
        return number

    def _temporary(self, place: int, path: str) -> None:
        self.debris(place, path, "temporary-file", "left by a writer that did not end its work")
        self.say("temporary-file", "left by a writer that did not end its work", path, place)

    def _data_files(self, place: int, path: str, names: list[str], node: str) -> None:
        """Files of big data that the record doesn't list (classes 6, 8), and temporary ones (18)."""
        listed = set(names)
        for entry in self.entries(place, path):
            if entry.name.startswith(_TEMPORARY):
                self._temporary(place, f"{path}/{entry.name}")
            elif big_data_key(entry.name) not in listed:
                self.debris(place, f"{path}/{entry.name}", "unlisted-data", "data that its record doesn't list")
                self.say("unlisted-data", "data that its record doesn't list", f"{path}/{entry.name}", place, node)

    def entries(self, place: int, path: str) -> list[Entry]:
        return list_directory(self.store, self.storage, place, path) or []

    def _ledgers(self) -> list[int]:
        return [home.place for home in self.storage.homes]

    def say(self, code: str, text: str, path: str, place: int = GRAPHROOT, node: str | None = None) -> None:
        # Where the records can't be trusted, that they don't name a thing says nothing about it.
        if self.blocked and code.startswith("unrecorded"):
            return
        self.store.findings.say(code, text, path=self.storage.spelled(place, path), node=node, root=self.store.root)


def newest_change_ns(store: Store, path: str) -> int | None:
    """Modification time of a path of a store, None if it can't be read."""
    try:
        place, inside = store.locate(path)
        return place.tree.stat(inside).st_mtime_ns
    except (KeyError, UnreadableFile):
        return None
