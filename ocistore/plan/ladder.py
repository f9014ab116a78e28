"""The ladder of df: what each safe step in turn would free."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import UsageError
from ocistore.plan.closure import find_falling, owned_paths, paths_of
from ocistore.plan.make import areas_of_scopes, open_session, select, whole_doubt
from ocistore.usage.bytes import ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.plan.plan import Outcome
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
    """A step before it is weighed.

    Attributes:
        step: as `Rung.step`.
        nodes: numbers of the nodes whose paths go.
        paths: what else goes.
        things: how many go.
    """

    step: str
    nodes: array[int]
    paths: list[str]
    things: int


class Taken(NamedTuple):
    """What a native command takes; small, so that it can come from another process.

    Attributes:
        nodes: numbers of the nodes that own paths, all of which go.
        paths: what else goes.
    """

    nodes: array[int]
    paths: list[str]


def ladder(store: Store, sizes: Sizes, now_ns: int) -> list[Rung]:
    """The rungs of a store, from the safest on; none where doubt forbids plans."""
    return weigh_steps(find_steps(store, now_ns), run_natives(store, now_ns), sizes)


def find_steps(store: Store, now_ns: int) -> list[Found]:
    """The steps of a store without their bytes."""
    gone = bytearray(len(store.graph))
    dropped: frozenset[int] = frozenset()
    steps: list[Found] = []
    scopes = _scopes(store)
    start = _start(store, now_ns) if scopes is not None else None
    if start:
        paths, numbers = start
        for number in numbers:
            gone[number] = 1
        steps.append(Found("start", array("I"), paths, len(numbers)))
    looked_at = -1
    for scope, _ in scopes or ():
        dropped = dropped.union(select(store, scope, dropped, now_ns))
        nodes = array("I")
        # Where no more is dropped than before, no more falls.
        if len(dropped) > looked_at:
            looked_at = len(dropped)
            nodes.extend(find_falling(store, dropped, unreferenced=True, now_ns=now_ns, grace_ns=0, gone=gone))
        for number in nodes:
            gone[number] = 1
        steps.append(Found(scope, nodes, [], len(nodes)))
    return steps


def run_natives(store: Store, now_ns: int) -> dict[str, Taken]:
    """What the native command of each step takes, one after the other; none of a command that fails."""
    taken: dict[str, Taken] = {}
    scopes = _scopes(store)
    if not scopes:
        return taken
    session = open_session(store, now_ns)
    for scope, command in scopes:
        try:
            outcome = session.run(command.split(), None) if command else None
        except UsageError:
            continue
        if outcome is not None and not outcome.failure:
            taken[scope] = _taken(store, outcome)
    return taken


def weigh_steps(steps: Sequence[Found], taken: Mapping[str, Taken], sizes: Sizes) -> list[Rung]:
    """The steps with what each frees after those above it, and the commands that take exactly its paths."""
    store = sizes.store
    commands = dict(_RUNGS.get(store.kind, ()))
    freed = sizes.freed([[*found.paths, *paths_of(store, found.nodes)] for found in steps])
    rungs: list[Rung] = []
    cumulative: Bytes | None = ZERO
    for found, frees in zip(steps, freed.steps, strict=True):
        cumulative = None if cumulative is None or frees is None else cumulative.plus(frees)
        native = commands[found.step] if found.step in taken and _is_all(store, found, taken[found.step]) else None
        rungs.append(Rung(found.step, frees, cumulative, native, found.things))
    return rungs


def _scopes(store: Store) -> list[tuple[str, str | None]] | None:
    """The scopes that no doubt forbids, each with its native command; None where doubt forbids all."""
    if store.findings.blocking or whole_doubt(store):
        return None
    return [each for each in _RUNGS.get(store.kind, ()) if not areas_of_scopes([each[0]]) & store.doubts.keys()]


def cost(store: Store, sizes: Sizes, scope: str, now_ns: int) -> tuple[Bytes | None, int]:
    """What a scope of `--prune` alone would free, and how many images it takes; (None, 0) where doubt forbids it."""
    if store.findings.blocking or whole_doubt(store):
        return None, 0
    dropped = select(store, scope, frozenset(), now_ns)
    taken = find_falling(store, dropped, unreferenced=False, now_ns=now_ns, grace_ns=0)
    freed = sizes.freed([paths_of(store, taken)])
    return freed.total, sum(1 for number in taken if store.graph.nodes[number].kind == "image")


def _start(store: Store, now_ns: int) -> tuple[list[str], set[int]] | None:
    """What an engine removes by merely starting: paths and nodes."""
    numbers: set[int] = set(getattr(store.detail, "start", ()))
    owned = owned_paths(store)
    paths = [path for number in sorted(numbers) for path in owned.get(number, ())]
    if store.kind == "docker":
        from ocistore.plan.docker.session import DockerSession

        for removal in DockerSession(store, now_ns).started:
            paths += removal.paths
            numbers.update(() if removal.node is None else (removal.node,))
    return (paths, numbers) if numbers else None


def _taken(store: Store, outcome: Outcome) -> Taken:
    """What a command did, by nodes as far as these go whole."""
    owned = owned_paths(store)
    nodes: set[int] = set()
    paths: set[str] = set()
    for removal in outcome.removals:
        if removal.paths and removal.node is not None and removal.paths == tuple(owned.get(removal.node, ())):
            nodes.add(removal.node)
        else:
            paths.update(removal.paths)
    return Taken(array("I", sorted(nodes)), sorted(paths))


def _is_all(store: Store, found: Found, taken: Taken) -> bool:
    """Whether a command takes the paths of a step, and no others."""
    owned = owned_paths(store)
    if not taken.paths and {number for number in found.nodes if number in owned} == set(taken.nodes):
        # Mostly so, and there may be hundreds of thousands of paths.
        return True
    return {*taken.paths, *paths_of(store, taken.nodes)} == set(paths_of(store, found.nodes))
