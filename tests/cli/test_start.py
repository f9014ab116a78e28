"""What a start of the program loads."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ocistore.cli.main import VERBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RUN = """
import json, sys
sys.argv = ["ocistore", *json.loads(sys.argv[1])]
from ocistore.__main__ import main
try:
    main()
except SystemExit:
    pass
sys.stdout.flush()
print("\\n" + json.dumps(sorted(sys.modules)))
"""
FACE = {
    "ocistore",
    "ocistore.__main__",
    "ocistore.errors",
    "ocistore.cli",
    "ocistore.cli.main",
}
OPTIONS = {"ocistore.cli.options", "ocistore.stores", "ocistore.stores.store"}
HEAVY = ("zstandard", "tqdm", "orjson", "sqlite3", "multiprocessing", "asyncio", "importlib.metadata", "hypothesis")


def loaded(*arguments: str) -> set[str]:
    """The modules that a run loads."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(arguments)], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def ours(modules: set[str]) -> set[str]:
    """Those of ocistore."""
    return {name for name in modules if name.partition(".")[0] == "ocistore"}


def test_import_is_cheap() -> None:
    """`import ocistore` loads nothing else of it."""
    code = "import json, sys, ocistore; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"ocistore"} == ours(set(json.loads(done.stdout)))


def test_version_loads_no_click() -> None:
    """`--version` loads nothing but itself."""
    modules = loaded("--version")

    assert {"ocistore", "ocistore.__main__"} == ours(modules)
    assert "click" not in modules


def test_help_loads_no_verb() -> None:
    """`--help` lists the verbs without loading them."""
    assert ours(loaded("--help")) == FACE


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_loads_no_reader(verb: str) -> None:
    """`VERB --help` loads the verb's module and its options."""
    modules = loaded(verb, "--help")

    assert ours(modules) <= FACE | OPTIONS | {f"ocistore.cli.{verb}"}
    assert set(HEAVY).isdisjoint(modules)


@pytest.mark.parametrize("verb", ["ls", "tree", "check"])
def test_layout_loads_no_other_reader(verb: str, bundled: Callable[[str], Path]) -> None:
    """A question to a layout loads neither the other reader nor what walks, plans, unpacks or shows progress."""
    modules = loaded(verb, str(bundled("o01") / "root"))

    assert not any(name.startswith("ocistore.stores.containers_storage") for name in modules)
    assert not any(name.startswith(("ocistore.plan", "ocistore.usage.sizes", "ocistore.disk.walk")) for name in modules)
    assert {"zstandard", "tqdm", "orjson", "sqlite3", "multiprocessing"}.isdisjoint(modules)


@pytest.mark.parametrize("verb", ["ls", "tree"])
def test_storage_loads_no_other_reader(verb: str, bundled: Callable[[str], Path]) -> None:
    """A question to a containers/storage directory that needs no sizes loads nothing that walks or unpacks."""
    modules = loaded(verb, str(bundled("p03") / "root"))

    assert not any(name.startswith("ocistore.stores.oci_layout") for name in modules)
    assert not any(name.startswith(("ocistore.plan", "ocistore.usage.sizes", "ocistore.disk.walk")) for name in modules)
    assert {"zstandard", "tqdm", "orjson", "multiprocessing"}.isdisjoint(modules)
