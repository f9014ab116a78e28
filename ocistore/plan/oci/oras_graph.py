"""The graph that oras-go keeps of a layout.  Source: oci-layout 7.6, step 1 (oras-go, `internal/graph/memory.go`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.formats.media_types import ARTIFACT, DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, is_manifest, shape_of
from ocistore.formats.oci import Descriptor
from ocistore.plan.oci.state import NativeFailure

if TYPE_CHECKING:
    from ocistore.plan.oci.state import LayoutState

_SUCCESSORS: dict[str, tuple[str, ...]] = {
    MANIFEST: ("subject", "config", "layers"),
    DOCKER_MANIFEST: ("config", "layers"),
    INDEX: ("subject", "manifests"),
    DOCKER_LIST: ("manifests",),
    ARTIFACT: ("subject", "blobs"),
}
_WITH_SUBJECT = (MANIFEST, INDEX, ARTIFACT)
Key = tuple[str, ...] | str


class OrasGraph:
    """Successors and predecessors as oras sees them; entries of index.json are neither."""

    def __init__(self, state: LayoutState, *, by_digest: bool) -> None:
        """An empty graph.

        Args:
            state: the layout.
            by_digest: whether one digest is one node (oras 1.3.3); before, media type and size are part of it.
        """
        self._state = state
        self._by_digest = by_digest
        self._nodes: dict[Key, Descriptor] = {}
        self._successors: dict[Key, dict[Key, None]] = {}
        self._predecessors: dict[Key, dict[Key, None]] = {}
        self._indexed: set[tuple[str, str, int]] = set()

    def add(self, root: Descriptor) -> None:
        """Adds a descriptor and what it leads to; a manifest or index that isn't there is no node.

        Raises:
            NativeFailure: a manifest has wrong bytes, the wrong size, or isn't JSON.
        """
        stack = [root]
        while stack:
            descriptor = stack.pop()
            mark = _plain(descriptor)
            if mark in self._indexed:
                continue
            self._indexed.add(mark)
            if is_manifest(descriptor.media_type) and not self._state.has(descriptor.digest):
                continue
            below = self._read_successors(descriptor)
            key = self._key(descriptor)
            self._nodes[key] = descriptor
            self._successors[key] = dict.fromkeys(map(self._key, below))
            for each in self._successors[key]:
                self._predecessors.setdefault(each, {})[key] = None
            stack.extend(reversed(below))

    def predecessors(self, descriptor: Descriptor) -> list[Descriptor]:
        """The manifests and indexes that refer to it."""
        return [self._nodes[key] for key in self._predecessors.get(self._key(descriptor), {}) if key in self._nodes]

    def subjects(self, descriptor: Descriptor) -> tuple[Descriptor, ...]:
        """The subject of a node, none if its type has none or it has none."""
        if descriptor.media_type not in _WITH_SUBJECT or not self._state.has(descriptor.digest):
            return ()
        return self._state.document(descriptor.digest, shape_of(descriptor.media_type)).last.get("subject", ())

    def remove(self, descriptor: Descriptor) -> list[Descriptor]:
        """Takes a node out; gives those of its successors that have no predecessor left."""
        key = self._key(descriptor)
        dangling = []
        for below in self._successors.pop(key, {}):
            above = self._predecessors.get(below, {})
            above.pop(key, None)
            if not above:
                self._predecessors.pop(below, None)
                if below in self._nodes:
                    dangling.append(self._nodes[below])
        self._nodes.pop(key, None)
        return dangling

    def parents_first(self, batch: list[Descriptor]) -> list[Descriptor]:
        """A batch with those first that refer to others of it: so a node that may be met twice is."""
        keys = {self._key(each) for each in batch}
        return sorted(batch, key=lambda each: bool(self._predecessors.get(self._key(each), {}).keys() & keys))

    def _read_successors(self, descriptor: Descriptor) -> list[Descriptor]:
        members = _SUCCESSORS.get(descriptor.media_type, ())
        if not members:
            return []
        digest = descriptor.digest
        if self._state.size(digest) != (descriptor.size or 0):
            raise NativeFailure(f"{digest} has {self._state.size(digest)} bytes, its descriptor says {descriptor.size}")
        if not self._state.is_right(digest):
            raise NativeFailure(f"the bytes of {digest} don't match its name")
        document = self._state.document(digest, shape_of(descriptor.media_type))
        below = [each for name in members for each in document.last.get(name, ())]
        if "config" in members and not document.last.get("config"):
            # In Go a missing configuration is one without a digest.
            below.append(Descriptor("", ""))
        return below

    def _key(self, descriptor: Descriptor) -> Key:
        if self._by_digest:
            return descriptor.digest
        return descriptor.media_type, descriptor.digest, str(descriptor.size or 0)


def _plain(descriptor: Descriptor) -> tuple[str, str, int]:
    return descriptor.media_type, descriptor.digest, descriptor.size or 0


def same_content(one: Descriptor, other: Descriptor) -> bool:
    """Whether two descriptors are equal to oras-go: digest, size and media type."""
    return _plain(one) == _plain(other)
