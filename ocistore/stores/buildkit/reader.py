"""Reads buildkitd's root directory: its files -> nodes, edges, owned paths, findings; no sizes.

Source: docker-buildkit-containerd 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.stores.identify import BUILDKIT_WORKER
from ocistore.stores.shared.buildkit.load import load_cache
from ocistore.stores.shared.buildkit.populate import owned_leases, populate_cache
from ocistore.stores.shared.containerd.load import load_metadata_store
from ocistore.stores.shared.containerd.populate import OWN, populate
from ocistore.stores.store import Options, Place, Store

from .claim import claim_root, claim_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.disk.tree import DirectoryTree
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph
    from ocistore.stores.shared.buildkit.cache import Cache
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.shared.containerd.populate import Placed

KIND = "buildkit"
NAMESPACE = "buildkit"
RECORDS = "metadata_v2.db"
OLD_RECORDS = "metadata.db"
HISTORY = "history.db"
INDEX = "cache.db"
NO_OPTIONS = Options()


@dataclass(slots=True)
class Worker:
    """A worker's directory.

    Attributes:
        directory: `runc-<snapshotter>` or `containerd-<snapshotter>`.
        snapshotter: its name.
        cache: its records; the first worker's also has the build history, which all share.
        meta: content, leases and snapshots; None for a containerd worker, whose containerd lies elsewhere.
        placed: their nodes.
    """

    directory: str
    snapshotter: str
    cache: Cache
    meta: MetadataStore | None
    placed: Placed | None = None


@dataclass(slots=True)
class BuildKit:
    """What the reader keeps for plans and checks.

    Attributes:
        workers: in the order of their directories' names.
    """

    workers: list[Worker] = field(default_factory=list)


def read_buildkit(
    tree: DirectoryTree,
    root: str,
    graph: Graph,
    findings: Findings,
    number: int = 0,
    options: Options = NO_OPTIONS,
) -> Store:
    """Reads the store at a tree's root.

    Args:
        tree: access to it; the store closes it.
        root: how answers name the store.
        graph: is filled.
        findings: are filled.
        number: `Node.store` of the nodes of this store.
        options: the time at which leases expire.

    Raises:
        UnreadableFile: the root can't be listed.
    """
    store = Store(KIND, root, None, graph, findings, number, places=[Place(tree)])
    detail = BuildKit()
    store.detail = detail
    entries = tree.list("")
    directories = [entry.name for entry in entries if entry.type == "dir" and BUILDKIT_WORKER.fullmatch(entry.name)]
    names = {entry.name for entry in entries}
    for directory in directories:
        first = not detail.workers
        detail.workers.append(
            _load_worker(
                store,
                directory,
                history=HISTORY if first and HISTORY in names else "",
                index=INDEX if first and INDEX in names else "",
                alone=len(directories) == 1,
            )
        )
    store.driver = detail.workers[0].snapshotter if detail.workers else None
    _populate(store, detail, options.judged_at())
    claim_root(store, entries, set(directories))
    for worker in detail.workers:
        claim_worker(store, worker)
    return store


def _load_worker(store: Store, directory: str, *, history: str, index: str, alone: bool) -> Worker:
    found = BUILDKIT_WORKER.fullmatch(directory)
    snapshotter = found.group(1) if found else ""
    meta = _load_meta(store, directory, snapshotter) if directory.startswith("runc-") else None
    cache = load_cache(
        store,
        metadata=f"{directory}/{RECORDS}",
        history=history,
        cache_index=index,
        namespace=NAMESPACE,
        snapshotter=snapshotter,
        meta=meta,
        alone=alone,
    )
    worker = Worker(directory, snapshotter, cache, meta)
    _doubt_old(store, worker)
    if meta is None and cache.records:
        text = (
            f"the worker {directory} keeps content and snapshots in a containerd elsewhere; what its records weigh and"
            " what holds their data there is unknown"
        )
        cache.doubt = cache.doubt or text
        store.doubts.setdefault("cache", text)
        store.doubts.setdefault("history", text)
        store.findings.say("plans-blocked-for", text, path=directory, root=store.root)
    return worker


def _load_meta(store: Store, directory: str, snapshotter: str) -> MetadataStore:
    return load_metadata_store(
        store,
        database=f"{directory}/containerdmeta.db",
        content=f"{directory}/content",
        snapshotters={snapshotter: f"{directory}/snapshots"},
    )


def _doubt_old(store: Store, worker: Worker) -> None:
    """A state of before 2020 has its records in another file, which BuildKit migrated or now refuses (3.1)."""
    names = {entry.name for entry in store.tree.list(worker.directory)}
    if RECORDS in names or OLD_RECORDS not in names:
        return
    path = f"{worker.directory}/{OLD_RECORDS}"
    text = "the records are of the old format of metadata.db, which isn't read; what holds the data is unknown"
    store.findings.say("records-of-old-format", text, path=path, root=store.root)
    worker.cache.doubt = f"{path}: {text}"
    for part in ("cache", "content", "history"):
        store.doubts.setdefault(part, worker.cache.doubt)
    if worker.meta is not None:
        worker.meta.doubt = worker.meta.doubt or worker.cache.doubt


def _populate(store: Store, detail: BuildKit, now_ns: int) -> None:
    caches = [worker.cache for worker in detail.workers]
    owned = owned_leases(caches)
    for worker in detail.workers:
        if worker.meta is not None:
            worker.placed = populate(store, worker.meta, now_ns=now_ns, owned_leases=owned)
    for worker in detail.workers:
        populate_cache(store, worker.cache, _lease_finder(detail, worker))
        if worker.meta is None:
            for number in worker.cache.numbers.values():
                store.graph.nodes[number].unsized = True
    own = store.graph.add("own", OWN, store.number)
    store.graph.root(own, "is the engine's own")


def _lease_finder(detail: BuildKit, worker: Worker) -> Callable[[str, str], int | None]:
    """A worker's own leases first; builds may have theirs with another worker than the one that is listed first."""
    placed = [each.placed for each in (worker, *detail.workers) if each.placed is not None]

    def find(namespace: str, ident: str) -> int | None:
        for each in placed[:1] if namespace == NAMESPACE and worker.placed is not None else placed:
            number = each.lease(namespace, ident)
            if number is not None:
                return number
        return None

    return find
