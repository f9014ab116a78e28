"""Makes Docker data-roots with a graph driver from a few lines, as dockerd leaves them.

image/D/{repositories.json,imagedb,layerdb}, D/<id>/{diff,link,lower}, D/l/LINK -> ../<id>/diff,
containers/ID/{config.v2.json,hostconfig.json}, volumes/{metadata.db,NAME/_data},
buildkit/{snapshots.db,containerdmeta.db,metadata_v2.db,content/}
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocistore.disk.tree import DirectoryTree
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.docker.images import chain_id
from ocistore.stores.docker.reader import read_docker
from ocistore.stores.store import Options
from tests.make.bolt import BoltMaker

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.docker.records import DockerRecords
    from ocistore.stores.store import Store
    from tests.make.bolt import Tree

CREATED = "2026-01-02T03:04:05Z"
ZERO_TIME = "0001-01-01T00:00:00Z"


def ident(text: str) -> str:
    """A 64-digit id that a short name always gets."""
    return hashlib.sha256(text.encode()).hexdigest()


def diff_id(text: str) -> str:
    """A layer's diff id that a short name always gets."""
    return f"sha256:{ident('diff ' + text)}"


def build_id(text: str) -> str:
    """An id of 25 characters, as BuildKit makes them, that a short name always gets."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:25]


@dataclass
class DockerMaker:
    """A data-root that is being made; `open` writes the records that are kept here, and reads it.

    Attributes:
        root: its directory.
        driver: `overlay2` or `vfs`.
        names: familiar reference -> image id, for repositories.json.
        volume_records: name -> JSON, for volumes/metadata.db.
        snapshots: key -> bucket, for buildkit/snapshots.db.
        leases: id -> (labels, snapshots, blobs), for buildkit/containerdmeta.db.
        builds: ref -> message, for buildkit/history.db.
        build_blobs: ref -> digest that the build's lease holds.
        build_records: id -> key -> JSON value, for buildkit/metadata_v2.db.
    """

    root: Path
    driver: str = "overlay2"
    names: dict[str, str] = field(default_factory=dict)
    volume_records: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshots: dict[str, dict[str, str]] = field(default_factory=dict)
    leases: dict[str, tuple[dict[str, str], list[str], list[str]]] = field(default_factory=dict)
    build_records: dict[str, dict[str, Any]] = field(default_factory=dict)
    builds: dict[str, bytes] = field(default_factory=dict)
    build_blobs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in ("content/sha256", "metadata/sha256"):
            (self.base / "imagedb" / path).mkdir(parents=True)
        for path in ("sha256", "mounts", "tmp"):
            (self.base / "layerdb" / path).mkdir(parents=True)
        for path in ("containers", "volumes", "buildkit/content/blobs", "tmp", self.home_of("")):
            (self.root / path).mkdir(parents=True, exist_ok=True)
        if self.driver == "overlay2":
            (self.root / "overlay2/l").mkdir()

    @property
    def base(self) -> Path:
        """`image/<driver>`."""
        return self.root / "image" / self.driver

    def home_of(self, directory: str) -> str:
        """Where the driver keeps an id, relative to the root."""
        return f"vfs/dir/{directory}" if self.driver == "vfs" else f"{self.driver}/{directory}"

    # Layers ----------------------------------------------------------------------------------------------------------

    def layer(self, name: str, parent: str = "", *, cache_id: str = "", directory: bool = True) -> str:
        """A layer above the one with chain `parent`; its chain id."""
        diffs = (diff_id(name),)
        chain = chain_id(diffs)
        if parent:
            chain = hashlib.sha256(f"sha256:{parent} {diffs[0]}".encode()).hexdigest()
        cache_id = cache_id or ident(f"cache {name}" + (f" on {parent}" if parent else ""))
        home = self.base / "layerdb/sha256" / chain
        home.mkdir()
        files = {"diff": diffs[0], "size": "1000", "cache-id": cache_id, "tar-split.json.gz": ""}
        if parent:
            files["parent"] = f"sha256:{parent}"
        for file, text in files.items():
            (home / file).write_text(text)
        if directory:
            self.directory(cache_id)
        return chain

    def directory(self, name: str, lower: str = "", size: int = 1000) -> Path:
        """A directory of the driver with one file, and its short link."""
        home = self.root / self.home_of(name)
        if home.exists():
            return home
        (home / "diff" if self.driver == "overlay2" else home).mkdir(parents=True)
        ((home / "diff" if self.driver == "overlay2" else home) / "file").write_bytes(b"x" * size)
        if self.driver == "overlay2":
            (home / "link").write_text(link_of(name))
            os.symlink(f"../{name}/diff", self.root / "overlay2/l" / link_of(name))
            if lower:
                (home / "lower").write_text(f"l/{link_of(lower)}")
        return home

    def mount(self, name: str, parent: str = "", *, init: bool = True) -> None:
        """A read-write layer above a chain."""
        home = self.base / "layerdb/mounts" / name
        home.mkdir(parents=True)
        mount_id = ident(f"mount {name}")
        (home / "mount-id").write_text(mount_id)
        self.directory(mount_id)
        if init:
            (home / "init-id").write_text(f"{mount_id}-init")
            self.directory(f"{mount_id}-init")
        if parent:
            (home / "parent").write_text(f"sha256:{parent}")

    # Images ----------------------------------------------------------------------------------------------------------

    def image(
        self,
        name: str,
        layers: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
        *,
        parent: str = "",
        labels: dict[str, str] | None = None,
        created: str | None = CREATED,
        system: str = "linux",
    ) -> str:
        """An image of layers named as `layer` was told, base first (they are made where they aren't there); its id."""
        chain = ""
        for at in range(len(layers)):
            above = chain_id([diff_id(layer) for layer in layers[: at + 1]])
            if not (self.base / "layerdb/sha256" / above).exists():
                self.layer(layers[at], chain)
            chain = above
        config: dict[str, Any] = {
            "os": system,
            "config": {"Labels": labels or {}, "Env": [name]},
            "rootfs": {"type": "layers", "diff_ids": [diff_id(layer) for layer in layers]},
        }
        if created is not None:
            config["created"] = created
        data = json.dumps(config).encode()
        made = hashlib.sha256(data).hexdigest()
        (self.base / "imagedb/content/sha256" / made).write_bytes(data)
        if parent:
            home = self.base / "imagedb/metadata/sha256" / made
            home.mkdir()
            (home / "parent").write_text(f"sha256:{parent}")
        self.names.update(dict.fromkeys(names, made))
        return made

    # Containers and volumes ------------------------------------------------------------------------------------------

    def container(
        self,
        name: str,
        image: str = "",
        chain: str = "",
        *,
        state: dict[str, Any] | None = None,
        mounts: dict[str, dict[str, Any]] | None = None,
        labels: dict[str, str] | None = None,
        created: str = CREATED,
        driver: str | None = None,
        auto_remove: bool = False,
        mounted: bool = True,
    ) -> str:
        """A container that ended, unless `state` says more; its id."""
        made = ident(f"container {name}")
        home = self.root / "containers" / made
        home.mkdir()
        record = {
            "ID": made,
            "Name": f"/{name}",
            "Created": created,
            "Driver": self.driver if driver is None else driver,
            "Image": f"sha256:{image}" if image else "",
            "Config": {"Image": name, "Labels": labels or {}},
            "State": {"Running": False, "StartedAt": CREATED, **(state or {})},
            "MountPoints": mounts or {},
        }
        (home / "config.v2.json").write_text(json.dumps(record))
        (home / "hostconfig.json").write_text(json.dumps({"AutoRemove": auto_remove}))
        (home / f"{made}-json.log").write_text("{}\n")
        if mounted:
            self.mount(made, chain)
        return made

    def volume(
        self,
        name: str,
        *,
        anonymous: bool = False,
        labels: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
        recorded: bool = True,
    ) -> str:
        """A volume with one file; its name."""
        data = self.root / "volumes" / name / "_data"
        data.mkdir(parents=True)
        (data / "file").write_bytes(b"x" * 100)
        if recorded:
            all_labels = {**(labels or {}), **({"com.docker.volume.anonymous": ""} if anonymous else {})}
            self.volume_records[name] = {
                "Name": name,
                "Driver": "local",
                "Labels": all_labels or None,
                "Options": options,
            }
        return name

    # Build state -----------------------------------------------------------------------------------------------------

    def record(self, name: str, *, parent: str = "", layer: str = "", directory: bool = True, **more: object) -> str:
        """An immutable build record with a finalised snapshot, which is a layer if a chain is given; its id."""
        made = build_id(name)
        data = build_id(f"data of {name}")
        if directory and not layer:
            self.directory(data)
        self.snapshots[made] = {"committed": data, **({"chainid": f"sha256:{layer}"} if layer else {})}
        self.snapshots[data] = {"parent": parent, "iscommitted": ""}
        self.build_records[made] = {
            "cache.snapshot": made,
            "snapshot.committed": True,
            "snapshot.size": 1000,
            "cache.createdAt": 1_700_000_000_000_000_000,
            **({"cache.parent": parent} if parent else {}),
            **{key.replace("_", "."): value for key, value in more.items()},
        }
        self.lease(made, [made])
        return made

    def lease(
        self,
        name: str,
        snapshots: list[str],
        blobs: list[str] | None = None,
        labels: dict[str, str] | None = None,
    ) -> str:
        """A lease of the builds; its id."""
        self.leases[name] = ({"containerd.io/gc.flat": "", **(labels or {})}, snapshots, blobs or [])
        return name

    # The whole -------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Puts the records down."""
        repositories: dict[str, dict[str, str]] = {}
        for name, image in self.names.items():
            repository = name.partition("@")[0].rpartition(":")[0] if "@" not in name else name.partition("@")[0]
            repositories.setdefault(repository, {})[name] = f"sha256:{image}"
        (self.base / "repositories.json").write_text(json.dumps({"Repositories": repositories}))
        volumes = {name.encode(): json.dumps(record).encode() for name, record in self.volume_records.items()}
        (self.root / "volumes/metadata.db").write_bytes(BoltMaker().write({b"volumes": dict(volumes)}))
        if not (self.snapshots or self.leases or self.build_records):
            return
        (self.root / "buildkit/snapshots.db").write_bytes(BoltMaker().write(_buckets(self.snapshots)))
        (self.root / "buildkit/containerdmeta.db").write_bytes(BoltMaker().write(self._metadata()))
        main: Tree = {
            name.encode(): {key.encode(): json.dumps({"value": value}).encode() for key, value in record.items()}
            for name, record in self.build_records.items()
        }
        (self.root / "buildkit/metadata_v2.db").write_bytes(BoltMaker().write({b"_main": main}))
        records: Tree = {ref.encode(): data for ref, data in self.builds.items()}
        (self.root / "buildkit/history.db").write_bytes(BoltMaker().write({b"_records": records}))

    def _metadata(self) -> Tree:
        leases: Tree = {}
        for name, (labels, snapshots, blobs) in self.leases.items():
            leases[name.encode()] = {
                b"labels": {key.encode(): value.encode() for key, value in labels.items()},
                b"snapshots": {b"default": {key.encode(): b"" for key in snapshots}},
                b"content": {digest.encode(): b"" for digest in blobs},
            }
        history: Tree = {}
        for ref, digest in self.build_blobs.items():
            history[f"ref_{ref}".encode()] = {b"content": {digest.encode(): b""}}
        kept: Tree = {digest.encode(): {b"size": b"\x06"} for digest in self.build_blobs.values()}
        builds: Tree = {b"leases": history, b"content": {b"blob": kept}}
        return {b"v1": {b"buildkit": {b"leases": leases}, b"buildkit_history": builds}}

    def open(self, options: Options | None = None) -> Store:
        """Writes the records and reads the store."""
        self.write()
        return self.read(options)

    def read(self, options: Options | None = None) -> Store:
        """Reads the store as it lies there."""
        return read_docker(DirectoryTree(str(self.root)), ".", Graph(), Findings(), 0, options or Options())


def link_of(name: str) -> str:
    """The short link of a driver's directory that a name always gets."""
    return base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()[:26]


def volume_mount(name: str, *, anonymous: bool = False, spec: bool = True) -> dict[str, dict[str, Any]]:
    """The `MountPoints` of a container with one volume."""
    mount: dict[str, Any] = {"Type": "volume", "Name": name, "Driver": "local"}
    if spec:
        mount["Spec"] = {"Type": "volume", **({} if anonymous else {"Source": name})}
    return {"/v": mount}


def records_of(store: Store) -> DockerRecords:
    """What the reader kept."""
    records: DockerRecords = store.detail
    return records


def _buckets(buckets: dict[str, dict[str, str]]) -> Tree:
    return {key.encode(): {k.encode(): v.encode() for k, v in inner.items()} for key, inner in buckets.items()}
