"""Whose container a record is: podman's, buildah's, CRI-O's, or nobody's that is known (containers-storage 2.6)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, OcistoreError
from ocistore.formats import strict_json

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from .records import ContainerRecord

BUILDAH_TYPE = "buildah 0.0.1"


class Maker(StrEnum):
    """Who made a container; the words are traits of its node."""

    PODMAN = "podman"
    IMAGE_VOLUME = "image-volume"
    BUILDAH = "buildah"
    CRIO = "cri-o"
    LOST = "podman-lost"
    OTHER = "unknown-tool"

    @property
    def is_external(self) -> bool:
        """Podman's word for what its database doesn't know (classes 3 to 6)."""
        return self not in (Maker.PODMAN, Maker.IMAGE_VOLUME)


_LOST_KEYS = {"image-name", "image-id", "name", "created-at"}


def find_maker(
    record: ContainerRecord,
    rows: Container[str],
    volume_storages: Container[str],
    read_buildah: Callable[[str], bytes | None],
) -> Maker:
    """Who made a container, by the first rule of 2.6 that fits.

    Args:
        record: the storage record.
        rows: ids of podman's containers.
        volume_storages: ids of containers that volumes of the image driver made for themselves.
        read_buildah: bytes of `userdata/buildah.json` of a container, None if there is none.
    """
    if record.id in rows:
        return Maker.PODMAN
    if record.id in volume_storages:
        return Maker.IMAGE_VOLUME
    if is_buildah(read_buildah(record.id)):
        return Maker.BUILDAH
    keys = _metadata_keys(record)
    if {"pod-name", "pod-id"} & keys:
        return Maker.CRIO
    if keys and keys >= _LOST_KEYS and keys <= _LOST_KEYS | {"mountlabel"}:
        return Maker.LOST
    return Maker.OTHER


def is_buildah(data: bytes | None) -> bool:
    """Whether the bytes are a buildah.json of the type that buildah looks for."""
    if data is None:
        return False
    try:
        value = strict_json.parse(data)
    except OcistoreError:
        # A torn one: buildah can't open it either; the record stays somebody's and is never taken for buildah's.
        return False
    return isinstance(value, dict) and value.get("type") == BUILDAH_TYPE


def _metadata_keys(record: ContainerRecord) -> set[str]:
    try:
        value = strict_json.parse(record.metadata.encode()) if record.metadata else None
    except CorruptFile:
        return set()
    return set(value) if isinstance(value, dict) else set()
