"""`ocistore tree`: what stands on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocistore.cli.table import size
from ocistore.graph.forest import Forest
from ocistore.graph.graph import Graph
from tests.cli.running import in_process, ocistore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def flat(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The nodes of a tree, each once for each place where it stands."""
    for node in nodes:
        yield node
        yield from flat(node["children"] or [])


def test_each_image_stands_once(bundled: Callable[[str], Path]) -> None:
    """The tree has each image of the store, below its parent."""
    root = bundled("p01") / "root"
    tree = ocistore("tree", root, "--json").json["nodes"]
    listed = ocistore("ls", root, "--kind", "image", "--json").json["nodes"]
    below = {child["id"]: node["id"] for node in flat(tree) for child in node["children"]}

    assert sorted(node["id"] for node in listed) == sorted(node["id"] for node in flat(tree))
    assert {node["id"]: node["parents"][0].partition(":")[2] for node in listed if node["parents"]} == below


def test_thing_shows_its_subtree_and_what_it_stands_on(bundled: Callable[[str], Path]) -> None:
    """With THING siblings are left out."""
    root = bundled("p01") / "root"
    ran = ocistore("tree", root, "demo:latest", "--json").json
    shown = [node["names"] for node in flat(ran["nodes"])]

    assert [[], [], [], ["localhost/demo:latest"], [], ["localhost/demo:nightly"]] == shown


def test_layers(bundled: Callable[[str], Path]) -> None:
    """--kind layer shows layers on layers, with the images and containers that stand on them."""
    ran = in_process("tree", bundled("p03") / "root", "--kind", "layer", COLUMNS="100")

    assert any(line.startswith("    ├── layer") and line.endswith("<- localhost/web:stable") for line in ran.lines)
    assert any(line.endswith("web-done-layer") or "<- web-done" in line for line in ran.lines)


def test_layout(bundled: Callable[[str], Path]) -> None:
    """In a layout names come first, and what is shared is opened once."""
    tree = ocistore("tree", bundled("o01") / "root", "--json").json["nodes"]
    top = [(node["kind"], node["id"]) for node in tree]
    latest = next(node for node in tree if node["id"] == "latest")

    assert ("ref", "v1") in top
    assert {"ref"} == {kind for kind, _ in top}
    assert [None] == [child["children"] for child in latest["children"]]


def test_circle_ends() -> None:
    """Nodes that stand on each other are shown once, and the walk ends."""
    graph = Graph()
    numbers = [graph.add("layer", ident) for ident in "abc"]
    graph.nodes[0].parents, graph.nodes[1].parents, graph.nodes[2].parents = (1,), (0,), (1,)
    forest = Forest(numbers, lambda number: graph.nodes[number].parents)

    assert [(0, False), (1, False), (0, True), (2, False)] == [(number, again) for number, _, again in forest.walk()]
    assert set(numbers) == {number for number, _, _ in forest.around(2).walk()}


def test_lines_fit(bundled: Callable[[str], Path]) -> None:
    """With COLUMNS no line is longer."""
    ran = in_process("tree", bundled("p03") / "root", COLUMNS="60")

    assert [] == [line for line in ran.lines if len(line) > 60]


def test_sizes_say_what_builds_left_behind(bundled: Callable[[str], Path]) -> None:
    """With -s the costs are those of the plans that the lines name."""
    root = bundled("p01") / "root"
    ran = in_process("tree", root, "-s", COLUMNS="100")

    for scope in ("dangling", "cache"):
        plan = ocistore("plan", root, "--prune", scope, "--json").json
        images = sum(step["kind"] == "image" for step in plan["steps"])
        line = next(line for line in ran.out.splitlines() if f"(--prune {scope})" in line)

        assert line.strip().startswith(f"{size(plan['frees']['allocated'])} in {images} images")
