"""buildctl's commands on roots of buildkitd: records, and what the collector frees with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from ocistore.plan.buildkit.session import open_session
from ocistore.plan.make import plan_command, plan_scopes
from ocistore.stores.open import open_store
from tests.make.buildkit import NOW, BuildKitMaker, build_id, names, taken

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.plan.plan import Outcome
    from ocistore.stores.store import Store

TEMPORARY = {"containerd.io/gc.flat": "x", "buildkit/lease.temporary": "2026-11-21T07:00:00Z"}


@pytest.fixture
def made(tmp_path: Path) -> BuildKitMaker:
    """An empty root."""
    return BuildKitMaker(tmp_path)


def run(store: Store, *commands: str, version: str | None = None) -> list[Outcome]:
    """What each command does after those before it."""
    session = open_session(store, NOW)
    return [session.run(command.split(), version) for command in commands]


def paths(outcome: Outcome) -> set[str]:
    """The paths that vanish."""
    return {path for removal in outcome.removals for path in removal.paths}


def test_prune_frees_the_snapshots_and_blobs_of_records(made: BuildKitMaker) -> None:
    """Children first; a parent that a frontend stands on stays; the collector takes what leases held."""
    a = made.record("a")
    b = made.record("b", "a")
    f = made.record("f", recordType="frontend")
    blob = made.blob(b"layer of b")
    made.leases["buildkit", b][2].append(blob)
    (one,) = run(made.open(), "buildctl prune")

    assert [b, a] == [removal.id for removal in one.removals if removal.kind == "record"]
    file = f"{made.worker}/content/blobs/sha256/{blob.removeprefix('sha256:')}"
    assert {made.directory(a), made.directory(b), file} == paths(one)
    assert {"f"} == names({f} - taken(one), "f")


def test_commands_see_what_those_before_them_left(made: BuildKitMaker) -> None:
    """The second prune of the same finds nothing; --all takes the rest."""
    made.record("a")
    made.record("f", recordType="frontend")
    first, second, third = run(made.open(), "buildctl prune", "buildctl prune", "buildctl prune --all")

    assert {"a"} == names(taken(first), "a")
    assert [] == second.removals
    assert {"f"} == names(taken(third), "f")


def test_every_prune_collects_garbage(made: BuildKitMaker) -> None:
    """Also one that matches nothing: views of a start's leases, snapshots and blobs that nothing holds."""
    a = made.record("a")
    made.snapshots[f"{a}-view"] = (a, 1, 0)
    made.lease(f"{a}-view", snapshots=[f"{a}-view"], labels=TEMPORARY)
    made.snapshots["loose"] = ("", 3, 0)
    blob = made.blob(b"loose")
    (one,) = run(made.open(), "buildctl prune --filter id==none")

    assert set() == taken(one)
    file = f"{made.worker}/content/blobs/sha256/{blob.removeprefix('sha256:')}"
    assert {made.directory(f"{a}-view"), made.directory("loose"), file} == paths(one)
    assert set() == taken(one, "lease")


def test_what_a_start_drops_is_the_next_prunes_to_free(made: BuildKitMaker) -> None:
    """Case 46 and 47: its leases go with the start, its data with the first prune; it is no record any more."""
    orphan = made.record("orphan", "nobody")
    lazy = made.record("lazy", blobonly=True, blob="sha256:gone")
    made.record("kept")
    (one,) = run(made.open(), "buildctl prune --filter id==none")

    assert set() == taken(one)
    assert {made.directory(orphan), made.directory(lazy)} == paths(one)


def test_temporary_leases_of_the_history_stay(made: BuildKitMaker) -> None:
    """Case 59: a start deletes those of the worker's own namespace only."""
    blob = made.blob(b"log", namespace="buildkit_history")
    made.lease("writing", blobs=[blob], labels=TEMPORARY, namespace="buildkit_history")
    (one,) = run(made.open(), "buildctl prune --all")

    assert set() == paths(one)


def test_variants_keep_blobs_until_their_record_goes(made: BuildKitMaker) -> None:
    """Case 57: the lease NAME-variants isn't flat, so labels of the blob count."""
    zstd = made.blob(b"zstd")
    gzip = made.blob(b"gzip", labels={f"containerd.io/gc.ref.content.blob-{zstd}": zstd})
    a = made.record("a", blob=gzip)
    made.leases["buildkit", a][2].append(gzip)
    made.lease(f"{a}-variants", blobs=[gzip], labels={})
    none, everything = run(made.open(), "buildctl prune --filter id==none", "buildctl prune --all")

    assert [] == none.removals
    assert {gzip, zstd} == taken(everything, "blob")


def test_a_blob_that_the_history_has_too_stays(made: BuildKitMaker) -> None:
    """Case 60: its file goes when no namespace has it any more."""
    blob = made.blob(b"manifest")
    made.blobs["buildkit_history", blob] = {}
    made.build(build_id("build"), [blob])
    a = made.record("a")
    made.leases["buildkit", a][2].append(blob)
    store = made.open()
    prune, history = run(store, "buildctl prune --all", "buildctl prune-histories")

    assert set() == taken(prune, "blob")
    assert {blob} == taken(history, "blob")
    assert {build_id("build")} == taken(history, "history")


def test_prune_histories_spares_pinned_builds_and_before_0_18_collects_nothing(made: BuildKitMaker) -> None:
    """Then the blobs go with the next prune."""
    for name in ("free", "pinned"):
        blob = made.blob(name.encode(), namespace="buildkit_history")
        made.build(build_id(name), [blob], pinned=name == "pinned")
    store = made.open()
    (new,) = run(store, "buildctl prune-histories")
    old, prune = run(store, "buildctl prune-histories", "buildctl prune", version="0.17.3")

    assert {"free"} == names(taken(new, "history"), "free", "pinned")
    assert 1 == len(taken(new, "blob"))
    assert ({build_id("free")}, set()) == (taken(old, "history"), taken(old, "blob"))
    assert 1 == len(taken(prune, "blob"))


def test_storage_limits_are_megabytes(made: BuildKitMaker) -> None:
    """--keep-storage is the most that may be used, --keep-storage-min what stays; before 0.17 there is one."""
    for number, name in enumerate("abc"):
        made.record(name, size=10_000, used=100 - number)
    store = made.open()

    def gone(command: str, version: str | None = None) -> set[str]:
        return names(taken(run(store, command, version=version)[0]), *"abc")

    assert {"a", "b"} == gone("buildctl prune --keep-storage 0.02")
    assert {"a"} == gone("buildctl prune --keep-storage 0.025")
    assert {"a"} == gone("buildctl prune --keep-storage=0.005 --keep-storage-min 0.025")
    assert set() == gone("buildctl prune --keep-storage-min 1")
    assert {"a", "b"} == gone("buildctl prune --keep-storage 0.02", "0.13.2")


def test_keep_duration_and_filters(made: BuildKitMaker) -> None:
    """Durations as Go writes them; each --filter is one more way to be taken."""
    made.record("old", used=7200)
    made.record("new", used=60, recordType="source.local")
    store = made.open()

    assert {"old"} == names(taken(run(store, "buildctl prune --keep-duration 1h30m")[0]), "old")
    both = "buildctl prune --filter type==source.local --filter=type==regular"
    assert {"old", "new"} == names(taken(run(store, both)[0]), "old", "new")


def test_an_active_snapshot_is_measured_on_the_disk(made: BuildKitMaker) -> None:
    """Records of unknown size: blocks of the directory that the snapshot changed, its own block too."""
    ident = made.record("m", size=None, committed=False)
    made.write()
    changed = made.root / made.directory(ident) / "fs"
    (changed / "file").write_bytes(b"x" * 10_000)
    (changed / "again").hardlink_to(changed / "file")
    blocks = 512 * sum(path.lstat().st_blocks for path in (changed, changed / "file"))
    store = open_store(str(made.root))

    def takes(megabytes: float) -> bool:
        return bool(taken(run(store, f"buildctl prune --keep-storage {megabytes}")[0]))

    assert takes(blocks / 1e6)
    assert not takes((blocks + 1) / 1e6)


def test_failures_of_the_command_are_told(made: BuildKitMaker) -> None:
    """A filter that is refused, and options that an old buildctl doesn't have."""
    made.record("a")
    store = made.open()
    (refused,) = run(store, "buildctl prune --filter id=a")
    (unknown,) = run(store, "buildctl prune --free-storage 1", version="0.16.0")

    assert (True, []) == (bool(refused.failure), refused.removals)
    assert "free-storage" in unknown.failure


@pytest.mark.parametrize(
    "command",
    [
        "buildctl du",
        "buildctl prune --unknown",
        "buildctl prune --keep-storage many",
        "buildctl prune --keep-duration 5",
        "buildctl --unknown prune",
        "docker builder prune",
        "buildctl",
    ],
)
def test_what_is_not_simulated_is_an_error(made: BuildKitMaker, command: str) -> None:
    """Never ignored."""
    with pytest.raises(UsageError):
        run(made.open(), command)


def test_global_options_say_only_how_buildkitd_is_reached(made: BuildKitMaker) -> None:
    """They are read and change nothing."""
    made.record("a")
    (one,) = run(made.open(), "buildctl --debug --addr unix:///x prune --all --verbose")

    assert {"a"} == names(taken(one), "a")


def test_doubt_about_records_blocks_the_prune_and_not_the_history(made: BuildKitMaker) -> None:
    """6.3; and the other way round."""
    blob = made.blob(b"p", namespace="buildkit_history")
    made.build(build_id("b"), [blob])
    made.record("a")
    made.write()
    records = made.root / made.worker / "metadata_v2.db"
    whole = records.read_bytes()
    records.write_bytes(whole[:5000])
    store = open_store(str(made.root))

    assert "metadata_v2.db" in run(store, "buildctl prune --all")[0].blocked
    assert {build_id("b")} == taken(run(store, "buildctl prune-histories")[0], "history")

    records.write_bytes(whole)
    (made.root / "history.db").write_bytes(b"no bolt file" * 900)
    store = open_store(str(made.root))

    assert "history.db" in run(store, "buildctl prune-histories")[0].blocked
    assert {"a"} == names(taken(run(store, "buildctl prune --all")[0]), "a")


def test_the_scope_cache_takes_what_prune_all_takes(made: BuildKitMaker) -> None:
    """The graph and the simulation agree on a root without garbage."""
    made.record("a")
    made.pair("b", "a")
    made.record("c", "b-i")
    blob = made.blob(b"x")
    made.leases["buildkit", build_id("c")][2].append(blob)
    store = made.open()
    command = plan_command(store, "buildctl prune --all", now_ns=NOW)
    scope = plan_scopes(store, ["cache"], now_ns=NOW, grace_ns=0)

    def vanish(steps: list[object]) -> set[str]:
        return {path for step in steps for path in step.removal.paths}  # type: ignore[attr-defined]

    assert vanish(list(command.steps)) == vanish(list(scope.steps))
    assert command.frees == scope.frees
    natives = [step.removal.native for step in scope.steps if step.removal.kind == "record"]
    assert f"buildctl prune --all --filter id=={build_id('c')}" == natives[0]


def test_each_native_command_takes_its_record(made: BuildKitMaker) -> None:
    """One after the other, in the order of the plan, they take exactly what the plan takes."""
    made.record("a")
    made.pair("b", "a")
    made.record("c", "b-i")
    store = made.open()
    scope = plan_scopes(store, ["cache"], now_ns=NOW, grace_ns=0)
    commands = [step.removal.native for step in scope.steps if step.removal.native]
    outcomes = run(store, *(command for command in commands if command))

    assert all(len(taken(outcome)) == 1 for outcome in outcomes)
    assert {path for step in scope.steps for path in step.removal.paths} == {
        path for outcome in outcomes for path in paths(outcome)
    }


def test_several_workers_are_pruned_by_one_command(made: BuildKitMaker) -> None:
    """Buildctl asks every worker."""
    one = made.record("one")
    made.write()
    other = BuildKitMaker(made.root, worker="runc-native")
    two = other.record("two")
    (outcome,) = run(other.open(), "buildctl prune")

    assert {one, two} == taken(outcome)
    assert {made.directory(one), other.directory(two)} == paths(outcome)


def test_what_a_start_drops_of_unreadable_records_is_unknown(made: BuildKitMaker) -> None:
    """A record whose parent can't be read may be whole; its lease holds, and no collection takes what it has."""
    made.record("a")
    b = made.record("b", "a")
    made.records.pop(build_id("a"))
    (dropped,) = run(made.open(), "buildctl prune-histories")
    made.records[build_id("x")] = {"cache.parent": 5}
    store = made.open()
    (kept,) = run(store, "buildctl prune-histories")

    assert made.directory(b) in paths(dropped)
    assert "cache" in store.doubts
    assert made.directory(b) not in paths(kept)
