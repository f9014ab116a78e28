"""A data-root's containerd as docker's commands change it (docker-buildkit-containerd 2.10, 5.8)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ocistore.plan.containerd.state import MetaState, RecordMissing
from ocistore.stores.docker.c8d_records import MOBY
from ocistore.stores.shared.buildkit.cache import TEMPORARY, VARIANTS
from ocistore.stores.shared.containerd.images import Contents
from ocistore.stores.shared.containerd.references import References, Resource, reach
from ocistore.stores.shared.containerd.references import rules_of as containerd_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ocistore.plan.docker.filters import ImageFilters
    from ocistore.plan.plan import Outcome
    from ocistore.stores.docker.c8d_records import ContainerdHalf as Half
    from ocistore.stores.docker.records import ContainerRecord
    from ocistore.stores.shared.containerd.records import ImageRecord, Namespace
    from ocistore.stores.store import Store

_ANY_CONTAINERD = (99, 0)
"""The newest rules: which containerd runs beside dockerd isn't known."""
_ANY_DOCKER = (99, 0)
SNAPSHOT_REF = "containerd.io/gc.ref.snapshot."


@dataclass(frozen=True, slots=True)
class ImageRules:
    """What differs between versions of dockerd with the containerd image store (5.8).

    Attributes:
        prunes_pull_leases: `image prune` deletes the leases of pulls first (27.4).
        protects_by_digest: a container made from name:tag@digest protects more than its name (27.3).
        untags_used_images: the last name of a used image goes, too, and a nameless record stays (24 to 27.2).
        forgets_unpacked: snapshots of a removed image go even if its config stays (24 to 28.1).
    """

    prunes_pull_leases: bool
    protects_by_digest: bool
    untags_used_images: bool
    forgets_unpacked: bool


def rules_of(version: tuple[int, int]) -> ImageRules:
    """The rules of a dockerd version (major, minor)."""
    return ImageRules(
        prunes_pull_leases=version >= (27, 4),
        protects_by_digest=version >= (27, 3),
        untags_used_images=(24, 0) <= version < (27, 3),
        forgets_unpacked=version < (28, 2),
    )


class ContainerdHalf:
    """The image store in containerd while commands run on it.

    Attributes:
        meta: records, content and snapshots, and the collector.
        rules: of the command that runs.
    """

    def __init__(
        self, store: Store, half: Half, now_ns: int, containers: Callable[[], Iterable[ContainerRecord]]
    ) -> None:
        """Takes the records as they are on the disk.

        Args:
            store: what was read.
            half: its containerd, readable.
            now_ns: the time that the commands run.
            containers: those that the daemon knows now.
        """
        assert half.meta is not None
        self.half = half
        self.meta = MetaState(store, half.meta, now_ns, containerd_rules(_ANY_CONTAINERD))
        self.containers = containers
        self.rules = rules_of(_ANY_DOCKER)
        self._contents = Contents(store, half.meta)
        self._labels: dict[str, list[Mapping[str, str]]] = {}

    def begin(self, outcome: Outcome) -> None:
        """From here on removals go into this outcome."""
        self.meta.begin(outcome)

    def start(self, told: Outcome) -> None:
        """What a start does: leases of records that can't be loaded go, then containerd collects (3.4).

        It is no command's doing; `told` receives it.
        """
        cache = self.half.cache
        stale = cache.start.dropped if cache is not None and not cache.doubt else {}
        self.meta.begin(told)
        for record in stale:
            self.delete_lease(record)
            self.delete_lease(record + VARIANTS)
        for lease in [i.id for i in self.namespace().leases.values() if TEMPORARY in i.labels]:
            self.delete_lease(lease)
        self.collect()

    def passes(self, record: ImageRecord, filters: ImageFilters) -> bool:
        """Whether an image record passes the filters of a prune (5.8, prune, 2).

        The time is that of the record; the labels are those of any one config, all conditions on the same.
        """
        if filters.until_ns is not None and not (record.created_ns or 0) < filters.until_ns:
            return False
        if not filters.labels and not filters.not_labels:
            return True
        return any(_has_labels(labels, filters) for labels in self.labels_of(record.target))

    def namespace(self) -> Namespace:
        """The records of the daemon's namespace."""
        return self.meta.namespace(MOBY)

    def images(self) -> dict[str, ImageRecord]:
        """The image records, by name."""
        return self.namespace().images

    def delete_image(self, name: str) -> None:
        """Deletes an image record."""
        self.meta.delete_image(MOBY, name)

    def add_image(self, name: str, like: ImageRecord) -> None:
        """Adds an image record with the target of another one."""
        self.meta.add_image(MOBY, replace(like, name=name))

    def delete_lease(self, ident: str) -> None:
        """Deletes a lease; one that isn't there is no error."""
        with suppress(RecordMissing):
            self.meta.delete_lease(MOBY, ident)

    def collect(self) -> None:
        """The collector of containerd, which a synchronous deletion waits for."""
        self.meta.collect()

    def delete_container(self, ident: str) -> None:
        """What `docker rm` removes here: the container's lease, and with it its two snapshots (5.4)."""
        self.delete_lease(ident)
        self.collect()

    def configs_of(self, target: str) -> set[str]:
        """The blobs below a target whose labels name a snapshot: its configs, once unpacked (4.6)."""
        references = References(self.meta.metadata)
        blobs = self.namespace().blobs
        below = reach(self.meta.metadata, references, [Resource("content", MOBY, target)])
        return {
            found.key
            for found in below
            if found.type == "content"
            and found.key in blobs
            and any(label.startswith(SNAPSHOT_REF) for label in blobs[found.key].labels)
        }

    def forget_unpacked(self, configs: Iterable[str]) -> None:
        """Takes the label that holds an image's snapshots off the configs that no image has any more (24 to 28.1)."""
        if not self.rules.forgets_unpacked:
            return
        used = {config for record in self.images().values() for config in self.configs_of(record.target)}
        for config in sorted(set(configs) - used):
            if config in self.namespace().blobs:
                self.meta.drop_labels(MOBY, config, lambda label: label.startswith(SNAPSHOT_REF))
        self.collect()

    def labels_of(self, target: str) -> list[Mapping[str, str]]:
        """The labels of each image config below a target; what isn't there has none (5.8, prune, 2)."""
        if target not in self._labels:
            self._labels[target] = [config.labels for config in self._contents.configs(target)]
        return self._labels[target]


def _has_labels(labels: Mapping[str, str], filters: ImageFilters) -> bool:
    """`label!=K=V` wants the key with another value, unlike the other image store's rule (5.8)."""
    for text in filters.labels:
        key, equals, value = text.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    for text in filters.not_labels:
        key, equals, value = text.partition("=")
        if equals and (key not in labels or labels[key] == value):
            return False
        if not equals and key in labels:
            return False
    return True
