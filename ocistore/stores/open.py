"""Opens what a directory is: one store, or each of those below it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from ocistore.disk.tree import DirectoryTree
from ocistore.errors import NotAStore, UnreadableFile, UsageError
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.identify import Identity, identify
from ocistore.stores.shared.texts import forget
from ocistore.stores.store import Options, Store

if TYPE_CHECKING:
    from ocistore.stores.detect import Found

_LOOKED_FOR = (
    "it has neither the files of containers/storage (overlay-images/ and overlay-layers/, or those of another driver),"
    " of an OCI layout (oci-layout, index.json, blobs/), nor of docker, containerd or BuildKit, and no directory"
    " below it has"
)


def open_store(path: str, options: Options | None = None, root: str | None = None) -> Store:
    """Reads the one store that `path` is or has below it.

    Args:
        path: a directory.
        options: what the command line says beyond it.
        root: which store, as `detect` names it, where there are several.

    Raises:
        NotAStore: neither it nor anything below it is a store, or it can't be opened.
        UsageError: there are several below it and `root` picks none.
    """
    stores = open_stores(path, options, root)
    if len(stores) == 1:
        return stores[0]
    roots = [store.root for store in stores]
    for store in stores:
        store.close()
    raise several(path, roots)


def several(path: str, roots: list[str]) -> UsageError:
    """The error of a question that only one store can answer."""
    listed = ", ".join(roots[:6]) + (", ..." if len(roots) > 6 else "")
    return UsageError(f"{len(roots)} stores are below it ({listed}); name one of them with --store", path)


def open_stores(path: str, options: Options | None = None, pick: str | None = None) -> list[Store]:
    """Reads the store that `path` is, or each of those below it if it is none itself.

    Args:
        path: a directory.
        options: what the command line says beyond it.
        pick: read only this store, named as `detect` names it.

    Raises:
        NotAStore: neither it nor anything below it is a store, or it can't be opened.
        UsageError: `options` say what belongs to one store, and there are several.
    """
    options = options or Options()
    roots, searched = _roots(path, pick)
    if len(roots) > 1 and options.of_one_store:
        raise UsageError(
            f"{len(roots)} stores are below it, and the options say what belongs to one: name it with --store", path
        )
    stores: list[Store] = []
    try:
        stores.extend(_read(path, root, found, options) for root, found in roots)
    except BaseException:
        for store in stores:
            store.close()
        raise
    stores[0].findings.take(searched)
    return stores


def _roots(path: str, pick: str | None) -> tuple[list[tuple[str, Identity]], Findings]:
    """The roots to be read and what each is, and the findings of the search where there was one."""
    searched = Findings()
    if pick is not None and pick != ".":
        root = os.path.normpath(pick)
        if os.path.isabs(root) or root.split(os.sep)[0] == "..":
            raise UsageError(f"--store {pick}: not a directory below it", path)
        found = _identity(_under(path, root))
        if found is None:
            raise NotAStore("no store; `ocistore detect` lists those that there are", _under(path, root))
        return [(root, found)], searched
    found = _identity(path)
    if found is not None:
        return [(".", found)], searched
    # Imported here: a directory that is a store needs no search.
    from ocistore.stores.detect import detect

    below: list[Found] = [] if pick == "." else detect(path, findings=searched)
    if not below:
        raise NotAStore(_not_a_store(path), path)
    # A store inside another's volume or layer is that one's content; it is read when it is asked for.
    return [(f.root, Identity(f.kind, f.driver)) for f in below if f.inside is None], searched


def _identity(path: str) -> Identity | None:
    try:
        with DirectoryTree(path) as tree:
            return identify(tree)
    except UnreadableFile as err:
        raise NotAStore(_refusal(err), path) from None


def _refusal(err: UnreadableFile) -> str:
    if err.errno in (errno.EACCES, errno.EPERM):
        return "permission denied; read it as its owner or as root (rootless stores: in `podman unshare`)"
    if err.errno == errno.ENOTDIR:
        return "not a directory; ocistore reads the directories that engines keep their storage in"
    return err.sentence


def _not_a_store(path: str) -> str:
    try:
        empty = not os.listdir(path)
    except OSError:
        empty = False
    return f"not a store: {'the directory is empty' if empty else _LOOKED_FOR}"


def _under(path: str, root: str) -> str:
    return path if root == "." else os.path.join(path, root)


def _check_options(path: str, kind: str, options: Options) -> None:
    """Refuses what can't be true of a kind of store: it would be ignored.

    Raises:
        UsageError: such an option.
    """
    given = {
        "--runroot": (options.runroot, "containers-storage"),
        "--imagestore": (options.imagestore, "containers-storage"),
        "--additional-image-store": (options.additional_image_stores, "containers-storage"),
        "--containerd-root": (options.containerd_root, "docker"),
    }
    for option, (value, wanted) in given.items():
        if value and kind != wanted:
            raise UsageError(f"{option} belongs to stores of kind {wanted}, this one is of kind {kind}", path)


def _notes(options: Options) -> frozenset[str]:
    """What the walk of a whole store shall note: where there may be stores inside, so that layers needn't be opened."""
    if not options.sizes:
        return frozenset()
    from ocistore.stores.detect import TOPS

    return TOPS


def _read(path: str, root: str, found: Identity, options: Options) -> Store:
    _check_options(_under(path, root), found.kind, options)
    graph, findings = Graph(), Findings()
    try:
        tree = DirectoryTree(_under(path, root), counts=options.sizes, notes=_notes(options))
    except UnreadableFile as err:
        raise NotAStore(_refusal(err), _under(path, root)) from None
    try:
        # Readers are imported here, so that a question to one kind of store doesn't pay for the others.
        if found.kind == "oci-layout":
            from ocistore.stores.oci_layout.reader import read_layout

            return read_layout(tree, root, graph, findings, 0)
        if found.kind == "containerd":
            from ocistore.stores.containerd.reader import read_containerd

            return read_containerd(tree, root, graph, findings, 0, options)
        if found.kind == "buildkit":
            from ocistore.stores.buildkit.reader import read_buildkit

            return read_buildkit(tree, root, graph, findings, 0, options)
        if found.kind == "docker":
            from ocistore.stores.docker.reader import read_docker

            return read_docker(tree, root, graph, findings, 0, options)
        from ocistore.stores.containers_storage.reader import read_storage

        return read_storage(tree, root, graph, findings, 0, options)
    except BaseException:
        tree.close()
        raise
    finally:
        forget()
