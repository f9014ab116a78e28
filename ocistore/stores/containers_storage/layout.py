"""Names in a containers/storage directory (containers-storage 1.1, 1.2, 1.8)."""

from __future__ import annotations

import base64
import contextlib
import re

COUNTED_DRIVERS = ("overlay", "vfs")
"""Drivers whose bytes stat can tell (1.6, Part 5)."""

ARTIFACTS = "artifacts"
"""Directory of podman's artifacts in a graphroot (2.8)."""

_HEX_ID = re.compile(r"[0-9a-f]{64}")
_PLAIN_KEY = re.compile(r"[0-9a-z.]*")


def is_hex_id(text: str) -> bool:
    """Whether a name is 64 lowercase hexadecimal digits, as ids of layers, images and containers are."""
    return _HEX_ID.fullmatch(text) is not None


def is_safe_name(text: str) -> bool:
    """Whether a record's id can be one name in a directory: it must never lead out of it."""
    return bool(text) and text not in (".", "..") and "/" not in text and "\0" not in text and len(text.encode()) <= 255


def big_data_file(key: str) -> str:
    """The file name of a big-data key.

    A key of `[0-9a-z.]` is its own name; otherwise `=` and standard base64 of the key.  The offending character is
    consumed before the test, so a key whose only bad character is its last one stays raw.

    Source: containers-storage 1.8 (`storage/store.go makeBigDataBaseName`).
    """
    plain = _PLAIN_KEY.match(key)
    stop = plain.end() if plain else 0
    if stop >= len(key) - 1:
        return key
    return "=" + base64.b64encode(key.encode()).decode()


def big_data_key(name: str) -> str | None:
    """The key of a big-data file, None if no key makes this name."""
    # Names come from a disk: not UTF-8, not ASCII, no base64 are all errors of value.
    with contextlib.suppress(ValueError):
        if name.startswith("="):
            key = base64.b64decode(name[1:], validate=True).decode()
            if key and big_data_file(key) == name:
                return key
    with contextlib.suppress(ValueError):
        # A raw key, which may itself begin with "=" only if that is all of it.
        if big_data_file(name) == name:
            return name
    return None
