"""`podman rm`, `podman container prune`, `podman pod` (containers-storage 3.4, 3.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.stores.containers_storage.libpod import State as Status
from ocistore.stores.containers_storage.makers import Maker

from .filters import matches_labels, matches_regex, one_until
from .makers import maker_of
from .state import RuleFails

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ocistore.stores.containers_storage.libpod import Pod, PodmanContainer

    from .rows import Rows
    from .versions import Rules

    ContainerTest = Callable[[PodmanContainer], bool]

_PRUNED = (Status.STOPPED, Status.EXITED, Status.CREATED, Status.CONFIGURED)
_PRUNE_FILTERS = ("label", "label!", "until")


def prune_containers(rows: Rows, rules: Rules, filters: Mapping[str, list[str]]) -> None:
    """`podman container prune`: ended and created containers outside pods, in the database's order.

    Raises:
        RuleFails: a filter is wrong, and nothing is done; or one could not go, after all were tried.
    """
    unknown = [key for key in filters if key not in _PRUNE_FILTERS]
    if unknown:
        raise RuleFails(f"the filter {unknown[0]} is not known")
    tests = [_prune_test(rows, rules, key, values) for key, values in filters.items()]
    failures: list[RuleFails] = []
    chosen = [
        row
        for row in rows.containers.values()
        if not row.pod and row.state in _PRUNED and all(test(row) for test in tests)
    ]
    for row in chosen:
        try:
            _prune_one(rows, row)
        except RuleFails as err:
            failures.append(err)
    if failures:
        raise failures[0]


def _prune_one(rows: Rows, row: PodmanContainer) -> None:
    if row.id not in rows.containers:
        return
    if row.id not in rows.state.containers and not row.rootfs:
        # Its size can't be told, and so it isn't removed (Part 4, class 11).
        raise RuleFails(f"container {row.name} has no storage")
    dependents = rows.dependents(row)
    if dependents:
        raise RuleFails(f"container {row.name} is needed by {dependents[0].name}", in_use=True)
    rows.remove_container(row, with_volumes=False, why=f"is {row.state.word}, outside a pod")


def _prune_test(rows: Rows, rules: Rules, key: str, values: list[str]) -> ContainerTest:
    if key == "label":
        return lambda row: matches_labels(values, row.labels)
    if key == "label!":
        if rules.podman_from(6, 0):
            return lambda row: not any(matches_labels([value], row.labels) for value in values)
        return lambda row: not matches_labels(values, row.labels)
    until = one_until(values, rows.state.now_ns)
    return lambda row: row.created_ns < until


class ContainerRemover:
    """`podman rm` with its options."""

    def __init__(self, rows: Rows, rules: Rules, *, force: bool, volumes: bool, depend: bool, ignore: bool) -> None:
        self._rows, self._rules = rows, rules
        self._force, self._volumes, self._depend = force, volumes, depend
        self._ignore = ignore or (force and rules.podman_from(5, 1))
        self._failures: list[RuleFails] = []

    def remove_names(self, names: list[str]) -> None:
        """Containers by name: podman's, or any tool's in the storage.

        A name that nothing has ends the command before podman's containers are touched; storage containers named
        before it are gone by then (until 4.3: nothing is).

        Raises:
            RuleFails: the first failure.
        """
        early = self._rules.podman_from(4, 4)
        if not early:
            unknown = [name for name in names if not self._is_known(name)]
            if unknown and not self._ignore:
                if not self._force:
                    raise RuleFails(f"no container {unknown[0]}")
                return
        chosen: list[PodmanContainer] = []
        for name in names:
            row = self._rows.find_container(name)
            if row is not None:
                chosen.append(row)
            elif not self._remove_storage(name) and not self._ignore:
                raise RuleFails(f"no container {name}")
        self.remove_rows(chosen)

    def remove_rows(self, chosen: list[PodmanContainer]) -> None:
        """Podman's containers; one's failure doesn't stop the others.

        Raises:
            RuleFails: the first failure, after all were tried.
        """
        for row in chosen:
            try:
                self._remove_row(row)
            except RuleFails as err:
                self._failures.append(err)
        if self._failures:
            raise self._failures[0]

    def remove_all(self, chosen: list[PodmanContainer]) -> None:
        """`rm -a`: implies --depend.

        Until 4.5 infra containers go first and take their pods with anonymous volumes; later all go in parallel, and a
        member that goes before its infra container keeps its anonymous volumes.

        Raises:
            RuleFails: the first failure, after all were tried.
        """
        self._depend = True
        rows = self._rows
        infra = [row for row in chosen if rows.pod_of_infra(row)]
        if not self._rules.podman_from(4, 6):
            self.remove_rows(infra + [row for row in chosen if row not in infra])
            return
        racing = [
            name
            for row in chosen
            if row.pod and rows.pods.get(row.pod) and rows.pods[row.pod].infra
            for name in row.volume_rows
            if (volume := rows.volumes.get(name)) is not None and volume.anonymous
        ]
        if racing and not self._volumes:
            rows.state.note(
                "native-order-undefined",
                "which anonymous volumes of pod members go with their pod is a race; none is planned: "
                + ", ".join(sorted(set(racing))),
            )
        self.remove_rows([row for row in chosen if row not in infra] + infra)

    def _is_known(self, name: str) -> bool:
        return self._rows.find_container(name) is not None or self._rows.state.find_container(name) is not None

    def _remove_row(self, row: PodmanContainer) -> None:
        rows = self._rows
        if row.id not in rows.containers:
            return
        if self._depend:
            rows.remove_with_dependents(row, force=self._force, with_volumes=self._volumes, why="asked for")
            return
        pod = rows.pod_of_infra(row)
        if pod is not None:
            raise RuleFails(f"container {row.name} is the infra container of pod {pod.name}; remove the pod")
        dependents = rows.dependents(row)
        if dependents:
            raise RuleFails(f"container {row.name} is needed by {dependents[0].name}", in_use=True)
        rows.check_removable(row, force=self._force)
        rows.remove_container(row, with_volumes=self._volumes, why="asked for")

    def _remove_storage(self, name: str) -> bool:
        """A container that podman's database doesn't have; whether there is one."""
        state = self._rows.state
        record = state.find_container(name)
        if record is None or record.id in self._rows.containers:
            return False
        if maker_of(state, record.id) is Maker.IMAGE_VOLUME:
            self._failures.append(RuleFails(f"container {record.id[:12]} is the storage of a volume", in_use=True))
        elif state.storage.is_mounted(record.layer) and not self._force:
            self._failures.append(RuleFails(f"container {record.id[:12]} counts as mounted", in_use=True))
        else:
            state.delete_container(record.id, f"asked for; made by {maker_of(state, record.id)}")
        return True


def filter_containers(rows: Rows, filters: Mapping[str, list[str]]) -> list[PodmanContainer]:
    """The containers that `rm --filter` picks: keys by and, values of one key by or, but for labels and until (3.4).

    Raises:
        RuleFails: a filter is wrong.
        UsageError: a filter is not simulated.
    """
    tests = [_rm_test(rows, key, values) for key, values in filters.items()]
    return [row for row in rows.containers.values() if all(test(row) for test in tests)]


_STATUS = {
    "created": (Status.CONFIGURED,),
    "initialized": (Status.CREATED,),
    "exited": (Status.STOPPED, Status.EXITED),
    "stopped": (Status.STOPPED, Status.EXITED),
    "running": (Status.RUNNING,),
    "paused": (Status.PAUSED,),
    "removing": (Status.REMOVING,),
    "stopping": (Status.STOPPING,),
    "unknown": (Status.UNKNOWN,),
}


def _rm_test(rows: Rows, key: str, values: list[str]) -> ContainerTest:
    if key == "id":
        return lambda row: any(row.id.startswith(value) for value in values)
    if key == "name":
        return lambda row: matches_regex(values, row.name)
    if key == "status":
        unknown = [value for value in values if value not in _STATUS]
        if unknown:
            raise RuleFails(f"{unknown[0]} is no status")
        wanted = {status for value in values for status in _STATUS[value]}
        return lambda row: row.state in wanted
    if key == "exited":
        codes = _codes(values)
        return lambda row: row.state in (Status.STOPPED, Status.EXITED) and row.exit_code in codes
    if key in ("before", "since"):
        return _relative_test(rows, key, values)
    if key == "pod":
        pods = {pod.id for value in values if (pod := rows.find_pod(value)) is not None}
        return lambda row: row.pod in pods
    if key == "volume":
        return lambda row: any(value in pair for pair in _mounts(row) for value in values)
    if key == "ancestor":
        return lambda row: any(_is_ancestor(row, value) for value in values)
    if key == "label":
        return lambda row: matches_labels(values, row.labels)
    if key == "label!":
        return lambda row: not matches_labels(values, row.labels)
    if key == "until":
        until = one_until(values, rows.state.now_ns)
        return lambda row: row.created_ns < until
    if key in ("network", "health", "restart-policy", "command"):
        raise UsageError(f"podman rm: the filter {key} is not simulated")
    raise RuleFails(f"the filter {key} is not known")


def _codes(values: list[str]) -> set[int]:
    try:
        return {int(value) for value in values}
    except ValueError:
        raise RuleFails(f"{values[0]} is no exit code") from None


def _relative_test(rows: Rows, key: str, values: list[str]) -> ContainerTest:
    times = []
    for value in values:
        other = rows.find_container(value)
        if other is None:
            raise RuleFails(f"no container {value}")
        times.append(other.created_ns)
    if key == "before":
        latest = max(times)
        return lambda row: row.created_ns < latest
    earliest = min(times)
    return lambda row: row.created_ns > earliest


def _mounts(row: PodmanContainer) -> list[tuple[str, str]]:
    return [*row.volumes, *((name, "") for name in row.volume_rows)]


def _is_ancestor(row: PodmanContainer, value: str) -> bool:
    if value in row.image:
        return True
    name = row.image_name
    try:
        return any(re.search(value, form) is not None for form in (name, name.removesuffix(":latest")))
    except re.error:
        raise RuleFails(f"malformed pattern {value!r}") from None


def remove_pods(rows: Rows, names: list[str], *, everything: bool, ignore: bool) -> None:
    """`podman pod rm`: all members, infra last, with their anonymous volumes.

    An unknown name: nothing is done, unless it is to be ignored.

    Raises:
        RuleFails: an unknown name.
    """
    chosen: list[Pod] = list(rows.pods.values()) if everything else []
    for name in names:
        pod = rows.find_pod(name)
        if pod is not None:
            chosen.append(pod)
        elif not ignore:
            raise RuleFails(f"no pod {name}")
    for pod in chosen:
        if pod.id in rows.pods:
            rows.remove_pod(pod, with_volumes=True, why="asked for")


def prune_pods(rows: Rows) -> bool:
    """Pods whose containers have all or partly ended; filters don't apply to them; whether any went (3.7 step 1)."""
    chosen = [pod for pod in rows.pods.values() if _has_ended(rows, pod)]
    for pod in chosen:
        rows.remove_pod(pod, with_volumes=True, why="its containers have ended")
    return bool(chosen)


def _has_ended(rows: Rows, pod: Pod) -> bool:
    states = [row.state for row in rows.members(pod)]
    ended = [s for s in states if s in (Status.STOPPED, Status.EXITED)]
    return bool(ended) and Status.RUNNING not in states
