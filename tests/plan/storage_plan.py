"""Runs native commands on stores and says what they took, for the tests beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.formats.gotime import parse_time
from ocistore.plan.make import open_session, split_commands

if TYPE_CHECKING:
    from ocistore.plan.plan import Outcome
    from ocistore.stores.store import Store

NOW = "2026-11-21T07:00:00Z"


def run(store: Store, command: str, version: str | None = None, now: str = NOW) -> Outcome:
    """The outcome of a command line; of a sequence, all removals and the last failure."""
    session = open_session(store, parse_time(now))
    whole = None
    for argv in split_commands(command):
        outcome = session.run(argv, version)
        if whole is None:
            whole = outcome
        else:
            whole.removals.extend(outcome.removals)
            whole.failure = outcome.failure
        if outcome.failure:
            break
    assert whole is not None
    return whole


def taken(outcome: Outcome, kind: str) -> set[str]:
    """Ids of what went, of one kind."""
    return {removal.id for removal in outcome.removals if removal.kind == kind}


def paths(outcome: Outcome) -> set[str]:
    """Every path that went."""
    return {path for removal in outcome.removals for path in removal.paths}
