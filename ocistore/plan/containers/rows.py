"""Podman's rows as a simulation changes them: its start after a reboot, and the removal of containers, pods, volumes.

Source: containers-storage 2.4, 3.4 to 3.7.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.libpod import Libpod, PodmanContainer
from ocistore.stores.containers_storage.libpod import State as Status

from .state import RuleFails

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.stores.containers_storage.libpod import Pod, Volume

    from .state import State
    from .versions import Rules

Index = dict[str, dict[str, PodmanContainer]]
"""Pod, volume or needed container -> its containers by id, in the database's order."""

_AFTER_REBOOT = {
    Status.STOPPED: Status.EXITED,
    Status.EXITED: Status.EXITED,
    Status.STOPPING: Status.EXITED,
    Status.RUNNING: Status.EXITED,
    Status.PAUSED: Status.EXITED,
    Status.CONFIGURED: Status.CONFIGURED,
    Status.CREATED: Status.CONFIGURED,
    Status.UNKNOWN: Status.CONFIGURED,
    Status.REMOVING: Status.REMOVING,
}
_LIVE = (Status.RUNNING, Status.PAUSED, Status.STOPPING)


def choose_database(state: State, rules: Rules) -> Libpod | None:
    """The database that this version opens where several are there (2.1)."""
    databases = state.storage.databases
    backends = {database.backend: database for database in reversed(databases)}
    if not rules.podman_from(4, 4):
        return backends.get("bolt")
    if rules.podman_from(6, 0):
        return backends.get("sqlite")
    sqlite, bolt = backends.get("sqlite"), backends.get("bolt")
    first, second = (sqlite, bolt) if rules.podman_from(5, 8, 1) else (bolt, sqlite)
    return first or second


class Rows:
    """What podman's database holds while commands run.

    Attributes:
        containers, pods, volumes: rows in the database's order.
    """

    def __init__(self, state: State, database: Libpod | None) -> None:
        self.state = state
        self.database = database or Libpod("sqlite", "")
        self.containers: dict[str, PodmanContainer] = {
            ident: replace(row, depends_on=set(row.depends_on), volume_rows=list(row.volume_rows))
            for ident, row in self.database.containers.items()
        }
        self.pods: dict[str, Pod] = dict(self.database.pods)
        self.volumes: dict[str, Volume] = dict(self.database.volumes)
        self._on_images = [volume for volume in self.volumes.values() if volume.storage_image]
        self._by_name = {row.name: row for row in self.containers.values()}
        self._by_pod: Index = {}
        self._by_image: Index = {}
        self._by_volume: Index = {}
        self._by_need: Index = {}
        for row in self.containers.values():
            for index, key in self._places(row):
                index.setdefault(key, {})[row.id] = row

    def _places(self, row: PodmanContainer) -> Iterator[tuple[Index, str]]:
        """Where a container stands in the indexes."""
        yield self._by_pod, row.pod
        yield self._by_image, row.image
        yield from ((self._by_volume, volume) for volume in row.volume_rows)
        yield from ((self._by_need, needed) for needed in row.depends_on)

    def forget(self, row: PodmanContainer) -> None:
        """Takes a container's row away."""
        del self.containers[row.id]
        if self._by_name.get(row.name) is row:
            del self._by_name[row.name]
        for index, key in self._places(row):
            index[key].pop(row.id, None)

    # Start -----------------------------------------------------------------------------------------------------------

    def refresh(self, rules: Rules) -> None:
        """Podman's first start after a reboot: states are reset; from 5.0 auto-remove containers go (2.4)."""
        live = [row.name for row in self.containers.values() if row.state in _LIVE]
        for row in self.containers.values():
            row.state = _AFTER_REBOOT[row.state]
        if live:
            self.state.note(
                "states-reset",
                f"recorded as running, and taken as ended, as after a reboot: {', '.join(sorted(live))}",
            )
        if not rules.podman_from(5, 0):
            return
        self.state.silence()
        for row in list(self.containers.values()):
            ended = (row.autoremove and row.state is Status.EXITED) or row.state is Status.REMOVING
            if ended and row.id in self.containers and not self.dependents(row):
                self.remove_container(row, with_volumes=True, why="podman removes it when it starts")
        self.state.speak()

    # Look-up ---------------------------------------------------------------------------------------------------------

    def find_container(self, text: str) -> PodmanContainer | None:
        """A container by exact id or name, or unique id prefix."""
        row = self.containers.get(text) or self._by_name.get(text)
        if row is not None:
            return row
        found = [row for row in self.containers.values() if text and row.id.startswith(text)]
        return found[0] if len(found) == 1 else None

    def find_pod(self, text: str) -> Pod | None:
        """A pod by exact id or name, or unique id prefix."""
        for pod in self.pods.values():
            if text in (pod.id, pod.name):
                return pod
        found = [pod for pod in self.pods.values() if text and pod.id.startswith(text)]
        return found[0] if len(found) == 1 else None

    def find_volume(self, text: str) -> Volume | None:
        """A volume by exact name or unique prefix of it (3.6)."""
        if text in self.volumes:
            return self.volumes[text]
        found = [volume for name, volume in self.volumes.items() if text and name.startswith(text)]
        return found[0] if len(found) == 1 else None

    def dependents(self, row: PodmanContainer) -> list[PodmanContainer]:
        """The containers that need this one."""
        return [other for other in self._by_need.get(row.id, {}).values() if other is not row]

    def members(self, pod: Pod) -> list[PodmanContainer]:
        """A pod's containers, the infra container last."""
        return sorted(self._by_pod.get(pod.id, {}).values(), key=lambda row: row.id == pod.infra)

    def users(self, volume: str) -> list[PodmanContainer]:
        """The containers with a row for a volume, whatever their state."""
        return list(self._by_volume.get(volume, {}).values())

    def on_image(self, image: str) -> list[PodmanContainer]:
        """The containers that were made from an image."""
        return list(self._by_image.get(image, {}).values())

    def image_volumes(self, image: str) -> list[Volume]:
        """The volumes of the image driver that stand on an image."""
        return [volume for volume in self._on_images if volume.storage_image == image and volume.name in self.volumes]

    def pod_of_infra(self, row: PodmanContainer) -> Pod | None:
        """The pod whose infra container this is."""
        pod = self.pods.get(row.pod)
        return pod if pod is not None and (pod.infra == row.id or row.infra) else None

    # Removal ---------------------------------------------------------------------------------------------------------

    def remove_container(self, row: PodmanContainer, *, with_volumes: bool, why: str) -> None:
        """A container's storage, its row, and with `with_volumes` its anonymous volumes that no other one uses (3.4).

        A row without storage is cleared (Part 4, class 11).
        """
        if row.id in self.state.containers:
            self.state.delete_container(row.id, why)
        else:
            self.state.record("container", row.id, (), why)
        self.forget(row)
        if with_volumes:
            for name in dict.fromkeys(row.volume_rows):
                volume = self.volumes.get(name)
                if volume is not None and volume.anonymous and not self.users(name):
                    self.remove_volume(volume, f"anonymous volume of container {row.name}")

    def remove_pod(self, pod: Pod, *, with_volumes: bool, why: str) -> None:
        """A pod with all its containers, infra last, then what serves it when it was the last (3.4, 3.7)."""
        for row in self.members(pod):
            if row.id in self.containers:
                self.remove_container(row, with_volumes=with_volumes, why=f"member of pod {pod.name}")
        self.pods.pop(pod.id, None)
        self.state.record("pod", pod.id, (), why)
        service = self.containers.get(pod.service)
        if service is not None and not any(other.service == pod.service for other in self.pods.values()):
            self.remove_container(service, with_volumes=with_volumes, why=f"service container of pod {pod.name}")

    def remove_volume(self, volume: Volume, why: str) -> None:
        """A volume's row and its directory; one of the image driver also its storage container (3.6)."""
        self.volumes.pop(volume.name, None)
        if volume.storage_id and volume.storage_id in self.state.containers:
            self.state.delete_container(volume.storage_id, f"storage of volume {volume.name}")
        self.state.record("volume", volume.name, self.state.storage.volume_paths(volume.name), why)

    def remove_with_dependents(self, row: PodmanContainer, *, force: bool, with_volumes: bool, why: str) -> None:
        """A container after those that need it (`rm --depend`, `rm -a`).

        An infra container takes its pod, and that takes anonymous volumes with it, -v or not.

        Raises:
            RuleFails: one of them may not go without force.
        """
        for other in [row] if self.pod_of_infra(row) else self._dependents_first(row):
            if other.id not in self.containers:
                continue
            pod = self.pod_of_infra(other)
            if pod is not None:
                self.remove_pod(pod, with_volumes=True, why=f"its infra container {other.name} goes")
                continue
            self.check_removable(other, force=force)
            self.remove_container(other, with_volumes=with_volumes, why=why if other is row else f"needs {row.name}")

    def _dependents_first(self, row: PodmanContainer) -> list[PodmanContainer]:
        """A container and all that need it, directly or not, each after those that need it; a cycle ends."""
        order: list[PodmanContainer] = []
        entered = {row.id}
        trail = [(row, iter(self.dependents(row)))]
        while trail:
            current, rest = trail[-1]
            other = next((other for other in rest if other.id not in entered), None)
            if other is None:
                order.append(current)
                trail.pop()
            else:
                entered.add(other.id)
                trail.append((other, iter(self.dependents(other))))
        return order

    def remove_alone(self, row: PodmanContainer, why: str) -> None:
        """A container by force, its volumes kept: for an image or a volume that goes by force (3.5, 3.6).

        Raises:
            RuleFails: others need it.
        """
        dependents = self.dependents(row)
        if dependents:
            raise RuleFails(f"container {row.name} is needed by {dependents[0].name}", in_use=True)
        self.remove_container(row, with_volumes=False, why=why)

    def force_volume(self, volume: Volume, why: str) -> None:
        """A volume after the containers that use it (3.6).

        Raises:
            RuleFails: others need one of them.
        """
        for user in self.users(volume.name):
            self.remove_alone(user, f"uses volume {volume.name}")
        self.remove_volume(volume, why)

    def check_removable(self, row: PodmanContainer, *, force: bool) -> None:
        """Raises RuleFails where a container's state forbids removal without force (3.4)."""
        if row.state in _LIVE and not force:
            raise RuleFails(f"container {row.name} is {row.state.word}", in_use=True)
