"""Podman's artifacts: a layout below `artifacts/` that belongs to the store (containers-storage 2.8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import OcistoreError
from ocistore.findings import Findings
from ocistore.formats.oci import MAX_DOCUMENT, REF_NAME, decode_document
from ocistore.stores.shared.layout_blobs import list_blobs
from ocistore.stores.shared.layout_walk import LayoutWalk

from .homes import list_directory
from .layout import ARTIFACTS
from .populate import OWN
from .storage import GRAPHROOT

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .storage import Storage

_INDEX = f"{ARTIFACTS}/index.json"
_PUT_BLOB = re.compile(r"oci-put-blob[0-9]+", re.ASCII)


def read_artifacts(store: Store, storage: Storage) -> None:
    """Adds the artifacts' names and blobs; no prune takes any, and what nothing names is unreferenced (class 26).

    A damaged index makes the blobs unknown; it is no reason to doubt images and containers.
    """
    entries = list_directory(store, storage, GRAPHROOT, ARTIFACTS)
    if not entries:
        return
    own = store.graph.add("own", OWN, store.number)
    findings = Findings()
    listing = list_blobs(store.tree, ARTIFACTS, findings, store.root)
    for text, file in listing.files.items():
        node = store.graph.add("blob", text, store.number)
        store.graph.nodes[node].note = "of podman's artifacts"
        store.own(file.path, node)
    walk = LayoutWalk(store.tree, listing, store.graph, findings, base=ARTIFACTS, root=store.root, number=store.number)
    doubt = _enter_index(store, walk, own)
    walk.run()
    walk.describe_unreached()
    if walk.unread and not doubt:
        doubt = "an artifact's manifest can't be read"
    for text, file in listing.files.items():
        if text not in walk.reached and (doubt or file.is_link):
            store.graph.nodes[walk.node(text)].doubt = doubt or "a symbolic link, which is not followed"
    for entry in entries:
        if _PUT_BLOB.fullmatch(entry.name):
            _debris(store, f"{ARTIFACTS}/{entry.name}")
    for leftover in listing.leftovers:
        _debris(store, leftover.path)
    for finding in findings:
        code = "artifacts-damaged" if finding.blocks else finding.code
        store.findings.say(code, finding.text, path=finding.path, node=finding.node, root=finding.root)


def _enter_index(store: Store, walk: LayoutWalk, own: int) -> str:
    """Follows the entries of the artifacts' index; why they can't be known, empty if they can."""
    store.watch(_INDEX)
    try:
        document = decode_document(store.tree.read(_INDEX, MAX_DOCUMENT), "index")
    except Missing:
        store.findings.say("artifacts-damaged", "there is no index.json", path=_INDEX, root=store.root)
        return "the artifacts' index is missing"
    except OcistoreError as err:
        store.findings.say("artifacts-damaged", err.sentence, path=_INDEX, root=store.root)
        return "the artifacts' index can't be read"
    for _, descriptor in document.links:
        name = descriptor.annotations.get(REF_NAME)
        if not name:
            walk.enter(own, "is listed in", descriptor, _INDEX)
            continue
        ref = store.graph.add("ref", name, store.number)
        node = store.graph.nodes[ref]
        node.state, node.names, node.note = "named", [descriptor.digest], "an artifact of podman"
        store.graph.root(ref, "is the name of an artifact")
        walk.enter(ref, "is named by", descriptor, _INDEX)
    return document.malformed or document.repeated


def _debris(store: Store, path: str) -> None:
    number = store.graph.add("debris", path, store.number)
    node = store.graph.nodes[number]
    node.state, node.note = "temporary-file", "left by an interrupted write of an artifact"
    store.own(path, number)
