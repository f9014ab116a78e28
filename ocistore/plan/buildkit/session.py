"""A session of `buildctl` commands on buildkitd's root: each sees what those before it left."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.buildkit.buildctl import PRUNE, PRUNE_HISTORIES, read_command
from ocistore.plan.buildkit.cache_state import CacheState
from ocistore.plan.buildkit.containerd_backend import ContainerdBackend
from ocistore.plan.buildkit.failure import CommandFails
from ocistore.plan.buildkit.history import remove_builds
from ocistore.plan.buildkit.versions import HISTORY_COLLECTS, NEWEST, read_version
from ocistore.plan.containerd.state import MetaState, RecordMissing
from ocistore.plan.plan import Outcome
from ocistore.stores.shared.buildkit.cache import TEMPORARY, VARIANTS
from ocistore.stores.shared.containerd.references import Rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.plan.buildkit.cache_state import Pruned
    from ocistore.plan.buildkit.rules import Rule
    from ocistore.plan.buildkit.versions import Version
    from ocistore.stores.buildkit.reader import BuildKit, Worker
    from ocistore.stores.store import Store


class WorkerState:
    """A worker while commands run on it.

    Attributes:
        meta: its content, leases and snapshots.
        cache: its records.
    """

    def __init__(self, store: Store, worker: Worker, now_ns: int) -> None:
        assert worker.meta is not None
        self.worker = worker
        self.meta = MetaState(store, worker.meta, now_ns, Rules())
        backend = ContainerdBackend(self.meta, worker.cache.namespace, worker.snapshotter, sharing=False)
        self.cache = CacheState(worker.cache, backend, now_ns=now_ns, version=NEWEST, store=store)
        self.meta.silently(self._start)

    def _start(self) -> None:
        """What a start deletes; nothing collects until the first prune (3.4; Part 5, State used)."""
        cache = self.worker.cache
        # Of records that can't all be read it isn't known which a start drops.
        for ident in cache.start.dropped if not cache.doubt else ():
            self._delete(ident)
            self._delete(ident + VARIANTS)
        for lease in [i.id for i in self.meta.namespace(cache.namespace).leases.values() if TEMPORARY in i.labels]:
            self._delete(lease)

    def _delete(self, lease: str) -> None:
        with suppress(RecordMissing):
            self.meta.delete_lease(self.worker.cache.namespace, lease)

    def follow(self, version: Version) -> None:
        """From here on the rules of a version hold."""
        self.cache.follow(version)


class BuildKitSession:
    """Runs native commands on records that are never written."""

    def __init__(self, store: Store, now_ns: int) -> None:
        self._store, self._now_ns = store, now_ns
        self._workers: list[WorkerState] | None = None
        self._builds: set[str] = set()

    @property
    def blocked(self) -> str:
        """Why no command may be planned; doubt about one part blocks only the commands that touch it."""
        for finding in self._store.findings.blocking:
            return f"{finding.path}: {finding.text}" if finding.path else finding.text
        return ""

    def run(self, argv: list[str], version: str | None) -> Outcome:
        """What a command takes, with the garbage that the collection after it takes (Part 5, State used).

        Args:
            argv: its words, the tool first.
            version: of buildkitd, None for the newest whose rules are known.

        Raises:
            UsageError: a tool, command or option that isn't simulated.
        """
        if argv[0] != "buildctl":
            raise UsageError(f"{argv[0]}: this program is not simulated on a BuildKit store; buildctl is")
        release = read_version(version)
        outcome = Outcome()
        try:
            command = read_command(argv[1:], release)
        except CommandFails as err:
            outcome.failure = err.sentence
            return outcome
        outcome.blocked = self.doubt("cache" if command.verb == PRUNE else "history")
        if not outcome.blocked:
            if command.verb == PRUNE_HISTORIES:
                self._prune_histories(outcome, release)
            else:
                self.prune([command.rule], outcome, release)
        return outcome

    def prune(self, rules: Sequence[Rule], outcome: Outcome, version: Version) -> list[list[Pruned]]:
        """Applies rules to every worker, as a prune and the policy of each worker do; what each rule did, by worker."""
        done = []
        for worker in self._states():
            worker.meta.begin(outcome)
            worker.follow(version)
            done.append(worker.cache.prune(rules, outcome))
        return done

    def _prune_histories(self, outcome: Outcome, version: Version) -> None:
        """`buildctl prune-histories`: every build that isn't pinned (5.7)."""
        for worker in self._states():
            worker.meta.begin(outcome)
            cache = worker.worker.cache
            refs = [ref for ref, build in cache.history.items() if not build.pinned]
            remove_builds(self._store, worker.meta, cache, refs, outcome, gone=self._builds)
        if version >= HISTORY_COLLECTS:
            for worker in self._states():
                worker.meta.collect()

    def _states(self) -> list[WorkerState]:
        if self._workers is None:
            detail: BuildKit = self._store.detail
            workers = [worker for worker in detail.workers if worker.meta is not None]
            self._workers = [WorkerState(self._store, worker, self._now_ns) for worker in workers]
        return self._workers

    def doubt(self, part: str) -> str:
        """Why commands that touch `cache` or `history` may not be planned, empty if they may."""
        doubts = self._store.doubts
        return doubts.get(part) or doubts.get("content", "")


def open_session(store: Store, now_ns: int) -> BuildKitSession:
    """A session on buildkitd's root, ages and expiries judged at `now_ns`."""
    return BuildKitSession(store, now_ns)
