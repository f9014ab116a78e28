"""A session of `ctr` commands on containerd's root: each sees what those before it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.containerd.ctr import run_ctr
from ocistore.plan.containerd.state import MetaState
from ocistore.plan.containerd.versions import collector_rules, read_version
from ocistore.plan.plan import Outcome
from ocistore.stores.shared.containerd.references import Rules

if TYPE_CHECKING:
    from ocistore.stores.containerd.reader import Containerd
    from ocistore.stores.store import Store


class ContainerdSession:
    """Runs native commands on records that are never written."""

    def __init__(self, store: Store, now_ns: int) -> None:
        detail: Containerd = store.detail
        self._store = store
        self._state = MetaState(store, detail.meta, now_ns, Rules())

    @property
    def blocked(self) -> str:
        """Why no command may be planned: every one is followed by a collection over all records."""
        store = self._store
        for finding in store.findings.blocking:
            return f"{finding.path}: {finding.text}" if finding.path else finding.text
        return next(iter(store.doubts.values()), "")

    def run(self, argv: list[str], version: str | None) -> Outcome:
        """What a command takes, with the garbage that the collection after it takes (Part 5, State used).

        Args:
            argv: its words, the tool first.
            version: of containerd, None for the newest whose rules are known.

        Raises:
            UsageError: a tool, command or option that isn't simulated.
        """
        if argv[0] != "ctr":
            raise UsageError(f"{argv[0]}: this program is not simulated on a containerd store; ctr is")
        outcome = Outcome()
        release = read_version(version)
        self._state.rules = collector_rules(release)
        self._state.begin(outcome)
        outcome.failure = run_ctr(self._state, argv[1:], release)
        return outcome


def open_session(store: Store, now_ns: int) -> ContainerdSession:
    """A session on containerd's root, expiries judged at `now_ns`."""
    return ContainerdSession(store, now_ns)
