"""Walks of trees, in one process and in two."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ocistore.disk import pair
from ocistore.disk.walk import walk
from ocistore.disk.walker import KEPT_OPEN, POLL, Tally, Walker
from ocistore.usage.bytes import Bytes
from tests.make.by_hand import plant
from tests.naive import count, du

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ocistore.disk.walk import Walked

needs_two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU: no second process is started")


@contextmanager
def opened(top: Path) -> Iterator[int]:
    """A descriptor of a directory."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def walked(top: Path, claims: Sequence[str] = ("",), processes: int = 1) -> Walked:
    """A walk of a directory by path."""
    with opened(top) as descriptor:
        return walk(descriptor, claims, processes=processes)


def of(result: Walked, claim: int) -> Bytes:
    """The bytes of a claim."""
    return Bytes(result.allocated[claim], result.apparent[claim], result.inodes[claim])


def total(result: Walked) -> Bytes:
    """All that was counted."""
    links = result.links.values()
    return Bytes(
        sum(result.allocated) + sum(record[0] for record in links),
        sum(result.apparent) + sum(record[1] for record in links),
        sum(result.inodes) + len(links),
    )


def lstat(path: Path) -> Bytes:
    """The bytes of one inode."""
    return count([os.lstat(path)])


def test_everything_belongs_to_the_root(tmp_path: Path) -> None:
    """With one claim the sum is what du says, an inode with two names once."""
    plant(tmp_path / "t", {"a/b/file": 5000, "a/again": "=a/b/file", "link": ">a", "c/empty": 0})

    assert du(str(tmp_path / "t")) == of(walked(tmp_path / "t"), 0)


def test_a_deeper_claim_has_its_own(tmp_path: Path) -> None:
    """A directory belongs to the deepest claim at or above it, its own block too."""
    top = tmp_path / "t"
    plant(top, {"a/x": 10, "a/b/y": 20, "a/b/c/z": 30})
    result = walked(top, ["a/b/c", "", "a", "a/b/y"])

    assert du(str(top / "a/b/c")) == of(result, 0)
    assert lstat(top) == of(result, 1)
    assert lstat(top / "a").plus(lstat(top / "a/x")).plus(lstat(top / "a/b")) == of(result, 2)
    assert lstat(top / "a/b/y") == of(result, 3)


def test_nothing_but_the_claims_is_counted(tmp_path: Path) -> None:
    """Without a claim of the root, what lies beside the claims isn't counted; a claim that isn't there has nothing."""
    top = tmp_path / "t"
    plant(top, {"a/x": 10, "a/y": 20, "b/z": 30})
    result = walked(top, ["a/x", "b", "b/nothing", "nowhere/at/all"])

    assert [lstat(top / "a/x"), du(str(top / "b")), Bytes(), Bytes()] == [of(result, n) for n in range(4)]
    assert [] == result.problems


def test_names_in_two_claims(tmp_path: Path) -> None:
    """An inode that two claims name is neither's; it is given back with them and with how many names weren't met."""
    top = tmp_path / "t"
    plant(top, {"a/x": 10, "b/x": "=a/x", "b/y": "=a/x", "c": "=a/x"})
    (record,) = walked(top, ["a", "b"]).links.values()

    assert [os.lstat(top / "c").st_blocks * 512, 10, 1] == record[:3]
    assert [0, 1, 1] == sorted(record[3:])


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A claim behind a symbolic link has nothing, and the link itself is counted as what it is."""
    top = tmp_path / "t"
    plant(top, {"real/file": 10, "link": ">real"})
    result = walked(top, ["", "link/file"])

    assert [du(str(top)), Bytes()] == [of(result, 0), of(result, 1)]
    assert Bytes() == of(walked(top, ["link/file"]), 0)


def test_names_of_any_bytes(tmp_path: Path) -> None:
    """Names that are not UTF-8 are claims and entries like others."""
    top = tmp_path / "t"
    plant(top, {"x/y": 1})
    os.mkdir(os.fsencode(top) + b"/\xff\xfe")
    (top / os.fsdecode(b"\xff\xfe") / "\n").write_bytes(bytes(9))
    result = walked(top, ["", os.fsdecode(b"\xff\xfe")])

    assert du(os.fsdecode(os.fsencode(top) + b"/\xff\xfe")) == of(result, 1)
    assert du(str(top)) == total(result)


def test_a_deep_tree(tmp_path: Path) -> None:
    """Three thousand levels need neither recursion nor a descriptor each."""
    top = tmp_path / "t"
    top.mkdir()
    at = os.open(top, os.O_RDONLY)
    blocks = os.fstat(at).st_blocks
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        os.mkdir("e", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    try:
        result = walked(top)

        assert [6001] == result.inodes
        assert [6001 * blocks * 512] == result.allocated
        assert [] == result.problems
    finally:
        # Python's own removal would recurse.
        subprocess.run(["rm", "-rf", str(top)], check=True)


def test_a_directory_that_is_moved_while_it_is_walked(tmp_path: Path) -> None:
    """Where `..` of a moved directory leads elsewhere, the directory above is found by its path and goes on."""
    top = tmp_path / "t"
    deep = KEPT_OPEN + POLL
    path = "/".join(["d"] * deep)
    plant(top, {f"{path}/file": 1})
    for levels in range(1, deep):
        (top / "/".join(["d"] * levels) / "a").mkdir()
    whole = du(str(top))
    moved = False

    def move() -> None:
        nonlocal moved
        if not moved and len(walker._frames) > KEPT_OPEN:
            os.rename(top / "/".join(["d"] * 4), top / "moved")
            moved = True

    with opened(top) as descriptor:
        tally = Tally(1)
        tally.add(0, os.fstat(descriptor))
        walker = Walker(descriptor, os.fstat(descriptor).st_dev, tally)
        walker.tasks.append(("", 0, 1))
        walker.poll = move
        walker.run()
        walker.close()

    assert moved
    assert whole.inodes == tally.counts[0]
    assert [] == tally.problems


def test_what_vanished_is_said(tmp_path: Path) -> None:
    """A directory that was met and isn't there any more is a change, not an error and not silence."""
    with opened(tmp_path) as descriptor:
        walker = Walker(descriptor, os.fstat(descriptor).st_dev, Tally(1))
        walker.tasks.append(("gone/for/good", 0, 1))
        walker.run()

    assert [("changed", "gone/for/good", 0)] == [(p.what, p.path, p.claim) for p in walker.tally.problems]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root for a while; an ordinary user stays who he is."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_an_unreadable_directory_is_said(tmp_path: Path) -> None:
    """What can't be entered is told with its claim; its own block counts, and so does all that can be read."""
    top = tmp_path / "t"
    plant(top, {"open/file": 10, "open/secret/file": 10, "secret/deeper/file": 10})
    for secret in ("open/secret", "secret"):
        (top / secret).chmod(0)
    with opened(top) as descriptor, as_nobody():
        result = walk(descriptor, ["", "open", "secret/deeper"], processes=1)
    for secret in ("open/secret", "secret"):
        (top / secret).chmod(0o700)

    assert {("unreadable", "open/secret", 1), ("unreadable", "secret", 0)} == {
        (p.what, p.path, p.claim) for p in result.problems
    }
    assert {0, 1, 2} == result.incomplete
    assert 5 == sum(result.inodes)


def test_another_file_system_is_not_entered(tmp_path: Path) -> None:
    """What is mounted below the root isn't counted, as with du -x, and is told."""
    top = tmp_path / "t"
    plant(top, {"a/file": 10, "mount/hidden": 10})
    if os.geteuid():
        pytest.skip("only root can mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(top / "mount")], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    try:
        (top / "mount/file").write_bytes(bytes(100))
        result = walked(top, ["", "mount/file"])

        assert du(str(top)) == of(result, 0)
        assert Bytes() == of(result, 1)
        assert [("mount", "mount")] == [(p.what, p.path) for p in result.problems]
        assert Bytes() == of(walked(top, ["mount/file"]), 0)
    finally:
        subprocess.run(["umount", str(top / "mount")], check=True)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that is worth a second process: 12,000 inodes, names of one in many directories."""
    top = tmp_path_factory.mktemp("large") / "t"
    top.mkdir()
    (top / "shared").write_bytes(bytes(5000))
    for owner in range(8):
        for directory in range(100 if owner else 300):
            path = f"{top}/{owner}/d{directory}"
            os.makedirs(path)
            for file in range(10):
                os.close(os.open(f"{path}/{file}", os.O_CREAT | os.O_WRONLY))
            if directory % 10 == 0:
                os.link(f"{top}/shared", f"{path}/shared")
                os.link(f"{path}/0", f"{path}/again")
    return top


CLAIMS = ("", "0", "1", "2/d5", "7")


@needs_two_cpus
def test_two_processes_say_what_one_says(large: Path) -> None:
    """The same sums by claim, the same inodes with several names."""
    one, two = walked(large, CLAIMS, 1), walked(large, CLAIMS, 2)

    assert [of(one, n) for n in range(5)] == [of(two, n) for n in range(5)]
    assert {i: (r[:3], sorted(r[3:])) for i, r in one.links.items()} == {
        i: (r[:3], sorted(r[3:])) for i, r in two.links.items()
    }
    assert du(str(large)) == total(two)


@needs_two_cpus
@pytest.mark.parametrize("claims", [("",), ("7/d3", "0")], ids=["one owner", "few claims"])
def test_one_large_owner_is_shared_too(large: Path, claims: Sequence[str]) -> None:
    """A single claim is walked by both processes."""
    forks = []

    def fork() -> int:
        forks.append(1)
        return real()

    real = os.fork
    os.fork = fork
    try:
        with opened(large) as descriptor:
            two = walk(descriptor, claims, processes=2)
    finally:
        os.fork = real

    assert of(walked(large, claims), 0) == of(two, 0)
    assert [1] * (claims == ("",)) == forks


@needs_two_cpus
def test_a_second_process_that_dies(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the second process is killed, the first one does all again alone."""

    def die(*_: object) -> None:
        os._exit(9)

    monkeypatch.setattr(pair, "work_for", die)
    two = walked(large, CLAIMS, 2)

    assert du(str(large)) == total(two)


def test_progress_ends_with_all(large: Path) -> None:
    """The progress never goes beyond the whole, and ends there."""
    seen: list[tuple[int, int]] = []
    with opened(large) as descriptor:
        walk(descriptor, ["", "1"], lambda done, whole: seen.append((done, whole)))

    assert len(seen) > 1
    assert all(done <= whole for done, whole in seen)
    assert seen[-1][0] == seen[-1][1]
    assert sorted(done for done, _ in seen) == [done for done, _ in seen]


def test_no_descriptor_is_left_open(large: Path) -> None:
    """A walk gives back all that it opened."""
    before = len(os.listdir("/proc/self/fd"))
    walked(large, CLAIMS, 2)

    assert before == len(os.listdir("/proc/self/fd"))
