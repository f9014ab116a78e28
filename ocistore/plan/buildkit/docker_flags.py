"""What docker's commands of the build cache ask of BuildKit (docker-buildkit-containerd 5.6, 5.7).

Three ways lead there: `docker buildx prune` (and `docker builder prune` where buildx is installed, from 23.0 on), the
classic `docker builder prune` of 20.10, and the engine's own API, which `docker system prune` uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.goglob import parse_filter_time
from ocistore.formats.gotime import parse_duration
from ocistore.formats.gounits import parse_ram
from ocistore.plan.buildkit.failure import CommandFails
from ocistore.plan.buildkit.rules import Rule
from ocistore.plan.buildkit.versions import SPACES, buildkit_in_docker
from ocistore.plan.options import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from ocistore.plan.buildkit.versions import Version
    from ocistore.plan.options import Parsed

_OPERATORS_SINCE: Version = (27, 0, 0)
"""dockerd whose buildx (0.15) knows `K!=V` and `K~=V`; before, the filter that it made was none (5.7)."""
BUILDX_SINCE: Version = (23, 0, 0)
"""From here on `docker builder prune` is buildx's (7.3)."""
_TIMESTAMPS_SINCE: Version = (24, 0, 0)
_ENGINE_FIELDS = ("id", "parent", "type", "description", "inuse", "shared", "private", "mutable", "immutable")
"""The keys that the engine hands to BuildKit; it ignores every other one that it has not refused before."""
_AGES = ("until", "unused-for")
_ENGINE_ACCEPTS = frozenset((*_ENGINE_FIELDS[:-2], *_AGES, "label", "label!"))
"""Keys of a prune that the engine doesn't refuse; labels are then ignored (moby `builder-next/builder.go Prune`)."""
_CLASSIC = Spec(
    flags={"all": ("a",), "force": ("f",)},
    values={"filter": (), "keep-storage": ()},
    command="docker builder prune",
    at_most=0,
)
_BUILDX = Spec(
    flags={"all": ("a",), "force": ("f",), "verbose": ()},
    values={"filter": (), "keep-storage": (), "reserved-space": (), "max-used-space": (), "min-free-space": ()},
    command="docker buildx prune",
    at_most=0,
)


def read_prune(argv: Sequence[str], docker: Version, now_ns: int, zone: tzinfo) -> Rule:
    """The rule of `docker builder prune` or `docker buildx prune`.

    Args:
        argv: the words after `docker` (`["builder", "prune", "-a"]`).
        docker: version of dockerd; the newest buildx is taken to be beside it.
        now_ns: the time of the command.
        zone: of a time that names none.

    Raises:
        UsageError: an option that isn't simulated, or a wrong value of one.
        CommandFails: the command line or the daemon refuses it.
    """
    if argv[0] == "builder" and docker < BUILDX_SINCE:
        return _read_classic(parse(argv[2:], _CLASSIC), docker, now_ns, zone)
    return _read_buildx(parse(argv[2:], _BUILDX), docker)


def engine_rule(
    filters: Mapping[str, Sequence[str]],
    *,
    everything: bool,
    docker: Version,
    now_ns: int,
    zone: tzinfo,
    keep_storage: int = 0,
) -> Rule:
    """What the engine's API makes of filters (moby `builder-next/builder.go toBuildkitPruneInfo`; 5.7).

    Args:
        filters: by key; a key without values asks for presence.  Other keys than BuildKit's are ignored here; a prune
            refuses most of them before.
        everything: `-a`.
        docker: version of dockerd.
        now_ns: the time of the command.
        zone: of a time that names none.
        keep_storage: bytes.

    Raises:
        CommandFails: two ages, or a key with two values, or no age.
    """
    duration = _age(filters, docker, now_ns, zone)
    selectors: list[str] = []
    for key in _ENGINE_FIELDS:
        if key not in filters:
            continue
        values = list(dict.fromkeys(filters[key]))
        if len(values) > 1:
            raise CommandFails(f"filters expect only one value, {key} has {len(values)}")
        operator = "~=" if key == "id" else "=="
        selectors.append(f"{key}{operator}{values[0]}" if values else key)
    return Rule(all=everything, filters=(",".join(selectors),), keep_duration_ns=duration, reserved=keep_storage)


def _age(filters: Mapping[str, Sequence[str]], docker: Version, now_ns: int, zone: tzinfo) -> int:
    given = [key for key in _AGES if filters.get(key)]
    if len(given) > 1:
        raise CommandFails('conflicting filters: "until" and "unused-for"')
    values = list(dict.fromkeys(filters[given[0]])) if given else []
    if not values:
        return 0
    if len(values) > 1:
        raise CommandFails("filters expect only one value")
    try:
        return parse_duration(values[0])
    except CorruptFile:
        pass
    try:
        if docker >= _TIMESTAMPS_SINCE:
            return now_ns - parse_filter_time(values[0], now_ns, zone)
    except CorruptFile:
        pass
    raise CommandFails(f'the filter "{given[0]}" expects a duration (e.g., "24h"), not {values[0]!r}')


def _read_classic(given: Parsed, docker: Version, now_ns: int, zone: tzinfo) -> Rule:
    filters = _split(given.values("filter"))
    for key in filters:
        if key not in _ENGINE_ACCEPTS:
            raise CommandFails(f"invalid filter {key!r}")
    return engine_rule(
        filters,
        everything=given.flag("all"),
        docker=docker,
        now_ns=now_ns,
        zone=zone,
        keep_storage=_size(given.value("keep-storage"), "--keep-storage"),
    )


def _read_buildx(given: Parsed, docker: Version) -> Rule:
    """Buildx `commands/prune.go` (5.7), of the release that came with a dockerd."""
    buildkit = buildkit_in_docker(docker)
    spaces = {
        name: _size(given.value(name), f"--{name}") for name in ("reserved-space", "max-used-space", "min-free-space")
    }
    keep = _size(given.value("keep-storage"), "--keep-storage")
    filters = _split(given.values("filter"))
    ages = [key for key in _AGES if filters.get(key)]
    if len(ages) > 1:
        raise CommandFails('conflicting filters "until" and "unused-for"')
    duration = 0
    selectors: list[str] = []
    for key, values in sorted(filters.items()):
        if len(values) > 1:
            raise CommandFails(f"filters expect only one value, {key} has {len(values)}")
        if key in ages:
            duration = _duration(key, values[0])
        elif key == "id":
            selectors.append(f"id~={values[0]}")
        else:
            # "type!" and "id~" are keys: what was written is type!=X and id~=X.
            if key[-1:] in ("!", "~") and docker < _OPERATORS_SINCE:
                raise CommandFails(f"parse error in the filter {key}=={values[0]}")
            selectors.append(f"{key}={values[0]}" if key[-1:] in ("!", "~") else f"{key}=={values[0]}")
    for name in ("max-used-space", "min-free-space"):
        if spaces[name] and buildkit < SPACES:
            raise CommandFails(f"--{name} isn't supported by BuildKit before 0.17")
    return Rule(
        all=given.flag("all"),
        filters=(",".join(selectors),),
        keep_duration_ns=duration,
        reserved=spaces["reserved-space"] or keep,
        max_used=spaces["max-used-space"],
        min_free=spaces["min-free-space"],
    )


def _duration(key: str, text: str) -> int:
    try:
        return parse_duration(text)
    except CorruptFile:
        raise CommandFails(f"the filter {key!r} expects a duration (e.g., '24h'), not {text!r}") from None


def _split(texts: Sequence[str]) -> dict[str, list[str]]:
    """`KEY=VALUE` texts by key (docker/cli `opts.FilterOpt`): keys lower-cased, both trimmed, each value once."""
    found: dict[str, list[str]] = {}
    for text in texts:
        if not text:
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise CommandFails(f"bad format of the filter {text!r} (expected name=value)")
        values = found.setdefault(key.strip().lower(), [])
        if value.strip() not in values:
            values.append(value.strip())
    return found


def _size(text: str | None, option: str) -> int:
    try:
        return parse_ram(text) if text is not None else 0
    except CorruptFile as err:
        raise CommandFails(f"{option}: {err.sentence}") from None
