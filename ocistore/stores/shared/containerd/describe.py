"""What images and blobs of a content store are, from the documents themselves: state, platforms, labels.

Only for people: the collector reads no manifest (docker-buildkit-containerd 4.3), and nothing here holds anything.
What can't be read or decoded stays undescribed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import OcistoreError
from ocistore.formats.media_types import HOLDING_SHAPES, shape_of
from ocistore.formats.oci import MAX_DOCUMENT, Config, Descriptor, Document, decode_config, decode_document
from ocistore.stores.shared.layout_describe import describe

if TYPE_CHECKING:
    from ocistore.graph.graph import Node
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.shared.containerd.populate import Placed
    from ocistore.stores.store import Store

_MAX_DEPTH = 8
_UNKNOWN = "unknown/unknown"


def describe_images(store: Store, meta: MetadataStore, placed: Placed) -> None:
    """Gives blobs that images reach a state, and images the labels and platforms of their configurations."""
    _Describer(store, meta, placed).run()


class _Describer:
    def __init__(self, store: Store, meta: MetadataStore, placed: Placed) -> None:
        self._nodes = store.graph.nodes
        self._tree = store.places[meta.place].tree
        self._meta, self._placed = meta, placed
        self._documents: dict[str, Document | None] = {}
        self._configs: dict[str, Config | None] = {}

    def run(self) -> None:
        namespaces = self._meta.metadata.namespaces if self._meta.metadata is not None else {}
        for namespace in namespaces.values():
            for record in namespace.images.values():
                configs = self._walk(Descriptor(record.media_type, record.target), "is the target of")
                number = self._placed.image(record.target)
                if number is not None:
                    self._image(self._nodes[number], configs)

    @staticmethod
    def _image(node: Node, configs: list[Config]) -> None:
        platforms = sorted({config.platform for config in configs} - {"", _UNKNOWN})
        node.note = ", ".join(platforms)
        labels: dict[str, str] = {}
        for config in configs:
            labels.update({key: value for key, value in config.labels.items() if key not in labels})
        if labels:
            node.labels = labels

    def _walk(self, target: Descriptor, word: str) -> list[Config]:
        """Describes what a descriptor leads to, and gives the configurations of images, in order."""
        found: list[Config] = []
        stack = [(target, word, 0)]
        seen: set[str] = set()
        while stack:
            descriptor, word, depth = stack.pop()
            number = self._placed.blob(descriptor.digest)
            if number is not None:
                describe(self._nodes[number], descriptor, word)
            if descriptor.digest in seen or depth > _MAX_DEPTH:
                continue
            seen.add(descriptor.digest)
            shape = shape_of(descriptor.media_type)
            if shape == "config":
                config = self._config(descriptor.digest)
                found += [config] if config is not None else []
            elif shape in HOLDING_SHAPES:
                document = self._document(descriptor)
                links = document.links if document is not None and not descriptor.is_attestation else ()
                stack += [(link.descriptor, link.word, depth + 1) for link in reversed(links)]
        return found

    def _document(self, descriptor: Descriptor) -> Document | None:
        digest = descriptor.digest
        if digest not in self._documents:
            self._documents[digest] = None
            data = self._read(digest)
            if data is not None:
                try:
                    self._documents[digest] = decode_document(data, shape_of(descriptor.media_type))
                except OcistoreError:
                    return None
        return self._documents[digest]

    def _config(self, digest: str) -> Config | None:
        if digest not in self._configs:
            self._configs[digest] = None
            data = self._read(digest)
            if data is not None:
                try:
                    self._configs[digest] = decode_config(data)
                except OcistoreError:
                    return None
        return self._configs[digest]

    def _read(self, digest: str) -> bytes | None:
        path = self._meta.content.blobs.get(digest)
        if path is None or self._meta.content.sizes.get(digest, 0) > MAX_DOCUMENT:
            return None
        try:
            return self._tree.read(path, MAX_DOCUMENT)
        except OcistoreError:
            return None
