"""umoci itself against its simulation, on random layouts: the same paths vanish, the same commands fail.

Needs `umoci` on the PATH; the version that is there is the one that is simulated.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from ocistore.plan.oci.session import open_session
from tests.make.layout import open_layout
from tests.make.random_layout import make_layout

UMOCI = shutil.which("umoci")
SEEDS = 60

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(UMOCI is None, reason="umoci is not on the PATH"),
]


@pytest.fixture(scope="module")
def version() -> str:
    """The version of the umoci that is there."""
    said = subprocess.run(["umoci", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    if found is None:
        pytest.skip(f"umoci doesn't say its version: {said!r}")
    return found.group()


def paths_below(top: Path) -> set[str]:
    """Every path below a directory."""
    return {str(path.relative_to(top)) for path in top.rglob("*")}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_umoci_takes_what_its_simulation_takes(tmp_path: Path, seed: int, version: str) -> None:
    """Umoci rm of some names, then gc, each held against the plan of the same command."""
    random = Random(seed)
    path = make_layout(tmp_path / "layout", random, holes=seed % 3 == 0, odd_names=seed % 4 == 0).path
    store = open_layout(path)
    session = open_session(store, 0)
    names = sorted({entry.name for entry in store.detail.entries if entry.name})
    commands = [["umoci", "rm", "--image", f"{path}:{name}"] for name in random.sample(names, min(len(names), 2))]
    for command in [*commands, ["umoci", "gc", "--layout", str(path)]]:
        before = paths_below(path)
        outcome = session.run(command, version)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        planned = {
            each
            for each in before
            for removal in outcome.removals
            for top in removal.paths
            if each == top or each.startswith(f"{top}/")
        }

        assert (command, before - paths_below(path)) == (command, planned)
        assert (command, bool(done.returncode), done.stderr) == (command, bool(outcome.failure), done.stderr)
    store.close()
