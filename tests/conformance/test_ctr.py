"""Random commands of `ctr` on random roots: what containerd did to a copy, against what was planned."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from ocistore.formats.gotime import parse_time
from ocistore.plan.make import open_session
from ocistore.stores.open import open_store
from ocistore.stores.store import Options
from tests.conformance.conftest import short_directory
from tests.conformance.containerd import running, version, why_no_containerd
from tests.make.random_containerd import HELPER, make_random

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.stores.store import Store

pytestmark = [pytest.mark.native, pytest.mark.skipif(bool(why_no_containerd()), reason=why_no_containerd() or "-")]

SEEDS = int(os.environ.get("OCISTORE_SEEDS", "2"))
ROOTS = 15
NOW_NS = parse_time("2026-06-01T00:00:00Z")
KINDS = ("ref", "lease", "snapshot", "blob", "container", "ingest")
TEMPLATES = (
    "ctr -n {ns} images rm {image}",
    "ctr -n {ns} images rm --sync {image} gone {image2}",
    "ctr -n {ns} content rm {blob}",
    "ctr -n {ns} content rm {blob} sha256:bad {blob2}",
    "ctr -n {ns} content prune references",
    "ctr -n {ns} content prune references --dry",
    "ctr -n {ns} snapshots --snapshotter {sn} rm {snapshot}",
    "ctr -n {ns} snapshots --snapshotter {sn} rm {snapshot} {snapshot2}",
    "ctr -n {ns} leases rm {lease}",
    "ctr -n {ns} leases rm --sync {lease} gone {lease2}",
    "ctr -n {ns} containers rm {container}",
    "ctr -n {ns} containers rm --keep-snapshot {container} {container2}",
    "ctr -n {ns} containers rm gone {container}",
    "ctr -n {ns} namespaces rm {ns} gone",
)


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory whose path is short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="occ-", dir=short_directory()))
    yield path
    shutil.rmtree(path)


def read(root: Path) -> Store:
    """The store as of NOW."""
    return open_store(str(root), Options(now_ns=NOW_NS))


def ids(store: Store) -> set[tuple[str, str]]:
    """Kind and id of what containerd lists."""
    return {(node.kind, node.id) for node in store.graph.nodes if node.kind in KINDS}


def choose(store: Store, random: Random) -> str:
    """A command on things that are there, mostly."""
    namespaces = store.detail.meta.metadata.namespaces
    name = random.choice([each for each in namespaces if each != HELPER] or [HELPER])
    namespace = namespaces[name]
    snapshots = list(namespace.snapshots) or [("native", "gone")]
    snapshotter = random.choice(snapshots)[0]
    keys = [key for sn, key in snapshots if sn == snapshotter]

    def two(names: list[str], label: str) -> dict[str, str]:
        names = [*names, "gone"] if random.random() < 0.2 or not names else names
        return {label: random.choice(names), f"{label}2": random.choice(names)}

    return random.choice(TEMPLATES).format(
        ns=name,
        sn=snapshotter,
        **two(list(namespace.images), "image"),
        **two(list(namespace.blobs), "blob"),
        **two(keys, "snapshot"),
        **two(list(namespace.leases), "lease"),
        **two(list(namespace.containers), "container"),
    )


def paths_below(root: Path) -> set[str]:
    """Every path of content and snapshots."""
    return {
        str(path.relative_to(root))
        for pattern in ("io.containerd.content.v1.content/*/*", "io.containerd.snapshotter.v1.*/snapshots/*")
        for path in root.glob(pattern)
    } | {str(path.relative_to(root)) for path in root.glob("io.containerd.content.v1.content/blobs/*/*")}


@pytest.mark.parametrize("number", range(ROOTS))
@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_commands(top: Path, seed: int, number: int) -> None:
    """Three commands one after the other, and a call of the collector after each that changed something."""
    random = Random(f"{seed} {number}")
    root = top / "root"
    make_random(root, random)
    store = read(root)
    session = open_session(store, NOW_NS)
    release = version()
    done: list[str] = []
    with running(top) as ctr:
        helper = [*ctr, "-n", HELPER, "leases"]
        for _ in range(3):
            # containerd has its databases open; what it wrote is read from a copy.
            before = paths_below(root)
            state = read(_copy(root, top))
            known = ids(state)
            command = choose(state, random)
            state.close()
            done.append(command)
            argv = shlex.split(command)
            native = subprocess.run([*ctr, *argv[1:]], capture_output=True, text=True, check=False)
            outcome = session.run(argv, release)
            removals = list(outcome.removals)
            assert bool(outcome.failure) == bool(native.returncode), (done, outcome.failure, native.stderr)
            if removals:
                # Deletions without --sync are collected later, at a time of the daemon's choice.
                subprocess.run([*helper, "create", "--id", "x"], capture_output=True, check=True)
                subprocess.run([*helper, "rm", "--sync", "x"], capture_output=True, check=True)
            gone = before - paths_below(root)
            after = read(_copy(root, top))
            left = ids(after)
            after.close()
            planned = {path for removal in removals for path in removal.paths}
            assert gone == planned, (done, sorted(gone ^ planned))
            assert {(r.kind, r.id) for r in removals if r.kind in KINDS} == known - left, done
    store.close()


def _copy(root: Path, top: Path) -> Path:
    copy = top / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    return copy
