"""Tree: read-only access to what lies below one root, never out of it.

Paths are relative to the root, `/` between names, `""` for the root itself; names are `str` as `os.fsdecode` gives
them (surrogateescape), so no byte of a name is lost.  Symbolic links are never followed below the root: each
component is opened relative to its parent's descriptor with O_NOFOLLOW, so a link that is swapped in later leads
nowhere either.  Nothing is ever opened for writing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from collections import OrderedDict
from itertools import chain
from operator import itemgetter
from time import perf_counter
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeVar

from ocistore.disk.processes import may_fork
from ocistore.errors import UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ocistore.disk.ahead import Ahead

T = TypeVar("T")
EntryType = Literal["dir", "file", "link", "other"]

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_DIRECTORY
_KEPT_OPEN = 24
READ_LIMIT = 512 * 1024 * 1024
"""Bytes; a record file that is larger is refused rather than read into memory."""
_MANY = 4096
"""Directories or files from which it pays to do several at once."""
_ASKERS = 4
"""Threads; with more of them a disk that has nothing in memory answers hardly quicker."""
_PROBE, _BATCH, _PART = 256, 8192, 512
"""Questions that are asked one by one to see how quick the answers are; then, of several askers, and of one of them."""
_SLOW = 40e-6
"""Seconds that a file takes which must come from the disk; one in memory takes a quarter of that."""
_COUNTERS = 2
"""Processes that count ahead: while one waits for the disk, the other needn't."""

CHUNK = 1 << 20
"""Bytes of a piece when a file is read piece by piece."""


class Entry(NamedTuple):
    """A name in a directory, and the type and inode number of what bears it (a link is not followed)."""

    name: str
    type: EntryType
    inode: int


class Missing(UnreadableFile):
    """The path doesn't exist."""


class RandomFile:
    """A regular file that is read in pieces from anywhere; the tree that opened it closes it.

    Attributes:
        size: bytes, when it was opened.
    """

    __slots__ = ("_descriptor", "_path", "size")

    def __init__(self, descriptor: int, size: int, path: str) -> None:
        self._descriptor, self._path, self.size = descriptor, path, size

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer at the end of the file.

        Raises:
            UnreadableFile: the system refuses.
        """
        try:
            return os.pread(self._descriptor, end - start, start)
        except OSError as err:
            raise _refused(err, self._path) from None


class Tree(Protocol):
    """What a reader may ask of a disk; a directory is one answerer, a disk image may be another."""

    @property
    def path(self) -> str:
        """Where the root is, as the user named it; only for texts."""
        ...

    def list(self, path: str) -> list[Entry]:
        """The entries of a directory, sorted by name.

        Raises:
            UnreadableFile: not there (`Missing`), no directory, or refused.
        """
        ...

    def stat(self, path: str) -> os.stat_result:
        """What lstat says of a path.

        Raises:
            UnreadableFile: not there (`Missing`) or refused.
        """
        ...

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a regular file of at most `limit` bytes.

        Raises:
            UnreadableFile: not there (`Missing`), no regular file, too large, or refused.
        """
        ...

    def chunks(self, path: str, size: int = CHUNK) -> Iterator[bytes]:
        """The bytes of a regular file of any length, in pieces of at most `size` bytes.

        Raises:
            UnreadableFile: not there (`Missing`), no regular file, or refused.
        """
        ...

    def open_random(self, path: str, in_memory: bool = False) -> RandomFile:
        """A regular file of any length, to be read in pieces from anywhere.

        Args:
            path: of it.
            in_memory: whether the system has it in memory; else it is read once in the disk's order.

        Raises:
            UnreadableFile: not there (`Missing`), no regular file, or refused.
        """
        ...

    def readlink(self, path: str) -> str:
        """The target of a symbolic link, as it is written there.

        Raises:
            UnreadableFile: not there (`Missing`), no link, or refused.
        """
        ...

    def xattr(self, path: str, name: str) -> bytes | None:
        """An extended attribute of a file, None where there is none."""
        ...

    def count_ahead(self, base: str, directories: Sequence[Entry]) -> None:
        """Told which directories there are in `base` whose bytes will be asked for one by one, if any are."""
        ...

    def read_in_each(self, base: str, names: Sequence[str], leaf: str, limit: int) -> Sequence[bytes | None]:
        """What the file `leaf` has in each of many directories `base/NAME`, in their order.

        None where it isn't there, is no regular file of at most `limit` bytes, or can't be read.
        """
        ...

    def readlink_each(self, base: str, names: Sequence[str]) -> Sequence[str | None]:
        """The targets of many links `base/NAME`, in their order; None for what isn't there, is none, or is refused."""
        ...


class DirectoryTree:
    """A Tree over a directory of the running system.

    Holds the root's descriptor and a few of its directories'; close it or use it as a context manager.

    Attributes:
        aheads: what `count_ahead` began, for walks of the root.
        notes: names of directories that walks of the root shall note.
    """

    def __init__(self, path: str, counts: bool = False, notes: frozenset[str] = frozenset()) -> None:
        """Opens `path`, which may itself be reached through links.

        Args:
            path: a directory.
            counts: whether `count_ahead` counts, since sizes will be asked for.
            notes: see the attribute.

        Raises:
            UnreadableFile: it can't be opened as a directory.
        """
        self._path = path
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as err:
            raise _refused(err, path) from None
        self._open: OrderedDict[str, int] = OrderedDict()
        self._files: list[int] = []
        self._counts = counts
        self.aheads: list[Ahead] = []
        self.notes = notes
        self._noatime = getattr(os, "O_NOATIME", 0)

    @property
    def path(self) -> str:
        """Where the root is, as the user named it."""
        return self._path

    @property
    def descriptor(self) -> int:
        """The root's descriptor, for walks."""
        return self._root

    def close(self) -> None:
        """Gives the descriptors back."""
        for ahead in self.aheads:
            ahead.close()
        for descriptor in (*self._open.values(), *self._files):
            os.close(descriptor)
        self._open.clear()
        self._files.clear()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def __enter__(self) -> DirectoryTree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list(self, path: str) -> list[Entry]:
        """See Tree.list."""
        try:
            # A descriptor of its own: scandir's position belongs to it.
            own = self.open_directory(path)
            try:
                with os.scandir(own) as entries:
                    found = [Entry(e.name, _entry_type(e), e.inode()) for e in entries]
            finally:
                os.close(own)
        except OSError as err:
            raise _refused(err, path) from None
        found.sort(key=itemgetter(0))
        return found

    def stat(self, path: str) -> os.stat_result:
        """See Tree.stat."""
        try:
            if not path:
                return os.fstat(self._root)
            parent, name = self._parent(path)
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except OSError as err:
            raise _refused(err, path) from None

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """See Tree.read."""
        try:
            parent, name = self._parent(path)
            descriptor = self._open_file(name, parent)
            try:
                st = os.fstat(descriptor)
                if not stat_module.S_ISREG(st.st_mode):
                    raise UnreadableFile("not a regular file", path, errno.EINVAL)
                if st.st_size > limit:
                    raise UnreadableFile(
                        f"larger than the {limit} bytes that are read of such a file", path, errno.EFBIG
                    )
                return _read_all(descriptor, st.st_size, limit)
            finally:
                os.close(descriptor)
        except OSError as err:
            raise _refused(err, path) from None

    def count_ahead(self, base: str, directories: Sequence[Entry]) -> None:
        """See Tree.count_ahead; begins to count them where that pays."""
        # One large directory is enough to do: the others are walked when their turn comes.
        if not self._counts or self.aheads or len(directories) < _MANY or not may_fork():
            return
        # Only large stores need it.
        from ocistore.disk.ahead import Ahead

        # A directory gives its names in the order of their hashes, in which the next inode is always elsewhere.
        ordered = sorted(directories, key=itemgetter(2))
        for part in range(_COUNTERS):
            paths = [f"{base}/{entry.name}" for entry in ordered[part::_COUNTERS]]
            self.aheads.append(Ahead(self._root, paths, self.notes))

    def read_in_each(self, base: str, names: Sequence[str], leaf: str, limit: int) -> Sequence[bytes | None]:
        """See Tree.read_in_each."""
        try:
            parent = self.open_directory(base)
        except OSError:
            return [None] * len(names)

        def read(name: str) -> bytes | None:
            if not _is_name(name):
                return None
            try:
                directory = self._open_directory(name, parent)
                try:
                    descriptor = self._open_file(leaf, directory)
                finally:
                    os.close(directory)
                try:
                    regular = stat_module.S_ISREG(os.fstat(descriptor).st_mode)
                    data = os.read(descriptor, limit + 1) if regular else None
                finally:
                    os.close(descriptor)
            except OSError:
                return None
            return data if data is not None and len(data) <= limit else None

        try:
            return _ask_many(read, names)
        finally:
            os.close(parent)

    def readlink_each(self, base: str, names: Sequence[str]) -> Sequence[str | None]:
        """See Tree.readlink_each."""
        try:
            parent = self.open_directory(base)
        except OSError:
            return [None] * len(names)

        def read(name: str) -> str | None:
            try:
                return os.readlink(name, dir_fd=parent) if _is_name(name) else None
            except OSError:
                return None

        try:
            return _ask_many(read, names)
        finally:
            os.close(parent)

    def chunks(self, path: str, size: int = CHUNK) -> Iterator[bytes]:
        """See Tree.chunks."""
        try:
            parent, name = self._parent(path)
            descriptor = self._open_file(name, parent)
            try:
                if not stat_module.S_ISREG(os.fstat(descriptor).st_mode):
                    raise UnreadableFile("not a regular file", path, errno.EINVAL)
                while piece := os.read(descriptor, size):
                    yield piece
            finally:
                os.close(descriptor)
        except OSError as err:
            raise _refused(err, path) from None

    def open_random(self, path: str, in_memory: bool = False) -> RandomFile:
        """See Tree.open_random."""
        try:
            parent, name = self._parent(path)
            descriptor = self._open_file(name, parent)
        except OSError as err:
            raise _refused(err, path) from None
        self._files.append(descriptor)
        st = os.fstat(descriptor)
        if not stat_module.S_ISREG(st.st_mode):
            raise UnreadableFile("not a regular file", path, errno.EINVAL)
        if not in_memory:
            _bring_in(descriptor, min(st.st_size, st.st_blocks * 512))
        return RandomFile(descriptor, st.st_size, path)

    def readlink(self, path: str) -> str:
        """See Tree.readlink."""
        try:
            parent, name = self._parent(path)
            return os.readlink(name, dir_fd=parent)
        except OSError as err:
            raise _refused(err, path) from None

    def xattr(self, path: str, name: str) -> bytes | None:
        """See Tree.xattr."""
        try:
            parent, base = self._parent(path)
            # There is no getxattr relative to a descriptor; /proc names the open parent, so no link is followed.
            return os.getxattr(f"/proc/self/fd/{parent}/{base}", name, follow_symlinks=False)
        except OSError as err:
            if err.errno in (errno.ENODATA, errno.ENOTSUP):
                return None
            raise _refused(err, path) from None

    def open_directory(self, path: str) -> int:
        """A new descriptor of a directory below the root, the caller's to close.

        Raises:
            OSError: as the system says it.
        """
        if not path:
            return os.open(".", _DIRECTORY, dir_fd=self._root)
        parent, name = self._parent(path)
        return self._open_directory(name, parent)

    def _parent(self, path: str) -> tuple[int, str]:
        head, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            raise OSError(errno.EINVAL, "the path is not one below the root")
        return self._directory(head), name

    def _directory(self, path: str) -> int:
        """The kept descriptor of a directory; those on the way are opened one by one, however many there are."""
        missing: list[str] = []
        descriptor = self._open.get(path) if path else self._root
        while descriptor is None:
            head, _, name = path.rpartition("/")
            if name in ("", ".", ".."):
                raise OSError(errno.EINVAL, "the path is not one below the root")
            missing.append(path)
            path = head
            descriptor = self._open.get(path) if path else self._root
        if path:
            self._open.move_to_end(path)
        for below in reversed(missing):
            descriptor = self._open_directory(below.rpartition("/")[2], descriptor)
            self._open[below] = descriptor
            if len(self._open) > _KEPT_OPEN:
                # The one just opened is the newest, so that it stays open for the next step.
                os.close(self._open.popitem(last=False)[1])
        return descriptor

    def _open_file(self, name: str, parent: int) -> int:
        return self._open_noatime(name, _READ, parent)

    def _open_directory(self, name: str, parent: int) -> int:
        return self._open_noatime(name, _DIRECTORY, parent)

    def _open_noatime(self, name: str, flags: int, parent: int) -> int:
        if self._noatime:
            try:
                return os.open(name, flags | self._noatime, dir_fd=parent)
            except PermissionError:
                # O_NOATIME is for a file's owner and for root; others read as they may.
                pass
        return os.open(name, flags, dir_fd=parent)


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name


def _ask_many(ask: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """Asks the same of many; several at once where there are many and the disk's answers are what takes long.

    Threads cost more than answers that the system has in memory, so that some are asked one by one now and then.
    """
    found: list[T] = []
    while len(found) < len(names):
        begun = perf_counter()
        few = names[len(found) : len(found) + _PROBE]
        found += [ask(name) for name in few]
        if len(names) - len(found) >= _MANY and perf_counter() - begun > _SLOW * len(few):
            found += _ask_at_once(ask, names[len(found) : len(found) + _BATCH])
    return found


def _ask_at_once(ask: Callable[[str], T], names: Sequence[str]) -> list[T]:
    # Only large directories on a slow disk need it.
    from concurrent.futures import ThreadPoolExecutor

    parts = [names[at : at + _PART] for at in range(0, len(names), _PART)]
    try:
        with ThreadPoolExecutor(_ASKERS) as pool:
            return list(chain.from_iterable(pool.map(lambda part: [ask(name) for name in part], parts)))
    except RuntimeError:
        # The system allows no further thread.
        return [ask(name) for name in names]


def _entry_type(entry: os.DirEntry[str]) -> EntryType:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    if entry.is_file(follow_symlinks=False):
        return "file"
    return "other"


def _read_all(descriptor: int, size: int, limit: int) -> bytes:
    """Reads to the end; a file that grows past `limit` meanwhile is cut there and told by its length."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    total = len(data)
    while total <= limit and (more := os.read(descriptor, 1 << 20)):
        parts.append(more)
        total += len(more)
    return b"".join(parts)


def _bring_in(descriptor: int, length: int) -> None:
    """Reads a file's beginning once in the disk's own order, so that the system has it in memory; at most `length`.

    All of it will be asked for, in the order of its trees, which a disk gives ten times as slowly. What can't be
    read is told where it is asked for.
    """
    buffer = bytearray(CHUNK)
    with contextlib.suppress(OSError):
        while length > 0 and (got := os.readv(descriptor, [buffer])):
            length -= got


def _refused(err: OSError, path: str) -> UnreadableFile:
    if isinstance(err, FileNotFoundError):
        return Missing("there is no such file or directory", path, errno.ENOENT)
    number = err.errno or 0
    if number == errno.ELOOP:
        return UnreadableFile("a symbolic link, which is not followed", path, number)
    if number == errno.ENOTDIR:
        return UnreadableFile("not a directory (a symbolic link is not followed)", path, number)
    if number == errno.EINVAL:
        return UnreadableFile("not a name below the root, or not what it was taken for", path, number)
    return UnreadableFile(os.strerror(number).lower(), path, number)
