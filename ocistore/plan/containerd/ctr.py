"""`ctr`, as docker-buildkit-containerd 4.7 states its commands.

Options come before arguments (urfave/cli).  Each command that deletes something is followed by a collection over all
namespaces: at once with `--sync`, else within about a second (4.3, "When GC runs").
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.findings import CODES, Finding
from ocistore.formats.digest import parse_digest
from ocistore.plan.containerd.state import MetaState, RecordInUse, RecordMissing
from ocistore.plan.containerd.versions import PRUNES_IMAGES, Version
from ocistore.plan.options import Parsed, Spec, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_NAMESPACE = "default"
DEFAULT_SNAPSHOTTER = "overlayfs"
_GLOBAL = Spec(values={"namespace": ("n",), "address": ("a",)}, command="ctr", interspersed=False, single_dash=True)
_REMOVE = ("rm", "remove", "del", "delete")
_LAYER_LABEL = re.compile(r"containerd\.io/gc\.ref\.content\.(?:l\..*|(?!0$)[0-9]*)", re.ASCII | re.DOTALL)


@dataclass(slots=True)
class Call:
    """A command that was read.

    Attributes:
        state: the records.
        namespace: which `-n` picks.
        version: of containerd.
        options: of the group of commands (`--snapshotter`), None where it has none.
        given: options and arguments of the command itself.
        failures: sentences of what failed; a command that goes on after a failure adds one for each.
    """

    state: MetaState
    namespace: str
    version: Version
    options: Parsed | None
    given: Parsed
    failures: list[str]

    @property
    def arguments(self) -> list[str]:
        """The positional arguments."""
        return self.given.positional


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its options, and what it does."""

    spec: Spec
    run: Callable[[Call], None]


@dataclass(frozen=True, slots=True)
class Group:
    """Commands on one kind of record, with the options that stand before the command's name."""

    name: str
    commands: dict[str, Command]
    values: dict[str, tuple[str, ...]]


def run_ctr(state: MetaState, argv: Sequence[str], version: Version) -> str:
    """Simulates a command line whose first word, `ctr`, is cut off; gives why it fails, empty if it doesn't.

    Raises:
        UsageError: a command or an option that isn't simulated.
    """
    outer = parse(argv, _GLOBAL)
    words = outer.positional
    group = _GROUPS.get(words[0]) if words else None
    if group is None:
        known = ", ".join(each.name for each in _ALL)
        raise UsageError(f"{' '.join(['ctr', *words[:1]])}: only commands of {known} are simulated")
    options = parse(
        words[1:], Spec(values=group.values, command=f"ctr {group.name}", interspersed=False, single_dash=True)
    )
    path, words = _command_name(group, options.positional)
    command = group.commands[path]
    given = parse(words, command.spec)
    call = Call(state, outer.value("namespace") or DEFAULT_NAMESPACE, version, options, given, [])
    command.run(call)
    if state.mutated:
        state.collect()
    return "; ".join(call.failures)


def _command_name(group: Group, words: list[str]) -> tuple[str, list[str]]:
    """The command's name without aliases, one or two words, and the words after it."""
    first = "rm" if words[:1] and words[0] in _REMOVE else (words[0] if words else "")
    if first in group.commands:
        return first, words[1:]
    two = " ".join(words[:2])
    if two in group.commands:
        return two, words[2:]
    known = ", ".join(f"ctr {group.name} {name}" for name in group.commands)
    raise UsageError(f"{' '.join(['ctr', group.name, *words[:1]])}: only {known} are simulated")


# Images --------------------------------------------------------------------------------------------------------------


def remove_images(call: Call) -> None:
    """`images rm`: records by exact name; one that isn't there is a warning (any version, 4.7)."""
    for name in call.arguments:
        try:
            call.state.delete_image(call.namespace, name)
        except RecordMissing as err:
            note(call.state, "native-passes-over", f"ctr passes over it: {err.sentence}")


def prune_images(call: Call) -> None:
    """`images prune --all`: the images whose name no container of the namespace has (1.7 and later, 4.7).

    Without `--all` it only warns.
    """
    if call.version < PRUNES_IMAGES:
        call.failures.append("ctr of this version has no images prune")
        return
    if not call.given.flag("all"):
        return
    namespace = call.state.namespace(call.namespace)
    used = {container.image for container in namespace.containers.values()}
    for name in [name for name in namespace.images if name not in used]:
        call.state.delete_image(call.namespace, name, "no container uses its name")


# Content -------------------------------------------------------------------------------------------------------------


def remove_content(call: Call) -> None:
    """`content rm`: the namespace's records of blobs, even if something refers to them (any version, 4.7)."""
    for digest in call.arguments:
        if parse_digest(digest) is None:
            call.failures.append(f"{digest[:200]!r} is no digest")
            continue
        try:
            call.state.delete_blob(call.namespace, digest)
        except RecordMissing as err:
            note(call.state, "native-passes-over", f"ctr passes over it: {err.sentence}")


def prune_references(call: Call) -> None:
    """`content prune references`: takes the references to layers off all blobs, then collects (any version, 4.7).

    An index whose manifests are referred to by plain numbers loses all but the first.
    """
    state = call.state
    for digest in list(state.namespace(call.namespace).blobs) if not call.given.flag("dry") else ():
        state.drop_labels(call.namespace, digest, _refers_to_layer)
    # It makes a lease and deletes it, which is what calls the collector; so does `--dry`.
    state.collect()


def _refers_to_layer(label: str) -> bool:
    return _LAYER_LABEL.fullmatch(label) is not None


# Snapshots, leases, containers, namespaces ---------------------------------------------------------------------------


def remove_snapshots(call: Call) -> None:
    """`snapshots rm`: refused where one has children in the namespace; the first failure ends it (any version, 4.7)."""
    snapshotter = (call.options.value("snapshotter") if call.options else None) or DEFAULT_SNAPSHOTTER
    for key in call.arguments:
        try:
            call.state.delete_snapshot(call.namespace, snapshotter, key)
        except (RecordMissing, RecordInUse) as err:
            call.failures.append(err.sentence)
            return


def remove_leases(call: Call) -> None:
    """`leases rm`: the first failure ends it (any version, 4.7)."""
    for ident in call.arguments:
        try:
            call.state.delete_lease(call.namespace, ident)
        except RecordMissing as err:
            call.failures.append(err.sentence)
            return


def remove_containers(call: Call) -> None:
    """`containers rm`: the snapshot, then the record; one that fails doesn't stop the others (any version, 4.7).

    Whether a task of it runs can't be seen: its state is in /run.
    """
    if not call.arguments:
        call.failures.append("it needs at least one container")
    for ident in call.arguments:
        try:
            _remove_container(call, ident)
        except (RecordMissing, RecordInUse) as err:
            call.failures.append(err.sentence)


def _remove_container(call: Call, ident: str) -> None:
    state, namespace = call.state, call.namespace
    record = state.namespace(namespace).containers.get(ident)
    if record is not None and record.snapshot_key and not call.given.flag("keep-snapshot"):
        if not record.snapshotter:
            raise RecordInUse(f"container {ident} names a snapshot and no snapshotter")
        with contextlib.suppress(RecordMissing):
            state.delete_snapshot(namespace, record.snapshotter, record.snapshot_key, f"container {ident} stands on it")
    state.delete_container(namespace, ident)


def remove_namespaces(call: Call) -> None:
    """`namespaces rm`: only an empty one; leases in it don't count and go with it (any version, 4.7)."""
    for name in call.arguments:
        before = call.state.mutated
        try:
            call.state.delete_namespace(name)
        except RecordMissing as err:
            note(call.state, "native-passes-over", f"ctr passes over it: {err.sentence}")
        except RecordInUse as err:
            call.failures.append(err.sentence)
        # Deleting a namespace calls no collector.
        call.state.mutated = before


def note(state: MetaState, code: str, text: str) -> None:
    """Adds a finding to the outcome of the command."""
    finding = Finding(code, CODES[code].severity, state.store.root, "", None, text)
    if finding not in state.outcome.findings:
        state.outcome.findings.append(finding)


def _spec(command: str, **flags: tuple[str, ...]) -> Spec:
    named = {name.replace("_", "-"): others for name, others in flags.items()}
    return Spec(flags=named, command=f"ctr {command}", interspersed=False, single_dash=True)


_IMAGES = Group(
    "images",
    {
        "rm": Command(_spec("images rm", sync=()), remove_images),
        "prune": Command(_spec("images prune", all=()), prune_images),
    },
    {},
)
_CONTENT = Group(
    "content",
    {
        "rm": Command(_spec("content rm"), remove_content),
        "prune references": Command(_spec("content prune references", dry=(), **{"async": ()}), prune_references),
    },
    {},
)
_SNAPSHOTS = Group("snapshots", {"rm": Command(_spec("snapshots rm"), remove_snapshots)}, {"snapshotter": ()})
_LEASES = Group("leases", {"rm": Command(_spec("leases rm", sync=()), remove_leases)}, {})
_CONTAINERS = Group("containers", {"rm": Command(_spec("containers rm", keep_snapshot=()), remove_containers)}, {})
# What a cgroup weighs is no matter of this directory.
_NAMESPACES = Group("namespaces", {"rm": Command(_spec("namespaces rm", cgroup=("c",)), remove_namespaces)}, {})
_ALL = (_IMAGES, _CONTENT, _SNAPSHOTS, _LEASES, _CONTAINERS, _NAMESPACES)
_GROUPS: dict[str, Group] = {
    **{group.name: group for group in _ALL},
    "image": _IMAGES,
    "i": _IMAGES,
    "snapshot": _SNAPSHOTS,
    "container": _CONTAINERS,
    "c": _CONTAINERS,
    "namespace": _NAMESPACES,
    "ns": _NAMESPACES,
}
