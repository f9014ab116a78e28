"""What a prune of BuildKit's cache takes (docker-buildkit-containerd 3.7, 3.8), on records without files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.plan.buildkit.cache_state import CacheState, Pruned
from ocistore.plan.buildkit.ranking import STABLE, Ranking
from ocistore.plan.buildkit.rules import Rule, keep_bytes
from ocistore.plan.buildkit.versions import NEWEST
from ocistore.plan.buildkit.world import Live
from ocistore.plan.plan import Outcome
from ocistore.stores.shared.buildkit.cache import Cache
from ocistore.stores.shared.buildkit.records import CacheRecord
from ocistore.stores.store import Store

if TYPE_CHECKING:
    from ocistore.plan.buildkit.versions import Version

NOW = 1_000_000
"""Small times, so that tests can count them."""
OLD: Version = (0, 9, 0)


class Everything:
    """Presence of all data."""

    def snapshot(self, key: str) -> bool | None:
        """See Presence."""
        return key != ""

    def content(self, digest: str) -> bool | None:
        """See Presence."""
        return digest != ""

    def remote(self, key: str) -> bool:
        """See Presence."""
        return key == "remote"


@dataclass
class FakeBackend:
    """A backend that notes what is asked of it.

    Attributes:
        sharing: ids of records that an image has; None: there is no checker.
        free: bytes.
        usage: bytes of a snapshot of unknown size.
        deleted: leases that were deleted, in order.
        collections: how often was collected.
    """

    sharing: set[str] | None = None
    free: int = 0
    usage: int = 7
    deleted: list[str] = field(default_factory=list)
    collections: int = 0

    def delete_lease(self, lease: str) -> None:
        """See CacheBackend."""
        self.deleted.append(lease)

    def collect(self) -> None:
        """See CacheBackend."""
        self.collections += 1

    def snapshot_usage(self, record: CacheRecord) -> int:
        """See CacheBackend."""
        return self.usage

    def blob_usage(self, record: CacheRecord) -> int:
        """See CacheBackend."""
        return 100

    def shared(self, record: CacheRecord, chain: list[str]) -> bool:
        """See CacheBackend."""
        return record.id in (self.sharing or ())

    @property
    def compares_blobs(self) -> bool:
        """See CacheBackend."""
        return True

    def has_sharing(self) -> bool:
        """See CacheBackend."""
        return self.sharing is not None

    def free_space(self) -> int:
        """See CacheBackend."""
        return self.free


class Build:
    """A cache made of a few records, and prunes of it."""

    def __init__(self, *records: CacheRecord, version: Version = NEWEST, **backend: Any) -> None:  # noqa: ANN401
        self.backend = FakeBackend(**backend)
        cache = Cache(0, "m", "buildkit", "buildkit_history", "x", Everything(), None)
        cache.records = {record.id: record for record in records}
        store = Store("buildkit", ".", "x", Graph(), Findings())
        self.state = CacheState(cache, self.backend, now_ns=NOW, version=version, store=store)
        self.outcome = Outcome()
        self.last: list[Pruned] = []

    def prune(self, *rules: Rule) -> list[str]:
        """Ids that go, in order."""
        self.outcome = Outcome()
        self.last = self.state.prune(rules, self.outcome)
        return [removal.id for removal in self.outcome.removals if removal.kind == "record"]


def record(ident: str, *parents: str, **keys: Any) -> CacheRecord:  # noqa: ANN401 - JSON is any value
    """A retained immutable record of 10 bytes, used once, at time 1."""
    values: dict[str, Any] = {
        "committed": True,
        "size": 10,
        "policy": 1,
        "usage_count": 1,
        "last_used_ns": 1,
        "kind": "layer" if parents else "base",
        **keys,
    }
    return CacheRecord(ident, ident, parents=parents, **values)


def pair(name: str, *parents: str, policy: int = 1, size: int | None = 10, **keys: Any) -> list[CacheRecord]:  # noqa: ANN401
    """A mutable record and its immutable half `NAMEi`."""
    return [
        record(name, *parents, committed=False, policy=policy, size=size, **keys),
        record(f"{name}i", *parents, equal_mutable=name, policy=policy, size=None),
    ]


ALL = Rule(all=True)


def test_all_takes_children_before_parents_with_their_leases() -> None:
    """A record goes when nothing names it any more; its leases are deleted, then all is collected once."""
    build = Build(record("a"), record("b", "a"), record("c", "b"))

    assert ["c", "b", "a"] == build.prune(ALL)
    assert ["c", "c-variants", "b", "b-variants", "a", "a-variants"] == build.backend.deleted
    assert 1 == build.backend.collections
    assert 30 == build.last[0].reported
    assert [] == build.prune(ALL)


def test_a_child_that_stays_keeps_its_parents() -> None:
    """Case 48: without All a frontend or internal record stays, and what it stands on."""
    for kind in ("frontend", "internal"):
        build = Build(record("a"), record("b", "a", record_type=kind), record("c"))
        assert ["c"] == build.prune(Rule())
        assert {"a", "b"} == set(build.prune(ALL))


def test_shared_records_stay_without_all() -> None:
    """Their parents stay with them; All takes both (case 49)."""
    build = Build(record("a"), record("b", "a"), record("c", "b"), record("d"), sharing={"b"})

    assert ["c", "d"] == build.prune(Rule())
    assert ["b", "a"] == build.prune(ALL)


def test_filters_stop_at_the_first_child_that_does_not_match() -> None:
    """In particular filters on type (3.8, the fix point)."""
    build = Build(record("a", record_type="source.local"), record("b", "a"), record("c", record_type="source.local"))

    assert ["c"] == build.prune(Rule(all=True, filters=("type==source.local",)))


def test_filters_are_joined_by_or_and_their_parts_by_and() -> None:
    """Case 50: the default policy's one string matches nothing, its three strings do."""
    kinds = ("source.local", "exec.cachemount", "source.git.checkout")
    records = [record(kind, record_type=kind) for kind in kinds]
    strings = tuple(f"type=={kind}" for kind in kinds)

    assert [] == Build(*records).prune(Rule(filters=(",".join(strings),)))
    assert set(kinds) == set(Build(*records).prune(Rule(filters=strings)))


def test_presence_fields_have_no_value() -> None:
    """`mutable` is present, `mutable==true` never true; parents and inuse are absent in a prune."""
    records = [*pair("m"), record("i")]

    assert ["m"] == Build(*records).prune(Rule(filters=("mutable",)))
    assert ["i"] == Build(*records).prune(Rule(filters=("immutable",)))
    assert [] == Build(*records).prune(Rule(filters=("mutable==true",)))
    assert ["i"] == Build(record("a"), record("i", "a")).prune(Rule(filters=("parents!=x,id==i",)))
    assert [] == Build(record("a"), record("i", "a")).prune(Rule(filters=("parents~=a",)))
    assert [] == Build(record("a")).prune(Rule(filters=("inuse",)))
    assert ["a"] == Build(record("a"), sharing=set()).prune(Rule(filters=("private",)))
    assert ["a"] == Build(record("a"), sharing={"a"}).prune(Rule(all=True, filters=("shared",)))
    # Without a filter and with All BuildKit doesn't ask whether anything is shared.
    assert [] == Build(record("a"), sharing={"a"}).prune(Rule(all=True, filters=("private",)))


def test_descriptions_are_seen_since_0_14() -> None:
    """Before, the field is absent in a prune, so that != is true and everything else isn't."""
    one = record("a", description="RUN go build")
    rule, other = Rule(filters=("description~=go",)), Rule(filters=("description!=x",))

    assert (["a"], ["a"]) == (Build(one).prune(rule), Build(one).prune(other))
    assert ([], ["a"]) == (Build(one, version=(0, 13, 2)).prune(rule), Build(one, version=(0, 13, 2)).prune(other))


def test_a_filter_that_is_refused_fails_before_anything_goes() -> None:
    """Nothing is collected either."""
    build = Build(record("a"))

    assert [] == build.prune(Rule(all=True, filters=("id=a",)))
    assert "'='" in build.outcome.failure
    assert 0 == build.backend.collections


def test_a_duration_takes_one_generation_at_a_time() -> None:
    """Step 7: the last child's removal stamps the parent; 20.10's BuildKit doesn't stamp."""
    records = [record("a"), record("b", "a"), record("c", "b"), record("never", last_used_ns=None)]
    rule = Rule(all=True, keep_duration_ns=NOW // 2)
    build = Build(*records)

    assert ["c", "never"] == build.prune(rule)
    assert {"c", "b", "a", "never"} == set(Build(*records, version=OLD).prune(rule))


def test_what_was_used_at_the_edge_of_the_duration_goes() -> None:
    """Skipped if the last use is after now - duration."""
    rule = Rule(keep_duration_ns=1000)

    assert ["a"] == Build(record("a", last_used_ns=NOW - 1000)).prune(rule)
    assert [] == Build(record("a", last_used_ns=NOW - 999)).prune(rule)


def test_a_stamp_waits_for_the_last_child() -> None:
    """A parent of two is stamped once, when the second goes."""
    build = Build(record("a", usage_count=5), record("b", "a"), record("c", "a"))
    build.prune(Rule(filters=("id==b",)))
    assert (5, 1) == (build.state.world.lives["a"].usage, build.state.world.lives["a"].used_ns)
    build.prune(Rule(filters=("id==c",)))
    live = build.state.world.lives["a"]

    assert 6 == live.usage
    assert live.used_ns is not None
    assert live.used_ns > NOW


def test_a_pair_goes_as_one_and_drops_both_references() -> None:
    """Case 43: I and M each name the parent; the leases are M's."""
    build = Build(record("p"), *pair("m", "p"))

    assert ["m", "p"] == build.prune(ALL)
    assert ["m", "m-variants", "p", "p-variants"] == build.backend.deleted
    assert 20 == build.last[0].reported


def test_a_pair_with_a_child_goes_after_it() -> None:
    """The immutable half is listed while a record names it; both halves are stamped when it is freed."""
    build = Build(*pair("m"), record("c", "mi"))

    assert ["c"] == build.prune(Rule(filters=("id==c",)))
    lives = build.state.world.lives
    assert (2, 2) == (lives["m"].usage, lives["mi"].usage)
    assert ["m"] == build.prune(ALL)


def test_a_pair_that_nothing_retains_goes_with_its_last_child() -> None:
    """Step 7: whatever the rule says, and unreported; its parents are freed like others."""
    build = Build(record("p"), *pair("m", "p", policy=0), record("c", "mi"))

    assert ["c", "m"] == build.prune(Rule(filters=("id==c",)))
    assert (["c"], ["m"], 10) == (build.last[0].records, build.last[0].unreported, build.last[0].reported)
    assert 2 == build.state.world.lives["p"].usage


def test_an_immutable_half_whose_policy_retains_keeps_the_pair() -> None:
    """Either half's policy counts."""
    records = [*pair("m", policy=0), record("c", "mi")]
    records[1].policy = 1

    assert ["c"] == Build(*records).prune(Rule(filters=("id==c",)))


def test_a_chain_of_pairs_that_nothing_retains_falls_at_once() -> None:
    """Without recursion, and unreported but for the first."""
    records = [record("0")]
    for number in range(1, 3000):
        records += pair(f"{number}", f"{number - 1}i" if number > 1 else "0", policy=0)
    records.append(record("top", "2999i"))
    build = Build(*records)

    gone = build.prune(Rule(filters=("id==top",)))

    assert 3000 == len(gone)
    assert ["top"] == build.last[0].records
    assert ["0"] == build.prune(ALL)


def test_merges_and_diffs_hold_all_their_parents() -> None:
    """Case 54: a merge of two, one of which another record needs."""
    records = [record("a"), record("b"), record("m", "a", "b", kind="merge"), record("c", "b")]
    build = Build(*records)

    assert ["m", "a"] == build.prune(Rule(filters=("id==m", "id==a", "id==b")))
    assert ["c", "b"] == build.prune(ALL)


# Sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "total", "free", "keep"),
    [
        (Rule(), 100, 0, 0),
        (Rule(max_used=40), 100, 0, 40),
        (Rule(reserved=40), 100, 0, 40),
        (Rule(max_used=40, reserved=60), 100, 0, 60),
        (Rule(min_free=30), 100, 10, 80),
        (Rule(min_free=30), 100, 30, 100),
        (Rule(min_free=200), 100, 10, 0),
        (Rule(min_free=30, max_used=90), 100, 10, 80),
        (Rule(min_free=30, max_used=70), 100, 10, 70),
        (Rule(min_free=30, max_used=70), 100, 50, 70),
        (Rule(min_free=30, reserved=95), 100, 10, 95),
        (Rule(min_free=110), 100, 10, 0),
    ],
)
def test_the_size_down_to_which_a_rule_prunes(rule: Rule, total: int, free: int, keep: int) -> None:
    """Step 4; a result of 0 or less means that everything goes, as there is no cap then."""
    assert keep == max(keep_bytes(rule, total, free), 0)


def test_a_negative_limit_takes_all() -> None:
    """More must be freed than there is."""
    build = Build(record("a"), record("b"), free=10)

    assert {"a", "b"} == set(build.prune(Rule(min_free=1000)))


def test_a_total_below_the_limit_prunes_nothing_and_at_it_one() -> None:
    """Case 51: strictly less, so that at equality one more record goes."""
    records = [record(name, last_used_ns=at) for at, name in enumerate("abc", 1)]

    assert [] == Build(*records).prune(Rule(max_used=31))
    assert ["a"] == Build(*records).prune(Rule(max_used=30))
    assert ["a", "b"] == Build(*records).prune(Rule(max_used=20))


def test_shared_records_and_their_ancestors_do_not_count() -> None:
    """Step 3; with All they may go all the same."""
    records = [record("a"), record("b", "a"), record("c", last_used_ns=9, usage_count=9)]

    assert [] == Build(*records, sharing={"b"}).prune(Rule(all=True, max_used=11))
    assert ["b"] == Build(*records, sharing={"b"}).prune(Rule(all=True, max_used=10))


def test_parents_compete_again_as_the_last_used() -> None:
    """In gcMode one record goes at a time; a parent that is freed then was used just now, once more."""
    records = [record("a", last_used_ns=1), record("b", "a", last_used_ns=2), record("c", last_used_ns=3)]

    assert ["b", "c", "a"] == Build(*records).prune(Rule(max_used=1))
    assert ["b", "a", "c"] == Build(*records, version=OLD).prune(Rule(reserved=1))


def test_unknown_sizes_are_asked_for_and_that_drops_what_nothing_retains() -> None:
    """Step 7: before anything is compared, unreported; the size still counts in the total."""
    loose = record("loose", committed=False, policy=0, size=None)
    kept = record("kept", committed=False, size=None)
    build = Build(loose, kept, *pair("p", policy=0, size=None), record("i", size=None))

    assert ["loose", "p"] == build.prune(Rule(max_used=10_000))
    assert ([], {"loose", "p"}, 0) == (build.last[0].records, set(build.last[0].unreported), build.last[0].reported)
    assert build.state.world.lives["kept"].immutable is not None
    assert 1 == build.backend.collections
    assert [] == build.prune(Rule(max_used=10_000))
    assert {"kept", "i"} == set(build.prune(ALL))


def test_which_of_the_sizes_is_asked_for_last_is_open() -> None:
    """Asking for its size counts as a use of a retained mutable record; all are asked at once (seen with 20.10)."""
    mounts = [record(name, committed=False, size=None, usage_count=1) for name in "ab"]
    build = Build(*mounts, record("old", usage_count=1, size=3), usage=10)

    assert ["old"] == build.prune(Rule(all=True, max_used=20))
    assert {"a", "b"} == set(build.state.at_once)
    assert [] == build.prune(Rule(all=True, max_used=20))
    assert ["native-order-undefined"] == [finding.code for finding in build.outcome.findings]
    assert {"a", "b"} == set(build.prune(Rule(all=True, max_used=1)))


def test_without_sizes_nothing_is_asked_for() -> None:
    """The unretained record is taken as a candidate and reported."""
    build = Build(record("loose", committed=False, policy=0, size=None))

    assert ["loose"] == build.prune(Rule())
    assert 7 == build.last[0].reported


def test_the_size_of_a_record_with_a_blob_has_the_blob() -> None:
    """3.7, step 4: the snapshot's usage unless only the blob is there, and the blob with its variants."""
    assert 107 == _reported(record("a", size=None, blob="sha256:b"))
    assert 100 == _reported(record("a", size=None, blob="sha256:b", blob_only=True))
    assert 7 == _reported(record("a", size=None))


def _reported(one: CacheRecord) -> int:
    build = Build(one)
    build.prune(ALL)
    return build.last[0].reported


def test_several_rules_run_one_after_the_other_and_collect_once() -> None:
    """As a policy does."""
    build = Build(record("a", record_type="source.local"), record("b"), record("c", "b"))

    assert ["a", "c", "b"] == build.prune(Rule(filters=("type==source.local",)), Rule())
    assert [["a"], ["c", "b"]] == [done.records for done in build.last]
    assert 1 == build.backend.collections


# Order -----------------------------------------------------------------------------------------------------------


def first(*lives: Live, from_one: bool = True) -> tuple[str, set[str]]:
    """What goes first of these, and what could as well."""
    ranking = Ranking(from_one=from_one)
    for live in lives:
        ranking.add(live)
    found = ranking.first()
    return found.live.id, {rival.id for rival in found.rivals}


def live(ident: str, used: int | None, usage: int) -> Live:
    """A candidate."""
    return Live(record(ident, last_used_ns=used, usage_count=usage))


def test_never_used_goes_first() -> None:
    """Case 53: nil sorts before every time."""
    assert ("n", set()) == first(live("a", 1, 1), live("n", None, 1))


def test_the_older_and_the_less_used_go_first() -> None:
    """One counter each; the sum of both shares decides."""
    assert ("a", set()) == first(live("a", 1, 1), live("b", 2, 1))
    assert ("b", set()) == first(live("a", 1, 5), live("b", 1, 2))


def test_among_equals_the_less_used_goes_first() -> None:
    """Case 52: up to twelve Go's sort keeps the order by usage count, then by last use."""
    assert ("b", set()) == first(live("a", 1, 2), live("b", 2, 1))


def test_equals_in_everything_are_undefined() -> None:
    """The smallest id is named first, the others are its rivals."""
    assert ("a", {"b"}) == first(live("b", 1, 1), live("a", 1, 1), live("z", 2, 1))


def test_more_than_twelve_candidates_leave_ties_undefined() -> None:
    """Go's sort isn't stable then."""
    many = [live(f"x{n}", 50 + n, 9) for n in range(STABLE - 1)]

    assert ("b", set()) == first(live("a", 1, 2), live("b", 2, 1), *many[:2])
    name, rivals = first(live("a", 1, 2), live("b", 2, 1), *many)
    assert {"a", "b"} == {name, *rivals} or rivals == set()


def test_counters_that_begin_at_zero_can_leave_the_order_open() -> None:
    """Before BuildKit 0.22: a counter that stays 0 makes every sum not a number."""
    lives = [live("a", 1, 0), live("b", 2, 0)]

    assert ("a", set()) == first(*lives)
    many = [live(f"x{n}", n + 3, 0) for n in range(STABLE)]
    assert {f"x{n}" for n in range(STABLE)} | {"b"} == first(*lives, *many, from_one=False)[1]


def test_the_counters_begin_at_one_since_0_22() -> None:
    """The same candidates in another order: never used and once used against used long ago and often."""
    lives = [live("never", None, 3), live("old", 1, 0), live("new", 2, 1)]

    assert _order_by_definition(lives, from_one=True)[0] == first(*lives)[0]
    assert _order_by_definition(lives, from_one=False)[0] == first(*lives, from_one=False)[0]


def _order_by_definition(lives: list[Live], *, from_one: bool) -> list[str]:
    """BuildKit's sortDeleteRecords with a stable sort, word for word."""
    by_time = sorted(lives, key=lambda each: (each.used_ns is not None, each.used_ns or 0))
    base = 1.0 if from_one else 0.0
    times, value, counter = {}, 0, base
    for each in by_time:
        if each.used_ns is not None and each.used_ns > value:
            value, counter = each.used_ns, counter + 1
        times[each.id] = counter
    all_times = counter
    by_usage = sorted(by_time, key=lambda each: each.usage)
    usages, count, counter = {}, 0, base
    for each in by_usage:
        if each.usage != count:
            count, counter = each.usage, counter + 1
        usages[each.id] = counter
    if not all_times or not counter:
        return [each.id for each in by_usage]
    return [each.id for each in sorted(by_usage, key=lambda e: times[e.id] / all_times + usages[e.id] / counter)]


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(1, 6)), st.integers(0, 5)), min_size=1, max_size=STABLE),
    st.booleans(),
)
@settings(max_examples=400)
def test_the_kept_order_is_that_of_the_definition(values: list[tuple[int | None, int]], from_one: bool) -> None:
    """Taking the first again and again gives what sorting anew each time gives, equals aside."""
    lives = [live(f"{number:02}", *value) for number, value in enumerate(values)]
    ranking = Ranking(from_one=from_one)
    for each in lives:
        ranking.add(each)
    while lives:
        found = ranking.first()
        wanted = _order_by_definition(lives, from_one=from_one)[0]
        assert wanted in {found.live.id, *(rival.id for rival in found.rivals)}
        equal = next(each for each in lives if each.id == wanted)
        assert (equal.usage, equal.used_ns) == (found.live.usage, found.live.used_ns)
        ranking.remove(found.live)
        lives.remove(found.live)
    assert 0 == len(ranking)


def test_where_the_order_is_open_only_the_sure_part_is_planned() -> None:
    """Two equals of which one goes: neither is planned, and a note says so."""
    build = Build(record("old", last_used_ns=0), record("a"), record("b"))

    assert ["old"] == build.prune(Rule(max_used=15))
    assert ["native-order-undefined"] == [finding.code for finding in build.outcome.findings]
    assert {"a", "b"} == set(Build(record("a"), record("b")).prune(Rule(max_used=1)))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_prune_after_prune_is_empty_and_children_go_first(data: st.DataObject) -> None:
    """On random forests: what goes has no child that stays, and All takes everything."""
    records: list[CacheRecord] = []
    for number in range(data.draw(st.integers(1, 14))):
        parents = [r.id for r in records if r.committed]
        chosen = data.draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else []
        keys: dict[str, Any] = {
            "last_used_ns": data.draw(st.one_of(st.none(), st.integers(1, NOW))),
            "usage_count": data.draw(st.integers(0, 3)),
            "record_type": data.draw(st.sampled_from(("regular", "internal", "source.local"))),
        }
        policy = data.draw(st.integers(0, 1))
        if data.draw(st.booleans()):
            records += pair(f"m{number:02}", *chosen, policy=policy, **keys)
        else:
            records.append(record(f"r{number:02}", *chosen, policy=policy, **keys))
    rule = Rule(
        all=data.draw(st.booleans()),
        keep_duration_ns=data.draw(st.sampled_from((0, NOW // 2))),
        max_used=data.draw(st.sampled_from((0, 1, 35))),
    )
    build = Build(*records)
    gone = set(build.prune(rule))

    left = dict(build.state.world.lives)
    assert all(parent.id in left for each in left.values() for parent in each.parents)
    assert not gone & set(left)
    if not rule.max_used and not rule.keep_duration_ns:
        assert [] == build.prune(rule)
    build.prune(ALL)
    assert {} == build.state.world.lives
