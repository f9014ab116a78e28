"""The files of a content store (docker-buildkit-containerd 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import UnreadableFile
from ocistore.formats.digest import is_encoded
from ocistore.stores.shared.containerd.metadata_store import ContentStore, IngestDirectory

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry, Tree
    from ocistore.stores.store import Store

ALGORITHMS = frozenset(("sha256", "sha384", "sha512"))
"""Those that containerd knows; it looks into no other directory of `blobs/`."""
_REF_LIMIT = 64 * 1024
"""Bytes; the client's part of a ref is a name of some hundred characters."""


def read_content(store: Store, place: int, path: str) -> ContentStore:
    """Lists the blobs and the downloads of a content store; one that isn't there is empty.

    Args:
        store: its findings receive what can't be read.
        place: number of the place.
        path: of the content store in that place.
    """
    return _Scan(store, place, path).run()


class _Scan:
    def __init__(self, store: Store, place: int, path: str) -> None:
        self._store = store
        self._tree: Tree = store.places[place].tree
        self._prefix = store.places[place].prefix
        self._found = ContentStore(path)

    def run(self) -> ContentStore:
        found = self._found
        for entry in self._list(found.path):
            path = f"{found.path}/{entry.name}"
            if entry.name == "blobs" and entry.type == "dir":
                self._blobs(path)
            elif entry.name == "ingest" and entry.type == "dir":
                self._ingests(path)
            else:
                found.strangers.append(path)
        return found

    def _blobs(self, path: str) -> None:
        for entry in self._list(path):
            below = f"{path}/{entry.name}"
            if entry.name not in ALGORITHMS or entry.type != "dir":
                self._found.strangers.append(below)
                continue
            for file in self._list(below):
                if file.type == "file" and is_encoded(entry.name, file.name):
                    self._blob(f"{entry.name}:{file.name}", f"{below}/{file.name}")
                else:
                    self._found.strangers.append(f"{below}/{file.name}")

    def _blob(self, digest: str, path: str) -> None:
        try:
            self._found.sizes[digest] = self._tree.stat(path).st_size
        except UnreadableFile as err:
            self._say(path, err)
        self._found.blobs[digest] = path

    def _ingests(self, path: str) -> None:
        for entry in self._list(path):
            below = f"{path}/{entry.name}"
            if entry.type == "dir":
                self._found.ingests.append(IngestDirectory(below, self._ref(f"{below}/ref")))
            else:
                self._found.strangers.append(below)

    def _ref(self, path: str) -> str | None:
        try:
            return self._tree.read(path, _REF_LIMIT).decode("utf-8", "surrogateescape")
        except Missing:
            return None
        except UnreadableFile as err:
            # It may be the download of a record: which one can't be known.
            self._say(path, err)
            return None

    def _list(self, path: str) -> list[Entry]:
        try:
            return self._tree.list(path)
        except Missing:
            return []
        except UnreadableFile as err:
            self._say(path, err)
            return []

    def _say(self, path: str, err: UnreadableFile) -> None:
        self._store.findings.say("unreadable", err.sentence, path=self._prefix + path, root=self._store.root)
        self._found.doubt = self._found.doubt or f"{self._prefix}{path} can't be read: {err.sentence}"
