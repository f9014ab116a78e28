"""Fields of protobuf messages, without a schema (docker-buildkit-containerd 1.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile
from ocistore.formats.wire import read_uvarint

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: of the field.
        value: an int (varint, fixed32, fixed64) or bytes (length-delimited).
    """

    number: int
    value: int | bytes


def read_fields(data: bytes) -> Iterator[Field]:
    """The fields of a message in order; unknown ones are the caller's to skip, of a scalar the last one counts.

    Raises:
        CorruptFile: a field runs out of the message, or a wire type that proto3 doesn't use.
    """
    at = 0
    while at < len(data):
        tag, at = _varint_at(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise CorruptFile("a protobuf field with the number 0", place=f"offset {at}")
        if wire == _VARINT:
            value, at = _varint_at(data, at)
            yield Field(number, value)
            continue
        if wire == _BYTES:
            size, at = _varint_at(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise CorruptFile(f"protobuf wire type {wire}", place=f"offset {at}")
        if at + size > len(data):
            raise CorruptFile("a protobuf field runs out of its message", place=f"offset {at}")
        part = data[at : at + size]
        at += size
        yield Field(number, part if wire == _BYTES else int.from_bytes(part, "little"))


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    end = at
    while end < len(data) and data[end] >= 0x80:
        end += 1
    return read_uvarint(data[at : end + 1]), end + 1
