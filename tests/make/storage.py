"""Makes containers/storage directories from a few lines, as podman, buildah and CRI-O leave them.

root/overlay/L/{diff,link,lower}, root/overlay/l/NAME -> ../L/diff,
root/overlay-layers/{layers.json,volatile-layers.json,L.tar-split.gz},
root/overlay-images/{images.json,I/manifest,I/=...}, root/overlay-containers/{containers.json,C/userdata/},
root/volumes/NAME/_data, root/db.sql, run/overlay-layers/mountpoints.json, run/overlay-containers/C/userdata/
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocistore.disk.tree import DirectoryTree
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.containers_storage.layout import big_data_file
from ocistore.stores.containers_storage.reader import read_storage
from ocistore.stores.store import Options

if TYPE_CHECKING:
    from ocistore.stores.store import Store

CREATED = "2026-01-02T03:04:05Z"
LIST_TYPE = "application/vnd.oci.image.index.v1+json"


def ident(text: str) -> str:
    """A 64-digit id that a short name always gets."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(data: bytes) -> str:
    """The sha256 digest of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class StorageMaker:
    """A store that is being made; `write` puts its records down, `open` reads it.

    Attributes:
        top: directory that gets `root` and `run`.
        driver: `overlay` or `vfs`.
    """

    top: Path
    driver: str = "overlay"
    layers: list[dict[str, Any]] = field(default_factory=list)
    volatile_layers: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    containers: list[dict[str, Any]] = field(default_factory=list)
    volatile_containers: list[dict[str, Any]] = field(default_factory=list)
    rows: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    has_database: bool = False

    def __post_init__(self) -> None:
        for part in ("layers", "images", "containers"):
            (self.root / f"{self.driver}-{part}").mkdir(parents=True, exist_ok=True)
        (self.root / self.driver / ("l" if self.driver == "overlay" else "dir")).mkdir(parents=True)
        self.run.mkdir()

    @property
    def root(self) -> Path:
        """The graphroot."""
        return self.top / "root"

    @property
    def run(self) -> Path:
        """The runroot."""
        return self.top / "run"

    # Layers ----------------------------------------------------------------------------------------------------------

    def layer(
        self,
        name: str,
        parent: str = "",
        size: int = 1000,
        *,
        created: str = CREATED,
        record: bool = True,
        directory: bool = True,
        volatile: bool = False,
        **more: object,
    ) -> str:
        """A layer with one file of `size` bytes; its id."""
        made = ident(name)
        entry: dict[str, Any] = {"id": made, "created": created, **more}
        if parent:
            entry["parent"] = parent
        if record:
            (self.volatile_layers if volatile else self.layers).append(entry)
        if directory:
            self.directory(made, parent, size)
        return made

    def directory(self, layer: str, parent: str = "", size: int = 1000) -> Path:
        """The directory that the driver has for a layer."""
        if self.driver == "vfs":
            home = self.root / "vfs" / "dir" / layer
            home.mkdir(parents=True)
            (home / "file").write_bytes(b"x" * size)
            return home
        home = self.root / "overlay" / layer
        (home / "diff").mkdir(parents=True)
        (home / "diff" / "file").write_bytes(b"x" * size)
        (home / "link").write_text(self.link(layer))
        os.symlink(f"../{layer}/diff", self.root / "overlay" / "l" / self.link(layer))
        if parent:
            (home / "lower").write_text(f"l/{self.link(parent)}")
        return home

    def link(self, layer: str) -> str:
        """The short name of a layer in `l/`."""
        return layer[:26].upper()

    # Images ----------------------------------------------------------------------------------------------------------

    def image(
        self,
        name: str,
        layer: str = "",
        names: list[str] | None = None,
        steps: list[str] | None = None,
        diff_ids: list[str] | None = None,
        *,
        created: str = CREATED,
        labels: dict[str, str] | None = None,
        data: bool = True,
        **more: object,
    ) -> str:
        """An image whose history has `steps`; its id.  `name` only makes it differ from others."""
        config: dict[str, Any] = {
            "rootfs": {"type": "layers", "diff_ids": diff_ids if diff_ids is not None else self._diff_ids(layer)},
            "history": [{"created": CREATED, "created_by": step} for step in (steps or [name])],
            "config": {"Labels": labels or {}},
            "note": name,
        }
        blob = json.dumps(config).encode()
        made = hashlib.sha256(blob).hexdigest()
        manifest = json.dumps(
            {"schemaVersion": 2, "config": {"digest": digest(blob)}, "layers": [], "n": name}
        ).encode()
        items = {f"sha256:{made}": blob, "manifest": manifest}
        self._image(made, layer, names or [], items, created, data, **more)
        return made

    def manifest_list(self, name: str, names: list[str], members: list[tuple[str, str]]) -> str:
        """A manifest list of (digest, architecture); its id."""
        made = ident(name)
        entries = [{"digest": d, "platform": {"os": "linux", "architecture": a}} for d, a in members]
        manifest = json.dumps({"mediaType": LIST_TYPE, "manifests": entries, "n": name}).encode()
        self._image(made, "", names, {"manifest": manifest, "instances.json": b"{}"}, CREATED, data=True)
        return made

    def manifest_digest(self, image: str) -> str:
        """The digest of an image's manifest."""
        return str(next(entry["digest"] for entry in self.images if entry["id"] == image))

    def _image(
        self,
        made: str,
        layer: str,
        names: list[str],
        items: dict[str, bytes],
        created: str,
        data: bool,
        **more: object,
    ) -> None:
        entry: dict[str, Any] = {
            "id": made,
            "digest": digest(items["manifest"]),
            "names": names,
            "big-data-names": list(items),
            "big-data-sizes": {key: len(value) for key, value in items.items()},
            "big-data-digests": {key: digest(value) for key, value in items.items()},
            "created": created,
            "metadata": "{}",
            **more,
        }
        if layer:
            entry["layer"] = layer
        self.images.append(entry)
        if data:
            home = self.root / f"{self.driver}-images" / made
            home.mkdir()
            for key, value in items.items():
                (home / big_data_file(key)).write_bytes(value)

    def _diff_ids(self, layer: str) -> list[str]:
        parents = {entry["id"]: entry.get("parent", "") for entry in self.layers}
        found: list[str] = []
        while layer:
            found.insert(0, f"sha256:{layer}")
            layer = parents.get(layer, "")
        return found

    # Containers ------------------------------------------------------------------------------------------------------

    def container(
        self,
        name: str,
        image: str = "",
        base: str = "",
        *,
        maker: str = "podman",
        state: int = 6,
        pod: str = "",
        infra: bool = False,
        volumes: list[str] | None = None,
        needs: list[str] | None = None,
        labels: dict[str, str] | None = None,
        row: bool = True,
        record: bool = True,
        autoremove: bool = False,
        created: str = CREATED,
    ) -> str:
        """A container of podman, buildah or cri-o on a layer of its own; its id."""
        made = ident(f"container {name}")
        volatile = maker != "podman"
        if record:
            layer = self.layer(f"layer of {name}", base, 500, volatile=volatile, names=[f"{name}-layer"])
            metadata = {
                "podman": json.dumps({"image-name": "x", "image-id": image, "name": name, "created-at": 1}),
                "cri-o": json.dumps({"pod-name": "p", "pod-id": ident("p"), "name": name}),
            }.get(maker, "")
            entry = {"id": made, "names": [name], "image": image, "layer": layer, "created": created}
            entry["metadata"] = metadata
            (self.volatile_containers if volatile else self.containers).append(entry)
            userdata = self.root / f"{self.driver}-containers" / made / "userdata"
            userdata.mkdir(parents=True)
            if maker == "buildah":
                (userdata / "buildah.json").write_text('{"type":"buildah 0.0.1"}')
        if maker == "podman" and row:
            self._row(
                made, name, image, state, pod, infra, volumes or [], needs or [], labels or {}, autoremove, created
            )
        return made

    def _row(
        self,
        made: str,
        name: str,
        image: str,
        state: int,
        pod: str,
        infra: bool,
        volumes: list[str],
        needs: list[str],
        labels: dict[str, str],
        autoremove: bool,
        created: str,
    ) -> None:
        annotations = {"io.podman.annotations.autoremove": "TRUE"} if autoremove else {}
        config = {
            "id": made,
            "name": name,
            "pod": pod,
            "rootfsImageID": image,
            "rootfsImageName": "x",
            "createdTime": created,
            "labels": labels,
            "pause": infra,
            "spec": {"annotations": annotations},
            "namedVolumes": [{"volumeName": volume, "dest": f"/{volume}"} for volume in volumes],
        }
        self.has_database = True
        self.rows.append(("ContainerConfig", (made, name, pod or None, json.dumps(config).encode())))
        self.rows.append(("ContainerState", (made, 1, 0, json.dumps({"state": state}).encode())))
        self.rows.extend(("ContainerVolume", (made, volume)) for volume in volumes)
        self.rows.extend(("ContainerDependency", (made, needed)) for needed in needs)

    def pod(self, name: str, infra: str = "") -> str:
        """A pod's row; its id."""
        made = ident(f"pod {name}")
        self.has_database = True
        config = {"id": made, "name": name, "hasInfra": bool(infra), "created": CREATED}
        self.rows.append(("PodConfig", (made, name, json.dumps(config).encode())))
        self.rows.append(("PodState", (made, None, json.dumps({"InfraContainerID": infra}).encode())))
        return made

    def volume(
        self,
        name: str,
        *,
        anonymous: bool = False,
        labels: dict[str, str] | None = None,
        created: str = CREATED,
        row: bool = True,
        directory: bool = True,
    ) -> str:
        """A volume with a file in it; its name."""
        self.has_database = True
        config = {
            "name": name,
            "isAnon": anonymous,
            "labels": labels or {},
            "createdAt": created,
            "volumeDriver": "local",
        }
        if row:
            self.rows.append(("VolumeConfig", (name, None, json.dumps(config).encode())))
            self.rows.append(("VolumeState", (name, b"{}")))
        if directory:
            home = self.root / "volumes" / name / "_data"
            home.mkdir(parents=True)
            (home / "file").write_bytes(b"v" * 700)
        return name

    def mounted(self, layer: str, count: int = 1) -> None:
        """Lets the runroot count mounts of a layer."""
        self.mounts.append({"id": layer, "path": f"/x/{layer}/merged", "count": count})

    # Writing and reading ---------------------------------------------------------------------------------------------

    def write(self) -> Path:
        """Puts the records down; the graphroot."""
        base = self.root / self.driver
        for part, entries in (("layers", self.layers), ("images", self.images), ("containers", self.containers)):
            self.records(part, f"{part}.json").write_text(json.dumps(entries))
        if self.volatile_layers:
            self.records("layers", "volatile-layers.json").write_text(json.dumps(self.volatile_layers))
        if self.volatile_containers:
            self.records("containers", "volatile-containers.json").write_text(json.dumps(self.volatile_containers))
        if self.mounts:
            home = self.run / f"{base.name}-layers"
            home.mkdir(exist_ok=True)
            (home / "mountpoints.json").write_text(json.dumps(self.mounts))
        if self.has_database:
            self._write_database()
        return self.root

    def records(self, part: str, file: str) -> Path:
        """The path of a record file: `records("layers", "layers.json")`."""
        return self.root / f"{self.driver}-{part}" / file

    def _write_database(self) -> None:
        path = self.root / "db.sql"
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path)
        for table, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        connection.execute(
            "INSERT INTO DBConfig VALUES (1, 1, 'linux', ?, '/run/libpod', ?, ?, '', ?)",
            (f"{self.root}/libpod", str(self.root), str(self.run), f"{self.root}/volumes"),
        )
        for table, values in self.rows:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
        connection.commit()
        connection.close()

    def open(self, options: Options | None = None) -> Store:
        """Writes the records and reads the store; the caller closes it."""
        self.write()
        return open_storage(self.root, options or Options(runroot=str(self.run)))


_TABLES = {
    "DBConfig": (
        "ID INTEGER, SchemaVersion INTEGER, OS TEXT, StaticDir TEXT, TmpDir TEXT, GraphRoot TEXT",
        "RunRoot TEXT, GraphDriver TEXT, VolumeDir TEXT",
    ),
    "ContainerConfig": ("ID TEXT, Name TEXT, PodID TEXT, JSON TEXT",),
    "ContainerState": ("ID TEXT, State INTEGER, ExitCode INTEGER, JSON TEXT",),
    "ContainerDependency": ("ID TEXT, DependencyID TEXT",),
    "ContainerVolume": ("ContainerID TEXT, VolumeName TEXT",),
    "PodConfig": ("ID TEXT, Name TEXT, JSON TEXT",),
    "PodState": ("ID TEXT, InfraContainerID TEXT, JSON TEXT",),
    "VolumeConfig": ("Name TEXT, StorageID TEXT, JSON TEXT",),
    "VolumeState": ("Name TEXT, JSON TEXT",),
}


def open_storage(root: Path, options: Options) -> Store:
    """Reads a store as the library does."""
    return read_storage(DirectoryTree(str(root)), ".", Graph(), Findings(), 0, options)
