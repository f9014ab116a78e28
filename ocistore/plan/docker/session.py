"""A session: docker commands one after the other on one state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.options import parse

from .builder import prune_builder
from .commands import BUILD_PRUNES, find_verb, read_globals
from .failures import Doubtful, RuleFails
from .modes import open_images
from .state import DockerState
from .versions import rules_of

if TYPE_CHECKING:
    from ocistore.plan.plan import Outcome, Removal
    from ocistore.stores.store import Store


def open_state(store: Store, now_ns: int) -> DockerState:
    """A data-root as a daemon that has started finds it (Part 5, "State used")."""
    state = DockerState(store, now_ns)
    state.images = open_images(state)
    state.start()
    return state


def open_session(store: Store, now_ns: int) -> DockerSession:
    """A session on a data-root, ages judged at `now_ns`."""
    return DockerSession(store, now_ns)


class DockerSession:
    """Runs native commands; each sees what those before it left."""

    def __init__(self, store: Store, now_ns: int) -> None:
        self._store, self._now_ns = store, now_ns
        self._state: DockerState | None = None

    @property
    def blocked(self) -> str:
        """Why no command may be planned: doubt about the whole root; that about a part blocks what touches it."""
        blocking = self._store.findings.blocking
        if not blocking:
            return ""
        return f"{blocking[0].path}: {blocking[0].text}" if blocking[0].path else blocking[0].text

    @property
    def started(self) -> list[Removal]:
        """What a start of the daemon removes by what its records say; leftovers are the reader's `start` (2.6, 3.4)."""
        return self.state.started

    @property
    def state(self) -> DockerState:
        """The state, made when a command needs it."""
        if self._state is None:
            self._state = open_state(self._store, self._now_ns)
        return self._state

    def run(self, argv: list[str], version: str | None) -> Outcome:
        """Simulates one command.

        Args:
            argv: `docker`, and its words.
            version: of dockerd; None: the newest rules that are known.

        Raises:
            UsageError: a command or an option that isn't simulated, or wrong usage.
        """
        if argv[0] not in ("docker", "docker-buildx"):
            raise UsageError(f"{argv[0]}: this program is not simulated on a docker store; docker is")
        words = read_globals(argv[1:]) if argv[0] == "docker" else ["buildx", *argv[1:]]
        rules = rules_of(version)
        state = self.state
        outcome = state.begin(rules)
        try:
            if words[:2] in BUILD_PRUNES:
                prune_builder(state, words)
            else:
                verb, spec, rest = find_verb(words)
                verb.run(state, parse(rest, spec))
        except RuleFails as err:
            outcome.failure = err.sentence
        except Doubtful as err:
            outcome.blocked = err.sentence
        return outcome
