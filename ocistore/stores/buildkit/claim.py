"""Says which node owns which path of buildkitd's root (docker-buildkit-containerd 3.1, 6.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.stores.shared.containerd.populate import OWN

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry
    from ocistore.stores.store import Store

    from .reader import Worker

_ROOT_FILES = frozenset(("buildkitd.lock", "cache.db", "history.db", "history_c8d.db", "cache-debug.db"))
_ROOT_DIRECTORIES = frozenset(("policy", "executor"))
"""Docker's builder has its executor beside the workers, where someone names its directory as a store."""
_WORKER_FILES = frozenset(("metadata_v2.db", "metadata.db", "containerdmeta.db", "workerid"))
_EXECUTOR, _MOUNTS = "executor", "cachemounts"
_CLAIMED_ELSEWHERE = frozenset(("content", "snapshots"))
_BUNDLE = re.compile(r"[a-z0-9]{25}")


def claim_root(store: Store, entries: list[Entry], workers: set[str]) -> None:
    """The root, the files beside the workers' directories, and what is strange there."""
    own = _own(store)
    store.own("", own)
    for entry in entries:
        if entry.name in workers:
            continue
        if entry.name in (_ROOT_DIRECTORIES if entry.type == "dir" else _ROOT_FILES):
            store.own(entry.name, own)
            if entry.name == _EXECUTOR:
                _claim_bundles(store, entry.name)
        else:
            _stray(store, entry.name)


def claim_worker(store: Store, worker: Worker) -> None:
    """A worker's directory; content and snapshots were claimed with their records."""
    own = _own(store)
    store.own(worker.directory, own)
    for entry in _list(store, worker.directory):
        path = f"{worker.directory}/{entry.name}"
        if entry.type == "dir" and entry.name == _EXECUTOR:
            store.own(path, own)
            _claim_bundles(store, path)
        elif entry.type == "dir" and entry.name == _MOUNTS:
            store.own(path, own)
            _claim_mounts(store, path)
        elif entry.type != "dir" and entry.name in _WORKER_FILES:
            store.own(path, own)
        elif not (worker.meta is not None and entry.type == "dir" and entry.name in _CLAIMED_ELSEWHERE):
            _stray(store, path)


def _claim_bundles(store: Store, path: str) -> None:
    """Bundles of containers that ended without BuildKit: left by a crash, and nobody removes them (3.1)."""
    for entry in _list(store, path):
        if entry.type == "dir" and _BUNDLE.fullmatch(entry.name):
            _debris(store, f"{path}/{entry.name}", "a step's bundle that was left behind")


def _claim_mounts(store: Store, path: str) -> None:
    """Mount points of cache mounts, which some versions remove when they start (3.1)."""
    for entry in _list(store, path):
        if entry.name.startswith("buildkit"):
            _debris(store, f"{path}/{entry.name}", "a mount point that was left behind")
        else:
            _stray(store, f"{path}/{entry.name}")


def _own(store: Store) -> int:
    return store.graph.add("own", OWN, store.number)


def _debris(store: Store, path: str, what: str) -> int:
    number = store.graph.add("debris", path, store.number)
    store.graph.nodes[number].note = what
    store.own(path, number)
    return number


def _stray(store: Store, path: str) -> None:
    number = _debris(store, path, "not known to be BuildKit's")
    store.graph.nodes[number].doubt = "BuildKit is not known to write it"
    text = "BuildKit is not known to write it; counted as unknown and never planned"
    store.findings.say("stray-file", text, path=path, node=store.graph.nodes[number].key, root=store.root)


def _list(store: Store, path: str) -> list[Entry]:
    try:
        return store.tree.list(path)
    except UnreadableFile as err:
        store.findings.say("unreadable", err.sentence, path=path, root=store.root)
        return []
