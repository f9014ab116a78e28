"""Records of layers, images and containers: JSON in, values out (containers-storage 1.3, 1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ocistore.errors import CorruptFile

from .fields import mapping, number, numbers, strings, text, texts, time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Record = TypeVar("Record")


ImageKey = tuple[int, int, str]
"""Number of the store, index of the place, id of the image."""


@dataclass(slots=True, eq=False)
class LayerRecord:
    """One entry of layers.json; `file` is where it was recorded, as answers spell it."""

    id: str
    names: list[str]
    parent: str
    created_ns: int
    compressed_digest: str
    diff_digest: str
    diff_size: int
    toc_digest: str
    compressed_size: int
    incomplete: bool
    mapped: bool
    big_data_names: list[str]
    file: str = ""
    in_imagestore: bool = False


@dataclass(slots=True, eq=False)
class ImageRecord:
    """One entry of images.json.

    Attributes:
        created_ns: creation time of the image (its config's), not of the pull; filters use it (1.4).
        place: index of the store's place whose `D-images` holds it.
        store: number of the store that records it.
        readonly: it lies in an additional store (2.11).
    """

    id: str
    digest: str
    names: list[str]
    names_history: list[str]
    layer: str
    mapped_layers: list[str]
    big_data_names: list[str]
    big_data_sizes: Mapping[str, int]
    big_data_digests: Mapping[str, str]
    created_ns: int
    file: str = ""
    place: int = 0
    store: int = 0
    readonly: bool = False

    @property
    def key(self) -> ImageKey:
        """What tells this record from every other: one id may be recorded in several image stores."""
        return self.store, self.place, self.id

    @property
    def digests(self) -> set[str]:
        """The digests it is known by: its own, and those of each `manifest...` item (1.4)."""
        found = {d for key, d in self.big_data_digests.items() if key.startswith("manifest")}
        if self.digest:
            found.add(self.digest)
        return found


@dataclass(slots=True, eq=False)
class ContainerRecord:
    """One entry of containers.json or volatile-containers.json."""

    id: str
    names: list[str]
    image: str
    layer: str
    metadata: str
    big_data_names: list[str]
    big_data_sizes: Mapping[str, int]
    created_ns: int
    file: str = ""


@dataclass(frozen=True, slots=True)
class MountCount:
    """An entry of the runroot's mountpoints.json (1.10): a count is no proof of a mount."""

    layer: str
    path: str
    count: int


_LAYER_KEYS = frozenset(
    "id names parent metadata mountlabel created compressed-diff-digest compressed-size diff-digest toc-digest "
    "diff-size compression uidset gidset flags uidmap gidmap big-data-names location".split()
)
_IMAGE_KEYS = frozenset(
    "id digest names names-history layer mapped-layers metadata big-data-names big-data-sizes big-data-digests "
    "created flags".split()
)
_CONTAINER_KEYS = frozenset(
    "id names image layer metadata big-data-names big-data-sizes big-data-digests created uidmap gidmap flags".split()
)


def read_layers(value: Any) -> list[LayerRecord]:  # noqa: ANN401 - parsed JSON
    """The layers of a parsed layers.json.

    Raises:
        CorruptFile: not a list of objects with the types of section 1.3; `place` names the record.
    """
    return _records(value, _LAYER_KEYS, _layer)


def read_images(value: Any) -> list[ImageRecord]:  # noqa: ANN401 - parsed JSON
    """The images of a parsed images.json; errors as of `read_layers`."""
    return _records(value, _IMAGE_KEYS, _image)


def read_containers(value: Any) -> list[ContainerRecord]:  # noqa: ANN401 - parsed JSON
    """The containers of a parsed containers.json; errors as of `read_layers`."""
    return _records(value, _CONTAINER_KEYS, _container)


def read_mount_counts(value: Any) -> list[MountCount]:  # noqa: ANN401 - parsed JSON
    """The entries of a parsed mountpoints.json; errors as of `read_layers`."""
    return _records(value, frozenset(("id", "path", "count")), _mount_count)


def _records(value: Any, keys: frozenset[str], make: Callable[[Mapping[str, Any]], Record]) -> list[Record]:  # noqa: ANN401
    # null is an empty list in Go; an empty file is handled by the caller (1.4).
    if value is None:
        return []
    if not isinstance(value, list):
        raise CorruptFile("is no list of records")
    made = []
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise CorruptFile("is no object", place=f"record {index}")
        odd = entry.keys() - keys
        # Go matches keys without regard to case; another spelling of a known key may override it.
        if odd and any(key.lower() in keys for key in odd):
            raise CorruptFile("has a key in an unusual case, which programs read differently", place=f"record {index}")
        try:
            made.append(make(entry))
        except CorruptFile as err:
            raise CorruptFile(err.sentence, place=f"record {index}") from None
    return made


def _layer(entry: Mapping[str, Any]) -> LayerRecord:
    flags = mapping(entry, "flags")
    return LayerRecord(
        id=text(entry, "id"),
        names=texts(entry, "names"),
        parent=text(entry, "parent"),
        created_ns=time(entry, "created"),
        compressed_digest=text(entry, "compressed-diff-digest"),
        diff_digest=text(entry, "diff-digest"),
        diff_size=number(entry, "diff-size"),
        toc_digest=text(entry, "toc-digest"),
        compressed_size=number(entry, "compressed-size"),
        # Only JSON's true counts (1.3).
        incomplete=flags.get("incomplete") is True,
        mapped=bool(entry.get("uidmap") or entry.get("gidmap")),
        big_data_names=texts(entry, "big-data-names"),
    )


def _image(entry: Mapping[str, Any]) -> ImageRecord:
    return ImageRecord(
        id=text(entry, "id"),
        digest=text(entry, "digest"),
        names=texts(entry, "names"),
        names_history=texts(entry, "names-history"),
        layer=text(entry, "layer"),
        mapped_layers=texts(entry, "mapped-layers"),
        big_data_names=texts(entry, "big-data-names"),
        big_data_sizes=numbers(entry, "big-data-sizes"),
        big_data_digests=strings(entry, "big-data-digests"),
        created_ns=time(entry, "created"),
    )


def _container(entry: Mapping[str, Any]) -> ContainerRecord:
    return ContainerRecord(
        id=text(entry, "id"),
        names=texts(entry, "names"),
        image=text(entry, "image"),
        layer=text(entry, "layer"),
        metadata=text(entry, "metadata"),
        big_data_names=texts(entry, "big-data-names"),
        big_data_sizes=numbers(entry, "big-data-sizes"),
        created_ns=time(entry, "created"),
    )


def _mount_count(entry: Mapping[str, Any]) -> MountCount:
    return MountCount(text(entry, "id"), text(entry, "path"), number(entry, "count"))
