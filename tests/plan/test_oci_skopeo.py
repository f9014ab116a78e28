"""What `skopeo delete oci:LAYOUT:NAME` takes from a layout (oci-layout 7.3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from tests.make.layout import DOCKER_MANIFEST, INDEX, MANIFEST, digest, plain
from tests.plan.oci_plan import run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.layout import LayoutMaker

    Read = Callable[[Path], Store]

V1 = "skopeo delete oci:root:v1"


def test_what_only_one_entry_uses_goes_with_it(maker: LayoutMaker, read: Read) -> None:
    """Manifest, configuration and layers that no other entry uses; what nobody used before stays."""
    shared, own = maker.layer("shared"), maker.layer("own")
    one = maker.enter(maker.manifest("one", [shared, own]), "v1")
    maker.enter(maker.manifest("two", [shared]), "v2")
    lost = maker.layer("lost")
    ran = run_all(read(maker.write()), V1)

    assert {digest(one), digest(own)} < set(ran.blobs)
    assert (len(ran.blobs), digest(shared) in ran.blobs, digest(lost) in ran.blobs) == (3, False, False)
    assert ran.steps[-1] == ("ref", "v1", ())


def test_two_names_of_one_image_go_one_after_the_other(maker: LayoutMaker, read: Read) -> None:
    """Removing one of two names frees nothing, removing both frees all."""
    image = maker.manifest("one")
    maker.enter(image, "v1")
    maker.enter(image, "v2")
    store = read(maker.write())

    assert run_all(store, V1).blobs == []
    assert len(run_all(store, f"{V1} && skopeo delete oci:root:v2").blobs) == 3


def test_uses_are_counted_with_multiplicity(maker: LayoutMaker, read: Read) -> None:
    """A layer that one image has twice and another once stays."""
    layer = maker.layer("twice")
    maker.enter(maker.manifest("one", [layer, layer]), "v1")
    maker.enter(maker.manifest("two", [layer]), "v2")

    assert digest(layer) not in run_all(read(maker.write()), V1).blobs


def test_an_index_counts_what_it_lists(maker: LayoutMaker, read: Read) -> None:
    """A nested index goes with its images, except one that has an entry of its own."""
    one, two = maker.manifest("one"), maker.manifest("two")
    maker.enter(maker.index([maker.index([one]), two]), "v1")
    maker.enter(two, "two")
    ran = run_all(read(maker.write()), V1)

    assert (digest(one) in ran.blobs, digest(two) in ran.blobs, len(ran.blobs)) == (True, False, 5)


def test_repetitions_multiply_and_end(maker: LayoutMaker, read: Read) -> None:
    """Forty levels of indexes that list the one below twice are counted, not walked."""
    described = maker.manifest("bottom")
    for _ in range(40):
        described = maker.index([plain(described), plain(described)])
    maker.enter(described, "v1")

    assert len(run_all(read(maker.write()), V1).blobs) == 43


def test_a_chain_of_three_thousand_indexes_is_counted(maker: LayoutMaker, read: Read) -> None:
    """Depth is no matter of the stack."""
    described = maker.manifest("deep")
    for _ in range(3000):
        described = maker.index([plain(described)])
    maker.enter(described, "v1")

    assert len(run_all(read(maker.write()), V1).blobs) == 3003


def test_an_index_that_lists_itself_fails(maker: LayoutMaker, read: Read) -> None:
    """Skopeo would not end; nothing is planned."""
    own = "sha256:" + "c" * 64
    described = {"mediaType": INDEX, "digest": own, "size": 1}
    (maker.path / "blobs" / "sha256" / ("c" * 64)).write_text(json.dumps({"manifests": [described]}))
    maker.enter(described, "v1")
    ran = run_all(read(maker.write()), V1)

    assert (ran.steps, ran.failure) == ([], f"{own} lists itself, and skopeo would not end")


def test_referrers_are_left_without_their_subject(maker: LayoutMaker, read: Read) -> None:
    """`subject` is not counted; that something still refers to the image is told."""
    image = maker.enter(maker.manifest("one"), "v1")
    maker.enter(maker.manifest("signature", [], subject=image), "sig")
    ran = run_all(read(maker.write()), V1)

    assert (digest(image) in ran.blobs, ran.codes) == (True, ["native-deletes-referenced"])


def test_the_first_entry_of_a_name_is_taken(maker: LayoutMaker, read: Read) -> None:
    """With one name on two entries the second stays, and so does the name."""
    one = maker.enter(maker.manifest("one", []), "v1")
    two = maker.enter(maker.manifest("two", []), "v1")
    store = read(maker.write())

    assert (digest(one) in run_all(store, V1).blobs, run_all(store, V1).ids("ref")) == (True, [])
    assert {digest(one), digest(two)} < set(run_all(store, f"{V1} && {V1}").blobs)
    assert run_all(store, f"{V1} && {V1}").ids("ref") == ["v1"]


def test_a_position_is_taken(maker: LayoutMaker, read: Read) -> None:
    """`@N` is the entry at N, counted from 0; an unnamed one is no `ref` step."""
    maker.enter(maker.manifest("one", []), "v1")
    two = maker.enter(maker.manifest("two", []))
    store = read(maker.write())
    ran = run_all(store, "skopeo delete oci:root:@1")

    assert (digest(two) in ran.blobs, ran.ids("ref")) == (True, [])
    assert run_all(store, "skopeo delete oci:root:@2").failure == "index.json has no entry @2: it has 2"
    assert run_all(store, "skopeo delete oci:root:@x").failure == "skopeo takes no such position as '@x'"


def test_without_a_name_there_must_be_one_entry(maker: LayoutMaker, read: Read) -> None:
    """No name means the only entry."""
    maker.enter(maker.manifest("one", []), "v1")
    assert run_all(read(maker.write()), "skopeo delete oci:root").ids("ref") == ["v1"]

    maker.enter(maker.manifest("two", []), "v2")
    ran = run_all(read(maker.write()), "skopeo delete oci:root")
    assert ran.failure == "skopeo needs a name: index.json has 2 entries"


@pytest.mark.parametrize("version", ["1.9.3", "1.13.99"])
def test_before_1_14_skopeo_cannot_delete(maker: LayoutMaker, read: Read, version: str) -> None:
    """Older ones fail and do nothing."""
    maker.enter(maker.manifest("one"), "v1")
    ran = run_all(read(maker.write()), V1, version=version)

    assert (ran.steps, ran.failure) == ([], "skopeo before 1.14 can't delete from oci: layouts")
    assert run_all(read(maker.path), V1, version="1.14.0").failure == ""


def test_a_docker_type_anywhere_fails(maker: LayoutMaker, read: Read) -> None:
    """An entry of a Docker type, the deleted one or another, and nothing is done."""
    maker.enter(maker.manifest("one"), "v1")
    maker.enter(maker.manifest("docker", media_type=DOCKER_MANIFEST), "v2")
    store = read(maker.write())

    assert "skopeo counts no blobs of the type" in run_all(store, V1).failure
    assert "skopeo counts no blobs of the type" in run_all(store, "skopeo delete oci:root:v2").failure


def test_a_missing_manifest_anywhere_fails(maker: LayoutMaker, read: Read) -> None:
    """A sparse index makes skopeo refuse to delete anything."""
    maker.enter(maker.manifest("one"), "v1")
    away = maker.manifest("away")
    maker.enter(maker.index([away]), "sparse")
    maker.file(away).unlink()
    ran = run_all(read(maker.write()), V1)

    assert (ran.steps, ran.failure) == ([], f"{digest(away)} isn't there")


def test_missing_layers_and_configurations_are_no_error(maker: LayoutMaker, read: Read) -> None:
    """What isn't there can't be deleted, and need not be."""
    layer, config = maker.layer("one"), maker.config("one")
    image = maker.enter(maker.manifest("one", [layer], config=config), "v1")
    maker.file(layer).unlink()
    maker.file(config).unlink()
    ran = run_all(read(maker.write()), V1)

    assert (ran.blobs, ran.failure) == ([digest(image)], "")


def test_the_digest_of_a_manifest_is_not_compared(maker: LayoutMaker, read: Read) -> None:
    """Skopeo reads what stands there."""
    layer = maker.layer("one")
    image = maker.enter(maker.manifest("one", []), "v1")
    maker.file(image).write_text(json.dumps({"config": image, "layers": [layer]}))
    ran = run_all(read(maker.write()), V1)

    assert set(ran.blobs) == {digest(image), digest(layer)}


def test_a_manifest_without_configuration_stops_in_random_order(maker: LayoutMaker, read: Read) -> None:
    """Go counts the empty digest, which can't be deleted; what goes before it is not defined."""
    maker.enter(maker.json({"mediaType": MANIFEST, "layers": [maker.layer("one")]}, MANIFEST), "v1")
    ran = run_all(read(maker.write()), V1)

    assert (ran.steps, ran.codes) == ([], ["native-order-undefined"])
    assert ran.failure == "skopeo stops at the digest '', which it can't turn into a path"


def test_sha512_blobs_are_deleted(maker: LayoutMaker, read: Read) -> None:
    """Every algorithm that Go's go-digest has is fine."""
    layer = maker.layer("one", algorithm="sha512")
    maker.enter(maker.manifest("one", [layer]), "v1")

    assert digest(layer) in run_all(read(maker.write()), V1).blobs


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none", "index.json has no entry named none"),
        ("-x", "skopeo takes no such name as '-x'"),
        ("leaf", "leaf is of the type 'application/x': no image"),
    ],
)
def test_a_name_that_is_none_fails(maker: LayoutMaker, read: Read, name: str, sentence: str) -> None:
    """A name must stand on an entry of an image type."""
    maker.enter(maker.blob(b"x", "application/x"), "leaf")

    assert run_all(read(maker.write()), f"skopeo delete oci:root:{name}").failure == sentence


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("skopeo", "skopeo: only delete is simulated"),
        ("skopeo copy a b", "skopeo copy: only delete is simulated"),
        ("skopeo delete", "skopeo delete: needs an argument, none given"),
        (
            "skopeo delete docker://x",
            "skopeo delete: 'docker://x' is not of this layout; only oci:LAYOUT[:NAME] is simulated",
        ),
        (
            "skopeo delete --shared-blob-dir d oci:root:v1",
            "skopeo delete: the option --shared-blob-dir is not simulated",
        ),
    ],
)
def test_what_is_not_simulated_is_a_usage_error(maker: LayoutMaker, read: Read, command: str, sentence: str) -> None:
    """Another verb, transport or option of skopeo is an error that names it."""
    store = read(maker.write())
    with pytest.raises(UsageError) as caught:
        run_all(store, command)

    assert str(caught.value) == sentence
