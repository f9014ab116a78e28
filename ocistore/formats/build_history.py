"""BuildKit's BuildHistoryRecord, as history.db keeps it (docker-buildkit-containerd 1.10 and 3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import SECOND_NS
from ocistore.formats.protobuf import read_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

_REF, _FRONTEND, _ATTRIBUTES, _ERROR, _CREATED, _COMPLETED, _LOGS = 1, 2, 3, 5, 6, 7, 8
_RESULT, _RESULTS, _GENERATION, _TRACE, _PINNED, _EXTERNAL_ERROR = 10, 11, 12, 13, 14, 18
_MAX_BLOBS = 100_000


class BuildRecord(NamedTuple):
    """A build.

    Attributes:
        ref: its id.
        frontend: `dockerfile.v0`, or empty for a build of low-level definitions.
        created_ns, completed_ns: nanoseconds since 1970, None where it doesn't say.
        attributes: what the frontend was asked (`target`, `filename`, `build-arg:X`, ...).
        failed: whether it ended with an error.
        blobs: digests of logs, trace, error, attestations and results, each once, in the order of the message.
    """

    ref: str
    frontend: str
    created_ns: int | None
    completed_ns: int | None
    pinned: bool
    generation: int
    failed: bool
    attributes: dict[str, str]
    blobs: tuple[str, ...]


def decode_build(data: bytes) -> BuildRecord:
    """The record in a message; fields that are not needed are skipped.

    Raises:
        CorruptFile: no such message.
    """
    texts: dict[int, str] = {}
    numbers: dict[int, int] = {}
    times: dict[int, int | None] = {}
    attributes: dict[str, str] = {}
    blobs: dict[str, None] = {}
    failed = False
    for number, value in read_fields(data):
        if number in (_REF, _FRONTEND):
            texts[number] = _text(value)
        elif number == _ATTRIBUTES:
            key, text = _pair(value)
            attributes[_text(key)] = _text(text)
        elif number == _ERROR:
            failed = True
        elif number in (_CREATED, _COMPLETED):
            times[number] = _time(value)
        elif number in (_LOGS, _TRACE, _EXTERNAL_ERROR):
            _take(blobs, [_digest(value)])
        elif number == _RESULT:
            _take(blobs, _digests(value))
        elif number == _RESULTS:
            _take(blobs, _digests(_pair(value)[1]))
        elif number in (_GENERATION, _PINNED):
            numbers[number] = _number(value)
    return BuildRecord(
        texts.get(_REF, ""),
        texts.get(_FRONTEND, ""),
        times.get(_CREATED),
        times.get(_COMPLETED),
        bool(numbers.get(_PINNED)),
        numbers.get(_GENERATION, 0),
        failed,
        attributes,
        tuple(blobs),
    )


def _take(blobs: dict[str, None], digests: Iterator[str] | list[str]) -> None:
    for digest in digests:
        if digest:
            blobs[digest] = None
        if len(blobs) > _MAX_BLOBS:
            raise CorruptFile(f"a build with more than {_MAX_BLOBS} blobs")


def _digests(value: int | bytes) -> Iterator[str]:
    """Those of a BuildResultInfo: the deprecated result, attestations, results by number."""
    for number, part in read_fields(_bytes(value)):
        if number in (1, 2):
            yield _digest(part)
        elif number == 3:
            yield _digest(_pair(part)[1])


def _digest(value: int | bytes) -> str:
    found = ""
    for number, part in read_fields(_bytes(value)):
        if number == 2:
            found = _text(part)
    return found


def _pair(value: int | bytes) -> tuple[int | bytes, int | bytes]:
    """Key and value of a map's entry; an absent one has no bytes."""
    found: dict[int, int | bytes] = dict(read_fields(_bytes(value)))
    return found.get(1, b""), found.get(2, b"")


def _time(value: int | bytes) -> int:
    parts: dict[int, int | bytes] = dict(read_fields(_bytes(value)))
    seconds, nanoseconds = (_number(parts.get(number, 0)) for number in (1, 2))
    # int64 and int32 are written as 64 bits of two's complement.
    if seconds >> 63:
        seconds -= 1 << 64
    if not 0 <= nanoseconds < SECOND_NS:
        raise CorruptFile("a time with more nanoseconds than a second has")
    return seconds * SECOND_NS + nanoseconds


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise CorruptFile("a number where a message or text should be")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise CorruptFile("a message or text where a number should be")
    return value
