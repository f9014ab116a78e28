"""A session: native commands one after the other on one state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.options import parse

from . import podman
from .buildah import run_buildah
from .makers import judge_by
from .rows import Rows, choose_database
from .state import RuleFails, State
from .storage_cli import run_storage
from .versions import Rules, rules_of

if TYPE_CHECKING:
    from ocistore.plan.plan import Outcome
    from ocistore.stores.store import Store


def open_session(store: Store, now_ns: int) -> StorageSession:
    """A session on a containers/storage directory, ages judged at `now_ns`."""
    return StorageSession(State(store, now_ns))


class StorageSession:
    """Runs native commands; each sees what those before it left."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._rows: Rows | None = None

    @property
    def blocked(self) -> str:
        """Why no command may be planned: rule zero of Part 4; other errors don't block one."""
        blocking = self.state.store.findings.blocking
        if not blocking:
            return ""
        return f"{blocking[0].path}: {blocking[0].text}" if blocking[0].path else blocking[0].text

    def run(self, argv: list[str], version: str | None) -> Outcome:
        """Simulates one command.

        Args:
            argv: podman, buildah or containers-storage and its words.
            version: of that tool; None: the newest released rules.

        Raises:
            UsageError: a command or an option that isn't simulated, or wrong usage.
        """
        outcome = self.state.begin()
        tool = argv[0]
        try:
            if tool == "podman":
                self._podman(argv[1:], self._follow("podman", version))
            elif tool == "buildah":
                run_buildah(self.state, self._follow("buildah", version), argv[1:])
            elif tool == "containers-storage":
                run_storage(self.state, rules_of("containers-storage", version), argv[1:])
            else:
                raise UsageError(f"{tool}: this program is not simulated on a containers-storage store")
        except RuleFails as err:
            outcome.failure = err.sentence
        return outcome

    def _follow(self, tool: str, version: str | None) -> Rules:
        """The rules of a version; relations of images are judged by them from here on (2.10, 4.3.1 itself)."""
        rules = rules_of(tool, version)
        self.state.lists_fail = not rules.podman_from(4, 8)
        return rules

    def _podman(self, words: list[str], rules: Rules) -> None:
        name, verb, rest = podman.read_verb(podman.read_globals(words))
        given = parse(rest, verb.spec)
        broken = self.state.storage.broken_databases
        if broken:
            self.state.outcome.blocked = f"{broken[0]}: podman's database can't be read, so what it would do is unknown"
            return
        if self._rows is None:
            database = choose_database(self.state, rules)
            judge_by(self.state, database)
            self._rows = Rows(self.state, database)
            self._rows.refresh(rules)
        podman.check_versions(name, verb, rules, given)
        verb.run(podman.Call(self.state, self._rows, rules, given))
