"""`podman volume` (containers-storage 3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .filters import matches_labels, matches_regex, one_until, parse_bool
from .state import RuleFails, raise_first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ocistore.stores.containers_storage.libpod import Volume

    from .rows import Rows
    from .versions import Rules

    VolumeTest = Callable[[Volume], bool]


def prune_volumes(rows: Rows, rules: Rules, user: Mapping[str, list[str]]) -> bool:
    """Unused volumes that pass the filters; whether any went.

    Up to 5.8 every unused volume goes, named or not, and different keys are alternatives; from v6 only anonymous ones
    unless `all` is asked for, and keys are joined by and.

    Raises:
        RuleFails: a filter is wrong; nothing is done.
    """
    fits = _compile(rows, rules, user)
    chosen = [v for v in list(rows.volumes.values()) if fits(v) and not rows.users(v.name)]
    for volume in chosen:
        rows.remove_volume(volume, "no container uses it")
    return bool(chosen)


def _compile(rows: Rows, rules: Rules, user: Mapping[str, list[str]]) -> VolumeTest:
    filters = dict(user)
    if rules.podman_from(6, 0):
        return _compile_v6(rows, rules, filters)
    if not filters:
        return lambda _: True
    tests: list[VolumeTest] = []
    for key, values in filters.items():
        if rules.podman_from(4, 4):
            tests.append(_test(rows, rules, key, values))
        else:
            # In 4.3 every single filter is an alternative, two of one key too.
            tests.extend(_test(rows, rules, key, [value]) for value in values)
    return lambda volume: any(test(volume) for test in tests)


def _compile_v6(rows: Rows, rules: Rules, filters: dict[str, list[str]]) -> VolumeTest:
    everything = filters.pop("all", None)
    if everything is not None and any(parse_bool("all", value) for value in everything):
        # NormalizeVolumePruneFilters drops every other filter.
        return lambda _: True
    if not filters:
        filters = {"anonymous": ["true"]}
    tests = [_test(rows, rules, key, values) for key, values in filters.items()]
    return lambda volume: all(test(volume) for test in tests)


def _test(rows: Rows, rules: Rules, key: str, values: list[str]) -> VolumeTest:
    now_ns = rows.state.now_ns
    if key == "label":
        return lambda volume: matches_labels(values, volume.labels)
    if key == "label!" and rules.podman_from(4, 4):
        if rules.podman_from(6, 0):
            return lambda volume: not any(matches_labels([value], volume.labels) for value in values)
        return lambda volume: not matches_labels(values, volume.labels)
    if key == "until":
        until = one_until(values, now_ns)
        return lambda volume: volume.created_ns < until
    if key in ("since", "after") and rules.podman_from(4, 4):
        earliest = min(_known(rows, value).created_ns for value in values)
        return lambda volume: volume.created_ns > earliest
    if key == "name":
        return lambda volume: matches_regex(values, volume.name)
    if key == "dangling":
        wanted = {parse_bool("dangling", value) for value in values}
        return lambda volume: (not rows.users(volume.name)) in wanted
    if key == "driver":
        return lambda volume: volume.driver in values
    if key == "scope":
        return lambda volume: "local" in values
    if key == "opt":
        return lambda volume: any(_has_option(volume, value) for value in values)
    if key == "anonymous" and rules.podman_from(6, 0):
        wanted = {parse_bool("anonymous", value) for value in values}
        return lambda volume: volume.anonymous in wanted
    raise RuleFails(f"podman volume prune: the filter {key} is not known")


def _known(rows: Rows, text: str) -> Volume:
    volume = rows.find_volume(text)
    if volume is None:
        raise RuleFails(f"podman volume prune: no volume {text}")
    return volume


def _has_option(volume: Volume, text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in volume.options and (not equals or volume.options[key] == value)


def remove_volumes(rows: Rows, names: list[str], *, everything: bool, force: bool) -> None:
    """`podman volume rm`: each name, the others go on when one fails.

    Raises:
        RuleFails: the first failure, after all were tried.
    """
    failures: list[RuleFails] = []
    chosen: list[Volume] = list(rows.volumes.values()) if everything else []
    for name in names:
        volume = rows.find_volume(name)
        if volume is not None:
            chosen.append(volume)
        elif not force:
            failures.append(RuleFails(f"no volume {name}"))
    for volume in chosen:
        try:
            _remove(rows, volume, force=force)
        except RuleFails as err:
            failures.append(err)
    raise_first(failures)


def _remove(rows: Rows, volume: Volume, *, force: bool) -> None:
    if volume.name not in rows.volumes:
        return
    users = rows.users(volume.name)
    if users and not force:
        raise RuleFails(f"volume {volume.name} is used by container {users[0].name}", in_use=True)
    rows.force_volume(volume, "asked for")
