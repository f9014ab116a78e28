"""What `oras manifest delete --oci-layout` takes from a layout (oci-layout 7.6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from tests.make.layout import ARTIFACT, CACHE_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, MANIFEST, digest, plain
from tests.plan.oci_plan import run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.layout import Described, LayoutMaker

    Read = Callable[[Path], Store]

V1 = "oras manifest delete -f --oci-layout root:v1"


def by_digest(described: Described) -> str:
    """The command for a digest."""
    return f"oras manifest delete --force --oci-layout root@{digest(described)}"


def test_an_image_goes_with_what_only_it_refers_to(maker: LayoutMaker, read: Read) -> None:
    """Configuration and own layers go, shared ones and what nobody used stay."""
    shared = maker.layer("shared")
    one = maker.enter(maker.manifest("one", [shared, maker.layer("own")]), "v1")
    maker.enter(maker.manifest("two", [shared]), "v2")
    lost = maker.layer("lost")
    ran = run_all(read(maker.write()), V1)

    assert (len(ran.blobs), ran.blobs[0], ran.steps[0]) == (3, digest(one), ("ref", "v1", ()))
    assert not {digest(shared), digest(lost)} & set(ran.blobs)


def test_all_names_of_the_image_go(maker: LayoutMaker, read: Read) -> None:
    """The image is deleted, not the name: its other names go with it."""
    image = maker.manifest("one")
    for name in ("v1", "v2", None):
        maker.enter(image, name)

    assert run_all(read(maker.write()), V1).ids("ref") == ["v1", "v2"]


def test_an_index_does_not_protect_what_it_lists(maker: LayoutMaker, read: Read) -> None:
    """The image goes though an index names it; that is told."""
    image = maker.manifest("one")
    maker.enter(maker.index([image]), "multi")
    maker.enter(image, "v1")
    ran = run_all(read(maker.write()), V1)

    assert (len(ran.blobs), ran.codes) == (3, ["native-deletes-referenced"])


def test_a_name_protects_what_is_left_behind(maker: LayoutMaker, read: Read) -> None:
    """Images of a deleted index go unless they have a name; an entry without one doesn't help."""
    named, unnamed, loose = maker.manifest("named"), maker.manifest("unnamed"), maker.manifest("loose")
    maker.enter(maker.index([named, unnamed, loose]), "v1")
    maker.enter(named, "kept")
    maker.enter(unnamed)
    ran = run_all(read(maker.write()), V1)

    assert [digest(each) in ran.blobs for each in (named, unnamed, loose)] == [False, True, True]


def test_docker_lists_and_images_are_followed(maker: LayoutMaker, read: Read) -> None:
    """Oras knows Docker's types."""
    image = maker.manifest("docker", media_type=DOCKER_MANIFEST)
    maker.enter(maker.index([image], media_type=DOCKER_LIST), "v1")

    assert len(run_all(read(maker.write()), V1).blobs) == 4


def test_referrers_go_even_if_they_have_a_name(maker: LayoutMaker, read: Read) -> None:
    """What refers to the deleted image as its subject is deleted, and what refers to that."""
    image = maker.enter(maker.manifest("one", []), "v1")
    sbom = maker.enter(maker.manifest("sbom", [], subject=image), "sbom")
    signature = maker.enter(maker.manifest("signature", [], subject=sbom))
    artifact = maker.json({"mediaType": ARTIFACT, "blobs": [], "subject": plain(image)}, ARTIFACT)
    maker.enter(artifact)
    ran = run_all(read(maker.write()), V1)

    assert {digest(each) for each in (image, sbom, signature, artifact)} < set(ran.blobs)
    assert set(ran.ids("ref")) == {"v1", "sbom"}


def test_a_referrer_with_another_size_or_type_of_subject_is_none(maker: LayoutMaker, read: Read) -> None:
    """The subject must be the deleted image in digest, size and media type."""
    image = maker.enter(maker.manifest("one", []), "v1")
    other = maker.enter(maker.manifest("sbom", [], subject={**image, "size": 1}), "sbom")

    assert digest(other) not in run_all(read(maker.write()), V1).blobs


def test_deleting_a_referrer_takes_its_untagged_subject(maker: LayoutMaker, read: Read) -> None:
    """Subjects are successors: without a name they go, and so on up; with a name they stay."""
    base = maker.enter(maker.manifest("base", []))
    middle = maker.enter(maker.manifest("middle", [], subject=base))
    maker.enter(maker.manifest("top", [], subject=middle), "v1")
    ran = run_all(read(maker.write()), V1)

    assert {digest(base), digest(middle)} < set(ran.blobs)


def test_types_that_oras_does_not_know_have_no_successors(maker: LayoutMaker, read: Read) -> None:
    """What only a cacheconfig or an unknown document names stays."""
    layer = maker.layer("one")
    config = maker.json({"layers": [{"blob": digest(layer)}]}, CACHE_CONFIG)
    maker.enter(maker.manifest("cache", [], config=config), "v1")
    bundle = maker.enter(maker.json({"parts": [layer]}, "application/vnd.example.bundle.v1+json"), "bundle")
    store = read(maker.write())

    assert digest(layer) not in run_all(store, V1).blobs
    assert run_all(store, by_digest(bundle)).blobs == [digest(bundle)]


def test_the_last_entry_of_a_name_counts(maker: LayoutMaker, read: Read) -> None:
    """A name on two entries means the second."""
    one, two = maker.enter(maker.manifest("one", []), "v1"), maker.enter(maker.manifest("two", []), "v1")
    ran = run_all(read(maker.write()), V1)

    assert (digest(one) in ran.blobs, digest(two) in ran.blobs, ran.ids("ref")) == (False, True, ["v1"])


@pytest.mark.parametrize(("version", "more"), [("1.3.3", True), ("1.3.2", False)])
def test_a_digest_without_entry_is_a_plain_blob(maker: LayoutMaker, read: Read, version: str, more: bool) -> None:
    """Its referrers stay; from 1.3.3 on it is a node all the same, and what it leaves behind goes."""
    image = maker.manifest("one")
    maker.enter(maker.index([image]), "multi")
    signature = maker.enter(maker.manifest("signature", [], subject=image), "sig")
    ran = run_all(read(maker.write()), by_digest(image), version=version)

    assert (ran.blobs[0], len(ran.blobs) == 3, digest(signature) in ran.blobs) == (digest(image), more, False)


@pytest.mark.parametrize(("flag", "fails"), [("-f", False), ("", True)])
def test_what_is_not_there_is_no_error_with_force(maker: LayoutMaker, read: Read, flag: str, fails: bool) -> None:
    """Without `-f` it is one; both do nothing."""
    ran = run_all(read(maker.write()), f"oras manifest delete {flag} --oci-layout root:none")

    assert (ran.steps, ran.failure) == ([], "none isn't in the layout" if fails else "")


@pytest.mark.parametrize(("version", "count"), [("1.3.3", 3), ("1.2.0", 3), ("1.1.0", 1)])
def test_before_1_2_one_file_goes(maker: LayoutMaker, read: Read, version: str, count: int) -> None:
    """Older ones collect nothing."""
    image = maker.enter(maker.manifest("one"), "v1")
    ran = run_all(read(maker.write()), V1, version=version)

    assert (len(ran.blobs), ran.blobs[0], ran.ids("ref")) == (count, digest(image), ["v1"])


@pytest.mark.parametrize(("version", "goes"), [("1.3.3", False), ("1.3.2", True)])
def test_before_1_3_3_one_blob_of_two_types_is_two_nodes(
    maker: LayoutMaker, read: Read, version: str, goes: bool
) -> None:
    """A shared blob under another media type can go while the other manifest still names it."""
    layer = maker.layer("shared")
    maker.enter(maker.manifest("one", [layer]), "v1")
    maker.enter(maker.manifest("two", [{**layer, "mediaType": "text/plain"}]), "v2")
    ran = run_all(read(maker.write()), V1, version=version)

    assert (digest(layer) in ran.blobs) is goes


@pytest.mark.parametrize("text", ["<html>", "{}", None])
def test_an_unsound_manifest_anywhere_fails(maker: LayoutMaker, read: Read, text: str | None) -> None:
    """Every manifest that is there is read and verified before anything is done."""
    maker.enter(maker.manifest("one"), "v1")
    other = maker.enter(maker.manifest("other"), "v2")
    data = maker.file(other).read_text()
    maker.file(other).write_text(data.replace("schemaVersion", "schemaversion") if text is None else text)
    ran = run_all(read(maker.write()), V1)

    assert (ran.steps, digest(other) in ran.failure) == ([], True)


def test_a_missing_manifest_elsewhere_is_no_error(maker: LayoutMaker, read: Read) -> None:
    """A manifest that isn't there is no node."""
    maker.enter(maker.manifest("one"), "v1")
    away = maker.enter(maker.manifest("away"), "v2")
    maker.file(away).unlink()
    ran = run_all(read(maker.write()), V1)

    assert (len(ran.blobs), ran.failure) == (3, "")


def test_a_missing_target_loses_its_name_and_fails(maker: LayoutMaker, read: Read) -> None:
    """The entry is dropped before the file is missed."""
    image = maker.enter(maker.manifest("one"), "v1")
    maker.file(image).unlink()
    ran = run_all(read(maker.write()), V1)

    assert ran.steps == [("ref", "v1", ())]
    assert ran.failure == f"oras stops at {digest(image)}, which isn't there"


def test_a_missing_layer_stops_oras_in_random_order(maker: LayoutMaker, read: Read) -> None:
    """The target surely goes, and a lone referrer, which comes first; of the rest nothing is sure."""
    layer = maker.layer("one")
    image = maker.enter(maker.manifest("one", [layer]), "v1")
    signature = maker.enter(maker.manifest("signature", [], subject=image), "sig")
    maker.file(layer).unlink()
    ran = run_all(read(maker.write()), V1)

    assert ran.blobs == [digest(image), digest(signature)]
    assert (ran.failure, ran.codes[0]) == (
        f"oras stops at {digest(layer)}, which isn't there",
        "native-order-undefined",
    )


def test_a_node_that_may_be_met_twice_stops_oras(maker: LayoutMaker, read: Read) -> None:
    """A referrer that another referrer lists is queued twice; the second time its file is gone."""
    image = maker.enter(maker.manifest("image", []), "v1")
    signature = maker.enter(maker.manifest("signature", [], subject=image))
    maker.enter(maker.index([signature], subject=image))
    ran = run_all(read(maker.write()), V1)

    assert digest(signature) in ran.blobs
    assert f"oras stops at {digest(signature)}" in ran.failure


@pytest.mark.parametrize("text", ['{"imageLayoutVersion": "1.1.0"}', "{"])
def test_oras_refuses_another_version(maker: LayoutMaker, read: Read, text: str) -> None:
    """An oci-layout that isn't 1.0.0 is refused; one that isn't there is written."""
    maker.enter(maker.manifest("one"), "v1")
    path = maker.write() / "oci-layout"
    path.write_text(text)
    assert run_all(read(maker.path), V1).failure.startswith("oras doesn't open the layout")

    path.unlink()
    assert run_all(read(maker.path), V1).failure == ""


def test_a_tag_follows_the_last_colon(maker: LayoutMaker, read: Read) -> None:
    """So a name with a colon can't be meant."""
    maker.enter(maker.manifest("one"), "example.org/app:v1")
    ran = run_all(read(maker.write()), "oras manifest delete -f --oci-layout root:example.org/app:v1")

    assert ran.steps == []


def test_a_second_command_sees_what_the_first_left(maker: LayoutMaker, read: Read) -> None:
    """index.json is as oras writes it: a digest keeps one entry."""
    one, two = maker.manifest("one"), maker.manifest("two")
    for name in ("a", None):
        maker.enter(one, name)
    maker.enter(two, "v1")
    ran = run_all(read(maker.write()), f"{V1} && skopeo delete oci:root")

    assert (ran.failure, len(ran.blobs)) == ("", 6)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("oras", "oras: only manifest delete --oci-layout is simulated"),
        ("oras blob delete --oci-layout root@x", "oras blob delete: only manifest delete --oci-layout is simulated"),
        (
            "oras manifest delete root:v1",
            "oras manifest delete: without --oci-layout it deletes from a registry, not from a layout",
        ),
        ("oras manifest delete --oci-layout", "oras manifest delete: needs an argument, none given"),
        (
            "oras manifest delete --descriptor --oci-layout root:v1",
            "oras manifest delete: the option --descriptor is not simulated",
        ),
    ],
)
def test_what_is_not_simulated_is_a_usage_error(maker: LayoutMaker, read: Read, command: str, sentence: str) -> None:
    """Another verb, target or option of oras is an error that names it."""
    store = read(maker.write())
    with pytest.raises(UsageError) as caught:
        run_all(store, command)

    assert str(caught.value) == sentence


def test_a_reference_is_needed(maker: LayoutMaker, read: Read) -> None:
    """The layout's name alone means nothing."""
    ran = run_all(read(maker.write()), "oras manifest delete --oci-layout root")

    assert ran.failure == "oras needs a tag or a digest behind the layout's name"


def test_a_manifest_without_configuration_stops_oras(maker: LayoutMaker, read: Read) -> None:
    """Go's empty configuration is a successor whose file can't be there."""
    image = maker.enter(maker.blob(json.dumps({"mediaType": MANIFEST, "layers": []}).encode(), MANIFEST), "v1")
    ran = run_all(read(maker.write()), V1)

    assert (ran.blobs, ran.failure) == ([digest(image)], "oras stops at a blob without digest, which isn't there")
