"""Reads containerd's root directory: its files -> nodes, edges, owned paths, findings; no sizes.

Source: docker-buildkit-containerd 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.stores.shared.containerd.load import load_metadata_store
from ocistore.stores.shared.containerd.populate import OWN, Placed, populate
from ocistore.stores.store import Options, Place, Store

if TYPE_CHECKING:
    from ocistore.disk.tree import DirectoryTree, Entry
    from ocistore.findings import Findings
    from ocistore.graph.graph import Graph
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore

KIND = "containerd"
DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
CONTENT = "io.containerd.content.v1.content"
SNAPSHOTTERS = "io.containerd.snapshotter.v1."
TEMPORARY = "tmpmounts"
_CRI = ("io.containerd.grpc.v1.cri", "io.containerd.sandbox.controller.v1.shim")
_TASKS = "io.containerd.runtime.v2.task"
_OWN = frozenset(("opt",))
_PLUGIN = "io.containerd."
NO_OPTIONS = Options()


@dataclass(slots=True)
class Containerd:
    """What the reader keeps for plans and checks."""

    meta: MetadataStore
    placed: Placed


def read_containerd(
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
        options: the time at which leases and downloads expire.

    Raises:
        UnreadableFile: the root can't be listed.
    """
    store = Store(KIND, root, None, graph, findings, number, places=[Place(tree)])
    entries = tree.list("")
    meta = load_containerd(store, entries)
    store.driver = _driver(meta)
    placed = populate(store, meta, now_ns=options.judged_at())
    store.detail = Containerd(meta, placed)
    _Claimer(store, placed).run(entries)
    return store


def load_containerd(store: Store, entries: list[Entry], place: int = 0, base: str = "") -> MetadataStore:
    """The records of a containerd root that lies at `base` in a place.

    Args:
        store: its findings are filled.
        entries: of the root.
        place: number of the place.
        base: path of the root in it, empty or ending in `/`.
    """
    snapshotters = {
        entry.name.removeprefix(SNAPSHOTTERS): base + entry.name
        for entry in entries
        if entry.name.startswith(SNAPSHOTTERS) and entry.type == "dir"
    }
    return load_metadata_store(
        store, place=place, database=base + DATABASE, content=base + CONTENT, snapshotters=snapshotters
    )


def _driver(meta: MetadataStore) -> str | None:
    """The one snapshotter that has a database; None for none or several."""
    named = [each.name for each in meta.snapshotters.values() if f"{each.path}/metadata.db" in each.own]
    return named[0] if len(named) == 1 else None


class _Claimer:
    """Gives what lies beside the metadata store to nodes (4.1)."""

    def __init__(self, store: Store, placed: Placed) -> None:
        self._store = store
        self._graph = store.graph
        self._containers = {ident: number for (_, ident), number in placed.containers.items()}
        self._in_namespace = placed.containers
        self._pods = {ident: number for (_, ident), number in placed.pods.items()}
        self._own = self._graph.add("own", OWN, store.number)

    def run(self, entries: list[Entry]) -> None:
        self._claim("", self._own)
        for entry in entries:
            if entry.name == TEMPORARY:
                self._claim(entry.name, self._own)
                for below in self._list(entry.name):
                    self._debris(f"{entry.name}/{below.name}", "temporary-mount", "left by a temporary mount")
            elif entry.name in _CRI:
                self._claim(entry.name, self._own)
                self._cri(entry.name)
            elif entry.name == _TASKS:
                self._claim(entry.name, self._own)
                self._tasks(entry.name)
            elif entry.name.startswith(_PLUGIN) or entry.name in _OWN:
                # A plugin's own directory: introspection, mount manager, old runtimes, plugins of others.
                self._claim(entry.name, self._own)
            else:
                self._stray(entry.name)

    def _cri(self, base: str) -> None:
        """`containers/<id>` and `sandboxes/<id>` of CRI: logs' ends, state, image volumes."""
        for directory, nodes in (("containers", self._containers), ("sandboxes", {**self._containers, **self._pods})):
            for entry in self._list(f"{base}/{directory}"):
                path = f"{base}/{directory}/{entry.name}"
                owner = nodes.get(entry.name)
                if owner is not None:
                    self._claim(path, owner)
                else:
                    self._debris(path, "orphan-cri-data", "CRI's data of a container that has no record")

    def _tasks(self, base: str) -> None:
        """Work directories of shims: `<namespace>/<container>`."""
        for namespace in self._list(base):
            for entry in self._list(f"{base}/{namespace.name}"):
                path = f"{base}/{namespace.name}/{entry.name}"
                owner = self._in_namespace.get((namespace.name, entry.name))
                self._claim(path, self._own if owner is None else owner)

    def _claim(self, path: str, node: int) -> None:
        self._store.own(path, node)

    def _debris(self, path: str, state: str, note: str) -> int:
        number = self._graph.add("debris", path, self._store.number)
        node = self._graph.nodes[number]
        node.state, node.note = state, note
        if doubt := self._store.doubts.get("content", ""):
            node.doubt = doubt
        self._claim(path, number)
        return number

    def _stray(self, path: str) -> None:
        number = self._debris(path, "stray", "no engine is known to write it")
        node = self._graph.nodes[number]
        node.doubt = "no engine is known to write it"
        text = "no engine is known to write a file of this name here"
        self._store.findings.say("stray-file", text, path=path, node=node.key, root=self._store.root)

    def _list(self, path: str) -> list[Entry]:
        try:
            return self._store.tree.list(path)
        except UnreadableFile as err:
            if err.errno != 2 and err.errno != 20:
                self._store.findings.say("unreadable", err.sentence, path=path, root=self._store.root)
            return []
