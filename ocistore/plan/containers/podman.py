"""The podman command line: which verb takes what (containers-storage 3.2 to 3.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.options import Parsed, Spec, parse

from .containers import ContainerRemover, prune_containers, prune_pods, remove_pods
from .filters import split_filters
from .images import ImageRemover, RemoveOptions, prune_images, remove_lists
from .lookup import look_up_image, normalize
from .repair import clear_volatile_marks, repair
from .rm_filters import filter_containers
from .state import RuleFails, raise_first
from .volumes import prune_volumes, remove_volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ocistore.stores.containers_storage.records import ImageRecord

    from .rows import Rows
    from .state import State
    from .versions import Rules


@dataclass(frozen=True, slots=True)
class Call:
    """One command on one state."""

    state: State
    rows: Rows
    rules: Rules
    given: Parsed

    def filters(self) -> dict[str, list[str]]:
        """The `--filter` options by key."""
        return split_filters(self.given.values("filter"))


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: how its command line is read, what it does, and from which podman version it exists."""

    spec: Spec
    run: Callable[[Call], None]
    since: tuple[int, int] = (0, 0)


GLOBALS = Spec(
    flags={"noout": (), "transient-store": (), "syslog": ()},
    values={
        "root": (),
        "runroot": (),
        "imagestore": (),
        "storage-driver": (),
        "storage-opt": (),
        "log-level": (),
        "runtime": (),
        "tmpdir": (),
        "cgroup-manager": (),
        "events-backend": (),
    },
    command="podman",
    interspersed=False,
)
"""Options before the verb: they say where the store is or how to print, and take nothing."""


def image_prune(call: Call) -> None:
    """`podman image prune`; with -a (5.3) or --build-cache it also wipes cache mounts, which lie outside the store."""
    given = call.given
    wipes = given.flag("build-cache") or (given.flag("all") and call.rules.podman_from(5, 3))
    prune_images(call.state, call.rules, call.filters(), everything=given.flag("all"), external=given.flag("external"))
    if wipes:
        _note_cache_mounts(call)


def _note_cache_mounts(call: Call) -> None:
    call.state.note(
        "outside-the-store",
        "the command also removes the cache mounts of builds (buildah-cache-UID in the directory for large temporary "
        "files), which lie outside the store and are not counted",
    )


def rmi(call: Call) -> None:
    """`podman rmi` (3.2); -a takes intermediate images too, names that fail don't stop the others."""
    given = call.given
    _all_or_names(given)
    force = given.flag("force")
    options = RemoveOptions(
        force=force,
        no_prune=given.flag("no-prune"),
        ignore=given.flag("ignore") or force,
        on_force=lambda image: _remove_podman_containers(call, image),
    )
    remover = ImageRemover(call.state, call.rules, options)
    if given.flag("all"):
        remover.remove_listed([image for image in call.state.all_images() if not image.readonly])
    else:
        remover.remove_names(given.positional)
    raise_first(remover.failures)


def _remove_podman_containers(call: Call, image: ImageRecord) -> None:
    """What force takes of podman's own: containers of the image, infra ones with their pods, image volumes (3.5).

    Raises:
        RuleFails: others need one of the containers, and force doesn't take these (3.4).
    """
    rows = call.rows
    for row in rows.on_image(image.id):
        if row.id not in rows.containers:
            continue
        pod = rows.pod_of_infra(row)
        if pod is not None:
            rows.remove_pod(pod, with_volumes=True, why=f"its infra container stands on image {image.id[:12]}")
            continue
        rows.remove_alone(row, f"stands on image {image.id[:12]}")
    for volume in rows.image_volumes(image.id):
        rows.force_volume(volume, f"stands on image {image.id[:12]}")


def untag(call: Call) -> None:
    """`podman untag`: names off an image; of a manifest list's name, off the platform's member; all without names."""
    found = look_up_image(call.state, call.rules, call.given.positional[0])
    if found is None:
        raise RuleFails(f"{call.given.positional[0]}: image not known")
    image, names = found[0], call.given.positional[1:]
    if image.readonly and call.rules.podman_from(4, 4):
        raise RuleFails(f"image {image.id[:12]} is in a read-only store")
    left = list(image.names)
    for name in names or list(image.names):
        full = name if name in image.names else normalize(name)
        if full not in image.names:
            raise RuleFails(f"{name}: not a name of image {image.id[:12]}")
        left = [other for other in left if other != full]
        if not image.readonly:
            call.state.untag(image, full)
    if image.readonly:
        # 4.3.1 writes what is left into a record of its own in the store above, over the names that one had.
        for record in call.state.images.values():
            if record.id == image.id:
                record.names = left


def manifest_rm(call: Call) -> None:
    """`podman manifest rm` (2.10)."""
    remove_lists(call.state, call.rules, call.given.positional)


def rm(call: Call) -> None:
    """`podman rm` (3.4)."""
    given, rows = call.given, call.rows
    _all_or_names(given, or_filter=True)
    remover = ContainerRemover(
        rows,
        call.rules,
        force=given.flag("force"),
        volumes=given.flag("volumes"),
        depend=given.flag("depend"),
        ignore=given.flag("ignore"),
    )
    filters = call.filters()
    if given.flag("all"):
        remover.remove_all(filter_containers(rows, call.rules, filters))
    elif given.flag("latest"):
        remover.remove_rows(sorted(rows.containers.values(), key=lambda row: row.created_ns)[-1:])
    elif filters and not given.positional:
        remover.remove_rows(filter_containers(rows, call.rules, filters))
    elif filters:
        raise RuleFails("--filter and names don't go together")
    else:
        remover.remove_names(given.positional)


def container_prune(call: Call) -> None:
    """`podman container prune` (3.4)."""
    raise_first(prune_containers(call.rows, call.rules, call.filters()))


def pod_rm(call: Call) -> None:
    """`podman pod rm` (3.4)."""
    given = call.given
    _all_or_names(given)
    remove_pods(
        call.rows,
        call.rules,
        given.positional,
        everything=given.flag("all"),
        ignore=given.flag("ignore"),
        force=given.flag("force"),
    )


def pod_prune(call: Call) -> None:
    """`podman pod prune` (3.4)."""
    prune_pods(call.rows)


def volume_prune(call: Call) -> None:
    """`podman volume prune` (3.6)."""
    filters = call.filters()
    if call.given.flag("all"):
        if not call.rules.podman_from(6, 0):
            raise RuleFails("the option --all does not exist before podman 6")
        filters["all"] = ["true"]
    if call.given.flag("dry-run"):
        if not call.rules.podman_from(6, 0):
            raise RuleFails("the option --dry-run does not exist before podman 6")
        return
    prune_volumes(call.rows, call.rules, filters)


def volume_rm(call: Call) -> None:
    """`podman volume rm` (3.6)."""
    given = call.given
    _all_or_names(given)
    remove_volumes(call.rows, given.positional, everything=given.flag("all"), force=given.flag("force"))


def system_prune(call: Call) -> None:
    """`podman system prune` (3.7)."""
    given = call.given
    if given.flag("external"):
        if any(given.given(name) for name in ("all", "volumes", "build", "filter")):
            raise RuleFails("--external goes with no other option that chooses")
        _collect_garbage(call)
        return
    if given.flag("build"):
        for ident in list(call.state.containers):
            if ident in call.state.containers and call.state.storage.has_buildah_file(ident):
                call.state.delete_container(ident, "has a buildah.json; --build takes it")
    filters = call.filters()
    failure = _prune_until_nothing(call, filters)
    if given.flag("all") and call.rules.podman_from(5, 3):
        _note_cache_mounts(call)
    if call.state.storage.network_files:
        call.state.note(
            "networks-not-planned",
            "the command also removes configurations of networks that no container uses; unsupported: none is planned "
            f"(networks/ has {', '.join(call.state.storage.network_files)})",
            path="networks",
        )
    if failure is not None:
        raise failure


def _prune_until_nothing(call: Call, filters: Mapping[str, list[str]]) -> RuleFails | None:
    """The rounds of a system prune; a container's failure is told at the end, any other aborts.

    Raises:
        RuleFails: an image or a volume can't go, or a filter is wrong: the containers' turn, after the pods', finds it.
    """
    failures: list[RuleFails] = []
    once = {key: values[:1] for key, values in filters.items()}
    found = True
    while found:
        found = prune_pods(call.rows)
        failures += prune_containers(call.rows, call.rules, filters)
        before = len(call.state.images)
        prune_images(call.state, call.rules, once, everything=call.given.flag("all"), external=False)
        found = len(call.state.images) < before or found
        if call.given.flag("volumes"):
            volume_filters = dict(filters)
            if call.rules.podman_from(6, 0) and not volume_filters:
                volume_filters = {"all": ["true"]}
            found = prune_volumes(call.rows, call.rules, volume_filters) or found
    return failures[0] if failures else None


def _collect_garbage(call: Call) -> None:
    rules = call.rules
    call.state.collect_garbage(sweeps_layer_files=rules.storage_from(1, 64), knows_tempdirs=rules.storage_from(1, 59))


def system_check(call: Call) -> None:
    """`podman system check`; without --repair it takes nothing but the marks of volatile mounts (3.0)."""
    given = call.given
    if not (given.flag("repair") or given.flag("force")):
        clear_volatile_marks(call.state)
        return
    repair(
        call.state,
        call.rules,
        quick=given.flag("quick"),
        quick_digests=not call.rules.podman_from(5, 8),
        force=given.flag("force"),
        max_age=given.value("max"),
        rows=call.rows,
    )


def _all_or_names(given: Parsed, *, or_filter: bool = False) -> None:
    """Raises RuleFails where the program itself refuses its arguments; nothing is done then (3.2)."""
    everything = given.flag("all")
    if everything and given.positional:
        raise RuleFails("--all and names don't go together")
    if not everything and not given.positional and not (or_filter and (given.given("filter") or given.flag("latest"))):
        raise RuleFails("it needs a name, or --all")


_FORCE = {"force": ("f",)}
_FILTER: dict[str, tuple[str, ...]] = {"filter": ()}
_TIME: dict[str, tuple[str, ...]] = {"time": ("t",)}


def _verb(
    words: str,
    run: Callable[[Call], None],
    flags: Mapping[str, tuple[str, ...]],
    values: Mapping[str, tuple[str, ...]] | None = None,
    least: int = 0,
    most: int | None = None,
    since: tuple[int, int] = (0, 0),
) -> tuple[str, Verb]:
    return words, Verb(Spec(flags, values or {}, f"podman {words}", least, most), run, since)


def _build_verbs() -> dict[str, Verb]:
    prune = {"all": ("a",), "external": (), "build-cache": (), **_FORCE}
    remove = {"all": ("a",), "no-prune": (), "ignore": ("i",), **_FORCE}
    ctr = {"all": ("a",), "volumes": ("v",), "depend": (), "ignore": ("i",), "latest": ("l",), **_FORCE}
    ctr_values = {**_FILTER, **_TIME}
    pod = {"all": ("a",), "ignore": ("i",), **_FORCE}
    system = {"all": ("a",), "volumes": (), "external": (), "build": (), **_FORCE}
    check = {"repair": ("r",), "quick": ("q",), **_FORCE}
    volume = {"all": ("a",), **_FORCE}
    verbs = dict(
        [
            _verb("image prune", image_prune, prune, _FILTER, most=0),
            _verb("rmi", rmi, remove),
            _verb("untag", untag, {}, least=1),
            _verb("manifest rm", manifest_rm, {}, least=1),
            _verb("rm", rm, ctr, ctr_values),
            _verb("container prune", container_prune, _FORCE, _FILTER, most=0),
            _verb("pod rm", pod_rm, pod, _TIME),
            _verb("pod prune", pod_prune, _FORCE, most=0),
            _verb("volume prune", volume_prune, {**volume, "dry-run": ()}, _FILTER, most=0),
            _verb("volume rm", volume_rm, volume, _TIME),
            _verb("system prune", system_prune, system, _FILTER, most=0),
            _verb("system check", system_check, check, {"max": ("m",)}, most=0, since=(5, 2)),
        ]
    )
    aliases = {
        "image rm": "rmi",
        "image remove": "rmi",
        "image untag": "untag",
        "container rm": "rm",
        "container remove": "rm",
        "buildx prune": "image prune",
        "builder prune": "image prune",
        "pod remove": "pod rm",
        "volume remove": "volume rm",
    }
    return verbs | {alias: verbs[name] for alias, name in aliases.items()}


VERBS = _build_verbs()
_SINCE_OPTIONS = {
    ("image prune", "build-cache"): (5, 3),
    ("system prune", "external"): (4, 4),
    ("system prune", "build"): (5, 4),
}


def check_versions(words: str, verb: Verb, rules: Rules, given: Parsed) -> None:
    """Raises RuleFails where a verb or an option doesn't exist in a version: the program would say so and end."""
    if not rules.podman_from(*verb.since):
        raise RuleFails(f"podman {words} does not exist before podman {'.'.join(map(str, verb.since))}")
    for (of, option), since in _SINCE_OPTIONS.items():
        if VERBS[of] is verb and given.given(option) and not rules.podman_from(*since):
            raise RuleFails(f"--{option} does not exist before podman {'.'.join(map(str, since))}")


def read_verb(words: list[str]) -> tuple[str, Verb, list[str]]:
    """The verb that a command line begins with, and what follows it.

    Raises:
        UsageError: it is none that is simulated.
    """
    for count in (2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and name in VERBS:
            return name, VERBS[name], words[count:]
    raise UsageError(f"podman {' '.join(words[:2])}: this command is not simulated")


def read_globals(words: list[str]) -> list[str]:
    """The command line without the options before the verb."""
    return parse(words, GLOBALS).positional
