"""Blobs against the digests that name them; for layouts and for content stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.check.verified import Verified
from ocistore.errors import UnreadableFile
from ocistore.formats.digest import can_hash, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ocistore.formats.digest import Digest
    from ocistore.stores.store import Store


class NamedBlob(NamedTuple):
    """A file that its digest names.

    Attributes:
        digest: what its name says.
        path: in the place.
        place: number of the place.
        is_link: a symbolic link, which is not followed.
    """

    digest: Digest
    path: str
    place: int = 0
    is_link: bool = False


def verify_blobs(store: Store, blobs: Iterable[NamedBlob], progress: Callable[[int, int], None] | None) -> Verified:
    """Hashes blobs and compares them with their names.

    Args:
        store: its findings receive `bad-digest`, `unverified` and `unreadable`.
        blobs: which.
        progress: is told (bytes read, bytes in all).
    """
    return _Verification(store, progress).run(blobs)


class _Verification:
    def __init__(self, store: Store, progress: Callable[[int, int], None] | None) -> None:
        self._store = store
        self._progress = progress
        self._done = 0
        self._whole = 0

    def run(self, blobs: Iterable[NamedBlob]) -> Verified:
        hashable = [blob for blob in blobs if self._is_hashable(blob)]
        self._whole = sum(map(self._size, hashable))
        nodes = sum(self._compare(blob) for blob in hashable)
        return Verified(nodes, self._done)

    def _is_hashable(self, blob: NamedBlob) -> bool:
        if blob.is_link:
            self._say("unverified", blob, "a symbolic link, which is not followed")
            return False
        if not can_hash(blob.digest.algorithm):
            self._say("unverified", blob, f"there is no hash function for {blob.digest.algorithm} here")
            return False
        return True

    def _size(self, blob: NamedBlob) -> int:
        try:
            return self._store.places[blob.place].tree.stat(blob.path).st_size
        except UnreadableFile:
            # Told when it is read.
            return 0

    def _compare(self, blob: NamedBlob) -> bool:
        try:
            right = matches(blob.digest, self._counted(blob))
        except UnreadableFile as err:
            self._say("unreadable", blob, err.sentence)
            return False
        if not right:
            self._say("bad-digest", blob, f"the bytes of {blob.digest.text} don't match its name")
        return True

    def _counted(self, blob: NamedBlob) -> Iterator[bytes]:
        for piece in self._store.places[blob.place].tree.chunks(blob.path):
            self._done += len(piece)
            if self._progress is not None:
                self._progress(self._done, max(self._whole, self._done))
            yield piece

    def _say(self, code: str, blob: NamedBlob, text: str) -> None:
        store = self._store
        path = store.places[blob.place].prefix + blob.path
        known = store.graph.find("blob", blob.digest.text, store.number) is not None
        node = f"blob:{blob.digest.text}" if known else None
        store.findings.say(code, text, path=path, node=node, root=store.root)
