"""Walker: one process's share of a walk, from a list of directories to sums per claim.

Every directory is opened relative to its parent's descriptor with O_NOFOLLOW and read through its own, so no name on
the way can be exchanged for a link.  No recursion, and at most `KEPT_OPEN` descriptors however deep the tree is: of a
deeper one the upper directories are closed and found again through `..`, whose inode must be the one that was left.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_DIRECTORY
NOATIME = getattr(os, "O_NOATIME", 0)
KEPT_OPEN = 64
POLL = 32
"""Directories between two looks at the other process."""
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)
_GIVEN = 512
"""Directories handed over at once, at most."""

What = Literal["unreadable", "changed", "mount"]
Task = tuple[str, int, int]
"""A directory that is counted already and must be entered: path, claim, 1 if it counts for the progress."""


class Problem(NamedTuple):
    """What could not be counted.

    Attributes:
        what: `unreadable` (refused by the system), `changed` (vanished or exchanged meanwhile), `mount` (another
            file system; not entered and not counted).
        path: relative to the root of the walk.
        errno: the system's error number, 0 for a mount.
        claim: whose bytes they would be, -1 for none.
    """

    what: What
    path: str
    errno: int
    claim: int


class Tally:
    """Sums per claim, and what must wait until all names of an inode are known.

    Attributes:
        blocks: units of 512 bytes, by claim; directories and inodes with one name.
        sizes: bytes (st_size), by claim; likewise.
        counts: inodes, by claim; likewise.
        links: inode number -> [blocks, size, names not seen yet, claim of each name seen ...].
        problems: in the order they were met.
        noted: directories met that bear a name which was to be noted.
        seen: inodes met so far.
    """

    __slots__ = ("blocks", "counts", "links", "noted", "problems", "seen", "sizes")

    def __init__(self, claims: int) -> None:
        self.blocks = [0] * claims
        self.sizes = [0] * claims
        self.counts = [0] * claims
        self.links: dict[int, list[int]] = {}
        self.problems: list[Problem] = []
        self.noted: set[str] = set()
        self.seen = 0

    def add(self, claim: int, st: os.stat_result) -> None:
        """Counts a directory, or an inode with one name."""
        self.blocks[claim] += st.st_blocks
        self.sizes[claim] += st.st_size
        self.counts[claim] += 1

    def link(self, claim: int, st: os.stat_result) -> None:
        """Counts one name of an inode that has several."""
        record = self.links.get(st.st_ino)
        if record is None:
            self.links[st.st_ino] = [st.st_blocks, st.st_size, st.st_nlink - 1, claim]
            return
        record[2] -= 1
        record.append(claim)
        if record[2] <= 0:
            self._settle(st.st_ino, record)

    def merge(self, other: Tally) -> None:
        """Adds what another process counted."""
        for mine, theirs in (
            (self.blocks, other.blocks),
            (self.sizes, other.sizes),
            (self.counts, other.counts),
        ):
            for claim, amount in enumerate(theirs):
                if amount:
                    mine[claim] += amount
        for inode, record in other.links.items():
            known = self.links.get(inode)
            if known is None:
                self.links[inode] = record
            else:
                known[2] -= len(record) - 3
                known += record[3:]
                if known[2] <= 0:
                    self._settle(inode, known)
        self.problems += other.problems
        self.noted |= other.noted
        self.seen += other.seen

    def _settle(self, inode: int, record: list[int]) -> None:
        """An inode all of whose names one claim has is like one with a single name: it needn't be remembered."""
        claim = record[3]
        if all(other == claim for other in record[4:]):
            self.blocks[claim] += record[0]
            self.sizes[claim] += record[1]
            self.counts[claim] += 1
            del self.links[inode]


class Finder:
    """Opens directories below a root by path, each component relative to the one before."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._parent = -1
        self._parent_path = ""

    def open(self, path: str) -> int:
        """A descriptor of the directory, the caller's to close.

        Raises:
            OSError: as the system says it.
        """
        if not path:
            return open_directory(".", self.root)
        head, _, name = path.rpartition("/")
        if not head:
            return open_directory(name, self.root)
        if head != self._parent_path:
            found = self._descend(head)
            self.close()
            self._parent, self._parent_path = found, head
        return open_directory(name, self._parent)

    def close(self) -> None:
        """Gives the kept descriptor back."""
        if self._parent >= 0:
            os.close(self._parent)
        self._parent, self._parent_path = -1, ""

    def _descend(self, path: str) -> int:
        at = self.root
        for name in path.split("/"):
            try:
                deeper = open_directory(name, at)
            finally:
                if at != self.root:
                    os.close(at)
            at = deeper
        return at


def open_directory(name: str, parent: int) -> int:
    """A descriptor of the directory `name` in the open directory `parent`; O_NOATIME where it is allowed.

    Raises:
        OSError: as the system says it; ELOOP or ENOTDIR where it is a link.
    """
    if NOATIME:
        try:
            return os.open(name, DIRECTORY | NOATIME, dir_fd=parent)
        except PermissionError as err:
            # O_NOATIME (EPERM) is for a file's owner and for root; others read as they may.
            if err.errno != errno.EPERM:
                raise
    return os.open(name, DIRECTORY, dir_fd=parent)


class _Frame:
    """An open directory on the way down, with the names of those below that are still to be entered."""

    __slots__ = ("descriptor", "inode", "name", "names")

    def __init__(self, descriptor: int, name: str, names: list[str]) -> None:
        self.descriptor = descriptor
        self.name = name
        self.names = names
        self.inode = 0


class Walker:
    """Works through a list of directories.

    Attributes:
        tally: what was counted.
        notes: names of directories that are noted.
        tasks: directories to enter, the next one last.
        done: tasks finished that count for the progress.
        poll: called every `POLL` directories, from where work can be taken away with `give`.
    """

    def __init__(self, root: int, device: int, tally: Tally, notes: frozenset[str] = frozenset()) -> None:
        self.finder = Finder(root)
        self.tally = tally
        self.notes = notes
        self.tasks: list[Task] = []
        self.done = 0
        self.poll: Callable[[], None] = _nothing
        self._device = device
        self._countdown = POLL
        self._frames: list[_Frame] = []
        self._base = ""
        self._claim = -1

    def run(self) -> None:
        """Enters directories until none is left."""
        tasks = self.tasks
        while tasks:
            path, claim, counted = tasks.pop()
            try:
                descriptor = self.finder.open(path)
            except OSError as err:
                self.refused(err, path, claim)
            else:
                self._walk(descriptor, path, claim)
            self.done += counted

    def close(self) -> None:
        """Gives all descriptors back."""
        self.finder.close()
        while self._frames:
            frame = self._frames.pop()
            if frame.descriptor >= 0:
                os.close(frame.descriptor)

    def give(self) -> list[Task]:
        """Takes about half of the work away, the largest pieces as far as one can tell; may be empty."""
        tasks = self.tasks
        if len(tasks) > 1:
            given = tasks[-2 * _GIVEN :: 2]
            del tasks[-2 * _GIVEN :: 2]
            return given
        if tasks and self._frames:
            return [tasks.pop()]
        path = self._base
        for frame in self._frames:
            path = f"{path}/{frame.name}" if frame.name else path
            names = frame.names
            if names:
                half = names[: max(1, min(_GIVEN, len(names) // 2))]
                del names[: len(half)]
                claim = self._claim
                return [(f"{path}/{name}", claim, 0) for name in half]
        return []

    def second(self, tasks: list[Task]) -> Walker:
        """A walker of the same tree with empty sums and these tasks."""
        other = Walker(self.finder.root, self._device, Tally(len(self.tally.counts)), self.notes)
        other.tasks = list(tasks)
        return other

    def refused(self, err: OSError, path: str, claim: int) -> None:
        """Notes what the system would not do."""
        number = err.errno or 0
        self.tally.problems.append(Problem("changed" if number in _GONE else "unreadable", path, number, claim))

    def _walk(self, descriptor: int, base: str, claim: int) -> None:
        """Counts all below an open directory, which is closed; the directory itself is counted already."""
        tally = self.tally
        device = self._device
        links = tally.link
        frames = self._frames
        scandir, close = os.scandir, os.close
        self._base, self._claim = base, claim
        name = ""
        blocks = sizes = count = linked = 0
        while True:
            names: list[str] = []
            try:
                for entry in scandir(descriptor):
                    try:
                        st = entry.stat(follow_symlinks=False)
                    except OSError as err:
                        self.refused(err, self._path(name, entry.name), claim)
                        continue
                    if st.st_dev != device:
                        tally.problems.append(Problem("mount", self._path(name, entry.name), 0, claim))
                        continue
                    if st.st_mode & 0o170000 == 0o040000:
                        names.append(entry.name)
                    elif st.st_nlink > 1:
                        links(claim, st)
                        linked += 1
                        continue
                    blocks += st.st_blocks
                    sizes += st.st_size
                    count += 1
            except OSError as err:
                self.refused(err, self._path(name), claim)
            if names:
                if not self.notes.isdisjoint(names):
                    tally.noted.update(self._path(name, each) for each in self.notes.intersection(names))
                frames.append(_Frame(descriptor, name, names))
                if len(frames) > KEPT_OPEN:
                    self._leave(frames[-1 - KEPT_OPEN])
            else:
                close(descriptor)
            self._countdown -= 1
            if not self._countdown:
                self._countdown = POLL
                tally.seen += count + linked
                tally.blocks[claim] += blocks
                tally.sizes[claim] += sizes
                tally.counts[claim] += count
                blocks = sizes = count = linked = 0
                self.poll()
            descriptor = -1
            while frames:
                frame = frames[-1]
                if not frame.names:
                    self._ascend()
                    continue
                name = frame.names.pop()
                try:
                    descriptor = open_directory(name, frame.descriptor)
                    break
                except OSError as err:
                    self.refused(err, self._path(name), claim)
            if descriptor < 0:
                break
        tally.seen += count + linked
        tally.blocks[claim] += blocks
        tally.sizes[claim] += sizes
        tally.counts[claim] += count

    def _path(self, *names: str) -> str:
        return "/".join(part for part in (self._base, *(f.name for f in self._frames), *names) if part)

    def _leave(self, frame: _Frame) -> None:
        """Closes a directory far above; it must be found again through its child."""
        frame.inode = os.fstat(frame.descriptor).st_ino
        os.close(frame.descriptor)
        frame.descriptor = -1

    def _ascend(self) -> None:
        """Ends the innermost directory and makes the one above usable."""
        frames = self._frames
        frame = frames.pop()
        above = frames[-1] if frames else None
        if above is not None and above.descriptor < 0:
            try:
                above.descriptor = self._up(frame.descriptor, above)
            except OSError as err:
                # Without names it is only a step on the way up; one further above is then found by its path.
                if above.names:
                    self.refused(err, self._path(), self._claim)
                    above.names.clear()
        if frame.descriptor >= 0:
            os.close(frame.descriptor)

    def _up(self, descriptor: int, above: _Frame) -> int:
        """A descriptor of the directory that was left, through `..` or, where that is another one, by its path.

        Raises:
            OSError: it isn't there any more.
        """
        if descriptor >= 0:
            found = open_directory("..", descriptor)
            st = os.fstat(found)
            if st.st_ino == above.inode and st.st_dev == self._device:
                return found
            os.close(found)
        found = self.finder.open(self._path())
        st = os.fstat(found)
        if st.st_ino == above.inode and st.st_dev == self._device:
            return found
        os.close(found)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def _nothing() -> None:
    """No other process to look at."""
