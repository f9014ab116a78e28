"""Go's binary values as containerd and BuildKit store them (docker-buildkit-containerd 1.10)."""

from __future__ import annotations

import struct

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import SECOND_NS

_UNIX_OF_YEAR_1 = 62135596800
"""Seconds from 0001-01-01 to 1970-01-01."""
_TIME = struct.Struct(">qih")
_MAX_VARINT = 10
"""Bytes: what Go's encoding/binary reads at most."""


def read_uvarint(data: bytes) -> int:
    """An unsigned varint (encoding/binary.PutUvarint); what follows it is ignored, as Go does.

    Raises:
        CorruptFile: no end within ten bytes, or more than 64 bits.
    """
    value = 0
    for shift, byte in enumerate(data[:_MAX_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            if value >> 64:
                raise CorruptFile("a varint of more than 64 bits")
            return value
    raise CorruptFile("a varint without an end")


def read_varint(data: bytes) -> int:
    """A signed varint (encoding/binary.PutVarint, zigzag).

    Raises:
        CorruptFile: as `read_uvarint`.
    """
    raw = read_uvarint(data)
    return (raw >> 1) ^ -(raw & 1)


def read_time(data: bytes) -> int:
    """Nanoseconds since 1970 of a time.Time's MarshalBinary, version 1 or 2; the zone changes nothing.

    Raises:
        CorruptFile: another length or version, or nanoseconds out of a second.
    """
    if not data or (data[0], len(data)) not in ((1, 15), (2, 16)):
        raise CorruptFile("not a time as Go marshals it")
    seconds, nanoseconds, _zone = _TIME.unpack_from(data, 1)
    if not 0 <= nanoseconds < SECOND_NS:
        raise CorruptFile("a time with more nanoseconds than a second has")
    return (int(seconds) - _UNIX_OF_YEAR_1) * SECOND_NS + int(nanoseconds)
