"""Fields of protobuf messages (docker-buildkit-containerd 1.10)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.protobuf import Field, read_fields
from tests.make.containerd import uvarint

FIELDS = st.lists(
    st.tuples(
        st.integers(1, (1 << 29) - 1),
        st.one_of(
            st.tuples(st.just(0), st.integers(0, (1 << 64) - 1)),
            st.tuples(st.just(1), st.integers(0, (1 << 64) - 1)),
            st.tuples(st.just(2), st.binary(max_size=300)),
            st.tuples(st.just(5), st.integers(0, (1 << 32) - 1)),
        ),
    )
)


def written(number: int, wire: int, value: int | bytes) -> bytes:
    """A field as protobuf writes it."""
    tag = uvarint(number << 3 | wire)
    if isinstance(value, bytes):
        return tag + uvarint(len(value)) + value
    if wire == 0:
        return tag + uvarint(value)
    return tag + value.to_bytes(8 if wire == 1 else 4, "little")


@given(FIELDS)
def test_what_is_written_is_read(fields: list[tuple[int, tuple[int, int | bytes]]]) -> None:
    """Every wire type of proto3, in the order of the message."""
    data = b"".join(written(number, wire, value) for number, (wire, value) in fields)

    assert [Field(number, value) for number, (_, value) in fields] == list(read_fields(data))


@given(st.binary(max_size=200))
def test_any_bytes_only_ever_raise_one_error(data: bytes) -> None:
    """What is no message is told, and no field is longer than it."""
    with contextlib.suppress(CorruptFile):
        for field in read_fields(data):
            assert isinstance(field.value, int) or len(field.value) <= len(data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x00\x01", "a protobuf field with the number 0"),
        (b"\x0b", "protobuf wire type 3"),
        (b"\x0f", "protobuf wire type 7"),
        (b"\x0a\x05abc", "a protobuf field runs out of its message"),
        (b"\x09\x01\x02", "a protobuf field runs out of its message"),
        (b"\x0d", "a protobuf field runs out of its message"),
        (b"\x08\x80", "a varint without an end"),
        (b"\x80", "a varint without an end"),
    ],
)
def test_messages_that_are_none(data: bytes, sentence: str) -> None:
    """Each says what is wrong."""
    with pytest.raises(CorruptFile) as caught:
        list(read_fields(data))

    assert sentence == caught.value.sentence


def test_the_length_of_a_field_is_no_size_of_memory() -> None:
    """A length of 2^63 in a short message is an error, not an allocation."""
    with pytest.raises(CorruptFile):
        list(read_fields(b"\x0a" + uvarint(1 << 63)))
