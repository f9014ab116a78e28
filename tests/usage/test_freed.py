"""What steps give back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocistore.usage.bytes import ZERO
from ocistore.usage.freed import measure_freed
from tests.make.by_hand import add_place, plant, store_of
from tests.naive import du, freed

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two directories that share an inode, a third beside them."""
    plant(
        tmp_path / "t",
        {"a/file": 5000, "a/shared": 9000, "b/shared": "=a/shared", "b/below/file": 100, "c/file": 70_000},
    )
    return store_of(tmp_path / "t", {})


def test_an_inode_comes_back_with_its_last_name(store: Store, tmp_path: Path) -> None:
    """A shared inode counts at the step that takes the last name, in either order."""
    a, b = str(tmp_path / "t/a"), str(tmp_path / "t/b")

    assert (freed([a]), freed([a, b]).minus(freed([a]))) == measure_freed(store, [["a"], ["b"]]).steps
    assert (freed([b]), freed([a, b]).minus(freed([b]))) == measure_freed(store, [["b"], ["a"]]).steps


def test_a_name_that_stays_keeps_the_inode(store: Store, tmp_path: Path) -> None:
    """Without the other name's path the inode isn't in the sum."""
    assert freed([str(tmp_path / "t/b")]) == measure_freed(store, [["b"]]).total


def test_listed_twice_counts_once(store: Store, tmp_path: Path) -> None:
    """A path counts at the earliest step that has it or lies above it."""
    whole, below = du(str(tmp_path / "t/c")), du(str(tmp_path / "t/c/file"))

    assert (whole, ZERO) == measure_freed(store, [["c", "c"], ["c"]]).steps
    assert (whole, ZERO) == measure_freed(store, [["c"], ["c/file"]]).steps
    assert (below, whole.minus(below)) == measure_freed(store, [["c/file"], ["c"]]).steps
    assert (whole,) == measure_freed(store, [["c/file", "c/"]]).steps


def test_what_isnt_there_gives_nothing(store: Store) -> None:
    """A path that doesn't exist is no problem and no bytes."""
    assert (ZERO, ZERO) == measure_freed(store, [["nothing/here"], []]).steps


def test_paths_in_another_place(store: Store, tmp_path: Path) -> None:
    """Absolute paths lie in the other directories of the store; sums go over all."""
    plant(tmp_path / "run", {"state/file": 10})
    os.link(tmp_path / "run/state/file", tmp_path / "t/c/again")
    add_place(store, tmp_path / "run", {})
    paths = [str(tmp_path / "run/state"), str(tmp_path / "t/c")]

    assert freed(paths) == measure_freed(store, [[paths[0]], ["c"]]).total
    assert du(str(tmp_path / "run")).inodes - 1 == freed([str(tmp_path / "run")]).inodes
    assert freed([str(tmp_path / "run")]) == measure_freed(store, [[str(tmp_path / "run")]]).total


def test_a_path_in_no_place_is_an_error(store: Store) -> None:
    """Nothing outside the store is looked at."""
    with pytest.raises(KeyError):
        measure_freed(store, [["/etc"]])


def test_unreadable_steps_are_null(store: Store, tmp_path: Path) -> None:
    """A step that has something unreadable isn't proved, nor one that shares an inode with it; others are."""
    os.link(tmp_path / "t/b/below/file", tmp_path / "t/a/again")
    (tmp_path / "t/b/below").chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        found = measure_freed(store, [["b"], ["c"], ["a"]])
    finally:
        os.seteuid(before)
        (tmp_path / "t/b/below").chmod(0o700)

    assert [None, du(str(tmp_path / "t/c")), None] == list(found.steps)
    assert found.total is None
    assert ["unreadable", "step-not-provable", "step-not-provable"] == [f.code for f in found.findings]
