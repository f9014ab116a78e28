"""BuildKit's records: what metadata_v2.db says, which of them a start loads, and who stands on whom."""

from __future__ import annotations

from typing import Any

import orjson

from ocistore.formats.bolt import Database
from ocistore.stores.shared.buildkit.cache import Presence, dropped_by_start, is_lazy, load_idle
from ocistore.stores.shared.buildkit.history import read_history
from ocistore.stores.shared.buildkit.metadata import read_records
from ocistore.stores.shared.buildkit.records import CacheRecord
from tests.make.bolt import BoltMaker, Tree


class Have:
    """Presence of what is named; of nothing else, or of what can't be known."""

    def __init__(self, *snapshots: str, content: tuple[str, ...] = (), remote: str = "", known: bool = True) -> None:
        self.snapshots, self.contents, self.remotes, self.known = snapshots, content, remote, known

    def snapshot(self, key: str) -> bool | None:
        """See Presence."""
        return True if key in self.snapshots else (False if self.known else None)

    def content(self, digest: str) -> bool | None:
        """See Presence."""
        return True if digest in self.contents else (False if self.known else None)

    def remote(self, key: str) -> bool:
        """See Presence."""
        return key == self.remotes


def read(records: dict[str, dict[str, Any]], extra: Tree | None = None) -> tuple[dict[str, CacheRecord], list[str]]:
    """The records of a database with these values, and the places of its faults."""
    main: Tree = {
        ident.encode(): {key.encode(): _value(value) for key, value in values.items()}
        for ident, values in records.items()
    }
    found = read_records(Database(BoltMaker().write({b"_main": {**main, **(extra or {})}})))
    return found.records, [fault.place for fault in found.faults]


def _value(value: Any) -> bytes:  # noqa: ANN401 - JSON is any value
    return value if isinstance(value, bytes) else orjson.dumps({"value": value})


def record(ident: str, *parents: str, committed: bool = True, **keys: Any) -> CacheRecord:  # noqa: ANN401
    """A record of one layer."""
    kind = "layer" if parents else "base"
    snapshot = keys.pop("snapshot", ident)
    return CacheRecord(ident, snapshot, committed=committed, parents=parents, kind=keys.pop("kind", kind), **keys)


def dropped(presence: Presence, *records: CacheRecord) -> set[str]:
    """What a start drops of these records."""
    return set(dropped_by_start({r.id: r for r in records}, presence).dropped)


def test_every_key_is_read() -> None:
    """Values are JSON objects with a value, and an index that is told by the key's name."""
    records, faults = read(
        {
            "r1": {
                "cache.snapshot": "s1",
                "snapshot.committed": True,
                "cache.parent": "p",
                "cache.blobonly": True,
                "cache.blob": "sha256:b",
                "cache.blobsize": 12,
                "cache.imageRefs": ["x"],
                "snapshot.size": -1,
                "cache.createdAt": 5,
                "cache.lastUsedAt": 0,
                "cache.usageCount": 3,
                "cache.recordType": "frontend",
                "cache.cachePolicy": 1,
                "cache.description": "d",
                "cache.deleted": True,
                "cache.equalMutable": b"",
                "cache-dir": b'{"value":"/c","index":"cache-dir:/c"}',
                "something.new": {"a": 1},
            },
            "r2": {},
        }
    )

    one, two = records["r1"], records["r2"]
    assert [] == faults
    assert ("s1", True, ("p",), "layer") == (one.snapshot, one.committed, one.parents, one.kind)
    assert (True, "sha256:b", 12, ("x",), None) == (one.blob_only, one.blob, one.blob_size, one.image_refs, one.size)
    assert (5, None, 3, "frontend", 1) == (
        one.created_ns,
        one.last_used_ns,
        one.usage_count,
        one.record_type,
        one.policy,
    )
    assert ("d", True, "", {"cache-dir": "/c"}) == (one.description, one.deleted, one.equal_mutable, one.indexes)
    assert ("r2", False, (), "base", "regular", None) == (
        two.snapshot,
        two.committed,
        two.parents,
        two.kind,
        two.record_type,
        two.size,
    )


def test_merges_and_diffs_are_immutable_and_go_before_a_parent() -> None:
    """The kind is tested in the order merge, diff, layer (BuildKit 0.10.0 wrote them without committed)."""
    records, _ = read(
        {
            "m": {"cache.mergeParents": ["a", "b"], "cache.parent": "c"},
            "d": {"cache.lowerDiffParent": "a", "cache.upperDiffParent": "b", "cache.parent": "c"},
            "u": {"cache.upperDiffParent": "b"},
        }
    )

    assert ("merge", ("a", "b"), True) == (records["m"].kind, records["m"].parents, records["m"].committed)
    assert ("diff", ("a", "b"), True) == (records["d"].kind, records["d"].parents, records["d"].committed)
    assert ("diff", ("b",), True) == (records["u"].kind, records["u"].parents, records["u"].committed)


def test_a_value_that_cannot_be_decoded_is_a_fault_and_the_rest_is_read() -> None:
    """Each with its bucket; a fault has no value."""
    records, faults = read(
        {"r": {"cache.parent": b"{", "cache.usageCount": "many", "cache.description": "d", "cache.imageRefs": [1]}},
        {b"plain": b"x", b"deep": {b"cache.blob": {b"k": b"v"}}},
    )

    assert ((), 0, "d") == (records["r"].parents, records["r"].usage_count, records["r"].description)
    assert {
        "bucket _main/plain",
        "bucket _main/deep/cache.blob",
        "bucket _main/r/cache.parent",
        "bucket _main/r/cache.usageCount",
        "bucket _main/r/cache.imageRefs",
    } == set(faults)


def test_a_database_without_records_has_none() -> None:
    """A file that was just made, and one without the bucket."""
    assert ({}, []) == tuple(read_records(Database(b"")))
    assert ({}, []) == tuple(read_records(Database(BoltMaker().write({b"_index": {b"a::b": b""}}))))


def test_a_damaged_build_is_a_fault_with_its_ref() -> None:
    """It is there, and what it says is unknown."""
    found = read_history(Database(BoltMaker().write({b"_records": {b"good": b"", b"bad": b"\xff", b"deep": {}}})))

    assert {"good", "bad"} == set(found.records)
    assert {"bucket _records/bad", "bucket _records/deep"} == {fault.place for fault in found.faults}


def test_a_record_whose_parent_is_missing_is_dropped_and_all_that_stands_on_it() -> None:
    """Case 46."""
    assert {"a", "b"} == dropped(Have(), record("a", "gone"), record("b", "a"), record("c"))


def test_a_record_whose_removal_was_begun_is_dropped() -> None:
    """Case 45."""
    assert {"a"} == dropped(Have(), record("a", deleted=True), record("b"))


def test_a_mutable_record_needs_its_snapshot() -> None:
    """By the record's id; an immutable one doesn't."""
    assert {"b"} == dropped(
        Have("a"), record("a", committed=False), record("b", committed=False, snapshot="a"), record("c")
    )


def test_where_presence_is_unknown_records_are_kept() -> None:
    """The containerd that has the data isn't at hand."""
    assert set() == dropped(
        Have(known=False),
        record("a", committed=False),
        record("i", equal_mutable="gone"),
        record("z", blob_only=True, blob="sha256:b"),
    )


def test_an_immutable_half_without_its_mutable_one() -> None:
    """Case 44: with its own snapshot it stays and is single, without one it goes."""
    records = {r.id: r for r in (record("i", equal_mutable="gone"), record("j", equal_mutable="gone"))}
    start = dropped_by_start(records, Have("i"))

    assert ({"j"}, {"i"}) == (set(start.dropped), set(start.cleared))
    loaded = load_idle(records, start)
    assert ({"i"}, {}) == (set(loaded.records), loaded.mutable_of)


def test_a_lazy_record_and_its_child_are_dropped() -> None:
    """Case 47: the blob isn't in the worker's namespace, or its snapshot is a remote one."""
    lazy = record("a", blob_only=True, blob="sha256:b")
    child = record("c", "a")

    assert {"a", "c"} == dropped(Have(), lazy, child)
    assert set() == dropped(Have(content=("sha256:b",)), lazy, child)
    assert {"a", "c"} == dropped(Have(content=("sha256:b",), remote="a"), lazy, child)


def test_graph_mode_has_no_blobs_and_no_lazy_records() -> None:
    """There cache.blobonly is true of base images, with an empty blob."""
    assert not is_lazy(record("a", blob_only=True, blob=""), Have())


def test_records_that_are_their_own_ancestors_are_dropped() -> None:
    """A cycle, itself, and what stands on it; reading ends."""
    assert {"a", "b", "c", "s"} == dropped(
        Have(), record("a", "b"), record("b", "a"), record("c", "a"), record("s", "s"), record("x")
    )


def test_a_long_chain_is_loaded() -> None:
    """No recursion: each of 50,000 records stands on the one before."""
    records = {str(n): record(str(n), *([str(n - 1)] if n else [])) for n in reversed(range(50_000))}

    assert {} == dropped_by_start(records, Have()).dropped


def test_the_visible_half_of_a_pair_depends_on_children() -> None:
    """Case 43: the mutable one, or the immutable one if a record names it."""
    mutable = record("m", "p", committed=False)
    immutable = record("i", "p", equal_mutable="m")
    parent = record("p")
    alone = {r.id: r for r in (parent, mutable, immutable)}
    loaded = load_idle(alone, dropped_by_start(alone, Have("m")))

    assert (True, False, 2) == (loaded.is_visible("m"), loaded.is_visible("i"), loaded.refs["p"])
    assert ("m", ("m", "i")) == (loaded.visible("i"), loaded.halves("i"))

    named = {**alone, "c": record("c", "i")}
    loaded = load_idle(named, dropped_by_start(named, Have("m")))

    assert (False, True) == (loaded.is_visible("m"), loaded.is_visible("i"))
    assert "i" == loaded.visible("m")


def test_layer_chains() -> None:
    """A merge has the chains of its parents, a diff its own blob or its upper's chain (7.2)."""
    records = {
        r.id: r
        for r in (
            record("a", blob="A"),
            record("b", "a", blob="B"),
            record("x", blob="X"),
            record("m", "b", "x", kind="merge"),
            record("n", "m", blob="N"),
            record("d", "a", "b", kind="diff", lower="a", upper="b"),
            record("e", "a", "b", kind="diff", lower="a", upper="b", blob="E"),
        )
    }
    loaded = load_idle(records, dropped_by_start(records, Have()))

    assert ["A", "B"] == loaded.layer_chain("b")
    assert ["A", "B", "X"] == loaded.layer_chain("m")
    assert ["A", "B", "X", "N"] == loaded.layer_chain("n")
    assert ["A", "B"] == loaded.layer_chain("d")
    assert ["E"] == loaded.layer_chain("e")
