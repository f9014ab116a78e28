"""Go's values as bytes (docker-buildkit-containerd 1.10)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import SECOND_NS, ZERO_TIME_NS
from ocistore.formats.wire import read_time, read_uvarint, read_varint
from tests.make.containerd import go_time, uvarint, varint


@given(st.integers(0, (1 << 64) - 1), st.binary(max_size=3))
def test_unsigned_varints(number: int, rest: bytes) -> None:
    """Of 64 bits; what follows is ignored."""
    assert number == read_uvarint(uvarint(number) + rest)


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_signed_varints(number: int) -> None:
    """Zigzag: the sign is the lowest bit."""
    assert number == read_varint(varint(number))


def test_known_bytes() -> None:
    """As in the databases of real engines."""
    assert 4 == read_varint(b"\x08")
    assert -1 == read_varint(b"\x01")
    assert 24576 == read_varint(b"\x80\x80\x03")
    assert 300 == read_uvarint(b"\xac\x02")


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 10, b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01"])
def test_varints_that_are_none(data: bytes) -> None:
    """Without an end, or of more than 64 bits."""
    with pytest.raises(CorruptFile):
        read_uvarint(data)


@pytest.mark.parametrize(("zone", "version"), [(-1, 1), (0, 1), (330, 1), (-60, 1), (120, 2)])
def test_times(zone: int, version: int) -> None:
    """The zone changes nothing; version 2 has a byte more (case 13)."""
    assert 1_795_244_400 * SECOND_NS + 5 == read_time(go_time(1_795_244_400, zone, version))


def test_the_zero_time() -> None:
    """Go's year 1."""
    assert ZERO_TIME_NS == read_time(b"\x01" + bytes(12) + b"\xff\xff")


@given(st.binary(max_size=20))
def test_any_bytes_only_ever_raise_one_error(data: bytes) -> None:
    """What is no value is told."""
    for reader in (read_time, read_varint, read_uvarint):
        with contextlib.suppress(CorruptFile):
            assert isinstance(reader(data), int)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        go_time(1)[:-1],
        go_time(1) + b"\0",
        b"\x02" + go_time(1)[1:],
        b"\x03" + go_time(1)[1:],
        b"\x01" + b"\x7f" * 14,
    ],
    ids=["nothing", "short", "long", "version 2 without its byte", "version 3", "too many nanoseconds"],
)
def test_times_that_are_none(data: bytes) -> None:
    """Another length or version, or more nanoseconds than a second has."""
    with pytest.raises(CorruptFile):
        read_time(data)
