"""OCI and Docker image documents: bytes in, descriptors out.

Two views of one document are given, because programs disagree about damaged ones: `links` is everything that any
program may see in it (all repetitions of a key, any letter case), `last` is what Go's decoder takes.  For a sound
document they are the same.  Source: oci-layout 1 (last paragraph) and 2.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ocistore.errors import CorruptFile
from ocistore.formats.digest import parse_digest
from ocistore.formats.json_members import Members, objects_in, parse_members, strings_in
from ocistore.formats.media_types import DOCKER_LAYER, Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REF_NAME = "org.opencontainers.image.ref.name"
"""Annotation with a name, by all writers."""
CONTAINERD_NAME = "io.containerd.image.name"
"""Annotation with a full name, by containerd, BuildKit and docker save."""
MAX_DOCUMENT = 64 * 1024 * 1024
"""Bytes; a larger document isn't read (oci-layout 1)."""
MAX_SNIFFED = 4 * 1024 * 1024
"""Bytes; a blob of an unknown type that is larger is no document (oci-layout 8, rule 2)."""
_MAX_SPELLINGS = 16
"""Combinations of the digests and media types of one descriptor; more is malformed."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor as it is written; nothing in it is checked but types.

    Attributes:
        media_type: empty if it has none.
        digest: empty if it has none.
        size: bytes, None if it has none.
        annotations: likewise.
        artifact_type: likewise.
        platform: `os/architecture[/variant]`, empty if it has none.
        has_urls: the content may be elsewhere.
        data: embedded content, None if there is none.
    """

    media_type: str
    digest: str
    size: int | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: str = ""
    has_urls: bool = False
    data: bytes | None = None

    @property
    def may_be_absent(self) -> bool:
        """Whether it is normal that no file has the content (oci-layout 2: embedded, foreign)."""
        return (
            self.data is not None
            or self.has_urls
            or "nondistributable" in self.media_type
            or ".foreign." in self.media_type
        )

    @property
    def is_attestation(self) -> bool:
        """Whether it is BuildKit's manifest of attestations (oci-layout 2, BuildKit specials b)."""
        return self.annotations.get("vnd.docker.reference.type") == "attestation-manifest"


class Link(NamedTuple):
    """A reference of a document: DESCRIPTOR's blob `word` the document ("is a layer of")."""

    word: str
    descriptor: Descriptor


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was decoded.

    Attributes:
        media_type: what the document itself says it is, empty if it doesn't.
        keys: names of its members, folded to lower case.
        links: every reference that any program may see.
        last: by member (`config`, `layers`, `manifests`, `subject`, `blobs`) what Go's decoder sees.
        mentions: digests that stand in it as plain strings; only of documents of unknown or cache type.
        repeated: a key that stands twice in one object, empty if none does.
        malformed: what has not the type that Go's decoder wants, empty if nothing.
        annotations: its own.
        artifact_type: its own.
    """

    media_type: str
    keys: frozenset[str]
    links: tuple[Link, ...]
    last: Mapping[str, tuple[Descriptor, ...]]
    mentions: tuple[str, ...] = ()
    repeated: str = ""
    malformed: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def contradicts(self, media_type: str) -> str:
        """How it contradicts a descriptor of this media type, empty if it doesn't (oci-layout 2, CVE-2021-41190)."""
        if self.media_type and media_type and self.media_type != media_type:
            return f"says it is {self.media_type[:120]!r}, its descriptor says {media_type[:120]!r}"
        shape = shape_of(media_type)
        if shape == "index" and (surplus := self.keys & {"config", "layers"}):
            return f"is an index and has {' and '.join(sorted(surplus))}"
        if shape == "manifest" and "manifests" in self.keys:
            return "is a manifest and has manifests"
        return ""


_ARRAYS = {"layers": "is a layer of", "manifests": "is listed by", "blobs": "is a blob of"}
_SINGLES = {"config": "is the config of", "subject": "is the subject of"}


def decode_document(data: bytes, shape: Shape) -> Document:
    """Decodes a document of a shape that refers to others, or one of unknown shape that looks like JSON.

    A document of any known shape is searched for the members of all of them: one that is manifest and index at once
    holds both lists.

    Raises:
        CorruptFile: not JSON, or no object.
    """
    if len(data) > MAX_DOCUMENT:
        raise CorruptFile(f"a document of {len(data)} bytes is more than is read")
    top = parse_members(data)
    if not isinstance(top, Members):
        raise CorruptFile("is no JSON object")
    decoder = _Decoder()
    media_type = decoder.text(top, "mediaType")
    keys = frozenset(key.casefold() for key, _ in top.pairs)
    annotations = decoder.annotations(top)
    artifact_type = decoder.text(top, "artifactType")
    decoder.integer(top, "schemaVersion")
    if shape in ("unknown", "cache"):
        links = tuple(Link("is mentioned by", each) for each in mentioned_descriptors(top))
        mentions = tuple(dict.fromkeys(text for text in strings_in(top) if ":" in text and parse_digest(text)))
        return Document(media_type, keys, links, {}, mentions, "", "", annotations, artifact_type)
    if shape == "descriptor":
        described = decoder.descriptors(top)
        links = tuple(Link("is described by", each) for each in described)
        last = {"descriptor": described[-1:]}
    else:
        links, last = decoder.references(top)
    repeated = next((key for each in objects_in(top) if (key := each.repeated()) is not None), "")
    return Document(
        media_type, keys, links, last, (), repeated or decoder.ambiguous, decoder.malformed, annotations, artifact_type
    )


def mentioned_descriptors(value: Any) -> Iterator[Descriptor]:  # noqa: ANN401 - JSON is any value
    """Every object that looks like a descriptor: a digest and a media type or a size (oci-layout 8, rule 2b)."""
    for each in objects_in(value):
        digests = [text for text in each.all("digest") if isinstance(text, str) and parse_digest(text)]
        if digests and (each.all("mediaType") or each.all("size")):
            yield from _Decoder().descriptors(each)


class _Decoder:
    """Decodes members by name and remembers the first thing that is not as it should be."""

    def __init__(self) -> None:
        self.malformed = ""
        self.ambiguous = ""

    def references(self, top: Members) -> tuple[tuple[Link, ...], dict[str, tuple[Descriptor, ...]]]:
        links: list[Link] = []
        last: dict[str, tuple[Descriptor, ...]] = {}
        for name, word in _SINGLES.items():
            for value in self._all(top, name):
                if isinstance(value, Members):
                    found = self.descriptors(value)
                    links.extend(Link(word, each) for each in found)
                    last[name] = found[-1:]
                else:
                    self._complain(f"{name} is no object")
        for name, word in _ARRAYS.items():
            for value in self._all(top, name):
                if isinstance(value, list):
                    groups = [self._item(item, name) for item in value]
                    links.extend(Link(word, each) for group in groups for each in group)
                    last[name] = tuple(group[-1] for group in groups if group)
                else:
                    self._complain(f"{name} is no array")
        links.extend(self._schema1_layers(top))
        return tuple(links), last

    def _item(self, item: Any, name: str) -> tuple[Descriptor, ...]:  # noqa: ANN401 - JSON is any value
        if isinstance(item, Members):
            return self.descriptors(item)
        if item is not None:
            self._complain(f"an item of {name} is no object")
        # Go makes an empty descriptor of null.
        return (Descriptor("", ""),)

    def _schema1_layers(self, top: Members) -> Iterator[Link]:
        """Docker schema 1: digests without descriptors, often repeated."""
        for value in self._all(top, "fsLayers"):
            for item in value if isinstance(value, list) else ():
                for digest in item.all("blobSum") if isinstance(item, Members) else ():
                    if isinstance(digest, str):
                        yield Link("is a layer of", Descriptor(DOCKER_LAYER, _clean(digest)))

    def descriptors(self, value: Members) -> tuple[Descriptor, ...]:
        """The descriptor of an object; several if it says digest or media type more than once, Go's choice last."""
        digests = self._texts(value, "digest") or [""]
        types = self._texts(value, "mediaType") or [""]
        if len(digests) * len(types) > _MAX_SPELLINGS:
            self._complain("a descriptor repeats its keys without end")
            types = types[-1:]
        size = self.integer(value, "size")
        annotations = self.annotations(value)
        rest = (size, annotations, self.text(value, "artifactType"), self._platform(value), self._has_urls(value))
        data = self._data(value)
        return tuple(Descriptor(each, digest, *rest, data) for digest in digests for each in types)

    def text(self, value: Members, name: str) -> str:
        found = self._texts(value, name)
        return found[-1] if found else ""

    def annotations(self, value: Members) -> Mapping[str, str]:
        made: dict[str, str] = {}
        for found in self._all(value, "annotations"):
            if not isinstance(found, Members):
                self._complain("annotations is no object")
                continue
            for key, text in found.pairs:
                if isinstance(text, str):
                    made[_clean(key)] = _clean(text)
                elif text is not None:
                    self._complain("an annotation is no text")
        return made

    def _texts(self, value: Members, name: str) -> list[str]:
        found = self._all(value, name)
        if any(not isinstance(text, str) for text in found):
            self._complain(f"{name} is no text")
        return [_clean(text) for text in found if isinstance(text, str)]

    def integer(self, value: Members, name: str) -> int | None:
        number = None
        for found in self._all(value, name):
            if isinstance(found, int) and not isinstance(found, bool):
                number = found
            else:
                self._complain(f"{name} is no integer")
        return number

    def _platform(self, value: Members) -> str:
        platform = ""
        for found in self._all(value, "platform"):
            if isinstance(found, Members):
                parts = [self.text(found, name) for name in ("os", "architecture", "variant")]
                platform = "/".join(part for part in parts if part)
            else:
                self._complain("platform is no object")
        return platform

    def _has_urls(self, value: Members) -> bool:
        found = self._all(value, "urls")
        if any(not isinstance(urls, list) for urls in found):
            self._complain("urls is no array")
        return any(urls for urls in found if isinstance(urls, list))

    def _data(self, value: Members) -> bytes | None:
        data = None
        for text in self._texts(value, "data"):
            try:
                data = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                self._complain("data is not base64")
        return data

    def _all(self, value: Members, name: str) -> list[Any]:
        found = value.all(name)
        if len(found) > 1 and not self.ambiguous:
            self.ambiguous = name
        return found

    def _complain(self, sentence: str) -> None:
        self.malformed = self.malformed or sentence


def _clean(text: str) -> str:
    """Go turns an escaped half of a surrogate pair into U+FFFD; a str with it could not be printed."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@dataclass(frozen=True, slots=True)
class Config:
    """What an image's configuration says of itself; it refers to no blob.

    Attributes:
        created: as written, empty if it isn't.
        labels: of the image.
        platform: `os/architecture`, empty if unknown.
    """

    created: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""


def decode_config(data: bytes) -> Config:
    """Decodes an image configuration.

    Raises:
        CorruptFile: not JSON, no object, or a member of a type that Go's decoder refuses.
    """
    if len(data) > MAX_DOCUMENT:
        raise CorruptFile(f"a configuration of {len(data)} bytes is more than is read")
    top = parse_members(data)
    if not isinstance(top, Members):
        raise CorruptFile("is no JSON object")
    decoder = _Decoder()
    labels: dict[str, str] = {}
    for inner in top.all("config"):
        if not isinstance(inner, Members):
            raise CorruptFile("config is no object")
        for found in inner.all("labels"):
            if not isinstance(found, Members):
                raise CorruptFile("Labels is no object")
            labels.update((_clean(key), _clean(text)) for key, text in found.pairs if isinstance(text, str))
    platform = "/".join(part for part in (decoder.text(top, "os"), decoder.text(top, "architecture")) if part)
    made = Config(decoder.text(top, "created"), labels, platform)
    if decoder.malformed:
        raise CorruptFile(decoder.malformed)
    return made


class ArchiveImage(NamedTuple):
    """An image of docker save's manifest.json.

    Attributes:
        config: path of its configuration.
        layers: paths of its layers.
        tags: its names.
    """

    config: str
    layers: tuple[str, ...]
    tags: tuple[str, ...]


def decode_docker_archive(data: bytes) -> tuple[ArchiveImage, ...] | None:
    """The images of docker save's manifest.json (oci-layout 4); None if it is another kind of document.

    Raises:
        CorruptFile: not JSON, or an array of something else.
    """
    if len(data) > MAX_DOCUMENT:
        raise CorruptFile(f"a manifest.json of {len(data)} bytes is more than is read")
    top = parse_members(data)
    if not isinstance(top, list):
        return None
    images: list[ArchiveImage] = []
    for item in top:
        if not isinstance(item, Members):
            raise CorruptFile("an item is no object")
        layers = tuple(text for value in item.all("Layers") for text in _strings(value))
        tags = tuple(text for value in item.all("RepoTags") for text in _strings(value))
        configs = [_clean(text) for text in item.all("Config") if isinstance(text, str)] or [""]
        images.extend(ArchiveImage(config, layers, tags) for config in configs)
    return tuple(images)


def _strings(value: Any) -> list[str]:  # noqa: ANN401 - JSON is any value
    return [_clean(text) for text in value if isinstance(text, str)] if isinstance(value, list) else []


def decode_layout_version(data: bytes) -> str:
    """The `imageLayoutVersion` of an oci-layout file, empty if it has none (oci-layout 1).

    Raises:
        CorruptFile: not JSON, or no object.
    """
    top = parse_members(data)
    if not isinstance(top, Members):
        raise CorruptFile("is no JSON object")
    version = top.last("imageLayoutVersion")
    return _clean(version) if isinstance(version, str) else ""
