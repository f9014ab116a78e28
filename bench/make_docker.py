"""Makes a large Docker data-root (overlay2, graph mode) whose build cache has many records, shaped as real ones are.

usage: python -m bench.make_docker DIRECTORY --records 100000 [--driver vfs] [--images 200] [--seed 1]

Chains of build records on one another, every layer of the images is a record's, too (docker-buildkit-containerd 2.8):
`buildkit/{metadata_v2,containerdmeta,snapshots}.db`, layerdb, imagedb, repositories.json and one overlay2 directory a
record with `link`, `lower`, `committed`, a short link and a file or two.  The same arguments give the same names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.make_store import layer_link
from tests.make.bolt import BoltMaker

if TYPE_CHECKING:
    from tests.make.bolt import Tree

CREATED_NS = 1_790_000_000_000_000_000
DEPTH = 30
_YEAR_1 = 62135596800
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Record(NamedTuple):
    """A build record: its number, and that of its parent, -1 for none."""

    number: int
    parent: int

    @property
    def id(self) -> str:
        """25 characters, the immutable record's id."""
        return ident("record", self.number)

    @property
    def directory(self) -> str:
        """25 characters, the directory that was its mutable record's."""
        return ident("directory", self.number)

    @property
    def diff_id(self) -> str:
        """Digest of its layer."""
        return "sha256:" + hashlib.sha256(b"diff %d" % self.number).hexdigest()


def ident(word: str, number: int) -> str:
    """25 digits of base 36, as BuildKit's identity package makes them."""
    value = int.from_bytes(hashlib.sha256(f"{word} {number}".encode()).digest()[:17], "big")
    digits = ""
    for _ in range(25):
        value, digit = divmod(value, 36)
        digits += _DIGITS[digit]
    return digits


def plan_records(count: int, seed: int) -> list[Record]:
    """Records in chains of up to `DEPTH`, half of which branch off from another chain."""
    dice = random.Random(seed)
    records: list[Record] = []
    depths: list[int] = []
    while len(records) < count:
        below = dice.randrange(len(records)) if records and dice.random() < 0.5 else -1
        depth = depths[below] + 1 if below >= 0 else 0
        for _ in range(dice.randrange(1, DEPTH)):
            if depth >= DEPTH or len(records) >= count:
                break
            records.append(Record(len(records), below))
            depths.append(depth)
            below, depth = len(records) - 1, depth + 1
    return records


def chain_of(records: list[Record], top: Record) -> list[Record]:
    """A record and those below it, base first."""
    chain = [top]
    while chain[-1].parent >= 0:
        chain.append(records[chain[-1].parent])
    return chain[::-1]


def chain_ids(chain: list[Record]) -> list[str]:
    """Chain ID of each record of a chain (2.3)."""
    found: list[str] = []
    for record in chain:
        text = f"{found[-1]} {record.diff_id}" if found else record.diff_id
        found.append("sha256:" + hashlib.sha256(text.encode()).hexdigest() if found else text)
    return found


def make_docker(top: Path, count: int, images: int, seed: int, driver: str = "overlay2") -> int:
    """Makes the data-root, of overlay2 or vfs; the number of records."""
    records = plan_records(count, seed)
    dice = random.Random(seed + 1)
    for name in (
        "containers",
        "volumes",
        "tmp",
        "plugins",
        "swarm",
        "runtimes",
        "overlay2/l",
        "buildkit/content/blobs",
    ):
        (top / name).mkdir(parents=True)
    layers = write_images(top / "image" / driver, records, images, dice)
    write_databases(top, records, layers)
    if driver == "vfs":
        (top / "overlay2/l").rmdir()
        (top / "overlay2").rmdir()
        write_copies(top, records, dice)
    else:
        write_directories(top, records, dice)
    return len(records)


def write_images(home: Path, records: list[Record], images: int, dice: random.Random) -> dict[int, str]:
    """Images on top of chains, and their layers; chain ID by number of the record."""
    content, layerdb = home / "imagedb/content/sha256", home / "layerdb/sha256"
    for directory in (
        content,
        home / "imagedb/metadata/sha256",
        layerdb,
        home / "layerdb/mounts",
        home / "layerdb/tmp",
    ):
        directory.mkdir(parents=True)
    layers: dict[int, str] = {}
    names: dict[str, dict[str, str]] = {}
    for number in range(images):
        chain = chain_of(records, records[dice.randrange(len(records))])
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": {"Labels": {"number": str(number)}},
            "rootfs": {"type": "layers", "diff_ids": [record.diff_id for record in chain]},
        }
        data = json.dumps(config).encode()
        digest = hashlib.sha256(data).hexdigest()
        (content / digest).write_bytes(data)
        names[f"image{number}"] = {f"image{number}:latest": f"sha256:{digest}"}
        below = ""
        for record, chain_id in zip(chain, chain_ids(chain), strict=True):
            if record.number not in layers:
                layers[record.number] = chain_id
                write_layer(layerdb / chain_id.removeprefix("sha256:"), record, below)
            below = chain_id
    (home / "repositories.json").write_text(json.dumps({"Repositories": names}))
    return layers


def write_layer(place: Path, record: Record, parent: str) -> None:
    """A record of layerdb (2.4)."""
    place.mkdir()
    (place / "diff").write_text(record.diff_id)
    (place / "cache-id").write_text(record.directory)
    (place / "size").write_text("5000")
    (place / "tar-split.json.gz").write_bytes(b"\x1f\x8b" + bytes(200))
    if parent:
        (place / "parent").write_text(parent)


def write_databases(top: Path, records: list[Record], layers: dict[int, str]) -> None:
    """The three bolt files of BuildKit in graph mode (2.8, 3.2)."""
    snapshots: Tree = {}
    leases: Tree = {}
    main: Tree = {}
    at = struct.pack(">Bqih", 1, CREATED_NS // 10**9 + _YEAR_1, 0, -1)
    for record in records:
        key = record.id.encode()
        parent = records[record.parent].id if record.parent >= 0 else ""
        snapshot: Tree = {b"committed": record.directory.encode()}
        if record.number in layers:
            snapshot[b"chainid"] = layers[record.number].encode()
        snapshots[key] = snapshot
        snapshots[record.directory.encode()] = {b"parent": parent.encode(), b"iscommitted": b""}
        leases[key] = {
            b"createdat": at,
            b"labels": {b"containerd.io/gc.flat": b"2026-01-02T03:04:05Z"},
            b"snapshots": {b"default": {key: b""}},
        }
        values: dict[str, object] = {
            "cache.cachePolicy": 1,
            "cache.createdAt": CREATED_NS + record.number,
            "cache.lastUsedAt": CREATED_NS + 1_000_000 * (record.number % 5000),
            "cache.usageCount": 1 + record.number % 7,
            "cache.description": f"[stage 2/3] COPY file{record.number} /",
            "cache.snapshot": record.id,
            "snapshot.committed": True,
            "snapshot.size": 5000,
        }
        if parent:
            values["cache.parent"] = parent
        main[key] = {name.encode(): json.dumps({"value": value}).encode() for name, value in values.items()}
    write_bolt(top / "buildkit/snapshots.db", snapshots)
    write_bolt(top / "buildkit/containerdmeta.db", {b"v1": {b"buildkit": {b"leases": leases}}})
    write_bolt(top / "buildkit/metadata_v2.db", {b"_main": main, b"_external": {}, b"_index": {}})
    write_bolt(top / "buildkit/cache.db", {b"_result": {}, b"_links": {}, b"_byresult": {}, b"_backlinks": {}})
    write_bolt(top / "buildkit/history.db", {b"_records": {}, b"_version": {b"version": b"2"}})


def write_bolt(path: Path, tree: Tree) -> None:
    """A bolt file with as many elements a page as bolt puts there."""
    path.write_bytes(BoltMaker(fanout=12).write(tree))


def write_directories(top: Path, records: list[Record], dice: random.Random) -> None:
    """overlay2 (2.5)."""
    links = [layer_link(record.number) for record in records]
    block = bytes(range(256)) * 16
    for record in records:
        place = top / "overlay2" / record.directory
        (place / "diff").mkdir(parents=True)
        (place / "link").write_text(links[record.number])
        (top / "overlay2/l" / links[record.number]).symlink_to(f"../{record.directory}/diff")
        lowers = [f"l/{links[lower.number]}" for lower in chain_of(records, record)[-2::-1]]
        if lowers:
            (place / "lower").write_text(":".join(lowers))
            (place / "work").mkdir()
        (place / "committed").touch()
        for number in range(dice.randrange(1, 3)):
            (place / "diff" / f"file{number}").write_bytes(block[: dice.randrange(4096)])


def write_copies(top: Path, records: list[Record], dice: random.Random) -> None:
    """vfs: whole directories; one file each here, as copies of their parents would make terabytes."""
    block = bytes(range(256)) * 16
    for record in records:
        place = top / "vfs/dir" / record.directory
        place.mkdir(parents=True)
        (place / "file").write_bytes(block[: dice.randrange(4096)])


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--driver", choices=("overlay2", "vfs"), default="overlay2")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    start = time.perf_counter()
    count = make_docker(given.directory, given.records, given.images, given.seed, given.driver)
    print(f"{count:,} records in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
