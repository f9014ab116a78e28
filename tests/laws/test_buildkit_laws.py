"""Laws of buildkitd's roots, on random ones: bytes add up, graph and simulation agree, damage frees nothing."""

from __future__ import annotations

from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from ocistore.plan.buildkit.session import open_session
from ocistore.plan.make import plan_scopes
from ocistore.stores.open import open_store
from ocistore.stores.store import Options
from ocistore.usage.bytes import ZERO
from ocistore.usage.fates import fates
from ocistore.usage.sizes import measure
from tests.make.buildkit import NOW, BuildKitMaker, build_id
from tests.naive import du

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocistore.plan.plan import Outcome
    from ocistore.stores.store import Store

ROOTS = range(30)
PAGE = 4096
TEMPORARY = {"containerd.io/gc.flat": "x", "buildkit/lease.temporary": "2026-11-21T07:00:00Z"}
KINDS = ("regular", "regular", "internal", "frontend", "source.local", "exec.cachemount")


def make_random(root: Path, random: Random) -> BuildKitMaker:
    """A root with chains, pairs, merges, blobs, views, stale records, garbage, builds and leftovers."""
    made = BuildKitMaker(root)
    committed: list[str] = []
    for number in range(random.randrange(1, 14)):
        name = f"r{number}"
        parent = random.choice(["", *committed]) if committed else ""
        keys: dict[str, Any] = {
            "size": random.choice([None, 100, 5000]),
            "used": random.choice([None, 5, 50, 500]),
            "usageCount": random.randrange(4),
            "recordType": random.choice(KINDS),
            "cachePolicy": random.randrange(2),
        }
        if random.random() < 0.3:
            made.pair(name, parent, **keys)
            committed.append(f"{name}-i")
        else:
            made.record(name, parent, **keys)
            committed.append(name)
            if random.random() < 0.5:
                _give_blob(made, random, name)
    if len(committed) > 2 and random.random() < 0.5:
        made.record("merge", mergeParents=[build_id(committed[0]), build_id(committed[1])])
    if random.random() < 0.5:
        made.record("stale", "nobody")
    for number in range(random.randrange(3)):
        made.snapshots[f"loose{number}"] = ("", 3, 0)
        made.blob(f"loose {number}".encode())
    for number in range(random.randrange(3)):
        blob = made.blob(f"build {number}".encode(), namespace="buildkit_history")
        made.build(build_id(f"build{number}"), [blob], pinned=random.random() < 0.3)
    bundle = root / made.worker / "executor" / build_id("bundle")
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text("{}")
    made.write()
    for directory in (root / made.worker / "snapshots/snapshots").iterdir():
        (directory / "fs/file").write_bytes(b"x" * random.randrange(1, 20_000))
    return made


def _give_blob(made: BuildKitMaker, random: Random, name: str) -> None:
    ident = build_id(name)
    blob = made.blob(f"layer {random.randrange(4)}".encode())
    made.records[ident]["cache.blob"] = blob
    made.leases["buildkit", ident][2].append(blob)
    made.lease(f"{ident}-variants", blobs=[blob], labels={})
    if random.random() < 0.5:
        made.snapshots[f"{ident}-view"] = (ident, 1, 0)
        made.lease(f"{ident}-view", snapshots=[f"{ident}-view"], labels=TEMPORARY)


@contextmanager
def read(root: Path) -> Iterator[Store]:
    """The store as of NOW."""
    store = open_store(str(root), Options(now_ns=NOW))
    try:
        yield store
    finally:
        store.close()


def unreferenced(store: Store) -> set[str]:
    """Keys of the nodes that nothing holds."""
    return {node.key for node, fate in zip(store.graph.nodes, fates(store), strict=True) if fate == "unreferenced"}


def paths(outcome: Outcome) -> list[str]:
    """The paths that vanish."""
    return [path for removal in outcome.removals for path in removal.paths]


@pytest.mark.parametrize("number", ROOTS)
def test_fates_add_up_to_du(tmp_path: Path, number: int) -> None:
    """Every byte has an owner, and the four fates are the whole."""
    make_random(tmp_path, Random(number))

    with read(tmp_path) as store:
        sizes = measure(store)
        total = ZERO
        for amount in sizes.fates().values():
            total = total.plus(amount)
        assert du(str(tmp_path)) == sizes.total() == total


@pytest.mark.parametrize("number", ROOTS)
def test_the_scope_cache_is_prune_all(tmp_path: Path, number: int) -> None:
    """The graph, without its build records, lets go of what the simulation takes; bundles are left by both engines."""
    make_random(tmp_path, Random(number))

    with read(tmp_path) as store:
        scope = plan_scopes(store, ["unreferenced", "cache"], now_ns=NOW, grace_ns=0)
        planned = {path for step in scope.steps for path in step.removal.paths}
        command = open_session(store, NOW).run(["buildctl", "prune", "--all"], None)

    assert set(paths(command)) == {path for path in planned if "/executor/" not in path}


@pytest.mark.parametrize("number", ROOTS)
def test_a_prune_takes_each_path_once_and_then_nothing(tmp_path: Path, number: int) -> None:
    """Whatever its options; a prune of all after it takes what a prune of all takes alone, and a second one nothing."""
    make_random(tmp_path, Random(number))
    options = Random(number).choice(
        [["--keep-storage", "0.01"], ["--keep-duration", "40s"], ["--filter", "type==regular"], []]
    )

    with read(tmp_path) as store:
        session = open_session(store, NOW)
        first = session.run(["buildctl", "prune", *options], None)
        second = session.run(["buildctl", "prune", "--all"], None)
        third = session.run(["buildctl", "prune", "--all"], None)
        alone = open_session(store, NOW).run(["buildctl", "prune", "--all"], None)

    together = [*paths(first), *paths(second)]
    assert len(together) == len(set(together))
    assert set(together) == set(paths(alone))
    assert [] == third.removals


@pytest.mark.parametrize("number", ROOTS)
def test_damage_frees_nothing(tmp_path: Path, number: int) -> None:
    """A page of zeroes or a cut end, in any database: what was held is never unreferenced for it."""
    random = Random(number)
    made = make_random(tmp_path, random)
    with read(tmp_path) as store:
        before = unreferenced(store)
    worker = tmp_path / made.worker
    names = [worker / "metadata_v2.db", worker / "containerdmeta.db", worker / "snapshots/metadata.db"]
    database = random.choice([*names, tmp_path / "history.db", tmp_path / "cache.db"])
    data = bytearray(database.read_bytes())
    page = random.randrange(2, len(data) // PAGE)
    if random.random() < 0.5:
        data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    else:
        del data[page * PAGE :]
    database.write_bytes(data)

    with read(tmp_path) as store:
        assert unreferenced(store) <= before, sorted(unreferenced(store) - before)
