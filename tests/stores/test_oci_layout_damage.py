"""Damaged, partial and littered OCI layouts: what is told, what is held, what is unknown, what blocks."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ocistore.disk.tree import DirectoryTree
from ocistore.formats.gotime import parse_time
from ocistore.stores.oci_layout.layout import looks_like_layout
from tests.make.layout import (
    CONFIG,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    codes,
    digest,
    holders,
    plain,
    text_of,
    unreferenced,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.layout import Described, LayoutMaker

    Read = Callable[[Path], Store]


def doubted(store: Store) -> set[str]:
    """Ids of the nodes whose fate is unknown."""
    return {node.id for node in store.graph.nodes if node.doubt}


def blocked(store: Store) -> bool:
    """Whether a finding forbids plans."""
    return bool(store.findings.blocking)


def debris(store: Store) -> dict[str, str]:
    """Paths of debris that somebody is known to leave, and whose it is."""
    return {node.id: node.note for node in store.graph.nodes if node.kind == "debris" and not node.doubt}


def cut(path: Path, keep: float = 0.5) -> None:
    """Cuts a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


# index.json and oci-layout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "sentence"),
    [
        (None, "index-missing", "there is no index.json, so what is referred to can't be known"),
        (b"", "index-unreadable", "index.json is empty, not JSON (line 1, column 1); what it refers to is unknown"),
        (b"[]", "index-unreadable", "index.json is no JSON object; what it refers to is unknown"),
        (b'{"manifests": 3}', "index-unreadable", "index.json: manifests is no array; it may refer to more"),
        (
            b"\xef\xbb\xbf{}",
            "index-unreadable",
            "index.json begins with a byte order mark, which Go's decoder refuses; what it refers to is unknown",
        ),
    ],
    ids=["missing", "empty", "array", "wrong-type", "bom"],
)
def test_without_a_sound_index_every_blob_is_unknown(
    maker: LayoutMaker, read: Read, data: bytes | None, code: str, sentence: str
) -> None:
    """A layout whose index can't be read calls nothing unreferenced and blocks."""
    image = maker.manifest("one")
    index = maker.write() / "index.json"
    index.unlink() if data is None else index.write_bytes(data)
    store = read(maker.path)

    assert text_of(store, code) == sentence
    assert (unreferenced(store), digest(image) in doubted(store), blocked(store)) == (set(), True, True)


def test_a_truncated_index_is_told_and_blocks(maker: LayoutMaker, read: Read) -> None:
    """A torn index.json is a finding with the file's name."""
    maker.enter(maker.manifest("one"), "v1")
    cut(maker.write() / "index.json", 0.66)
    store = read(maker.path)

    assert codes(store) == ["index-unreadable"]
    assert (unreferenced(store), blocked(store)) == (set(), True)


def test_trailing_data_behind_the_index_blocks(maker: LayoutMaker, read: Read) -> None:
    """Programs disagree about data behind the document, so it isn't trusted."""
    maker.enter(maker.manifest("one"), "v1")
    path = maker.write() / "index.json"
    path.write_text(path.read_text() + "{}")

    assert blocked(read(maker.path))


def test_repeated_keys_in_the_index_hold_all_and_block(maker: LayoutMaker, read: Read) -> None:
    """With `manifests` twice, what either list names is held, and nothing may be planned."""
    one, two, lost = maker.manifest("one"), maker.manifest("two"), maker.layer("lost")
    path = maker.write() / "index.json"
    path.write_text(f'{{"manifests": [{json.dumps(plain(one))}], "manifests": [{json.dumps(plain(two))}]}}')
    store = read(maker.path)

    assert holders(store, one) == holders(store, two) == {("own:index.json", "is listed in")}
    assert text_of(store, "duplicate-keys").startswith("the key 'manifests' occurs twice in one object of index.json;")
    assert (digest(lost) in doubted(store), blocked(store)) == (True, True)


def test_letter_case_of_the_indexs_keys_does_not_matter(maker: LayoutMaker, read: Read) -> None:
    """`Digest` and `MANIFESTS` are what Go reads as `digest` and `manifests`."""
    image = maker.manifest("one")
    path = maker.write() / "index.json"
    path.write_text(
        json.dumps({"MANIFESTS": [{"MediaType": MANIFEST, "Digest": digest(image), "Size": image["size"]}]})
    )
    store = read(maker.path)

    assert (unreferenced(store), codes(store)) == (set(), [])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "layout-file-missing"),
        (b'{"imageLayoutVersion": "2.0.0"}', "layout-version"),
        (b"{", "layout-file-unreadable"),
    ],
)
def test_a_bad_layout_file_is_told_and_hides_nothing(
    maker: LayoutMaker, read: Read, data: bytes | None, code: str
) -> None:
    """Without a sound oci-layout the rest is read all the same; some tools refuse it."""
    maker.enter(maker.manifest("one"), "v1")
    path = maker.write() / "oci-layout"
    path.unlink() if data is None else path.write_bytes(data)
    store = read(maker.path)

    assert (codes(store), unreferenced(store), blocked(store)) == ([code], set(), False)


# manifests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["<html>404</html>", '{"layers": [', '{"layers": 3}', "[]", "null"])
def test_an_unreadable_manifest_makes_the_unreferenced_unknown(maker: LayoutMaker, read: Read, text: str) -> None:
    """What a manifest named can't be known, so no blob is called unreferenced and plans are blocked."""
    image = maker.enter(maker.manifest("one"), "v1")
    lost = maker.layer("lost")
    maker.file(image).write_text(text)
    store = read(maker.write())

    assert {"manifest-unreadable", "bad-digest"} <= set(codes(store))
    assert digest(image) in text_of(store, "manifest-unreadable")
    assert (unreferenced(store), digest(lost) in doubted(store), blocked(store)) == (set(), True, True)


def test_a_manifest_with_other_bytes_is_followed_and_doubted(maker: LayoutMaker, read: Read) -> None:
    """What a changed manifest names now is held; what it named before is unknown."""
    one, two = maker.layer("one"), maker.layer("two")
    image = maker.enter(maker.manifest("image", [one]), "v1")
    maker.file(image).write_text(json.dumps({"layers": [two]}))
    store = read(maker.write())

    assert holders(store, two) == {(f"blob:{digest(image)}", "is a layer of")}
    assert {"bad-digest", "manifest-unreadable", "size-mismatch"} <= set(codes(store))
    assert (digest(one) in doubted(store), digest(two) in doubted(store)) == (True, False)


def test_an_unreadable_manifest_that_nothing_names_is_garbage(maker: LayoutMaker, read: Read) -> None:
    """Damage in what isn't referred to puts nothing in doubt."""
    image = maker.manifest("old")
    maker.file(image).write_text("{")
    store = read(maker.write())

    assert (digest(image) in unreferenced(store), codes(store)) == (True, [])


def test_repeated_keys_in_a_manifest_hold_all_and_block(maker: LayoutMaker, read: Read) -> None:
    """A manifest that was written with `layers` twice holds both lists."""
    one, two = maker.layer("one"), maker.layer("two")
    text = f'{{"layers": [{json.dumps(one)}], "layers": [{json.dumps(two)}]}}'
    maker.enter(maker.blob(text.encode(), MANIFEST), "v1")
    store = read(maker.write())

    assert codes(store) == ["duplicate-keys"]
    assert (unreferenced(store), blocked(store)) == (set(), True)


def test_a_document_of_two_kinds_is_held_in_both(maker: LayoutMaker, read: Read) -> None:
    """A manifest with `manifests` holds what both name, and the contradiction is told."""
    other = maker.manifest("other")
    image = maker.enter(maker.manifest("one", manifests=[other]), "v1")
    store = read(maker.write())

    assert unreferenced(store) == set()
    assert text_of(store, "mixed-document") == f"{digest(image)} is a manifest and has manifests; some tools refuse it"


def test_a_bad_configuration_is_told_and_puts_nothing_in_doubt(maker: LayoutMaker, read: Read) -> None:
    """Configurations refer to nothing, so damage in one hides nothing."""
    config = maker.config("one")
    maker.enter(maker.manifest("one", config=config), "v1")
    lost = maker.layer("lost")
    maker.file(config).write_text("{" + " " * (config["size"] - 1))
    store = read(maker.write())

    assert codes(store) == ["bad-digest", "config-unreadable"]
    assert (unreferenced(store), blocked(store)) == ({digest(lost)}, False)


@pytest.mark.parametrize("size", [0, 5, 10**9])
def test_a_wrong_size_is_told(maker: LayoutMaker, read: Read, size: int) -> None:
    """A descriptor whose size isn't the file's is told; the blob is held."""
    image = maker.manifest("one")
    maker.enter({**image, "size": size}, "v1")
    store = read(maker.write())

    assert (codes(store), unreferenced(store)) == (["size-mismatch"], set())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sha256:../../../etc/passwd", "leaves-root"),
        ("../x:abc", "leaves-root"),
        ("sha256:ABC", "invalid-digest"),
        ("", "invalid-digest"),
    ],
)
def test_an_invalid_digest_is_told(maker: LayoutMaker, read: Read, text: str, code: str) -> None:
    """A digest that is none refers to nothing; one that would lead out of the layout blocks."""
    maker.enter(maker.manifest("sound"), "v1")
    maker.enter({"mediaType": MANIFEST, "digest": text, "size": 1}, "v2")
    store = read(maker.write())

    assert (codes(store), blocked(store)) == ([code], code == "leaves-root")


# what isn't here -----------------------------------------------------------------------------------------------------


def test_a_missing_manifest_is_told_and_blocks_nothing(maker: LayoutMaker, read: Read) -> None:
    """A sparse index is partial on purpose: an error, a note, no block."""
    here, away = maker.manifest("here"), maker.manifest("away")
    maker.enter(maker.index([here, away]), "multi")
    maker.file(away).unlink()
    store = read(maker.write())

    assert codes(store) == ["missing-blob", "sparse-index"]
    assert digest(away) in text_of(store, "missing-blob")
    assert not blocked(store)


def test_a_name_whose_image_is_missing_is_still_a_name(maker: LayoutMaker, read: Read) -> None:
    """The ref is there and holds nothing."""
    image = maker.enter(maker.manifest("one"), "v1")
    maker.file(image).unlink()
    store = read(maker.write())

    assert store.graph.find("ref", "v1") is not None
    assert store.graph.find("blob", digest(image)) is None
    assert text_of(store, "missing-blob") == f"{digest(image)}, which is named by ref:v1, isn't here"


def test_a_missing_layer_is_told(maker: LayoutMaker, read: Read) -> None:
    """An image without one of its layers is broken; the rest of it is held."""
    layer = maker.layer("one")
    maker.enter(maker.manifest("one", [layer]), "v1")
    maker.file(layer).unlink()
    store = read(maker.write())

    assert (codes(store), unreferenced(store)) == (["missing-blob"], set())


def test_a_missing_subject_is_only_noted(maker: LayoutMaker, read: Read) -> None:
    """Deleting an image leaves referrers without a subject; that is allowed."""
    image = maker.manifest("one", [])
    signature = maker.manifest("signature", [], subject=image)
    maker.enter(signature, "sig")
    maker.file(image).unlink()

    assert codes(read(maker.write())) == ["missing-subject"]


def test_a_layout_with_its_blobs_elsewhere_is_told(maker: LayoutMaker, read: Read) -> None:
    """With a shared blob directory `blobs/` is empty though index.json has names."""
    image: Described = {"mediaType": MANIFEST, "digest": "sha256:" + "a" * 64, "size": 3}
    maker.enter(image, "v1")
    store = read(maker.write())

    assert codes(store) == ["blobs-elsewhere", "missing-blob"]


# links, cycles, depth ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256"])
def test_linked_blob_directories_are_not_followed(maker: LayoutMaker, read: Read, tmp_path: Path, name: str) -> None:
    """A link in place of a directory of blobs leads out: told, blocked, nothing in it is a node."""
    maker.enter(maker.manifest("one"), "v1")
    path = maker.write() / name
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    other = maker.layer("other", algorithm="sha512") if name != "blobs" else None
    store = read(maker.path)

    assert (codes(store), blocked(store)) == (["leaves-root"], True)
    assert doubted(store) == ({digest(other)} if other else set())
    assert {node.id for node in store.graph.nodes if node.kind == "blob"} == doubted(store)


@pytest.mark.parametrize("what", ["manifest", "layer"])
def test_a_linked_blob_is_not_followed(maker: LayoutMaker, read: Read, tmp_path: Path, what: str) -> None:
    """A blob that is a link is a node of its own and is not read; plans are blocked."""
    layer = maker.layer("one")
    image = maker.enter(maker.manifest("one", [layer]), "v1")
    file = maker.file(image if what == "manifest" else layer)
    file.rename(tmp_path / "outside")
    file.symlink_to(tmp_path / "outside")
    store = read(maker.write())

    assert ("leaves-root" in codes(store), blocked(store), unreferenced(store)) == (True, True, set())


def test_a_linked_index_is_not_followed(maker: LayoutMaker, read: Read, tmp_path: Path) -> None:
    """index.json must be a file of the layout."""
    path = maker.write() / "index.json"
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    store = read(maker.path)

    assert (codes(store), blocked(store)) == (["leaves-root"], True)


def test_indexes_that_name_each_other_end(maker: LayoutMaker, read: Read) -> None:
    """A cycle, possible only where digests don't match, is read once around and told."""
    names = {letter: "sha256:" + letter * 64 for letter in "abc"}
    follows = {"a": "b", "b": "a", "c": "c"}
    for letter, next_letter in follows.items():
        text = json.dumps({"manifests": [{"mediaType": INDEX, "digest": names[next_letter], "size": 1}]})
        (maker.path / "blobs" / "sha256" / (letter * 64)).write_text(text)
    for letter in "ac":
        maker.enter({"mediaType": INDEX, "digest": names[letter], "size": 1}, letter)
    store = read(maker.write())

    assert {finding.node for finding in store.findings if finding.code == "bad-digest"} == {
        f"blob:{name}" for name in names.values()
    }


def test_a_chain_of_three_thousand_indexes_is_followed(maker: LayoutMaker, read: Read) -> None:
    """Depth is no matter of the stack."""
    described = maker.manifest("deep")
    for _ in range(3000):
        described = maker.index([plain(described)])
    maker.enter(described, "deep")
    store = read(maker.write())

    assert (unreferenced(store), codes(store)) == (set(), [])


# litter --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("oci-put-blob123456789", "temporary blob of skopeo, podman or buildah"),
        (".umoci-3141592653/blob-1", "temporary directory of umoci"),
        ("index.json.12.tmp", "temporary index of regclient"),
        ("index.json.lock", "lock of a BuildKit export"),
        ("blobs/sha256/123.tmp", "temporary blob of regclient"),
        (f"blobs/sha256/{'a' * 64}.12.tmp", "temporary manifest of regclient"),
        (f"blobs/sha256/{'a' * 64}12", "temporary blob of go-containerregistry"),
        ("blobs/sha256/12345", "temporary blob of go-containerregistry"),
        (f"ingest/{'a' * 64}_123", "temporary blob of oras"),
        (f"ingest/{'a' * 64}/data", "unfinished write of BuildKit or containerd"),
    ],
)
def test_temporary_files_of_known_writers_are_debris(maker: LayoutMaker, read: Read, path: str, note: str) -> None:
    """Each writer's leftovers are known by place and pattern, and nothing holds them."""
    file = maker.write() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"half")
    store = read(maker.path)
    top = {".umoci-3141592653/blob-1": ".umoci-3141592653", f"ingest/{'a' * 64}/data": f"ingest/{'a' * 64}"}

    assert debris(store) == {top.get(path, path): note}
    assert codes(store) == []


def test_a_temporary_directory_is_as_young_as_its_files(maker: LayoutMaker, read: Read) -> None:
    """A writer that is active changes the file, not the directory; the grace must see it."""
    directory = maker.write() / "ingest" / ("a" * 64)
    (directory / "deep").mkdir(parents=True)
    (directory / "deep" / "data").write_bytes(b"half")
    os.utime(directory / "deep" / "data", ns=(0, 2_000_000_000 * 10**9))
    (directory / "deep" / "gone").symlink_to("nowhere")
    for path in (directory / "deep" / "gone", directory / "deep", directory):
        os.utime(path, ns=(0, 1_000_000_000 * 10**9), follow_symlinks=False)
    store = read(maker.path)
    (node,) = [node for node in store.graph.nodes if node.kind == "debris"]

    assert node.created_ns == parse_time("2033-05-18T03:33:20Z")


@pytest.mark.parametrize("path", ["notes.txt", "blobs/readme", "blobs/sha256/zz", "ingest/x", "blobs/sha256/dir/x"])
def test_files_of_nobody_are_unknown(maker: LayoutMaker, read: Read, path: str) -> None:
    """A file that no writer is known to make is told, and never garbage."""
    file = maker.write() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"mine")
    store = read(maker.path)

    assert (codes(store), debris(store)) == (["stray-file"], {})
    assert text_of(store, "stray-file") == "no writer of layouts is known to make this; it is left alone"


def test_a_file_of_a_valid_name_is_content_whatever_its_bytes(maker: LayoutMaker, read: Read) -> None:
    """A torn blob with its final name is a blob; only --verify compares its bytes."""
    (maker.write() / "blobs" / "sha256" / ("a" * 64)).write_bytes(b"torn")

    assert unreferenced(read(maker.path)) == {"sha256:" + "a" * 64}


def test_an_empty_ingest_directory_is_the_layouts_own(maker: LayoutMaker, read: Read) -> None:
    """Oras and BuildKit leave an empty `ingest/` behind; it is no debris."""
    (maker.write() / "ingest").mkdir()
    store = read(maker.path)

    assert (codes(store), debris(store)) == ([], {})


def test_a_broken_manifest_json_of_docker_save_blocks(maker: LayoutMaker, read: Read) -> None:
    """What a torn manifest.json named can't be known."""
    layer = maker.layer("lone")
    (maker.write() / "manifest.json").write_text("[{")
    store = read(maker.path)

    assert (digest(layer) in doubted(store), blocked(store)) == (True, True)


def test_a_manifest_json_of_another_kind_is_left_alone(maker: LayoutMaker, read: Read) -> None:
    """A JSON object of that name isn't docker's."""
    (maker.write() / "manifest.json").write_text('{"schemaVersion": 2}')

    assert codes(read(maker.path)) == ["stray-file"]


# what is a layout ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "is_layout"),
    [
        (("oci-layout", "index.json", "blobs/sha256/"), True),
        (("oci-layout", "blobs/"), True),
        (("index.json", "blobs/sha256/"), True),
        (("oci-layout", "index.json"), True),
        (("blobs/sha256/", "ingest/"), False),
        (("index.json", "blobs/"), False),
        (("manifest.json", "version"), False),
        (("oci-layout",), False),
        (("oci-layout/", "blobs/"), False),
    ],
)
def test_what_looks_like_a_layout(tmp_path: Path, names: tuple[str, ...], is_layout: bool) -> None:
    """The marker file and blobs, or a partial copy; no content store, no `dir:` directory."""
    for name in names:
        path = tmp_path / "x" / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
    with DirectoryTree(str(tmp_path)) as tree:
        assert looks_like_layout(tree, "x") is is_layout


def test_docker_types_are_no_reason_for_doubt(maker: LayoutMaker, read: Read) -> None:
    """A sound layout of Docker's types has no findings."""
    maker.enter(maker.manifest("docker", media_type=DOCKER_MANIFEST), "v1")

    assert codes(read(maker.write())) == []


def test_an_impossible_date_is_no_date(maker: LayoutMaker, read: Read) -> None:
    """A configuration's date that no calendar has is left out, and nothing else is hurt."""
    config = maker.json({"created": "9999-12-31T23:59:59-14:00"}, CONFIG)
    image = maker.enter(maker.manifest("one", config=config), "v1")
    store = read(maker.write())
    number = store.graph.find("blob", digest(image))
    assert number is not None

    assert (store.graph.nodes[number].created_ns, codes(store)) == (None, [])
