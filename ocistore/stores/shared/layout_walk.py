"""From descriptors down: which blob holds which, by the safe direction of oci-layout 8.

The walk is a loop over a stack, visits each blob at most once per way of reading it, and therefore ends on any input;
chains of thousands of indexes and cycles (possible only where digests don't match) are nothing special to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats.digest import leads_out, parse_digest
from ocistore.formats.media_types import HOLDING_SHAPES, Shape, is_manifest, shape_of
from ocistore.formats.oci import MAX_DOCUMENT, MAX_SNIFFED, Config, Descriptor, Document, decode_config, decode_document
from ocistore.stores.shared.layout_blobs import BlobFile, first_byte, has_right_bytes
from ocistore.stores.shared.layout_describe import add_trait, describe, time_of

if TYPE_CHECKING:
    from ocistore.disk.tree import Tree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph
    from ocistore.stores.shared.layout_blobs import BlobListing

_CREATED = "org.opencontainers.image.created"


class LayoutWalk:
    """Follows descriptors from the entry points of a layout and fills the graph.

    Attributes:
        reached: digests of the blobs that some entry point reaches.
        unread: digests of documents whose references can't be known, with the reason.
        missing_manifests: digests of manifests and indexes that are referred to and aren't there, each once.
    """

    def __init__(
        self,
        tree: Tree,
        listing: BlobListing,
        graph: Graph,
        findings: Findings,
        *,
        base: str = "",
        root: str = ".",
        number: int = 0,
    ) -> None:
        """Prepares a walk.

        Args:
            tree: where the layout lies.
            listing: its blobs.
            graph: receives nodes of kind `blob` and edges.
            findings: receives what is odd.
            base: the layout's directory in the tree.
            root: root of the store as findings name it.
            number: `Node.store` of the nodes.
        """
        self._tree = tree
        self._listing = listing
        self._graph = graph
        self._findings = findings
        self._base = base
        self._root = root
        self._number = number
        self.reached: set[str] = set()
        self.unread: dict[str, str] = {}
        self.missing_manifests: dict[str, None] = {}
        self._seen: set[tuple[str, Shape]] = set()
        self._stack: list[tuple[BlobFile, Shape, str]] = []
        self._sizes: dict[str, int | None] = {}
        self._configs: dict[str, Config] = {}
        self._config_of: list[tuple[int, str]] = []

    def node(self, digest: str) -> int:
        """The node of a blob that is there."""
        return self._graph.add("blob", digest, self._number)

    def enter(self, holder: int, word: str, descriptor: Descriptor, path: str) -> int | None:
        """Adds the edge of a descriptor and remembers its blob for `run`.

        Args:
            holder: who refers to it.
            word: how, as the edge says it.
            descriptor: the reference.
            path: the file that the descriptor stands in, for findings.

        Returns:
            The blob's node, None if there is no such blob here.
        """
        digest = parse_digest(descriptor.digest)
        if digest is None:
            self._say_invalid(descriptor.digest, holder, path)
            return None
        file = self._listing.files.get(digest.text)
        if file is None:
            if self._listing.is_absent(digest):
                self._say_missing(descriptor, word, holder, path)
            if descriptor.data is not None:
                self._descend_embedded(holder, descriptor, path)
            return None
        node = self.node(digest.text)
        self._graph.hold(holder, node, word)
        describe(self._graph.nodes[node], descriptor, word)
        self._check_size(file, descriptor, node, path)
        self._push(file, shape_of(descriptor.media_type), descriptor.media_type)
        return node

    def hold(self, holder: int, word: str, digest: str) -> int | None:
        """Adds the edge of a bare digest (a mention, a path); None if there is no such blob here."""
        file = self._listing.files.get(digest)
        if file is None:
            return None
        node = self.node(digest)
        self._graph.hold(holder, node, word)
        self._push(file, "unknown", "")
        return node

    def run(self) -> None:
        """Descends until nothing new is found."""
        while self._stack:
            self._read(*self._stack.pop())
        self._date()

    def describe_unreached(self) -> None:
        """Adds the edges of manifests and indexes that nothing reaches, so that one can tell what garbage was.

        What they are must be seen from their content; whether they are damaged doesn't matter here.
        """
        for text, file in self._listing.files.items():
            if text not in self.reached and not file.is_link:
                document = self._guess(file)
                if document is not None:
                    self._add_guessed(self.node(text), document)
        self._date()

    def _push(self, file: BlobFile, shape: Shape, media_type: str) -> None:
        text = file.digest.text
        self.reached.add(text)
        if (text, shape) not in self._seen and shape not in ("leaf", "empty"):
            self._seen.add((text, shape))
            self._stack.append((file, shape, media_type))

    def _read(self, file: BlobFile, shape: Shape, media_type: str) -> None:
        node = self.node(file.digest.text)
        if file.is_link:
            if shape in HOLDING_SHAPES:
                self.unread[file.digest.text] = "is a symbolic link"
            return
        try:
            if shape == "unknown" and not self._may_be_document(file, media_type):
                return
            if shape == "config":
                self._read_config(file)
                return
            data = self._tree.read(file.path, MAX_DOCUMENT)
        except UnreadableFile as err:
            self._cannot_read(file, err.sentence, shape)
            return
        right = has_right_bytes(file.digest.text, data)
        if right is False:
            self._say_bad_digest(file)
        document = self._decode(file, data, shape, media_type, right)
        if document is None:
            return
        if right is False:
            # What was written here is lost: what is held is what is named now, and perhaps more.
            self._cannot_read(file, "its bytes don't match its name", shape)
        self._check_document(file, document, media_type)
        self._add(node, file, document)

    def _decode(
        self, file: BlobFile, data: bytes, shape: Shape, media_type: str, right: bool | None
    ) -> Document | None:
        try:
            document = decode_document(data, shape)
        except CorruptFile as err:
            # A blob of unknown type that is what its writer wrote, and isn't JSON, refers to nothing.
            if shape != "unknown" or right is False:
                self._cannot_read(file, str(err), shape)
            return None
        own = shape_of(document.media_type)
        if shape == "unknown" and not media_type and own in HOLDING_SHAPES:
            # The descriptor has no type: the document's own counts (oci-layout 2).
            self._push(file, own, document.media_type)
        return document

    def _may_be_document(self, file: BlobFile, media_type: str) -> bool:
        """Whether a blob of unknown type is to be searched for digests (oci-layout 8, rule 2b)."""
        size = self._size(file)
        if size is None:
            return False
        if media_type.endswith("+json"):
            return True
        return size <= MAX_SNIFFED and first_byte(self._tree, file.path) == b"{"

    def _add(self, node: int, file: BlobFile, document: Document) -> None:
        done: set[tuple[str, str, str]] = set()
        linked = {file.digest.text}
        for word, descriptor in document.links:
            key = (word, descriptor.digest, descriptor.media_type)
            if key in done:
                continue
            done.add(key)
            linked.add(descriptor.digest)
            self.enter(node, word, descriptor, file.path)
            if word == "is the config of":
                self._config_of.append((node, descriptor.digest))
            elif word == "is the subject of":
                add_trait(self._graph.nodes[node], "referrer")
        for text in document.mentions:
            if text not in linked:
                self.hold(node, "is mentioned by", text)
        self._date_from(node, document)

    def _descend_embedded(self, holder: int, descriptor: Descriptor, path: str) -> None:
        """A document that is embedded in its descriptor and absent as a file refers to blobs all the same."""
        shape = shape_of(descriptor.media_type)
        if shape not in HOLDING_SHAPES or descriptor.data is None:
            return
        # What is embedded is shorter than what embeds it, so this ends.
        try:
            document = decode_document(descriptor.data, shape)
        except CorruptFile as err:
            self.unread[descriptor.digest] = str(err)
            return
        for word, each in document.links:
            self.enter(holder, word, each, path)

    def _read_config(self, file: BlobFile) -> None:
        """A configuration refers to nothing; it says when the image was made."""
        text = file.digest.text
        size = self._size(file)
        if size is None or size > MAX_SNIFFED:
            return
        data = self._tree.read(file.path, MAX_SNIFFED)
        if has_right_bytes(text, data) is False:
            self._say_bad_digest(file)
        try:
            self._configs[text] = decode_config(data)
        except CorruptFile as err:
            self._findings.say(
                "config-unreadable",
                f"the image configuration {text} {_predicate(err)}",
                path=file.path,
                node=f"blob:{text}",
                root=self._root,
            )

    def _cannot_read(self, file: BlobFile, reason: str, shape: Shape) -> None:
        text = file.digest.text
        if shape == "config":
            self._findings.say(
                "unreadable", f"the image configuration {text}: {reason}", path=file.path, root=self._root
            )
            return
        if text in self.unread:
            return
        self.unread[text] = reason
        self._findings.say(
            "manifest-unreadable",
            f"what {text} refers to can't be known ({reason}); blobs that nothing else holds may belong to it",
            path=file.path,
            node=f"blob:{text}",
            root=self._root,
        )

    def _check_document(self, file: BlobFile, document: Document, media_type: str) -> None:
        text = file.digest.text
        node = f"blob:{text}"
        if document.malformed:
            self._cannot_read(file, document.malformed, "manifest")
        if document.repeated:
            self._findings.say(
                "duplicate-keys",
                f"the key {document.repeated[:60]!r} occurs twice in one object of {text};"
                " programs disagree which one counts, and all of them are held",
                path=file.path,
                node=node,
                root=self._root,
            )
        contradiction = document.contradicts(media_type)
        if contradiction and shape_of(media_type) != "unknown":
            self._findings.say(
                "mixed-document",
                f"{text} {contradiction}; some tools refuse it",
                path=file.path,
                node=node,
                root=self._root,
            )

    def _check_size(self, file: BlobFile, descriptor: Descriptor, node: int, path: str) -> None:
        size = self._size(file)
        if size is None or descriptor.size is None or descriptor.size == size:
            return
        self._findings.say(
            "size-mismatch",
            f"{file.digest.text} has {size} bytes, {path} says {descriptor.size}; it may have been cut while written",
            path=file.path,
            node=self._graph.nodes[node].key,
            root=self._root,
        )

    def _size(self, file: BlobFile) -> int | None:
        text = file.digest.text
        if text not in self._sizes:
            try:
                self._sizes[text] = None if file.is_link else self._tree.stat(file.path).st_size
            except UnreadableFile as err:
                self._sizes[text] = None
                self._findings.say("unreadable", err.sentence, path=file.path, node=f"blob:{text}", root=self._root)
        return self._sizes[text]

    def _say_invalid(self, digest: str, holder: int, path: str) -> None:
        if leads_out(digest):
            code, text = "leaves-root", f"the digest {digest[:160]!r} would lead out of the layout; it is not followed"
        else:
            code, text = "invalid-digest", f"a descriptor's digest is {digest[:160]!r}, which is none"
        self._findings.say(code, text, path=path, node=self._graph.nodes[holder].key, root=self._root)

    def _say_missing(self, descriptor: Descriptor, word: str, holder: int, path: str) -> None:
        manifest = is_manifest(descriptor.media_type)
        if descriptor.may_be_absent or (word == "is mentioned by" and not manifest):
            return
        code = "missing-subject" if word == "is the subject of" else "missing-blob"
        if code == "missing-blob" and manifest:
            self.missing_manifests[descriptor.digest] = None
        key = self._graph.nodes[holder].key
        self._findings.say(
            code, f"{descriptor.digest}, which {word} {key[:200]}, isn't here", path=path, node=key, root=self._root
        )

    def _say_bad_digest(self, file: BlobFile) -> None:
        self._findings.say(
            "bad-digest",
            f"the bytes of {file.digest.text} don't match its name",
            path=file.path,
            node=f"blob:{file.digest.text}",
            root=self._root,
        )

    def _guess(self, file: BlobFile) -> Document | None:
        """The document that an unreached blob looks like, None if it looks like none."""
        try:
            if not self._may_be_document(file, ""):
                return None
            document = decode_document(self._tree.read(file.path, MAX_SNIFFED), "manifest")
        except (UnreadableFile, CorruptFile):
            return None
        return document

    def _add_guessed(self, node: int, document: Document) -> None:
        mine = self._graph.nodes[node]
        known = shape_of(document.media_type) in HOLDING_SHAPES
        if not known and not any(parse_digest(descriptor.digest) for _, descriptor in document.links):
            if "rootfs" in document.keys and not mine.state:
                mine.state = "config"
            return
        if not mine.state:
            mine.state = "index" if "manifests" in document.keys else "manifest"
        for word, descriptor in document.links:
            if descriptor.digest in self._listing.files:
                held = self.node(descriptor.digest)
                self._graph.hold(node, held, word)
                describe(self._graph.nodes[held], descriptor, word)
            if word == "is the subject of":
                add_trait(self._graph.nodes[node], "referrer")
        self._date_from(node, document)

    def _date_from(self, node: int, document: Document) -> None:
        mine = self._graph.nodes[node]
        if mine.created_ns is None and (written := document.annotations.get(_CREATED)):
            mine.created_ns = time_of(written)
        if mine.labels is None and document.annotations:
            mine.labels = document.annotations

    def _date(self) -> None:
        """Gives manifests and configurations the date and the labels of the configuration."""
        for text, config in self._configs.items():
            mine = self._graph.nodes[self.node(text)]
            mine.created_ns = time_of(config.created) if mine.created_ns is None else mine.created_ns
            mine.labels = config.labels
        for node, digest in self._config_of:
            found = self._configs.get(digest)
            if found is not None:
                mine = self._graph.nodes[node]
                written = time_of(found.created)
                mine.created_ns = mine.created_ns if written is None else written
                mine.labels = {**found.labels, **(mine.labels or {})}
        self._config_of.clear()


def _predicate(err: CorruptFile) -> str:
    return f"{err.sentence} ({err.place})" if err.place else err.sentence
