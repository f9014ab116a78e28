"""Makes plans: from scopes, from things to remove, from native command lines."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Protocol

from ocistore.errors import UsageError
from ocistore.findings import CODES, Finding
from ocistore.formats.gotime import format_time
from ocistore.plan.closure import take
from ocistore.plan.plan import Outcome, Plan, Step
from ocistore.usage.bytes import ZERO
from ocistore.usage.freed import measure_freed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocistore.plan.plan import Removal
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes

    Progress = Callable[[int, int], None] | None

SCOPES = ("unreferenced", "dangling", "intermediate", "cache", "containers", "unused", "volumes", "all")
"""Scopes of `--prune`, in the order in which they are applied; `all` is all of them."""
_AREAS_OF_SCOPE = {
    "unreferenced": ("content",),
    "dangling": ("images", "content"),
    "intermediate": ("images", "content"),
    "cache": ("cache", "content"),
    "containers": ("containers",),
    "unused": ("images", "content"),
    "volumes": ("volumes",),
}
_AREA_OF_KIND = {
    "image": "images",
    "ref": "images",
    "layer": "images",
    "container": "containers",
    "volume": "volumes",
    "record": "cache",
    "history": "history",
    "content": "content",
    "blob": "content",
    "snapshot": "content",
    "lease": "content",
    "ingest": "content",
}
_SHELL = frozenset((";", "|", "||", "&", ">", "<", ">>"))


class Session(Protocol):
    """Runs native commands on one store; each sees what those before it left."""

    @property
    def blocked(self) -> str:
        """Why no native command may be planned, empty if one may."""
        ...

    def run(self, argv: list[str], version: str | None) -> Outcome:
        """What one command takes; UsageError if it isn't simulated."""
        ...


def open_session(store: Store, now_ns: int) -> Session:
    """A session for a store's kind."""
    # One kind's rules are loaded, not all.
    if store.kind == "containers-storage":
        from ocistore.plan.containers.session import open_session as open_storage

        return open_storage(store, now_ns)
    if store.kind == "containerd":
        from ocistore.plan.containerd.session import open_session as open_containerd

        return open_containerd(store, now_ns)
    if store.kind == "docker":
        from ocistore.plan.docker.session import open_session as open_docker

        return open_docker(store, now_ns)
    if store.kind == "buildkit":
        from ocistore.plan.buildkit.session import open_session as open_buildkit

        return open_buildkit(store, now_ns)
    from ocistore.plan.oci.session import open_session as open_layout

    return open_layout(store, now_ns)


def select(store: Store, scope: str, dropped: frozenset[int], now_ns: int) -> list[int]:
    """The roots that a scope drops, after others were dropped."""
    if store.kind == "containers-storage":
        from ocistore.plan.containers.select import SCOPES as SELECTED

        return SELECTED[scope](store, dropped, now_ns)
    if store.kind == "containerd":
        from ocistore.plan.containerd.select import SCOPES as OF_CONTAINERD

        return OF_CONTAINERD[scope](store, dropped, now_ns)
    if store.kind == "docker":
        from ocistore.plan.docker.select import SCOPES as OF_DOCKER

        return OF_DOCKER[scope](store, dropped, now_ns)
    if store.kind == "buildkit":
        from ocistore.plan.buildkit.select import SCOPES as OF_BUILDKIT

        return OF_BUILDKIT[scope](store, dropped, now_ns)
    from ocistore.plan.oci.select import SCOPES as LISTED

    return LISTED[scope](store)


def native_of(store: Store) -> Callable[[Store, int], str | None]:
    """The function that knows the native command of one node's removal."""
    if store.kind == "containers-storage":
        from ocistore.plan.containers.select import native_command

        return native_command
    if store.kind == "containerd":
        from ocistore.plan.containerd.select import native_command as native_containerd_command

        return native_containerd_command
    if store.kind == "docker":
        from ocistore.plan.docker.select import native_command as native_docker_command

        return native_docker_command
    if store.kind == "buildkit":
        from ocistore.plan.buildkit.select import native_command as native_buildkit_command

        return native_buildkit_command
    from ocistore.plan.oci.select import native_command as native_layout_command

    return native_layout_command


def plan_command(
    store: Store, command: str, *, now_ns: int, version: str | None = None, progress: Progress = None
) -> Plan:
    """What a native command line would take, exactly.

    Args:
        store: what was read.
        command: as typed; several are joined by ` && `, and one that fails ends them.
        now_ns: the time that the command runs, nanoseconds since 1970.
        version: of the tool; None: the newest released rules.
        progress: told of the walk.

    Raises:
        UsageError: a command or an option that isn't simulated, or wrong usage.
    """
    session = open_session(store, now_ns)
    plan = Plan(command, format_time(now_ns))
    removals: list[Removal] = []
    for argv in split_commands(command):
        if session.blocked:
            _block(plan, store, session.blocked)
            return plan
        outcome = session.run(argv, version)
        removals.extend(outcome.removals)
        plan.findings.extend(f for f in outcome.findings if f not in plan.findings)
        if outcome.blocked:
            _block(plan, store, outcome.blocked)
            return plan
        if outcome.failure:
            text = f"{shlex.join(argv)} would fail: {outcome.failure}"
            plan.findings.append(_finding("native-command-fails", store, text))
            break
    _fill(plan, store, removals, progress)
    return plan


def plan_gc(store: Store, text: str, *, now_ns: int, version: str | None = None, progress: Progress = None) -> Plan:
    """What an engine's own collection of its build cache would take by a policy, rule by rule; each rule is a note.

    Args:
        store: what was read.
        text: of a daemon.json or a buildkitd.toml.
        now_ns: the time of the collection.
        version: of dockerd or buildkitd; None: the newest released rules.
        progress: told of the walk.

    Raises:
        UsageError: another kind of store, or a file that isn't such a configuration.
    """
    from ocistore.plan.policy import plan_policy

    plan = Plan(None, format_time(now_ns))
    outcome = plan_policy(store, text, now_ns=now_ns, version=version)
    plan.findings.extend(outcome.findings)
    if outcome.blocked:
        _block(plan, store, outcome.blocked)
        return plan
    _fill(plan, store, outcome.removals, progress)
    return plan


def split_commands(command: str) -> list[list[str]]:
    """The words of each command of a line joined by ` && `; a leading sudo is left out.

    Raises:
        UsageError: no command, an unclosed quote, or shell syntax that isn't simulated.
    """
    try:
        words = shlex.split(command)
    except ValueError as err:
        raise UsageError(f"--as {command!r}: {err}".lower()) from None
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        elif word in _SHELL or word.endswith(";"):
            raise UsageError(f"--as: {word!r} is shell syntax that is not simulated; join commands by ' && '")
        else:
            commands[-1].append(word)
    stripped = [argv[1:] if argv[:1] == ["sudo"] else argv for argv in commands]
    if not all(stripped):
        raise UsageError("--as: a command is empty")
    return [[argv[0].rpartition("/")[2], *argv[1:]] for argv in stripped]


def plan_scopes(store: Store, scopes: Sequence[str], *, now_ns: int, grace_ns: int, progress: Progress = None) -> Plan:
    """What scopes would take together.

    Raises:
        UsageError: an unknown scope.
    """
    plan = Plan(None, format_time(now_ns))
    if _is_blocked(plan, store) or _is_in_doubt(plan, store, areas_of_scopes(scopes)):
        return plan
    dropped, unreferenced = drop_scopes(store, scopes, now_ns)
    outcome = take(
        store,
        dropped,
        unreferenced=unreferenced,
        now_ns=now_ns,
        grace_ns=grace_ns,
        native=native_of(store),
    )
    plan.findings.extend(outcome.findings)
    _fill(plan, store, outcome.removals, progress)
    return plan


def drop_scopes(store: Store, scopes: Sequence[str], now_ns: int) -> tuple[frozenset[int], bool]:
    """The roots that scopes drop, and whether what is unreferenced goes, too.

    Raises:
        UsageError: an unknown scope.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise UsageError(f"--prune {scope}: no scope; there are {', '.join(SCOPES)}")
    wanted = SCOPES[:-1] if "all" in scopes else [s for s in SCOPES if s in scopes]
    dropped: frozenset[int] = frozenset()
    # Containers first: what they alone held is unused then.
    for scope in sorted(wanted, key=lambda s: s != "containers"):
        dropped |= frozenset(select(store, scope, dropped, now_ns))
    return dropped, "unreferenced" in wanted


def plan_remove(store: Store, things: Sequence[int], *, now_ns: int, grace_ns: int, progress: Progress = None) -> Plan:
    """What goes if things are removed: they, and what only they held.

    A thing that something else holds can't go: the plan is blocked, and a finding names the holder.  The grace is not
    asked for what is named.
    """
    del grace_ns
    plan = Plan(None, format_time(now_ns))
    if _is_blocked(plan, store):
        return plan
    graph = store.graph
    if _is_in_doubt(plan, store, {_AREA_OF_KIND.get(graph.nodes[n].kind, "") for n in things}):
        return plan
    alien = [n for n in things if graph.nodes[n].store != store.number or graph.nodes[n].kind == "own"]
    if alien:
        node = graph.nodes[alien[0]]
        text = "the engine's own" if node.kind == "own" else "of a read-only store"
        _block(plan, store, f"{node.key} is {text}, and never planned", node.key)
        return plan
    things = [*_names_of(store, things), *things]
    outcome = take(store, things, unreferenced=False, now_ns=now_ns, grace_ns=0, native=native_of(store), named=True)
    held = [f for f in outcome.findings if f.code == "still-held" and _is_thing(store, things, f)]
    if held:
        plan.findings.extend(held)
        _block(plan, store, held[0].text, held[0].node)
        return plan
    _fill(plan, store, outcome.removals, progress)
    return plan


def _names_of(store: Store, things: Sequence[int]) -> list[int]:
    """The names that hold images which are to go: who names an image to be removed means its names, too."""
    nodes = store.graph.nodes
    images = [number for number in things if nodes[number].kind == "image"]
    found = {holder: None for image in images for holder, _ in store.graph.holders(image)}
    return [number for number in found if nodes[number].kind == "ref" and number not in things]


def _is_thing(store: Store, things: Sequence[int], finding: Finding) -> bool:
    return finding.node in {store.graph.nodes[n].key for n in things}


def _is_blocked(plan: Plan, store: Store) -> bool:
    blocking = store.findings.blocking
    if blocking:
        where = f"{blocking[0].path}: " if blocking[0].path else ""
        _block(plan, store, where + blocking[0].text)
    elif doubt := whole_doubt(store):
        _block(plan, store, doubt)
    return plan.blocked


def whole_doubt(store: Store) -> str:
    """The doubt that every plan on this kind of store touches, empty if there is none.

    Whatever goes from containerd's root, its collector then judges all content and all snapshots.
    """
    return store.doubts.get("content", "") if store.kind == "containerd" else ""


def areas_of_scopes(scopes: Sequence[str]) -> set[str]:
    """The parts of a store (`Store.doubts`) that scopes touch."""
    wanted = SCOPES[:-1] if "all" in scopes else scopes
    return {area for scope in wanted for area in _AREAS_OF_SCOPE.get(scope, ())}


def _is_in_doubt(plan: Plan, store: Store, areas: set[str]) -> bool:
    """Whether a part of the store that the plan touches is unknown; other parts may be planned."""
    for area, why in store.doubts.items():
        if area in areas:
            _block(plan, store, why)
            return True
    return False


def _block(plan: Plan, store: Store, why: str, node: str | None = None) -> None:
    plan.blocked = True
    plan.steps = []
    plan.frees = None
    plan.findings.append(_finding("plan-blocked", store, f"nothing is planned: {why}", node))


def _finding(code: str, store: Store, text: str, node: str | None = None) -> Finding:
    return Finding(code, CODES[code].severity, store.root, "", node, text)


def _fill(plan: Plan, store: Store, removals: list[Removal], progress: Progress) -> None:
    """Counts the bytes of the removals, in their order."""
    freed = measure_freed(store, [removal.paths for removal in removals], progress)
    plan.findings.extend(f for f in freed.findings if f not in plan.findings)
    plan.frees = freed.total
    cumulative: Bytes | None = ZERO
    for removal, frees in zip(removals, freed.steps, strict=True):
        cumulative = None if cumulative is None or frees is None else cumulative.plus(frees)
        plan.steps.append(Step(removal, frees, cumulative))
