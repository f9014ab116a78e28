"""Which thing a text names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.disk.tree import DirectoryTree
from ocistore.errors import UnknownThing
from ocistore.findings import Findings
from ocistore.graph.graph import Graph
from ocistore.stores.find import find_things, owner_of, short_forms
from ocistore.stores.store import Place, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "ab12" + "0" * 60
OTHER = "ab34" + "0" * 60
LAYER = "cd56" + "0" * 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two images, a layer with a path, a container and a volume of one name, an image of docker.io."""
    graph = Graph()
    with DirectoryTree(str(tmp_path)) as tree:
        made = Store("containers-storage", ".", "overlay", graph, Findings(), places=[Place(tree)])
        image = graph.add("image", IMAGE)
        graph.nodes[image].names = ["localhost/web:latest", "quay.io/team/web:1"]
        other = graph.add("image", OTHER)
        graph.nodes[other].names = ["docker.io/library/alpine:3.20", "docker.io/library/alpine@sha256:" + "e" * 64]
        layer = graph.add("layer", LAYER)
        container = graph.add("container", "77" * 32)
        graph.nodes[container].names = ["db"]
        volume = graph.add("volume", "db")
        graph.nodes[volume].names = ["db"]
        own = graph.add("own", "containers-storage")
        (tmp_path / "overlay" / LAYER / "diff" / "etc").mkdir(parents=True)
        made.own("", own)
        made.own(f"overlay/{LAYER}", layer)
        yield made


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (IMAGE, f"image:{IMAGE}"),
        (f"image:{IMAGE}", f"image:{IMAGE}"),
        (f"sha256:{IMAGE}", f"image:{IMAGE}"),
        ("ab12", f"image:{IMAGE}"),
        ("image:ab3", f"image:{OTHER}"),
        ("localhost/web:latest", f"image:{IMAGE}"),
        ("localhost/web", f"image:{IMAGE}"),
        ("web", f"image:{IMAGE}"),
        ("web:1", f"image:{IMAGE}"),
        ("team/web:1", f"image:{IMAGE}"),
        ("alpine:3.20", f"image:{OTHER}"),
        ("sha256:" + "e" * 64, f"image:{OTHER}"),
        ("container:db", "container:" + "77" * 32),
        ("volume:db", "volume:db"),
        ("db", "volume:db"),
        (f"overlay/{LAYER}/diff/etc", f"layer:{LAYER}"),
        (f"overlay/{LAYER}/", f"layer:{LAYER}"),
        ("overlay", "own:containers-storage"),
        (".", "own:containers-storage"),
    ],
)
def test_one_thing(store: Store, text: str, key: str) -> None:
    """Each spelling names its thing; an id goes before a name, a name before a path, a path before a prefix."""
    assert [key] == [store.graph.nodes[number].key for number in find_things(store, text)]


def test_absolute_path(store: Store, tmp_path: Path) -> None:
    """A path in the store may be written from the top of the file system."""
    assert store.graph.find("layer", LAYER) == owner_of(store, f"{tmp_path}/overlay/{LAYER}/diff")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ab", "may be 2 things: image:ab12"),
        ("localhost/wbe:latest", "close to it: localhost/web:latest"),
        ("../etc", "nothing in the store"),
        ("/etc", "nothing in the store"),
        ("overlay/nothing", "nothing in the store"),
        ("", "nothing in the store"),
        ("image:", "nothing in the store"),
    ],
)
def test_nothing_or_several(store: Store, text: str, says: str) -> None:
    """What names nothing, or more than one thing, is an error that says what there is."""
    with pytest.raises(UnknownThing, match=says):
        find_things(store, text)


def test_one_name_on_several_nodes(store: Store) -> None:
    """One name on several nodes of a kind (a tag on several entries of a layout) names them all."""
    numbers = [store.graph.add("blob", digit * 64) for digit in "12"]
    for number in numbers:
        store.graph.nodes[number].names = ["multi"]

    assert numbers == find_things(store, "multi")


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("web", ["web:latest", "localhost/web:latest", "docker.io/library/web:latest"]),
        ("team/web:1", ["team/web:1", "localhost/team/web:1", "docker.io/team/web:1"]),
        ("quay.io/web", ["quay.io/web:latest"]),
        ("localhost:5000/web:1", ["localhost:5000/web:1"]),
    ],
)
def test_short_forms(text: str, forms: list[str]) -> None:
    """A short name stands for what podman tries without a registries.conf."""
    assert forms == short_forms(text)
