"""Walk: how much lies below a directory, by claim, as `du -x` counts it.

A claim is a path whose bytes somebody wants to know; what lies below it is its own, except what lies below a deeper
claim.  Directories count with their own blocks, each inode once; an inode with several names is settled only when all
its names are known, so it is given back apart, with the claims that its names lie in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocistore.disk.pair import Lost, Pair
from ocistore.disk.processes import may_fork
from ocistore.disk.walker import Finder, Problem, Tally, Walker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocistore.disk.ahead import Ahead
    from ocistore.disk.walker import Task

__all__ = ["Problem", "Walked", "walk"]

BLOCK = 512
"""Bytes of a unit of st_blocks, whatever the file system's own blocks are (POSIX leaves it open, Linux doesn't)."""


class Walked:
    """What a walk counted.

    Attributes:
        device: st_dev of the root; nothing else was counted.
        allocated: 512 x st_blocks in bytes, by number of claim: directories and inodes whose names the claim has all.
        apparent: st_size in bytes, likewise.
        inodes: how many, likewise.
        links: inode number -> (512 x st_blocks, st_size, names not met, claim of each name met ...) of inodes that
            have names in several claims or outside all of them.
        problems: what could not be counted.
        noted: directories met that bear a name which was to be noted; what is a problem may have more.
        incomplete: the claims that lack something because of that.
    """

    __slots__ = ("allocated", "apparent", "device", "incomplete", "inodes", "links", "noted", "problems")

    def __init__(self, device: int, tally: Tally, incomplete: set[int]) -> None:
        self.device = device
        self.allocated = [BLOCK * n for n in tally.blocks]
        self.apparent = tally.sizes
        self.inodes = tally.counts
        self.links = tally.links
        for record in tally.links.values():
            record[0] *= BLOCK
        self.problems = tally.problems
        self.noted = tally.noted
        self.incomplete = incomplete
        incomplete.update(p.claim for p in tally.problems if p.what == "unreadable" and p.claim >= 0)


class _Spine:
    """A directory that claims lie in: those directly in it, and the directories that have deeper ones."""

    __slots__ = ("below", "claims", "counted")

    def __init__(self) -> None:
        self.claims: dict[str, int] = {}
        self.below: dict[str, _Spine] = {}
        self.counted: set[str] = set()
        """Names of claims whose sums are known already."""

    def find(self, path: str) -> _Spine | None:
        """The spine of a directory below this one."""
        found: _Spine | None = self
        for name in path.split("/") if path else ():
            found = found.below.get(name) if found is not None else None
        return found


def walk(
    descriptor: int,
    claims: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
    aheads: Sequence[Ahead] = (),
    notes: frozenset[str] = frozenset(),
) -> Walked:
    """Counts what the claims have.

    Args:
        descriptor: an open directory; paths are relative to it and nothing outside it is looked at.
        claims: different paths with `/` between names, `""` for the directory itself, in any order; one that doesn't
            exist has nothing.  Names are as `os.fsdecode` gives them.
        progress: called now and then with (directories below claims that are done, all of those).
        processes: 1 or 2; None for two where that is possible and pays.
        aheads: what was counted ahead of the same directory, or is being counted, with the same `notes`.
        notes: names; directories that bear one, in claims or claimed themselves, are noted.

    Raises:
        OSError: the directory itself can't be stat'ed.
    """
    fork = may_fork() if processes is None else processes > 1
    device = os.fstat(descriptor).st_dev
    try:
        counted = _tally(descriptor, device, claims, progress, fork, aheads, notes)
    except Lost:
        # The second process was killed (out of memory, an impatient person); one can do it too.
        counted = _tally(descriptor, device, claims, progress, False, aheads, notes)
    return Walked(device, *counted)


def count(
    descriptor: int,
    claims: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    notes: frozenset[str] = frozenset(),
) -> tuple[Tally, set[int]]:
    """As `walk` in one process, the sums as they are: in units of 512 bytes, with the claims that lack something."""
    return _tally(descriptor, os.fstat(descriptor).st_dev, claims, progress, False, (), notes)


def _tally(
    descriptor: int,
    device: int,
    claims: Sequence[str],
    progress: Callable[[int, int], None] | None,
    fork: bool,
    aheads: Sequence[Ahead],
    notes: frozenset[str],
) -> tuple[Tally, set[int]]:
    tally = Tally(len(claims))
    incomplete: set[int] = set()
    top, root_claim = _spine(claims)
    for ahead in aheads:
        tally.merge(_take_over(top, ahead, len(claims), progress))
    walker = Walker(descriptor, device, tally, notes)
    walker.tasks = _enter(_Entering(walker, descriptor, device, incomplete), top, root_claim)
    Pair(walker, fork, progress).run()
    return tally, incomplete


def _take_over(top: _Spine, ahead: Ahead, claims: int, progress: Callable[[int, int], None] | None) -> Tally:
    """The sums of the claims that were counted ahead; the spine loses these claims."""
    theirs, again = ahead.result(progress)
    mine = Tally(claims)
    claim_of: dict[int, int] = {}
    for number, path in enumerate(ahead.paths):
        head, _, name = path.rpartition("/")
        spine = top.find(head)
        if spine is None or name not in spine.claims:
            continue
        # A directory with deeper claims has not all of its bytes itself; one that was met has itself at least.
        if number in again or name in spine.below or not theirs.counts[number]:
            continue
        spine.counted.add(name)
        claim = claim_of[number] = spine.claims.pop(name)
        mine.blocks[claim] = theirs.blocks[number]
        mine.sizes[claim] = theirs.sizes[number]
        mine.counts[claim] = theirs.counts[number]
    for inode, (blocks, size, left, *names) in theirs.links.items():
        met = [claim_of[number] for number in names if number in claim_of]
        if met:
            # Names in what is walked again will be met there.
            mine.links[inode] = [blocks, size, left + len(names) - len(met), *met]
    taken = {ahead.paths[number] for number in claim_of}
    mine.noted = {path for path in theirs.noted if not taken.isdisjoint(upwards(path))}
    return mine


def upwards(path: str) -> Iterator[str]:
    """A path and those of the directories above it."""
    while path:
        yield path
        path = path.rpartition("/")[0]


class _Entering:
    """The upper directories, in which claims begin; they are walked first, by one process."""

    def __init__(self, walker: Walker, root: int, device: int, incomplete: set[int]) -> None:
        self.walker = walker
        self.tally = walker.tally
        self.finder = Finder(root)
        self.device = device
        self.incomplete = incomplete
        self.tasks: list[Task] = []
        self.todo: list[tuple[str, _Spine, int]] = []

    def meet(self, path: str, st: os.stat_result, claim: int, spine: _Spine | None) -> None:
        """Counts an entry for its claim and keeps a directory for later."""
        tally = self.tally
        if st.st_dev != self.device:
            tally.problems.append(Problem("mount", path, 0, claim))
        elif st.st_mode & 0o170000 == 0o040000:
            if claim >= 0:
                tally.add(claim, st)
                tally.seen += 1
                if path.rpartition("/")[2] in self.walker.notes:
                    tally.noted.add(path)
            if spine is not None:
                self.todo.append((path, spine, claim))
            else:
                self.tasks.append((path, claim, 1))
        elif claim >= 0:
            tally.seen += 1
            if st.st_nlink > 1:
                tally.link(claim, st)
            else:
                tally.add(claim, st)

    def scan(self, descriptor: int, path: str, spine: _Spine, claim: int) -> None:
        """Meets every entry of a directory that is claimed."""
        claims, below = spine.claims, spine.below
        before = f"{path}/" if path else ""
        tally, device, counted = self.tally, self.device, spine.counted
        for entry in os.scandir(descriptor):
            name = entry.name
            if name in counted:
                continue
            try:
                st = entry.stat(follow_symlinks=False)
            except OSError as err:
                self.refused(err, before + name, claims.get(name, claim), below.get(name))
                continue
            if st.st_nlink == 1 and st.st_dev == device and st.st_mode & 0o170000 != 0o040000:
                # By far the most common, where a directory has a claim for each of its files.
                tally.seen += 1
                tally.add(claims.get(name, claim), st)
            else:
                self.meet(before + name, st, claims.get(name, claim), below.get(name))

    def pick(self, descriptor: int, path: str, spine: _Spine) -> None:
        """Meets only the claimed names of a directory that nobody claims."""
        before = f"{path}/" if path else ""
        for name in dict.fromkeys((*spine.claims, *spine.below)):
            claim, below = spine.claims.get(name, -1), spine.below.get(name)
            try:
                st = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as err:
                self.refused(err, before + name, claim, below)
            else:
                self.meet(before + name, st, claim, below)

    def refused(self, err: OSError, path: str, claim: int, spine: _Spine | None) -> None:
        """Notes a refusal, which concerns the claims below too."""
        self.walker.refused(err, path, claim)
        if self.tally.problems[-1].what == "unreadable" and spine is not None:
            self.incomplete.update(_claims_below(spine))


def _enter(entering: _Entering, top: _Spine, root_claim: int) -> list[Task]:
    """Counts the directories in which claims begin; what is left are directories without any."""
    finder = entering.finder
    if root_claim >= 0:
        entering.meet("", os.fstat(finder.root), root_claim, top)
    else:
        entering.todo.append(("", top, -1))
    while entering.todo:
        path, spine, claim = entering.todo.pop()
        try:
            descriptor = finder.open(path)
        except OSError as err:
            entering.refused(err, path, claim, spine)
            continue
        try:
            if claim >= 0:
                entering.scan(descriptor, path, spine, claim)
            elif os.fstat(descriptor).st_dev == entering.device:
                entering.pick(descriptor, path, spine)
        except OSError as err:
            entering.refused(err, path, claim, spine)
        finally:
            os.close(descriptor)
    finder.close()
    return entering.tasks


def _spine(claims: Sequence[str]) -> tuple[_Spine, int]:
    """The directories above claims, and the claim of the root or -1."""
    top = _Spine()
    spines = {"": top}
    root_claim = -1
    for number, path in enumerate(claims):
        if not path:
            root_claim = number
            continue
        head, _, name = path.rpartition("/")
        spine = spines.get(head)
        if spine is None:
            spine = top
            known = ""
            for part in head.split("/"):
                known = f"{known}/{part}" if known else part
                deeper = spine.below.get(part)
                if deeper is None:
                    deeper = spine.below[part] = spines[known] = _Spine()
                spine = deeper
        spine.claims[name] = number
    return top, root_claim


def _claims_below(spine: _Spine) -> Iterator[int]:
    stack = [spine]
    while stack:
        spine = stack.pop()
        yield from spine.claims.values()
        stack += spine.below.values()
