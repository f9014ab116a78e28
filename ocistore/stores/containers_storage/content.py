"""A layer's content: the tar that it came from, made again, and what its headers say against what is on disk.

Source: containers-storage 1.12 (tar-split), 1.11 (where a mapped layer's content lies), 3.0 (check).
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile, OcistoreError, UnreadableFile
from ocistore.stores.shared.layer_tar import SplitTar, clean

from .homes import read_lowers
from .storage import GRAPHROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocistore.disk.tree import DirectoryTree

    from .storage import Storage

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_OPAQUE_ATTRIBUTES = ("trusted.overlay.opaque", "user.overlay.opaque")
_DIFF_LEVELS = 16


class Info(NamedTuple):
    """What check compares of a file: type, owner, size (of regular files), permission bits, seconds of mtime."""

    type: str
    uid: int
    gid: int
    size: int
    mode: int
    mtime: int


class LayerTar(SplitTar):
    """The tar of one layer, streamed from its tar-split and its files."""

    def __init__(self, storage: Storage, ident: str, algorithm: str = "sha256") -> None:
        """Finds the layer's files.

        Raises:
            OcistoreError: no tar-split, no directory, or a digest that can't be computed.
        """
        name = f"{storage.driver}-layers/{ident}.tar-split.gz"
        data = storage.places[GRAPHROOT].tree.read(name)
        super().__init__(data, storage.spelled(GRAPHROOT, name), content_directories(storage, ident), algorithm)


def content_directories(storage: Storage, ident: str) -> list[tuple[DirectoryTree, str]]:
    """Where a layer's own files lie, nearest first.

    That is its diff, what was rotated below it, and for an id-mapped layer the layers that it was made of.

    Raises:
        CorruptFile: the layer has no directory.
    """
    where = storage.layer_directory(ident)
    if where is None:
        raise CorruptFile("the layer has no directory", storage.homes[0].base + "/" + ident if storage.homes else "")
    place, path = where
    tree = storage.places[place].tree
    if storage.driver != "overlay":
        return [(tree, path)]
    found = [(tree, f"{path}/diff")]
    for level in range(1, _DIFF_LEVELS):
        try:
            tree.stat(f"{path}/diff{level}")
        except UnreadableFile:
            break
        found.append((tree, f"{path}/diff{level}"))
    record = storage.layers.get(ident)
    if record is not None and record.mapped:
        for lower in read_lowers(storage, ident):
            there = storage.layer_directory(lower)
            if there is not None:
                found.append((storage.places[there[0]].tree, f"{there[1]}/diff"))
    return found


class Headers(NamedTuple):
    """What a layer's tar says: files, names that it whites out, directories that it makes opaque."""

    files: dict[str, Info]
    whiteouts: set[str]
    opaque: set[str]


def read_headers(tar: LayerTar, progress: Callable[[int], None] | None = None) -> Headers:
    """The headers of a layer's tar; the whole tar is streamed, so that its digest is known afterwards.

    Raises:
        OcistoreError: the tar can't be made again, or is none.
    """
    headers = Headers({}, set(), set())
    links: list[tuple[str, str]] = []
    stream = _Stream(tar.chunks(), progress)
    try:
        with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|", errors="surrogateescape") as archive:
            for member in archive:
                path = clean(member.name)
                head, _, base = path.rpartition("/")
                if base == _OPAQUE:
                    headers.opaque.add(head)
                elif base.startswith(_WHITEOUT):
                    headers.whiteouts.add(f"{head}/{base[len(_WHITEOUT) :]}".lstrip("/"))
                elif member.islnk():
                    links.append((path, clean(member.linkname)))
                elif path:
                    headers.files[path] = _member_info(member)
        stream.drain()
    except tarfile.TarError as err:
        raise CorruptFile(f"its tar can't be read ({err})") from None
    for path, target in links:
        if target in headers.files:
            headers.files[path] = headers.files[target]
    return headers


_TAR_TYPES = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "link",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
_DISK_TYPES = {
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


def _member_info(member: tarfile.TarInfo) -> Info:
    kind = _TAR_TYPES.get(member.type, "file")
    size = member.size if kind == "file" else 0
    return Info(kind, member.uid, member.gid, size, stat.S_IMODE(member.mode), int(member.mtime // 1))


def info_of(st: os.stat_result) -> Info:
    """What check compares of a file on disk."""
    kind = _DISK_TYPES.get(stat.S_IFMT(st.st_mode), "file")
    size = st.st_size if kind == "file" else 0
    return Info(kind, st.st_uid, st.st_gid, size, stat.S_IMODE(st.st_mode), st.st_mtime_ns // 1_000_000_000)


class _Stream(io.RawIOBase):
    """The chunks of a tar as a file that is read from front to back."""

    def __init__(self, chunks: Iterator[bytes], progress: Callable[[int], None] | None) -> None:
        self._chunks, self._rest, self._progress = chunks, b"", progress

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = piece
            if self._progress is not None:
                self._progress(len(piece))
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def drain(self) -> None:
        """Reads what follows the end of the archive: padding is part of the digest."""
        for piece in self._chunks:
            if self._progress is not None:
                self._progress(len(piece))


class Disk(NamedTuple):
    """What a layer's directory holds; as `Headers`."""

    files: dict[str, Info]
    whiteouts: set[str]
    opaque: set[str]


def read_disk(storage: Storage, ident: str) -> Disk:
    """The layer's own files on disk, rotated directories below newer ones; whiteouts as overlay has them (1.5).

    Raises:
        OcistoreError: something can't be read.
    """
    disk = Disk({}, set(), set())
    for tree, directory in content_directories(storage, ident):
        stack = [""]
        while stack:
            inside = stack.pop()
            for entry in tree.list(f"{directory}/{inside}".rstrip("/")):
                path = f"{inside}/{entry.name}".lstrip("/")
                st = tree.stat(f"{directory}/{path}")
                if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
                    disk.whiteouts.add(path)
                    continue
                disk.files.setdefault(path, info_of(st))
                if entry.type == "dir":
                    stack.append(path)
                    if storage.driver == "overlay" and _is_opaque(tree, f"{directory}/{path}"):
                        disk.opaque.add(path)
    return disk


def _is_opaque(tree: DirectoryTree, path: str) -> bool:
    for name in _OPAQUE_ATTRIBUTES:
        try:
            if tree.xattr(path, name) == b"y":
                return True
        except OcistoreError:
            continue
    return False


def compare(headers: Headers, disk: Disk, below: Callable[[str], Info | None]) -> str:
    """The first difference that check would find, empty if there is none.

    Args:
        headers: what the layer's tar says.
        disk: what its directory holds.
        below: what the layers below have at a path: a directory that the tar doesn't name shows through as theirs.
    """
    for path, info in headers.files.items():
        here = disk.files.get(path)
        if here is None:
            return f"{path} is missing"
        if here != info:
            return f"{path} differs in {_difference(info, here)}"
    for path, info in disk.files.items():
        if path in headers.files:
            continue
        under = below(path)
        if info.type != "dir" or (under is not None and under != info):
            return f"{path} is not in the layer's tar" if info.type != "dir" else f"{path} differs from the layer below"
    if headers.whiteouts - disk.whiteouts - headers.files.keys():
        return f"{min(headers.whiteouts - disk.whiteouts)} is not whited out"
    return ""


def _difference(wanted: Info, here: Info) -> str:
    return next(name for name, a, b in zip(Info._fields, wanted, here, strict=True) if a != b)
