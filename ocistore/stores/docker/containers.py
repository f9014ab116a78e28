"""Reads `containers/` (docker-buildkit-containerd 2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import strict_json
from ocistore.formats.gotime import ZERO_TIME_NS, parse_time, told_time

from .files import list_directory
from .layout import CONTAINER_RECORD, CONTAINERS, HEX_ID, HOST_RECORD
from .records import ContainerRecord, MountPoint

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .records import DockerRecords

_LIMIT = 64 * 1024 * 1024
"""Bytes of a record of a container; real ones have some thousand."""


def read_containers(store: Store, records: DockerRecords) -> str:
    """Fills the containers of all image stores; returns why some may be missing, empty if none is."""
    entries = list_directory(store, CONTAINERS)
    if entries is None:
        return f"{CONTAINERS} can't be listed"
    doubt = ""
    for entry in entries:
        if entry.type != "dir":
            continue
        home = f"{CONTAINERS}/{entry.name}"
        path, why = _read_one(store, records, entry.name)
        if not why or not HEX_ID.fullmatch(entry.name):
            # Another name is no container's directory, whatever it is.
            continue
        records.broken_containers[entry.name] = why
        text = f"a container whose record can't be read ({why}), so that what it holds is unknown"
        store.findings.say("container-unreadable", text, path=f"{home}/{path}", root=store.root)
        doubt = doubt or f"{home}/{path}: {text}"
    return doubt


def _read_one(store: Store, records: DockerRecords, name: str) -> tuple[str, str]:
    """Reads a container; (file, reason) where a daemon doesn't load it, the reason empty where it does.

    A missing hostconfig.json is none to the daemon, one that can't be decoded keeps it from loading the container
    (moby `daemon/container/container.go FromDisk`).
    """
    path = CONTAINER_RECORD
    try:
        container = decode_container(store.tree.read(f"{CONTAINERS}/{name}/{path}", _LIMIT))
        if container.id != name:
            raise CorruptFile(f"its record is that of container {container.id[:64]!r}")
        path = HOST_RECORD
        container.auto_remove = _auto_remove(store, name)
    except UnreadableFile as err:
        return path, err.sentence
    except CorruptFile as err:
        return path, f"{err.place}: {err.sentence}" if err.place else err.sentence
    records.containers[container.id] = container
    return path, ""


def _auto_remove(store: Store, ident: str) -> bool:
    """Whether the container was made with `--rm`."""
    try:
        data = store.tree.read(f"{CONTAINERS}/{ident}/{HOST_RECORD}", _LIMIT)
    except Missing:
        return False
    value = strict_json.parse(data, duplicates=[])
    if not isinstance(value, dict):
        raise CorruptFile("is no JSON object")
    return value.get("AutoRemove") is True


def decode_container(data: bytes) -> ContainerRecord:
    """A container's record.

    Raises:
        CorruptFile: not the JSON that the daemon writes.
    """
    value = strict_json.parse(data, duplicates=[])
    if not isinstance(value, dict):
        raise CorruptFile("is no JSON object")
    state = _dict(value.get("State"))
    config = _dict(value.get("Config"))
    created = _text(value.get("Created"))
    created_ns = parse_time(created) if created else None
    running, word = _state(state)
    return ContainerRecord(
        _text(value.get("ID")),
        _text(value.get("Name")).removeprefix("/"),
        _text(value.get("Driver")),
        _text(value.get("Image")).removeprefix("sha256:"),
        _text(config.get("Image")),
        {key: text for key, text in _dict(config.get("Labels")).items() if isinstance(text, str)},
        told_time(created_ns),
        running,
        word,
        tuple(_mount(mount) for mount in _dict(value.get("MountPoints")).values()),
    )


def _state(state: dict[str, Any]) -> tuple[bool, str]:
    """Whether it runs by its record, and the word that the daemon prints (2.6); paused and restarting ones run."""
    if state.get("Running") is True or state.get("Paused") is True or state.get("Restarting") is True:
        if state.get("Paused") is True:
            return True, "paused"
        return True, "restarting" if state.get("Restarting") is True else "running"
    if state.get("Dead") is True:
        return False, "dead"
    started = _text(state.get("StartedAt"))
    return False, "created" if not started or parse_time(started) == ZERO_TIME_NS else "exited"


def _mount(value: Any) -> MountPoint:  # noqa: ANN401 - JSON is any value
    mount = _dict(value)
    name, driver = _text(mount.get("Name")), _text(mount.get("Driver"))
    # Records from before 1.13 have no type: a name with a driver is a volume's (2.6).
    kind = _text(mount.get("Type")) or ("volume" if name and driver else "")
    spec = mount.get("Spec")
    source = _text(spec.get("Source")) if isinstance(spec, dict) else None
    return MountPoint(
        kind,
        name,
        driver,
        kind == "volume" and _is_anonymous(name, source),
        (source or "").removeprefix("sha256:") if kind == "image" else "",
        _text(mount.get("ID")) if kind == "image" else "",
    )


def _is_anonymous(name: str, source: str | None) -> bool:
    """Whether `docker rm -v` takes a volume: no source was asked for.

    A record without a Spec says nothing; it is taken as named unless the name is one that the daemon made, the safe
    direction (docker-buildkit-containerd 2.6).
    """
    return bool(HEX_ID.fullmatch(name)) if source is None else not source


def _dict(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is any value
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:  # noqa: ANN401 - JSON is any value
    return value if isinstance(value, str) else ""
