"""JSON from an adversary: bounded, duplicate keys reported, numbers and text made harmless.

Python's parser is used because a duplicate key must be seen: Go's decoder takes the last, others the first, and a
record that parsers read differently must not be trusted (formats: containers-storage Part 4, oci-layout section 1).
"""

from __future__ import annotations

import json
from typing import Any

from ocistore.errors import CorruptFile

MAX_BYTES = 512 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


def parse(data: bytes, *, duplicates: list[str] | None = None) -> Any:  # noqa: ANN401 - JSON is any value
    """The value of a JSON document.

    Args:
        data: the file's bytes.
        duplicates: receives each key that an object bears twice; without it such a key is an error.  The last value
            wins in the result, as in Go.

    Raises:
        CorruptFile: not JSON, nested too deep, trailing bytes, NUL bytes, or a duplicate key (see above).
    """
    if len(data) > MAX_BYTES:
        raise CorruptFile(f"JSON of {len(data)} bytes is more than is read")
    if data.startswith(_BOM):
        raise CorruptFile("begins with a byte order mark, which Go's decoder refuses")
    # Go replaces what is not UTF-8 by U+FFFD (containers-storage Part 5, 15).
    text = data.decode("utf-8", "replace")
    seen: list[str] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            keys = set()
            for key, _ in pairs:
                if key in keys:
                    seen.append(key)
                keys.add(key)
        return made

    try:
        value = json.loads(text, object_pairs_hook=object_of, parse_constant=_refuse_constant)
    except json.JSONDecodeError as err:
        raise CorruptFile(_sentence(data, err), place=f"line {err.lineno}, column {err.colno}") from None
    except RecursionError:
        raise CorruptFile("JSON is nested too deep") from None
    except ValueError as err:
        raise CorruptFile(f"not JSON that a store may hold ({str(err)[:80]})") from None
    if seen:
        if duplicates is None:
            raise CorruptFile(
                f"the key {seen[0][:60]!r} occurs twice in one object; programs disagree which one counts"
            )
        duplicates.extend(seen)
    if "\\u" in text or "\\U" in text:
        return _without_surrogates(value)
    return value


def _sentence(data: bytes, err: json.JSONDecodeError) -> str:
    if not data.strip():
        return "is empty, not JSON"
    if not data.strip(b"\0"):
        return "holds only NUL bytes, not JSON (as after a power loss)"
    if err.pos >= len(err.doc.rstrip()):
        return "ends in the middle of a value; it is truncated"
    return f"is not JSON ({err.msg.lower()})"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    """Go turns an escaped half of a surrogate pair into U+FFFD; a str with it could not be printed."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
