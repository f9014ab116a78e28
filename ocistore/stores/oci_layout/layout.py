"""Which directories are OCI layouts, and what lies in one besides blobs."""

from __future__ import annotations

import re
import stat as stat_module
from typing import TYPE_CHECKING

from ocistore.errors import UnreadableFile
from ocistore.formats.gotime import parse_time
from ocistore.stores.shared.layout_blobs import BLOBS, Leftover, join, link_target

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry, Tree

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
DOCKER_ARCHIVE = "manifest.json"
DOCKER_REPOSITORIES = "repositories"
INGEST = "ingest"
SUPPORTED_VERSION = "1.0.0"
_TOP_LEFTOVERS = (
    ("file", re.compile(r"oci-put-blob[0-9]+", re.ASCII), "temporary blob of skopeo, podman or buildah"),
    ("dir", re.compile(r"\.umoci-.*", re.DOTALL), "temporary directory of umoci"),
    ("file", re.compile(r"\.umoci-.*", re.DOTALL), "temporary file that umoci's gc removes"),
    ("file", re.compile(r"index\.json\.[0-9]+\.tmp", re.ASCII), "temporary index of regclient"),
    ("file", re.compile(r"index\.json\.lock", re.ASCII), "lock of a BuildKit export"),
)
_INGEST_LEFTOVERS = (
    ("file", re.compile(r"[0-9a-f]{64,128}_[0-9]+", re.ASCII), "temporary blob of oras"),
    ("dir", re.compile(r"[0-9a-f]{64}", re.ASCII), "unfinished write of BuildKit or containerd"),
)


_MOST_TEMPORARY = 10_000
"""Directories below one temporary directory that are looked at."""
_ALWAYS_YOUNG_NS = parse_time("9999-12-31T23:59:59Z")


def looks_like_layout(tree: Tree, path: str) -> bool:
    """Whether the directory at `path` is an OCI layout, whole or a partial copy of one.

    The `oci-layout` file and `blobs/` make one; so do `index.json` and `blobs/sha256/` without it (a partial copy), and
    `oci-layout` with `index.json` whose `blobs/` was lost.  A link in place of one of them counts: the reader reports
    it.  A content store of containerd (`blobs/` and `ingest/`, no index), a registry, a `dir:` directory and docker
    save's directory before version 25 are none.

    Source: oci-layout 1.
    """
    try:
        entries = {entry.name: entry.type for entry in tree.list(path)}
    except UnreadableFile:
        return False
    has_layout = entries.get(LAYOUT_FILE) in ("file", "link")
    has_index = entries.get(INDEX_FILE) in ("file", "link")
    if has_layout and (has_index or entries.get(BLOBS) in ("dir", "link")):
        return True
    if not has_index or entries.get(BLOBS) != "dir":
        return False
    try:
        return any(entry.name == "sha256" and entry.type in ("dir", "link") for entry in tree.list(join(path, BLOBS)))
    except UnreadableFile:
        return False


def find_leftovers(entries: list[Entry], known: set[str]) -> list[Leftover]:
    """What lies at the top of a layout and is not part of it.

    Args:
        entries: the layout's directory.
        known: names that are part of it.

    Source: oci-layout 6.
    """
    return [Leftover(each.name, _note(each, _TOP_LEFTOVERS)) for each in entries if each.name not in known]


def find_ingests(tree: Tree, base: str) -> list[Leftover]:
    """What lies in `ingest/`, which itself stays between writes (oci-layout 6: oras, BuildKit, containerd).

    Raises:
        UnreadableFile: see Tree.list.
    """
    top = join(base, INGEST)
    return [Leftover(join(top, each.name), _note(each, _INGEST_LEFTOVERS)) for each in tree.list(top)]


def _note(entry: Entry, patterns: tuple[tuple[str, re.Pattern[str], str], ...]) -> str:
    for kind, pattern, note in patterns:
        if entry.type == kind and pattern.fullmatch(entry.name):
            return note
    return ""


def last_written(tree: Tree, path: str) -> int | None:
    """When anything in a temporary directory was last written; None for a file, whose own time says it.

    A writer that is active changes a file in its directory and not the directory, so the grace must ask the files.
    What can't be looked at counts as just written.
    """
    newest = 0
    stack = [path]
    try:
        if not stat_module.S_ISDIR(tree.stat(path).st_mode):
            return None
        for _ in range(_MOST_TEMPORARY):
            if not stack:
                return min(newest, _ALWAYS_YOUNG_NS)
            here = stack.pop()
            newest = max(newest, tree.stat(here).st_mtime_ns)
            for entry in tree.list(here):
                below = join(here, entry.name)
                if entry.type == "dir":
                    stack.append(below)
                else:
                    newest = max(newest, tree.stat(below).st_mtime_ns)
    except UnreadableFile:
        pass
    return _ALWAYS_YOUNG_NS


def is_link(tree: Tree, path: str) -> bool:
    """Whether a symbolic link stands at `path`."""
    return link_target(tree, path) is not None
