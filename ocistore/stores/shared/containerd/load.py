"""Reads a metadata database with the content store and the snapshotters that it governs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.stores.shared.bolt_file import read_bolt
from ocistore.stores.shared.containerd.content import read_content
from ocistore.stores.shared.containerd.metadata_store import MetadataStore, Snapshotter, View
from ocistore.stores.shared.containerd.records import Metadata, read_metadata
from ocistore.stores.shared.containerd.snapshotter import is_builtin, read_snapshotter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocistore.stores.store import Store

_CONTENT = "content"


def load_metadata_store(
    store: Store,
    *,
    place: int = 0,
    database: str,
    content: str,
    snapshotters: Mapping[str, str],
    view: View | None = None,
) -> MetadataStore:
    """Reads what containerd, or an engine with containerd's parts in it, keeps in one place.

    What is damaged or missing is told in findings, and in `doubt` of the part and `store.doubts["content"]`.

    Args:
        store: whose place it is.
        place: number of the place; the paths are relative to it.
        database: the metadata database (`io.containerd.metadata.v1.bolt/meta.db`).
        content: directory of the content store.
        snapshotters: directory of each snapshotter, by name.
        view: how its records are shown as nodes; None: as containerd's own.
    """
    files = read_content(store, place, content)
    found = MetadataStore(place, database, None, files, {}, view or View())
    store.cache.setdefault("metadata_stores", []).append(found)
    has_data = bool(files.blobs or files.ingests)
    _read_database(store, found, has_data or _has_entries(store, place, snapshotters))
    used = {name for ns in (found.metadata.namespaces if found.metadata else {}).values() for name, _ in ns.snapshots}
    for name, path in snapshotters.items():
        found.snapshotters[name] = read_snapshotter(store, place, name, path, named=name in used)
    for name in sorted(used - snapshotters.keys()):
        found.snapshotters[name] = _elsewhere(store, found, name)
    doubts = [found.doubt, files.doubt, *(snapshotter.doubt for snapshotter in found.snapshotters.values())]
    for doubt in filter(None, doubts):
        store.doubts.setdefault(_CONTENT, doubt)
    return found


def _read_database(store: Store, found: MetadataStore, needed: bool) -> None:
    prefix = store.places[found.place].prefix
    where = prefix + found.database
    if not _is_there(store, found):
        if needed:
            _miss(store, found, "isn't there, so what holds the content and the snapshots is unknown")
        else:
            found.metadata = Metadata()
        return
    database = read_bolt(store, found.database, found.place)
    if database is None:
        found.doubt = f"{where} can't be read, so what holds the content and the snapshots is unknown"
        return
    try:
        found.metadata = read_metadata(database)
    except CorruptFile as err:
        found.doubt = f"{where}: {err}"
        store.findings.say("database-unreadable", str(err), path=where, root=store.root)
        return
    for fault in found.metadata.faults:
        store.findings.say("record-unreadable", f"{fault.place}: {fault.sentence}", path=where, root=store.root)
        found.doubt = f"a record of {where} can't be decoded"
    if database.damage:
        found.doubt = f"{where} is damaged, and records may be missing"
    elif needed and database.root.bucket(b"v1") is None:
        # The file of a database that was never initialised has no pages; the records of these files are lost.
        _miss(store, found, "has no records, though there is content or a snapshot")


def _miss(store: Store, found: MetadataStore, what: str) -> None:
    where = store.places[found.place].prefix + found.database
    found.doubt = f"{where} {what}"
    store.findings.say("database-missing", what, path=where, root=store.root)


def _is_there(store: Store, found: MetadataStore) -> bool:
    try:
        store.places[found.place].tree.stat(found.database)
    except Missing:
        return False
    except UnreadableFile:
        # Told when it is read.
        return True
    return True


def _has_entries(store: Store, place: int, snapshotters: Mapping[str, str]) -> bool:
    tree = store.places[place].tree
    for path in snapshotters.values():
        for directory in ("snapshots", "active", "view"):
            try:
                if tree.list(f"{path}/{directory}"):
                    return True
            except UnreadableFile:
                continue
    return False


def _elsewhere(store: Store, found: MetadataStore, name: str) -> Snapshotter:
    """A snapshotter that records name and that has no directory here (4.5).

    containerd's own keep their data in its root, so that what is missing is lost; others run as programs of their own
    and keep it where they like.
    """
    snapshotter = Snapshotter(name, "", unsized=True)
    where = store.places[found.place].prefix + found.database
    if is_builtin(name):
        what = f"names snapshots of {name}, whose directory with its metadata.db isn't there"
        snapshotter.doubt = f"{where} {what}"
        store.findings.say("database-missing", what, path=where, root=store.root)
    else:
        text = f"snapshots of {name} lie outside this directory; their bytes are not seen"
        store.findings.say("snapshots-elsewhere", text, path=where, root=store.root)
    return snapshotter
