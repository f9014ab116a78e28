"""The two image stores as docker's commands see them: graph drivers and containerd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ocistore.plan.buildkit.backend import CacheBackend
    from ocistore.plan.containerd.state import MetaState
    from ocistore.plan.docker.filters import ImageFilters
    from ocistore.plan.docker.state import DockerState
    from ocistore.plan.docker.versions import Rules
    from ocistore.plan.plan import Outcome
    from ocistore.stores.docker.records import ContainerRecord
    from ocistore.stores.shared.buildkit.cache import Cache


class ImageMode(Protocol):
    """What a command asks of and does to the image store in use; removals go into the outcome that `begin` gave."""

    def begin(self, outcome: Outcome, rules: Rules) -> None:
        """The next command begins."""
        ...

    def remove_image(self, text: str, *, force: bool, prune: bool) -> None:
        """`docker rmi TEXT`; `prune`: nameless parents go, too.

        Raises:
            RuleFails: there is no such image, or a conflict.
        """
        ...

    def prune_images(self, filters: ImageFilters, *, dangling_only: bool) -> None:
        """`docker image prune`."""
        ...

    def container_paths(self, container: ContainerRecord) -> tuple[str, ...]:
        """What of a container lies in the image store and goes with it, beside its record."""
        ...

    def release_container(self, container: ContainerRecord) -> None:
        """A container that is gone holds nothing any more; what only it held goes."""
        ...

    @property
    def cache(self) -> Cache | None:
        """The build records of this image store; None where there are none."""
        ...

    @property
    def backend(self) -> CacheBackend:
        """What lies below its build records."""
        ...

    @property
    def meta(self) -> MetaState | None:
        """Where leases and content of builds are; None where there are none."""
        ...

    def start(self) -> None:
        """What a start of the daemon does here by itself."""
        ...


def open_images(state: DockerState) -> ImageMode:
    """The image store that the daemon is taken to use."""
    records = state.records
    if records.graph is not None and records.graph.active:
        from .graph_images import GraphImages

        return GraphImages(state, records.graph)
    from .c8d_mode import open_containerd_images

    return open_containerd_images(state)
