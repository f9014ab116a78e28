"""Versions of the tools, as far as rules depend on them."""

from __future__ import annotations

import re

from ocistore.errors import UsageError

_VERSION = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-+~.].*)?", re.ASCII)

NEWEST = {"umoci": "0.6.0", "skopeo": "1.22.0", "oras": "1.3.3"}
"""The newest released version whose rules oci-layout 7 states; plans follow it unless told otherwise."""

Version = tuple[int, int, int]


def read_version(tool: str, text: str | None) -> Version:
    """The version of a tool: `text`, or the newest one without it.

    Raises:
        UsageError: the text is no version.
    """
    written = text or NEWEST[tool]
    found = _VERSION.fullmatch(written)
    if not found:
        raise UsageError(f"{written!r} is no version of {tool}, such as {NEWEST[tool]}")
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major, minor, patch
