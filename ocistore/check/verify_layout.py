"""The content of an OCI layout against its digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.check.verified import Verified
from ocistore.errors import UnreadableFile
from ocistore.formats.digest import can_hash, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocistore.stores.oci_layout.records import LayoutRecords
    from ocistore.stores.shared.layout_blobs import BlobFile
    from ocistore.stores.store import Store


def verify_layout(store: Store, progress: Callable[[int, int], None] | None) -> Verified:
    """Hashes every blob, referred to or not, and compares it with its name (oci-layout 1; 6, last paragraph).

    Args:
        store: as `read_layout` gave it; its findings receive `bad-digest`, `unverified` and `unreadable`.
        progress: is told (bytes read, bytes in all).
    """
    return _Verification(store, progress).run()


class _Verification:
    def __init__(self, store: Store, progress: Callable[[int, int], None] | None) -> None:
        self._store = store
        self._progress = progress
        self._done = 0
        self._whole = 0

    def run(self) -> Verified:
        records: LayoutRecords = self._store.detail
        files = [file for file in records.blobs.values() if self._is_hashable(file)]
        self._whole = sum(map(self._size, files))
        nodes = sum(self._compare(file) for file in files)
        return Verified(nodes, self._done)

    def _is_hashable(self, file: BlobFile) -> bool:
        if file.is_link:
            self._say("unverified", file, "a symbolic link, which is not followed")
            return False
        if not can_hash(file.digest.algorithm):
            self._say("unverified", file, f"there is no hash function for {file.digest.algorithm} here")
            return False
        return True

    def _size(self, file: BlobFile) -> int:
        try:
            return self._store.tree.stat(file.path).st_size
        except UnreadableFile:
            # Told when it is read.
            return 0

    def _compare(self, file: BlobFile) -> bool:
        try:
            right = matches(file.digest, self._counted(file.path))
        except UnreadableFile as err:
            self._say("unreadable", file, err.sentence)
            return False
        if not right:
            self._say("bad-digest", file, f"the bytes of {file.digest.text} don't match its name")
        return True

    def _counted(self, path: str) -> Iterator[bytes]:
        for piece in self._store.tree.chunks(path):
            self._done += len(piece)
            if self._progress is not None:
                self._progress(self._done, max(self._whole, self._done))
            yield piece

    def _say(self, code: str, file: BlobFile, text: str) -> None:
        self._store.findings.say(code, text, path=file.path, node=f"blob:{file.digest.text}", root=self._store.root)
