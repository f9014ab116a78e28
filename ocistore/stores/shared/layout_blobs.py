"""The files below `blobs/` of a layout, and reading them; for OCI layouts and for podman's artifacts.

Nothing is followed out of the directory: a symbolic link in place of `blobs`, of an algorithm's directory or of a blob
is reported and blocks plans (oci-layout 5, last item).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.tree import Missing
from ocistore.errors import UnreadableFile
from ocistore.formats.digest import Digest, can_hash, is_algorithm, is_encoded, matches, parse_digest

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry, Tree
    from ocistore.findings import Findings

BLOBS = "blobs"
_BLOB_LEFTOVERS = (
    (re.compile(r"[0-9]+\.tmp", re.ASCII), "temporary blob of regclient"),
    (re.compile(r"[0-9a-f]{64,128}\.[0-9]+\.tmp", re.ASCII), "temporary manifest of regclient"),
    (re.compile(r"[0-9a-f]{64}[0-9]+", re.ASCII), "temporary blob of go-containerregistry"),
    (re.compile(r"[0-9a-f]{128}[0-9]+", re.ASCII), "temporary blob of go-containerregistry"),
    (re.compile(r"[0-9]+", re.ASCII), "temporary blob of go-containerregistry"),
)


class BlobFile(NamedTuple):
    """A file of a valid name below `blobs/`.

    Attributes:
        digest: what its name says.
        path: relative to the tree.
        is_link: a symbolic link, which is not followed.
    """

    digest: Digest
    path: str
    is_link: bool


class Leftover(NamedTuple):
    """A path that is no content.

    Attributes:
        path: relative to the tree.
        note: whose temporary file it is; empty if no writer is known to make such.
    """

    path: str
    note: str


@dataclass(slots=True)
class BlobListing:
    """What lies below `blobs/`.

    Attributes:
        files: by digest.
        leftovers: what is no content.
        unseen: algorithms whose directory could not be listed; `None` in it: `blobs/` itself.
    """

    files: dict[str, BlobFile] = field(default_factory=dict)
    leftovers: list[Leftover] = field(default_factory=list)
    unseen: set[str | None] = field(default_factory=set)

    def is_absent(self, digest: Digest) -> bool:
        """Whether it is sure that no file has this digest's name."""
        return digest.text not in self.files and self.unseen.isdisjoint((None, digest.algorithm))


def join(base: str, name: str) -> str:
    """A path below `base`, which may be the tree's root."""
    return f"{base}/{name}" if base else name


def list_blobs(tree: Tree, base: str, findings: Findings, root: str) -> BlobListing:
    """Lists the blobs of the layout at `base`, sorted by algorithm and name.

    Args:
        tree: where the layout lies.
        base: its directory in the tree, empty for the root.
        findings: receives `unreadable` and `leaves-root`.
        root: root of the store as findings name it.

    Source: oci-layout 1 and 6 (last paragraph).
    """
    listing = BlobListing()
    top = join(base, BLOBS)
    algorithms = _list(tree, top, None, listing, findings, root)
    for entry in algorithms or ():
        path = join(top, entry.name)
        if not is_algorithm(entry.name) or entry.type not in ("dir", "link"):
            listing.leftovers.append(Leftover(path, ""))
            continue
        for each in _list(tree, path, entry.name, listing, findings, root) or ():
            _sort_in(listing, entry.name, each, join(path, each.name), findings, root)
    return listing


def _list(
    tree: Tree, path: str, algorithm: str | None, listing: BlobListing, findings: Findings, root: str
) -> list[Entry] | None:
    try:
        return tree.list(path)
    except Missing:
        if algorithm is None:
            findings.say("unreadable", "there is no directory with blobs here", path=path, root=root)
        return None
    except UnreadableFile as err:
        listing.unseen.add(algorithm)
        link = link_target(tree, path)
        if link is None:
            findings.say("unreadable", err.sentence, path=path, root=root)
        else:
            findings.say(
                "leaves-root",
                f"a symbolic link to {link!r} stands where a directory of blobs should be; it is not followed",
                path=path,
                root=root,
            )
        return None


def _sort_in(listing: BlobListing, algorithm: str, entry: Entry, path: str, findings: Findings, root: str) -> None:
    if entry.type in ("file", "link") and is_encoded(algorithm, entry.name):
        digest = Digest(algorithm, entry.name)
        listing.files[digest.text] = BlobFile(digest, path, entry.type == "link")
        if entry.type == "link":
            findings.say(
                "leaves-root",
                "a symbolic link stands where a blob should be; it is not followed",
                path=path,
                node=f"blob:{digest.text}",
                root=root,
            )
        return
    note = ""
    if entry.type == "file":
        note = next((text for pattern, text in _BLOB_LEFTOVERS if pattern.fullmatch(entry.name)), "")
    listing.leftovers.append(Leftover(path, note))


def link_target(tree: Tree, path: str) -> str | None:
    """The target of a symbolic link, None if the path is none."""
    try:
        return tree.readlink(path)
    except UnreadableFile:
        return None


def has_right_bytes(digest: str, data: bytes) -> bool | None:
    """Whether bytes have a digest; None if that can't be told here (blake3, unregistered algorithms)."""
    parsed = parse_digest(digest)
    if parsed is None or not can_hash(parsed.algorithm):
        return None
    return matches(parsed, (data,))


def first_byte(tree: Tree, path: str) -> bytes:
    """The first byte of a file, nothing of an empty one.

    Raises:
        UnreadableFile: see Tree.chunks.
    """
    for piece in tree.chunks(path, 1):
        return piece
    return b""
