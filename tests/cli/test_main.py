"""Exit statuses, and errors of one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ocistore.cli.main import PIPE_CLOSED, VERBS
from tests.cli.running import in_process, ocistore
from tests.naive import du

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STORE_VERBS = [verb for verb in VERBS if verb != "detect"]


def asked(verb: str, store: Path, *more: str) -> tuple[str, ...]:
    """The arguments of a verb, with a THING where it needs one."""
    return (verb, str(store), *(("x",) if verb == "why" else ()), *more)


@pytest.mark.parametrize("verb", STORE_VERBS)
def test_no_store(verb: str, tmp_path: Path) -> None:
    """A directory that is no store ends with 2 and says what was looked for."""
    (tmp_path / "file").touch()
    ran = ocistore(*asked(verb, tmp_path))

    assert (2, "") == (ran.status, ran.out)
    assert ran.err.startswith(f"ocistore: {tmp_path}: not a store: it has neither the files of containers/storage")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("verb", STORE_VERBS)
def test_empty_directory(verb: str, tmp_path: Path) -> None:
    """An empty directory is said to be empty."""
    ran = ocistore(*asked(verb, tmp_path, "--json"))

    assert (2, "", f"ocistore: {tmp_path}: not a store: the directory is empty\n") == ran


@pytest.mark.parametrize("verb", VERBS)
def test_missing_directory(verb: str, tmp_path: Path) -> None:
    """A directory that isn't there ends with 2."""
    ran = ocistore(*asked(verb, tmp_path / "nowhere"))

    assert (2, "", f"ocistore: {tmp_path}/nowhere: there is no such file or directory\n") == ran


@pytest.mark.parametrize("verb", VERBS)
def test_file(verb: str, tmp_path: Path) -> None:
    """A file in place of a directory ends with 2."""
    (tmp_path / "file").touch()
    ran = ocistore(*asked(verb, tmp_path / "file"))

    assert (2, "") == (ran.status, ran.out)
    assert "not a directory" in ran.err


@pytest.mark.parametrize("kind", ["docker", "containerd", "buildkit"])
def test_a_store_without_anything(kind: str, tmp_path: Path) -> None:
    """An engine's directory in which it has kept nothing yet is a store, and weighs what du says."""
    parts = {
        "docker": ("containers", "volumes", "image/overlay2"),
        "containerd": ("io.containerd.metadata.v1.bolt",),
        "buildkit": ("runc-overlayfs",),
    }
    for part in parts[kind]:
        (tmp_path / part).mkdir(parents=True)
    if kind == "buildkit":
        (tmp_path / "runc-overlayfs/metadata_v2.db").touch()
    ran = ocistore("df", tmp_path, "--json")

    assert ran.status == 0
    (store,) = ran.json["stores"]
    assert kind == store["kind"]
    assert du(str(tmp_path))._asdict() == store["total"]


@pytest.mark.parametrize(
    ("option", "kind"),
    [("--containerd-root", "docker"), ("--runroot", "containers-storage"), ("--imagestore", "containers-storage")],
)
def test_options_of_another_kind(option: str, kind: str, tmp_path: Path, bundled: Callable[[str], Path]) -> None:
    """What can't be true of a store is refused, not ignored."""
    ran = ocistore("ls", bundled("c02") / "root", option, tmp_path)

    assert (2, "") == (ran.status, ran.out)
    assert f"{option} belongs to stores of kind {kind}, this one is of kind containerd" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("ls",), "Missing argument 'STORE'"),
        (("ls", "STORE", "--nonsense"), "No such option"),
        (("ls", "STORE", "--kind", "imag"), "--kind=imag: no kind of thing"),
        (("ls", "STORE", "--filter", "danglng"), "--filter danglng: no state or trait"),
        (("ls", "STORE", "--filter", "older=soon"), "older=soon: not an age"),
        (("ls", "STORE", "--filter", "size=3"), "not a state, `unreferenced`"),
        (("ls", "STORE", "--sort", "weight"), "'weight' is not one of"),
        (("ls", "STORE", "--now", "yesterday"), "--now yesterday: not a time"),
        (("tree", "STORE", "--kind", "pod"), "--kind pod: the store has none"),
        (("plan", "STORE", "--prune", "everything"), "--prune everything: no scope"),
        (("plan", "STORE", "--prune", "all", "--remove", "x"), "four kinds of plan"),
        (("plan", "STORE", "--as-version", "5"), "--as-version belongs to --as"),
        (("plan", "STORE", "--grace", "long"), "--grace=long: not an age"),
        (("why", "STORE", "no-such-thing"), "nothing in the store is called 'no-such-thing'"),
        (("df", "STORE", "--store", "../x"), "not a directory below it"),
        (("df", "STORE", "--store", "volumes"), "no store; `ocistore detect` lists"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], says: str, bundled: Callable[[str], Path]) -> None:
    """A request that can't be answered ends with 2 and one sentence."""
    store = str(bundled("p03") / "root")
    ran = ocistore(*(store if word == "STORE" else word for word in arguments))

    assert (2, "") == (ran.status, ran.out)
    assert ran.err.startswith("ocistore: ")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_several_stores_below(bundled: Callable[[str], Path]) -> None:
    """A verb answers for each store below a directory; --store picks one; one plan is for one store."""
    top = bundled("p08")
    both = {node["root"] for node in ocistore("ls", top, "--json").json["nodes"]}
    one = {node["root"] for node in ocistore("ls", top, "--json", "--store", "ro").json["nodes"]}
    plan = ocistore("plan", top)

    assert ({"ro", "root"}, {"ro"}) == (both, one)
    assert 2 == plan.status
    assert "2 stores are below it (ro, root); name one of them with --store" in plan.err


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    """No text from outside reaches a terminal as it is."""
    ran = ocistore("df", tmp_path / "\x1b[31mred")

    assert "\x1b" not in ran.err
    assert "\\x1b[31mred" in ran.err


def test_closed_pipe(bundled: Callable[[str], Path]) -> None:
    """A reader that goes away ends the program quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [sys.executable, "-m", "ocistore", "ls", str(bundled("p03") / "root")]
    done = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)

    assert (PIPE_CLOSED, b"") == (done.returncode, done.stderr)


def test_fault_of_the_program_is_a_sentence(monkeypatch: pytest.MonkeyPatch, bundled: Callable[[str], Path]) -> None:
    """What nobody thought of is still no traceback."""

    def broken(*_: object) -> None:
        raise ValueError("oops")

    monkeypatch.setattr("ocistore.stores.open.open_stores", broken)
    ran = ocistore("ls", bundled("p03") / "root")

    assert 1 == ran.status
    assert ran.err.startswith("ocistore: a fault of ocistore itself (ValueError: oops)")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_directory(tmp_path: Path) -> None:
    """A store that belongs to somebody else says how to read it."""
    (tmp_path / "closed").mkdir(mode=0)
    ran = ocistore("df", tmp_path / "closed")

    assert 2 == ran.status
    assert "permission denied; read it as its owner or as root" in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """The completion that README documents prints a script."""
    ran = in_process(_OCISTORE_COMPLETE=f"{shell}_source")

    assert 0 == ran.status
    assert "_OCISTORE_COMPLETE" in ran.out
