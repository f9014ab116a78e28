"""Reads BuildKit's `snapshots.db` of the graph driver's image store (docker-buildkit-containerd 2.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.stores.shared.bolt_file import read_bolt
from ocistore.stores.shared.texts import plain, text_of

from .files import read_number
from .layout import CACHE_RECORDS, SNAPSHOTS, hex_of
from .records import SnapshotRecord

if TYPE_CHECKING:
    from ocistore.formats.bolt import Bucket
    from ocistore.stores.store import Store

    from .records import DockerRecords


def read_snapshots(store: Store, records: DockerRecords) -> str:
    """Fills BuildKit's snapshots; returns why some may be missing, empty if none is."""
    database = read_bolt(store, SNAPSHOTS)
    if database is None:
        if not _is_needed(store):
            return ""
        records.snapshots = None
        return f"{SNAPSHOTS} can't be read"
    found: dict[str, SnapshotRecord] = {}
    records.snapshots = found
    try:
        for key, bucket in database.root.buckets():
            record = _record(text_of(key), bucket)
            found[record.key] = record
    except CorruptFile as err:
        store.findings.say("database-unreadable", str(err), path=SNAPSHOTS, root=store.root)
        return f"{SNAPSHOTS} is damaged"
    return f"{SNAPSHOTS} is damaged" if database.damage else ""


def _is_needed(store: Store) -> bool:
    """Whether the file is there after all, or the records that need it are (6.3)."""
    names = {entry.name for entry in store.tree.list("buildkit")} if _has_state(store) else set()
    if "snapshots.db" in names:
        return True
    if CACHE_RECORDS.rpartition("/")[2] not in names:
        return False
    text = "it isn't there, so that the layers and directories which build records hold are unknown"
    store.findings.say("database-missing", text, path=SNAPSHOTS, root=store.root)
    return True


def _has_state(store: Store) -> bool:
    return any(entry.name == "buildkit" and entry.type == "dir" for entry in store.tree.list(""))


def _record(key: str, bucket: Bucket) -> SnapshotRecord:
    values = {name: value for name, value in bucket.items() if isinstance(value, bytes)}
    size = values.get(b"size")
    return SnapshotRecord(
        key,
        text_of(values.get(b"parent")),
        b"iscommitted" in values,
        text_of(values.get(b"committed")),
        hex_of(text_of(values.get(b"chainid"))),
        read_number(plain(size)) if size else None,
    )
