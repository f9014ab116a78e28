"""tar-split: parts in order, and errors with the entry they are in."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.tarsplit import Part, parts


def write(*entries: dict[str, Any]) -> bytes:
    """A tar-split file of entries, numbered as the engine does it."""
    lines = [json.dumps({**entry, "position": number}) for number, entry in enumerate(entries)]
    return gzip.compress("".join(f"{line}\n" for line in lines).encode())


def segment(data: bytes) -> dict[str, Any]:
    """An entry of raw bytes."""
    return {"type": 2, "payload": base64.b64encode(data).decode()}


def file(name: str | bytes, size: int) -> dict[str, Any]:
    """An entry that stands for a file's content; a name in bytes is written as one that is not UTF-8."""
    named = {"name": name} if isinstance(name, str) else {"name_raw": base64.b64encode(name).decode()}
    return {"type": 1, **named, "size": size, "payload": "AAAAAAAAAAA="}


SEGMENTS = st.binary(max_size=60).map(lambda data: (segment(data), Part(data, "", 0)))
FILES = st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(1, 2**40)).map(
    lambda pair: (file(*pair), Part(b"", *pair))
)


@given(st.lists(SEGMENTS | FILES, max_size=20))
def test_what_is_written_is_read(entries: list[tuple[dict[str, Any], Part]]) -> None:
    """Segments and files come in order, with bytes, names and sizes."""
    assert [part for _, part in entries] == list(parts(write(*(entry for entry, _ in entries))))


def test_a_file_without_content_is_no_part() -> None:
    """There is nothing to put in its place; its size may be absent."""
    assert [Part(b"x", "", 0)] == list(parts(write(file("a", 0), {"type": 1, "name": "b"}, segment(b"x"))))


def test_a_name_that_is_not_utf8_is_escaped() -> None:
    """As the file system's names are."""
    assert [Part(b"", "caf\udce9", 3)] == list(parts(write(file(b"caf\xe9", 3))))


def test_an_empty_tar_split_has_no_parts() -> None:
    """As of a layer that was made from nothing."""
    assert [] == list(parts(gzip.compress(b"")))


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ([], "an entry can't be read (no object)"),
        ({"type": 3}, "an entry can't be read (type 3)"),
        ({"payload": ""}, "an entry can't be read (type None)"),
        ({"type": 1, "size": 4}, "an entry can't be read (a file without a name)"),
        ({"type": 1, "name": "a", "size": -4}, "an entry can't be read (size is no length)"),
        ({"type": 1, "name": "a", "size": "4"}, "an entry can't be read (size is no length)"),
        ({"type": 1, "name": "a", "size": 1.5}, "an entry can't be read (size is no length)"),
        ({"type": 2, "payload": 5}, "an entry can't be read (payload is no text)"),
        ({"type": 1, "name_raw": "é", "size": 1}, "an entry can't be read (string argument should contain only ASCII"),
    ],
)
def test_an_entry_of_another_form_is_told_with_its_number(entry: object, sentence: str) -> None:
    """The parts before it were given."""
    stream = parts(gzip.compress(b'{"type":2,"payload":"eA=="}\n' + json.dumps(entry).encode()))

    assert Part(b"x", "", 0) == next(stream)
    with pytest.raises(CorruptFile) as caught:
        next(stream)
    assert caught.value.sentence.startswith(sentence)
    assert "entry 1" == caught.value.place


@pytest.mark.parametrize("payload", ["e", "e===", "e$==", "eA="])
def test_a_payload_that_is_no_base64_is_told(payload: str) -> None:
    """Padding and letters are looked at."""
    with pytest.raises(CorruptFile, match="an entry can't be read"):
        list(parts(write({"type": 2, "payload": payload})))


@pytest.mark.parametrize("data", [b"", b"garbage", bytes(100), gzip.compress(b"x" * 500)[:20]])
def test_what_is_no_gzip_is_told(data: bytes) -> None:
    """Nothing, garbage, zeroes, and a cut stream; an empty file is an empty stream to gzip, too."""
    if not data:
        assert [] == list(parts(data))
        return
    with pytest.raises(CorruptFile, match="is no gzip that can be read"):
        list(parts(data))


def test_deep_nesting_is_an_error_and_no_overflow() -> None:
    """The line is JSON that no engine wrote."""
    with pytest.raises(CorruptFile, match="an entry can't be read"):
        list(parts(gzip.compress(b"[" * 100_000)))


WHOLE = write(segment(b"head" * 128), file("etc/passwd", 12), segment(b"pad"), file(b"\xff", 5))


@given(st.data())
@settings(max_examples=300)
def test_spoilt_bytes_only_ever_raise_one_error(data: st.DataObject) -> None:
    """Some bytes are set in the stream or in what it holds, or the end is cut off."""
    inside = data.draw(st.booleans())
    made = bytearray(gzip.decompress(WHOLE) if inside else WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(made[: data.draw(st.one_of(st.just(len(made)), st.integers(0, len(made))))])

    with contextlib.suppress(CorruptFile):
        list(parts(gzip.compress(cut) if inside else cut))
