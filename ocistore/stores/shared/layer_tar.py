"""The tar that a layer came from, made again from its tar-split and its files (containers-storage 1.12)."""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import tarsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocistore.disk.tree import DirectoryTree

_HASHED = ("sha256", "sha384", "sha512")


class SplitTar:
    """A layer's tar, streamed.

    Attributes:
        length: bytes streamed so far.
        algorithm: of the digest.
    """

    def __init__(
        self, split: bytes, file: str, directories: Sequence[tuple[DirectoryTree, str]], algorithm: str = "sha256"
    ) -> None:
        """Begins at its first byte.

        Args:
            split: bytes of the tar-split file.
            file: its name, for errors.
            directories: where the layer's files lie, nearest first.
            algorithm: of the digest.

        Raises:
            CorruptFile: a digest that can't be computed.
        """
        if algorithm not in _HASHED:
            raise CorruptFile(f"digests of {algorithm} can't be computed here", file)
        self._data, self._file, self._directories = split, file, directories
        self._hash = hashlib.new(algorithm)
        self.algorithm = algorithm
        self.length = 0

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the tar.

        Raises:
            OcistoreError: a file is missing, unreadable or of another size than the tar had.
        """
        try:
            for part in tarsplit.parts(self._data):
                pieces = self._content(part) if part.name else iter((part.raw,))
                for piece in pieces:
                    self.length += len(piece)
                    self._hash.update(piece)
                    yield piece
        except CorruptFile as err:
            raise err.within(err.file or self._file) from None

    def _content(self, part: tarsplit.Part) -> Iterator[bytes]:
        missing: UnreadableFile | None = None
        path = clean(part.name)
        for tree, directory in self._directories:
            left = part.size
            try:
                for piece in tree.chunks(f"{directory}/{path}"):
                    left -= len(piece)
                    yield piece
            except UnreadableFile as err:
                if left != part.size:
                    raise
                missing = missing or err
                continue
            if left:
                raise CorruptFile(f"is {part.size - left} bytes long, the tar had {part.size}", f"{directory}/{path}")
            return
        raise missing or CorruptFile("is nowhere", path)

    @property
    def digest(self) -> str:
        """The digest of what was streamed."""
        return f"{self.algorithm}:{self._hash.hexdigest()}"


def clean(name: str) -> str:
    """A name of a tar as a path below the layer's directory.

    Raises:
        CorruptFile: it leads out of it.
    """
    path = posixpath.normpath("/" + name).lstrip("/")
    if path.split("/")[0] == "..":
        raise CorruptFile("a name in the tar leads out of the layer", place=name[:80])
    return path
