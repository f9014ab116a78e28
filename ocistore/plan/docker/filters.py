"""The filters of docker's prune commands (docker-buildkit-containerd Part 5, head).

Source: docker/cli `opts/opts.go FilterOpt`; moby `daemon/prune.go matchLabels`, `api/types/filters`,
`daemon/internal/timestamp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.goglob import parse_filter_time
from ocistore.plan.docker.failures import RuleFails
from ocistore.plan.zone import local_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ocistore.plan.docker.versions import Rules

_TRUE = frozenset(("1", "true"))
_FALSE = frozenset(("0", "false"))
LABELS = frozenset(("label", "label!"))


def split_filters(texts: Iterable[str], accepted: frozenset[str]) -> dict[str, list[str]]:
    """`KEY=VALUE` texts by key; keys are lower-cased, keys and values trimmed.

    Raises:
        RuleFails: no `=` in one, or a key that the command doesn't know; nothing is pruned then.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise RuleFails(f"bad format of the filter {text!r}: it takes name=value")
        key = key.strip().lower()
        if key not in accepted:
            raise RuleFails(f"invalid filter {key!r}")
        values = found.setdefault(key, [])
        if value.strip() not in values:
            values.append(value.strip())
    return found


def read_until(filters: Mapping[str, list[str]], now_ns: int) -> int | None:
    """The time of `until`, nanoseconds since 1970; None without one.

    A duration is taken from now, whole seconds; "0" is no duration but the first second of 1970.

    Raises:
        RuleFails: no time, or more than one.
    """
    values = filters.get("until", [])
    if not values:
        return None
    if len(values) > 1:
        raise RuleFails("more than one until filter specified")
    if values[0] == "0":
        return 0
    try:
        return parse_filter_time(values[0], now_ns, local_zone())
    except CorruptFile as err:
        raise RuleFails(f"the filter until={values[0]}: {err.sentence}") from None


def read_bool(filters: Mapping[str, list[str]], key: str, default: bool, rules: Rules) -> bool:
    """A boolean filter; given as true and as false it is an error, before 23.0 false.

    Raises:
        RuleFails: neither, or both.
    """
    values = set(filters.get(key, ()))
    if not values:
        return default
    is_true, is_false = bool(values & _TRUE), bool(values & _FALSE)
    if is_true == is_false and (rules.strict_booleans or not is_false):
        raise RuleFails(f"invalid filter '{key}={','.join(sorted(values))}'")
    return is_true and not is_false


@dataclass(frozen=True, slots=True)
class ImageFilters:
    """Which images a prune may take, beside being dangling.

    Attributes:
        until_ns: only those that were made before; None for any.
        labels: `K` or `K=V` of `label=`, all of which must fit.
        not_labels: those of `label!=`.
    """

    until_ns: int | None = None
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, filters: Mapping[str, list[str]], now_ns: int) -> ImageFilters:
        """Of the filters by key.

        Raises:
            RuleFails: a time that is none.
        """
        return cls(read_until(filters, now_ns), tuple(filters.get("label", ())), tuple(filters.get("label!", ())))


def matches_labels(labels: Mapping[str, str], wanted: Iterable[str], unwanted: Iterable[str]) -> bool:
    """Whether all that `label=` asks for is there, and not all that `label!=` names (moby `matchLabels`)."""
    unwanted = list(unwanted)
    return _has_all(labels, wanted) and not (unwanted and _has_all(labels, unwanted))


def _has_all(labels: Mapping[str, str], texts: Iterable[str]) -> bool:
    for text in texts:
        key, equals, value = text.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True
