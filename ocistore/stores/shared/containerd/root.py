"""containerd's root directory: where its parts lie, and what lies beside them (docker-buildkit-containerd 4.1).

For containerd's own root, and for the one that dockerd keeps in its data-root or beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.stores.shared.containerd.load import load_metadata_store
from ocistore.stores.shared.containerd.populate import OWN

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore, View
    from ocistore.stores.shared.containerd.populate import Placed
    from ocistore.stores.store import Store

DATABASE = "io.containerd.metadata.v1.bolt/meta.db"
CONTENT = "io.containerd.content.v1.content"
SNAPSHOTTERS = "io.containerd.snapshotter.v1."
TEMPORARY = "tmpmounts"
_CRI = ("io.containerd.grpc.v1.cri", "io.containerd.sandbox.controller.v1.shim")
_TASKS = "io.containerd.runtime.v2.task"
_OWN = frozenset(("opt",))
_PLUGIN = "io.containerd."


def load_containerd(
    store: Store, entries: list[Entry], place: int = 0, base: str = "", view: View | None = None
) -> MetadataStore:
    """The records of a containerd root that lies at `base` in a place.

    Args:
        store: its findings are filled.
        entries: of the root.
        place: number of the place.
        base: path of the root in it, empty or ending in `/`.
        view: how its records are shown; None: as containerd's own.
    """
    snapshotters = {
        entry.name.removeprefix(SNAPSHOTTERS): base + entry.name
        for entry in entries
        if entry.name.startswith(SNAPSHOTTERS) and entry.type == "dir"
    }
    return load_metadata_store(
        store, place=place, database=base + DATABASE, content=base + CONTENT, snapshotters=snapshotters, view=view
    )


def claim_containerd(store: Store, placed: Placed, entries: list[Entry], place: int = 0, base: str = "") -> None:
    """Gives what lies in a containerd root beside the metadata store to nodes; see `load_containerd`."""
    _Claimer(store, placed, place, base).run(entries)


class _Claimer:
    def __init__(self, store: Store, placed: Placed, place: int, base: str) -> None:
        self._store = store
        self._place, self._base = place, base
        self._spelled = store.places[place].prefix + base
        self._graph = store.graph
        self._containers = {ident: number for (_, ident), number in placed.containers.items()}
        self._in_namespace = placed.containers
        self._pods = {ident: number for (_, ident), number in placed.pods.items()}
        self._own = self._graph.add("own", OWN, store.number)

    def run(self, entries: list[Entry]) -> None:
        self._store.own(self._base.rstrip("/"), self._own, self._place)
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
        self._store.own(self._base + path, node, self._place)

    def _debris(self, path: str, state: str, note: str) -> int:
        number = self._graph.add("debris", self._spelled + path, self._store.number)
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
        self._store.findings.say("stray-file", text, path=self._spelled + path, node=node.key, root=self._store.root)

    def _list(self, path: str) -> list[Entry]:
        try:
            return self._store.places[self._place].tree.list(self._base + path)
        except UnreadableFile as err:
            if err.errno != 2 and err.errno != 20:
                self._store.findings.say("unreadable", err.sentence, path=self._spelled + path, root=self._store.root)
            return []
