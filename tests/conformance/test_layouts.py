"""Layouts that skopeo and buildah write: what umoci and skopeo take of them, against plans, `ls` and `df`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ocistore.plan.make import split_commands
from tests.conformance.native import version_of
from tests.conformance.worlds import BASE, build_base
from tests.naive import du, freed, lstats

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.native import NativeStore

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not shutil.which("umoci"), reason="umoci is not on the PATH"),
]

COMMANDS = (
    "umoci gc --layout {layout}",
    "umoci rm --image {layout}:v1",
    "umoci rm --image {layout}:nothere",
    "umoci rm --image {layout}:v1 && umoci gc --layout {layout}",
    "umoci rm --image {layout}:v1 && umoci rm --image {layout}:v2 && umoci gc --layout {layout}",
    "umoci rm --image {layout}:other && umoci gc --layout {layout}",
    "umoci rm --image {layout}:list && umoci gc --layout {layout}",
    "umoci rm --image {layout}:v2 && umoci rm --image {layout}:copy && umoci gc --layout {layout}",
    "umoci rm --image {layout}:again && umoci gc --layout {layout}",
    "skopeo delete oci:{layout}:v1",
    "skopeo delete oci:{layout}:nothere",
)


@pytest.fixture(scope="module")
def layout(build: Callable[..., NativeStore]) -> Path:
    """A layout of skopeo's and buildah's copies.

    v1, v2 (v1 and a layer) and by skopeo its copy, again (written twice: the first lost its name), other (layers of
    its own), list (a manifest list of v1 and other), and a blob that skopeo left unfinished
    """

    def copy(store: NativeStore) -> None:
        top = store.top / "layout"
        build_base(store, "localhost/v:1")
        store.build("FROM localhost/v:1\nRUN echo 2 > /two", "--layers", "-t", "localhost/v:2")
        store.build(BASE + "RUN echo other > /other", "--layers", "-t", "localhost/other:1")
        store.build("FROM localhost/v:2\nLABEL again=1", "--layers", "-t", "localhost/again:1")
        store.build("FROM localhost/v:2\nRUN echo 2 > /again", "--layers", "-t", "localhost/again:2")
        copies = (("v:1", "v1"), ("v:2", "v2"), ("other:1", "other"), ("again:1", "again"), ("again:2", "again"))
        for name, tag in copies:
            store.buildah("push", "-q", f"localhost/{name}", f"oci:{top}:{tag}")
        stored = f"containers-storage:[{store.driver}@{store.root}+{store.run}]localhost/v:2"
        copied = ["skopeo", "--insecure-policy", "copy", "-q", stored, f"oci:{top}:copy"]
        subprocess.run(copied, capture_output=True, check=True, env=store.environment())
        store.buildah("manifest", "create", "localhost/list:1", "localhost/v:1", "localhost/other:1")
        store.buildah("manifest", "push", "-q", "--all", "localhost/list:1", f"oci:{top}:list")
        (top / "oci-put-blob123456").write_bytes(b"half")

    return build(copy).top / "layout"


def ask(verb: str, layout: Path, *words: str) -> dict[str, Any]:
    """What the command line program says of a layout."""
    argv = [sys.executable, "-m", "ocistore", verb, str(layout), *words, "--json"]
    answer: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=False).stdout)
    return answer


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_what_was_planned(layout: Path, tmp_path: Path, command: str) -> None:
    """Paths, bytes, and whether the command fails."""
    copy = tmp_path / "layout"
    subprocess.run(["cp", "-a", str(layout), str(copy)], check=True)
    line = command.format(layout=copy)
    answer = ask("plan", copy, "--as", line, "--as-version", version_of(command.split()[0]))
    before = [path for path, _ in lstats(str(copy))]
    spare = tmp_path / "spare"
    subprocess.run(["cp", "-a", str(copy), str(spare)], check=True)
    done = subprocess.CompletedProcess[str]([], 0)
    for words in split_commands(line):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            break
    gone = set(before) - {path for path, _ in lstats(str(copy))}
    fails = any(finding["code"] == "native-command-fails" for finding in answer["findings"])

    assert (bool(done.returncode), done.stderr) == (fails, done.stderr)
    assert {str(Path(path).relative_to(copy)) for path in gone} == {
        p for step in answer["steps"] for p in step["paths"]
    }
    assert tuple(freed(path.replace(str(copy), str(spare), 1) for path in gone)) == tuple(answer["frees"].values())


def test_names_are_listed_alike(layout: Path) -> None:
    """`umoci list` and `ls` know the same names."""
    said = subprocess.run(["umoci", "list", "--layout", str(layout)], capture_output=True, text=True, check=True).stdout

    assert set(said.split()) == {node["id"] for node in ask("ls", layout, "--kind", "ref")["nodes"]}


def test_the_ledger_is_what_du_counts(layout: Path) -> None:
    """The total is du's, and the fates add up to it."""
    [ledger] = ask("df", layout)["stores"]

    assert tuple(du(str(layout))) == tuple(ledger["total"].values())
    assert tuple(du(str(layout))) == tuple(
        sum(fate[unit] for fate in ledger["fates"].values()) for unit in ledger["total"]
    )
