"""What an engine's own collector takes of the build cache: `plan --gc-policy FILE` (docker-buildkit-containerd 3.9).

    outcome = plan_policy(store, text, now_ns=..., version="28.5.2")

The free space and the size of the file system are those of where the store lies now.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.findings import CODES, Finding
from ocistore.formats.gotime import SECOND_NS
from ocistore.plan.buildkit.policy import read_buildkit_policy, read_docker_policy
from ocistore.plan.buildkit.session import BuildKitSession
from ocistore.plan.buildkit.versions import read_version
from ocistore.plan.plan import Outcome
from ocistore.plan.zone import local_zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.plan.buildkit.cache_state import Pruned
    from ocistore.plan.buildkit.policy import Policy
    from ocistore.plan.buildkit.rules import Rule
    from ocistore.stores.store import Store

_SHOWN = 20
_UNITS = ((24 * 3600, "d"), (3600, "h"), (60, "min"), (1, "s"))


def plan_policy(store: Store, text: str, *, now_ns: int, version: str | None = None) -> Outcome:
    """What one run of the build cache's collector takes, rule by rule, each rule a note.

    Args:
        store: of kind `docker` or `buildkit`.
        text: of daemon.json, or of buildkitd.toml.
        now_ns: the time of the run, nanoseconds since 1970.
        version: of dockerd or buildkitd, None for the newest whose rules are known.

    Raises:
        UsageError: another kind of store, a file that isn't such a configuration, or a filter that isn't simulated.
    """
    if store.kind == "buildkit":
        return _plan_buildkit(store, text, now_ns, version)
    if store.kind == "docker":
        return _plan_docker(store, text, now_ns, version)
    raise UsageError(f"--gc-policy: a store of kind {store.kind} has no build cache")


def _plan_buildkit(store: Store, text: str, now_ns: int, version: str | None) -> Outcome:
    release = read_version(version)
    session = BuildKitSession(store, now_ns)
    outcome = Outcome(blocked=session.blocked or session.doubt("cache"))
    # A root has workers of one sort.
    worker = "containerd" if store.detail.workers and store.detail.workers[0].meta is None else "oci"
    policy = read_buildkit_policy(text, version=release, disk=_disk(store), worker=worker)
    if not outcome.blocked and _is_on(store, policy, outcome):
        for pruned in session.prune(policy.rules, outcome, release):
            _tell_rules(store, policy, pruned, outcome)
    return outcome


def _plan_docker(store: Store, text: str, now_ns: int, version: str | None) -> Outcome:
    # Imported here: a BuildKit root doesn't pay for Docker's rules.
    from ocistore.plan.docker.failures import Doubtful
    from ocistore.plan.docker.session import DockerSession, open_state
    from ocistore.plan.docker.versions import rules_of

    rules = rules_of(version)
    policy = read_docker_policy(text, version=rules.version, disk=_disk(store), now_ns=now_ns, zone=local_zone())
    blocked = DockerSession(store, now_ns).blocked
    if blocked:
        return Outcome(blocked=blocked)
    state = open_state(store, now_ns)
    outcome = state.begin(rules)
    try:
        state.check("cache", "content")
    except Doubtful as err:
        outcome.blocked = err.sentence
        return outcome
    cache = state.cache_state()
    if cache is not None and _is_on(store, policy, outcome):
        _tell_rules(store, policy, cache.prune(policy.rules, outcome), outcome)
    return outcome


def _disk(store: Store) -> int:
    """Bytes of the file system that the root lies on."""
    status = os.fstatvfs(store.tree.descriptor)
    return status.f_blocks * status.f_bsize


def _is_on(store: Store, policy: Policy, outcome: Outcome) -> bool:
    if policy.enabled:
        return True
    text = f"{policy.origin}: garbage collection is off; nothing of the build cache goes by itself"
    outcome.findings.append(_note(store, "gc-policy-off", text))
    return False


def _tell_rules(store: Store, policy: Policy, pruned: Iterable[Pruned], outcome: Outcome) -> None:
    for number, done in enumerate(pruned, 1):
        text = f"rule {number} of {len(policy.rules)} ({_words(done.rule)}) takes "
        if done.records or done.unreported:
            text += f"{_some(done.records)}; BuildKit reports {done.reported} bytes"
            if done.unreported:
                text += f", and doesn't report {_some(done.unreported)}, which it drops along the way"
        else:
            text += "nothing"
        outcome.findings.append(_note(store, "gc-policy-rule", f"{policy.origin}: {text}"))


def _some(records: list[str]) -> str:
    if not records:
        return "no record"
    more = f" and {len(records) - _SHOWN} more" if len(records) > _SHOWN else ""
    count = "1 record" if len(records) == 1 else f"{len(records)} records"
    return f"{count} ({', '.join(records[:_SHOWN])}{more})"


def _words(rule: Rule) -> str:
    """A rule in words."""
    words = ["all records" if rule.all else "records that are neither internal nor shared"]
    if any(rule.filters):
        words.append(f"with {' or '.join(rule.filters)}")
    if rule.keep_duration_ns:
        words.append(f"unused for {_duration(rule.keep_duration_ns)}")
    if rule.reserved:
        words.append(f"down to {rule.reserved} bytes")
    if rule.max_used:
        words.append(f"at most {rule.max_used} bytes used")
    if rule.min_free:
        words.append(f"at least {rule.min_free} bytes free")
    return ", ".join(words)


def _duration(ns: int) -> str:
    if ns % SECOND_NS:
        return f"{ns} ns"
    seconds = ns // SECOND_NS
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}"


def _note(store: Store, code: str, text: str) -> Finding:
    return Finding(code, CODES[code].severity, store.root, "", None, text)
