"""What builders leave behind in a data-root, told apart by names and records (docker-buildkit-containerd 6.2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ocistore.stores.docker.images import chain_id
from tests.make.docker import DockerMaker, diff_id, volume_mount

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.store import Store


@pytest.fixture
def make(tmp_path: Path) -> DockerMaker:
    """A data-root that is being made."""
    return DockerMaker(tmp_path)


def traits(store: Store, kind: str, ident: str) -> tuple[str, ...]:
    """The traits of a node."""
    number = store.graph.find(kind, ident, store.number)
    assert number is not None
    return store.graph.nodes[number].traits


def test_generations_of_the_builder(make: DockerMaker) -> None:
    """By tag, by a digest of its repository, and by the base that no other named image has; others are none."""
    present = make.image("present", ("base", "p"), ("moby/buildkit:buildx-stable-1",))
    by_digest = make.image("by digest", ("d",), (f"moby/buildkit@sha256:{'1' * 64}",))
    nameless = make.image("nameless", ("base", "n"))
    foreign = make.image("foreign", ("other", "f"))
    store = make.open()

    assert ["builder-generation"] * 3 == [
        next(iter(traits(store, "image", ident)), "") for ident in (present, by_digest, nameless)
    ]
    assert "builder-generation" not in traits(store, "image", foreign)


def test_a_base_that_others_use_says_nothing(make: DockerMaker) -> None:
    """A nameless image on a layer that another named image stands on may be anything."""
    make.image("present", ("base", "p"), ("moby/buildkit:buildx-stable-1",))
    make.image("web", ("base", "w"), ("web:1",))
    nameless = make.image("nameless", ("base", "n"))
    store = make.open()

    assert "builder-generation" not in traits(store, "image", nameless)


def test_a_layer_that_was_pulled_from_the_builder(make: DockerMaker) -> None:
    """The distribution records say where a nameless image's top layer came from (7.5)."""
    nameless = make.image("nameless", ("n",))
    records = make.base / "distribution/v2metadata-by-diffid/sha256"
    records.mkdir(parents=True)
    source = [{"Digest": "sha256:" + "2" * 64, "SourceRepository": "docker.io/moby/buildkit"}]
    (records / diff_id("n").removeprefix("sha256:")).write_text(json.dumps(source))
    store = make.open()

    assert "builder-generation" in traits(store, "image", nameless)


def test_volumes_of_builders(make: DockerMaker) -> None:
    """State volumes with and without their builder, pack's volumes of one build, and its caches."""
    make.volume("buildx_buildkit_here0_state")
    make.volume("buildx_buildkit_gone0_state")
    make.volume("pack-layers-abcdefghij")
    make.volume("pack-cache-library_web_latest-1a2b.build")
    make.volume("data")
    make.container("buildx_buildkit_here0", mounts=volume_mount("buildx_buildkit_here0_state"))
    store = make.open()

    assert ("buildx-state",) == traits(store, "volume", "buildx_buildkit_here0_state")
    assert ("buildx-state", "builder-gone") == traits(store, "volume", "buildx_buildkit_gone0_state")
    assert ("pack-ephemeral",) == traits(store, "volume", "pack-layers-abcdefghij")
    assert ("pack-cache",) == traits(store, "volume", "pack-cache-library_web_latest-1a2b.build")
    assert () == traits(store, "volume", "data")


def test_a_container_that_can_not_be_read_may_be_the_builder(make: DockerMaker) -> None:
    """Then no state volume is said to have lost its builder."""
    make.volume("buildx_buildkit_gone0_state")
    broken = make.container("broken")
    (make.root / "containers" / broken / "config.v2.json").write_text("{")
    store = make.open()

    assert ("buildx-state",) == traits(store, "volume", "buildx_buildkit_gone0_state")


def test_stopped_containers_pin_images(make: DockerMaker) -> None:
    """An image that only stopped containers use is pinned; one that a running container uses, too, is not."""
    stopped, shared = make.image("stopped", ("s",)), make.image("shared", ("t",))
    chains = [chain_id([diff_id(layer)]) for layer in ("s", "t")]
    one = make.container("one", stopped, chains[0])
    two = make.container("two", shared, chains[1])
    make.container("three", shared, chains[1], state={"Running": True})
    store = make.open()

    assert "pinned" in traits(store, "image", stopped)
    assert "pins-image" in traits(store, "container", one)
    assert "pinned" not in traits(store, "image", shared)
    assert "pins-image" not in traits(store, "container", two)
