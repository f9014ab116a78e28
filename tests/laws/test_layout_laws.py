"""Laws about all OCI layouts, on random ones (tests/make/random_layout.py); a failure names the seed."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.plan.make import plan_command, plan_scopes
from ocistore.usage.bytes import Bytes
from ocistore.usage.fates import fates
from ocistore.usage.sizes import measure
from tests.make.layout import open_layout
from tests.make.random_layout import NAMES, make_layout
from tests.naive import du
from tests.plan.oci_plan import run_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.plan.plan import Plan
    from ocistore.stores.store import Store

law = settings(derandomize=True, deadline=None, max_examples=50)
seeds = st.integers(0, 10**9)
NOW_NS = 4_000_000_000 * 10**9
"""A time at which every file is old."""
GC = "umoci gc --layout root"


@contextmanager
def made(seed: int, *, holes: bool = False, odd_names: bool = False) -> Iterator[Path]:
    """A random layout in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        yield make_layout(Path(directory) / "layout", Random(seed), holes=holes, odd_names=odd_names).path


@contextmanager
def reading(path: Path) -> Iterator[Store]:
    """The layout, closed afterwards."""
    store = open_layout(path)
    try:
        yield store
    finally:
        store.close()


def fate_of(store: Store, fate: str) -> set[str]:
    """`kind:id` of all nodes of a fate."""
    return {node.key for node, each in zip(store.graph.nodes, fates(store), strict=True) if each == fate}


def carry_out(path: Path, plan: Plan) -> None:
    """Removes what a plan names, and names from index.json as tools do."""
    gone = {step.removal.id for step in plan.steps if step.removal.kind == "ref"}
    index = path / "index.json"
    document = json.loads(index.read_text())
    key = "org.opencontainers.image.ref.name"
    document["manifests"] = [
        entry for entry in document["manifests"] if entry.get("annotations", {}).get(key) not in gone
    ]
    index.write_text(json.dumps(document).ljust(index.stat().st_size))
    for step in plan.steps:
        for each in step.removal.paths:
            target = path / each
            shutil.rmtree(target) if target.is_dir() else target.unlink()


@law
@given(seeds)
def test_the_fates_of_a_layout_add_up_to_du(seed: int) -> None:
    """Every byte has one fate."""
    with made(seed, odd_names=True) as path, reading(path) as store:
        sizes = measure(store)
        total = Bytes()
        for amount in sizes.fates().values():
            total = total.plus(amount)

        assert total == du(str(path))


@law
@given(seeds)
def test_what_is_unreferenced_is_marked_by_no_tool(seed: int) -> None:
    """Whatever umoci keeps below blobs/sha256, this program doesn't call unreferenced: it holds at least as much."""
    with made(seed) as path, reading(path) as store:
        ran = run_all(store, GC)
        ours = {key for key in fate_of(store, "unreferenced") if key.startswith("blob:sha256:")}

        assert ran.failure or ours <= {f"blob:{blob}" for blob in ran.blobs}


@law
@given(seeds)
def test_gc_after_gc_takes_nothing(seed: int) -> None:
    """A plan after the same plan is empty."""
    with made(seed) as path, reading(path) as store:
        once, twice = run_all(store, GC), run_all(store, f"{GC} && {GC}")

        assert once.steps == twice.steps


@law
@given(seeds)
def test_a_prune_leaves_what_was_held(seed: int) -> None:
    """Carried out, a plan frees the bytes that it says, leaves every held thing, and the next plan is empty."""
    with made(seed, odd_names=True) as path:
        with reading(path) as store:
            held, before = fate_of(store, "held"), du(str(path))
            plan = plan_scopes(store, ["unreferenced"], now_ns=NOW_NS, grace_ns=0)
        carry_out(path, plan)
        with reading(path) as store:
            after = fate_of(store, "held")
            again = plan_scopes(store, ["unreferenced"], now_ns=NOW_NS, grace_ns=0)

        assert not plan.blocked
        assert plan.frees == before.minus(du(str(path)))
        assert after == held
        assert again.steps == []


@law
@given(seeds, st.sampled_from(["dangling", "all"]))
def test_dangling_images_go_and_names_stay(seed: int, scope: str) -> None:
    """Dropping unnamed entries takes no name, and nothing that a name holds."""
    with made(seed) as path, reading(path) as store:
        plan = plan_scopes(store, [scope], now_ns=NOW_NS, grace_ns=0)
        taken = {f"{step.removal.kind}:{step.removal.id}" for step in plan.steps}
        names = [number for number, node in enumerate(store.graph.nodes) if node.kind == "ref"]
        stack, held = list(names), set(names)
        while stack:
            for below, _ in store.graph.held_by(stack.pop()):
                if below not in held:
                    held.add(below)
                    stack.append(below)

        assert not taken & {store.graph.nodes[number].key for number in held}


@law
@given(seeds, seeds)
def test_the_order_of_entries_does_not_matter(seed: int, shuffle: int) -> None:
    """Which blobs are held doesn't depend on the order of index.json."""
    with made(seed) as path:
        with reading(path) as store:
            before = fate_of(store, "held")
        index = path / "index.json"
        document = json.loads(index.read_text())
        Random(shuffle).shuffle(document["manifests"])
        index.write_text(json.dumps(document))
        with reading(path) as store:
            assert fate_of(store, "held") == before


@law
@given(seeds, st.sampled_from(NAMES[:4]))
def test_native_plans_count_what_they_take(seed: int, name: str) -> None:
    """The sum of the steps is the plan's, whichever tool plans."""
    with made(seed, holes=True) as path, reading(path) as store:
        for command in (
            f"umoci rm --image root:{name} && {GC}",
            f"skopeo delete oci:root:{name}",
            f"oras manifest delete -f --oci-layout root:{name}",
        ):
            plan = plan_command(store, command, now_ns=NOW_NS)
            total = Bytes()
            for step in plan.steps:
                assert step.frees is not None
                total = total.plus(step.frees)

            assert (command, plan.frees) == (command, total)


@law
@given(seeds)
def test_a_spoilt_blob_never_makes_more_unreferenced(seed: int) -> None:
    """Whatever happens to one blob's bytes, nothing that was held becomes unreferenced."""
    with made(seed) as path:
        with reading(path) as store:
            held = fate_of(store, "held")
        random = Random(seed)
        victim = random.choice(sorted((path / "blobs" / "sha256").iterdir()))
        data = bytearray(victim.read_bytes())
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        victim.write_bytes(data[: random.randint(1, len(data))])
        with reading(path) as store:
            assert not held & fate_of(store, "unreferenced")


@law
@given(seeds)
def test_a_spoilt_index_never_makes_anything_unreferenced(seed: int) -> None:
    """A torn index.json leaves nothing to plan."""
    with made(seed) as path:
        index = path / "index.json"
        data = index.read_bytes()
        index.write_bytes(data[: Random(seed).randrange(len(data))])
        with reading(path) as store:
            plan = plan_scopes(store, ["all"], now_ns=NOW_NS, grace_ns=0)

            assert (fate_of(store, "unreferenced"), plan.blocked, plan.steps) == (set(), True, [])
