"""The command line of `buildctl` (docker-buildkit-containerd 5.7)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile, UsageError
from ocistore.formats.gotime import parse_duration
from ocistore.plan.buildkit.failure import CommandFails
from ocistore.plan.buildkit.rules import Rule
from ocistore.plan.buildkit.versions import SPACES
from ocistore.plan.options import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.plan.buildkit.versions import Version

PRUNE, PRUNE_HISTORIES = "prune", "prune-histories"
_MEGABYTE = 1e6
_MAX = float(1 << 63)
_GLOBAL_FLAGS = frozenset(("debug",))
_GLOBAL_VALUES = frozenset(
    ("addr", "timeout", "log-format", "tlsservername", "tlscacert", "tlscert", "tlskey", "tlsdir")
)
_SIZES = ("keep-storage", "keep-storage-min", "free-storage")
_SPEC = Spec(
    flags={"all": (), "verbose": ("v",)},
    values={"filter": ("f",), "keep-duration": (), **dict.fromkeys(_SIZES, ())},
    command="buildctl prune",
    at_most=None,
    interspersed=False,
    single_dash=True,
)
_HISTORIES = Spec(command="buildctl prune-histories", at_most=None, interspersed=False, single_dash=True)


class Command(NamedTuple):
    """A command of buildctl that is simulated; the rule says something of a prune only."""

    verb: str
    rule: Rule = Rule()


def read_command(argv: Sequence[str], version: Version) -> Command:
    """Reads the words after `buildctl`.

    Raises:
        UsageError: a command or option that isn't simulated, or a wrong value.
        CommandFails: an option that this version doesn't have.
    """
    words = _after_globals(list(argv))
    verb = words[0] if words else ""
    if verb == PRUNE:
        return Command(PRUNE, _rule(words[1:], version))
    if verb == PRUNE_HISTORIES:
        parse(words[1:], _HISTORIES)
        return Command(PRUNE_HISTORIES)
    raise UsageError(f"{' '.join(['buildctl', *words[:1]])}: only prune and prune-histories are simulated")


def _after_globals(words: list[str]) -> list[str]:
    """The words from the command on; options before it say how buildkitd is reached."""
    while words and words[0].startswith("-"):
        name, equals, _ = words[0].lstrip("-").partition("=")
        if name in _GLOBAL_FLAGS:
            words = words[1:]
        elif name in _GLOBAL_VALUES:
            words = words[1:] if equals else words[2:]
        else:
            raise UsageError(f"buildctl: the option {words[0]} is not simulated")
    return words


def _rule(words: list[str], version: Version) -> Rule:
    given = parse(words, _SPEC)
    sizes = {name: _megabytes(given.value(name), name) for name in _SIZES}
    if version < SPACES:
        for name in _SIZES[1:]:
            if given.given(name):
                raise CommandFails(f"buildctl prune: flag provided but not defined: -{name} (before 0.17)")
        # One size, down to which is pruned.
        sizes = {"keep-storage": 0, "keep-storage-min": sizes["keep-storage"], "free-storage": 0}
    return Rule(
        all=given.flag("all"),
        filters=tuple(given.values("filter")),
        keep_duration_ns=_duration(given.value("keep-duration")),
        reserved=sizes["keep-storage-min"],
        max_used=sizes["keep-storage"],
        min_free=sizes["free-storage"],
    )


def _duration(text: str | None) -> int:
    try:
        return parse_duration(text) if text is not None else 0
    except CorruptFile as err:
        raise UsageError(f"buildctl prune: --keep-duration: {err.sentence}") from None


def _megabytes(text: str | None, option: str) -> int:
    """Bytes of a number of megabytes, cut as Go cuts it."""
    if text is None:
        return 0
    try:
        number = float(text) * _MEGABYTE
    except ValueError:
        number = math.nan
    if math.isnan(number) or abs(number) >= _MAX:
        raise UsageError(f"buildctl prune: --{option}: {text!r} is no number of megabytes")
    return int(number)
