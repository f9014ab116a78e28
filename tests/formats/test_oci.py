"""OCI documents: everything that any reader may see in them, and what Go's decoder takes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.media_types import DOCKER_LIST, HOLDING_SHAPES, INDEX, MANIFEST, is_manifest, shape_of
from ocistore.formats.oci import (
    ArchiveImage,
    Document,
    decode_config,
    decode_docker_archive,
    decode_document,
    decode_layout_version,
)

A, B, C = ("sha256:" + letter * 64 for letter in "abc")


def decode(text: str, shape: Any = "manifest") -> Document:  # noqa: ANN401
    """The document of a JSON text."""
    return decode_document(text.encode(), shape)


def links(document: Document) -> list[tuple[str, str]]:
    """Its references as (word, digest)."""
    return [(word, descriptor.digest) for word, descriptor in document.links]


def descriptor(digest: str, media_type: str = MANIFEST, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A descriptor."""
    return {"mediaType": media_type, "digest": digest, "size": 1, **more}


def test_a_manifest_refers_to_config_layers_and_subject() -> None:
    """Each reference has its word."""
    document = decode(
        json.dumps({"config": descriptor(A), "layers": [descriptor(B), descriptor(B)], "subject": descriptor(C)})
    )

    assert links(document) == [
        ("is the config of", A),
        ("is the subject of", C),
        ("is a layer of", B),
        ("is a layer of", B),
    ]


def test_an_index_refers_to_its_manifests() -> None:
    """`manifests: null` and a missing key are empty."""
    assert links(decode(json.dumps({"manifests": [descriptor(A)]}), "index")) == [("is listed by", A)]
    assert links(decode('{"manifests": null}', "index")) == links(decode("{}", "index")) == []


def test_schema_1_refers_to_repeated_layers_by_digest() -> None:
    """Docker schema 1 has digests instead of descriptors, and no config."""
    document = decode(json.dumps({"fsLayers": [{"blobSum": A}, {"blobSum": A}, {"blobSum": B}]}), "schema1")

    assert links(document) == [("is a layer of", A), ("is a layer of", A), ("is a layer of", B)]


def test_an_artifact_manifest_refers_to_its_blobs() -> None:
    """The artifact manifest of image-spec 1.1-rc has `blobs` and `subject`."""
    document = decode(json.dumps({"blobs": [descriptor(A)], "subject": descriptor(B)}), "artifact")

    assert links(document) == [("is the subject of", B), ("is a blob of", A)]


def test_a_descriptor_as_a_blob_refers_to_what_it_describes() -> None:
    """Umoci parses a blob that is itself a descriptor."""
    assert links(decode(json.dumps(descriptor(A)), "descriptor")) == [("is described by", A)]


def test_letter_case_of_keys_does_not_matter() -> None:
    """Go's decoder matches keys in any letter case."""
    document = decode(json.dumps({"Layers": [{"MediaType": "x", "Digest": A, "SIZE": 3}]}))

    assert (links(document), document.links[0].descriptor.size) == ([("is a layer of", A)], 3)


def test_repeated_keys_are_all_held_and_go_takes_the_last() -> None:
    """A key that stands twice gives the union; what Go sees is kept apart; the key is told."""
    document = decode(f'{{"layers": [{{"digest": "{A}"}}], "layers": [{{"digest": "{B}"}}]}}')

    assert links(document) == [("is a layer of", A), ("is a layer of", B)]
    assert [each.digest for each in document.last["layers"]] == [B]
    assert document.repeated == "layers"


def test_one_key_in_two_letter_cases_is_a_repetition() -> None:
    """`digest` and `Digest` in one object are read differently by different programs."""
    document = decode(f'{{"config": {{"digest": "{A}", "Digest": "{B}"}}}}')

    assert links(document) == [("is the config of", A), ("is the config of", B)]
    assert document.repeated == "digest"


def test_null_in_place_of_a_descriptor_is_an_empty_one() -> None:
    """Go makes an empty descriptor of it; it refers to nothing, and tools stumble over it."""
    assert links(decode('{"layers": [null]}')) == [("is a layer of", "")]


def test_endless_repetitions_are_malformed() -> None:
    """Digests and media types are combined up to a bound, so a small document can't become a large one."""
    digests = ", ".join(f'"digest": "sha256:{at:064x}"' for at in range(100))
    types = ", ".join(f'"mediaType": "type/{at}"' for at in range(100))
    document = decode(f'{{"config": {{{digests}, {types}}}}}')

    assert (len(document.links), document.malformed) == (100, "a descriptor repeats its keys without end")


def test_a_document_of_two_kinds_is_followed_in_both_and_told() -> None:
    """A manifest with `manifests` holds both lists (CVE-2021-41190)."""
    document = decode(json.dumps({"manifests": [descriptor(A)], "layers": [descriptor(B)]}))

    assert {digest for _, digest in links(document)} == {A, B}
    assert document.contradicts(MANIFEST) == "is a manifest and has manifests"
    assert document.contradicts(INDEX) == "is an index and has layers"


def test_a_document_that_says_another_type_contradicts_its_descriptor() -> None:
    """The media type in the document and the one in the descriptor must agree."""
    document = decode(json.dumps({"mediaType": DOCKER_LIST}), "index")

    assert document.contradicts(DOCKER_LIST) == ""
    assert document.contradicts(INDEX) == f"says it is {DOCKER_LIST!r}, its descriptor says {INDEX!r}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"layers": {}}', "layers is no array"),
        ('{"layers": [3]}', "an item of layers is no object"),
        ('{"schemaVersion": "2"}', "schemaVersion is no integer"),
        ('{"config": []}', "config is no object"),
        ('{"config": {"digest": 3}}', "digest is no text"),
        ('{"config": {"size": "3"}}', "size is no integer"),
        ('{"config": {"size": true}}', "size is no integer"),
        ('{"config": {"annotations": []}}', "annotations is no object"),
        ('{"config": {"annotations": {"a": 1}}}', "an annotation is no text"),
        ('{"config": {"urls": "x"}}', "urls is no array"),
        ('{"config": {"platform": "x"}}', "platform is no object"),
        ('{"config": {"data": "?"}}', "data is not base64"),
    ],
)
def test_what_go_would_refuse_is_malformed(text: str, sentence: str) -> None:
    """A member of the wrong type is told; the rest is decoded all the same."""
    assert decode(text).malformed == sentence


def test_unknown_documents_are_searched_for_descriptors_and_digests() -> None:
    """Objects with a digest and a type or size refer; plain digests are mentions; keys are neither."""
    text = json.dumps({"parts": [{"digest": A, "size": 1}], "payload": {"image": {"d": B}}, C: "x", "not": "sha256:1"})
    document = decode(text, "unknown")

    assert links(document) == [("is mentioned by", A)]
    assert set(document.mentions) == {A, B}


def test_the_search_goes_down_thirty_two_levels() -> None:
    """What is nested deeper isn't looked at, so the search is bounded."""
    deep: Any = A
    for _ in range(40):
        deep = [deep]

    assert decode(json.dumps({"deep": deep, "flat": B}), "unknown").mentions == (B,)


def test_foreign_and_embedded_content_may_be_absent() -> None:
    """Layers with urls or of a nondistributable type, and embedded data, are normally not in `blobs/`."""
    layers = [
        descriptor(A, urls=["https://example.org"]),
        descriptor(A, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
        descriptor(A, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        descriptor(A, data=base64.b64encode(b"{}").decode()),
        descriptor(A),
    ]
    document = decode(json.dumps({"layers": layers}))

    assert [each.may_be_absent for _, each in document.links] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty, not JSON"),
        (b"[]", "is no JSON object"),
        (b"null", "is no JSON object"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark, which Go's decoder refuses"),
        (b'{"layers": [', "ends in the middle of a value; it is truncated"),
        (b"{} trailing", "is not JSON (extra data)"),
        (b"[" * 100_000, "JSON is nested too deep"),
        (b"\0" * 20, "holds only NUL bytes, not JSON (as after a power loss)"),
    ],
)
def test_what_is_no_document_is_a_corrupt_file(data: bytes, sentence: str) -> None:
    """Bad input is one error with a sentence."""
    with pytest.raises(CorruptFile) as caught:
        decode_document(data, "index")

    assert caught.value.sentence == sentence


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.sampled_from(["manifest", "unknown"]))
def test_any_bytes_are_decoded_or_refused(data: bytes, shape: Any) -> None:  # noqa: ANN401
    """Whatever stands in a file, decoding ends with a document or with CorruptFile."""
    try:
        decode_document(data, shape)
    except CorruptFile as err:
        assert err.sentence


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([A, B, "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["config", "layers", "manifests", "digest", "size", "annotations", "data", "platform", "urls"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON, st.sampled_from(["index", "manifest", "descriptor", "artifact", "schema1", "cache", "unknown"]))
def test_any_json_is_decoded_or_refused(value: Any, shape: Any) -> None:  # noqa: ANN401
    """Members of any type in any place are decoded or refused, never another error."""
    try:
        decode_document(json.dumps(value).encode(), shape)
    except CorruptFile:
        assert not isinstance(value, dict)


def test_every_type_that_refers_to_blobs_is_descended_into() -> None:
    """The table of media types: which documents hold, and which are manifests to oras."""
    assert {shape_of(each) for each in (INDEX, DOCKER_LIST, MANIFEST)} <= HOLDING_SHAPES
    assert shape_of("application/vnd.oci.image.layer.v1.tar+zstd") == "leaf"
    assert shape_of("application/vnd.cncf.helm.config.v1+json") == "unknown"
    assert (is_manifest(DOCKER_LIST), is_manifest("application/vnd.oci.image.config.v1+json")) == (True, False)


def test_a_configuration_says_when_it_was_made_and_its_labels() -> None:
    """Of an image's configuration date, labels and platform are kept."""
    config = decode_config(
        b'{"created": "2026-10-09T00:00:00Z", "os": "linux", "architecture": "amd64", "config": {"Labels": {"a": "b"}}}'
    )

    assert (config.created, config.labels, config.platform) == ("2026-10-09T00:00:00Z", {"a": "b"}, "linux/amd64")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[]", "is no JSON object"),
        (b'{"config": 3}', "config is no object"),
        (b'{"config": {"Labels": []}}', "Labels is no object"),
        (b'{"created": 3}', "created is no text"),
    ],
)
def test_a_bad_configuration_is_told(data: bytes, sentence: str) -> None:
    """What Go's decoder refuses in a configuration is refused here."""
    with pytest.raises(CorruptFile) as caught:
        decode_config(data)

    assert caught.value.sentence == sentence


def test_docker_save_lists_configs_and_layers() -> None:
    """manifest.json is an array of images with paths; a document of another kind is none."""
    text = b'[{"Config": "blobs/sha256/a", "RepoTags": null, "Layers": ["blobs/sha256/b"]}]'

    assert decode_docker_archive(text) == (ArchiveImage("blobs/sha256/a", ("blobs/sha256/b",), ()),)
    assert decode_docker_archive(b'{"schemaVersion": 2}') is None


def test_the_layout_version_is_read() -> None:
    """An oci-layout without version has none."""
    assert decode_layout_version(b'{"imageLayoutVersion": "1.0.0", "x": 1}') == "1.0.0"
    assert decode_layout_version(b"{}") == ""
