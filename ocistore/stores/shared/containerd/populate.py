"""Fills the graph from a metadata store: names, images, content, snapshots, leases, downloads, containers.

Who holds whom is what the collector follows (docker-buildkit-containerd 4.3); `references.py` alone says so.  A blob's
file is one node, whoever has records of it; a namespace's record of it is a node of its own (`content`) only where it
refers to something or where several namespaces have the blob.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.formats.gotime import told_time
from ocistore.stores.shared.containerd.metadata_store import image_id
from ocistore.stores.shared.containerd.references import SAFE, References, Resource, expiry, find_roots, is_expired
from ocistore.stores.shared.containerd.snapshotter import ACTIVE, COMMITTED, VIEW, has_directories

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.shared.containerd.metadata_store import BackendSnapshot, MetadataStore, Snapshotter
    from ocistore.stores.shared.containerd.records import Namespace
    from ocistore.stores.store import Store

OWN = "."
"""Id of the node that owns the engine's own files."""
_KINDS = {VIEW: "view", ACTIVE: "active", COMMITTED: "committed"}


@dataclass(slots=True)
class Placed:
    """Numbers of the nodes that stand for records."""

    refs: dict[tuple[str, str], int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    blobs: dict[str, int] = field(default_factory=dict)
    contents: dict[tuple[str, str], int] = field(default_factory=dict)
    snapshots: dict[tuple[str, str, str], int] = field(default_factory=dict)
    leases: dict[tuple[str, str], int] = field(default_factory=dict)
    ingests: dict[tuple[str, str], int] = field(default_factory=dict)
    containers: dict[tuple[str, str], int] = field(default_factory=dict)
    pods: dict[tuple[str, str], int] = field(default_factory=dict)

    def ref(self, namespace: str, name: str) -> int | None:
        """The `ref` node of an image record."""
        return self.refs.get((namespace, name))

    def image(self, digest: str) -> int | None:
        """The `image` node of a target."""
        return self.images.get(digest)

    def blob(self, digest: str) -> int | None:
        """The node that owns a blob's file."""
        return self.blobs.get(digest)

    def content(self, namespace: str, digest: str) -> int | None:
        """The node of a namespace's record of a blob: a `content` node, or the blob's own; None without a record."""
        return self.contents.get((namespace, digest))

    def snapshot(self, namespace: str, snapshotter: str, key: str) -> int | None:
        """The node of a snapshot's record."""
        return self.snapshots.get((namespace, snapshotter, key))

    def lease(self, namespace: str, ident: str) -> int | None:
        """The node of a lease."""
        return self.leases.get((namespace, ident))


def populate(
    store: Store,
    meta: MetadataStore,
    *,
    now_ns: int,
    owned_leases: Callable[[str, str], bool] | None = None,
) -> Placed:
    """Adds nodes, edges, owned paths and findings of a metadata store.

    Args:
        store: which graph and findings are filled.
        meta: what was read.
        now_ns: the time at which leases and downloads expire.
        owned_leases: (namespace, id) -> whether something else of the store holds a lease, so that it is no root of
            its own; the caller adds that holder.
    """
    return _Builder(store, meta, now_ns, owned_leases).run()


class _Builder:
    def __init__(
        self, store: Store, meta: MetadataStore, now_ns: int, owned_leases: Callable[[str, str], bool] | None
    ) -> None:
        self.store, self.meta, self.now_ns = store, meta, now_ns
        self.graph = store.graph
        self.owned_leases = owned_leases or (lambda _namespace, _id: False)
        self.prefix = store.places[meta.place].prefix
        self.placed = Placed()
        self.namespaces = meta.metadata.namespaces if meta.metadata is not None else {}
        self.references = References(meta.metadata, SAFE) if meta.metadata is not None else None
        self._held: set[tuple[int, int]] = set()
        self.orphans: dict[str, int] = {}

    def run(self) -> Placed:
        self.own()
        self.content()
        self.snapshots()
        self.ingests()
        self.names()
        self.leases()
        self.containers()
        self.edges()
        self.roots()
        return self.placed

    # Nodes -----------------------------------------------------------------------------------------------------------

    def own(self) -> None:
        number = self.add("own", OWN, doubt="")
        self.graph.nodes[number].note = "the engine's own files: records, locks, databases"
        self.graph.root(number, "is the engine's own")
        meta = self.meta
        self.claim(meta.database, number)
        content = meta.content.path
        for path in (content, f"{content}/blobs", f"{content}/ingest"):
            self.claim(path, number)
        for snapshotter in meta.snapshotters.values():
            if snapshotter.path:
                self.claim(snapshotter.path, number)
                for path in snapshotter.own:
                    self.claim(path, number)

    def content(self) -> None:
        """A node for each blob with a record, and for records that need one; files without a record are debris."""
        having = Counter(digest for ns in self.namespaces.values() for digest in ns.blobs)
        files = self.meta.content.blobs
        for digest in having:
            number = self.placed.blobs[digest] = self.add("blob", digest)
            if digest in files:
                self.claim(files[digest], number)
            else:
                self.say("blob-file-missing", "there is a record of it and no file", self.blob_path(digest), number)
        for name, namespace in self.namespaces.items():
            for digest, record in namespace.blobs.items():
                blob = self.placed.blobs[digest]
                node = self.graph.nodes[blob]
                node.created_ns = _first(node.created_ns, told_time(record.created_ns))
                size = self.meta.content.sizes.get(digest)
                if size is not None and record.size is not None and size != record.size:
                    text = f"has {size} bytes, its record says {record.size}"
                    self.say("size-mismatch", text, files[digest], blob)
                number = blob
                if having[digest] > 1 or self.refers(Resource("content", name, digest)):
                    number = self.add("content", f"{name}/{digest}")
                    self.graph.nodes[number].created_ns = told_time(record.created_ns)
                    self.hold(number, blob, "is the data of")
                self.placed.contents[name, digest] = number
        self.orphan_blobs(having)
        for path in self.meta.content.strangers:
            self.stray(path)

    def orphan_blobs(self, having: Counter[str]) -> None:
        for digest, path in self.meta.content.blobs.items():
            if digest in having:
                continue
            if self.meta.doubt:
                # Without records a file is what its name says, and its fate is unknown.
                self.claim(path, self.add("blob", digest))
            else:
                number = self.orphans[digest] = self.debris(path, "orphan-blob", "a blob that no record names")
                self.say(
                    "orphan-blob", "no record names it; the collector takes it with the next removal", path, number
                )

    def snapshots(self) -> None:
        owners: dict[tuple[str, str], int] = {}
        for name, namespace in self.namespaces.items():
            for (snapshotter, key), record in namespace.snapshots.items():
                number = self.add("snapshot", f"{name}/{snapshotter}/{key}")
                self.placed.snapshots[name, snapshotter, key] = number
                owners[snapshotter, record.name] = number
                node = self.graph.nodes[number]
                node.created_ns = told_time(record.created_ns)
                node.labels = record.labels
                self.backend(self.meta.snapshotters[snapshotter], record.name, number)
        for (name, snapshotter, _key), number in self.placed.snapshots.items():
            parent = self.namespaces[name].snapshots[snapshotter, _key].parent
            above = self.placed.snapshots.get((name, snapshotter, parent)) if parent else None
            if above is not None:
                self.graph.nodes[number].parents = (above,)
        for each in self.meta.snapshotters.values():
            self.backend_only(each, owners)

    def backend(self, snapshotter: Snapshotter, name: str, number: int) -> None:
        """What a snapshot's record in its snapshotter says of it."""
        node = self.graph.nodes[number]
        node.unsized = snapshotter.unsized
        if snapshotter.doubt:
            node.doubt = node.doubt or snapshotter.doubt
        if snapshotter.snapshots is None:
            return
        snapshot = snapshotter.snapshots.get(name)
        if snapshot is None:
            if snapshotter.path and not snapshotter.doubt:
                text = f"{snapshotter.name} has no record of it; there is nothing to lose"
                self.say("snapshot-directory-missing", text, snapshotter.path, number)
            return
        node.state = _KINDS[snapshot.kind]
        self.directory(snapshotter, snapshot, number)

    def directory(self, snapshotter: Snapshotter, snapshot: BackendSnapshot, number: int) -> None:
        if snapshot.path is not None:
            self.claim(snapshot.path, number)
        elif has_directories(snapshotter.name) and not snapshotter.doubt:
            path = f"{snapshotter.path}/snapshots/{snapshot.id}"
            self.say("snapshot-directory-missing", "there is a record of it and no directory", path, number)

    def backend_only(self, snapshotter: Snapshotter, owners: dict[tuple[str, str], int]) -> None:
        """Snapshots that only the snapshotter knows, and directories that not even it knows (4.5)."""
        snapshots = snapshotter.snapshots or {}
        nodes = {key: owners[snapshotter.name, key] for key in snapshots if (snapshotter.name, key) in owners}
        for key, snapshot in snapshots.items():
            if key in nodes:
                continue
            path = snapshot.path or f"{snapshotter.path}/snapshots/{snapshot.id}"
            what = "a snapshot that no record of the metadata database names"
            number = nodes[key] = self.debris(path, "orphan-snapshot", what, claim=snapshot.path is not None)
            node = self.graph.nodes[number]
            node.unsized, node.created_ns = snapshotter.unsized, told_time(snapshot.created_ns)
            node.doubt = node.doubt or snapshotter.doubt
            if not node.doubt:
                self.say("orphan-snapshot", what, path, number)
        for key, snapshot in snapshots.items():
            parent = nodes.get(snapshot.parent) if snapshot.parent else None
            # The snapshotter's own record of parents: it removes nothing that has children.
            if parent is not None and parent not in self.graph.nodes[nodes[key]].parents:
                self.hold(nodes[key], parent, "is the parent of")
        for path, what in snapshotter.orphans.items():
            number = self.debris(path, "orphan-snapshot", what)
            node = self.graph.nodes[number]
            node.unsized = snapshotter.unsized
            if doubt := snapshotter.doubt or self.meta.doubt:
                node.doubt = doubt
            else:
                self.say("orphan-snapshot", what, path, number)
        for path in snapshotter.strangers:
            self.stray(path)

    def ingests(self) -> None:
        directories = {ingest.ref: ingest.path for ingest in self.meta.content.ingests if ingest.ref is not None}
        named: set[str] = set()
        for name, namespace in self.namespaces.items():
            for ref, record in namespace.ingests.items():
                number = self.placed.ingests[name, ref] = self.add("ingest", f"{name}/{ref}")
                named.add(record.backend)
                if record.expire_ns is not None:
                    self.store.cache.setdefault("expired", {})[number] = record.expire_ns
                if record.backend in directories:
                    self.claim(directories[record.backend], number)
                if record.expected in self.orphans:
                    # The cleaning spares what a download expects, even without a record (4.3).
                    self.hold(number, self.orphans[record.expected], "is expected by")
        for ingest in self.meta.content.ingests:
            if ingest.ref in named:
                continue
            what = "a download without a record"
            if ingest.ref is None:
                what = "a download without its ref file, which nothing ever removes"
            number = self.debris(ingest.path, "orphan-ingest", what)
            node = self.graph.nodes[number]
            if ingest.ref is None and self.meta.content.doubt:
                node.doubt = self.meta.content.doubt
            if not node.doubt:
                self.say("orphan-ingest", what, ingest.path, number)

    def names(self) -> None:
        """Image records: a `ref` for each, an `image` for each target in namespaces that show images."""
        view = self.meta.view
        for name, namespace in self.namespaces.items():
            for record in namespace.images.values():
                if view.has_ref_node(name, record.name):
                    number = self.placed.refs[name, record.name] = self.add("ref", view.ref_id(name, record.name))
                    node = self.graph.nodes[number]
                    node.names, node.labels = [record.target], record.labels
                    node.created_ns = told_time(record.created_ns)
                if view.has_image_node(name):
                    number = self.placed.images.get(record.target, -1)
                    if number < 0:
                        number = self.placed.images[record.target] = self.add("image", image_id(record.target))
                    node = self.graph.nodes[number]
                    node.created_ns = _first(node.created_ns, told_time(record.created_ns))
                    shown = view.image_name(name, record.name)
                    if shown is not None:
                        node.names = [*node.names, shown]
        for number in self.placed.images.values():
            node = self.graph.nodes[number]
            node.names = sorted(node.names)
            node.state = "named" if node.names else "dangling"

    def leases(self) -> None:
        for name, namespace in self.namespaces.items():
            for lease in namespace.leases.values():
                number = self.placed.leases[name, lease.id] = self.add("lease", f"{name}/{lease.id}")
                node = self.graph.nodes[number]
                node.created_ns, node.labels = told_time(lease.created_ns), lease.labels
                if is_expired(lease.labels, self.now_ns):
                    node.state = "expired"
                    node.note = "its time has passed"
                    self.store.cache.setdefault("expired", {})[number] = expiry(lease.labels)
                    text = "its time has passed; the collector takes it and what only it held"
                    self.say("expired-lease", text, self.meta.database, number)

    def containers(self) -> None:
        for name, namespace in self.namespaces.items():
            for container in namespace.containers.values():
                kind, ident = self.meta.view.container_node(name, container.id)
                number = self.placed.containers[name, container.id] = self.add(kind, ident)
                node = self.graph.nodes[number]
                node.created_ns = told_time(container.created_ns)
                node.labels, node.note = container.labels, container.image
            for sandbox in namespace.sandboxes.values():
                number = self.placed.pods[name, sandbox.id] = self.add("pod", f"{name}/{sandbox.id}")
                node = self.graph.nodes[number]
                node.created_ns, node.labels = told_time(sandbox.created_ns), sandbox.labels

    # Edges -----------------------------------------------------------------------------------------------------------

    def edges(self) -> None:
        for (name, digest), number in self.placed.contents.items():
            if number != self.placed.blobs[digest]:
                self.refer(number, Resource("content", name, digest))
        for (name, snapshotter, key), number in self.placed.snapshots.items():
            self.refer(number, Resource("snapshot", name, f"{snapshotter}/{key}"))
        for (name, ref), number in self.placed.ingests.items():
            self.refer(number, Resource("ingest", name, ref))
        for (name, ident), number in self.placed.leases.items():
            self.refer(number, Resource("lease", name, ident))
        for (name, ident), number in self.placed.containers.items():
            self.refer(number, Resource("container", name, ident))
        for (name, ident), number in self.placed.pods.items():
            self.refer(number, Resource("sandbox", name, ident))
        self.image_edges()

    def image_edges(self) -> None:
        """A ref holds its image, and this its target; where several namespaces have the image, each ref its own's."""
        shown = Counter(
            target
            for name, ns in self.namespaces.items()
            for target in _targets(ns)
            if self.meta.view.has_image_node(name)
        )
        for name, namespace in self.namespaces.items():
            for record in namespace.images.values():
                ref = self.placed.refs.get((name, record.name))
                image = self.placed.images.get(record.target) if self.meta.view.has_image_node(name) else None
                holder = ref
                if image is not None:
                    if ref is not None:
                        self.hold(ref, image, "is named by")
                    if ref is None or shown[record.target] == 1:
                        holder = image
                target = self.placed.contents.get((name, record.target))
                if target is None:
                    at = holder if holder is not None else -1
                    text = f"its target {record.target} has no record in namespace {name}"
                    self.say("image-content-missing", text, self.meta.database, at)
                elif holder is not None:
                    self.hold_once(holder, target, "is the target of")
                if ref is not None or image is not None:
                    # What an image record's labels refer to is the record's, not the target's.
                    self.refer(
                        ref if ref is not None else image or 0, Resource("image", name, record.name), labels=True
                    )

    def refer(self, holder: int, resource: Resource, *, labels: bool = False) -> None:
        """Edges to what a resource refers to; of an image record only what its labels refer to."""
        for reference in self.references.of(resource) if self.references else ():
            if labels and reference.word == "is the target of":
                continue
            number = self.number_of(reference.to)
            if number is not None:
                self.hold(holder, number, reference.word)

    def refers(self, resource: Resource) -> bool:
        return bool(self.references and self.references.of(resource))

    def number_of(self, resource: Resource) -> int | None:
        """The node of a resource, None where there is no record."""
        placed, name, key = self.placed, resource.namespace, resource.key
        if resource.type == "content":
            number = placed.contents.get((name, key))
            # A flat reference keeps the blob and follows nothing.
            return placed.blobs[key] if number is not None and resource.flat else number
        if resource.type == "snapshot":
            snapshotter, _, inner = key.partition("/")
            return placed.snapshots.get((name, snapshotter, inner))
        if resource.type == "image":
            number = placed.refs.get((name, key))
            if number is not None:
                return number
            record = self.namespaces[name].images.get(key)
            return placed.images.get(record.target) if record else None
        tables = {"ingest": placed.ingests, "container": placed.containers, "lease": placed.leases}
        return tables[resource.type].get((name, key)) if resource.type in tables else None

    def roots(self) -> None:
        if self.meta.metadata is None:
            return
        for root in find_roots(self.meta.metadata, self.now_ns, SAFE):
            resource = root.to
            if resource.type == "lease" and self.owned_leases(resource.namespace, resource.key):
                continue
            if resource.type == "sandbox":
                number = self.placed.pods.get((resource.namespace, resource.key))
            else:
                number = self.number_of(resource)
            if number is not None:
                self.graph.root(number, root.word)

    # Small things ----------------------------------------------------------------------------------------------------

    def add(self, kind: str, ident: str, doubt: str | None = None) -> int:
        number = self.graph.add(kind, ident, self.store.number)
        doubt = self.meta.doubt if doubt is None else doubt
        if doubt:
            self.graph.nodes[number].doubt = doubt
        return number

    def hold(self, holder: int, held: int, word: str) -> None:
        self.graph.hold(holder, held, word)

    def hold_once(self, holder: int, held: int, word: str) -> None:
        """As `hold`, for edges that several records give."""
        if (holder, held) not in self._held:
            self._held.add((holder, held))
            self.graph.hold(holder, held, word)

    def claim(self, path: str, number: int) -> None:
        self.store.own(path, number, self.meta.place)

    def debris(self, path: str, state: str, note: str, *, claim: bool = True) -> int:
        number = self.add("debris", self.prefix + path)
        node = self.graph.nodes[number]
        node.state, node.note = state, note
        if claim:
            self.claim(path, number)
        return number

    def stray(self, path: str) -> None:
        number = self.debris(path, "stray", "no engine is known to write it")
        self.graph.nodes[number].doubt = "no engine is known to write it"
        self.say("stray-file", "no engine is known to write a file of this name here", path, number)

    def blob_path(self, digest: str) -> str:
        return f"{self.meta.content.path}/blobs/{digest.replace(':', '/', 1)}"

    def say(self, code: str, text: str, path: str, number: int = -1) -> None:
        node = self.graph.nodes[number].key if number >= 0 else None
        self.store.findings.say(code, text, path=self.prefix + path, node=node, root=self.store.root)


def _targets(namespace: Namespace) -> set[str]:
    return {record.target for record in namespace.images.values()}


def _first(one: int | None, other: int | None) -> int | None:
    """The earlier of two times, as far as they are known."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
