"""Finds stores below a directory by their files, not by their place.

Nothing is followed out of the directory: no symbolic links, no other file system.  Inside a store the search goes where
another engine's store can be: volumes whole, layers only where engines keep their data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ocistore.disk.tree import DirectoryTree, Entry, Missing
from ocistore.errors import UnreadableFile
from ocistore.findings import Findings
from ocistore.stores.identify import (
    BUILDKIT_WORKER,
    SNAPSHOTTER,
    StoreKind,
    identify_entries,
    is_directory,
    is_runroot,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_DIRECTORIES = 5_000_000
MAX_DEPTH = 128

_HOMES = ("containers/storage", "docker", "containerd", "buildkit")
PLACES = (
    "var/lib/containers/storage",
    "var/lib/docker",
    "var/lib/containerd",
    "var/lib/buildkit",
    "var/lib/rancher/k3s/agent/containerd",
    "var/lib/rancher/rke2/agent/containerd",
    "var/snap/microk8s/common/var/lib/containerd",
    "var/db/containers/storage",
    *(f"root/.local/share/{home}" for home in _HOMES),
    *(f"home/*/.local/share/{home}" for home in _HOMES),
)
"""Where engines keep their data below the root of a file system (`*`: any directory)."""

_FLAT = {
    "containers-storage": ("vfs/dir", "btrfs/subvolumes"),
    "docker": ("vfs/dir", "btrfs/subvolumes", "aufs/diff"),
}
"""Directories whose children are layers, by kind."""
_STACKED = {"containers-storage": ("overlay",), "docker": ("overlay2", "fuse-overlayfs")}
"""Directories whose children hold a layer's files one level down, by kind."""

_Branch: TypeAlias = "dict[str, _Branch]"


@dataclass(frozen=True, slots=True)
class Found:
    """A store that was found.

    Attributes:
        root: relative to the directory that was searched, `"."` for itself.
        kind: kind of store.
        driver: storage driver or snapshotter, None where there is none or the files don't say which.
        inside: root of the store whose directory it lies in, None if in none.
        through: `volume:NAME` or `layer:ID` of that store, None if in neither.
    """

    root: str
    kind: StoreKind
    driver: str | None = None
    inside: str | None = None
    through: str | None = None


def detect(
    path: str, deep: bool = False, findings: Findings | None = None, noted: Collection[str] | None = None
) -> list[Found]:
    """Finds the stores at and below `path`, sorted by path.

    Args:
        path: a directory; it may itself be reached through a link.
        deep: search layers and the stores' own directories everywhere, not only where engines keep their data.
        findings: receives what could not be read or searched.
        noted: all directories below `path` whose names are among `TOPS`, where a walk has met them already: layers
            that have none needn't be opened then.

    Raises:
        UnreadableFile: `path` itself can't be opened.
    """
    with DirectoryTree(path) as tree:
        return _Search(tree, deep, Findings() if findings is None else findings, noted).run()


class _Task(NamedTuple):
    """A directory to look at, and the store that it lies in."""

    path: str
    inside: str | None
    through: str | None
    depth: int


class _Search:
    def __init__(self, tree: DirectoryTree, deep: bool, findings: Findings, noted: Collection[str] | None) -> None:
        self.tree = tree
        self.deep = deep
        self.findings = findings
        self.device = tree.stat("").st_dev
        self.looked = 0
        self.found: dict[str, Found] = {}
        # Layers everywhere are asked for everything.
        self.above = None if noted is None or deep else _above(noted)

    def run(self) -> list[Found]:
        tasks = [_Task("", None, None, 0)]
        while tasks:
            if self.looked >= MAX_DIRECTORIES:
                self.findings.say("search-cut", f"the search ended after {MAX_DIRECTORIES} directories")
                break
            tasks.extend(self.look(tasks.pop()))
        return sorted(self.found.values(), key=lambda found: [] if found.root == "." else found.root.split("/"))

    def look(self, task: _Task) -> Iterator[_Task]:
        """Looks at one directory; yields those to be looked at next."""
        entries = self.list(task.path)
        if entries is None:
            return
        identity = identify_entries(self.tree, task.path, entries)
        if identity is None:
            if not is_runroot(entries):
                yield from self.below(task, entries)
            return
        root = task.path or "."
        if root in self.found:
            return
        self.found[root] = Found(root, identity.kind, identity.driver, task.inside, task.through)
        if identity.others:
            self.findings.say(
                "second-driver",
                f"records of {', '.join(identity.others)} lie beside those of {identity.driver};"
                " one is in use at a time",
                root=root,
            )
        yield from self.within(identity.kind, task, entries)

    def below(self, task: _Task, entries: dict[str, Entry], without: tuple[str, ...] = ()) -> Iterator[_Task]:
        """The directories in a directory."""
        if task.depth >= MAX_DEPTH:
            self.findings.say("search-cut", f"not searched deeper than {MAX_DEPTH} levels", path=task.path)
            return
        for name, entry in entries.items():
            if entry.type == "dir" and name not in without:
                yield task._replace(path=join(task.path, name), depth=task.depth + 1)

    def within(self, kind: StoreKind, task: _Task, entries: dict[str, Entry]) -> Iterator[_Task]:
        """Where in a store of `kind` another store can be."""
        inner = _Task(task.path, task.path or ".", None, task.depth + 1)
        if kind == "oci-layout":
            yield from self.below(inner, entries, () if self.deep else ("blobs",))
            return
        if kind in ("containers-storage", "docker"):
            for name, path in self.children(join(task.path, "volumes")):
                if self.is_directory(data := join(path, "_data")):
                    yield inner._replace(path=data, through=f"volume:{name}")
        if kind == "docker" and self.is_directory(daemon := join(task.path, "containerd/daemon")):
            yield inner._replace(path=daemon)
        for ident, path in self.layers(kind, task.path, entries):
            for place in [path] if self.deep else self.places(path, _PLACE_TREE):
                yield inner._replace(path=place, through=f"layer:{ident}")

    def layers(self, kind: StoreKind, root: str, entries: dict[str, Entry]) -> Iterator[tuple[str, str]]:
        """The layers of a store as (id, directory of its files)."""
        for home in _FLAT.get(kind, ()):
            for name, path in self.promising(join(root, home)):
                yield name, path
        stacked = _STACKED.get(kind, ())
        if kind == "containerd":
            stacked = tuple(f"{name}/snapshots" for name in entries if name.startswith(SNAPSHOTTER))
        elif kind == "buildkit":
            stacked = tuple(f"{name}/snapshots/snapshots" for name in entries if BUILDKIT_WORKER.fullmatch(name))
        for home in stacked:
            for name, path in self.promising(join(root, home)):
                part = next((part for part in ("diff", "fs") if self.is_directory(join(path, part))), None)
                if part:
                    yield name, join(path, part)
                elif kind not in _STACKED:
                    # The native snapshotter has the files where overlayfs has the directory above them.
                    yield name, path

    def promising(self, path: str) -> Iterator[tuple[str, str]]:
        """The layers in a directory as `children` gives them, those left out in which engines keep no data."""
        noted = self.above.get(path, ()) if self.above is not None else None
        if noted is None or not (noted or self.is_directory(path)):
            # What is no directory is told.
            yield from self.children(path)
            return
        for name in sorted(noted):
            yield name, join(path, name)

    def places(self, path: str, wanted: _Branch) -> Iterator[str]:
        """The directories below the root of a file system where engines keep their data."""
        for name, rest in wanted.items():
            if name == "*":
                for _, child in self.children(path):
                    yield from self.places(child, rest)
            elif self.is_directory(child := join(path, name)):
                yield from self.places(child, rest) if rest else (child,)

    def children(self, path: str) -> Iterator[tuple[str, str]]:
        """The directories in a directory as (name, path); none if it isn't there."""
        try:
            entries = self.tree.list(path)
        except Missing:
            return
        except UnreadableFile as err:
            self.refused(path, err)
            return
        for entry in entries:
            if entry.type == "dir":
                yield entry.name, join(path, entry.name)

    def list(self, path: str) -> dict[str, Entry] | None:
        """The entries of a directory; None if it is on another file system, or refused."""
        self.looked += 1
        try:
            if path and self.tree.stat(path).st_dev != self.device:
                self.findings.say("live-mount", "another file system is mounted here; it is not searched", path=path)
                return None
            return {entry.name: entry for entry in self.tree.list(path)}
        except UnreadableFile as err:
            self.refused(path, err)
            return None

    def is_directory(self, path: str) -> bool:
        return is_directory(self.tree, path)

    def refused(self, path: str, err: UnreadableFile) -> None:
        self.findings.say("unreadable", f"{err.sentence}; stores in it are not found", path=path)


def _place_tree() -> _Branch:
    """The places as nested dictionaries, so that a common beginning is looked for once."""
    top: _Branch = {}
    for place in PLACES:
        here = top
        for name in place.split("/"):
            here = here.setdefault(name, {})
    return top


def _above(paths: Collection[str]) -> dict[str, set[str]]:
    """The directories above some paths: path -> names in it that lead to one."""
    found: dict[str, set[str]] = {}
    for path in paths:
        head, _, name = path.rpartition("/")
        while name and name not in (known := found.setdefault(head, set())):
            known.add(name)
            head, _, name = head.rpartition("/")
    return found


_PLACE_TREE = _place_tree()
TOPS = frozenset(_PLACE_TREE)
"""The uppermost directories of the places; a layer without one of them has no store where engines keep theirs."""
