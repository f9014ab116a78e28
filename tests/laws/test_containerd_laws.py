"""Laws of containerd roots, on random ones: bytes add up, plans and the collector agree, damage frees nothing."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from ocistore.formats.gotime import parse_time
from ocistore.plan.containerd.state import MetaState
from ocistore.plan.make import plan_scopes
from ocistore.plan.plan import Outcome
from ocistore.stores.open import open_store
from ocistore.stores.shared.containerd.references import SAFE
from ocistore.stores.store import Options
from ocistore.usage.bytes import ZERO
from ocistore.usage.fates import fates
from ocistore.usage.sizes import measure
from tests.make.containerd import DATABASE
from tests.make.random_containerd import make_random
from tests.naive import du, freed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ocistore.stores.store import Store

NOW_NS = parse_time("2026-06-01T00:00:00Z")
ROOTS = range(40)
PAGE = 4096
NEVER_COLLECTED = ("native/snapshots/new-", "native/snapshots/rm-", "native/snapshots/777", "/ingest/")
"""Leftovers that no collector removes: of the native snapshotter, and downloads without `ref`."""


@contextmanager
def read(root: Path) -> Iterator[Store]:
    """The store as of NOW."""
    store = open_store(str(root), Options(now_ns=NOW_NS))
    try:
        yield store
    finally:
        store.close()


def unreferenced(store: Store) -> set[str]:
    """Keys of the nodes that nothing holds."""
    return {node.key for node, fate in zip(store.graph.nodes, fates(store), strict=True) if fate == "unreferenced"}


@pytest.mark.parametrize("number", ROOTS)
def test_fates_add_up_to_du(tmp_path: Path, number: int) -> None:
    """Every byte has an owner, and the four fates are the whole."""
    make_random(tmp_path / "root", Random(number))

    with read(tmp_path / "root") as store:
        sizes = measure(store)
        total = ZERO
        for amount in sizes.fates().values():
            total = total.plus(amount)
        assert du(str(tmp_path / "root")) == sizes.total() == total


@pytest.mark.parametrize("number", ROOTS)
def test_what_is_unreferenced_is_what_a_collector_takes(tmp_path: Path, number: int) -> None:
    """One that holds what any version holds takes nothing else; all it leaves is what no collector removes."""
    make_random(tmp_path / "root", Random(number))

    with read(tmp_path / "root") as store:
        planned = {
            path
            for step in plan_scopes(store, ["unreferenced"], now_ns=NOW_NS, grace_ns=0).steps
            for path in step.removal.paths
        }
        state = MetaState(store, store.detail.meta, NOW_NS, SAFE)
        # Each store is made dirty by something that is in it alone, so that all of them are cleaned.
        state._dirty_content = True
        state._dirty_snapshotters.update(store.detail.meta.snapshotters)
        outcome = Outcome()
        state.collect(outcome)
        collected = {path for removal in outcome.removals for path in removal.paths}

    assert collected <= planned, sorted(collected - planned)
    left = planned - collected
    assert all(any(part in path for part in NEVER_COLLECTED) for path in left), sorted(left)


@pytest.mark.parametrize("number", ROOTS)
def test_a_plan_frees_what_it_says_and_leaves_the_rest_whole(tmp_path: Path, number: int) -> None:
    """Its bytes are those of its paths; without them nothing that is held lacks its file."""
    root = tmp_path / "root"
    make_random(root, Random(number))

    with read(root) as store:
        plan = plan_scopes(store, ["unreferenced"], now_ns=NOW_NS, grace_ns=0)
        paths = [str(root / path) for step in plan.steps for path in step.removal.paths]
        missing = {finding.node for finding in store.findings}
        held = {n.key for n, fate in zip(store.graph.nodes, fates(store), strict=True) if fate == "held"}
    assert freed(paths) == plan.frees
    for path in paths:
        shutil.rmtree(path) if (root / path).is_dir() else (root / path).unlink()
    with read(root) as store:
        broken = {f.node for f in store.findings if f.code in ("blob-file-missing", "snapshot-directory-missing")}

    assert not (broken - missing) & held


@pytest.mark.parametrize("number", ROOTS)
def test_damage_frees_nothing(tmp_path: Path, number: int) -> None:
    """A page of zeroes or a cut end, in either database: what was held is never unreferenced for it."""
    random = Random(number)
    root = tmp_path / "root"
    make_random(root, random)
    with read(root) as store:
        before = unreferenced(store)
    database = random.choice([DATABASE, "io.containerd.snapshotter.v1.overlayfs/metadata.db"])
    data = bytearray((root / database).read_bytes())
    page = random.randrange(2, len(data) // PAGE)
    if random.random() < 0.5:
        data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
    else:
        del data[page * PAGE :]
    (root / database).write_bytes(data)

    with read(root) as store:
        assert unreferenced(store) <= before, sorted(unreferenced(store) - before)
