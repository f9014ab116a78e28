"""What random stores and graphs are made of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from ocistore.graph.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("a", "b", "c", "a-b", "a.", "\udcff", "ä")


class Plant(NamedTuple):
    """One thing to make in a random tree: in the directory with that number, a file, directory or further name."""

    what: str
    where: int
    name: str
    size: int
    other: int


def plants() -> st.SearchStrategy[list[Plant]]:
    """Random trees: directories in each other, files (some sparse), further names, symbolic links."""
    return st.lists(
        st.builds(
            Plant,
            st.sampled_from(("dir", "dir", "file", "file", "again", "link", "sparse")),
            st.integers(0, 30),
            st.sampled_from(NAMES),
            st.sampled_from((0, 1, 4096, 70_000)),
            st.integers(0, 30),
        ),
        max_size=40,
    )


def grow(top: str, things: Sequence[Plant]) -> list[str]:
    """Makes a random tree below `top`, a new directory; gives all paths below it, relative to it."""
    os.mkdir(top)
    directories, made = [""], []
    files: list[str] = []
    for thing in things:
        parent = directories[thing.where % len(directories)]
        path = f"{parent}/{thing.name}" if parent else thing.name
        full = f"{top}/{path}"
        if os.path.lexists(full):
            continue
        if thing.what == "dir":
            os.mkdir(full)
            directories.append(path)
        elif thing.what == "link":
            os.symlink("..", full)
        elif thing.what == "again":
            if not files:
                continue
            os.link(f"{top}/{files[thing.other % len(files)]}", full)
        else:
            with open(full, "wb") as out:
                if thing.what == "sparse":
                    out.truncate(thing.size * 10)
                else:
                    out.write(bytes(thing.size))
            files.append(path)
        made.append(path)
    return made


@st.composite
def graphs(draw: st.DrawFn, circles: bool = True, max_nodes: int = 12) -> Graph:
    """Random graphs, some nodes of which are roots, in doubt, or the engine's own."""
    count = draw(st.integers(1, max_nodes))
    graph = Graph()
    for number in range(count):
        kind = draw(st.sampled_from(("layer", "layer", "layer", "image", "own")))
        graph.nodes[graph.add(kind, str(number))].doubt = draw(st.sampled_from(("", "", "", "", "", "is in doubt")))
    ends = st.integers(0, count - 1)
    for one, other in draw(st.lists(st.tuples(ends, ends), max_size=3 * count)):
        if circles:
            graph.hold(one, other, "is held by")
        else:
            graph.hold(max(one, other), min(one, other), "is held by")
    for number in draw(st.lists(ends, max_size=3)):
        graph.root(number, "is a root")
    return graph
