"""What ctr's commands take from a containerd root, the collector's garbage included, beside what ocistore plans."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.conftest import short_directory
from tests.conformance.daemons import ContainerdStore, why_not
from tests.make.archive import write_archive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.native

COMMANDS = (
    "ctr images rm --sync docker.io/library/one:1",
    "ctr images rm --sync docker.io/library/one:1 docker.io/library/one:again",
    "ctr images rm docker.io/library/two:1",
    "ctr images rm --sync docker.io/library/nothing:1 docker.io/library/two:1",
    "ctr -n other images rm --sync docker.io/library/one:1",
    "ctr -n other images rm --sync docker.io/library/one:1 && ctr images rm --sync docker.io/library/one:1",
    "ctr images prune",
    "ctr content prune references",
    "ctr -n other content prune references",
    "ctr content rm {layer}",
    "ctr leases rm --sync kept",
    "ctr images rm --sync docker.io/library/two:1 && ctr leases rm --sync kept",
    "ctr containers rm box",
    "ctr containers rm box && ctr images rm --sync docker.io/library/one:1 docker.io/library/one:again",
    "ctr snapshots rm work",
    "ctr snapshots rm {chain}",
    "ctr snapshots --snapshotter native rm {chain}",
    "ctr namespaces rm other",
)


def build_world(store: ContainerdStore) -> None:
    """Images in two namespaces and two snapshotters, a container, a lease, snapshots of their own."""
    top = store.top
    one = write_archive(top / "one.tar", "docker.io/library/one:1", [{"a": b"a" * 5000}, {"b": b"b" * 9000}])
    two = write_archive(top / "two.tar", "docker.io/library/two:1", [{"a": b"a" * 5000}, {"c": b"c" * 300}])
    with store.running():
        for name in ("one", "two"):
            store.native("ctr", "images", "import", str(top / f"{name}.tar"))
        store.native("ctr", "-n", "other", "images", "import", str(top / "one.tar"))
        store.native("ctr", "images", "import", "--snapshotter", "native", str(top / "two.tar"))
        store.native("ctr", "images", "tag", "docker.io/library/one:1", "docker.io/library/one:again")
        store.native("ctr", "containers", "create", "docker.io/library/one:1", "box", "/a")
        store.native("ctr", "leases", "create", "--id", "kept", "--expires", "2000h")
        store.native("ctr", "snapshots", "prepare", "work", one.chain)
    store.words |= {"layer": two.layers[-1], "chain": two.chain}


@pytest.fixture(scope="module")
def store() -> Iterator[ContainerdStore]:
    """A root."""
    reason = why_not("containerd")
    if reason:
        pytest.skip(reason)
    top = Path(tempfile.mkdtemp(prefix="occ-", dir=short_directory()))
    made = ContainerdStore(top / "s")
    reason = made.refuses()
    if reason:
        shutil.rmtree(top)
        pytest.skip(reason)
    build_world(made)
    made.save()
    yield made
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def version() -> str:
    """The version of containerd."""
    said = subprocess.run(["containerd", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2].partition("~")[0].removeprefix("v")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(store: ContainerdStore, version: str, command: str) -> None:
    """What a command takes, to the path and the byte."""
    store.compare(command, version).check()
