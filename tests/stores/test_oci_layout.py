"""Sound OCI layouts: names, edges, states, and who owns which path."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from ocistore.formats.gotime import parse_time
from tests.conftest import truth
from tests.make.layout import (
    ARTIFACT,
    CACHE_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    LAYER,
    codes,
    digest,
    holders,
    plain,
    unreferenced,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.graph.graph import Node
    from ocistore.stores.store import Store
    from tests.make.layout import LayoutMaker


def node_of(store: Store, kind: str, ident: str) -> Node:
    """A node that must be there."""
    number = store.graph.find(kind, ident)
    assert number is not None
    return store.graph.nodes[number]


def refs(store: Store) -> dict[str, list[str]]:
    """Names and their digests."""
    return {node.id: list(node.names) for node in store.graph.nodes if node.kind == "ref"}


def test_an_empty_layout_has_no_names_and_no_findings(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """`manifests: []` is a sound layout."""
    store = read(maker.write())

    assert (refs(store), codes(store), unreferenced(store)) == ({}, [], set())


@pytest.mark.parametrize("text", ["{}", '{"manifests": null}'])
def test_an_index_without_manifests_is_empty(maker: LayoutMaker, read: Callable[[Path], Store], text: str) -> None:
    """A missing or null `manifests` lists nothing, so every blob is unreferenced."""
    layer = maker.layer("lone")
    (maker.write() / "index.json").write_text(text)
    store = read(maker.path)

    assert (codes(store), unreferenced(store)) == ([], {digest(layer)})


def test_a_name_holds_manifest_config_and_layers(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Each edge says what it is."""
    layer = maker.layer("one")
    config = maker.config("one")
    image = maker.enter(maker.manifest("one", [layer], config=config), "v1")
    store = read(maker.write())
    manifest = f"blob:{digest(image)}"

    assert refs(store) == {"v1": [digest(image)]}
    assert holders(store, image) == {("ref:v1", "is named by")}
    assert holders(store, config) == {(manifest, "is the config of")}
    assert holders(store, layer) == {(manifest, "is a layer of")}
    assert unreferenced(store) == set()


def test_manifests_have_the_date_and_labels_of_their_configuration(
    maker: LayoutMaker, read: Callable[[Path], Store]
) -> None:
    """`created` comes from the configuration."""
    image = maker.enter(maker.manifest("one"), "v1")
    node = node_of(read(maker.write()), "blob", digest(image))

    assert (node.created_ns, node.labels, node.state) == (
        parse_time("2026-10-09T00:00:00Z"),
        {"made": "one"},
        "manifest",
    )


def test_one_digest_under_two_names_is_one_blob(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Two entries of one digest are two names of one node."""
    image = maker.manifest("one")
    maker.enter(image, "v1")
    maker.enter(image, "v2")
    store = read(maker.write())

    assert refs(store) == {"v1": [digest(image)], "v2": [digest(image)]}
    assert holders(store, image) == {("ref:v1", "is named by"), ("ref:v2", "is named by")}


def test_one_name_on_two_entries_is_one_name_of_two_digests(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """A name that occurs twice holds both, and a note says so."""
    one, two = maker.enter(maker.manifest("one"), "v1"), maker.enter(maker.manifest("two"), "v1")
    store = read(maker.write())

    assert refs(store) == {"v1": [digest(one), digest(two)]}
    assert codes(store) == ["name-on-several-entries"]


def test_an_unnamed_entry_is_a_root_and_its_image_dangling(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """An entry without a name holds; only its state says that no name does."""
    image = maker.enter(maker.manifest("old"))
    store = read(maker.write())

    assert holders(store, image) == {("own:index.json", "is listed in")}
    assert (node_of(store, "blob", digest(image)).state, unreferenced(store)) == ("dangling", set())


def test_an_entry_with_containerds_name_only_is_not_dangling(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """`io.containerd.image.name` is a name, though no tool for layouts goes by it."""
    image = maker.enter(maker.manifest("one"), None, "docker.io/library/app:1")
    node = node_of(read(maker.write()), "blob", digest(image))

    assert (node.state, node.names) == ("manifest", ["docker.io/library/app:1"])


def test_names_may_be_long_and_have_control_characters(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """A name is whatever text stands in index.json."""
    name = "a\x1b[31m\n" + "x" * 4096
    maker.enter(maker.manifest("one"), name)

    assert list(refs(read(maker.write()))) == [name]


def test_nested_indexes_are_followed(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """An index of an index of an image holds all of it."""
    image = maker.manifest("deep")
    maker.enter(maker.index([maker.index([maker.index([image])])]), "outer")
    store = read(maker.write())

    assert (unreferenced(store), codes(store)) == (set(), [])


def test_docker_manifests_and_lists_hold_their_layers(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Docker's media types are followed as OCI's are."""
    image = maker.manifest("docker", [maker.layer("docker", DOCKER_LAYER)], media_type=DOCKER_MANIFEST)
    maker.enter(maker.index([image], media_type=DOCKER_LIST), "list")

    assert unreferenced(read(maker.write())) == set()


def test_schema_1_holds_its_layers(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """A signed schema 1 manifest names layers by `blobSum`."""
    layer = maker.layer("old", DOCKER_LAYER)
    media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    maker.enter(maker.json({"fsLayers": [{"blobSum": digest(layer)}] * 2}, media_type), "old")

    assert unreferenced(read(maker.write())) == set()


def test_a_referrer_holds_its_subject_and_not_the_other_way_round(
    maker: LayoutMaker, read: Callable[[Path], Store]
) -> None:
    """`subject` is an edge from the referrer to what it refers to."""
    image, lost = maker.manifest("one"), maker.manifest("two")
    artifact = maker.json({"mediaType": ARTIFACT, "blobs": [], "subject": plain(image)}, ARTIFACT)
    maker.enter(artifact, "sbom")
    maker.enter(lost, "v2")
    signature = maker.manifest("signature", subject=lost)
    store = read(maker.write())

    assert holders(store, image) == {(f"blob:{digest(artifact)}", "is the subject of")}
    assert digest(signature) in unreferenced(store)
    assert node_of(store, "blob", digest(artifact)).traits == ("referrer",)


def test_attestations_are_held_by_their_index_only(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """BuildKit's attestation manifest is in the index and refers to the image by annotation, which is no hold."""
    image = maker.manifest("one")
    statement = maker.json({"subject": []}, "application/vnd.in-toto+json")
    attestation = maker.manifest("attestation", [statement])
    annotations = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": digest(image),
    }
    index = maker.index([image, {**attestation, "annotations": annotations}])
    maker.enter(index, "v1")
    store = read(maker.write())

    assert holders(store, image) == {(f"blob:{digest(index)}", "is listed by")}
    assert node_of(store, "blob", digest(attestation)).state == "attestation"
    assert node_of(store, "blob", digest(statement)).state == "attestation layer"


@pytest.mark.parametrize("as_manifest", [True, False])
def test_both_forms_of_a_cache_export_are_followed(
    maker: LayoutMaker, read: Callable[[Path], Store], as_manifest: bool
) -> None:
    """A cache is an image manifest, or an index with layers as its manifests; the cacheconfig names the layers too."""
    layers = [maker.layer("a"), maker.layer("b")]
    config = maker.json({"layers": [{"blob": digest(each)} for each in layers], "records": []}, CACHE_CONFIG)
    if as_manifest:
        maker.enter(maker.manifest("cache", layers, config=config), "latest")
    else:
        maker.enter(maker.index([*layers, config]), "latest")
    store = read(maker.write())

    assert (unreferenced(store), codes(store)) == (set(), [])
    assert node_of(store, "blob", digest(config)).state == "cache config"
    assert (f"blob:{digest(config)}", "is mentioned by") in holders(store, layers[0])


def test_digests_of_several_algorithms_are_followed(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """A manifest may name its blobs by sha512."""
    layer = maker.layer("long", algorithm="sha512")
    maker.enter(maker.manifest("mixed", [layer]), "v1")
    loose = maker.layer("loose", algorithm="sha384")

    assert unreferenced(read(maker.write())) == {digest(loose)}


def test_diff_ids_are_no_references(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """The configuration's diff IDs are digests of uncompressed layers; a blob of such a digest isn't held by them."""
    layer = maker.layer("plain", "application/vnd.oci.image.layer.v1.tar")
    config = maker.json({"rootfs": {"diff_ids": [digest(layer)]}}, "application/vnd.oci.image.config.v1+json")
    maker.enter(maker.manifest("one", [], config=config), "v1")

    assert unreferenced(read(maker.write())) == {digest(layer)}


def test_embedded_content_may_be_absent(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """The empty configuration is embedded and has no file; that is no finding."""
    empty = maker.blob(b"{}", EMPTY)
    maker.enter(maker.manifest("artifact", [], config={**empty, "data": "e30="}), "v1")
    maker.file(empty).unlink()

    assert codes(read(maker.write())) == []


def test_an_embedded_index_refers_to_its_manifests(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """What an embedded document names is held by who embeds it."""
    image = maker.manifest("one")
    inner = maker.index([image])
    data = base64.b64encode(maker.file(inner).read_bytes()).decode()
    maker.file(inner).unlink()
    outer = maker.index([{**inner, "data": data}])
    maker.enter(outer, "v1")

    assert holders(read(maker.write()), image) == {(f"blob:{digest(outer)}", "is listed by")}


def test_unknown_types_are_searched_for_digests(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Descriptors and plain digests in a document of an unknown type are held; what they lead to as well."""
    part, image = maker.layer("part", "application/vnd.example.part"), maker.manifest("signed")
    payload = {"critical": {"image": {"docker-manifest-digest": digest(image)}}, "parts": [part]}
    bundle = maker.json(payload, "application/vnd.example.bundle.v1+json")
    maker.enter(bundle, "bundle")
    store = read(maker.write())

    assert holders(store, part) == {(f"blob:{digest(bundle)}", "is mentioned by")}
    assert holders(store, image) == {(f"blob:{digest(bundle)}", "is mentioned by")}
    assert unreferenced(store) == set()


def test_a_descriptor_without_type_is_what_the_document_says(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Where the descriptor has no media type, the document's own counts."""
    image = maker.manifest("one")
    described = plain(image)
    del described["mediaType"]
    maker.entries.append(described)
    store = read(maker.write())

    assert (unreferenced(store), codes(store)) == (set(), [])


def test_known_layers_are_not_read(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """A layer whose bytes happen to be JSON with a digest holds nothing."""
    lone = maker.layer("lone")
    maker.enter(maker.manifest("one", [maker.json({"digest": digest(lone), "size": 1}, LAYER)]), "v1")

    assert unreferenced(read(maker.write())) == {digest(lone)}


def test_garbage_is_described_by_what_it_was(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """An old manifest that nothing names still tells whose its layers were."""
    old = maker.manifest("old")
    store = read(maker.write())

    assert digest(old) in unreferenced(store)
    assert node_of(store, "blob", digest(old)).state == "manifest"
    assert len(unreferenced(store)) == 3
    assert sum(1 for _ in store.graph.edges()) == 2


def test_docker_saves_manifest_json_refers_to_blobs(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Config and Layers of manifest.json are references; `repositories` and legacy configurations are none."""
    layer, config, legacy = maker.layer("a"), maker.config("a"), maker.json({"id": "1", "parent": "2"}, "legacy")
    paths = [str(maker.file(each).relative_to(maker.path)) for each in (config, layer)]
    (maker.path / "manifest.json").write_text(json.dumps([{"Config": paths[0], "RepoTags": None, "Layers": paths[1:]}]))
    (maker.path / "repositories").write_text("{}")
    store = read(maker.write())

    assert holders(store, config) == {("own:manifest.json", "is the config in")}
    assert holders(store, layer) == {("own:manifest.json", "is a layer in")}
    assert unreferenced(store) == {digest(legacy)}
    assert codes(store) == []


@pytest.mark.parametrize("name", ["o01", "o03", "o05"])
def test_real_layouts_have_the_names_that_tools_list(
    bundled: Callable[[str], Path], read: Callable[[Path], Store], name: str
) -> None:
    """Every listing in the truth of the bundled layouts holds."""
    told: dict[str, Any] = truth(name)
    for check in told["checks"]:
        if check.get("list") == "ref":
            store = read(bundled(name) / check["root"])

            assert refs(store) == check["ids"]
            assert codes(store) == []


def test_every_path_has_an_owner(maker: LayoutMaker, read: Callable[[Path], Store]) -> None:
    """Blobs belong to their nodes, the rest and all directories to the layout's own node."""
    image = maker.enter(maker.manifest("one"), "v1")
    store = read(maker.write())
    owned = store.places[0].owned
    graph = store.graph

    assert graph.nodes[owned[""]].key == "own:index.json"
    assert graph.nodes[owned[str(maker.file(image).relative_to(maker.path))]].key == f"blob:{digest(image)}"
    assert len(owned) == 1 + 3
