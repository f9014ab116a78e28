"""`ocistore plan`: what goes, as text and as JSON."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, get_args

import pytest

from ocistore.cli.plan import SCOPES
from ocistore.findings import Severity
from tests.cli.running import in_process, ocistore
from tests.cli.test_ls import arguments
from tests.conftest import names, truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANS = [(name, at) for name in names() for at, check in enumerate(truth(name)["checks"]) if "plan" in check]


def test_scopes_are_those_of_the_library() -> None:
    """The command line offers the scopes that the library plans."""
    from ocistore.plan.make import SCOPES as PLANNED

    assert PLANNED == SCOPES


@pytest.mark.parametrize(("name", "at"), PLANS, ids=[f"{name[:3]}-{at}" for name, at in PLANS])
def test_a_native_command_takes_what_is_planned(name: str, at: int, bundled: Callable[[str], Path]) -> None:
    """The things that a native command took are those that its plan takes."""
    check = truth(name)["checks"][at]
    if os.geteuid() != 0 and " check " in f"{check['plan']} ":
        pytest.skip("a check looks at files' owners, which an ordinary user can't unpack")
    more = ["--now", check["now"]] if check.get("now") else []
    more += ["--as-version", check["as_version"]] if check.get("as_version") else []
    ran = ocistore("plan", *arguments(bundled(name), name, check["root"]), "--as", check["plan"], *more, "--json")
    planned = {kind: set[str]() for kind in check.get("gone", {})}
    for step in ran.json["steps"]:
        planned.setdefault(step["kind"], set()).add(step["id"].removeprefix("sha256:"))

    assert {kind: {ident.removeprefix("sha256:") for ident in ids} for kind, ids in check.get("gone", {}).items()} == {
        kind: planned[kind] for kind in check.get("gone", {})
    }


@pytest.mark.parametrize("prefix", ["p31", "p35", "o30", "o31"])
def test_doubt_blocks(prefix: str, bundled: Callable[[str], Path]) -> None:
    """Where doubt forbids plans nothing is planned, the status is 1, and a finding says why."""
    root = bundled(prefix) / "root"
    ran = ocistore("plan", root, "--prune", "all", "--json")
    text = ocistore("plan", root, "--prune", "all")

    assert (1, True, []) == (ran.status, ran.json["blocked"], ran.json["steps"])
    assert "error" in {finding["severity"] for finding in ran.json["findings"]} <= set(get_args(Severity))
    assert "blocked: nothing is planned; the findings say why" in text.lines


def test_text_says_what_goes(bundled: Callable[[str], Path]) -> None:
    """On a narrow terminal a name stands for an id, and the last line says what comes back."""
    ran = in_process("plan", bundled("p03") / "root", "--remove", "web:snap", COLUMNS="80")
    answer = ocistore("plan", bundled("p03") / "root", "--remove", "web:snap", "--json").json

    assert ran.lines[0].startswith("plan for --remove web:snap, as of ")
    assert "localhost/web:snap" in ran.lines[3]
    assert ran.lines[-1].startswith("2 steps; 68.0 KiB come back on disk")
    assert [68 * 1024, 2] == [answer["frees"]["allocated"], len(answer["steps"])]
    assert [] == [line for line in ran.lines if len(line) > 80]


def test_verbose_says_paths_and_commands(bundled: Callable[[str], Path]) -> None:
    """With -v each path and each native command has a line."""
    ran = ocistore("plan", bundled("p03") / "root", "--prune", "volumes", "-v")

    assert "      volumes/scratchvol" in ran.lines
    assert "      $ podman volume rm scratchvol" in ran.lines


def test_a_note_of_the_plan_is_always_told(bundled: Callable[[str], Path]) -> None:
    """What the native command would say or do besides is told without -v."""
    ran = ocistore("plan", bundled("p03") / "root", "--as", "podman rmi no-such-image")

    assert ran.status == 0
    assert ran.err.startswith("note: ")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("podman image prune --nonsense", "--nonsense"),
        ("rm -rf /", "rm"),
        ("podman image prune | cat", "|"),
        ("podman 'image", "quot"),
        ("", ""),
    ],
)
def test_what_is_not_simulated_is_an_error(command: str, says: str, bundled: Callable[[str], Path]) -> None:
    """A command or option that isn't simulated ends with 2, never with a guess."""
    ran = ocistore("plan", bundled("p03") / "root", "--as", command)

    assert (2, "") == (ran.status, ran.out)
    assert says in ran.err
