"""`ctr`: what each command takes, and the collection after it (docker-buildkit-containerd 4.3, 4.7, 6.1)."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from ocistore.errors import UsageError
from ocistore.formats.gotime import parse_time
from ocistore.plan.ladder import ladder
from ocistore.plan.make import drop_scopes, native_of, open_session, plan_command, plan_remove, plan_scopes
from ocistore.stores.open import open_store
from ocistore.stores.store import Options
from ocistore.usage.sizes import measure
from tests.conftest import names, truth
from tests.make.containerd import CONTENT, NOW, ContainerdMaker, at, digest_of
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocistore.stores.store import Store

NOW_NS = parse_time(NOW)
SECOND = NOW_NS // 10**9
SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots"
ROOTED = {"containerd.io/gc.root": "1"}


@pytest.fixture
def made(tmp_path: Path) -> ContainerdMaker:
    """A root that is being made."""
    return ContainerdMaker(tmp_path / "root")


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Store]]:
    """Reads roots as of NOW and closes them afterwards."""
    with contextlib.ExitStack() as stack:

        def get(path: Path) -> Store:
            store = open_store(str(path), Options(now_ns=NOW_NS))
            stack.callback(store.close)
            return store

        yield get


def blob_path(digest: str) -> str:
    """The path of a blob's file."""
    return f"{CONTENT}/blobs/{digest.replace(':', '/')}"


def checks(kind: str) -> list[Any]:
    """The checks of one kind in the truths of bundled containerd roots, each with its store."""
    return [
        pytest.param(name, check, id=f"{name[:3]} {check[kind]}")
        for name in names()
        if name.startswith("c")
        for check in truth(name[:3])["checks"]
        if kind in check
    ]


@pytest.mark.parametrize(("name", "check"), checks("plan"))
def test_a_plan_takes_what_the_native_command_took(
    bundled: Callable[[str], Path], name: str, check: dict[str, Any]
) -> None:
    """The ids that went, by kind, and the topmost paths that vanished."""
    top = bundled(name[:3])
    store = open_store(str(top / check["root"]), Options(now_ns=parse_time(check["now"])))

    outcome = run(store, check["plan"], check["as_version"], check["now"])

    for kind, ids in check["gone"].items():
        assert {i.removeprefix("sha256:") for i in ids} == {i.removeprefix("sha256:") for i in taken(outcome, kind)}
    assert {str(top / path) for path in check["vanished"]} == {
        str(top / check["root"] / path) for path in paths(outcome)
    }
    store.close()


@pytest.mark.parametrize(("name", "check"), checks("list"))
def test_a_root_holds_what_containerd_lists(bundled: Callable[[str], Path], name: str, check: dict[str, Any]) -> None:
    """Ids and, of images, names."""
    store = open_store(str(bundled(name[:3]) / check["root"]))
    nodes = {n.id: sorted(n.names) for n in store.graph.nodes if n.kind == check["list"]}

    assert {i.removeprefix("sha256:") for i in check["ids"]} == {i.removeprefix("sha256:") for i in nodes}
    if check["list"] == "image":
        assert {i.removeprefix("sha256:"): sorted(v) for i, v in check["ids"].items()} == nodes
    store.close()


def test_an_image_goes_with_its_last_name(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Of two names the first frees nothing; a name that isn't there is passed over, exit 0."""
    config = made.blob("default", b"config", {"containerd.io/gc.ref.snapshot.overlayfs": "top"})
    target = made.manifest("default", [config])
    number = made.snapshot("default", "top")
    for name in ("x:1", "x:2"):
        made.image("default", name, target)
    store = opened(made.write())

    first = run(store, "ctr images rm x:1 nothing")
    both = run(store, "ctr i rm --sync x:1 && ctr image delete x:2")

    assert [("ref", "default/x:1", ())] == [(r.kind, r.id, r.paths) for r in first.removals]
    assert ("", ["native-passes-over"]) == (first.failure, [f.code for f in first.findings])
    assert Counter(ref=2, image=1, blob=2, snapshot=1) == Counter(r.kind for r in both.removals)
    assert {blob_path(config), blob_path(target), f"{SNAPSHOTS}/{number}"} == paths(both)


def test_a_command_that_deletes_nothing_collects_nothing(
    made: ContainerdMaker, opened: Callable[[Path], Store]
) -> None:
    """Garbage stays until something is deleted; then it goes with it, in every namespace."""
    loose = made.blob("other", b"loose")
    made.lease("default", "l")
    store = opened(made.write())

    assert [] == run(store, "ctr images rm nothing").removals
    assert [] == run(store, "ctr images prune").removals
    assert {blob_path(loose)} == paths(run(store, "ctr leases rm l"))


def test_a_file_goes_with_its_last_record(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Two namespaces have a blob; one that removes it frees nothing (case 61)."""
    for namespace in ("a", "b"):
        made.blob(namespace, b"both", ROOTED)
    digest = digest_of(b"both")
    store = opened(made.write())

    assert set() == paths(run(store, f"ctr -n a content rm {digest}"))
    assert {blob_path(digest)} == paths(run(store, f"ctr -n a content rm {digest} && ctr -n b content del {digest}"))
    assert "" == run(store, f"ctr content rm {digest}").failure
    assert "no digest" in run(store, "ctr content rm sha256:short").failure


def test_only_a_dirty_store_is_cleaned(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Orphans of the content store go when a blob goes, those of a snapshotter when a snapshot of it does (4.3)."""
    made.lease("default", "nothing")
    made.lease("default", "content", content=[made.blob("default", b"held")])
    made.snapshot("default", "s")
    made.lease("default", "snapshot", snapshots=["overlayfs/s"])
    orphans = [f"{CONTENT}/blobs/sha256/{'ab' * 32}", made.ingest_directory("default/9/orphan")]
    made.file(orphans[0])
    nameless = made.ingest_directory("nameless", with_ref=False)
    made.directory(f"{SNAPSHOTS}/new-1")
    made.backend("overlayfs", "default/70/lost", 70)
    store = opened(made.write())

    content = paths(run(store, "ctr leases rm content"))
    snapshot = paths(run(store, "ctr leases rm snapshot"))

    assert set() == paths(run(store, "ctr leases rm nothing"))
    assert {blob_path(digest_of(b"held")), *orphans} == content
    assert {f"{SNAPSHOTS}/1", f"{SNAPSHOTS}/new-1", f"{SNAPSHOTS}/70"} == snapshot
    assert nameless not in content


def test_native_never_cleans_its_leftovers(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Only directories of recorded snapshots go."""
    made.snapshot("default", "s", snapshotter="native", labels=ROOTED)
    base = f"{made.home('native')}/snapshots"
    for name in ("rm-8", "new-1", "9"):
        made.directory(f"{base}/{name}")
    store = opened(made.write())

    assert {f"{base}/1"} == paths(run(store, "ctr snapshots --snapshotter native rm s"))


def test_a_snapshot_with_an_unnamed_child_stays(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Leaves go first; a parent whose child has a name elsewhere is skipped (4.3, backend cleanup)."""
    number = made.snapshot("default", "base")
    made.lease("default", "l", snapshots=["overlayfs/base"])
    made.backend("overlayfs", "default/70/child", 70, f"default/{number}/base")
    child = made.snapshot("default", "held", labels=ROOTED)
    at(made.backends["overlayfs"], "v1", "snapshots", f"default/{child}/held")[b"parent"] = (
        f"default/{number}/base".encode()
    )
    store = opened(made.write())

    outcome = run(store, "ctr leases rm l")

    assert {f"{SNAPSHOTS}/70"} == paths(outcome)
    assert {"default/overlayfs/base"} == taken(outcome, "snapshot")


def test_snapshots_stop_at_the_first_failure(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """One with children is refused; what was done before stays done, and a sequence ends there."""
    for key, parent in (("base", ""), ("top", "base"), ("single", "")):
        made.snapshot("default", key, parent, labels=ROOTED)
    made.lease("default", "l")
    store = opened(made.write())

    outcome = run(store, "ctr snapshots rm single base top && ctr leases rm l")

    assert "has children" in outcome.failure
    assert {"default/overlayfs/single"} == taken(outcome, "snapshot")
    assert set() == taken(outcome, "lease")
    assert {"default/overlayfs/top", "default/overlayfs/base"} == taken(
        run(store, "ctr snapshot remove top base"), "snapshot"
    )
    assert "not known" in run(store, "ctr snapshots --snapshotter native rm top").failure


def test_leases_stop_at_the_first_failure(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """One that isn't there is an error."""
    for ident in ("a", "b"):
        made.lease("default", ident)
    store = opened(made.write())

    outcome = run(store, "ctr leases rm a gone b")

    assert {"default/a"} == taken(outcome, "lease")
    assert "gone" in outcome.failure


def test_containers_go_with_their_snapshots(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Kept ones fall to the collector; one that fails doesn't stop the next; a missing snapshot is none (case 73)."""
    made.snapshot("default", "c1")
    made.snapshot("default", "c2")
    made.snapshot("default", "on top", "c2", labels=ROOTED)
    made.container("default", "c1", "x", "c1")
    made.container("default", "c2", "x", "c2")
    made.container("default", "c3", "x", "nowhere")
    store = opened(made.write())

    kept = run(store, "ctr containers rm --keep-snapshot c1")
    outcome = run(store, "ctr c rm c2 gone c1 c3")

    assert ({"default/c1"}, {f"{SNAPSHOTS}/1"}) == (taken(kept, "container"), paths(kept))
    assert ({"default/c1", "default/c3"}, {f"{SNAPSHOTS}/1"}) == (taken(outcome, "container"), paths(outcome))
    assert "has children" in outcome.failure
    assert "gone" in outcome.failure


def test_prune_all_keeps_names_that_containers_use(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """By name in the same namespace; another name of the same image goes; 1.6 has no such command."""
    target = made.manifest("default", [made.blob("default", b"config")])
    for namespace, name in (("default", "used"), ("default", "other"), ("k8s.io", "used")):
        made.image(namespace, name, target)
    made.container("default", "c", "used")
    store = opened(made.write())

    assert {"default/other"} == taken(run(store, "ctr images prune --all"), "ref")
    assert {"k8s.io/used"} == taken(run(store, "ctr -n k8s.io images prune --all"), "ref")
    assert "images prune" in run(store, "ctr images prune --all", "1.6.20").failure
    dropped, _ = drop_scopes(store, ["unused"], NOW_NS)
    assert {"default/other", "k8s.io/used"} == {store.graph.nodes[n].id for n in dropped}


@pytest.mark.parametrize(
    ("label", "goes"),
    [
        ("containerd.io/gc.ref.content.l.0", True),
        ("containerd.io/gc.ref.content.l.x", True),
        ("containerd.io/gc.ref.content.1", True),
        ("containerd.io/gc.ref.content.00", True),
        ("containerd.io/gc.ref.content.0", False),
        ("containerd.io/gc.ref.content.config", False),
        ("containerd.io/gc.ref.content.m.1", False),
        ("containerd.io/gc.ref.content/1", False),
    ],
)
def test_prune_references_takes_references_to_layers(
    made: ContainerdMaker, opened: Callable[[Path], Store], label: str, goes: bool
) -> None:
    """Numbers but 0, and everything after `l.`; so an index with plain numbers loses manifests (case 63)."""
    child = made.blob("default", b"child")
    made.image("default", "x", made.blob("default", b"target", {label: child}))
    made.image("other", "x", made.blob("other", b"of another namespace", {label: made.blob("other", b"kept")}))
    store = opened(made.write())

    assert ({blob_path(child)} if goes else set()) == paths(run(store, "ctr content prune references"))
    assert set() == paths(run(store, "ctr content prune references --dry"))
    assert len(paths(run(store, "ctr content prune references --async"))) == goes


def test_a_dry_prune_of_references_collects_all_the_same(
    made: ContainerdMaker, opened: Callable[[Path], Store]
) -> None:
    """The labels stay; the lease that it makes and deletes calls the collector."""
    loose = made.blob("default", b"loose")
    store = opened(made.write())

    assert {blob_path(loose)} == paths(run(store, "ctr content prune references --dry"))


def test_downloads_of_the_collector(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Expired ones go with their directories; what one expects keeps its file (case 65)."""
    made.lease("default", "l")
    expected = f"{CONTENT}/blobs/sha256/{'cd' * 32}"
    made.file(expected, b"of no record")
    made.ingest("default", "young", expire=SECOND + 60, expected=f"sha256:{'cd' * 32}")
    old = made.ingest("default", "old", expire=SECOND - 60)
    endless = made.ingest("default", "endless")
    store = opened(made.write())

    outcome = run(store, "ctr leases rm l")

    assert {"default/old", "default/endless"} == taken(outcome, "ingest")
    assert {old, endless} == paths(outcome)


@pytest.mark.parametrize(("version", "goes"), [("1.6.20", False), ("1.7.24", False), ("2.0.0", True), (None, True)])
def test_expired_images_fall_since_2_0(
    made: ContainerdMaker, opened: Callable[[Path], Store], version: str | None, goes: bool
) -> None:
    """The newest released rules count without a version (case 67)."""
    made.image("default", "old", made.blob("default", b"x"), {"containerd.io/gc.expire": "2026-11-20T00:00:00Z"})
    made.lease("default", "l")
    store = opened(made.write())

    assert ({"default/old"} if goes else set()) == taken(run(store, "ctr leases rm l", version), "ref")


@pytest.mark.parametrize(("version", "goes"), [("1.6.20", True), ("2.1.9", True), ("2.2.0", False)])
def test_labels_that_begin_with_gc_root_since_2_2(
    made: ContainerdMaker, opened: Callable[[Path], Store], version: str, goes: bool
) -> None:
    """Before, the label is gc.root itself."""
    made.blob("default", b"kept", ROOTED)
    loose = made.blob("default", b"loose", {"containerd.io/gc.root/x": "1"})
    made.lease("default", "l")
    store = opened(made.write())

    assert ({blob_path(loose)} if goes else set()) == paths(run(store, "ctr leases rm l", version))


@pytest.mark.parametrize(("version", "goes"), [("1.7.24", True), ("2.1.9", True), ("2.2.0", False)])
def test_references_back_since_2_2(
    made: ContainerdMaker, opened: Callable[[Path], Store], version: str, goes: bool
) -> None:
    """An older collector takes what a label gc.bref binds."""
    target = made.blob("default", b"target")
    bound = made.blob("default", b"bound", {"containerd.io/gc.bref.content": target})
    made.image("default", "x", target)
    made.lease("default", "l")
    store = opened(made.write())

    assert ({blob_path(bound)} if goes else set()) == paths(run(store, "ctr leases rm l", version))


def test_images_in_leases_since_2_0(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """An expired image stays while a lease names it."""
    made.image("default", "x", made.blob("default", b"x"), {"containerd.io/gc.expire": "2026-11-20T00:00:00Z"})
    made.lease("default", "holds", images=["x"])
    made.lease("default", "other")
    store = opened(made.write())

    assert set() == taken(run(store, "ctr leases rm other", "2.1.9"), "ref")
    assert {"default/x"} == taken(run(store, "ctr leases rm holds", "2.1.9"), "ref")


def test_only_empty_namespaces_go(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Leases don't count and go with them; no collection follows."""
    made.lease("leases", "l")
    made.records("labels", "labels")[b"k"] = b"v"
    made.blob("full", b"x")
    made.snapshot("snapshots", "s")
    store = opened(made.write())

    empty = run(store, "ctr namespaces rm leases labels nothing")
    full = run(store, "ctr ns remove -c full snapshots leases")

    assert [("lease", "leases/l")] == [(r.kind, r.id) for r in empty.removals]
    assert "" == empty.failure
    assert "it has blobs" in full.failure
    assert "it has snapshots" in full.failure
    assert {"leases/l"} == taken(full, "lease")


@pytest.mark.parametrize(
    "command",
    [
        "ctr",
        "ctr images",
        "ctr images ls",
        "ctr tasks rm x",
        "ctr content prune",
        "ctr --debug images rm x",
        "ctr images rm --force x",
        "ctr leases rm --snapshotter x",
        "nerdctl rmi x",
    ],
)
def test_what_is_not_simulated_is_an_error(
    made: ContainerdMaker, opened: Callable[[Path], Store], command: str
) -> None:
    """Never ignored."""
    with pytest.raises(UsageError):
        run(opened(made.write()), command)


def test_options_come_before_arguments(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """An option after a name is a name."""
    made.image("default", "x", made.blob("default", b"x"))
    made.image("default", "--sync", made.blob("default", b"y"))
    store = opened(made.write())

    assert {"default/x", "default/--sync"} == taken(run(store, "ctr -a /run/other.sock images rm x --sync"), "ref")


def test_doubt_blocks_every_plan(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Commands, scopes and removals: each is followed by a collection over all records."""
    made.image("default", "x", made.blob("default", b"x"))
    made.snapshot("default", "s")
    made.write()
    (made.root / made.home("overlayfs") / "metadata.db").unlink()
    store = opened(made.root)
    ref = store.graph.find("ref", "default/x")
    assert ref is not None

    plans = [
        plan_command(store, "ctr images rm x", now_ns=NOW_NS),
        plan_scopes(store, ["all"], now_ns=NOW_NS, grace_ns=0),
        plan_remove(store, [ref], now_ns=NOW_NS, grace_ns=0),
    ]

    assert [(True, [])] * 3 == [(plan.blocked, plan.steps) for plan in plans]
    assert all("metadata.db" in plan.findings[-1].text for plan in plans)


def test_a_plan_of_unreferenced_is_what_the_collector_takes(
    bundled: Callable[[str], Path],
) -> None:
    """Of the store with garbage: the same blobs and snapshots as the next collection, and nothing after it."""
    now = parse_time("2026-11-21T07:30:43Z")
    store = open_store(str(bundled("c04") / "root"), Options(now_ns=now))
    planned = plan_scopes(store, ["unreferenced"], now_ns=now, grace_ns=0)
    session = open_session(store, now)
    collected = session.run(["ctr", "content", "prune", "references"], "2.1.9")

    assert {path for step in planned.steps for path in step.removal.paths} == paths(collected)
    assert [] == session.run(["ctr", "content", "prune", "references"], "2.1.9").removals
    store.close()


def test_native_commands_of_steps(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Each takes its own node first; a blob of two namespaces has one for each record (7.7)."""
    shared = made.blob("a", b"both")
    made.blob("b", b"both")
    made.blob("a", b"one")
    made.image("a", "docker.io/x y:1", made.manifest("a", [shared]))
    made.snapshot("a", "key/with/slash")
    made.lease("a", "l")
    made.container("a", "c")
    store = opened(made.write())
    native = native_of(store)
    commands = {node.key: native(store, number) for number, node in enumerate(store.graph.nodes)}

    assert "ctr -n a images rm --sync 'docker.io/x y:1'" == commands["ref:a/docker.io/x y:1"]
    assert "ctr -n a leases rm --sync l" == commands["lease:a/l"]
    assert "ctr -n a containers rm c" == commands["container:a/c"]
    assert (
        "ctr -n a snapshots --snapshotter overlayfs rm key/with/slash"
        == commands["snapshot:a/overlayfs/key/with/slash"]
    )
    assert f"ctr -n b content rm {shared}" == commands[f"content:b/{shared}"]
    assert commands[f"blob:{shared}"] is None
    assert f"ctr -n a content rm {digest_of(b'one')}" == commands[f"blob:{digest_of(b'one')}"]
    for key, command in commands.items():
        if command is not None:
            kind, _, ident = key.partition(":")
            outcome = run(store, command)
            assert "" == outcome.failure
            if kind != "content":
                assert ident in taken(outcome, kind)


def test_collected_children_stay_listed(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """A parent whose child the collector took can't be deleted any more; one whose child was deleted can."""
    made.snapshot("default", "base", labels=ROOTED)
    made.snapshot("default", "child", "base")
    made.lease("default", "l", snapshots=["overlayfs/child"])
    store = opened(made.write())

    collected = run(store, "ctr leases rm l && ctr snapshots rm base")
    deleted = run(store, "ctr snapshots rm child base")

    assert ({"default/overlayfs/child"}, True) == (taken(collected, "snapshot"), "has children" in collected.failure)
    assert {"default/overlayfs/child", "default/overlayfs/base"} == taken(deleted, "snapshot")


def test_a_blob_whose_file_a_download_expects(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Its record goes, its file stays until the download goes."""
    digest = made.blob("default", b"data", ROOTED)
    made.ingest("other", "i", expected=digest)
    made.lease("other", "l", ingests=["i"])
    store = opened(made.write())

    outcome = run(store, f"ctr content rm {digest}")
    both = run(store, f"ctr content rm {digest} && ctr -n other leases rm l")

    assert [("blob", digest, ())] == [(r.kind, r.id, r.paths) for r in outcome.removals]
    assert blob_path(digest) in paths(both)


def test_an_expiry_within_the_grace_is_none(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Clocks differ, so what expired just now is held like what only it holds (6.3)."""
    hour, day = 3600 * 10**9, 24 * 3600 * 10**9
    for ident, expire in (("long ago", "2026-11-01T00:00:00Z"), ("just now", "2026-11-21T06:30:00Z")):
        digest = made.blob("default", ident.encode())
        made.lease("default", ident, {"containerd.io/gc.expire": expire}, content=[digest])
    store = opened(made.write())
    old = parse_time("2020-01-01T00:00:00Z")
    for path in made.root.rglob("*"):
        os.utime(path, ns=(old, old))
    for node in store.graph.nodes:
        node.created_ns = None

    def leases(grace: int) -> set[str]:
        plan = plan_scopes(store, ["unreferenced"], now_ns=NOW_NS, grace_ns=grace)
        return {step.removal.id for step in plan.steps}

    assert {"default/long ago", digest_of(b"long ago")} == leases(day)
    assert leases(day) | {"default/just now", digest_of(b"just now")} == leases(hour // 4)


def test_the_ladder_names_commands_that_do_exactly_a_step(bundled: Callable[[str], Path]) -> None:
    """A dry prune of references calls the collector; `images prune --all` is of one namespace."""
    now = parse_time("2026-11-21T07:30:43Z")
    named = {}
    for name in ("c02", "c04"):
        store = open_store(str(bundled(name) / "root"), Options(now_ns=now))
        named[name] = {rung.step: rung.native for rung in ladder(store, measure(store), now)}
        store.close()

    assert "ctr images prune --all" == named["c02"]["unused"]
    assert {"unreferenced": "ctr content prune references --dry", "unused": None} == named["c04"]
