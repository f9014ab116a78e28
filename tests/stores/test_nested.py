"""Stores inside a store, and content that is there more than once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ocistore.disk.walk import Problem, walk
from ocistore.stores.nested import read_nested
from ocistore.usage.duplicates import find_duplicates, mark, sum_up
from ocistore.usage.sizes import measure
from tests.cli.running import ocistore
from tests.make.docker import DockerMaker
from tests.naive import du

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ocistore.disk.walk import Walked

NOW = 1_800_000_000_000_000_000


@pytest.fixture
def outer(tmp_path: Path) -> DockerMaker:
    """A data-root with one in a volume; both have the layer `common`."""
    inner = DockerMaker(tmp_path / "inner")
    inner.image("inner", ("common", "i"), ("inner:1",))
    inner.write()
    make = DockerMaker(tmp_path / "outer")
    make.image("outer", ("common", "o"), ("outer:1",))
    make.volume("dind")
    data = make.root / "volumes/dind/_data"
    shutil.rmtree(data)
    shutil.copytree(inner.root, data, symlinks=True)
    make.write()
    return make


def test_a_data_root_in_a_volume(outer: DockerMaker) -> None:
    """It is found and read as a store of its own; its root is relative to where the outer one's is."""
    store = outer.read()
    (nested,) = read_nested(str(outer.root), store, NOW)

    assert ("volumes/dind/_data", "docker") == (nested.store.root, nested.store.kind)
    assert (".", "volume:dind") == (nested.inside, nested.through)
    assert nested.store.graph.find("ref", "inner:1") is not None


@pytest.mark.parametrize("counted", [True, False], ids=["all counted", "not all counted"])
def test_a_data_root_in_a_layer(tmp_path: Path, counted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Df finds it by what its walk noted, and searches itself where that may lack something."""

    def interrupted(descriptor: int, claims: Sequence[str], *_: object, notes: frozenset[str], **__: object) -> Walked:
        result = walk(descriptor, claims, notes=notes)
        result.noted.clear()
        result.problems.append(Problem("mount", "overlay2", 0, -1))
        return result

    make = DockerMaker(tmp_path / "outer")
    make.image("outer", ("base", "o"), ("outer:1",))
    make.write()
    layer = next(path for path in (make.root / "overlay2").iterdir() if path.name != "l")
    inner = DockerMaker(tmp_path / "inner")
    inner.image("inner", ("i",), ("inner:1",))
    inner.write()
    shutil.copytree(inner.root, layer / "diff/var/lib/docker", symlinks=True)
    if not counted:
        monkeypatch.setattr("ocistore.usage.claims.walk", interrupted)
    (account,) = ocistore("df", make.root, "--json").json["stores"]

    (found,) = account["nested"]
    assert (f"overlay2/{layer.name}/diff/var/lib/docker", f"layer:{layer.name}") == (found["root"], found["through"])


def test_what_both_have(outer: DockerMaker) -> None:
    """The layer of one content is a duplicate in each; the others are none; the copy's bytes are counted once."""
    store = outer.read()
    (nested,) = read_nested(str(outer.root), store, NOW)
    groups = find_duplicates([store, nested.store])
    mark(groups)
    sizes = {id(each): measure(each) for each in (store, nested.store)}
    (group,) = groups

    assert [store, nested.store] == [copy.store for copy in group]
    marked = [n.id for each in (store, nested.store) for n in each.graph.nodes if "duplicate" in n.traits]
    assert [copy.store.graph.nodes[copy.node].id for copy in group] == marked
    repeated = sum_up(groups, lambda copy: sizes[id(copy.store)].own(copy.node))
    owns = [own for copy in group if (own := sizes[id(copy.store)].own(copy.node)) is not None]
    assert (1, 2, min(owns)) == (repeated.contents, repeated.copies, repeated.bytes)


def test_df_and_ls_show_them(outer: DockerMaker) -> None:
    """Df names the inner store and what it weighs, ls its copies; the inner bytes are the volume's."""
    (account,) = ocistore("df", outer.root, "--json").json["stores"]
    nodes = ocistore("ls", outer.root, "--filter", "duplicate", "--json").json["nodes"]

    (inner,) = account["nested"]
    assert ("volumes/dind/_data", "docker", "volume:dind") == (inner["root"], inner["kind"], inner["through"])
    assert du(str(outer.root / "volumes/dind/_data"))._asdict() == inner["total"]
    assert {"contents": 1, "copies": 2} == {key: account["duplicates"][key] for key in ("contents", "copies")}
    assert {".", "volumes/dind/_data"} == {node["root"] for node in nodes}
    (volume,) = (kind for kind in account["kinds"] if kind["kind"] == "volume")
    assert du(str(outer.root / "volumes/dind"))._asdict() == volume["bytes"]


def test_a_nested_store_that_is_damaged(outer: DockerMaker) -> None:
    """What is wrong in it is its own finding; the outer store is whole."""
    (outer.root / "volumes/dind/_data/image/overlay2/repositories.json").write_text("{")
    store = outer.read()
    (nested,) = read_nested(str(outer.root), store, NOW)

    assert nested.store.findings.has_errors
    assert not store.findings.has_errors
