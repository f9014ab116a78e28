"""`ocistore ls`: which nodes, in which order, as what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.running import in_process, ocistore
from tests.conftest import names, truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LISTS = [(name, at) for name in names() for at, check in enumerate(truth(name)["checks"]) if "list" in check]
NOW = "2026-11-21T12:00:00Z"


def arguments(top: Path, name: str, root: str) -> list[str]:
    """The store and what belongs to it, as its truth says."""
    more = next(each.get("args", []) for each in truth(name)["roots"] if each["path"] == root)
    return [str(top / root), *(word if word.startswith("-") else str(top / word) for word in more)]


@pytest.mark.parametrize(("name", "at"), LISTS, ids=[f"{name[:3]}-{at}" for name, at in LISTS])
def test_the_engine_lists_the_same(name: str, at: int, bundled: Callable[[str], Path]) -> None:
    """The ids that the engine lists are listed, with their names where names are compared."""
    check = truth(name)["checks"][at]
    ran = ocistore("ls", *arguments(bundled(name), name, check["root"]), "--kind", check["list"], "--json")
    with_names = check["list"] in ("image", "container")
    listed = {
        node["id"]: sorted(node["names"]) if with_names else None for node in ran.json["nodes"] if node["root"] == "."
    }
    # An image's id is listed without its algorithm, a blob's with it.
    bare = check["list"] == "image"
    expected = {
        ident.removeprefix("sha256:") if bare else ident: sorted(names) if with_names else None
        for ident, names in check["ids"].items()
    }

    assert expected == listed


@pytest.fixture
def store(bundled: Callable[[str], Path]) -> str:
    """A store with containers, volumes, and images of several states."""
    return str(bundled("p03") / "root")


def listed(*arguments: str) -> list[str]:
    """The first name of each node, or the beginning of its id."""
    nodes = ocistore("ls", *arguments, "--json", "--now", NOW).json["nodes"]
    return [(node["names"] or [node["id"][:4]])[0] for node in nodes]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["kind=container"], ["web-done", "job-failed", "web-created", "anon", "late"]),
        (["kind=container", "created"], ["web-created", "anon", "late"]),
        (["kind=container", "created", "name=web-*"], ["web-created"]),
        (["kind=image", "name=web"], ["localhost/web:stable", "localhost/web:snap"]),
        (["kind=image", "dangling"], ["505f", "fbc0"]),
        (["kind=volume", "label=env=ci"], ["scratchvol", "latevol"]),
        (["kind=volume", "label=env", "name=l*"], ["latevol"]),
        (["kind=image", "older=30d"], ["1aed", "f172", "c57c", "docker.io/library/alpine:3.20"]),
        (["kind=image", "older=30d", "named"], ["docker.io/library/alpine:3.20"]),
        (["builder"], []),
    ],
    ids=" ".join,
)
def test_filters(store: str, filters: list[str], expected: list[str]) -> None:
    """Each form of --filter picks its nodes, and several are joined by and."""
    words = [word for text in filters for word in ("--filter", text)]

    assert sorted(expected) == sorted(listed(store, *words))


def test_kinds_are_joined_by_or(store: str) -> None:
    """--kind may be given twice or with commas."""
    assert listed(store, "--kind", "pod,container") == listed(store, "--kind", "pod", "--kind", "container")


def test_sort(store: str) -> None:
    """--sort orders by name, and by age from young to old."""
    by_name = listed(store, "--kind", "container", "--sort", "name")
    by_age = listed(store, "--kind", "image", "--sort", "age")

    assert sorted(by_name) == by_name
    assert by_age[-1] == "docker.io/library/alpine:3.20"


def test_sizes_are_null_unless_asked_for(store: str) -> None:
    """`own` and `retains` are numbers with -s, else null."""
    without = ocistore("ls", store, "--json").json["nodes"]
    with_sizes = ocistore("ls", store, "--json", "-s").json["nodes"]

    assert {(None, None)} == {(node["own"], node["retains"]) for node in without}
    assert {frozenset(("allocated", "apparent", "inodes"))} == {frozenset(node["own"]) for node in with_sizes}


def test_sort_by_size(store: str) -> None:
    """--sort retains measures, and puts the largest first."""
    nodes = ocistore("ls", store, "--json", "--sort", "retains").json["nodes"]
    retained = [node["retains"]["allocated"] for node in nodes]

    assert sorted(retained, reverse=True) == retained


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_lines_fit(store: str, columns: str) -> None:
    """With COLUMNS no line is longer."""
    ran = in_process("ls", store, COLUMNS=columns)

    assert [] == [line for line in ran.lines if len(line) > int(columns)]
    assert ran.status == 0


def test_a_pipe_gets_whole_ids(store: str) -> None:
    """In a pipe ids and names are whole, one line a node."""
    text = ocistore("ls", store)
    nodes = ocistore("ls", store, "--json").json["nodes"]

    assert [node["id"] for node in nodes] == [line.split()[1] for line in text.lines[1:]]
