"""BuildHistoryRecord messages: what they say is read, what is damaged is an error."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.build_history import decode_build
from tests.make.buildkit import message

WHOLE = message(
    (1, "ref1"),
    (2, "dockerfile.v0"),
    (3, message((1, "target"), (2, "final"))),
    (3, message((1, "filename"), (2, "Dockerfile"))),
    (5, message((1, 2), (2, "failed"))),
    (6, message((1, 1_800_000_000), (2, 5))),
    (7, message((1, 1_800_000_001))),
    (8, message((1, "logs"), (2, "sha256:logs"), (3, 10))),
    (10, message((1, message((2, "sha256:old"))), (2, message((2, "sha256:proof"))))),
    (11, message((1, "linux/amd64"), (2, message((3, message((1, 0), (2, message((2, "sha256:result"))))))))),
    (12, 3),
    (13, message((2, "sha256:trace"))),
    (14, 1),
    (18, message((2, "sha256:error"))),
    (99, "unknown"),
)


def test_every_field_that_matters_is_read() -> None:
    """Times, attributes, and all blobs of logs, trace, error, results and attestations."""
    build = decode_build(WHOLE)

    assert ("ref1", "dockerfile.v0") == (build.ref, build.frontend)
    assert 1_800_000_000 * 10**9 + 5 == build.created_ns
    assert 1_800_000_001 * 10**9 == build.completed_ns
    assert (True, 3, True) == (build.pinned, build.generation, build.failed)
    assert {"target": "final", "filename": "Dockerfile"} == build.attributes
    assert {"logs", "old", "proof", "result", "trace", "error"} == {b.removeprefix("sha256:") for b in build.blobs}


def test_an_empty_message_says_nothing() -> None:
    """A build that runs has no end and no blobs."""
    build = decode_build(b"")

    assert ("", None, None, False, ()) == (
        build.ref,
        build.created_ns,
        build.completed_ns,
        build.pinned,
        build.blobs,
    )


def test_the_last_of_a_scalar_counts_and_a_time_before_1970_is_one() -> None:
    """Negative numbers are written as 64 bits of two's complement."""
    build = decode_build(message((1, "a"), (1, "b"), (6, message((1, (1 << 64) - 5)))))

    assert ("b", -5 * 10**9) == (build.ref, build.created_ns)


@pytest.mark.parametrize(
    "data",
    [
        message((1, 5)),
        message((6, 7)),
        message((6, message((2, 10**9)))),
        message((14, "yes")),
        WHOLE[:-3],
        b"\x0b",
    ],
    ids=["number for text", "number for a time", "too many nanoseconds", "text for a number", "cut", "group"],
)
def test_what_is_no_such_message_is_an_error(data: bytes) -> None:
    """Only CorruptFile is raised."""
    with pytest.raises(CorruptFile):
        decode_build(data)


@given(st.binary(max_size=200), st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_random_bytes_only_ever_raise_one_error(data: bytes, place: int, value: int) -> None:
    """Random messages, and the whole one with a byte changed."""
    spoilt = bytearray(WHOLE)
    spoilt[place] = value
    for each in (data, bytes(spoilt)):
        with contextlib.suppress(CorruptFile):
            decode_build(each)
