"""Go's times and durations as text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import SECOND_NS, ZERO_TIME_NS, format_time, parse_duration, parse_time

HOUR_NS = 3600 * SECOND_NS
TEXTS = st.text(st.sampled_from("0123456789.,:-+TZzhmsuµn ٣e"), max_size=40) | st.text(max_size=20)


@given(st.integers(ZERO_TIME_NS, 253402300799 * SECOND_NS))
def test_a_time_that_is_written_is_read(ns: int) -> None:
    """To the nanosecond, from year 1 to year 9999."""
    assert ns == parse_time(format_time(ns))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5Z", SECOND_NS // 2),
        ("1970-01-01T00:00:01.000000001Z", SECOND_NS + 1),
        ("1970-01-01T00:00:00.1234567899Z", 123456789),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T18:30:00-05:30", 0),
        ("1969-12-31T23:59:59.75Z", -SECOND_NS // 4),
        ("0001-01-01T00:00:00Z", ZERO_TIME_NS),
    ],
)
def test_a_time_counts_nanoseconds_since_1970(text: str, ns: int) -> None:
    """In any zone, before and after, digits after the ninth cut off."""
    assert ns == parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-11-21T07:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00Z\0",
        "٢٠٢٦-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_told(text: str) -> None:
    """Dates alone, months and hours that don't exist, leap seconds, foreign digits."""
    with pytest.raises(CorruptFile, match="not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (120_000_000, "1970-01-01T00:00:00.12Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (ZERO_TIME_NS, "0001-01-01T00:00:00Z"),
    ],
)
def test_a_fraction_is_only_as_long_as_needed(ns: int, text: str) -> None:
    """As Go prints it; years have four digits."""
    assert text == format_time(ns)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("+0", 0),
        ("24h", 24 * HOUR_NS),
        ("1h30m", HOUR_NS + HOUR_NS // 2),
        ("-1.5h", -HOUR_NS - HOUR_NS // 2),
        (".5s", SECOND_NS // 2),
        ("1.s", SECOND_NS),
        ("300ms", 300_000_000),
        ("2us", 2_000),
        ("2µs", 2_000),
        ("2μs", 2_000),
        ("1ns1us1ms", 1_001_001),
        ("1h1h", 2 * HOUR_NS),
        ("9223372036854775807ns", (1 << 63) - 1),
        ("-9223372036854775808ns", -(1 << 63)),
    ],
)
def test_a_duration_is_a_sum_of_units(text: str, ns: int) -> None:
    """Signs, fractions, both spellings of a microsecond, up to 64 bits."""
    assert ns == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    ["", "-", "+", "1", "h", ".h", "1d", "1 h", "1h ", "--1h", "1e3s", "٣h", "9223372036854775808ns", "9" * 5000 + "h"],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_duration_is_told(text: str) -> None:
    """No unit, no number, units that Go hasn't, too long for it."""
    with pytest.raises(CorruptFile):
        parse_duration(text)


@given(TEXTS)
def test_random_text_only_ever_raises_one_error(text: str) -> None:
    """It is a time, a duration, or CorruptFile is raised."""
    with contextlib.suppress(CorruptFile):
        parse_time(text)
    with contextlib.suppress(CorruptFile):
        parse_duration(text)
