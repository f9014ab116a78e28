"""The filters of `podman rm` (containers-storage 3.4)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.stores.containers_storage.libpod import State as Status

from .filters import matches_labels, matches_regex, one_until
from .state import RuleFails

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocistore.stores.containers_storage.libpod import PodmanContainer

    from .rows import Rows
    from .versions import Rules

    ContainerTest = Callable[[PodmanContainer], bool]


def filter_containers(rows: Rows, rules: Rules, filters: Mapping[str, list[str]]) -> list[PodmanContainer]:
    """The containers that `rm --filter` picks: keys by and, values of one key by or, but for labels and until (3.4).

    Raises:
        RuleFails: a filter is wrong.
        UsageError: a filter is not simulated.
    """
    tests = [_rm_test(rows, rules, key, values) for key, values in filters.items()]
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


def _rm_test(rows: Rows, rules: Rules, key: str, values: list[str]) -> ContainerTest:
    if not rules.podman_from(4, 4) and key in _OLD_TESTS:
        return _OLD_TESTS[key](rows, values)
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
        return _volume_test(values)
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


def _volume_test(values: list[str]) -> ContainerTest:
    """Containers that mount NAME, or NAME at a destination (`NAME:DESTINATION`); a destination alone is no name.

    podman 4.3.1, 5.4.2 and 5.8.6 were seen to do so.
    """
    wanted: list[tuple[str, str]] = []
    destination = ""
    for value in values:
        name, colon, given = value.partition(":")
        # A destination counts for the values after it, too, as podman keeps it.
        destination = given if colon else destination
        wanted.append((name, destination))
    return lambda row: any(
        source == name and (not there or there == at)
        for source, at in (*row.volumes, *row.binds)
        for name, there in wanted
    )


def _is_ancestor(row: PodmanContainer, value: str) -> bool:
    if value in row.image:
        return True
    name = row.image_name
    try:
        return any(re.search(value, form) is not None for form in (name, name.removesuffix(":latest")))
    except re.error:
        raise RuleFails(f"malformed pattern {value!r}") from None


def _old_label_not(rows: Rows, values: list[str]) -> ContainerTest:
    del rows, values
    raise RuleFails("the filter label! is not known")


def _old_pattern(values: list[str], text: str) -> bool:
    """Whether any pattern is found in the text; a malformed one is in none, and is no failure."""
    with contextlib.suppress(RuleFails):
        return any(matches_regex([value], text) for value in values)
    return False


def _old_ancestor(rows: Rows, values: list[str]) -> ContainerTest:
    del rows

    def test(row: PodmanContainer) -> bool:
        # The name up to its first colon counts for `latest`, as podman cuts it.
        name, _, tag = row.image_name.partition(":")
        forms = {row.image, row.image_name} | ({name} if tag == "latest" else set())
        return not forms.isdisjoint(values)

    return test


def _old_before(rows: Rows, values: list[str]) -> ContainerTest:
    tests = [_relative_test(rows, "before", [value]) for value in values]
    return lambda row: all(test(row) for test in tests)


_OLD_TESTS: dict[str, Callable[[Rows, list[str]], ContainerTest]] = {
    "id": lambda _, values: lambda row: _old_pattern(values, row.id),
    "name": lambda _, values: lambda row: _old_pattern(values, row.name),
    "label!": _old_label_not,
    "ancestor": _old_ancestor,
    "before": _old_before,
}
"""Filters of `rm` that differ until podman 4.3 (4.3.1 itself in the conformance tests; the change is by 4.4)."""
