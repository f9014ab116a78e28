"""The buildah command line (containers-storage 3.4, 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.options import Spec, parse
from ocistore.stores.containers_storage.makers import Maker, is_buildah

from .images import ImageRemover, RemoveOptions, list_images, remove_lists
from .makers import maker_of
from .state import RuleFails, raise_first

if TYPE_CHECKING:
    from .state import State
    from .versions import Rules

GLOBALS = Spec(
    values={
        "root": (),
        "runroot": (),
        "storage-driver": (),
        "storage-opt": (),
        "log-level": (),
        "registries-conf": (),
        "imagestore": (),
    },
    command="buildah",
    interspersed=False,
)
_RMI = Spec({"all": ("a",), "prune": ("p",), "force": ("f",)}, command="buildah rmi")
_RM = Spec({"all": ("a",)}, command="buildah rm")
_PRUNE = Spec({"all": ("a",), "force": ("f",)}, command="buildah prune", at_most=0)
_MANIFEST_RM = Spec(command="buildah manifest rm", at_least=1)


def run_buildah(state: State, rules: Rules, argv: list[str]) -> None:
    """Simulates one buildah command.

    Args:
        state: is changed.
        rules: versions.
        argv: the words after `buildah`.

    Raises:
        UsageError: not simulated, or wrong.
        RuleFails: the command fails; what it did before stays done.
    """
    words = parse(argv, GLOBALS).positional
    verb, rest = " ".join(words[:1]), words[1:]
    if verb == "rmi":
        _rmi(state, rules, rest)
    elif verb in ("rm", "delete"):
        _rm(state, rest)
    elif verb == "prune":
        _prune(state, rules, rest)
    elif verb == "manifest" and rest[:1] in (["rm"], ["delete"]):
        remove_lists(state, rules, parse(rest[1:], _MANIFEST_RM).positional)
    else:
        raise UsageError(f"buildah {' '.join(words[:2])}: this command is not simulated")


def _rmi(state: State, rules: Rules, words: list[str]) -> None:
    given = parse(words, _RMI)
    everything, prune = given.flag("all"), given.flag("prune")
    if everything and prune:
        raise RuleFails("--all and --prune don't go together")
    if (everything or prune) == bool(given.positional):
        raise RuleFails("it needs either names, or --all, or --prune")
    remover = ImageRemover(state, rules, RemoveOptions(force=given.flag("force")))
    if given.positional:
        remover.remove_names(given.positional)
    else:
        # One round only; parents that are left dangling go by recursion (3.8).
        filters = {"readonly": ["false"]} | ({"dangling": ["true"]} if prune else {})
        remover.remove_listed(list_images(state, rules, filters))
    _flag_takings(state)
    raise_first(remover.failures)


def _rm(state: State, words: list[str]) -> None:
    given = parse(words, _RM)
    if given.flag("all") == bool(given.positional):
        raise RuleFails("it needs either names or --all")
    if given.flag("all"):
        for ident in list(state.containers):
            # The type decides, not who made it: a container of podman that was committed has the file too.
            if is_buildah(state.storage.read_buildah_file(ident)):
                state.delete_container(ident, "has a buildah.json; -a takes it")
        _flag_takings(state)
        return
    failures: list[RuleFails] = []
    for name in given.positional:
        record = state.find_container(name)
        if record is None:
            failures.append(RuleFails(f"{name}: container not known"))
        elif not _can_open(state, record.id):
            failures.append(RuleFails(f"{name}: its image can't be read, so buildah can't open it"))
        else:
            state.delete_container(record.id, "asked for")
    _flag_takings(state)
    raise_first(failures)


def _can_open(state: State, ident: str) -> bool:
    """A container without buildah.json is imported first, which needs a readable image (3.4).

    One without any image can't be: buildah 1.39.3 and 1.43.2 refuse it ("imageID is empty").  One whose file is torn or
    of another type can't be opened at all (2.6).
    """
    data = state.storage.read_buildah_file(ident)
    if data is not None:
        return is_buildah(data)
    image = state.containers[ident].image
    record = next((i for i in state.all_images() if i.id == image), None)
    return record is not None and state.storage.data.config(record) is not None


def _prune(state: State, rules: Rules, words: list[str]) -> None:
    """`buildah prune`: without -a its two filters exclude each other, and no image ever goes (3.8)."""
    given = parse(words, _PRUNE)
    if not rules.podman_from(4, 4):
        raise RuleFails("buildah prune does not exist before buildah 1.29")
    state.note(
        "outside-the-store",
        "the command also removes the cache mounts of builds, which lie outside the store and are not counted",
    )
    if not given.flag("all"):
        return
    remover = ImageRemover(state, rules, RemoveOptions(force=given.flag("force")))
    remover.remove_listed(list_images(state, rules, {"readonly": ["false"]}))
    _flag_takings(state)
    raise_first(remover.failures)


def _flag_takings(state: State) -> None:
    """Says so where a command of buildah takes containers that another tool made: its database goes on listing them."""
    for removal in state.outcome.removals:
        if removal.kind != "container":
            continue
        maker = maker_of(state, removal.id)
        if maker in (Maker.PODMAN, Maker.CRIO):
            state.note(
                "native-takes-healthy",
                f"buildah takes a container that {maker} made, and {maker} goes on listing it",
                f"container:{removal.id}",
            )
