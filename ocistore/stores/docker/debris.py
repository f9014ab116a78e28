"""Nodes of what is left over, and of what no engine is known to write (docker-buildkit-containerd 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .files import list_directory
from .layout import CONTAINERS, TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.disk.tree import Entry
    from ocistore.stores.store import Store

    from .records import DockerRecords


class Debris:
    """Adds debris nodes; the id of one is its path."""

    def __init__(self, store: Store, records: DockerRecords) -> None:
        self.store, self.records = store, records

    def add(self, path: str, state: str, note: str, *, doubt: bool = False) -> int:
        """A node that owns a path which nothing needs; with `doubt` only a person can judge it."""
        number = self.store.graph.add("debris", path, self.store.number)
        node = self.store.graph.nodes[number]
        node.state, node.note = state, note
        if doubt:
            node.doubt = note
        self.store.own(path, number)
        return number

    def container(self, name: str) -> int:
        """A container whose record can't be read: what it holds is unknown, so that it stays (6.2, 20)."""
        why = self.records.broken_containers[name]
        return self.add(f"{CONTAINERS}/{name}", "unreadable-container", f"its record can't be read: {why}", doubt=True)

    def stranger(self, path: str) -> int:
        """What no engine is known to write: counted as unknown, never planned."""
        number = self.add(path, "stray", "no engine is known to write it", doubt=True)
        text = "no engine is known to write a file of this name here"
        self.store.findings.say("stray-file", text, path=path, root=self.store.root)
        return number

    def temporary(self, path: str) -> int:
        """A file of an atomic write that was not ended; nothing removes it (6.2, 8)."""
        number = self.add(path, "temporary-file", "left by a write that was not ended")
        text = "left by a write that was not ended"
        self.store.findings.say("temporary-file", text, path=path, root=self.store.root)
        return number

    def strangers(self, directory: str, known: Callable[[str], bool]) -> None:
        """Adds the entries of a directory that aren't known, temporary files as such."""
        for entry in list_directory(self.store, directory) or []:
            if not known(entry.name):
                self.judge(f"{directory}/{entry.name}", entry)

    def judge(self, path: str, entry: Entry) -> None:
        """Adds an entry that isn't known."""
        if TEMPORARY.fullmatch(entry.name) and entry.type == "file":
            self.temporary(path)
        else:
            self.stranger(path)
