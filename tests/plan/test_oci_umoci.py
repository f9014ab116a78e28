"""What umoci gc and umoci rm take from a layout (oci-layout 7.1 and 7.2)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from tests.make.layout import (
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    INDEX,
    LAYER,
    MANIFEST,
    digest,
    plain,
)
from tests.plan.oci_plan import Ran, run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.layout import LayoutMaker

    Read = Callable[[Path], Store]

GC = "umoci gc --layout root"
OLD = "0.4.7"


def gc(read: Read, maker: LayoutMaker, version: str | None = None) -> Ran:
    """The layout after umoci gc."""
    return run_all(read(maker.write()), GC, version=version)


def test_gc_takes_what_index_json_does_not_reach(maker: LayoutMaker, read: Read) -> None:
    """Unmarked blobs go in lexical order, marked ones stay."""
    maker.enter(maker.manifest("kept"), "v1")
    lost = [maker.layer("one"), maker.layer("two"), maker.manifest("three", [])]
    ran = gc(read, maker)

    assert set(map(digest, lost)) < set(ran.blobs)
    assert ran.blobs == sorted(ran.blobs)
    assert ran.failure == ""


def test_gc_twice_takes_nothing_the_second_time(maker: LayoutMaker, read: Read) -> None:
    """A session sees what the command before it left."""
    maker.layer("lost")
    store = read(maker.write())
    both, one = run_all(store, f"{GC} && {GC}"), run_all(store, GC)

    assert (both.blobs, len(one.blobs)) == (one.blobs, 1)


def test_unnamed_entries_hold(maker: LayoutMaker, read: Read) -> None:
    """Every entry of index.json is a root, named or not."""
    maker.enter(maker.manifest("old"))

    assert gc(read, maker).blobs == []


def test_docker_types_are_leaves(maker: LayoutMaker, read: Read) -> None:
    """Umoci has no parser for Docker's types, so config and layers of a tagged image are deleted; that is told."""
    image = maker.manifest("docker", [maker.layer("docker", DOCKER_LAYER)], media_type=DOCKER_MANIFEST)
    maker.enter(image, "v1")
    ran = gc(read, maker)

    assert (len(ran.blobs), digest(image) in ran.blobs) == (2, False)
    assert ran.codes == ["native-deletes-referenced"]
    assert all(blob in ran.texts for blob in ran.blobs)


def test_manifests_of_a_docker_list_are_taken(maker: LayoutMaker, read: Read) -> None:
    """A list that an entry names is kept, and nothing below it."""
    image = maker.manifest("docker", [], media_type=DOCKER_MANIFEST)
    listed = maker.enter(maker.index([image], media_type=DOCKER_LIST), "v1")
    ran = gc(read, maker)

    assert (digest(image) in ran.blobs, digest(listed) in ran.blobs) == (True, False)


def test_unknown_types_are_leaves(maker: LayoutMaker, read: Read) -> None:
    """What only a document of an unknown type names is taken."""
    part = maker.layer("part", "application/vnd.example.part")
    bundle = maker.enter(maker.json({"parts": [part]}, "application/vnd.example.bundle.v1+json"), "bundle")
    ran = gc(read, maker)

    assert (ran.blobs, digest(bundle) in ran.blobs) == ([digest(part)], False)


def test_subjects_are_kept_and_referrers_are_not(maker: LayoutMaker, read: Read) -> None:
    """A referrer holds its subject; a referrer that no entry lists goes."""
    image = maker.manifest("image", [])
    maker.enter(maker.manifest("signature", [], subject=image), "sig")
    lost = maker.manifest("lost", [], subject=image)
    ran = gc(read, maker)

    assert (digest(image) in ran.blobs, digest(lost) in ran.blobs) == (False, True)


@pytest.mark.parametrize(("version", "kept"), [("0.6.0", True), (OLD, False)])
def test_the_subject_of_an_index_counts_since_0_5(maker: LayoutMaker, read: Read, version: str, kept: bool) -> None:
    """0.4.7 doesn't know that an index may have a subject."""
    image = maker.manifest("image", [])
    maker.enter(maker.index([], subject=image), "ref")

    assert (digest(image) not in gc(read, maker, version).blobs) is kept


def test_descriptors_as_blobs_are_followed(maker: LayoutMaker, read: Read) -> None:
    """A blob that is a descriptor leads to what it describes."""
    image = maker.manifest("image", [])
    maker.enter(maker.json(plain(image), "application/vnd.oci.descriptor.v1+json"), "v1")

    assert gc(read, maker).blobs == []


def test_a_digest_that_was_seen_is_not_descended_into_again(maker: LayoutMaker, read: Read) -> None:
    """Met first as a leaf, a manifest stays one."""
    image = maker.manifest("image", [])
    maker.enter({**image, "mediaType": LAYER}, "leaf")
    maker.enter(image, "v1")

    assert len(gc(read, maker).blobs) == 1


@pytest.mark.parametrize("version", ["0.6.0", OLD])
def test_a_missing_manifest_fails_gc(maker: LayoutMaker, read: Read, version: str) -> None:
    """One manifest that isn't there, and nothing is deleted."""
    image = maker.enter(maker.manifest("image"), "v1")
    maker.layer("lost")
    maker.file(image).unlink()
    ran = gc(read, maker, version)

    assert (ran.blobs, ran.failure) == ([], f"{digest(image)} isn't there")


@pytest.mark.parametrize(("version", "fails"), [("0.6.0", False), ("0.5.0", False), (OLD, True)])
def test_a_missing_layer_fails_gc_before_0_5(maker: LayoutMaker, read: Read, version: str, fails: bool) -> None:
    """From 0.5.0 on leaves aren't opened."""
    layer = maker.layer("one")
    maker.enter(maker.manifest("image", [layer]), "v1")
    maker.file(layer).unlink()

    assert bool(gc(read, maker, version).failure) is fails


def test_a_missing_configuration_fails_gc(maker: LayoutMaker, read: Read) -> None:
    """Configurations are parsed."""
    config = maker.config("one")
    maker.enter(maker.manifest("image", config=config), "v1")
    maker.file(config).unlink()

    assert gc(read, maker).failure == f"{digest(config)} isn't there"


@pytest.mark.parametrize(("version", "fails"), [("0.6.0", True), (OLD, True)])
def test_an_absent_empty_configuration_fails_gc(maker: LayoutMaker, read: Read, version: str, fails: bool) -> None:
    """Embedded content doesn't help: the empty type is opened (0.5.0), as everything is before."""
    empty = maker.blob(b"{}", EMPTY)
    data = base64.b64encode(b"{}").decode()
    maker.enter(maker.manifest("artifact", [], config={**empty, "data": data}), "v1")
    maker.file(empty).unlink()

    assert bool(gc(read, maker, version).failure) is fails


@pytest.mark.parametrize(("version", "failure"), [("0.6.0", ""), (OLD, "umoci doesn't read '': only sha256 digests")])
def test_a_manifest_without_configuration(maker: LayoutMaker, read: Read, version: str, failure: str) -> None:
    """In Go it has one without a digest, a leaf; only old versions open leaves."""
    maker.enter(maker.json({"mediaType": MANIFEST, "layers": [maker.layer("one")]}, MANIFEST), "v1")
    ran = gc(read, maker, version)

    assert (ran.blobs, ran.failure) == ([], failure)


def test_a_leaf_of_another_algorithm_is_neither_kept_nor_deleted(maker: LayoutMaker, read: Read) -> None:
    """Only blobs/sha256 is looked at; before 0.5.0 a sha512 layer fails the whole gc."""
    layer = maker.layer("one", algorithm="sha512")
    maker.enter(maker.manifest("image", [layer]), "v1")
    maker.layer("lost", algorithm="sha512")

    assert (gc(read, maker).blobs, gc(read, maker).failure) == ([], "")
    assert "only sha256 digests" in gc(read, maker, OLD).failure


def test_a_manifest_of_another_algorithm_fails_gc(maker: LayoutMaker, read: Read) -> None:
    """What must be parsed must have a sha256 digest."""
    maker.enter(maker.json({"layers": []}, MANIFEST, algorithm="sha512"), "v1")

    assert "only sha256 digests" in gc(read, maker).failure


@pytest.mark.parametrize(
    ("text", "said"),
    [("<html>", "bytes, its descriptor says"), ('{"layers": [],"x":', "bytes, its descriptor says")],
)
def test_a_spoilt_manifest_fails_gc(maker: LayoutMaker, read: Read, text: str, said: str) -> None:
    """Size and digest of what is parsed are compared."""
    image = maker.enter(maker.manifest("image"), "v1")
    maker.file(image).write_text(text)

    assert said in gc(read, maker).failure


def test_a_manifest_of_other_bytes_fails_gc(maker: LayoutMaker, read: Read) -> None:
    """The right size doesn't help."""
    image = maker.enter(maker.manifest("image"), "v1")
    data = maker.file(image).read_bytes()
    maker.file(image).write_bytes(data.replace(b"schemaVersion", b"schemaversion"))

    assert gc(read, maker).failure == f"the bytes of {digest(image)} don't match its name"


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        ({"mediaType": MANIFEST, "layers": [], "manifests": []}, MANIFEST),
        ({"mediaType": INDEX, "manifests": [], "layers": []}, INDEX),
        ({"mediaType": MANIFEST, "manifests": []}, INDEX),
        ({"manifests": [], "config": None}, INDEX),
    ],
)
def test_documents_of_two_kinds_fail_gc_since_0_5(
    maker: LayoutMaker, read: Read, document: dict[str, object], media_type: str
) -> None:
    """Umoci refuses what could be read as manifest and as index (CVE-2021-41190)."""
    maker.enter(maker.json(document, media_type), "v1")

    assert "umoci refuses" in gc(read, maker).failure


def test_a_bad_name_stops_gc_half_way(maker: LayoutMaker, read: Read) -> None:
    """What sorts before a name that is no digest is gone, what sorts after it and `.umoci-*` stay."""
    for at in range(20):
        maker.layer(f"lost {at}")
    (maker.write() / "blobs" / "sha256" / "7f.tmp").write_bytes(b"x")
    (maker.path / ".umoci-1").mkdir()
    ran = gc(read, maker)

    assert ran.failure == "umoci gc stops at blobs/sha256/7f.tmp, whose name is no sha256 digest"
    assert ran.blobs
    assert all(blob < "sha256:7f.tmp" for blob in ran.blobs)
    assert len(ran.blobs) < 20
    assert ran.ids("debris") == []


def test_a_directory_among_the_blobs_stops_gc(maker: LayoutMaker, read: Read) -> None:
    """A directory's name is taken for a blob's."""
    (maker.write() / "blobs" / "sha256" / "a-dir").mkdir()

    assert "a-dir" in gc(read, maker).failure


@pytest.mark.parametrize("full", [False, True])
def test_a_directory_of_a_valid_name_goes_if_it_is_empty(maker: LayoutMaker, read: Read, full: bool) -> None:
    """Removing a directory works only when nothing is in it."""
    directory = maker.write() / "blobs" / "sha256" / ("a" * 64)
    directory.mkdir()
    if full:
        (directory / "x").write_bytes(b"x")
    ran = run_all(read(maker.path), f"{GC} && {GC}")

    assert (ran.ids("debris"), bool(ran.failure)) == (([], True) if full else ([f"blobs/sha256/{'a' * 64}"], False))


def test_gc_cleans_its_own_directories_only(maker: LayoutMaker, read: Read) -> None:
    """`.umoci-*` goes, leftovers of other tools stay."""
    (maker.write() / ".umoci-123").mkdir()
    (maker.path / ".umoci-file").write_bytes(b"x")
    (maker.path / "oci-put-blob1").write_bytes(b"x")

    assert gc(read, maker).ids("debris") == [".umoci-123", ".umoci-file"]


@pytest.mark.parametrize("command", [GC, "umoci rm --image root:v1"])
@pytest.mark.parametrize("text", [None, '{"imageLayoutVersion": "1.1.0"}', "{"])
def test_umoci_opens_version_1_0_0_only(maker: LayoutMaker, read: Read, text: str | None, command: str) -> None:
    """Another or unreadable oci-layout: nothing is done."""
    maker.enter(maker.manifest("one"), "v1")
    path = maker.write() / "oci-layout"
    path.unlink() if text is None else path.write_text(text)
    ran = run_all(read(maker.path), command)

    assert (ran.steps, ran.failure.startswith("umoci doesn't open the layout")) == ([], True)


def test_rm_takes_every_entry_of_a_name_and_no_blob(maker: LayoutMaker, read: Read) -> None:
    """Both entries go; the name is one step without paths."""
    maker.enter(maker.manifest("one"), "v1")
    maker.enter(maker.manifest("two"), "v1")
    maker.enter(maker.manifest("three"), "v2")
    store = read(maker.write())
    ran = run_all(store, "umoci rm --image root:v1")

    assert ran.steps == [("ref", "v1", ())]
    assert len(run_all(store, f"umoci remove --image=root:v1 && {GC}").blobs) == 6


def test_two_names_of_one_image_free_nothing_alone(maker: LayoutMaker, read: Read) -> None:
    """While another name is there, gc frees nothing."""
    image = maker.manifest("one")
    maker.enter(image, "v1")
    maker.enter(image, "v2")
    store = read(maker.write())

    assert run_all(store, f"umoci rm --image root:v1 && {GC}").blobs == []
    assert len(run_all(store, f"umoci rm --image root:v1 && umoci rm --image root:v2 && {GC}").blobs) == 3


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("root:v1", "v1"),
        ("root", "latest"),
        ("root:example.org/multi:1", "example.org/multi:1"),
        ("root:docker.io/library/app:1", None),
        ("root:unknown", None),
    ],
)
def test_the_name_is_what_follows_the_first_colon(maker: LayoutMaker, read: Read, image: str, name: str | None) -> None:
    """`latest` without one; a name that isn't there is no error; containerd's names don't count."""
    for each in ("v1", "latest", "example.org/multi:1"):
        maker.enter(maker.manifest(each), each, "docker.io/library/app:1")
    ran = run_all(read(maker.write()), f"umoci rm --image {image}")

    assert (ran.ids("ref"), ran.failure) == ([] if name is None else [name], "")


@pytest.mark.parametrize("tag", ["", "-x", "a..b", "a b", "a//b", "ä"])
def test_a_name_that_umoci_refuses_is_a_failure(maker: LayoutMaker, read: Read, tag: str) -> None:
    """The grammar of names is umoci's."""
    ran = run_all(read(maker.write()), f"umoci rm --image 'root:{tag}'")

    assert ran.failure == f"umoci takes no such name as {tag!r}"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("umoci", "umoci: only gc and rm are simulated"),
        ("umoci unpack", "umoci unpack: only gc and rm are simulated"),
        ("umoci gc", "umoci gc: --layout LAYOUT is missing"),
        ("umoci rm", "umoci rm: --image LAYOUT:TAG is missing"),
        ("umoci gc --layout root --dry", "umoci gc: the option --dry is not simulated"),
        ("umoci gc --layout root x", "umoci gc: takes no arguments, 'x' given"),
        ("umoci --verbose gc --layout root", "umoci --verbose: only gc and rm are simulated"),
    ],
)
def test_what_is_not_simulated_is_a_usage_error(maker: LayoutMaker, read: Read, command: str, sentence: str) -> None:
    """Another verb or option of umoci is an error that names it."""
    store = read(maker.write())
    with pytest.raises(UsageError) as caught:
        run_all(store, command)

    assert str(caught.value) == sentence


def test_a_version_must_be_one(maker: LayoutMaker, read: Read) -> None:
    """The version is numbers with dots, with or without `v` and a suffix."""
    store = read(maker.write())
    with pytest.raises(UsageError) as caught:
        run_all(store, GC, version="new")

    assert str(caught.value) == "'new' is no version of umoci, such as 0.6.0"
    assert run_all(store, GC, version="v0.5.1-dev").failure == ""


def test_a_repeated_key_is_read_as_go_does(maker: LayoutMaker, read: Read) -> None:
    """Umoci sees the last of two lists, so what the first one names is taken, and told."""
    one, two = maker.layer("one"), maker.layer("two")
    text = (
        f'{{"config": {json.dumps(maker.config("c"))}, "layers": [{json.dumps(one)}], "layers": [{json.dumps(two)}]}}'
    )
    maker.enter(maker.blob(text.encode(), MANIFEST), "v1")
    ran = gc(read, maker)

    assert (ran.blobs, ran.codes) == ([digest(one)], ["native-deletes-referenced"])
