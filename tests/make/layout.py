"""Makes OCI layouts from small descriptions: blobs are written as they are described, index.json last.

    layout/
      oci-layout
      index.json
      blobs/sha256/<hex>

Descriptors are plain dictionaries, as they stand in JSON.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ocistore.disk.tree import DirectoryTree
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.oci_layout.reader import read_layout

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.store import Store

Described = dict[str, Any]
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
CREATED = "2026-10-09T00:00:00Z"


class LayoutMaker:
    """A layout that is being made; `write` finishes it and may be called again after more was added."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Described] = []
        (path / "blobs" / "sha256").mkdir(parents=True)

    def blob(self, data: bytes, media_type: str, algorithm: str = "sha256", **extra: Any) -> Described:  # noqa: ANN401
        """Writes bytes under their digest; gives the descriptor."""
        encoded = hashlib.new(algorithm, data).hexdigest()
        directory = self.path / "blobs" / algorithm
        directory.mkdir(exist_ok=True)
        (directory / encoded).write_bytes(data)
        return {"mediaType": media_type, "digest": f"{algorithm}:{encoded}", "size": len(data), **extra}

    def json(self, value: Any, media_type: str, **extra: Any) -> Described:  # noqa: ANN401
        """Writes a JSON document as a blob."""
        return self.blob(json.dumps(value).encode(), media_type, **extra)

    def layer(self, text: str, media_type: str = LAYER, **extra: Any) -> Described:  # noqa: ANN401
        """A layer; its content is only told apart by the text."""
        return self.blob(b"\x1f\x8b layer " + text.encode(), media_type, **extra)

    def config(self, text: str, media_type: str = CONFIG, **extra: Any) -> Described:  # noqa: ANN401
        """An image configuration."""
        value = {"created": CREATED, "architecture": "amd64", "os": "linux", "author": text, "rootfs": {}}
        value["config"] = {"Labels": {"made": text}}
        return self.json(value, media_type, **extra)

    def manifest(
        self,
        text: str,
        layers: list[Described] | None = None,
        *,
        config: Described | None = None,
        subject: Described | None = None,
        media_type: str = MANIFEST,
        **document: Any,  # noqa: ANN401
    ) -> Described:
        """An image manifest with a configuration of its own, unless one is given."""
        own = CONFIG if media_type == MANIFEST else DOCKER_CONFIG
        value: Described = {"schemaVersion": 2, "mediaType": media_type}
        value["config"] = config or self.config(text, own)
        value["layers"] = [self.layer(text)] if layers is None else layers
        if subject is not None:
            value["subject"] = plain(subject)
        return self.json({**value, **document}, media_type)

    def index(
        self,
        manifests: list[Described],
        *,
        subject: Described | None = None,
        media_type: str = INDEX,
        **document: Any,  # noqa: ANN401
    ) -> Described:
        """An index of descriptors."""
        value: Described = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
        if subject is not None:
            value["subject"] = plain(subject)
        return self.json({**value, **document}, media_type)

    def enter(self, described: Described, name: str | None = None, full_name: str | None = None) -> Described:
        """Adds an entry to index.json; gives the descriptor unchanged."""
        annotations = dict(described.get("annotations") or {})
        if name is not None:
            annotations[REF_NAME] = name
        if full_name is not None:
            annotations[CONTAINERD_NAME] = full_name
        self.entries.append({**described, **({"annotations": annotations} if annotations else {})})
        return described

    def write(self, **document: Any) -> Path:  # noqa: ANN401
        """Writes oci-layout and index.json."""
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries, **document}
        (self.path / "index.json").write_text(json.dumps(value))
        return self.path

    def file(self, described: Described) -> Path:
        """Where the blob of a descriptor lies."""
        algorithm, _, encoded = digest(described).partition(":")
        return self.path / "blobs" / algorithm / encoded


def plain(described: Described) -> Described:
    """Media type, digest and size of a descriptor."""
    return {key: described[key] for key in ("mediaType", "digest", "size") if key in described}


def digest(described: Described) -> str:
    """The digest of a descriptor."""
    return str(described["digest"])


def open_layout(path: Path) -> Store:
    """The layout as the reader gives it; the caller closes it."""
    return read_layout(DirectoryTree(str(path)), ".", Graph(), Findings())


def codes(store: Store) -> list[str]:
    """The codes of its findings, sorted, each once."""
    return sorted({finding.code for finding in store.findings})


def text_of(store: Store, code: str) -> str:
    """The sentence of its only finding with a code."""
    (finding,) = [finding for finding in store.findings if finding.code == code]
    return finding.text


def unreferenced(store: Store) -> set[str]:
    """Ids of the nodes that no root holds and no doubt keeps."""
    graph = store.graph
    held: set[int] = set()
    stack = list(graph.roots)
    while stack:
        node = stack.pop()
        if node not in held:
            held.add(node)
            stack.extend(below for below, _ in graph.held_by(node))
    return {node.id for number, node in enumerate(graph.nodes) if number not in held and not node.doubt}


def holders(store: Store, held: Described) -> set[tuple[str, str]]:
    """Who holds a blob: (kind and id, word)."""
    graph = store.graph
    node = graph.find("blob", digest(held))
    assert node is not None
    return {(graph.nodes[holder].key, word) for holder, word in graph.holders(node)}
