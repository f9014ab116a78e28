"""What a tree says of many files at once, and of large ones."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from ocistore.disk import tree as tree_module
from ocistore.disk.tree import DirectoryTree, Missing
from ocistore.errors import UnreadableFile
from tests.make.by_hand import plant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@pytest.fixture(params=[1, 4096], ids=["several at once", "one after the other"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is taken for a slow one, and directories for large ones or not."""
    for name, number in {"_MANY": request.param, "_SLOW": -1, "_PROBE": 1, "_BATCH": 8, "_PART": 3}.items():
        monkeypatch.setattr(tree_module, name, number)


@pytest.mark.usefixtures("many")
def test_a_file_of_each_directory(tmp_path: Path) -> None:
    """In the order of the names; nothing through a link, of no regular file, of what is too long or isn't there."""
    for number in range(20):
        plant(tmp_path, {f"t/{number:02}/link": number})
    plant(tmp_path, {"t/none/other": 1, "t/through": ">00", "t/to/link": ">../00/link", "t/dir/link/x": 1})
    os.mkdir(tmp_path / "t/fifo")
    os.mkfifo(tmp_path / "t/fifo/link")
    names = [*(f"{number:02}" for number in reversed(range(20))), "none", "through", "to", "dir", "fifo", "..", "00/.."]
    with DirectoryTree(str(tmp_path)) as tree:
        found = tree.read_in_each("t", names, "link", 15)

        assert [*([None] * 4), *(bytes(number) for number in reversed(range(16))), *([None] * 7)] == found
        assert [None] == tree.read_in_each("nowhere", ["00"], "link", 15)


@pytest.mark.usefixtures("many")
def test_the_targets_of_many_links(tmp_path: Path) -> None:
    """In the order of the names."""
    plant(tmp_path, {"l/a": ">../x/diff", "l/b": 1, "l/c": ">y"})
    with DirectoryTree(str(tmp_path)) as tree:
        assert ["y", None, None, "../x/diff", None] == tree.readlink_each("l", ["c", "b", "d", "a", "../l/a"])
        assert [None] == tree.readlink_each("nowhere", ["a"])


@pytest.mark.usefixtures("many")
def test_where_no_thread_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other gives the same."""

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    plant(tmp_path, {"l/a": ">x", "l/b": ">y", "l/c": ">z"})
    with DirectoryTree(str(tmp_path)) as tree:
        assert ["x", "y", "z"] == tree.readlink_each("l", ["a", "b", "c"])


def test_several_at_once_only_while_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads cost more than what is in memory."""
    asked = []
    at_once = tree_module._ask_at_once

    def noticed(ask: Callable[[str], object], names: Sequence[str]) -> list[object]:
        asked.append(len(names))
        return at_once(ask, names)

    monkeypatch.setattr(tree_module, "_ask_at_once", noticed)
    monkeypatch.setattr(tree_module, "_MANY", 8)
    monkeypatch.setattr(tree_module, "_PROBE", 4)
    monkeypatch.setattr(tree_module, "_BATCH", 16)
    names = [f"{number}" for number in range(40)]
    plant(tmp_path, {f"l/{name}": f">{name}" for name in names})
    with DirectoryTree(str(tmp_path)) as tree:
        monkeypatch.setattr(tree_module, "_SLOW", 1000)

        assert names == tree.readlink_each("l", names)
        assert [] == asked

        monkeypatch.setattr(tree_module, "_SLOW", -1)

        assert names == tree.readlink_each("l", names)
        assert [16, 16] == asked


def test_a_file_that_is_read_from_anywhere(tmp_path: Path) -> None:
    """Any piece of it, cut where it ends; a hole is zeros."""
    with open(tmp_path / "f", "wb") as file:
        file.write(b"begin")
        file.seek(3 << 20)
        file.write(b"end")
    with DirectoryTree(str(tmp_path)) as tree:
        for in_memory in (False, True):
            found = tree.open_random("f", in_memory)

            assert (3 << 20) + 3 == found.size
            assert b"gin\0" == found.read(2, 6)
            assert b"\0end" == found.read((3 << 20) - 1, 4 << 20)


def test_what_can_not_be_read_from_anywhere(tmp_path: Path) -> None:
    """A directory, a link, and what isn't there."""
    plant(tmp_path, {"d/x": 1, "l": ">d/x"})
    with DirectoryTree(str(tmp_path)) as tree:
        with pytest.raises(UnreadableFile) as directory:
            tree.open_random("d")
        with pytest.raises(UnreadableFile) as link:
            tree.open_random("l")
        with pytest.raises(Missing):
            tree.open_random("nothing")

    assert [errno.EINVAL, errno.ELOOP] == [directory.value.errno, link.value.errno]
