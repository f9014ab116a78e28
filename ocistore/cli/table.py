"""Text for people: sizes, tables, colours; nothing from a store reaches a terminal unescaped."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHORT_ID = 12
WIDE = 10_000
"""The width of what is no terminal: nothing is cut there."""
_NARROWEST = 8
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_HEX_ID = re.compile(r"(sha256:)?([0-9a-f]{64})")
_UNSAFE = re.compile(
    # Control characters, what turns the direction of text or hides in it, and bytes that are no UTF-8.
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def escape(text: str) -> str:
    """The text with control characters, direction marks and raw bytes made visible."""
    return _UNSAFE.sub(lambda found: _visible(ord(found[0])), text)


def _visible(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def size(count: int) -> str:
    """Bytes for a person, in binary units: `12.3 MiB`; never 0 for what is not 0."""
    if abs(count) < 1024:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        if abs(value) < 1023.95 or unit == _UNITS[-1]:
            return f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError


def maybe_size(count: int | None) -> str:
    """A size, or `?` where it can't be said."""
    return "?" if count is None else size(count)


def percent(part: int, whole: int) -> str:
    """The share in percent; only nothing is 0 and only the whole is 100."""
    if not part or not whole:
        return "0%"
    if part == whole:
        return "100%"
    share = 100 * part / whole
    if share < 0.1:
        return "<0.1%"
    return ">99.9%" if share > 99.9 else f"{share:.1f}%"


def bar(part: int, whole: int, length: int) -> str:
    """A bar of at most `length` characters; something shows unless there is nothing."""
    if not part or not whole:
        return ""
    mark = "#" if not unicode() else "\u2588"
    return mark * min(max(1, round(length * part / whole)), length if part == whole else max(1, length - 1))


def unicode() -> bool:
    """Whether standard output takes more than ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def width() -> int:
    """Columns that may be used: the terminal's, COLUMNS where it is set, else as many as are needed."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return max(40, shutil.get_terminal_size((80, 24)).columns)
    return WIDE


def short(ident: str) -> str:
    """An id for a person: twelve digits on a terminal, all of it elsewhere."""
    if width() < WIDE and (found := _HEX_ID.fullmatch(ident)):
        return (found[1] or "") + found[2][:SHORT_ID]
    return escape(ident)


def colours() -> bool:
    """Whether standard output takes colours (NO_COLOR and TERM=dumb are honoured)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str) -> str:
    """The text in a colour, where there are colours."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if text and colours() else text


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    shrink: Sequence[str] = (),
    indent: str = "",
) -> list[str]:
    """The lines of a table, as wide as its content and at most as wide as the terminal.

    Args:
        heads: one for each column; they are its names below too.
        rows: cells, escaped already.
        right: columns that are aligned to the right (numbers).
        shrink: columns that are cut where the terminal is too narrow, the first one first; others than `heads` don't
            count.
        indent: stands before each line.
    """
    body = [list(row) for row in rows]
    widths = [max([len(head), *(len(row[at]) for row in body)]) for at, head in enumerate(heads)]
    spare = width() - len(indent) - sum(widths) - 2 * (len(heads) - 1)
    for name in shrink:
        if spare >= 0:
            break
        if name not in heads:
            continue
        at = heads.index(name)
        cut = min(-spare, max(0, widths[at] - max(_NARROWEST, len(name))))
        widths[at] -= cut
        spare += cut
    lines = [paint(_line(heads, widths, heads, right, indent), "bold")]
    lines.extend(_line(row, widths, heads, right, indent) for row in body)
    return lines


def _line(cells: Sequence[str], widths: Sequence[int], heads: Sequence[str], right: Sequence[str], indent: str) -> str:
    parts = []
    for cell, room, head in zip(cells, widths, heads, strict=True):
        text = cell if len(cell) <= room else cell[: room - 1] + ("\u2026" if unicode() else "~")
        parts.append(text.rjust(room) if head in right else text.ljust(room))
    return (indent + "  ".join(parts)).rstrip()


def age(created_ns: int | None, now_ns: int) -> str:
    """How long ago, in the two digits that matter: `5m`, `3h`, `12d`, `2y`; `-` if it isn't known."""
    if created_ns is None:
        return "-"
    seconds = (now_ns - created_ns) // 1_000_000_000
    if seconds < 0:
        return "future"
    for limit, unit, divisor in ((120, "s", 1), (7200, "m", 60), (172_800, "h", 3600), (63_072_000, "d", 86_400)):
        if seconds < limit:
            return f"{seconds // divisor}{unit}"
    return f"{seconds // 31_536_000}y"


def counted(number: int, noun: str) -> str:
    """`1 node`, `2 nodes`, `3 entries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith(("ry", "cy")) else f"{number:,} {noun}s"
