"""How fast a bolt file is read: makes one of containerd's shape and walks over all of it.

usage: python -m bench.bolt_scan [MEGABYTES]

Two files: one has a bucket for each record, with an inline bucket of labels, as containerd's meta.db has (a page a
record); the other has full pages of small values, the most elements that a file of its size can have.  Times are of one
process with the file in memory.  Source of the shape: docker-buildkit-containerd 4.2.
"""

from __future__ import annotations

import hashlib
import sys
import time
from typing import TYPE_CHECKING

from ocistore.formats.bolt import Bucket, Database, read_structure
from ocistore.stores.shared.containerd.records import read_metadata
from tests.make.bolt import BoltMaker, Tree

if TYPE_CHECKING:
    from collections.abc import Callable

_TIME = b"\x01\0\0\0\x0e\xe2\x93?\x9f\x1cq+\xb2\xff\xff"
_PER_RECORD = 4200
"""Bytes of a file that one record takes, about."""
_PER_VALUE = 120


def records(count: int) -> Tree:
    """A metadata database with that many snapshots and blobs."""
    snapshots: Tree = {}
    blobs: Tree = {}
    parent = b""
    for number in range(count // 2):
        digest = b"sha256:" + hashlib.sha256(b"%d" % number).hexdigest().encode()
        labels: Tree = {b"containerd.io/snapshot.ref": digest}
        snapshots[digest] = {
            b"createdat": _TIME,
            b"labels": labels,
            b"name": b"default/%d/%s" % (number, digest),
            b"parent": parent,
            b"updatedat": _TIME,
        }
        children: Tree = {b"containerd.io/gc.ref.content.l.%d" % n: digest for n in range(6)}
        children[b"containerd.io/distribution.source.docker.io"] = b"library/image"
        blobs[digest] = {b"createdat": _TIME, b"labels": children, b"size": b"\x80\xc0\x01", b"updatedat": _TIME}
        parent = digest if number % 12 else b""
    namespace: Tree = {b"content": {b"blob": blobs}, b"snapshots": {b"overlayfs": snapshots}}
    return {b"v1": {b"version": b"\x08", b"default": namespace}}


def values(count: int) -> Tree:
    """A bucket of that many small values."""
    return {b"index": {hashlib.sha256(b"%d" % n).digest(): b"%040d" % n for n in range(count)}}


class FilledPages(BoltMaker):
    """Writes pages about as full as bolt does: leaves are closed at half a page and more."""

    def bucket(self, tree: Tree) -> int:
        """As the maker's, with pages filled by bytes instead of a number of elements."""
        groups: list[list[tuple[int, bytes, bytes]]] = [[]]
        size = 16
        for key, value in sorted(tree.items()):
            element = self._element(key, value)
            needed = 16 + len(element[1]) + len(element[2])
            if groups[-1] and size + needed > self.page_size * 3 // 4:
                groups.append([])
                size = 16
            groups[-1].append(element)
            size += needed
        level = [(group[0][1] if group else b"", self.leaf(group)) for group in groups]
        while len(level) > 1:
            parts = [level[at : at + 30] for at in range(0, len(level), 30)]
            level = [(part[0][0], self.branch(part)) for part in parts]
        return level[0][1]


def walk(bucket: Bucket) -> tuple[int, int]:
    """How many keys there are below a bucket, and how many bytes they and their values have."""
    keys = size = 0
    for key, value in bucket.items():
        keys += 1
        size += len(key)
        if isinstance(value, Bucket):
            inner = walk(value)
            keys += inner[0]
            size += inner[1]
        else:
            size += len(value)
    return keys, size


def main() -> int:
    """Makes the file, reads it, prints the figures."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    measure("as containerd's meta.db", FilledPages().write(records(megabytes * 1_000_000 // _PER_RECORD)))
    measure("full pages of small values", FilledPages().write(values(megabytes * 1_000_000 // _PER_VALUE)))
    return 0


def measure(name: str, data: bytes) -> None:
    """Reads a file in each way, and prints how fast."""
    size = len(data) / 1e6
    print(f"{name}: {size:.0f} MB")
    database = Database(data)
    _print("scan of all trees (order, ranges, pages)", size, database.check_reachable)
    found: list[tuple[int, int]] = []
    _print("walk over every key and value", size, lambda: found.append(walk(database.root)))
    _print("both", size, lambda: walk(Database(data).root))
    _print("records of containerd", size, lambda: read_metadata(database))
    _print("freelist, leaks, bloat", size, lambda: read_structure(database))
    print(f"  {found[0][0]} keys, {found[0][1]} bytes of keys and values")


def _print(what: str, size: float, action: Callable[[], object]) -> None:
    start = time.perf_counter()
    action()
    took = time.perf_counter() - start
    print(f"  {what:<41} {took:6.2f} s  {size / took:6.1f} MB/s")


if __name__ == "__main__":
    sys.exit(main())
