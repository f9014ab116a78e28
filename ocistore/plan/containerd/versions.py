"""Versions of containerd, as far as rules depend on them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.stores.shared.containerd.references import rules_of

if TYPE_CHECKING:
    from ocistore.stores.shared.containerd.references import Rules

NEWEST = "2.2.0"
"""The newest released version whose rules docker-buildkit-containerd 4.3 and 7.3 state."""
PRUNES_IMAGES: tuple[int, int] = (1, 7)
"""`ctr images prune` is there from here on (4.7)."""
_VERSION = re.compile(r"v?(\d{1,9})\.(\d{1,9})(?:\.\d{1,9})?(?:[-+~.].*)?", re.ASCII)

Version = tuple[int, int]


def read_version(text: str | None) -> Version:
    """The version of containerd: `text`, or the newest one without it.

    Raises:
        UsageError: the text is no version.
    """
    written = text or NEWEST
    found = _VERSION.fullmatch(written)
    if not found:
        raise UsageError(f"{written!r} is no version of containerd, such as {NEWEST}")
    return int(found.group(1)), int(found.group(2))


def collector_rules(version: Version) -> Rules:
    """What the collector of a version follows (4.3, version table)."""
    return rules_of(version)
