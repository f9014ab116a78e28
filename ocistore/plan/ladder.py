"""The ladder of df: what each safe step in turn would free."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import UsageError
from ocistore.plan.closure import find_falling, owned_paths, paths_of
from ocistore.plan.make import areas_of_scopes, open_session, select, whole_doubt
from ocistore.usage.bytes import ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.plan.make import Session
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes
    from ocistore.usage.sizes import Sizes


class Rung(NamedTuple):
    """One step.

    Attributes:
        step: `start` (what an engine removes by starting), or a scope of `--prune`.
        frees: after the steps above it; None where it can't be proved.
        cumulative: with them.
        native: the command that does exactly this step after those above, None if none does.
        things: how many go.
    """

    step: str
    frees: Bytes | None
    cumulative: Bytes | None
    native: str | None
    things: int


_RUNGS: dict[str, tuple[tuple[str, str | None], ...]] = {
    "containers-storage": (
        ("unreferenced", None),
        ("dangling", "podman image prune -f"),
        ("containers", "podman container prune -f"),
        ("unused", "podman image prune -a -f"),
        ("volumes", "podman volume prune -f"),
    ),
    # A dry prune of references only calls the collector.
    "containerd": (("unreferenced", "ctr content prune references --dry"), ("unused", "ctr images prune --all")),
    "docker": (
        ("unreferenced", None),
        ("dangling", "docker image prune -f"),
        ("containers", "docker container prune -f"),
        ("cache", "docker builder prune -a -f"),
        ("unused", "docker image prune -a -f"),
        ("volumes", "docker volume prune -a -f"),
    ),
    "buildkit": (("unreferenced", None), ("cache", "buildctl prune --all")),
    "oci-layout": (("unreferenced", "umoci gc --layout ."), ("dangling", None)),
}


class Found(NamedTuple):
    """A step before it is weighed; small, so that it can come from another process.

    Attributes:
        step: as `Rung.step`.
        nodes: numbers of the nodes whose paths go.
        paths: what else goes.
        native: the command that takes exactly all that.
        things: how many go.
    """

    step: str
    nodes: array[int]
    paths: list[str]
    native: str | None
    things: int


def ladder(store: Store, sizes: Sizes, now_ns: int) -> list[Rung]:
    """The rungs of a store, from the safest on; none where doubt forbids plans."""
    return weigh_steps(find_steps(store, now_ns), sizes)


def find_steps(store: Store, now_ns: int) -> list[Found]:
    """The steps of a store without their bytes; what is simulated for it can be forgotten before the store is walked.

    A native command is named only if its simulation takes exactly the paths of its rung.
    """
    if store.findings.blocking or whole_doubt(store):
        return []
    gone = bytearray(len(store.graph))
    dropped: frozenset[int] = frozenset()
    steps: list[Found] = []
    session = open_session(store, now_ns)
    start = _start(store, session)
    if start:
        paths, numbers = start
        for number in numbers:
            gone[number] = 1
        steps.append(Found("start", array("I"), paths, None, len(numbers)))
    looked_at = -1
    for scope, command in _RUNGS.get(store.kind, ()):
        if areas_of_scopes([scope]) & store.doubts.keys():
            continue
        dropped = dropped.union(select(store, scope, dropped, now_ns))
        nodes = array("I")
        # Where no more is dropped than before, no more falls.
        if len(dropped) > looked_at:
            looked_at = len(dropped)
            nodes.extend(find_falling(store, dropped, unreferenced=True, now_ns=now_ns, grace_ns=0, gone=gone))
        for number in nodes:
            gone[number] = 1
        native = command if command and _does_exactly(session, command, paths_of(store, nodes)) else None
        steps.append(Found(scope, nodes, [], native, len(nodes)))
    return steps


def weigh_steps(steps: Sequence[Found], sizes: Sizes) -> list[Rung]:
    """The steps with what each frees after those above it."""
    freed = sizes.freed([[*found.paths, *paths_of(sizes.store, found.nodes)] for found in steps])
    rungs: list[Rung] = []
    cumulative: Bytes | None = ZERO
    for found, frees in zip(steps, freed.steps, strict=True):
        cumulative = None if cumulative is None or frees is None else cumulative.plus(frees)
        rungs.append(Rung(found.step, frees, cumulative, found.native, found.things))
    return rungs


def cost(store: Store, sizes: Sizes, scope: str, now_ns: int) -> tuple[Bytes | None, int]:
    """What a scope of `--prune` alone would free, and how many images it takes; (None, 0) where doubt forbids it."""
    if store.findings.blocking or whole_doubt(store):
        return None, 0
    dropped = select(store, scope, frozenset(), now_ns)
    taken = find_falling(store, dropped, unreferenced=False, now_ns=now_ns, grace_ns=0)
    freed = sizes.freed([paths_of(store, taken)])
    return freed.total, sum(1 for number in taken if store.graph.nodes[number].kind == "image")


def _start(store: Store, session: Session) -> tuple[list[str], set[int]] | None:
    """What an engine removes by merely starting: paths and nodes."""
    numbers: set[int] = set(getattr(store.detail, "start", ()))
    owned = owned_paths(store)
    paths = [path for number in sorted(numbers) for path in owned.get(number, ())]
    if store.kind == "docker":
        from ocistore.plan.docker.session import DockerSession

        for removal in session.started if isinstance(session, DockerSession) else ():
            paths += removal.paths
            numbers.update(() if removal.node is None else (removal.node,))
    return (paths, numbers) if numbers else None


def _does_exactly(session: Session, command: str, paths: list[str]) -> bool:
    try:
        outcome = session.run(command.split(), None)
    except UsageError:
        return False
    if outcome.failure:
        return False
    # One set of all paths, not two: there may be hundreds of thousands.
    wanted = set(paths)
    if any(path not in wanted for removal in outcome.removals for path in removal.paths):
        return False
    wanted.difference_update(path for removal in outcome.removals for path in removal.paths)
    return not wanted
