"""tar-split: what is left of a tar when its files' contents are taken out (containers-storage 1.12).

Gzip of JSON lines; a segment carries raw bytes of headers and padding, a file entry stands where a file's content was.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import zlib
from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE_LIMIT = 64 * 1024 * 1024
_ENTRY_LIMIT = 50_000_000
_FILE, _SEGMENT = 1, 2


class Part(NamedTuple):
    """One part of the tar.

    Attributes:
        raw: the bytes of a segment; empty for a file.
        name: of the file whose content stands here, empty for a segment.  Bytes that are not UTF-8 are escaped as
            `os.fsdecode` does.
        size: of that content in bytes.
    """

    raw: bytes
    name: str
    size: int


def parts(data: bytes) -> Iterator[Part]:
    """The parts of a tar, in order.

    Args:
        data: bytes of `L.tar-split.gz`.

    Raises:
        CorruptFile: not gzip, not JSON lines, or fields of other types; `place` is the entry.
    """
    stream = io.BufferedReader(gzip.GzipFile(fileobj=io.BytesIO(data)))
    for number in range(_ENTRY_LIMIT):
        try:
            line = stream.readline(_LINE_LIMIT)
        except (OSError, EOFError, zlib.error) as err:
            raise CorruptFile(f"is no gzip that can be read ({err})", place=f"entry {number}") from None
        if not line:
            return
        try:
            part = _part(line)
        except (ValueError, RecursionError) as err:
            raise CorruptFile(f"an entry can't be read ({err})", place=f"entry {number}") from None
        if part is not None:
            yield part
    raise CorruptFile(f"more than {_ENTRY_LIMIT} entries")


def _part(line: bytes) -> Part | None:
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("no object")
    kind, payload = entry.get("type"), entry.get("payload") or ""
    if kind == _SEGMENT:
        return Part(_decode(payload), "", 0)
    if kind != _FILE:
        raise ValueError(f"type {kind!r}")
    size = entry.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise ValueError("size is no length")
    if size == 0:
        return None
    return Part(b"", _name(entry), size)


def _name(entry: dict[str, object]) -> str:
    raw = entry.get("name_raw")
    if isinstance(raw, str) and raw:
        return _decode(raw).decode("utf-8", "surrogateescape")
    name = entry.get("name")
    if not isinstance(name, str):
        raise ValueError("a file without a name")
    return name


def _decode(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("payload is no text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as err:
        raise ValueError(str(err)) from None
