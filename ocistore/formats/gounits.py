"""Sizes as Docker's command lines take them (docker/go-units `size.go`)."""

from __future__ import annotations

import re

from ocistore.errors import CorruptFile

_SIZE = re.compile(r"(\d+\.?\d*|\.\d+) ?(?:([kmgtp])(?:i?b)?|b)?", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_ram(text: str) -> int:
    """Bytes of a size in binary units (RAMInBytes): `60kB` is 60 x 1024, `1.5g`, `512`.

    Raises:
        CorruptFile: the text is no such size.
    """
    return _parse(text, 1024)


def parse_human(text: str) -> int:
    """Bytes of a size in decimal units (FromHumanSize): `60kB` is 60,000.

    Raises:
        CorruptFile: the text is no such size.
    """
    return _parse(text, 1000)


def _parse(text: str, base: int) -> int:
    found = _SIZE.fullmatch(text)
    if not found or len(text) > 40:
        raise CorruptFile(f"invalid size: {text[:60]!r}")
    # Go reckons in float64, too.
    return int(float(found.group(1)) * float(base ** _POWERS[(found.group(2) or "").lower()]))
