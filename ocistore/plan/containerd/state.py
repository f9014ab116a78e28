"""A metadata store as commands change it, and containerd's collector on it (docker-buildkit-containerd 4.3).

Used wherever an engine keeps containerd's metadata: containerd itself, Docker with its image store, BuildKit.
Nothing is written; each removal is recorded with its paths.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from ocistore.plan.plan import Outcome, Removal
from ocistore.stores.shared.containerd.metadata_store import image_id
from ocistore.stores.shared.containerd.records import ImageRecord, Metadata, Namespace
from ocistore.stores.shared.containerd.references import Resource, Rules, mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.shared.containerd.metadata_store import BackendSnapshot, MetadataStore, Snapshotter
    from ocistore.stores.shared.containerd.records import SnapshotKey
    from ocistore.stores.store import Store

_COLLECTED = "the collector takes what nothing refers to"
_ASKED = "asked for"


class RecordMissing(Exception):
    """A record that a command names isn't there (containerd's ErrNotFound).

    Attributes:
        sentence: which.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class RecordInUse(Exception):
    """A record can't be deleted as it is (containerd's ErrFailedPrecondition).

    Attributes:
        sentence: why.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class MetaState:
    """Records of a metadata store while commands run on it.

        state.begin(outcome)
        state.delete_image("moby", "docker.io/library/x:latest")
        state.collect()

    Deletions go into the outcome that `begin` gave, in their order; `collect` adds what the collector takes.  Several
    collections in a row take together what one at their end takes, so that a command that collects after each deletion
    may ask for a single one, unless it looks at content or snapshots in between.

    Attributes:
        metadata: the records as they are now; its dictionaries are this state's own, the records in them shared.
        outcome: what receives removals.
        mutated: whether something was deleted since the last collection, so that containerd would schedule one.
    """

    def __init__(self, store: Store, meta: MetadataStore, now_ns: int, rules: Rules) -> None:
        self.store, self.meta, self.now_ns, self.rules = store, meta, now_ns, rules
        source = meta.metadata or Metadata()
        self.metadata = Metadata({name: _copy(ns) for name, ns in source.namespaces.items()}, source.schema)
        self.outcome = Outcome()
        self.mutated = False
        self._silent = False
        self._prefix = store.places[meta.place].prefix
        self._files = dict(meta.content.blobs)
        self._ingests = {ingest.path: ingest.ref for ingest in meta.content.ingests}
        self._backends = {name: dict(each.snapshots or {}) for name, each in meta.snapshotters.items()}
        self._orphans = {name: dict(each.orphans) for name, each in meta.snapshotters.items()}
        self._dirty_content = False
        self._dirty_snapshotters: set[str] = set()
        self._dropped: dict[tuple[str, str], tuple[str, str]] = {}
        self._last_records: dict[str, str] = {}
        self._targets = Counter(
            record.target
            for name, ns in self.metadata.namespaces.items()
            if meta.view.has_image_node(name)
            for record in ns.images.values()
        )
        self._having = Counter(digest for ns in self.metadata.namespaces.values() for digest in ns.blobs)
        self._children: dict[tuple[str, str, str], set[str]] = {}

    def begin(self, outcome: Outcome) -> None:
        """From here on removals go into this outcome."""
        self.outcome = outcome

    def namespace(self, name: str) -> Namespace:
        """The records of a namespace; one that isn't there is empty."""
        return self.metadata.namespaces.get(name) or Namespace(name)

    def start(self) -> None:
        """The collection that follows an engine's start: what it takes is no command's doing (Part 5, State used)."""
        self.silently(self.collect)

    def silently(self, action: Callable[[], None]) -> None:
        """Does something whose removals are an engine's own doing, not the command's."""
        before, self._silent = self._silent, True
        try:
            action()
        finally:
            self._silent = before

    # Deletions -------------------------------------------------------------------------------------------------------

    def delete_image(self, namespace: str, name: str, why: str = _ASKED) -> None:
        """Deletes an image record (4.7).

        Raises:
            RecordMissing: there is none of this name.
        """
        record = self.namespace(namespace).images.pop(name, None)
        if record is None:
            raise RecordMissing(f"image {name} is not known in namespace {namespace}")
        self.mutated = True
        self._forget_name(namespace, record, why)

    def add_image(self, namespace: str, record: ImageRecord) -> None:
        """Adds an image record, or replaces the one of its name (Docker's `moby-dangling@...`, 5.8)."""
        records = self.metadata.namespaces.setdefault(namespace, Namespace(namespace)).images
        before = records.get(record.name)
        records[record.name] = record
        if self.meta.view.has_image_node(namespace):
            self._targets[record.target] += 1
            if before is not None:
                self._targets[before.target] -= 1

    def delete_lease(self, namespace: str, ident: str, why: str = _ASKED) -> None:
        """Deletes a lease (4.7).

        Raises:
            RecordMissing: there is none of this id.
        """
        if self.namespace(namespace).leases.pop(ident, None) is None:
            raise RecordMissing(f"lease {ident} is not known in namespace {namespace}")
        self.mutated = True
        self._record("lease", f"{namespace}/{ident}", (), why)

    def delete_snapshot(self, namespace: str, snapshotter: str, key: str, why: str = _ASKED) -> None:
        """Deletes a snapshot's record; its directory goes with the next collection (4.7).

        Raises:
            RecordMissing: there is none of this key.
            RecordInUse: it lists children.
        """
        if (snapshotter, key) not in self.namespace(namespace).snapshots:
            raise RecordMissing(f"snapshot {key} is not known to {snapshotter} in namespace {namespace}")
        if self.children(namespace, snapshotter, key):
            raise RecordInUse(f"snapshot {key} has children in namespace {namespace}")
        parent = self.namespace(namespace).snapshots[snapshotter, key].parent
        if parent:
            self.children(namespace, snapshotter, parent).discard(key)
        self.mutated = True
        self._drop_snapshot(namespace, (snapshotter, key), why)

    def delete_blob(self, namespace: str, digest: str, why: str = _ASKED) -> None:
        """Deletes a namespace's record of a blob, whatever refers to it (4.7).

        Raises:
            RecordMissing: the namespace has none.
        """
        if digest not in self.namespace(namespace).blobs:
            raise RecordMissing(f"content {digest} is not known in namespace {namespace}")
        self.mutated = self._dirty_content = True
        self._drop_blob(namespace, digest, why)

    def delete_container(self, namespace: str, ident: str, why: str = _ASKED) -> None:
        """Deletes a container's record, neither its snapshot nor what CRI keeps of it (4.7).

        Raises:
            RecordMissing: there is none of this id.
        """
        if self.namespace(namespace).containers.pop(ident, None) is None:
            raise RecordMissing(f"container {ident} is not known in namespace {namespace}")
        self.mutated = True
        self._record("container", f"{namespace}/{ident}", (), why)

    def delete_namespace(self, name: str, why: str = _ASKED) -> None:
        """Deletes a namespace with the leases, downloads and sandboxes in it (core/metadata/namespaces.go; 4.7).

        Raises:
            RecordMissing: there is none.
            RecordInUse: it has images, blobs, containers or snapshots.
        """
        namespace = self.metadata.namespaces.get(name)
        if namespace is None:
            raise RecordMissing(f"namespace {name} is not known")
        parts = {
            "images": namespace.images,
            "blobs": namespace.blobs,
            "containers": namespace.containers,
            "snapshots": namespace.snapshots,
        }
        if left := [what for what, records in parts.items() if records]:
            raise RecordInUse(f"namespace {name} is not empty: it has {', '.join(left)}")
        for ident in list(namespace.leases):
            self.delete_lease(name, ident, why)
        for ident in namespace.sandboxes:
            self._record("pod", f"{name}/{ident}", (), why)
        del self.metadata.namespaces[name]

    def drop_labels(self, namespace: str, digest: str, condemned: Callable[[str], bool]) -> None:
        """Takes labels off a namespace's record of a blob.

        Args:
            namespace: whose record.
            digest: of the blob.
            condemned: whether a label, by its key, goes.
        """
        blobs = self.namespace(namespace).blobs
        record = blobs[digest]
        kept = {key: value for key, value in record.labels.items() if not condemned(key)}
        if len(kept) != len(record.labels):
            blobs[digest] = replace(record, labels=kept)

    def children(self, namespace: str, snapshotter: str, key: str) -> set[str]:
        """Keys that a snapshot lists as its children; what the collector took stays listed (core/metadata/gc.go).

        So a snapshot whose children were collected can't be deleted any more; the collector asks for no list.
        """
        found = self._children.get((namespace, snapshotter, key))
        if found is None:
            record = self.namespace(namespace).snapshots.get((snapshotter, key))
            found = self._children[namespace, snapshotter, key] = set(record.children) if record else set()
        return found

    def has_file(self, digest: str) -> bool:
        """Whether a blob's file is still there."""
        return digest in self._files

    # The collector ---------------------------------------------------------------------------------------------------

    def collect(self, outcome: Outcome | None = None) -> None:
        """Marks and sweeps over all namespaces, then cleans the stores that are dirty (4.3).

        Args:
            outcome: receives the removals instead of the one that `begin` gave.
        """
        before = self.outcome
        if outcome is not None:
            self.outcome = outcome
        self.mutated = False
        kept = mark(self.metadata, self.now_ns, self.rules)
        for name, namespace in self.metadata.namespaces.items():
            self._sweep(name, namespace, kept)
        if self._dirty_content:
            self._clean_content()
        for name in sorted(self._dirty_snapshotters):
            if name in self.meta.snapshotters:
                self._clean_snapshotter(self.meta.snapshotters[name])
        self._tell_dropped()
        self._tell_blobs()
        self._dirty_content = False
        self._dirty_snapshotters.clear()
        self.outcome = before

    def _sweep(self, name: str, namespace: Namespace, kept: set[Resource]) -> None:
        for lease in [i for i in namespace.leases if Resource("lease", name, i) not in kept]:
            del namespace.leases[lease]
            self._record("lease", f"{name}/{lease}", (), "it has expired")
        for image in [i for i in namespace.images if Resource("image", name, i) not in kept]:
            self._forget_name(name, namespace.images.pop(image), "it has expired")
        for ref in [i for i in namespace.ingests if Resource("ingest", name, i) not in kept]:
            self._dirty_content = True
            backend = namespace.ingests.pop(ref).backend
            paths = tuple(self._prefix + path for path, owner in self._ingests.items() if owner == backend)
            self._ingests = {path: owner for path, owner in self._ingests.items() if owner != backend}
            self._record("ingest", f"{name}/{ref}", paths, "a download that nothing holds")
        for key in [k for k in namespace.snapshots if Resource("snapshot", name, f"{k[0]}/{k[1]}") not in kept]:
            self._drop_snapshot(name, key, _COLLECTED)
        for digest in [d for d in namespace.blobs if Resource("content", name, d) not in kept]:
            self._dirty_content = True
            self._drop_blob(name, digest, _COLLECTED)

    def _clean_content(self) -> None:
        """Files that no namespace has a record of and no download expects; downloads without a record (4.3)."""
        expected = {i.expected for ns in self.metadata.namespaces.values() for i in ns.ingests.values() if i.expected}
        for digest in [d for d in self._files if not self._having[d] and d not in expected]:
            self._drop_file(digest)
        named = {ingest.backend for ns in self.metadata.namespaces.values() for ingest in ns.ingests.values()}
        for path, ref in list(self._ingests.items()):
            # Without its ref file a download is seen by nobody.
            if ref is not None and ref not in named:
                del self._ingests[path]
                self._debris(path, "a download without a record")

    def _clean_snapshotter(self, snapshotter: Snapshotter) -> None:
        """Snapshots that no record names, leaves first; then directories that are no snapshot's (4.3, 4.5).

        One with a child that stays is skipped, as the snapshotter refuses to remove it.
        """
        name = snapshotter.name
        backend = self._backends[name]
        named = {
            r.name for ns in self.metadata.namespaces.values() for (sn, _), r in ns.snapshots.items() if sn == name
        }
        children = Counter(snapshot.parent for snapshot in backend.values() if snapshot.parent)
        leaves = [key for key in backend if key not in named and not children[key]]
        while leaves:
            snapshot = backend.pop(leaves.pop())
            self._drop_directory(snapshotter, snapshot)
            parent = snapshot.parent
            if parent:
                children[parent] -= 1
                if not children[parent] and parent in backend and parent not in named:
                    leaves.append(parent)
        if snapshotter.cleans:
            for path, what in self._orphans[name].items():
                self._debris(path, what)
            self._orphans[name] = {}

    # Recording -------------------------------------------------------------------------------------------------------

    def _forget_name(self, namespace: str, record: ImageRecord, why: str) -> None:
        view = self.meta.view
        if view.has_ref_node(namespace, record.name):
            self._record("ref", view.ref_id(namespace, record.name), (), why)
        if view.has_image_node(namespace):
            self._targets[record.target] -= 1
            if not self._targets[record.target]:
                self._record("image", image_id(record.target), (), "its last name goes")

    def _drop_snapshot(self, namespace: str, key: SnapshotKey, why: str) -> None:
        """Takes a record; its step comes when the snapshotter is cleaned, which is what takes its directory."""
        record = self.metadata.namespaces[namespace].snapshots.pop(key)
        snapshotter, name = key
        self._dirty_snapshotters.add(snapshotter)
        self._dropped[snapshotter, record.name] = (f"{namespace}/{snapshotter}/{name}", why)

    def _drop_directory(self, snapshotter: Snapshotter, snapshot: BackendSnapshot) -> None:
        paths = (self._prefix + snapshot.path,) if snapshot.path is not None else ()
        dropped = self._dropped.pop((snapshotter.name, snapshot.key), None)
        if dropped is not None:
            self._record("snapshot", dropped[0], paths, dropped[1])
        elif paths:
            self._record("debris", paths[0], paths, "a snapshot that no record names")

    def _tell_dropped(self) -> None:
        """Records that went and whose snapshotter kept, or never had, the snapshot."""
        for ident, why in self._dropped.values():
            self._record("snapshot", ident, (), why)
        self._dropped.clear()

    def _drop_blob(self, namespace: str, digest: str, why: str) -> None:
        """Takes a record; the step of the last one comes with its file."""
        del self.metadata.namespaces[namespace].blobs[digest]
        self._having[digest] -= 1
        if not self._having[digest]:
            self._last_records[digest] = why

    def _drop_file(self, digest: str) -> None:
        path = self._prefix + self._files.pop(digest)
        why = self._last_records.pop(digest, None)
        if why is not None:
            self._record("blob", digest, (path,), why)
        else:
            self._record("debris", path, (path,), "a blob that no record names")

    def _tell_blobs(self) -> None:
        """Blobs whose last record went and whose file isn't there, or is expected by a download."""
        for digest, why in self._last_records.items():
            self._record("blob", digest, (), why)
        self._last_records.clear()

    def _debris(self, path: str, why: str) -> None:
        self._record("debris", self._prefix + path, (self._prefix + path,), why)

    def _record(self, kind: str, ident: str, paths: tuple[str, ...], why: str) -> None:
        if not self._silent:
            number = self.store.graph.find(kind, ident, self.store.number)
            if number is not None:
                # One text for both: a prune may take 100,000 leases.
                ident = self.store.graph.nodes[number].id
            self.outcome.removals.append(Removal(number, kind, ident, paths, why))


def _copy(namespace: Namespace) -> Namespace:
    return replace(
        namespace,
        images=dict(namespace.images),
        blobs=dict(namespace.blobs),
        ingests=dict(namespace.ingests),
        snapshots=dict(namespace.snapshots),
        leases=dict(namespace.leases),
        containers=dict(namespace.containers),
        sandboxes=dict(namespace.sandboxes),
    )
