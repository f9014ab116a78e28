"""The keys of JSON answers are those of schema 1."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from ocistore import __version__
from ocistore.cli.answer import print_json
from tests.cli.running import ocistore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMON = {"ocistore", "schema", "verb", "findings"}
FINDING = {"code", "severity", "root", "path", "node", "text"}
BYTES = {"allocated", "apparent", "inodes"}
NODE = {"root", "kind", "id", "names", "state", "created", "parents", "held_by", "own", "retains", "kept"}
STEP = {"node", "kind", "id", "paths", "frees", "cumulative", "why", "native"}


def answer(root: Path, verb: str, *more: str) -> dict[str, Any]:
    """The answer of a verb, its common keys checked and taken out."""
    found = ocistore(verb, root, *more, "--json").json
    assert (__version__, 1, verb) == (found["ocistore"], found["schema"], found["verb"])
    for finding in found["findings"]:
        assert set(finding) == FINDING
        assert finding["severity"] in ("error", "warning", "note")
    return {key: value for key, value in found.items() if key not in COMMON}


@pytest.fixture(params=["p03", "p32", "o05"])
def root(request: pytest.FixtureRequest, bundled: Callable[[str], Path]) -> Path:
    """A sound store, one with debris, and a layout."""
    return bundled(request.param) / "root"


def test_detect(root: Path) -> None:
    """detect: stores."""
    found = answer(root, "detect")

    assert set(found) == {"stores"}
    assert [{"root", "kind", "driver", "inside", "through"}] == [set(store) for store in found["stores"]]


def test_df(root: Path) -> None:
    """df: stores with total, fates, kinds and ladder, all bytes three numbers."""
    (store,) = answer(root, "df")["stores"]

    more = {"nested", "duplicates", "together"}
    assert set(store) == {"root", "kind", "total", "fates", "kinds", "ladder", *more}
    assert set(store["duplicates"]) == {"contents", "copies", "bytes"}
    assert list(store["fates"]) == ["held", "unreferenced", "own", "unknown"]
    assert {frozenset(kind) for kind in store["kinds"]} == {frozenset(("kind", "count", "bytes", "unreferenced"))}
    assert all(set(rung) == {"step", "frees", "cumulative", "native"} for rung in store["ladder"])
    amounts = [store["total"], *store["fates"].values()]
    amounts += [rung["frees"] for rung in store["ladder"]]
    assert all(set(amount) == BYTES for amount in amounts)


def test_df_of_a_data_root(bundled: Callable[[str], Path]) -> None:
    """df: what images and build records hold both, and what only both free."""
    (store,) = answer(bundled("d01") / "root", "df")["stores"]

    together = store["together"]
    assert set(together) == {"images", "cache", "both", "only_both"}
    parts = [together[name]["allocated"] for name in ("images", "cache", "only_both")]
    assert together["both"]["allocated"] == sum(parts)
    assert [6, 31, 127] == [together[name]["inodes"] for name in ("images", "cache", "both")]


def test_ls(root: Path) -> None:
    """ls: nodes."""
    found = answer(root, "ls", "-s")

    assert set(found) == {"nodes"}
    assert {frozenset(NODE)} == {frozenset(node) for node in found["nodes"]}


def test_tree(root: Path) -> None:
    """tree: the same nodes with children."""
    found = answer(root, "tree")

    assert {frozenset(NODE | {"children"})} == {frozenset(node) for node in found["nodes"]}


def test_why(root: Path) -> None:
    """why: the node, its fate, chains of node and edge, and what goes with it."""
    kind = "layer" if "o05" not in str(root) else "blob"
    ident = answer(root, "ls", "--kind", kind)["nodes"][0]["id"]
    found = answer(root, "why", f"{kind}:{ident}")

    assert set(found) == {"node", "fate", "chains", "goes_with"}
    assert set(found["node"]) == NODE
    assert {frozenset(("node", "edge"))} >= {frozenset(link) for chain in found["chains"] for link in chain}


def test_check(root: Path) -> None:
    """check: findings, and what was verified if that was asked for."""
    assert answer(root, "check") == {"verified": None}
    assert set(answer(root, "check", "--verify")["verified"]) == {"nodes", "bytes"}


def test_plan(root: Path) -> None:
    """plan: steps, and what they free together."""
    found = answer(root, "plan", "--prune", "unreferenced", "--grace", "0")

    assert set(found) == {"as", "now", "blocked", "frees", "steps"}
    assert all(set(step) == STEP for step in found["steps"])


def test_text_that_is_no_utf8(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A text that is not UTF-8 becomes two: one to read, one that is exact."""
    name = os.fsdecode(b"caf\xe9")
    print_json({"names": [name, "plain"], "deep": {"id": name}})
    twice = {"text": "caf\ufffd", "base64": "Y2Fm6Q=="}

    assert {"names": [twice, "plain"], "deep": {"id": twice}} == json.loads(capfdbinary.readouterr().out)
