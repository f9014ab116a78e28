"""GC policies of dockerd and buildkitd (docker-buildkit-containerd 3.9)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from ocistore.errors import UsageError
from ocistore.plan.buildkit.policy import Policy, read_buildkit_policy, read_docker_policy
from ocistore.plan.buildkit.rules import Rule
from ocistore.plan.policy import plan_policy
from tests.make.buildkit import NOW, BuildKitMaker, build_id, taken

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.plan.buildkit.versions import Version

HOUR = 3600 * 10**9
GIB = 1 << 30
DISK = 1000 * GIB
ONE_STRING = ("type==source.local,type==exec.cachemount,type==source.git.checkout",)
THREE_STRINGS = ("type==source.local", "type==exec.cachemount", "type==source.git.checkout")
HALF = 512 * 10**6
NEW: Version = (29, 6, 0)


def docker(gc: dict[str, Any] | None, version: Version = NEW) -> Policy:
    """The policy of a daemon.json with this `builder.gc`."""
    document: dict[str, Any] = {} if gc is None else {"builder": {"gc": gc}}
    return read_docker_policy(json.dumps(document), version=version, disk=DISK, now_ns=NOW, zone=UTC)


def buildkit(text: str, version: Version = (0, 32, 0), worker: str = "oci") -> Policy:
    """The policy of a buildkitd.toml."""
    return read_buildkit_policy(text, version=version, disk=DISK, worker=worker)


@pytest.mark.parametrize(
    ("gc", "version", "enabled"),
    [
        (None, (28, 1, 0), False),
        ({}, (28, 1, 0), False),
        ({"enabled": True}, (28, 1, 0), True),
        (None, (28, 2, 0), True),
        ({}, (28, 2, 0), True),
        ({"enabled": False}, (28, 2, 0), False),
    ],
)
def test_whether_dockerd_collects(gc: dict[str, Any] | None, version: Version, enabled: bool) -> None:
    """Off unless asked for until 28.1, on unless forbidden since 28.2."""
    assert enabled == docker(gc, version).enabled


def test_dockerds_default() -> None:
    """10, 80 and 20 percent of the disk, rounded up to decimal gigabytes; what is easily made again for two days."""
    cap = Rule(reserved=101 * 10**9, max_used=801 * 10**9, min_free=201 * 10**9)
    temporary = round(101 * 10**9 / 100 * 13.817580227176492)

    assert (
        Rule(filters=THREE_STRINGS, keep_duration_ns=48 * HOUR, max_used=temporary),
        replace(cap, keep_duration_ns=60 * 24 * HOUR),
        cap,
        replace(cap, all=True),
    ) == docker(None).rules
    assert ONE_STRING == docker(None, (29, 5, 0)).rules[0].filters


def test_dockerds_default_before_28_has_one_size() -> None:
    """Its first rule's string matches nothing; 20.10 took hours for nanoseconds."""
    assert (
        Rule(filters=ONE_STRING, keep_duration_ns=48 * HOUR, reserved=round(20 * GIB / 100 * 13.817580227176492)),
        Rule(keep_duration_ns=60 * 24 * HOUR, reserved=20 * GIB),
        Rule(reserved=20 * GIB),
        Rule(all=True, reserved=20 * GIB),
    ) == docker({"defaultKeepStorage": "20GB"}, (26, 1, 5)).rules
    assert [172800, 5184000] == [rule.keep_duration_ns for rule in docker(None, (20, 10, 24)).rules[:2]]
    assert 101 * 10**9 == docker(None, (20, 10, 24)).rules[2].reserved
    assert HALF == docker({"defaultKeepStorage": "1MB"}, (26, 1, 5)).rules[0].reserved


def test_one_given_default_leaves_the_others_unset() -> None:
    """Only where none is given the disk decides."""
    assert Rule(max_used=3 * GIB) == docker({"defaultMaxUsedSpace": "3GB"}).rules[2]


def test_dockerds_own_rules() -> None:
    """New sizes, the old one, filters as a list and as the old map; ages become durations."""
    policy = [
        {"keepStorage": "10GB", "filter": ["unused-for=2200h"]},
        {"reservedSpace": "1GB", "maxUsedSpace": "2GB", "minFreeSpace": "3GB", "filter": {"type": {"regular": True}}},
        {"all": True, "keepStorage": "50GB"},
    ]

    assert (
        Rule(filters=("",), keep_duration_ns=2200 * HOUR, reserved=10 * GIB),
        Rule(filters=("type==regular",), reserved=GIB, max_used=2 * GIB, min_free=3 * GIB),
        Rule(all=True, filters=("",), reserved=50 * GIB),
    ) == docker({"enabled": True, "policy": policy}).rules
    assert 0 == docker({"policy": policy}, (26, 1, 5)).rules[1].max_used


def test_buildkitds_default() -> None:
    """At most 10 GB reserved and 100 GB used; from 0.31 on three filters, before 0.17 one size."""
    cap = Rule(reserved=10 * 10**9, max_used=100 * 10**9, min_free=201 * 10**9)

    assert (
        Rule(filters=THREE_STRINGS, keep_duration_ns=48 * HOUR, max_used=HALF),
        replace(cap, keep_duration_ns=60 * 24 * HOUR),
        cap,
        replace(cap, all=True),
    ) == buildkit("").rules
    assert ONE_STRING == buildkit("", (0, 30, 0)).rules[0].filters
    old = buildkit("", (0, 13, 2)).rules
    assert (HALF, 0, 101 * 10**9) == (old[0].reserved, old[0].max_used, old[3].reserved)


def test_buildkitds_own_rules() -> None:
    """Durations as text or seconds, sizes as numbers, texts or percentages, the old keepBytes."""
    text = """
        [worker.oci]
          gc = true
          reservedSpace = "5%"
          [[worker.oci.gcpolicy]]
            keepBytes = 512000000
            keepDuration = 172800
            filters = ["type==source.local", "type==exec.cachemount"]
          [[worker.oci.gcpolicy]]
            all = true
            keepDuration = "48h"
            reservedSpace = "10GB"
            maxUsedSpace = "50%"
            minFreeSpace = 7
        [worker.containerd]
          gc = false
    """

    assert (
        Rule(filters=("type==source.local", "type==exec.cachemount"), keep_duration_ns=48 * HOUR, reserved=512000000),
        Rule(all=True, keep_duration_ns=48 * HOUR, reserved=10 * GIB, max_used=501 * 10**9, min_free=7),
    ) == buildkit(text).rules
    assert (True, False) == (buildkit(text).enabled, buildkit(text, worker="containerd").enabled)
    assert 51 * 10**9 == buildkit('[worker.oci]\nreservedSpace = "5%"').rules[2].reserved
    assert Rule(reserved=GIB) == buildkit('[worker.oci]\ngckeepstorage = "1GB"').rules[2]


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '{"builder": 1}',
        '{"builder": {"gc": {"policy": {}}}}',
        '{"builder": {"gc": {"policy": [{"keepStorage": "much"}]}}}',
        '{"builder": {"gc": {"policy": [{"filter": ["x"]}]}}}',
        '{"builder": {"gc": {"policy": [{"filter": ["until=x"]}]}}}',
        '{"builder": {"gc": {"defaultKeepStorage": 5}}}',
    ],
)
def test_what_is_no_daemon_json(text: str) -> None:
    """A usage error, never a guess."""
    with pytest.raises(UsageError, match="--gc-policy"):
        read_docker_policy(text, version=NEW, disk=DISK, now_ns=NOW, zone=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "= no toml",
        "worker = 1",
        "[worker]\noci = 1",
        "[[worker.oci.gcpolicy]]\nfilters = 1",
        '[[worker.oci.gcpolicy]]\nkeepDuration = "long"',
        '[[worker.oci.gcpolicy]]\nmaxUsedSpace = "101%"',
    ],
)
def test_what_is_no_buildkitd_toml(text: str) -> None:
    """A usage error, never a guess."""
    with pytest.raises(UsageError, match="--gc-policy"):
        buildkit(text)


def test_a_policy_is_told_rule_by_rule(tmp_path: Path) -> None:
    """Which records each rule takes in which order, and what BuildKit would report."""
    made = BuildKitMaker(tmp_path)
    made.record("source", recordType="source.local", size=3000)
    made.record("old", used=9000, size=2000)
    made.record("new", used=10, size=1000)
    text = """
        [[worker.oci.gcpolicy]]
        filters = ["type==source.local"]
        [[worker.oci.gcpolicy]]
        maxUsedSpace = 2000
        [[worker.oci.gcpolicy]]
        keepDuration = "1h"
    """
    store = made.open()
    outcome = plan_policy(store, text, now_ns=NOW)

    assert {build_id("source"), build_id("old")} == taken(outcome)
    told = [finding.text for finding in outcome.findings if finding.code == "gc-policy-rule"]
    assert 3 == len(told)
    assert f"1 record ({build_id('source')}); BuildKit reports 3000 bytes" in told[0]
    assert f"at most 2000 bytes used) takes 1 record ({build_id('old')})" in told[1]
    assert "unused for 1 h) takes nothing" in told[2]
    assert {made.directory(build_id("source")), made.directory(build_id("old"))} == {
        path for removal in outcome.removals for path in removal.paths
    }


def test_a_policy_that_is_off_takes_nothing(tmp_path: Path) -> None:
    """And says so."""
    made = BuildKitMaker(tmp_path)
    made.record("a")
    outcome = plan_policy(made.open(), "[worker.oci]\ngc = false", now_ns=NOW)

    assert ([], ["gc-policy-off"]) == (outcome.removals, [finding.code for finding in outcome.findings])


def test_doubt_about_the_records_blocks_a_policy(tmp_path: Path) -> None:
    """As it blocks a prune."""
    made = BuildKitMaker(tmp_path)
    ident = made.record("a")
    made.records[ident]["cache.usageCount"] = "many"

    assert "metadata_v2.db" in plan_policy(made.open(), "", now_ns=NOW).blocked
