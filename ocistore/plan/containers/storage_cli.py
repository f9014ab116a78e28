"""The containers-storage command line (containers-storage 3.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.plan.options import Spec, parse

from .repair import clear_volatile_marks, repair
from .state import RuleFails, raise_first

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.containers_storage.records import ImageRecord

    from .state import State
    from .versions import Rules

GLOBALS = Spec(
    flags={"debug": ("D",)},
    values={
        "graph": ("g", "root"),
        "run": ("R", "runroot"),
        "storage-driver": ("s",),
        "storage-opt": (),
        "image-store": (),
    },
    command="containers-storage",
    interspersed=False,
    single_dash=True,
)
_CHECK = Spec(
    {"repair": ("r",), "force": ("f",), "quick": ("q",), "json": ("j",)},
    {"max": ("m",)},
    "containers-storage check",
    at_most=0,
    single_dash=True,
)


def run_storage(state: State, rules: Rules, argv: list[str]) -> None:
    """Simulates one containers-storage command; arguments and errors as of `run_buildah`."""
    words = parse(argv, GLOBALS).positional
    if not words:
        raise UsageError("containers-storage: needs a command")
    verb, rest = words[0], words[1:]
    if verb in ("gc", "garbage-collect"):
        parse(rest, Spec(flags={"json": ("j",)}, command="containers-storage gc", at_most=0, single_dash=True))
        if not rules.storage_from(1, 45):
            raise RuleFails("containers-storage gc does not exist before storage 1.45")
        state.collect_garbage(sweeps_layer_files=rules.storage_from(1, 64), knows_tempdirs=rules.storage_from(1, 59))
    elif verb == "check":
        _check(state, rules, rest)
    elif verb in _DELETES:
        _delete_each(state, verb, rest)
    else:
        raise UsageError(f"containers-storage {verb}: this command is not simulated")


def _check(state: State, rules: Rules, words: list[str]) -> None:
    given = parse(words, _CHECK)
    if not rules.storage_from(1, 47):
        raise RuleFails("containers-storage check does not exist before storage 1.47")
    if not (given.flag("repair") or given.flag("force")):
        clear_volatile_marks(state)
        return
    repair(
        state,
        rules,
        quick=given.flag("quick"),
        quick_digests=True,
        force=given.flag("force"),
        max_age=given.value("max"),
        rows=None,
    )


def _delete_each(state: State, verb: str, words: list[str]) -> None:
    delete = _DELETES[verb]
    flags: dict[str, tuple[str, ...]] = {"json": ("j",)}
    if delete is _delete_image:
        flags["test"] = ("t",)
    given = parse(words, Spec(flags, command=f"containers-storage {verb}", at_least=1, single_dash=True))
    if "test" in flags and given.flag("test"):
        delete = _test_image
    _each(given.positional, lambda name: delete(state, name))


def _each(names: list[str], delete: Callable[[str], None]) -> None:
    """Every argument is tried; one that fails doesn't stop the others."""
    failures: list[RuleFails] = []
    for name in names:
        try:
            delete(name)
        except RuleFails as err:
            failures.append(err)
    raise_first(failures)


def _find_image(state: State, name: str) -> ImageRecord:
    image = state.find_image(name)
    if image is None or image.readonly:
        raise RuleFails(f"{name}: image not known")
    return image


def _delete_image(state: State, name: str) -> None:
    state.delete_image(_find_image(state, name), "asked for")


def _test_image(state: State, name: str) -> None:
    """`delete-image -t`: says what would go, and takes nothing."""
    state.check_unused(_find_image(state, name))


def _delete_layer(state: State, name: str) -> None:
    layer = state.find_layer(name)
    if layer is None:
        raise RuleFails(f"{name}: layer not known")
    state.delete_layer(layer.id, "asked for")


def _delete_container(state: State, name: str) -> None:
    container = state.find_container(name)
    if container is None:
        raise RuleFails(f"{name}: container not known")
    state.delete_container(container.id, "asked for")


def _delete(state: State, name: str) -> None:
    """`delete`: a container, else an image's record only, else a layer; no question is asked (3.0).

    Of a container's directory in the runroot only `userdata` goes.
    """
    container = state.find_container(name)
    if container is not None:
        state.delete_container(container.id, "asked for", state.storage.userdata_paths(container.id))
        return
    image = state.find_image(name)
    if image is not None and not image.readonly:
        state.note("native-takes-healthy", "the command takes the image's record and leaves its layers behind")
        state.drop_image_record(image, "asked for")
        return
    layer = state.find_layer(name)
    if layer is None:
        raise RuleFails(f"{name}: not known")
    state.drop_layer(layer.id, "asked for")


_DELETES: dict[str, Callable[[State, str], None]] = {
    "delete-image": _delete_image,
    "deleteimage": _delete_image,
    "delete-layer": _delete_layer,
    "deletelayer": _delete_layer,
    "delete-container": _delete_container,
    "deletecontainer": _delete_container,
    "delete": _delete,
}
