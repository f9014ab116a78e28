"""Directories that are counted ahead: a walk that takes them over says what one says that doesn't."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.disk import beside, tree
from ocistore.disk.ahead import Ahead
from ocistore.disk.tree import DirectoryTree
from ocistore.disk.walk import walk
from tests.disk.test_walk import opened
from tests.make.by_hand import plant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocistore.disk.walk import Walked

FILES: dict[str, int | str] = {
    "a/1/x": 5000,
    "a/1/deep/er/y": 10,
    "a/1/again": "=a/1/x",
    "a/2/x": "=a/1/x",
    "a/2/own": 9000,
    "a/2/twice": "=a/2/own",
    "a/3/link": ">../1",
    "b/1/x": "=a/1/x",
    "b/1/z": 1,
    "b/2/deep/z": "=b/1/z",
    "c": "=b/1/z",
    "d/none": 0,
}
DIRECTORIES = ("a/1", "a/2", "a/3", "b/1", "b/2", "d", "nowhere")
NOTES = frozenset(("deep", "2", "z"))
PATHS = ("", "a", "b", "a/1/deep", "a/1/x", "a/2/own", "b/2/deep/z", "c", *DIRECTORIES)


@pytest.fixture(scope="module")
def top(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with names of inodes in several directories, and beside them."""
    made = tmp_path_factory.mktemp("ahead") / "t"
    plant(made, FILES)
    return made


def said(result: Walked) -> tuple[object, ...]:
    """All that a walk says, the same whatever came first."""
    links = {inode: (record[:3], sorted(record[3:])) for inode, record in result.links.items()}
    said = result.allocated, result.apparent, result.inodes, links, sorted(result.problems), result.incomplete
    return *said, result.noted


def both(top: Path, claims: Sequence[str], *parts: Sequence[str]) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """A walk alone, and one that takes over what was counted ahead."""
    with opened(top) as descriptor:
        aheads = [Ahead(descriptor, part, NOTES) for part in parts]
        alone = walk(descriptor, claims, processes=1, notes=NOTES)
        return said(alone), said(walk(descriptor, claims, processes=1, aheads=aheads, notes=NOTES))


@settings(max_examples=200, deadline=None)
@given(
    claims=st.lists(st.sampled_from(PATHS), unique=True, min_size=1),
    first=st.lists(st.sampled_from(DIRECTORIES), unique=True),
    cut=st.integers(0, len(DIRECTORIES)),
)
def test_it_changes_nothing(top: Path, claims: list[str], first: list[str], cut: int) -> None:
    """Whichever directories are claims in the end, deeper ones among them, and whoever counted what."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(beside, "may_fork", lambda: False)
        alone, ahead = both(top, claims, first[:cut], first[cut:])

    assert alone == ahead


def test_it_is_not_walked_again(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a claim as it was counted is taken as it was then; with a deeper claim it is walked."""
    monkeypatch.setattr(beside, "may_fork", lambda: False)
    plant(tmp_path / "t", {"a/1/x": 5000, "a/2/x": 7000})
    with opened(tmp_path / "t") as descriptor:
        ahead = Ahead(descriptor, ["a/1", "a/2"])
        for name in ("1", "2"):
            (tmp_path / f"t/a/{name}/x").unlink()
        result = walk(descriptor, ["a/1", "a/2", "a/2/deeper"], processes=1, aheads=[ahead])

    assert [2, 1, 0] == result.inodes


def test_what_was_not_there_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is nothing only for a walk that finds nothing: what an engine moved away and back counts."""
    monkeypatch.setattr(beside, "may_fork", lambda: False)
    top = tmp_path / "t"
    plant(top, {"a/1/x": 5000, "b/1/x": 7000})
    with opened(top) as descriptor:
        (top / "a").rename(top / "away")
        (top / "b/1").rename(top / "b/2")
        ahead = Ahead(descriptor, ["a/1", "b/1"])
        (top / "away").rename(top / "a")
        (top / "b/2").rename(top / "b/1")
        result = walk(descriptor, ["", "a/1", "b/1"], processes=1, aheads=[ahead])

    assert [3, 2, 2] == result.inodes


def test_a_second_process_counts_the_same(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sums and its several names come through the pipe."""
    monkeypatch.setattr(beside, "may_fork", lambda: True)
    alone, ahead = both(top, PATHS[1:], ["a/1", "a/2"], ["b/1", "d", "nowhere"])

    assert alone == ahead


def test_a_tree_counts_only_where_sizes_are_asked_for(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends what it began when it is closed."""
    monkeypatch.setattr(tree, "_MANY", 2)
    monkeypatch.setattr(tree, "may_fork", lambda: True)
    before = len(os.listdir("/proc/self/fd"))
    with DirectoryTree(str(top)) as without, DirectoryTree(str(top), counts=True) as counting:
        without.count_ahead("a", without.list("a"))
        counting.count_ahead("a", counting.list("a")[:1])

        assert [[], []] == [without.aheads, counting.aheads]
        counting.count_ahead("a", counting.list("a"))

        counting.count_ahead("b", counting.list("b"))

        assert ["a/1", "a/2", "a/3"] == sorted(path for ahead in counting.aheads for path in ahead.paths)

    del counting
    assert before == len(os.listdir("/proc/self/fd"))
