"""What the content of an image says: its manifests, their layers, their configurations.

The collector never reads any of it (docker-buildkit-containerd 4.3); lists, filters and the question whether an image
shares a build record's layers do.  What isn't there, or is no JSON, says nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.store import Store

DOCUMENT_LIMIT = 16 * 1024 * 1024
"""Bytes; containerd reads no larger manifest."""
_MAX_DEPTH = 8
_SHA256 = "sha256:"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that is there.

    Attributes:
        digest: its own.
        config: digest of its configuration, empty for none.
        layers: digests of its layers, base first.
        media_types: of itself and its layers, as written.
    """

    digest: str
    config: str
    layers: tuple[str, ...]
    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that is there.

    Attributes:
        created: as written, empty if it isn't.
        labels: empty without any.
        diff_ids: of its layers, base first.
    """

    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    diff_ids: tuple[str, ...] = ()

    def chains(self) -> Iterator[tuple[str, str]]:
        """(chain ID, diff ID) of each layer, base first (2.3)."""
        chain = ""
        for diff in self.diff_ids:
            chain = _SHA256 + hashlib.sha256(f"{chain} {diff}".encode()).hexdigest() if chain else diff
            yield chain, diff


class Contents:
    """Reads the documents of a content store; each once."""

    def __init__(self, store: Store, meta: MetadataStore) -> None:
        self._tree = store.places[meta.place].tree
        self._blobs = meta.content.blobs
        self._documents: dict[str, dict[str, Any] | None] = {}

    def manifests(self, target: str) -> list[Manifest]:
        """The manifests at and below a target, in the order of its indexes; each once."""
        found: dict[str, Manifest] = {}
        self._walk(target, _MAX_DEPTH, found)
        return list(found.values())

    def configs(self, target: str) -> list[Config]:
        """The configurations of the manifests at and below a target."""
        found = []
        for manifest in self.manifests(target):
            document = self._document(manifest.config)
            if document is not None:
                found.append(_config(document))
        return found

    def _walk(self, digest: str, depth: int, found: dict[str, Manifest]) -> None:
        document = self._document(digest)
        if document is None or not depth or digest in found:
            return
        for inner in _descriptors(document.get("manifests")):
            self._walk(inner["digest"], depth - 1, found)
        config = _descriptors([document.get("config")])
        layers = _descriptors(document.get("layers"))
        if config or layers:
            types = [document, *layers]
            found[digest] = Manifest(
                digest,
                config[0]["digest"] if config else "",
                tuple(layer["digest"] for layer in layers),
                tuple(str(each.get("mediaType", "")) for each in types),
            )

    def _document(self, digest: str) -> dict[str, Any] | None:
        if digest not in self._documents:
            self._documents[digest] = self._read(digest)
        return self._documents[digest]

    def _read(self, digest: str) -> dict[str, Any] | None:
        path = self._blobs.get(digest)
        if path is None:
            return None
        try:
            value = strict_json.parse(self._tree.read(path, DOCUMENT_LIMIT), duplicates=[])
        except (CorruptFile, UnreadableFile):
            return None
        return value if isinstance(value, dict) else None


def _descriptors(value: object) -> list[dict[str, Any]]:
    """The descriptors of a list, those without a digest left out."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict) and isinstance(item.get("digest"), str)]


def _config(document: dict[str, Any]) -> Config:
    settings = document.get("config")
    labels = settings.get("Labels") if isinstance(settings, dict) else None
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    created = document.get("created")
    return Config(
        created if isinstance(created, str) else "",
        {str(key): text for key, text in labels.items() if isinstance(text, str)} if isinstance(labels, dict) else {},
        tuple(item for item in diff_ids if isinstance(item, str)) if isinstance(diff_ids, list) else (),
    )
