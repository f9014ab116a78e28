"""Reads a containers/storage directory: its files -> nodes, edges, owned paths, findings; no sizes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocistore.disk.tree import DirectoryTree, Missing
from ocistore.errors import NotAStore, UnreadableFile
from ocistore.stores.shared.drivers import find_drivers
from ocistore.stores.store import Options, Place, Store

from .claim import claim_paths
from .configs import BigData
from .doubt import doubt_records
from .homes import read_homes
from .layout import ARTIFACTS
from .load import load_databases, load_records
from .populate import populate
from .secrets import read_secrets
from .storage import Storage
from .traits import tell_images_apart

if TYPE_CHECKING:
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph

    from .records import ImageRecord

KIND = "containers-storage"
NO_OPTIONS = Options()


def read_storage(
    tree: DirectoryTree,
    root: str,
    graph: Graph,
    findings: Findings,
    number: int = 0,
    options: Options = NO_OPTIONS,
) -> Store:
    """Reads the store at a tree's root.

    Args:
        tree: access to the graphroot; the store closes it.
        root: how answers name the store.
        graph: is filled.
        findings: are filled.
        number: `Node.store` of the nodes of this store; additional stores get the numbers after it.
        options: runroot, split image store, additional stores.

    Raises:
        NotAStore: no record directories of any driver, or an option names no directory.
        UnreadableFile: the root can't be listed.
    """
    driver = find_driver(tree)
    store = Store(KIND, root, driver, graph, findings, number, places=[Place(tree)])
    others: dict[int, Store] = {}

    def read_data(image: ImageRecord, name: str) -> bytes:
        # A read-only image's data lies in the store that records it.
        there = others.get(image.store, store)
        return there.places[image.place].tree.read(f"{there.driver}-images/{image.id}/{name}")

    storage = Storage(driver, store.places, BigData(read_data))
    store.detail = storage
    if options.runroot is not None:
        storage.runroot = _add_place(store, options.runroot, "--runroot", ledger=False)
    if options.imagestore is not None:
        storage.imagestore = _add_place(store, options.imagestore, "--imagestore", ledger=True)
    _read_additional(store, storage, options, others)
    load_records(store, storage)
    load_databases(store, storage)
    _place_volumes(store, storage)
    read_homes(store, storage)
    doubt_records(store, storage)
    populate(store, storage)
    claim_paths(store, storage)
    _read_artifacts(store, storage)
    read_secrets(store)
    tell_images_apart(store, storage)
    return store


def find_driver(tree: DirectoryTree) -> str:
    """The driver of the store at a tree's root (1.1).

    Where several left records, the one that looks most in use: each is a store of its own, and the others are shown as
    such.

    Raises:
        NotAStore: none has both `P-images/` and `P-layers/`.
    """
    found = find_drivers(tree, "", (entry.name for entry in tree.list("") if entry.type == "dir"))
    if not found:
        raise NotAStore("no containers-storage store: no directories DRIVER-images and DRIVER-layers", tree.path)
    return found[0]


def _read_artifacts(store: Store, storage: Storage) -> None:
    try:
        store.tree.stat(ARTIFACTS)
    except UnreadableFile:
        return
    # Reading layouts is loaded only where there is one.
    from .artifacts import read_artifacts

    read_artifacts(store, storage)


def _add_place(store: Store, path: str, option: str, *, ledger: bool) -> int:
    try:
        tree = DirectoryTree(path)
    except Missing:
        raise NotAStore(f"{option} names no directory", path) from None
    store.places.append(Place(tree, os.path.abspath(path).rstrip("/") + "/", ledger=ledger))
    return len(store.places) - 1


def _read_additional(store: Store, storage: Storage, options: Options, others: dict[int, Store]) -> None:
    for path in options.additional_image_stores:
        try:
            tree = DirectoryTree(path)
        except Missing:
            raise NotAStore("--additional-image-store names no directory", path) from None
        number = store.number + len(store.others) + 1
        other = read_storage(tree, os.path.abspath(path), store.graph, store.findings, number)
        store.others.append(other)
        others[number] = other
        for layer in other.detail.layers.values():
            storage.readonly_layers.setdefault(layer.id, layer)
        for image in other.detail.images:
            image.readonly = True
            storage.readonly_images.append(image)


def _place_volumes(store: Store, storage: Storage) -> None:
    """Finds where volumes lie: the database's VolumeDir, as seen from its GraphRoot (2.1, 2.3)."""
    for database in storage.databases:
        graph_root = database.config.get("graph-root", "").rstrip("/")
        volumes = database.config.get("volume-path", "").rstrip("/")
        if not volumes:
            continue
        if graph_root and volumes.startswith(graph_root + "/"):
            storage.volume_path = volumes.removeprefix(graph_root + "/")
            return
        store.findings.say(
            "volumes-elsewhere",
            f"volumes lie at {volumes}, outside the graphroot {graph_root}; their bytes are not seen",
            path=database.path,
            root=store.root,
        )
        storage.volume_path = None
        return
