"""Times and durations as Go programs write them; integers of nanoseconds inside.

Source: Go's `time` package as the engines use it (formats: containers-storage 1.3 and 3.3).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from ocistore.errors import CorruptFile

SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,12}))?\s*(Z|z|[+-]\d\d:\d\d)",
    re.ASCII,
)
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": SECOND_NS,
    "m": 60 * SECOND_NS,
    "h": 3600 * SECOND_NS,
}
_DURATION_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_MAX_DURATION_NS = (1 << 63) - 1
"""About 292 years: Go's durations have 64 bits."""
_MAX_PART = 200
"""Characters of a number with its unit."""
_FIRST_SECOND = -62135596800
_LAST_SECOND = 253402300799
ZERO_TIME_NS = _FIRST_SECOND * SECOND_NS
_END_NS = (_LAST_SECOND + 1) * SECOND_NS
"""Go's zero time, 0001-01-01T00:00:00Z: "not set"."""


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time with up to nine fractional digits (further ones are cut).

    Raises:
        CorruptFile: the text is no such time.
    """
    found = _RFC3339.fullmatch(text)
    if not found:
        raise CorruptFile(f"not a time: {text[:60]!r}")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, zone = found.group(7) or "", found.group(8)
    try:
        # Go accepts no leap second; neither does datetime.
        at = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
    except ValueError:
        raise CorruptFile(f"not a time: {text[:60]!r}") from None
    since = at - _EPOCH
    seconds = since.days * 86400 + since.seconds
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        # A zone can push a time out of the years that RFC 3339 has.
        raise CorruptFile(f"not a time in the years 1 to 9999: {text[:60]!r}")
    return seconds * SECOND_NS + int(fraction[:9].ljust(9, "0") or 0)


def _zone(text: str) -> timezone:
    if text in ("Z", "z"):
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    shift = timedelta(hours=hours, minutes=minutes)
    return timezone(-shift if text[0] == "-" else shift)


def told_time(ns: int | None) -> int | None:
    """A record's time, as far as it tells one: Go's zero time, and one out of the years 1 to 9999, is none."""
    return ns if ns is not None and ZERO_TIME_NS < ns < _END_NS else None


def format_time(ns: int) -> str:
    """RFC 3339 in UTC, fraction only as long as needed: `2026-11-21T07:00:00.5Z`."""
    seconds, rest = divmod(ns, SECOND_NS)
    day, second = divmod(seconds, 86400)
    minute, second = divmod(second, 60)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{_date(day)}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}{fraction}Z"


@lru_cache(maxsize=64)
def _date(day: int) -> str:
    """The date of a day since 1970; records of a store are of few days."""
    return f"{_EPOCH + timedelta(days=day):%Y-%m-%d}".rjust(10, "0")


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration: `1h30m`, `-1.5h`, `300ms`, `0`.

    Raises:
        CorruptFile: the text is no duration.
    """
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = 0
    at = 0
    while at < len(rest):
        part = _DURATION_PART.match(rest, at)
        if not part or not (part.group(1) or part.group(2)) or part.end() - at > _MAX_PART:
            raise CorruptFile(f"not a duration: {text[:60]!r}")
        unit = _UNITS_NS[part.group(3)]
        total += int(part.group(1) or 0) * unit
        if part.group(2):
            total += int(part.group(2)) * unit // 10 ** len(part.group(2))
        at = part.end()
    if not rest:
        raise CorruptFile("an empty duration")
    if total > _MAX_DURATION_NS + (sign < 0):
        raise CorruptFile(f"a duration longer than Go's longest: {text[:60]!r}")
    return sign * total
