"""A layout as a sequence of native commands leaves it: entries and files that are still there, nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats.digest import can_hash, matches, parse_digest
from ocistore.formats.oci import MAX_DOCUMENT, Document, decode_document
from ocistore.plan.plan import Removal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocistore.formats.media_types import Shape
    from ocistore.stores.oci_layout.records import IndexEntry, LayoutRecords
    from ocistore.stores.store import Store

_GO_ALGORITHMS = frozenset(("sha256", "sha384", "sha512"))
_SHOWN = 20


class NativeFailure(Exception):
    """The native command fails here; carries the sentence that says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class LayoutState:
    """What the commands before have left.

    Attributes:
        store: the layout.
        records: as they were read.
        entries: of index.json, as they are now.
        files: blobs that are still there, by digest.
        temporary: `.umoci-*` names that are still there.
    """

    def __init__(self, store: Store) -> None:
        records: LayoutRecords = store.detail
        self.store = store
        self.records = records
        self.entries: list[IndexEntry] = list(records.entries)
        self.files = dict(records.blobs)
        self.temporary = list(records.temporary)
        self._documents: dict[tuple[str, Shape], Document | str] = {}
        self._right: dict[str, bool] = {}
        self._leftovers_taken: set[str] = set()

    def has(self, digest: str) -> bool:
        """Whether the blob is still there."""
        return digest in self.files

    def size(self, digest: str) -> int:
        """Bytes of a blob that is there.

        Raises:
            NativeFailure: it can't be looked at.
        """
        try:
            return self.store.tree.stat(self.files[digest].path).st_size
        except UnreadableFile as err:
            raise NativeFailure(f"{digest}: {err.sentence}") from None

    def document(self, digest: str, shape: Shape) -> Document:
        """The document in a blob, as Go's decoder takes it.

        Raises:
            NativeFailure: it isn't there, can't be read or isn't what it should be.
        """
        key = (digest, shape)
        found = self._documents.get(key)
        if found is None:
            found = self._documents[key] = self._decode(digest, shape)
        if isinstance(found, str):
            raise NativeFailure(found)
        return found

    def _decode(self, digest: str, shape: Shape) -> Document | str:
        try:
            document = decode_document(self.read(digest), shape)
        except NativeFailure as err:
            return err.sentence
        except CorruptFile as err:
            return f"{digest} {err.sentence}"
        return f"{digest}: {document.malformed}" if document.malformed else document

    def read(self, digest: str) -> bytes:
        """The bytes of a blob that a tool reads whole.

        Raises:
            NativeFailure: it isn't there or can't be read.
        """
        file = self.files.get(digest)
        if file is None:
            raise NativeFailure(f"{digest or 'a blob without digest'} isn't there")
        try:
            return self.store.tree.read(file.path, MAX_DOCUMENT)
        except UnreadableFile as err:
            raise NativeFailure(f"{digest}: {err.sentence}") from None

    def is_right(self, digest: str) -> bool:
        """Whether a blob's bytes match its name; True where that can't be told.

        Raises:
            NativeFailure: it isn't there or can't be read.
        """
        if digest not in self._right:
            self._right[digest] = self._matches(digest)
        return self._right[digest]

    def _matches(self, digest: str) -> bool:
        file = self.files.get(digest)
        if file is None:
            raise NativeFailure(f"{digest} isn't there")
        if not can_hash(file.digest.algorithm):
            return True
        try:
            return matches(file.digest, self.store.tree.chunks(file.path))
        except UnreadableFile as err:
            raise NativeFailure(f"{digest}: {err.sentence}") from None

    def remove(self, digest: str, why: str) -> Removal:
        """Takes a blob that is there away."""
        file = self.files.pop(digest)
        return Removal(self.store.graph.find("blob", digest, self.store.number), "blob", digest, (file.path,), why)

    def remove_leftover(self, path: str, why: str) -> Removal:
        """Takes a path that is no content away."""
        self._leftovers_taken.add(path)
        return Removal(self.store.graph.find("debris", path, self.store.number), "debris", path, (path,), why)

    def keep_entries(self, entries: Iterable[IndexEntry], why: str) -> list[Removal]:
        """Replaces the entries of index.json; gives a step for each name that is gone."""
        before = dict.fromkeys(entry.name for entry in self.entries if entry.name)
        self.entries = list(entries)
        after = {entry.name for entry in self.entries}
        return [
            Removal(self.store.graph.find("ref", name, self.store.number), "ref", name, (), why)
            for name in before
            if name not in after
        ]

    def files_below(self, directory: str) -> Iterator[tuple[str, bool]]:
        """Every path below a directory that is still there, and whether it is a directory itself.

        The order is that of Go's filepath.Walk: by name, a directory before what is in it.

        Raises:
            UnreadableFile: a directory can't be listed.
        """
        kept = {file.path for file in self.files.values()}
        taken = {file.path for file in self.records.blobs.values()} - kept | self._leftovers_taken
        stack = [iter(self._below(directory))]
        while stack:
            for path, is_directory in stack[-1]:
                if path in taken:
                    continue
                yield path, is_directory
                if is_directory:
                    stack.append(iter(self._below(path)))
                    break
            else:
                stack.pop()

    def _below(self, directory: str) -> list[tuple[str, bool]]:
        try:
            entries = self.store.tree.list(directory)
        except Missing:
            return []
        return [(f"{directory}/{entry.name}", entry.type == "dir") for entry in entries]

    def still_held(self) -> set[int]:
        """Nodes that what is left of index.json and docker save's manifest.json hold (oci-layout 8).

        The edges are those of the layout as it was read: a blob that was taken although it is named holds on.
        """
        graph, number = self.store.graph, self.store.number
        stack: list[int] = []
        for entry in self.entries:
            digest = parse_digest(entry.descriptor.digest)
            node = None if digest is None else graph.find("blob", digest.text, number)
            if node is not None:
                stack.append(node)
        for at, each in enumerate(graph.nodes):
            if each.kind == "own" and each.store == number:
                stack.extend(held for held, word in graph.held_by(at) if word != "is listed in")
        held: set[int] = set()
        while stack:
            node = stack.pop()
            if node not in held:
                held.add(node)
                stack.extend(below for below, _ in graph.held_by(node))
        return held

    def referenced_among(self, removals: list[Removal]) -> list[str]:
        """Digests of the blobs among `removals` that are still held."""
        blobs = [each for each in removals if each.kind == "blob"]
        if not blobs:
            return []
        held = self.still_held()
        return [each.id for each in blobs if each.node in held]


def is_go_digest(digest: str) -> bool:
    """Whether Go's go-digest accepts it with the algorithms that these tools have."""
    parsed = parse_digest(digest)
    return parsed is not None and parsed.algorithm in _GO_ALGORITHMS


def some(digests: list[str]) -> str:
    """Digests for a sentence, not endlessly many."""
    more = f" and {len(digests) - _SHOWN} more" if len(digests) > _SHOWN else ""
    return ", ".join(digests[:_SHOWN]) + more
