"""Go's patterns: `path.Match` and the times of filters, as text in and values out.

Source: containers-storage 3.3 (Go's `path.Match`; `timetype.GetTimestamp`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from ocistore.errors import CorruptFile

from .gotime import SECOND_NS, parse_duration, parse_time

_PARTIAL = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_UNIX = re.compile(r"(-?\d{1,18})(?:\.(\d{1,9}))?", re.ASCII)


def match_path(pattern: str, name: str) -> bool:
    """Whether a name matches: `*` and `?` don't cross `/`, `[...]` is a class, a backslash takes the next as it is.

    As in Go, each `*` takes as little as lets what follows it up to the next `*` fit, and never more later; so no
    pattern takes long.

    Raises:
        CorruptFile: the pattern is malformed, as Go says of it.
    """
    return re.fullmatch(_translate(pattern), name, re.DOTALL) is not None


def _translate(pattern: str) -> str:
    """The regular expression of a pattern; a `*` and what follows it, but for the last, are an atomic group."""
    chunks: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            chunks.append([])
        elif char == "?":
            chunks[-1].append("[^/]")
        elif char == "[":
            text, at = _translate_class(pattern, at)
            chunks[-1].append(text)
        elif char == "\\":
            if at >= len(pattern):
                raise CorruptFile(f"malformed pattern {pattern[:60]!r}")
            chunks[-1].append(re.escape(pattern[at]))
            at += 1
        else:
            chunks[-1].append(re.escape(char))
    first, *rest = ["".join(chunk) for chunk in chunks]
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in rest[:-1] if chunk)
    return first + middle + (f"[^/]*{rest[-1]}" if rest else "")


def _translate_class(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern[at : at + 1] == "^"
    if negated:
        at += 1
    made: list[str] = []
    while at < len(pattern):
        if pattern[at] == "]" and made:
            return f"[{'^' if negated else ''}{''.join(made)}]", at + 1
        low, at = _class_char(pattern, at)
        if pattern[at : at + 1] == "-":
            high, at = _class_char(pattern, at + 1)
            # A range the wrong way round holds nothing in Go; a lone surrogate is in no name.
            made.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "\ud800")
        else:
            made.append(re.escape(low))
    raise CorruptFile(f"malformed pattern {pattern[:60]!r}")


def _class_char(pattern: str, at: int) -> tuple[str, int]:
    """A character of a class and where the next begins; `-` and `]` stand for themselves after a backslash only."""
    if at < len(pattern) and pattern[at] == "\\":
        at += 1
    elif pattern[at : at + 1] in ("-", "]"):
        raise CorruptFile(f"malformed pattern {pattern[:60]!r}")
    if at >= len(pattern):
        raise CorruptFile(f"malformed pattern {pattern[:60]!r}")
    return pattern[at], at + 1


def parse_filter_time(text: str, now_ns: int, zone: tzinfo = UTC) -> int:
    """Nanoseconds since 1970 of a filter's time: a duration before now, a time or date, or unix seconds.

    Args:
        text: `24h`, `2026-11-21T07:00:00Z`, `2026-11-21`, `1795245257`.
        now_ns: what a duration is taken from; the result is cut to whole seconds.
        zone: of a time that names none.

    Raises:
        CorruptFile: none of these.
    """
    try:
        return (now_ns - parse_duration(text)) // SECOND_NS * SECOND_NS
    except CorruptFile:
        pass
    partial = _PARTIAL.fullmatch(text)
    if partial:
        return _partial_time(partial, text, zone)
    unix = _UNIX.fullmatch(text)
    if unix:
        return int(unix.group(1)) * SECOND_NS + int((unix.group(2) or "0").ljust(9, "0"))
    raise CorruptFile(f"{text[:60]!r} is no time that a filter takes")


def _partial_time(partial: re.Match[str], text: str, zone: tzinfo) -> int:
    date, hour, minute, second, fraction, offset = partial.groups()
    whole = f"{date}T{hour or '00'}:{minute or '00'}:{second or '00'}"
    if offset:
        return parse_time(f"{whole}{fraction or ''}{offset}")
    try:
        at = datetime.fromisoformat(whole).replace(tzinfo=zone)
    except ValueError:
        raise CorruptFile(f"{text[:60]!r} is no time that a filter takes") from None
    try:
        utc = at.astimezone(UTC)
    except OverflowError:
        raise CorruptFile(f"{text[:60]!r} is outside the years 1 to 9999 in UTC") from None
    return parse_time(f"{utc:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction or ''}Z")
