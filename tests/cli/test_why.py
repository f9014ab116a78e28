"""`ocistore why`: the chains from a root down to a thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.running import ocistore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_chains_begin_at_a_root_and_end_at_the_thing(bundled: Callable[[str], Path]) -> None:
    """Each chain says why its first node is a root, and how each other is held by the one before."""
    answer = ocistore("why", bundled("p03") / "root", "web:v1", "--json").json
    chains = [[(link["node"].partition(":")[0], link["edge"]) for link in chain] for chain in answer["chains"]]

    assert answer["fate"] == "held"
    assert chains[0] == [("image", "is an image record")]
    assert chains[1] == [("container", "is podman's container"), ("image", "is the image of")]
    assert {answer["node"]["kind"] + ":" + answer["node"]["id"]} == {chain[-1]["node"] for chain in answer["chains"]}


def test_path(bundled: Callable[[str], Path]) -> None:
    """A path in the store asks about the thing that owns it."""
    root = bundled("p03") / "root"
    relative = ocistore("why", root, "volumes/appdata/_data/state", "--json").json
    absolute = ocistore("why", root, f"{root}/volumes/appdata/_data", "--json").json

    assert relative["node"]["id"] == absolute["node"]["id"] == "appdata"


def test_text_says_what_must_go(bundled: Callable[[str], Path]) -> None:
    """The text names what must be removed, and what comes with it."""
    ran = ocistore("why", bundled("p03") / "root", "localhost/worker")

    assert (ran.status, ran.err) == (0, "")
    assert "it goes when it is removed itself: nothing else holds it" in ran.lines
    assert any(line.startswith("when it goes, nothing holds 1 other thing any more") for line in ran.lines)


def test_chains_are_limited(bundled: Callable[[str], Path]) -> None:
    """--chains says how many."""
    root = bundled("p03") / "root"
    base = next(
        node["id"] for node in ocistore("ls", root, "--kind", "layer", "--json").json["nodes"] if not node["parents"]
    )

    assert len(ocistore("why", root, f"layer:{base}", "--chains", "3", "--json").json["chains"]) == 3


def test_nested_stores_are_asked_in_turn(bundled: Callable[[str], Path]) -> None:
    """Of several stores below, the one that has the thing answers."""
    answer = ocistore("why", bundled("p08"), "v", "--json").json

    assert (answer["node"]["root"], answer["node"]["kind"]) == ("root", "volume")
