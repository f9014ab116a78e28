"""The docker command line: which verb takes what (docker-buildkit-containerd Part 5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.options import Parsed, Spec, parse

from .containers import prune_containers, remove_containers
from .failures import RuleFails
from .filters import LABELS, ImageFilters, read_bool, split_filters
from .history import remove_history
from .system import prune_system, tell_networks
from .volumes import prune_volumes, remove_volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .state import DockerState

CONTAINER_FILTERS = LABELS | {"until"}
IMAGE_FILTERS = LABELS | {"until", "dangling"}
SYSTEM_FILTERS = LABELS | {"until"}
_GLOBALS = Spec(
    flags={"debug": ("D",), "tls": (), "tlsverify": ()},
    values={
        "config": (),
        "context": ("c",),
        "host": ("H",),
        "log-level": ("l",),
        "tlscacert": (),
        "tlscert": (),
        "tlskey": (),
    },
    command="docker",
    interspersed=False,
)
"""Options before the verb: they say which daemon is asked, and take nothing."""
_FORCE: dict[str, tuple[str, ...]] = {"force": ("f",)}
_FILTER: dict[str, tuple[str, ...]] = {"filter": ()}


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: how its words are read, and what it does."""

    run: Callable[[DockerState, Parsed], None]
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least: int = 0
    most: int | None = 0


def remove_images(state: DockerState, given: Parsed) -> None:
    """`docker rmi`: each by itself; with force one that isn't there is no failure (5.2)."""
    failures: list[RuleFails] = []
    force = given.flag("force")
    for text in given.positional:
        try:
            state.images.remove_image(text, force=force, prune=not given.flag("no-prune"))
        except RuleFails as err:
            if not (force and err.sentence.startswith("no such image")):
                failures.append(err)
    if failures:
        raise failures[0]


def image_prune(state: DockerState, given: Parsed) -> None:
    """`docker image prune`: the command line adds `dangling` to the filters that are given (5.3)."""
    filters = split_filters(given.values("filter"), IMAGE_FILTERS)
    asked = "false" if given.flag("all") else "true"
    filters["dangling"] = list(dict.fromkeys([*filters.get("dangling", []), asked]))
    dangling_only = read_bool(filters, "dangling", True, state.rules)
    state.images.prune_images(ImageFilters.of(filters, state.now_ns), dangling_only=dangling_only)


def container_rm(state: DockerState, given: Parsed) -> None:
    """`docker rm`."""
    remove_containers(state, given.positional, force=given.flag("force"), volumes=given.flag("volumes"))


def container_prune(state: DockerState, given: Parsed) -> None:
    """`docker container prune`."""
    prune_containers(state, split_filters(given.values("filter"), CONTAINER_FILTERS))


def volume_rm(state: DockerState, given: Parsed) -> None:
    """`docker volume rm`."""
    remove_volumes(state, given.positional, force=given.flag("force"))


def volume_prune(state: DockerState, given: Parsed) -> None:
    """`docker volume prune`; `-a`, the filter `all`, came with 23.0 (5.5)."""
    by_label = state.rules.volumes_by_label
    if given.flag("all") and not by_label:
        raise RuleFails("the option --all of volume prune does not exist before docker 23")
    filters = split_filters(given.values("filter"), LABELS | {"all"} if by_label else LABELS)
    if given.flag("all"):
        if "all" in filters:
            raise RuleFails("conflicting options: cannot specify both --all and --filter all=1")
        filters["all"] = ["true"]
    prune_volumes(state, filters)


def network_prune(state: DockerState, given: Parsed) -> None:
    """`docker network prune`: networks are entries of a bolt file, which doesn't shrink (2.1)."""
    split_filters(given.values("filter"), LABELS | {"until"})
    tell_networks(state)


def history_rm(state: DockerState, given: Parsed) -> None:
    """`docker buildx history rm`."""
    remove_history(state, given.positional, everything=given.flag("all"))


def system_prune(state: DockerState, given: Parsed) -> None:
    """`docker system prune`; its command line refuses `until` with `--volumes` (5.6)."""
    filters = split_filters(given.values("filter"), SYSTEM_FILTERS)
    if given.flag("volumes") and "until" in filters:
        raise RuleFails('the "until" filter is not supported with "--volumes"')
    prune_system(state, filters, everything=given.flag("all"), volumes=given.flag("volumes"))


_RM = Verb(container_rm, {"volumes": ("v",), **_FORCE}, least=1, most=None)
_RMI = Verb(remove_images, {"no-prune": (), **_FORCE}, least=1, most=None)
_VOLUME_RM = Verb(volume_rm, _FORCE, least=1, most=None)
VERBS: dict[tuple[str, ...], Verb] = {
    ("rmi",): _RMI,
    ("image", "rm"): _RMI,
    ("image", "rmi"): _RMI,
    ("image", "remove"): _RMI,
    ("image", "prune"): Verb(image_prune, {"all": ("a",), **_FORCE}, _FILTER),
    ("rm",): _RM,
    ("container", "rm"): _RM,
    ("container", "remove"): _RM,
    ("container", "prune"): Verb(container_prune, _FORCE, _FILTER),
    ("volume", "rm"): _VOLUME_RM,
    ("volume", "remove"): _VOLUME_RM,
    ("volume", "prune"): Verb(volume_prune, {"all": ("a",), **_FORCE}, _FILTER),
    ("network", "prune"): Verb(network_prune, _FORCE, _FILTER),
    ("buildx", "history", "rm"): Verb(history_rm, {"all": ()}, least=0, most=None),
    ("system", "prune"): Verb(system_prune, {"all": ("a",), "volumes": (), **_FORCE}, _FILTER),
}
"""Words of a verb -> what it is; those of build commands are read elsewhere."""


BUILD_PRUNES = (["builder", "prune"], ["buildx", "prune"])
"""Verbs whose options BuildKit's rules read."""


def read_globals(words: list[str]) -> list[str]:
    """The words from the verb on."""
    return parse(words, _GLOBALS).positional


def find_verb(words: list[str]) -> tuple[Verb, Spec, list[str]]:
    """The verb that words begin with, its Spec, and the words after it.

    Raises:
        UsageError: a verb that isn't simulated.
    """
    for length in (3, 2, 1):
        verb = VERBS.get(tuple(words[:length]))
        if verb is not None:
            name = " ".join(["docker", *words[:length]])
            return verb, Spec(verb.flags, verb.values, name, verb.least, verb.most), words[length:]
    known = ", ".join(" ".join(words) for words in VERBS)
    raise UsageError(f"docker {' '.join(words[:2])}: not simulated; {known} and the build cache's commands are")
