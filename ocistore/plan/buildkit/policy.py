"""GC policies of dockerd and buildkitd: from their configuration files to rules (docker-buildkit-containerd 3.9)."""

from __future__ import annotations

import math
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from ocistore.errors import CorruptFile, UsageError
from ocistore.formats import strict_json
from ocistore.formats.gotime import SECOND_NS, parse_duration
from ocistore.formats.gounits import parse_ram
from ocistore.plan.buildkit.docker_flags import engine_rule
from ocistore.plan.buildkit.failure import CommandFails
from ocistore.plan.buildkit.rules import Rule
from ocistore.plan.buildkit.versions import SPACES, THREE_FILTERS, buildkit_in_docker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from ocistore.plan.buildkit.versions import Version

_HOUR_NS = 3600 * SECOND_NS
_TWO_DAYS_NS, _SIXTY_DAYS_NS = 48 * _HOUR_NS, 60 * 24 * _HOUR_NS
_SOURCES = ("type==source.local", "type==exec.cachemount", "type==source.git.checkout")
_HALF_GIGABYTE = 512 * 10**6
_TEMPORARY_PERCENT = math.e * math.pi * ((1 + math.sqrt(5)) / 2)
"""Share of the cache that is kept for what is easily made again; moby chose a number for its beauty."""
_ON_BY_DEFAULT: Version = (28, 2, 0)
_SPACES_IN_DOCKER: Version = (28, 0, 0)
_NANOSECONDS_ONLY: Version = (23, 0, 0)
"""Before it dockerd took hours for nanoseconds, so that its durations were none in effect."""


class Policy(NamedTuple):
    """A GC policy.

    Attributes:
        enabled: whether the engine collects by itself at all.
        rules: in order.
        origin: `daemon.json` or a table of buildkitd.toml, and whether it is the default.
    """

    enabled: bool
    rules: tuple[Rule, ...]
    origin: str


class Sizes(NamedTuple):
    """The three sizes of a rule, bytes."""

    reserved: int = 0
    max_used: int = 0
    min_free: int = 0


def read_docker_policy(text: str, *, version: Version, disk: int, now_ns: int, zone: tzinfo) -> Policy:
    """`builder.gc` of daemon.json (moby `builder-next/worker/gc.go`, `daemon/config/builder.go`; 3.9).

    Args:
        text: the file; without `builder.gc` the defaults hold.
        version: of dockerd.
        disk: bytes of the file system that the data-root lies on.
        now_ns: the time of the run.
        zone: of a time that names none.

    Raises:
        UsageError: not such a file, or a value that dockerd refuses.
    """
    try:
        document = strict_json.parse(text.encode())
    except CorruptFile as err:
        raise UsageError(f"--gc-policy: {err}") from None
    gc = _table(_table(document, "daemon.json").get("builder"), "builder").get("gc")
    given = _table(gc, "builder.gc")
    enabled = given.get("enabled", version >= _ON_BY_DEFAULT)
    policy = given.get("policy")
    if policy is None:
        sizes = Sizes(
            _ram(given, "defaultReservedSpace") or _ram(given, "defaultKeepStorage"),
            _ram(given, "defaultMaxUsedSpace"),
            _ram(given, "defaultMinFreeSpace"),
        )
        rules = docker_default(version, sizes, disk)
        return Policy(enabled is True, rules, f"default policy of dockerd {version[0]}.{version[1]}")
    if not isinstance(policy, list):
        raise UsageError("--gc-policy: builder.gc.policy is no list")
    rules = tuple(_docker_rule(_table(rule, "builder.gc.policy"), version, now_ns, zone) for rule in policy)
    return Policy(enabled is True, rules, "builder.gc.policy of daemon.json")


def docker_default(version: Version, sizes: Sizes, disk: int) -> tuple[Rule, ...]:
    """Dockerd's default policy (moby `builder-next/worker/gc.go DefaultGCPolicy`; 3.9, table)."""
    three = version >= _SPACES_IN_DOCKER
    if sizes == Sizes():
        sizes = Sizes(_share(disk, 10), _share(disk, 80), _share(disk, 20)) if three else Sizes(_share(disk, 10))
    sizes = sizes if three else Sizes(sizes.reserved)
    temporary = max(_HALF_GIGABYTE, round(sizes.reserved / 100 * _TEMPORARY_PERCENT))
    unit = 1 if version < _NANOSECONDS_ONLY else SECOND_NS
    first = Rule(
        filters=_sources(buildkit_in_docker(version)),
        keep_duration_ns=_TWO_DAYS_NS // SECOND_NS * unit,
        reserved=0 if three else temporary,
        max_used=temporary if three else 0,
    )
    return _following(first, sizes, _SIXTY_DAYS_NS // SECOND_NS * unit)


def read_buildkit_policy(text: str, *, version: Version, disk: int, worker: str) -> Policy:
    """`[worker.oci]` or `[worker.containerd]` of buildkitd.toml (BuildKit `cmd/buildkitd/config/gcpolicy.go`; 3.9).

    Args:
        text: the file.
        version: of buildkitd.
        disk: bytes of the file system that its root lies on.
        worker: `oci` or `containerd`.

    Raises:
        UsageError: not such a file, or a value that buildkitd refuses.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise UsageError(f"--gc-policy: no TOML ({err})") from None
    given = _lower(_table(_table(_lower(document).get("worker"), "worker").get(worker), f"worker.{worker}"))
    enabled = given.get("gc", True) is True
    policy = given.get("gcpolicy")
    if not policy:
        sizes = Sizes(*(_space(given.get(key), key, disk) for key in ("reservedspace", "maxusedspace", "minfreespace")))
        if sizes == Sizes():
            sizes = Sizes(_space(given.get("gckeepstorage"), "gckeepstorage", disk))
        rules = buildkit_default(version, sizes, disk)
        return Policy(enabled, rules, f"default policy of buildkitd {version[0]}.{version[1]}")
    if not isinstance(policy, list):
        raise UsageError(f"--gc-policy: worker.{worker}.gcpolicy is no list of tables")
    rules = tuple(_buildkit_rule(_lower(_table(rule, "gcpolicy")), disk) for rule in policy)
    return Policy(enabled, rules, f"[[worker.{worker}.gcpolicy]] of buildkitd.toml")


def buildkit_default(version: Version, sizes: Sizes, disk: int) -> tuple[Rule, ...]:
    """Buildkitd's default policy (BuildKit `cmd/buildkitd/config/gcpolicy.go DefaultGCPolicy`; 3.9)."""
    three = version >= SPACES
    if sizes == Sizes() and three:
        sizes = Sizes(min(_share(disk, 10), 10 * 10**9), min(_share(disk, 80), 100 * 10**9), _share(disk, 20))
    elif not three:
        sizes = Sizes(sizes.reserved or _share(disk, 10))
    first = Rule(
        filters=_sources(version),
        keep_duration_ns=_TWO_DAYS_NS,
        reserved=0 if three else _HALF_GIGABYTE,
        max_used=_HALF_GIGABYTE if three else 0,
    )
    return _following(first, sizes, _SIXTY_DAYS_NS)


def _following(first: Rule, sizes: Sizes, sixty_days_ns: int) -> tuple[Rule, ...]:
    """The default's rules: what is easily made again, what wasn't used for long, down to the cap, down to it in all."""
    return (
        first,
        Rule(keep_duration_ns=sixty_days_ns, **sizes._asdict()),
        Rule(**sizes._asdict()),
        Rule(all=True, **sizes._asdict()),
    )


def _sources(buildkit: Version) -> tuple[str, ...]:
    """The first rule's filter; as one string its parts are joined by and, so that it matches nothing (3.9)."""
    return _SOURCES if buildkit >= THREE_FILTERS else (",".join(_SOURCES),)


def _share(disk: int, percent: int) -> int:
    """A percentage of a file system, as both engines round it: up, from 2^30 to 10^9."""
    return (disk * percent // 100 // (1 << 30) + 1) * 10**9


def _docker_rule(given: Mapping[str, Any], version: Version, now_ns: int, zone: tzinfo) -> Rule:
    try:
        rule = engine_rule(
            _docker_filters(given.get("filter")),
            everything=given.get("all") is True,
            docker=version,
            now_ns=now_ns,
            zone=zone,
        )
    except CommandFails as err:
        raise UsageError(f"--gc-policy: builder.gc.policy: {err.sentence}") from None
    three = version >= _SPACES_IN_DOCKER
    return Rule(
        rule.all,
        rule.filters,
        rule.keep_duration_ns,
        (_ram(given, "reservedSpace") if three else 0) or _ram(given, "keepStorage"),
        _ram(given, "maxUsedSpace") if three else 0,
        _ram(given, "minFreeSpace") if three else 0,
    )


def _docker_filters(given: Any) -> dict[str, list[str]]:  # noqa: ANN401 - JSON is any value
    """Filters as a list of `k=v`, or in the old form, a map of keys to maps of values."""
    found: dict[str, list[str]] = {}
    if isinstance(given, list):
        for text in given:
            key, equals, value = str(text).partition("=")
            if not equals:
                raise UsageError(f"--gc-policy: the filter {text!r} takes name=value")
            found.setdefault(key.strip().lower(), []).append(value.strip())
    elif isinstance(given, dict):
        for key, values in given.items():
            if not isinstance(values, dict):
                raise UsageError(f"--gc-policy: the filter {key!r} has no map of values")
            found[key] = [value for value, on in values.items() if on]
    elif given is not None:
        raise UsageError("--gc-policy: a filter is neither a list nor a map")
    return found


def _buildkit_rule(given: Mapping[str, Any], disk: int) -> Rule:
    filters = given.get("filters") or []
    if not isinstance(filters, list) or not all(isinstance(text, str) for text in filters):
        raise UsageError("--gc-policy: filters is no list of texts")
    return Rule(
        given.get("all") is True,
        tuple(filters),
        _toml_duration(given.get("keepduration")),
        _space(given.get("reservedspace"), "reservedSpace", disk) or _space(given.get("keepbytes"), "keepBytes", disk),
        _space(given.get("maxusedspace"), "maxUsedSpace", disk),
        _space(given.get("minfreespace"), "minFreeSpace", disk),
    )


def _toml_duration(value: Any) -> int:  # noqa: ANN401 - TOML is any value
    """A Go duration, or seconds."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value * SECOND_NS
    text = str(value)
    try:
        return int(text) * SECOND_NS if text.isascii() and text.isdecimal() else parse_duration(text)
    except CorruptFile as err:
        raise UsageError(f"--gc-policy: keepDuration: {err.sentence}") from None


def _space(value: Any, name: str, disk: int) -> int:  # noqa: ANN401 - TOML is any value
    """Bytes as a number, as `10GB`, or as a percentage of the file system."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    percent = text.removesuffix("%")
    if percent != text and percent.isascii() and percent.isdecimal() and int(percent) <= 100:
        return _share(disk, int(percent)) if int(percent) else 0
    try:
        return parse_ram(text)
    except CorruptFile as err:
        raise UsageError(f"--gc-policy: {name}: {err.sentence}") from None


def _ram(given: Mapping[str, Any], key: str) -> int:
    value = given.get(key)
    if value in (None, ""):
        return 0
    if not isinstance(value, str):
        raise UsageError(f"--gc-policy: {key} is no text such as 10GB")
    try:
        return parse_ram(value)
    except CorruptFile as err:
        raise UsageError(f"--gc-policy: {key}: {err.sentence}") from None


def _table(value: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - JSON and TOML are any value
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"--gc-policy: {name} is no table")
    return value


def _lower(table: Mapping[str, Any]) -> dict[str, Any]:
    """Keys without regard to case, as buildkitd's TOML decoder takes them."""
    return {key.lower(): value for key, value in table.items()}
