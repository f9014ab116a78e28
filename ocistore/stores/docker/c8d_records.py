"""What a Docker data-root has in a containerd, as values (docker-buildkit-containerd 2.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.stores.shared.containerd.metadata_store import View
from ocistore.stores.shared.docker_names import familiar, is_dangling

if TYPE_CHECKING:
    from ocistore.stores.shared.buildkit.cache import Cache
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.shared.containerd.populate import Placed

MOBY = "moby"
"""Namespace of the daemon's images, leases and snapshots."""
MOBY_HISTORY = "moby_history"
"""Namespace of the content that build history keeps."""


class MobyView(View):
    """Image records of `moby` as Docker shows them; those of other namespaces are names only."""

    def __init__(self, taken: frozenset[str] = frozenset(), containers: frozenset[str] = frozenset()) -> None:
        """Knows the data-root.

        Args:
            taken: familiar names that another image store of the data-root has, too.
            containers: ids of the data-root's containers.
        """
        self._taken, self._containers = taken, containers

    def ref_id(self, namespace: str, name: str) -> str:
        """The familiar reference; where another image store has it, too, containerd's own id."""
        shown = familiar(name)
        return shown if namespace == MOBY and shown not in self._taken else super().ref_id(namespace, name)

    def has_ref_node(self, namespace: str, name: str) -> bool:
        """A record that stands for an image without a name is no name."""
        return not (namespace == MOBY and is_dangling(name))

    def image_name(self, namespace: str, name: str) -> str | None:
        """`name:tag`; names by digest and those of nameless images aren't shown."""
        if namespace != MOBY or is_dangling(name) or "@" in name:
            return None
        return familiar(name)

    def container_node(self, namespace: str, ident: str) -> tuple[str, str]:
        """The record of a container that runs, or ran when the daemon was killed, is that of the daemon's own.

        One that the daemon has no record of is none that it lists.
        """
        if namespace != MOBY:
            return super().container_node(namespace, ident)
        if ident in self._containers:
            return "container", ident
        return "debris", f"container {namespace}/{ident}"

    def has_image_node(self, namespace: str) -> bool:
        """Images are those of the daemon's namespace."""
        return namespace == MOBY


@dataclass(slots=True)
class ContainerdHalf:
    """The image store that lies in a containerd, or what a graph driver's image store keeps there (2.9, 2.10).

    Attributes:
        meta: records, content and snapshots of all its namespaces.
        placed: their nodes.
        snapshotter: of the image store, empty where there is none and only manifests of pulled images are kept.
        cache: build records, None where there are none or their file can't be read.
        active: whether it is the image store in use.
        absent: why it can't be read, though the data-root was used with it; empty otherwise.
    """

    meta: MetadataStore | None = None
    placed: Placed | None = None
    snapshotter: str = ""
    cache: Cache | None = None
    active: bool = False
    absent: str = ""
