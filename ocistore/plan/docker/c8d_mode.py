"""The containerd image store as docker's commands see it (docker-buildkit-containerd 2.10, 5.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.plan.docker import c8d_images
from ocistore.plan.docker.c8d_state import ContainerdHalf, rules_of
from ocistore.plan.docker.failures import RuleFails
from ocistore.stores.docker.c8d_records import MOBY

if TYPE_CHECKING:
    from ocistore.plan.buildkit.backend import CacheBackend
    from ocistore.plan.containerd.state import MetaState
    from ocistore.plan.docker.filters import ImageFilters
    from ocistore.plan.docker.state import DockerState
    from ocistore.plan.docker.versions import Rules
    from ocistore.plan.plan import Outcome
    from ocistore.stores.docker.records import ContainerRecord
    from ocistore.stores.shared.buildkit.cache import Cache


class ContainerdImages:
    """An `ImageMode` over containerd's records."""

    def __init__(self, state: DockerState, half: ContainerdHalf) -> None:
        self._state, self._half = state, half
        self._backend: CacheBackend | None = None

    def begin(self, outcome: Outcome, rules: Rules) -> None:
        """See ImageMode."""
        self._half.begin(outcome)
        self._half.rules = rules_of(rules.version[:2])

    def remove_image(self, text: str, *, force: bool, prune: bool) -> None:
        """See ImageMode."""
        self._state.check("images")
        c8d_images.remove_image(self._half, text, force=force, prune=prune)

    def prune_images(self, filters: ImageFilters, *, dangling_only: bool) -> None:
        """See ImageMode."""
        self._state.check("images")
        c8d_images.prune_images(self._half, dangling_only=dangling_only, filters=filters)

    def container_paths(self, container: ContainerRecord) -> tuple[str, ...]:
        """See ImageMode; its file system are two snapshots, steps of their own."""
        del container
        return ()

    def release_container(self, container: ContainerRecord) -> None:
        """See ImageMode."""
        self._half.delete_container(container.id)

    @property
    def cache(self) -> Cache | None:
        """See ImageMode."""
        return self._half.half.cache

    @property
    def backend(self) -> CacheBackend:
        """See ImageMode."""
        # Imported here: only commands of the build cache ask.
        from ocistore.plan.buildkit.containerd_backend import ContainerdBackend

        if self._backend is None:
            self._backend = ContainerdBackend(self.meta, MOBY, self._half.half.snapshotter, sharing=True)
        return self._backend

    @property
    def meta(self) -> MetaState:
        """Records of containerd: leases of build records and of the build history are among them."""
        return self._half.meta

    def start(self) -> None:
        """See ImageMode."""
        self._half.start(self._state.outcome)


class AbsentImages:
    """An `ImageMode` over nothing: no image store is there, or it lies in a containerd that wasn't given."""

    def __init__(self, state: DockerState, absent: str) -> None:
        self._state, self._absent = state, absent

    def begin(self, outcome: Outcome, rules: Rules) -> None:
        """See ImageMode."""

    def remove_image(self, text: str, *, force: bool, prune: bool) -> None:
        """See ImageMode."""
        del force, prune
        raise RuleFails(f"no such image: {text}")

    def prune_images(self, filters: ImageFilters, *, dangling_only: bool) -> None:
        """See ImageMode; there is nothing to prune."""

    def container_paths(self, container: ContainerRecord) -> tuple[str, ...]:
        """See ImageMode."""
        del container
        return ()

    def release_container(self, container: ContainerRecord) -> None:
        """See ImageMode; its file system goes where it isn't seen."""
        if self._absent:
            text = "its file system goes, too, in the containerd that wasn't given; that is not counted"
            self._state.note("outside-the-store", text, node=f"container:{container.id}")

    @property
    def cache(self) -> Cache | None:
        """See ImageMode."""
        return None

    @property
    def backend(self) -> CacheBackend:
        """See ImageMode."""
        raise AssertionError("there are no build records")

    @property
    def meta(self) -> None:
        """See ImageMode."""
        return None

    def start(self) -> None:
        """See ImageMode."""


def open_containerd_images(state: DockerState) -> ContainerdImages | AbsentImages:
    """The image store of a data-root whose images lie in a containerd, if that is at hand."""
    half = state.records.containerd
    if half is None or half.meta is None or not half.snapshotter:
        return AbsentImages(state, half.absent if half is not None else "")
    return ContainerdImages(state, ContainerdHalf(state.store, half, state.now_ns, lambda: state.containers.values()))
