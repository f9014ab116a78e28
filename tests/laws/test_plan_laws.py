"""Laws of plans on random containers/storage directories: what is planned, carried out on the spot, is what goes.

A store is made from a drawn description, a plan is made, its paths are unlinked and its records dropped, and the store
is read again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.formats.gotime import parse_time
from ocistore.plan.make import SCOPES, plan_command, plan_scopes
from ocistore.stores.store import Options
from ocistore.usage.fates import fates
from ocistore.usage.sizes import measure
from tests.make.storage import StorageMaker, open_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.plan.plan import Plan
    from ocistore.stores.store import Store

NOW_NS = parse_time("2026-11-21T07:00:00Z")
RECORDS = (
    "layers.json",
    "volatile-layers.json",
    "images.json",
    "containers.json",
    "volatile-containers.json",
    "db.sql",
)
COMMANDS = (
    "podman image prune -f",
    "podman image prune -a -f",
    "podman image prune -a -f --external",
    "podman container prune -f",
    "podman volume prune -f",
    "podman system prune -a -f --volumes",
    "podman rmi -a -f",
    "podman rm -a -f -v",
    "buildah rmi -a -f",
    "buildah rm -a",
    "containers-storage gc",
)


@st.composite
def recipes(draw: st.DrawFn) -> Callable[[Path], StorageMaker]:
    """A function that makes a store of some layers, images, containers, volumes and debris."""
    count = draw(st.integers(1, 7))
    parents = [draw(st.integers(-1, n - 1)) for n in range(count)]
    images = draw(st.lists(st.tuples(st.integers(0, count - 1), st.booleans(), st.integers(1, 3)), max_size=6))
    users = draw(
        st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["podman", "buildah"]), st.booleans()), max_size=4)
    )
    volumes = draw(st.lists(st.booleans(), max_size=3))
    debris = draw(st.sets(st.sampled_from(["directory", "link", "temporary", "image"])))

    def make(top: Path) -> StorageMaker:
        maker = StorageMaker(top)
        layers: list[str] = []
        for number, parent in enumerate(parents):
            layers.append(maker.layer(f"L{number}", layers[parent] if parent >= 0 else "", 100 + 5000 * number))
        made = []
        for number, (layer, named, steps) in enumerate(images):
            names = [f"localhost/i{number}:latest"] if named else []
            made.append(
                (maker.image(f"i{number}", layers[layer], names, [f"s{s}" for s in range(steps)]), layers[layer])
            )
        for number, (image, tool, with_volume) in enumerate(users):
            if made:
                base, top_layer = made[image % len(made)]
                mounts = ["v0"] if with_volume and volumes and tool == "podman" else []
                maker.container(f"c{number}", base, top_layer, maker=tool, volumes=mounts)
        for number, anonymous in enumerate(volumes):
            maker.volume(f"v{number}", anonymous=anonymous)
        _add_debris(maker, debris)
        return maker

    return make


def _add_debris(maker: StorageMaker, debris: set[str]) -> None:
    if "directory" in debris:
        maker.layer("unrecorded", record=False)
    if "link" in debris:
        (maker.root / "overlay" / "l" / "STALE").symlink_to("../nowhere/diff")
    if "temporary" in debris:
        (maker.root / "overlay-layers" / ".tmp-layers.json1").write_bytes(b"x" * 5000)
    if "image" in debris:
        (maker.root / "overlay-images" / ("ab" * 32)).mkdir()


def du(root: Path) -> tuple[int, int, int]:
    """Allocated bytes, apparent bytes and inodes below a root, each inode once, record files left out."""
    seen: dict[tuple[int, int], os.stat_result] = {}
    for directory, _, files in os.walk(root):
        for path in [directory, *(os.path.join(directory, name) for name in files)]:
            if os.path.basename(path) not in RECORDS:
                st_ = os.lstat(path)
                # A directory that loses entries may keep or lose a block of its own: records' homes stay, uncounted.
                if not os.path.isdir(path) or os.path.dirname(path) != str(root):
                    seen[st_.st_dev, st_.st_ino] = st_
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.path.islink(path):
                st_ = os.lstat(path)
                seen[st_.st_dev, st_.st_ino] = st_
    return (
        sum(s.st_blocks for s in seen.values()) * 512,
        sum(s.st_size for s in seen.values()),
        len(seen),
    )


def carry_out(plan: Plan, maker: StorageMaker) -> None:
    """Unlinks a plan's paths and drops the records and rows of what went."""
    gone = {(step.removal.kind, step.removal.id) for step in plan.steps}
    for step in plan.steps:
        for name in step.removal.paths:
            full = maker.root / name
            if full.is_symlink() or not full.is_dir():
                full.unlink(missing_ok=True)
            else:
                shutil.rmtree(full)
    for part, kind in (("layers", "layer"), ("images", "image"), ("containers", "container")):
        for file in (f"{part}.json", f"volatile-{part}.json"):
            path = maker.records(part, file)
            if path.exists():
                left = [entry for entry in json.loads(path.read_text()) if (kind, entry["id"]) not in gone]
                path.write_text(json.dumps(left))
    tables = {"ContainerConfig": "container", "ContainerVolume": "container", "VolumeConfig": "volume"}
    maker.rows = [row for row in maker.rows if (tables.get(row[0], ""), row[1][0]) not in gone]
    if maker.has_database:
        maker._write_database()


def read(maker: StorageMaker) -> Store:
    """The store as it lies there now."""
    return open_storage(maker.root, Options(runroot=str(maker.run)))


def check_law(make: Callable[[Path], StorageMaker], plan_of: Callable[[Store], Plan]) -> None:
    """Frees is the difference on disk, the rest stays readable, and plan after plan is empty."""
    with tempfile.TemporaryDirectory() as top:
        maker = make(Path(top))
        store = maker.open()
        assert not store.findings.blocking
        before = du(maker.root)
        plan = plan_of(store)
        store.close()
        assert plan.frees is not None
        carry_out(plan, maker)
        after = du(maker.root)
        assert tuple(plan.frees) == tuple(b - a for b, a in zip(before, after, strict=True))
        again = read(maker)
        if not again.detail.layers:
            # With no layer left, a leftover directory is rule zero's business: nothing can be called unreferenced.
            again.close()
            return
        assert not again.findings.blocking
        failed = any(finding.code == "native-command-fails" for finding in plan.findings)
        assert failed or plan_of(again).steps == []
        again.close()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(recipes(), st.lists(st.sampled_from(SCOPES), min_size=1, max_size=4))
def test_scopes_free_what_they_say_and_leave_nothing_to_take(
    make: Callable[[Path], StorageMaker], scopes: list[str]
) -> None:
    """For every store and every set of scopes."""
    check_law(make, lambda store: plan_scopes(store, scopes, now_ns=NOW_NS, grace_ns=0))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(recipes(), st.sampled_from(COMMANDS))
def test_native_commands_free_what_they_say_and_leave_nothing_to_take(
    make: Callable[[Path], StorageMaker], command: str
) -> None:
    """For every store and every command that takes all it can."""
    check_law(make, lambda store: plan_command(store, command, now_ns=NOW_NS))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(recipes())
def test_the_default_scope_frees_the_unreferenced_fate(make: Callable[[Path], StorageMaker]) -> None:
    """Without a grace, `--prune unreferenced` is what the ledger calls unreferenced."""
    with tempfile.TemporaryDirectory() as top:
        store = make(Path(top)).open()
        plan = plan_scopes(store, ["unreferenced"], now_ns=NOW_NS, grace_ns=0)
        assert measure(store).fates()["unreferenced"] == plan.frees
        store.close()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(recipes(), st.sampled_from(COMMANDS))
def test_no_plan_takes_a_layer_that_something_left_stands_on(
    make: Callable[[Path], StorageMaker], command: str
) -> None:
    """After every native command that is planned, what is left has all layers below it."""
    with tempfile.TemporaryDirectory() as top:
        maker = make(Path(top))
        store = maker.open()
        plan = plan_command(store, command, now_ns=NOW_NS)
        store.close()
        carry_out(plan, maker)
        again = read(maker)
        assert [f.code for f in again.findings if f.code in ("layer-record-missing", "layer-directory-missing")] == []
        assert not again.detail.layers or "unknown" not in fates(again)
        again.close()
