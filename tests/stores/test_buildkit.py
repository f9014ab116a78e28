"""Roots of buildkitd: records, leases, history and leftovers in the graph, and what damage puts in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.stores.open import open_store
from ocistore.usage.fates import fates
from ocistore.usage.sizes import measure
from tests.make.bolt import BoltMaker
from tests.make.buildkit import BuildKitMaker, bolt, build_id

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.store import Store

TEMPORARY = {"containerd.io/gc.flat": "x", "buildkit/lease.temporary": "2026-11-21T07:00:00Z"}


@pytest.fixture
def made(tmp_path: Path) -> BuildKitMaker:
    """An empty root."""
    return BuildKitMaker(tmp_path)


def number(store: Store, key: str) -> int:
    """The node `kind:id`."""
    kind, _, ident = key.partition(":")
    found = store.graph.find(kind, ident)
    assert found is not None, key
    return found


def fate(store: Store, key: str) -> str:
    """The fate of the node `kind:id`."""
    return fates(store)[number(store, key)]


def codes(store: Store) -> set[str]:
    """The codes of a store's findings."""
    return {finding.code for finding in store.findings}


def holders(store: Store, key: str) -> set[tuple[str, str]]:
    """Who holds a node, with the words."""
    nodes = store.graph.nodes
    return {(nodes[holder].key, word) for holder, word in store.graph.holders(number(store, key))}


def test_a_record_holds_its_parent_and_its_leases_and_these_its_data(made: BuildKitMaker) -> None:
    """3.3: record -> lease -> snapshot and blob; record -> parent."""
    base = made.record("base")
    child = made.record("child", "base")
    blob = made.blob(b"layer")
    made.lease(f"{base}-variants", blobs=[blob], labels={})
    store = made.open()

    assert (("record:" + child, "is the parent of"),) == tuple(holders(store, f"record:{base}"))
    assert {(f"record:{base}", "is the lease of")} == holders(store, f"lease:buildkit/{base}")
    assert (f"lease:buildkit/{base}", "is leased by") in holders(store, f"snapshot:buildkit/overlayfs/{base}")
    assert {(f"lease:buildkit/{base}-variants", "is leased by")} == holders(store, f"blob:{blob}")
    assert {"is a build record"} == {word for words in store.graph.roots.values() for word in words} - {
        "is the engine's own"
    }
    assert (number(store, f"record:{base}"),) == store.graph.nodes[number(store, f"record:{child}")].parents
    assert [] == store.findings


def test_a_pair_is_one_node_under_the_visible_id(made: BuildKitMaker) -> None:
    """`du` prints the mutable id, or the immutable one once a record names it."""
    mutable, _ = made.pair("free", recordType="source.local")
    hidden, named = made.pair("used")
    made.record("child", "used-i")
    store = made.open()

    records = {node.id for node in store.graph.nodes if node.kind == "record"}
    assert {mutable, named, build_id("child")} == records
    assert {(f"record:{named}", "is the lease of")} == holders(store, f"lease:buildkit/{hidden}")
    node = store.graph.nodes[number(store, f"record:{mutable}")]
    assert ("source.local", ("mutable", "retained", "pair")) == (node.state, node.traits)


def test_traits_and_notes(made: BuildKitMaker) -> None:
    """Cache mounts by path and id; merges; what nothing retains."""
    mount = made.record(
        "mount",
        committed=False,
        recordType="exec.cachemount",
        description='cached mount /root/.cache from exec /bin/sh -c go build with id "go"',
    )
    made.records[mount]["cache-dir"] = "go"
    made.record("a", cachePolicy=0)
    merge = made.record("merge", mergeParents=[build_id("a"), mount])
    store = made.open()

    node = store.graph.nodes[number(store, f"record:{mount}")]
    assert ("exec.cachemount", "cache mount /root/.cache, id go") == (node.state, node.note)
    assert ("mutable", "retained") == node.traits
    assert ("immutable",) == store.graph.nodes[number(store, f"record:{build_id('a')}")].traits
    assert ("immutable", "retained", "merge") == store.graph.nodes[number(store, f"record:{merge}")].traits


def test_a_record_that_a_start_drops_is_no_record_that_is_listed(made: BuildKitMaker) -> None:
    """It is stale, holds its data all the same, and `du` wouldn't list it."""
    orphan = made.record("orphan", "nobody")
    store = made.open()

    assert [] == [node for node in store.graph.nodes if node.kind == "record"]
    node = store.graph.nodes[number(store, f"debris:record {orphan}")]
    assert "stale" == node.state
    assert build_id("nobody") in node.note
    assert "held" == fate(store, f"snapshot:buildkit/overlayfs/{orphan}")


def test_leases_without_a_record_are_leaked_and_hold(made: BuildKitMaker) -> None:
    """Case 58; those that a start deletes are told apart."""
    made.record("kept")
    gone, view = build_id("gone"), build_id("other") + "-view"
    for key in (gone, view):
        made.snapshots[key] = ("", 3, 0)
    made.lease(gone, snapshots=[gone])
    made.lease(view, snapshots=[view], labels=TEMPORARY)
    made.lease("somebody-elses")
    store = made.open()

    told = {f.node: f.text for f in store.findings if f.code == "leaked-lease"}
    assert {f"lease:buildkit/{gone}", f"lease:buildkit/{view}"} == set(told)
    assert "no command of BuildKit frees it" in told[f"lease:buildkit/{gone}"]
    assert "the next start of BuildKit deletes it" in told[f"lease:buildkit/{view}"]
    assert "held" == fate(store, f"snapshot:buildkit/overlayfs/{gone}")


def test_a_record_without_its_lease_holds_no_data(made: BuildKitMaker) -> None:
    """The collector would take it, as only leases hold."""
    ident = made.record("bare")
    del made.leases["buildkit", ident]
    store = made.open()

    assert "held" == fate(store, f"record:{ident}")
    assert "unreferenced" == fate(store, f"snapshot:buildkit/overlayfs/{ident}")


def test_history_holds_its_blobs_in_a_namespace_of_its_own(made: BuildKitMaker) -> None:
    """3.6: history -> lease ref_REF -> content."""
    ref = build_id("build")
    blob = made.blob(b"provenance", namespace="buildkit_history")
    made.build(ref, [blob], pinned=True)
    store = made.open()

    node = store.graph.nodes[number(store, f"history:{ref}")]
    assert ("completed", ("pinned",)) == (node.state, node.traits)
    assert "history of a build of target final dockerfile.v0" == node.note
    assert {(f"history:{ref}", "is the lease of")} == holders(store, f"lease:buildkit_history/ref_{ref}")
    assert "held" == fate(store, f"blob:{blob}")


def test_a_build_of_which_nothing_is_kept_is_deleted_by_a_start(made: BuildKitMaker) -> None:
    """Its lease is missing or holds nothing; BuildKit doesn't list it."""
    made.build(build_id("empty"), [])
    made.build(build_id("bare"), ["sha256:x"])
    del made.leases["buildkit_history", f"ref_{build_id('bare')}"]
    store = made.open()

    assert [] == [node for node in store.graph.nodes if node.kind == "history"]
    stale = {node.id for node in store.graph.nodes if node.state == "stale"}
    assert {f"history {build_id('empty')}", f"history {build_id('bare')}"} == stale


def test_a_lease_of_a_build_that_is_gone_is_leaked(made: BuildKitMaker) -> None:
    """It holds its blobs, and no command frees them."""
    blob = made.blob(b"old", namespace="buildkit_history")
    made.lease(f"ref_{build_id('gone')}", blobs=[blob], labels={}, namespace="buildkit_history")
    store = made.open()

    assert {f"lease:buildkit_history/ref_{build_id('gone')}"} == {
        f.node for f in store.findings if f.code == "leaked-lease"
    }
    assert "held" == fate(store, f"blob:{blob}")


def test_every_path_has_an_owner(made: BuildKitMaker) -> None:
    """Fates add up to the whole; leftovers of a crash are debris, strangers are unknown."""
    made.record("a")
    made.write()
    bundle = made.root / made.worker / "executor" / build_id("bundle")
    mount = made.root / made.worker / "cachemounts/buildkit123"
    for directory in (bundle, mount, made.root / "policy", made.root / "own-notes"):
        directory.mkdir(parents=True)
    (made.root / made.worker / "executor/resolv.conf").write_text("nameserver ::1")
    (made.root / "buildkitd.lock").write_text("")
    (bundle / "config.json").write_text("{}" * 100)
    store = made.open()

    assert "unreferenced" == fate(store, f"debris:{bundle.relative_to(made.root)}")
    assert "unreferenced" == fate(store, f"debris:{mount.relative_to(made.root)}")
    assert "unknown" == fate(store, "debris:own-notes")
    assert {"stray-file"} == codes(store)
    counted = measure(store).fates()
    assert counted["unknown"].inodes == 1
    assert sum(part.inodes for part in counted.values()) == measure(store).total().inodes
    assert measure(store).total().inodes == 1 + sum(1 for _ in made.root.rglob("*"))


def test_unreadable_records_leave_the_leases_in_force(made: BuildKitMaker) -> None:
    """6.3: only commands of the build cache can't be simulated; no lease is called leaked."""
    ident = made.record("a")
    made.write()
    path = made.root / made.worker / "metadata_v2.db"
    path.write_bytes(path.read_bytes()[:5000])
    store = open_store(str(made.root))

    assert {"database-unreadable"} == codes(store)
    assert "metadata_v2.db" in store.doubts["cache"]
    assert "held" == fate(store, f"snapshot:buildkit/overlayfs/{ident}")
    assert {"is a lease"} <= {word for words in store.graph.roots.values() for word in words}


def test_an_undecodable_record_blocks_the_cache(made: BuildKitMaker) -> None:
    """What it would say is unknown, so no prune is planned."""
    ident = made.record("a")
    made.records[ident]["cache.usageCount"] = "many"
    store = made.open()

    assert {"record-unreadable"} == codes(store)
    assert {"cache"} == set(store.doubts)


def test_a_broken_index_is_told_and_blocks_nothing(made: BuildKitMaker) -> None:
    """6.3: cache.db holds no data."""
    made.record("a")
    made.write()
    (made.root / "cache.db").write_bytes(bytes(8192))
    store = open_store(str(made.root))

    assert {"index-unreadable-db"} == codes(store)
    assert {} == store.doubts
    assert [] == store.findings.blocking


def test_a_broken_history_blocks_only_the_history(made: BuildKitMaker) -> None:
    """Its leases hold all the same."""
    blob = made.blob(b"p", namespace="buildkit_history")
    made.build(build_id("b"), [blob])
    made.write()
    (made.root / "history.db").write_bytes(b"x" * 9000)
    store = open_store(str(made.root))

    assert {"history"} == set(store.doubts)
    assert "held" == fate(store, f"blob:{blob}")


def test_missing_records_with_leases_are_doubt(made: BuildKitMaker) -> None:
    """A missing file counts as unreadable where something else needs it."""
    ident = made.record("a")
    made.write()
    (made.root / made.worker / "metadata_v2.db").write_bytes(bolt({}))
    (made.root / "containerd-other").mkdir()
    (made.root / "containerd-other/metadata_v2.db").write_bytes(BoltMaker().write({}))
    (made.root / made.worker / "metadata_v2.db").unlink()
    store = open_store(str(made.root))

    assert "database-missing" in codes(store)
    assert "metadata_v2.db" in store.doubts["cache"]
    assert "held" == fate(store, f"snapshot:buildkit/overlayfs/{ident}")


def test_records_of_the_old_format_make_everything_unknown_that_no_lease_holds(made: BuildKitMaker) -> None:
    """3.1: metadata.db alone, which BuildKit migrated up to 0.27 and refuses since 0.28."""
    ident = made.record("a")
    bare = made.record("bare")
    del made.leases["buildkit", bare]
    made.write()
    base = made.root / made.worker
    (base / "metadata_v2.db").rename(base / "metadata.db")
    store = open_store(str(made.root))

    assert ["records-of-old-format"] == [f.code for f in store.findings.blocking]
    assert "held" == fate(store, f"snapshot:buildkit/overlayfs/{ident}")
    assert "unknown" == fate(store, f"snapshot:buildkit/overlayfs/{bare}")


def test_a_containerd_worker_shows_its_records_and_blocks_the_cache(tmp_path: Path) -> None:
    """Its content and snapshots lie in a containerd elsewhere."""
    made = BuildKitMaker(tmp_path, worker="containerd-overlayfs")
    ident = made.record("a")
    directory = tmp_path / made.worker
    directory.mkdir()
    (directory / "metadata_v2.db").write_bytes(bolt({b"_main": made._main()}))
    (directory / "workerid").write_text("w" * 25)
    store = open_store(str(tmp_path))

    node = store.graph.nodes[number(store, f"record:{ident}")]
    assert ("regular", True) == (node.state, node.unsized)
    assert {"plans-blocked-for"} == codes(store)
    assert "containerd elsewhere" in store.doubts["cache"]


def test_several_workers_are_read(made: BuildKitMaker) -> None:
    """Each has records, leases and snapshots of its own."""
    one = made.record("one")
    made.write()
    other = BuildKitMaker(made.root, worker="runc-native")
    two = other.record("two")
    store = other.open()

    assert {one, two} == {node.id for node in store.graph.nodes if node.kind == "record"}
    assert "held" == fate(store, f"snapshot:buildkit/overlayfs/{one}")
    assert "held" == fate(store, f"snapshot:buildkit/native/{two}")
    assert "native" == store.driver
