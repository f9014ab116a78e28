"""What docker's commands of the build cache ask of BuildKit (docker-buildkit-containerd 5.7)."""

from __future__ import annotations

import shlex
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from ocistore.errors import UsageError
from ocistore.plan.buildkit.docker_flags import engine_rule, read_prune
from ocistore.plan.buildkit.failure import CommandFails
from ocistore.plan.buildkit.rules import Rule
from ocistore.plan.buildkit.versions import buildkit_in_docker, read_version

if TYPE_CHECKING:
    from ocistore.plan.buildkit.versions import Version

SECOND = 10**9
NOW = 1_800_000_000 * SECOND
NEW: Version = (28, 5, 2)


def read(command: str, docker: Version = NEW) -> Rule:
    """The rule of a command line."""
    return read_prune(shlex.split(command), docker, NOW, UTC)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("", Rule(filters=("",))),
        ("-af", Rule(all=True, filters=("",))),
        ("--all=false -f", Rule(filters=("",))),
        ("--filter id=abc", Rule(filters=("id~=abc",))),
        ("--filter type=source.local", Rule(filters=("type==source.local",))),
        ("--filter type!=x --filter id~=b", Rule(filters=("id~=b,type!=x",))),
        ("--filter 'Type = x'", Rule(filters=("type==x",))),
        ("--filter shared=", Rule(filters=("shared==",))),
        ("--filter parent=x --filter foo=y", Rule(filters=("foo==y,parent==x",))),
        ("--filter type=x --filter type=x", Rule(filters=("type==x",))),
        ("--filter until=24h", Rule(filters=("",), keep_duration_ns=86400 * SECOND)),
        ("--filter unused-for=90s -a", Rule(True, ("",), 90 * SECOND)),
        ("--keep-storage 60kB", Rule(filters=("",), reserved=61440)),
        ("--reserved-space 1g --max-used-space 2g", Rule(filters=("",), reserved=1 << 30, max_used=2 << 30)),
        ("--min-free-space=5", Rule(filters=("",), min_free=5)),
    ],
)
def test_buildx(words: str, rule: Rule) -> None:
    """`docker buildx prune`, and `docker builder prune` from 23.0 on; sizes are binary."""
    assert rule == read(f"buildx prune {words}")
    assert rule == read(f"builder prune {words}")


@pytest.mark.parametrize(
    "words",
    [
        "--filter shared",
        "--filter type=x --filter type=y",
        "--filter until=1h --filter unused-for=1h",
        "--filter until=2026-11-21",
        "--filter until=yesterday",
        "--max-used-space many",
    ],
)
def test_what_buildx_refuses(words: str) -> None:
    """Nothing is pruned then."""
    with pytest.raises(CommandFails):
        read(f"buildx prune {words}")


def test_options_that_are_not_simulated_are_errors() -> None:
    """Never ignored; another builder is another store."""
    for words in ("--builder other", "--unknown", "name"):
        with pytest.raises(UsageError):
            read(f"buildx prune {words}")


def test_buildx_refuses_sizes_that_an_old_daemon_does_not_know() -> None:
    """BuildKit before 0.17, which is Docker before 27.4."""
    with pytest.raises(CommandFails, match="max-used-space"):
        read("buildx prune --max-used-space 1g", (26, 1, 5))
    assert 1 << 30 == read("buildx prune --max-used-space 1g", (27, 4, 0)).max_used
    assert 1 << 30 == read("buildx prune --reserved-space 1g", (26, 1, 5)).reserved


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("-a -f", Rule(all=True, filters=("",))),
        ("--filter id=abc --filter type=x", Rule(filters=("id~=abc,type==x",))),
        ("--filter label=x --filter label!=y", Rule(filters=("",))),
        ("--filter parent=x", Rule(filters=("parent==x",))),
        ("--filter unused-for=1h", Rule(filters=("",), keep_duration_ns=3600 * SECOND)),
        ("--keep-storage 90kB", Rule(filters=("",), reserved=92160)),
    ],
)
def test_the_classic_command(words: str, rule: Rule) -> None:
    """20.10: the engine's API, which accepts labels and ignores them."""
    assert rule == read(f"builder prune {words}", (20, 10, 24))


@pytest.mark.parametrize("words", ["--filter type!=x", "--filter foo=y", "--filter mutable=", "--filter shared"])
def test_what_the_classic_command_refuses(words: str) -> None:
    """The engine refuses a key that it doesn't know, and mutable and immutable too (seen with 20.10)."""
    with pytest.raises(CommandFails):
        read(f"builder prune {words}", (20, 10, 24))


def test_buildx_beside_an_old_daemon_is_buildx() -> None:
    """The command decides, not the daemon: it makes no error of a key that the daemon's own API refuses."""
    assert Rule(filters=("foo==y",)) == read("buildx prune --filter foo=y", (20, 10, 24))


def test_the_engine_takes_times_since_24() -> None:
    """Before, only durations."""
    rule = engine_rule({"until": ["1799999000"]}, everything=False, docker=(24, 0, 0), now_ns=NOW, zone=UTC)

    assert 1000 * SECOND == rule.keep_duration_ns
    with pytest.raises(CommandFails):
        engine_rule({"until": ["1799999000"]}, everything=False, docker=(23, 0, 0), now_ns=NOW, zone=UTC)


@pytest.mark.parametrize(
    "filters",
    [{"type": ["a", "b"]}, {"until": ["1h"], "unused-for": ["1h"]}, {"until": ["1h", "2h"]}, {"until": ["x"]}],
)
def test_what_the_engine_refuses(filters: dict[str, Any]) -> None:
    """Two values of one key, two ages, no age."""
    with pytest.raises(CommandFails):
        engine_rule(filters, everything=False, docker=NEW, now_ns=NOW, zone=UTC)


def test_the_engine_asks_for_presence_where_a_key_has_no_value() -> None:
    """And ignores labels, which is why system prune with a label prunes the whole cache (5.6)."""
    rule = engine_rule({"mutable": [], "label": ["x"]}, everything=True, docker=NEW, now_ns=NOW, zone=UTC)

    assert Rule(all=True, filters=("mutable",)) == rule


def test_versions() -> None:
    """Which BuildKit a Docker has, as far as rules differ; what is no version is an error."""
    assert (0, 8, 0) == buildkit_in_docker((20, 10, 24))
    assert (0, 13, 0) == buildkit_in_docker((26, 1, 5))
    assert (0, 14, 0) == buildkit_in_docker((27, 3, 1))
    assert (0, 17, 0) == buildkit_in_docker((27, 4, 0))
    assert (0, 22, 0) == buildkit_in_docker((28, 2, 0))
    assert (0, 31, 0) == buildkit_in_docker((29, 7, 2))
    assert (0, 13, 2) == read_version("v0.13.2")
    with pytest.raises(UsageError):
        read_version("newest")


@pytest.mark.parametrize("text", ["type!=regular", "description~=COPY"])
def test_operators_came_with_buildx_0_15(text: str) -> None:
    """The buildx of Docker 26 makes a filter of them that BuildKit refuses; nothing is pruned then."""
    with pytest.raises(CommandFails):
        read(f"buildx prune -f --filter {text}", (26, 1, 5))

    assert (text,) == read(f"buildx prune -f --filter {text}", (27, 0, 0)).filters
