"""From the files of an OCI layout to its graph.

Nodes: a `ref` for each name in index.json, a `blob` for each file of a valid name, `debris` for temporary and unknown
files, `own` for the rest.  Source: oci-layout 8, and the sections that each function names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats.oci import (
    CONTAINERD_NAME,
    MAX_DOCUMENT,
    REF_NAME,
    Descriptor,
    Document,
    decode_docker_archive,
    decode_document,
    decode_layout_version,
)
from ocistore.stores.oci_layout.layout import (
    DOCKER_ARCHIVE,
    DOCKER_REPOSITORIES,
    INDEX_FILE,
    INGEST,
    LAYOUT_FILE,
    SUPPORTED_VERSION,
    find_ingests,
    find_leftovers,
    is_link,
    last_written,
)
from ocistore.stores.oci_layout.records import IndexEntry, LayoutRecords
from ocistore.stores.shared.layout_blobs import BLOBS, Leftover, list_blobs
from ocistore.stores.shared.layout_walk import LayoutWalk
from ocistore.stores.store import Place, Store

if TYPE_CHECKING:
    from ocistore.disk.tree import DirectoryTree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph
    from ocistore.stores.shared.layout_blobs import BlobListing

KIND = "oci-layout"


def read_layout(tree: DirectoryTree, root: str, graph: Graph, findings: Findings, number: int = 0) -> Store:
    """Reads the layout at the root of `tree`.

    Args:
        tree: its directory; the store keeps it and closes it.
        root: how answers name it.
        graph: receives nodes and edges.
        findings: receives what is odd or broken.
        number: `Node.store` of its nodes.

    Raises:
        UnreadableFile: the directory itself can't be listed.
    """
    store = Store(KIND, root, None, graph, findings, number, [Place(tree)])
    return _Reader(store).read()


class _Reader:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._tree = store.tree
        self._graph = store.graph
        self._findings = store.findings
        self._root = store.root
        self._index = self._own(INDEX_FILE, "")
        self._index_doubt = ""
        self._layout_refused = ""

    def read(self) -> Store:
        top = self._tree.list("")
        store = self._store
        store.watch(INDEX_FILE)
        version = self._read_version()
        document = self._read_index()
        listing = list_blobs(self._tree, "", self._findings, self._root)
        self._own_blobs(listing)
        walk = LayoutWalk(self._tree, listing, self._graph, self._findings, root=self._root, number=self._store.number)
        self._enter_index(document, walk)
        known = {LAYOUT_FILE, INDEX_FILE, BLOBS, INGEST} | self._enter_docker_archive({e.name for e in top}, walk)
        walk.run()
        walk.describe_unreached()
        self._doubt(listing, walk)
        leftovers = [*find_leftovers(top, known), *listing.leftovers, *self._ingests({e.name for e in top})]
        self._own_leftovers(leftovers)
        entries = _last_entries(document)
        self._mark_dangling(entries, walk)
        self._say_sparse(listing, walk, entries)
        store.detail = LayoutRecords(
            entries,
            listing.files,
            version,
            self._index_doubt,
            self._layout_refused,
            tuple(each.name for each in top if each.name.startswith(".umoci-") and each.type in ("dir", "file")),
        )
        return store

    def _own(self, ident: str, *paths: str) -> int:
        node = self._graph.add("own", ident, self._store.number)
        self._graph.root(node, "is the layout's own")
        for path in paths:
            self._store.own(path, node)
        return node

    def _read_version(self) -> str | None:
        """The version in oci-layout; umoci and oras refuse any but 1.0.0 (oci-layout 1)."""
        try:
            version = decode_layout_version(self._tree.read(LAYOUT_FILE, MAX_DOCUMENT))
        except Missing:
            self._layout_refused = "oci-layout is missing"
            self._say(
                "layout-file-missing", "there is no oci-layout: a partial copy; some tools refuse it", LAYOUT_FILE
            )
            return None
        except UnreadableFile as err:
            self._layout_refused = "oci-layout can't be read"
            self._say_unreadable(LAYOUT_FILE, err, "unreadable")
            return None
        except CorruptFile as err:
            self._layout_refused = "oci-layout can't be read"
            self._say("layout-file-unreadable", f"oci-layout {_predicate(err)}", LAYOUT_FILE)
            return None
        if version != SUPPORTED_VERSION:
            self._layout_refused = f"oci-layout says version {version[:60]!r}"
            self._say(
                "layout-version",
                f"the layout's version is {version[:60]!r}, not {SUPPORTED_VERSION!r}; umoci and oras refuse it",
                LAYOUT_FILE,
            )
        return version

    def _read_index(self) -> Document | None:
        """index.json, None if nothing of it can be used; then nothing is known to be unreferenced (oci-layout 1)."""
        try:
            document = decode_document(self._tree.read(INDEX_FILE, MAX_DOCUMENT), "index")
        except Missing:
            self._index_doubt = "index.json is missing"
            self._say("index-missing", "there is no index.json, so what is referred to can't be known", INDEX_FILE)
            return None
        except UnreadableFile as err:
            self._index_doubt = f"index.json can't be read ({err.sentence})"
            self._say_unreadable(INDEX_FILE, err, "index-unreadable")
            return None
        except CorruptFile as err:
            self._index_doubt = f"index.json {_predicate(err)}"
            self._say("index-unreadable", f"index.json {_predicate(err)}; what it refers to is unknown", INDEX_FILE)
            return None
        if document.malformed:
            self._index_doubt = f"index.json: {document.malformed}"
            self._say("index-unreadable", f"index.json: {document.malformed}; it may refer to more", INDEX_FILE)
        if document.repeated:
            self._index_doubt = f"index.json has the key {document.repeated[:60]!r} twice"
            self._say(
                "duplicate-keys",
                f"the key {document.repeated[:60]!r} occurs twice in one object of index.json;"
                " programs disagree which one counts, and all of them are held",
                INDEX_FILE,
            )
        return document

    def _enter_index(self, document: Document | None, walk: LayoutWalk) -> None:
        """Names and entry points (oci-layout 3)."""
        for word, descriptor in document.links if document else ():
            name = descriptor.annotations.get(REF_NAME)
            full_name = descriptor.annotations.get(CONTAINERD_NAME, "")
            if word != "is listed by":
                # index.json has no business with config, layers or subject; whatever is there is held.
                walk.enter(self._index, "is mentioned by", descriptor, INDEX_FILE)
            elif name:
                ref = self._add_ref(name, descriptor.digest, full_name)
                walk.enter(ref, "is named by", descriptor, INDEX_FILE)
            else:
                blob = walk.enter(self._index, "is listed in", descriptor, INDEX_FILE)
                if blob is not None and full_name:
                    named = self._graph.nodes[blob]
                    named.names = [*named.names, full_name]

    def _add_ref(self, name: str, digest: str, full_name: str) -> int:
        ref = self._graph.add("ref", name, self._store.number)
        node = self._graph.nodes[ref]
        node.state = "named"
        if digest not in node.names:
            node.names = [*node.names, digest]
        if len(node.names) == 2:
            self._findings.say(
                "name-on-several-entries",
                f"the name {name[:200]!r} stands on entries of different digests; tools choose differently",
                path=INDEX_FILE,
                node=node.key,
                root=self._root,
            )
        if full_name and not node.note:
            node.note = f"{full_name} for containerd"
        self._graph.root(ref, "is a name in index.json")
        return ref

    def _enter_docker_archive(self, names: set[str], walk: LayoutWalk) -> set[str]:
        """What `docker save` wrote refers to blobs as well (oci-layout 4); gives the names that belong to it."""
        if DOCKER_ARCHIVE not in names:
            return set()
        try:
            images = decode_docker_archive(self._tree.read(DOCKER_ARCHIVE, MAX_DOCUMENT))
        except UnreadableFile as err:
            self._doubt_archive(err.sentence)
            return {DOCKER_ARCHIVE}
        except CorruptFile as err:
            self._doubt_archive(_predicate(err))
            return {DOCKER_ARCHIVE}
        if images is None:
            # Somebody else's file of that name.
            return set()
        known = {DOCKER_ARCHIVE, DOCKER_REPOSITORIES} & names
        holder = self._own(DOCKER_ARCHIVE, *sorted(known))
        for image in images:
            self._enter_path(holder, "is the config in", image.config, walk)
            for layer in image.layers:
                self._enter_path(holder, "is a layer in", layer, walk)
            # Before version 25 layers lie in directories of their own.
            known.update(path.partition("/")[0] for path in (image.config, *image.layers))
        mine = (known & names) - {BLOBS, INGEST, LAYOUT_FILE, INDEX_FILE}
        for name in sorted(mine):
            self._store.own(name, holder)
        return mine

    def _enter_path(self, holder: int, word: str, path: str, walk: LayoutWalk) -> None:
        parts = path.split("/")
        if len(parts) == 3 and parts[0] == BLOBS:
            walk.enter(holder, word, Descriptor("", f"{parts[1]}:{parts[2]}"), DOCKER_ARCHIVE)

    def _doubt_archive(self, reason: str) -> None:
        self._own(DOCKER_ARCHIVE, DOCKER_ARCHIVE)
        self._index_doubt = self._index_doubt or f"manifest.json {reason}"
        self._say(
            "index-unreadable", f"docker save's manifest.json: {reason}; what it refers to is unknown", DOCKER_ARCHIVE
        )

    def _own_blobs(self, listing: BlobListing) -> None:
        """Each file belongs to its blob; the directories' own blocks to `own` (oci-layout 8, rule 9)."""
        for text, file in listing.files.items():
            self._store.own(file.path, self._graph.add("blob", text, self._store.number))

    def _doubt(self, listing: BlobListing, walk: LayoutWalk) -> None:
        """What isn't reached is unknown where something that may hold it can't be read (oci-layout 1; 8, rule 3)."""
        doubt = self._index_doubt
        if not doubt and listing.unseen:
            doubt = "a directory of blobs can't be looked into, and what is in it may refer to this"
        if not doubt and walk.unread:
            digest, reason = next(iter(walk.unread.items()))
            more = f" and {len(walk.unread) - 1} more" if len(walk.unread) > 1 else ""
            doubt = f"may belong to {digest}{more}, which can't be read ({reason})"
        for text, file in listing.files.items():
            if text in walk.reached:
                continue
            if doubt or file.is_link:
                self._graph.nodes[walk.node(text)].doubt = doubt or "a symbolic link, which is not followed"

    def _ingests(self, names: set[str]) -> list[Leftover]:
        if INGEST not in names:
            return []
        try:
            return find_ingests(self._tree, "")
        except UnreadableFile:
            # A file or a link of that name: nobody's.
            return [Leftover(INGEST, "")]

    def _own_leftovers(self, leftovers: list[Leftover]) -> None:
        """Temporary files are debris; what nobody is known to write is unknown (oci-layout 6, rule)."""
        for leftover in leftovers:
            node = self._graph.add("debris", leftover.path, self._store.number)
            self._store.own(leftover.path, node)
            mine = self._graph.nodes[node]
            if leftover.note:
                mine.note = leftover.note
                mine.state = "temporary"
                mine.created_ns = last_written(self._tree, leftover.path)
                continue
            mine.doubt = "no writer of layouts is known to make such a file"
            self._findings.say(
                "stray-file",
                "no writer of layouts is known to make this; it is left alone",
                path=leftover.path,
                node=mine.key,
                root=self._root,
            )

    def _mark_dangling(self, entries: tuple[IndexEntry, ...], walk: LayoutWalk) -> None:
        """An image that only unnamed entries list is dangling (oci-layout 3, "Unnamed entries")."""
        named = {entry.descriptor.digest for entry in entries if entry.name or entry.full_name}
        for entry in entries:
            digest = entry.descriptor.digest
            if digest not in named and digest in walk.reached:
                self._graph.nodes[walk.node(digest)].state = "dangling"

    def _say_sparse(self, listing: BlobListing, walk: LayoutWalk, entries: tuple[IndexEntry, ...]) -> None:
        """Notes what isn't here on purpose, or may come back (oci-layout 5)."""
        if entries and not listing.files and not listing.unseen:
            self._say(
                "blobs-elsewhere",
                "index.json has entries and blobs/ is empty: they may lie in a directory that layouts share",
                BLOBS,
            )
        elif walk.missing_manifests:
            self._say(
                "sparse-index",
                f"manifests that are referred to aren't here ({len(walk.missing_manifests)}, the first is"
                f" {next(iter(walk.missing_manifests))}); fetched later, they may refer to blobs that look"
                " unreferenced now",
                INDEX_FILE,
            )

    def _say(self, code: str, text: str, path: str) -> None:
        self._findings.say(code, text, path=path, root=self._root)

    def _say_unreadable(self, path: str, err: UnreadableFile, code: str) -> None:
        if is_link(self._tree, path):
            self._say("leaves-root", f"{path} is a symbolic link, which is not followed", path)
        else:
            self._say(code, f"{path}: {err.sentence}", path)


def _last_entries(document: Document | None) -> tuple[IndexEntry, ...]:
    """The entries as Go's decoder takes them, for native commands."""
    found = document.last.get("manifests", ()) if document else ()
    return tuple(
        IndexEntry(each, each.annotations.get(REF_NAME) or None, each.annotations.get(CONTAINERD_NAME) or None)
        for each in found
    )


def _predicate(err: CorruptFile) -> str:
    return f"{err.sentence} ({err.place})" if err.place else err.sentence
