"""Reads `volumes/` and its metadata.db (docker-buildkit-containerd 2.7)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import strict_json
from ocistore.stores.shared.bolt_file import read_bolt

from .files import list_directory
from .layout import VOLUME_DATA, VOLUME_OPTIONS, VOLUME_RECORDS, VOLUMES
from .records import VolumeRecord

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .records import DockerRecords

_BUCKET = b"volumes"


def read_volumes(store: Store, records: DockerRecords) -> None:
    """Fills the volumes: a directory with `_data` or `opts.json` is one, whether metadata.db has an entry or not.

    An entry without a directory is purged by the next start and holds nothing (2.7).
    """
    entries = list_directory(store, VOLUMES)
    if entries is None:
        records.volume_doubt = f"{VOLUMES} can't be listed"
    for entry in entries or []:
        if entry.type != "dir":
            continue
        inside = {inner.name: inner.type for inner in list_directory(store, f"{VOLUMES}/{entry.name}") or []}
        if VOLUME_DATA not in inside and VOLUME_OPTIONS not in inside:
            continue
        volume = records.volumes[entry.name] = VolumeRecord(entry.name)
        if inside.get(VOLUME_DATA) == "link":
            volume.data = _linked_data(store, entry.name)
            volume.leads_out = not volume.data
        if VOLUME_OPTIONS in inside:
            volume.device = _device(store, entry.name)
    _read_entries(store, records)


def _linked_data(store: Store, name: str) -> str:
    """Where a volume's `_data`, a link, leads inside volumes/; empty if out of it.

    The daemon then refuses to remove the volume (5.5).
    """
    try:
        target = store.tree.readlink(f"{VOLUMES}/{name}/{VOLUME_DATA}")
    except UnreadableFile:
        return ""
    # An absolute one is as the engine's host had it; where that was is not known here.
    if target.startswith("/"):
        return ""
    path = posixpath.normpath(f"{VOLUMES}/{name}/{target}")
    return path if path.startswith(f"{VOLUMES}/") else ""


def _device(store: Store, name: str) -> str:
    """What opts.json says is mounted on the data directory in use, empty for nothing."""
    path = f"{VOLUMES}/{name}/{VOLUME_OPTIONS}"
    try:
        value = strict_json.parse(store.tree.read(path), duplicates=[])
    except (UnreadableFile, CorruptFile) as err:
        store.findings.say("record-unreadable", f"options of a volume: {err.sentence}", path=path, root=store.root)
        return ""
    options = value if isinstance(value, dict) else {}
    return str(options.get("MountDevice") or options.get("MountType") or "")


def _read_entries(store: Store, records: DockerRecords) -> None:
    database = read_bolt(store, VOLUME_RECORDS)
    if database is None:
        if any(entry.name == "metadata.db" for entry in list_directory(store, VOLUMES) or []):
            records.volume_doubt = f"{VOLUME_RECORDS} can't be read, so labels and options of volumes are unknown"
        elif records.volumes:
            text = "it isn't there, so labels and options of volumes are unknown"
            store.findings.say("database-missing", text, path=VOLUME_RECORDS, root=store.root)
            records.volume_doubt = f"{VOLUME_RECORDS}: {text}"
        return
    if database.damage:
        records.volume_doubt = f"{VOLUME_RECORDS} is damaged, so labels and options of volumes are unknown"
    try:
        bucket = database.root.bucket(_BUCKET)
        entries = list(bucket.items()) if bucket else []
    except CorruptFile as err:
        store.findings.say("database-unreadable", str(err), path=VOLUME_RECORDS, root=store.root)
        records.volume_doubt = f"{VOLUME_RECORDS} is damaged, so labels and options of volumes are unknown"
        return
    for key, value in entries:
        name = key.decode("utf-8", "surrogateescape")
        volume = records.volumes.get(name)
        if volume is None or not isinstance(value, bytes):
            continue
        try:
            entry = strict_json.parse(value, duplicates=[])
        except CorruptFile as err:
            text = f"entry of volume {name}: {err.sentence}"
            store.findings.say("record-unreadable", text, path=VOLUME_RECORDS, root=store.root)
            records.volume_doubt = f"{VOLUME_RECORDS}: {text}"
            continue
        if isinstance(entry, dict):
            volume.recorded = True
            volume.labels = _texts(entry.get("Labels"))
            volume.options = _texts(entry.get("Options"))


def _texts(value: Any) -> dict[str, str]:  # noqa: ANN401 - JSON is any value
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}
