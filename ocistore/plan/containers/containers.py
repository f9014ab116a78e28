"""`podman rm`, `podman container prune`, `podman pod` (containers-storage 3.4, 3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.libpod import State as Status
from ocistore.stores.containers_storage.makers import Maker

from .filters import matches_labels, one_until
from .makers import maker_of
from .state import RuleFails

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ocistore.stores.containers_storage.libpod import Pod, PodmanContainer

    from .rows import Rows
    from .state import State
    from .versions import Rules

    ContainerTest = Callable[[PodmanContainer], bool]

_PRUNED = (Status.STOPPED, Status.EXITED, Status.CREATED, Status.CONFIGURED)
_PRUNE_FILTERS = ("label", "label!", "until")


def prune_containers(rows: Rows, rules: Rules, filters: Mapping[str, list[str]]) -> list[RuleFails]:
    """`podman container prune`: ended and created containers outside pods, in the database's order.

    Returns:
        The failures of those that could not go; the others went.

    Raises:
        RuleFails: a filter is wrong, and nothing is done.
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
    return failures


def _prune_one(rows: Rows, row: PodmanContainer) -> None:
    if row.id not in rows.containers:
        return
    if not row.rootfs and not _has_size(rows.state, row.id):
        # Its size is asked for first, and where that fails it isn't removed (3.4; Part 4, class 11).
        raise RuleFails(f"container {row.name} has no storage")
    dependents = rows.dependents(row)
    if dependents:
        raise RuleFails(f"container {row.name} is needed by {dependents[0].name}", in_use=True)
    rows.remove_container(row, with_volumes=False, why=f"is {row.state.word}, outside a pod")
    _check_cleanup(row)


def _check_cleanup(row: PodmanContainer) -> None:
    """Raises RuleFails for a container with an image as a volume: it goes, and its clean-up fails.

    After a reboot that image isn't mounted, and podman 5.4.2 and 5.8.6 were seen to fail with "layer not known".
    """
    if row.image_volumes:
        raise RuleFails(f"container {row.name} goes, but the image that is its volume isn't mounted any more")


def _has_size(state: State, ident: str) -> bool:
    """Whether a container has a record, and its layer a record and a directory."""
    record = state.containers.get(ident)
    if record is None or record.layer not in state.layers:
        return False
    return state.storage.layer_directory(record.layer) is not None


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
        before it are gone by then (until 4.3: all that are named, and with force it is no failure).

        Raises:
            RuleFails: the first failure.
        """
        old = not self._rules.podman_from(4, 4)
        chosen: list[PodmanContainer] = []
        unknown: list[str] = []
        for name in names:
            row = self._rows.find_container(name)
            if row is not None:
                chosen.append(row)
            elif not self._remove_storage(name) and not self._ignore:
                unknown.append(name)
                if not old:
                    break
            if self._failures and not old:
                # A storage container that may not go ends the command, as an unknown name does.
                raise self._failures[0]
        if unknown:
            if old and self._force:
                return
            raise RuleFails(f"no container {unknown[0]}")
        lenient = self._depend or self._ignore or self._force
        if old and not lenient and len({row.id for row in chosen}) < len(chosen):
            self._failures.append(RuleFails("a container is named twice, and is gone the second time"))
        self.remove_rows(chosen)

    def remove_rows(self, chosen: list[PodmanContainer]) -> None:
        """Podman's containers; one's failure doesn't stop the others.

        Without --depend they go in parallel: whether one that only others of them need can go is a race, and it is
        planned to stay.

        Raises:
            RuleFails: the first failure, after all were tried.
        """
        if not self._depend:
            chosen = self._without_racing(chosen)
        for row in chosen:
            try:
                self._remove_row(row)
            except RuleFails as err:
                self._failures.append(err)
        if self._failures:
            raise self._failures[0]

    def _without_racing(self, chosen: list[PodmanContainer]) -> list[PodmanContainer]:
        """The containers that no other needs when the command begins; a note names those that may go all the same."""
        rows = self._rows
        needed = [row for row in chosen if rows.dependents(row) and not rows.pod_of_infra(row)]
        for row in needed:
            by = rows.dependents(row)[0].name
            self._failures.append(RuleFails(f"container {row.name} is needed by {by}", in_use=True))
        racing = [row.name for row in needed if all(other in chosen for other in rows.dependents(row))]
        if racing:
            rows.state.note(
                "native-order-undefined",
                "containers go in parallel, and whether those that need these go first is a race; they are planned to "
                "stay: " + ", ".join(sorted(racing)),
            )
        return [row for row in chosen if row not in needed]

    def remove_all(self, chosen: list[PodmanContainer]) -> None:
        """`rm -a`; it implies --depend from 4.6.

        Until 4.5 infra containers go first and take their pods with anonymous volumes; later all go in parallel, and a
        member that goes before its infra container keeps its anonymous volumes.

        Raises:
            RuleFails: the first failure, after all were tried.
        """
        rows = self._rows
        infra = [row for row in chosen if rows.pod_of_infra(row)]
        if not self._rules.podman_from(4, 6):
            for row in infra:
                rows.remove_with_dependents(row, force=self._force, with_volumes=self._volumes, why="asked for")
            self.remove_rows([row for row in chosen if row.id in rows.containers])
            return
        self._depend = True
        taken = {row.pod for row in infra}
        racing = [
            name
            for row in chosen
            if row.pod in taken
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

    def _remove_row(self, row: PodmanContainer) -> None:
        rows = self._rows
        if row.id not in rows.containers:
            return
        if self._depend:
            rows.remove_with_dependents(row, force=self._force, with_volumes=self._volumes, why="asked for")
            _check_cleanup(row)
            return
        pod = rows.pod_of_infra(row)
        if pod is not None:
            raise RuleFails(f"container {row.name} is the infra container of pod {pod.name}; remove the pod")
        dependents = rows.dependents(row)
        if dependents:
            raise RuleFails(f"container {row.name} is needed by {dependents[0].name}", in_use=True)
        rows.check_removable(row, force=self._force)
        rows.remove_container(row, with_volumes=self._volumes, why="asked for")
        _check_cleanup(row)

    def _remove_storage(self, name: str) -> bool:
        """A container that podman's database doesn't have; whether there is one."""
        state = self._rows.state
        record = state.find_container(name)
        if record is None or record.id in self._rows.containers:
            return False
        if maker_of(state, record.id) is Maker.IMAGE_VOLUME:
            # Refused like a name that nothing has: with --ignore it is no failure (5.4.2 was seen to do so).
            return False
        if state.storage.is_mounted(record.layer) and not self._force:
            self._failures.append(RuleFails(f"container {record.id[:12]} counts as mounted", in_use=True))
        else:
            state.delete_container(record.id, f"asked for; made by {maker_of(state, record.id)}")
        return True


def remove_pods(rows: Rows, rules: Rules, names: list[str], *, everything: bool, ignore: bool, force: bool) -> None:
    """`podman pod rm`: all members, infra last, with their anonymous volumes.

    An unknown name: nothing is done, unless it is to be ignored, which force implies; until 4.3 force only makes it
    no failure.

    Raises:
        RuleFails: an unknown name.
    """
    chosen: list[Pod] = list(rows.pods.values()) if everything else []
    for name in names:
        pod = rows.find_pod(name)
        if pod is not None:
            chosen.append(pod)
        elif force and not ignore and not rules.podman_from(4, 4):
            return
        elif not (ignore or force):
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
