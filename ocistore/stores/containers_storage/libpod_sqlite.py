"""podman's SQLite database (containers-storage 2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocistore.errors import CorruptFile
from ocistore.formats import strict_json
from ocistore.formats.sqlite import open_copy

from .libpod import Libpod, container_of, pod_of, volume_of

if TYPE_CHECKING:
    import sqlite3

_CONFIG = {
    "GraphRoot": "graph-root",
    "RunRoot": "run-root",
    "StaticDir": "static-dir",
    "TmpDir": "tmp-dir",
    "VolumeDir": "volume-path",
    "GraphDriver": "graph-driver-name",
}


def read_sqlite(path: str, database: bytes, journal: bytes | None, wal: bytes | None) -> Libpod:
    """The database's rows in the order of creation.

    Columns that are written once and never again (ContainerState.State, PodState.InfraContainerID) are not read; the
    JSON beside them is.

    Raises:
        CorruptFile: not podman's schema, or JSON that can't be read; `place` names the row.
    """
    found = Libpod("sqlite", path)
    with open_copy(database, journal, wal) as connection:
        connection.text_factory = bytes
        _read_config(connection, found)
        _read_containers(connection, found)
        _read_pods(connection, found)
        _read_volumes(connection, found)
    return found


def _read_config(connection: sqlite3.Connection, found: Libpod) -> None:
    cursor = connection.execute("SELECT * FROM DBConfig")
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchmany(1):
        for name, value in zip(names, row, strict=True):
            if name in _CONFIG and isinstance(value, bytes):
                found.config[_CONFIG[name]] = value.decode("utf-8", "replace")


def _read_containers(connection: sqlite3.Connection, found: Libpod) -> None:
    rows = connection.execute(
        "SELECT c.ID, c.Name, c.PodID, c.JSON, s.JSON FROM ContainerConfig c "
        "LEFT JOIN ContainerState s ON s.ID = c.ID ORDER BY c.rowid"
    )
    for ident, name, pod, config, state in rows.fetchall():
        container = container_of(*_documents("ContainerConfig", ident, config, state))
        container.id = _plain(ident)
        container.name = _plain(name)
        container.pod = _plain(pod)
        container.depends_on = set()
        found.containers[container.id] = container
    for ident, needed in connection.execute("SELECT ID, DependencyID FROM ContainerDependency").fetchall():
        if (user := found.containers.get(_plain(ident))) is not None:
            user.depends_on.add(_plain(needed))
    for ident, volume in connection.execute("SELECT ContainerID, VolumeName FROM ContainerVolume").fetchall():
        if (user := found.containers.get(_plain(ident))) is not None:
            user.volume_rows.append(_plain(volume))


def _read_pods(connection: sqlite3.Connection, found: Libpod) -> None:
    rows = connection.execute(
        "SELECT p.ID, p.Name, p.JSON, s.JSON FROM PodConfig p LEFT JOIN PodState s ON s.ID = p.ID ORDER BY p.rowid"
    )
    for ident, name, config, state in rows.fetchall():
        pod = pod_of(*_documents("PodConfig", ident, config, state))
        pod.id, pod.name = _plain(ident), _plain(name)
        found.pods[pod.id] = pod


def _read_volumes(connection: sqlite3.Connection, found: Libpod) -> None:
    rows = connection.execute(
        "SELECT v.Name, v.StorageID, v.JSON, s.JSON FROM VolumeConfig v "
        "LEFT JOIN VolumeState s ON s.Name = v.Name ORDER BY v.rowid"
    )
    for name, storage, config, state in rows.fetchall():
        volume = volume_of(*_documents("VolumeConfig", name, config, state))
        volume.name = _plain(name)
        volume.storage_id = _plain(storage) or volume.storage_id
        found.volumes[volume.name] = volume


def _plain(value: bytes | str | None) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _documents(table: str, key: bytes, *columns: bytes | str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON columns of a row; declared TEXT, they are stored as BLOB (2.2)."""
    place = f"{table} {_plain(key)[:64]}"
    made: list[dict[str, Any]] = []
    for column in columns:
        data = column.encode() if isinstance(column, str) else column
        try:
            value = strict_json.parse(data) if data else {}
        except CorruptFile as err:
            raise CorruptFile(err.sentence, place=place) from None
        if not isinstance(value, dict):
            raise CorruptFile("its JSON is no object", place=place)
        made.append(value)
    return made[0], made[1]
