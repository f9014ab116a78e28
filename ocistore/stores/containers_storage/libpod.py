"""What podman's database says: containers, pods, volumes; the same values from SQLite and from Bolt.

Source: containers-storage 2.1 to 2.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

from ocistore.formats.gotime import ZERO_TIME_NS

from .fields import mapping, objects, text, time

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTOREMOVE = "io.podman.annotations.autoremove"


class State(IntEnum):
    """A podman container's state as ContainerState.JSON has it (2.3)."""

    UNKNOWN = 0
    CONFIGURED = 1
    CREATED = 2
    RUNNING = 3
    STOPPED = 4
    PAUSED = 5
    EXITED = 6
    REMOVING = 7
    STOPPING = 8

    @property
    def word(self) -> str:
        """As `podman ps` prints it: a configured container is "created", an initialised one too."""
        return _STATE_WORDS[self]


_STATE_WORDS = {
    State.UNKNOWN: "unknown",
    State.CONFIGURED: "created",
    State.CREATED: "created",
    State.RUNNING: "running",
    State.STOPPED: "stopped",
    State.PAUSED: "paused",
    State.EXITED: "exited",
    State.REMOVING: "removing",
    State.STOPPING: "stopping",
}


@dataclass(slots=True, eq=False)
class PodmanContainer:
    """A container row.

    Attributes:
        depends_on: ids that it needs.
        volumes: (name, destination) of its named volumes, in the configuration's order.
        binds: (source, destination) of the other mounts of its specification.
        volume_rows: names of volumes that its rows of ContainerVolume name (also those by `--volumes-from`).
    """

    id: str
    name: str
    pod: str
    state: State
    image: str
    image_name: str
    rootfs: str
    created_ns: int
    exit_code: int
    infra: bool
    service: bool
    autoremove: bool
    labels: Mapping[str, str]
    volumes: list[tuple[str, str]]
    binds: list[tuple[str, str]]
    anonymous_mounts: list[str]
    image_volumes: list[str]
    finished_ns: int = ZERO_TIME_NS
    started_ns: int = ZERO_TIME_NS
    depends_on: set[str] = field(default_factory=set)
    volume_rows: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Pod:
    """A pod row; `infra` and `service` are container ids or empty."""

    id: str
    name: str
    labels: Mapping[str, str]
    infra: str
    service: str
    created_ns: int


@dataclass(slots=True, eq=False)
class Volume:
    """A volume row; `storage_id` is the container that an image-driver volume made for itself."""

    name: str
    labels: Mapping[str, str]
    created_ns: int
    driver: str
    anonymous: bool
    options: Mapping[str, str]
    mount_point: str
    storage_id: str
    storage_image: str
    mount_count: int = 0


@dataclass(slots=True)
class Libpod:
    """One database.

    Attributes:
        backend: which kind of file it is.
        path: of the file, as answers spell it.
        config: DBConfig or runtime-config with lower-case keys of section 2.1 (`graph-root`, `volume-path`, ...).
        containers, pods, volumes: in the database's own order, by id or name.
    """

    backend: Literal["sqlite", "bolt"]
    path: str
    config: dict[str, str] = field(default_factory=dict)
    containers: dict[str, PodmanContainer] = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)

    def users(self) -> dict[str, list[str]]:
        """Ids of containers with a row for a volume, in whatever state they are, by volume (2.3)."""
        found: dict[str, list[str]] = {}
        for container in self.containers.values():
            for volume in dict.fromkeys(container.volume_rows):
                found.setdefault(volume, []).append(container.id)
        return found

    def members(self) -> dict[str, list[PodmanContainer]]:
        """The containers of each pod."""
        found: dict[str, list[PodmanContainer]] = {}
        for container in self.containers.values():
            found.setdefault(container.pod, []).append(container)
        return found


def container_of(config: Mapping[str, Any], state: Mapping[str, Any]) -> PodmanContainer:
    """A container from its two JSON documents (2.3).

    Raises:
        CorruptFile: a field has another type than podman writes.
    """
    spec = mapping(config, "spec")
    named = objects(config, "namedVolumes")
    code = state.get("state", 0)
    return PodmanContainer(
        id=text(config, "id"),
        name=text(config, "name"),
        pod=text(config, "pod"),
        state=State(code) if isinstance(code, int) and code in State._value2member_map_ else State.UNKNOWN,
        image=text(config, "rootfsImageID"),
        image_name=text(config, "rootfsImageName"),
        rootfs=text(config, "rootfs"),
        created_ns=time(config, "createdTime"),
        exit_code=state["exitCode"] if isinstance(state.get("exitCode"), int) else 0,
        infra=config.get("pause") is True,
        service=config.get("isService") is True,
        autoremove=mapping(spec, "annotations").get(AUTOREMOVE) == "TRUE",
        labels=_labels(config),
        volumes=[(text(v, "volumeName"), text(v, "dest")) for v in named],
        binds=[(text(m, "source"), text(m, "destination")) for m in objects(spec, "mounts")],
        anonymous_mounts=[m for m in config.get("userVolumes") or [] if isinstance(m, str)],
        image_volumes=[text(v, "source") for v in objects(config, "ctrImageVolumes")],
        finished_ns=time(state, "finishedTime"),
        started_ns=time(state, "startedTime"),
        depends_on={d for d in _dependencies(config) if d},
    )


def _dependencies(config: Mapping[str, Any]) -> list[str]:
    namespaces = ("ipcNsCtr", "mountNsCtr", "netNsCtr", "pidNsCtr", "userNsCtr", "utsNsCtr", "cgroupNsCtr")
    listed = config.get("Dependencies") or []
    return [text(config, key) for key in namespaces] + [d for d in listed if isinstance(d, str)]


def pod_of(config: Mapping[str, Any], state: Mapping[str, Any]) -> Pod:
    """A pod from its two JSON documents (2.3); the column InfraContainerID is never filled, the JSON is."""
    return Pod(
        id=text(config, "id"),
        name=text(config, "name"),
        labels=_labels(config),
        infra=text(state, "InfraContainerID"),
        service=text(config, "serviceContainerID"),
        created_ns=time(config, "created"),
    )


def volume_of(config: Mapping[str, Any], state: Mapping[str, Any]) -> Volume:
    """A volume from its two JSON documents (2.3)."""
    count = state.get("mountCount")
    return Volume(
        name=text(config, "name"),
        labels=_labels(config),
        created_ns=time(config, "createdAt"),
        driver=text(config, "volumeDriver") or "local",
        anonymous=config.get("isAnon") is True,
        options={k: v for k, v in mapping(config, "volumeOptions").items() if isinstance(v, str)},
        mount_point=text(config, "mountPoint"),
        storage_id=text(config, "storageID"),
        storage_image=text(config, "storageImageID"),
        mount_count=count if isinstance(count, int) else 0,
    )


def _labels(document: Mapping[str, Any]) -> Mapping[str, str]:
    return {key: value for key, value in mapping(document, "labels").items() if isinstance(value, str)}
