"""The zone of times that name none, as native commands read them."""

from __future__ import annotations

import os
from datetime import UTC, tzinfo


def local_zone() -> tzinfo:
    """The zone of a time that names none: UTC unless TZ is set (design: command line)."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        return UTC
    # Imported here: hardly any run has a filter with such a time.
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
