"""Rule zero: before anything is called debris, the records are held against each other (containers-storage Part 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile

from .layout import COUNTED_DRIVERS

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .storage import Storage


def doubt_records(store: Store, storage: Storage) -> None:
    """Adds a blocking finding for each reason why the store's records can't be trusted to be whole."""
    path = f"{storage.driver}-layers/layers.json"
    _doubt_missing_layers(store, storage, path)
    if any(finding.path.endswith("layers.json") and finding.blocks for finding in store.findings):
        # That file's own finding says it all; each thing that its records would have named adds nothing.
        return
    known = storage.layers.keys() | storage.readonly_layers.keys()
    for image in storage.images:
        for layer in (image.layer, *image.mapped_layers):
            if layer and layer not in known:
                _say(
                    store,
                    "layer-record-missing",
                    f"image {image.id} stands on layer {layer}, which no record names",
                    image.file,
                    f"image:{image.id}",
                )
    for record in storage.layers.values():
        if record.parent and record.parent not in known:
            _say(
                store,
                "layer-record-missing",
                f"layer {record.id} has the parent {record.parent}, which no record names",
                record.file,
                f"layer:{record.id}",
            )
    _doubt_cycles(store, storage)
    _note_missing_directories(store, storage)


def _note_missing_directories(store: Store, storage: Storage) -> None:
    """A record without directory (class 3): the layer, and the images on it, are broken; removal still works."""
    if storage.driver not in COUNTED_DRIVERS:
        return
    there = {name for home in storage.homes for name in home.directories}
    for record in storage.layers.values():
        if record.id not in there and not record.incomplete:
            _say(
                store,
                "layer-directory-missing",
                f"layer {record.id} has a record and no directory",
                f"{storage.homes[0].base}/{record.id}",
                f"layer:{record.id}",
            )


def _doubt_missing_layers(store: Store, storage: Storage, path: str) -> None:
    """A missing layers.json reads as "no layers" natively, and gc then deletes everything; here it blocks."""
    has_file = "layers.json" in storage.layer_files
    directories = any(home.directories for home in storage.homes)
    needed = any(image.layer for image in storage.images) or bool(storage.containers) or directories
    if storage.imagestore is not None and _doubt_half(store, storage):
        return
    if not has_file and storage.imagestore is None and needed:
        _say(
            store,
            "layers-json-missing",
            "is not there though images, containers or layer directories are; nothing can be called unreferenced",
            path,
        )
    elif not storage.layers and directories and not _blocked_already(store):
        _say(
            store,
            "layers-json-missing",
            "records no layer though the driver has directories of layers; nothing can be called unreferenced",
            path,
        )


def _doubt_half(store: Store, storage: Storage) -> bool:
    """Either half of a split store has a layers.json if it has directories that no record names (1.2)."""
    found = False
    for home in storage.homes:
        path = f"{storage.driver}-layers/layers.json"
        try:
            storage.places[home.place].tree.stat(path)
        except UnreadableFile:
            if not home.directories <= storage.layers.keys():
                text = "is not there though directories of layers are; nothing can be called unreferenced"
                _say(store, "layers-json-missing", text, storage.spelled(home.place, path))
                found = True
    return found


def _doubt_cycles(store: Store, storage: Storage) -> None:
    settled: set[str] = set()
    for start in storage.layers:
        trail: list[str] = []
        on_trail: set[str] = set()
        ident = start
        while ident and ident not in settled and ident not in on_trail:
            trail.append(ident)
            on_trail.add(ident)
            record = storage.layer(ident)
            ident = record.parent if record else ""
        if ident in on_trail:
            record = storage.layers.get(ident)
            file = record.file if record else f"{storage.driver}-layers/layers.json"
            _say(store, "parent-cycle", f"layer {ident} is its own ancestor", file, f"layer:{ident}")
        settled.update(trail)


def _blocked_already(store: Store) -> bool:
    return any(finding.blocks for finding in store.findings)


def _say(store: Store, code: str, text: str, path: str, node: str | None = None) -> None:
    store.findings.say(code, text, path=path, node=node, root=store.root)
