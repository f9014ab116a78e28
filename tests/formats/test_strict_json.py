"""JSON as files of a store may hold it, and as they may not."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.strict_json import parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_is_written_is_read(value: object, escaped: bool) -> None:
    """Every value gives itself back, with letters escaped or not."""
    clean = json.loads(json.dumps(value).encode("utf-8", "replace"))

    assert clean == parse(json.dumps(clean, ensure_ascii=escaped).encode())


@given(st.binary(max_size=200))
def test_random_bytes_only_ever_raise_one_error(data: bytes) -> None:
    """They are a value, or CorruptFile is raised."""
    with contextlib.suppress(CorruptFile):
        parse(data)


@given(VALUES, st.data())
def test_spoilt_bytes_only_ever_raise_one_error(value: object, data: st.DataObject) -> None:
    """Some bytes are set, or the end is cut off."""
    made = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 5))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(CorruptFile):
        parse(bytes(made[: data.draw(st.integers(0, len(made)))]))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty, not JSON"),
        (b" \n\t", "is empty, not JSON"),
        (bytes(4096), "holds only NUL bytes, not JSON (as after a power loss)"),
        (b'{"a": [1, 2', "ends in the middle of a value; it is truncated"),
        (b'{"a": ', "ends in the middle of a value; it is truncated"),
        (b"[]\0\0\0", "is not JSON (extra data)"),
        (b"[] []", "is not JSON (extra data)"),
        (b"{'a': 1}", "is not JSON (expecting property name enclosed in double quotes)"),
        (b"\xef\xbb\xbf[]", "begins with a byte order mark, which Go's decoder refuses"),
        (b'{"a": NaN}', "not JSON that a store may hold (NaN is no JSON value)"),
        (b"[Infinity, -Infinity]", "not JSON that a store may hold (Infinity is no JSON value)"),
        (b"[" * 100_000, "JSON is nested too deep"),
        (b'{"a":' * 100_000, "JSON is nested too deep"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs twice in one object; programs disagree which one counts"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:12]),
)
def test_what_is_no_json_is_told(data: bytes, sentence: str) -> None:
    """Each fault has its own sentence."""
    with pytest.raises(CorruptFile) as caught:
        parse(data)

    assert sentence == caught.value.sentence


def test_the_place_is_line_and_column() -> None:
    """As an editor counts them."""
    with pytest.raises(CorruptFile) as caught:
        parse(b'{\n  "a": 1,\n  b\n}')

    assert "line 3, column 3" == caught.value.place


def test_an_integer_of_many_digits_is_an_error_and_no_stall() -> None:
    """Python refuses to convert it; that is told as what it is."""
    with pytest.raises(CorruptFile, match="not JSON that a store may hold"):
        parse(b"[" + b"9" * 100_000 + b"]")


def test_the_last_of_repeated_keys_counts_where_that_is_asked_for() -> None:
    """As in Go; each repetition is reported, at any depth."""
    found: list[str] = []

    assert {"a": 3, "b": {"c": 2}} == parse(b'{"a": 1, "a": 2, "a": 3, "b": {"c": 1, "c": 2}}', duplicates=found)
    assert ["a", "a", "c"] == sorted(found)


def test_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    """As in Go: alone they are no character; together they are one."""
    assert ["\ufffd", "\U0001f600", "a\ufffdb"] == parse(rb'["\ud83d", "\ud83d\ude00", "a\udc00b"]')
    assert {"\ufffd": 1} == parse(rb'{"\ud800": 1}')


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    """As in Go; the rest of the text stays."""
    assert ["a\ufffdb"] == parse(b'["a\xffb"]')
