"""Go's path patterns, and the times that filters take."""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.errors import CorruptFile
from ocistore.formats.goglob import match_path, parse_filter_time
from ocistore.formats.gotime import SECOND_NS, parse_time

NOW = parse_time("2026-11-21T07:00:00.7Z")


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", ""),
        ("abc", "abc"),
        ("*", ""),
        ("*", "abc"),
        ("a*c", "abbc"),
        ("a*/b", "a/b"),
        ("localhost/*", "localhost/web:1"),
        ("*/*:1", "localhost/web:1"),
        ("a?c", "abc"),
        ("[abc]", "b"),
        ("[a-c]x", "bx"),
        ("[^a]", "b"),
        ("[^a]", "/"),
        ("[a\\]]", "]"),
        ("\\*", "*"),
        ("[\\-x]", "-"),
        ("a*b*c", "axbxbc"),
        ("*\n*", "a\nb"),
    ],
)
def test_a_name_matches(pattern: str, name: str) -> None:
    """Stars, question marks, classes, escapes."""
    assert match_path(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", "a"),
        ("*", "a/b"),
        ("a?c", "a/c"),
        ("a*", "ba"),
        ("*a", "ab"),
        ("[abc]", "d"),
        ("[c-a]", "b"),
        ("[^a-c]", "b"),
        ("a", "A"),
        ("a", "a\n"),
        # Go takes the first place that fits, and never comes back.
        ("*[^x]*b", "ay/zb"),
    ],
)
def test_a_name_does_not_match(pattern: str, name: str) -> None:
    """Nothing crosses a slash, and case counts."""
    assert not match_path(pattern, name)


@pytest.mark.parametrize("pattern", ["[", "[a", "[]", "[^]", "[]a]", "[a-]", "[-a]", "a\\", "[a\\", "x[-]", "*["])
def test_a_malformed_pattern_is_told(pattern: str) -> None:
    """As Go's ErrBadPattern, whatever the name is."""
    with pytest.raises(CorruptFile, match="malformed pattern"):
        match_path(pattern, "x")


def go_match(pattern: str, name: str) -> bool:
    """The same, letter by letter, of patterns of letters, `*` and `?`: each star takes as little as it can."""
    chunks = pattern.split("*")
    if not fits(chunks[0], name):
        return False
    name = name[len(chunks[0]) :]
    for number, chunk in enumerate(chunks[1:], 1):
        last = number == len(chunks) - 1
        reach = name.partition("/")[0]
        places = [at for at in range(len(reach) + 1) if fits(chunk, name[at:])]
        places = [at for at in places if not last or at + len(chunk) == len(name)]
        if not places:
            return False
        name = name[places[0] + len(chunk) :]
    return not name


def fits(chunk: str, name: str) -> bool:
    """Whether a pattern without stars fits the beginning of a name."""
    return len(chunk) <= len(name) and all(
        want == got or (want == "?" and got != "/") for want, got in zip(chunk, name, strict=False)
    )


@given(st.text(st.sampled_from("ab/*?"), max_size=8), st.text(st.sampled_from("ab/"), max_size=8))
@settings(max_examples=500)
def test_stars_and_question_marks_match_as_in_go(pattern: str, name: str) -> None:
    """Against the slow and obvious way."""
    assert go_match(pattern, name) == match_path(pattern, name)


@given(st.text(st.sampled_from("ab/*?[]^-\\"), max_size=12), st.text(max_size=12))
def test_random_patterns_only_ever_raise_one_error(pattern: str, name: str) -> None:
    """They match, or not, or CorruptFile is raised."""
    with contextlib.suppress(CorruptFile):
        match_path(pattern, name)


def test_many_stars_take_no_time() -> None:
    """A pattern that would try every way to share out the letters."""
    start = time.process_time()

    assert not match_path("*a" * 40 + "b", "a" * 3000)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("24h", "2026-11-20T07:00:00Z"),
        ("0s", "2026-11-21T07:00:00Z"),
        ("300ms", "2026-11-21T07:00:00Z"),
        ("-1h", "2026-11-21T08:00:00Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T05", "2026-11-21T05:00:00Z"),
        ("2026-11-21T05:06", "2026-11-21T05:06:00Z"),
        ("2026-11-21T05:06:07", "2026-11-21T05:06:07Z"),
        ("2026-11-21T05:06:07.25", "2026-11-21T05:06:07.25Z"),
        ("2026-11-21T05:06:07+02:00", "2026-11-21T03:06:07Z"),
        ("0500-01-01", "0500-01-01T00:00:00Z"),
        ("2026-11-21Z", "2026-11-21T00:00:00Z"),
        ("1795244400", "2026-11-21T07:00:00Z"),
        ("1795244400.5", "2026-11-21T07:00:00.5Z"),
    ],
)
def test_a_filter_takes_ages_dates_and_seconds(text: str, time: str) -> None:
    """An age is cut to whole seconds; a time without a zone is UTC."""
    assert parse_time(time) == parse_filter_time(text, NOW)


def test_a_time_without_a_zone_is_of_the_zone_that_is_given() -> None:
    """As podman takes TZ."""
    zone = timezone(timedelta(hours=2))

    assert parse_time("2026-11-20T22:00:00Z") == parse_filter_time("2026-11-21", NOW, zone)
    assert parse_time("2026-11-21T00:00:00Z") == parse_filter_time("2026-11-21Z", NOW, zone)


@pytest.mark.parametrize(
    "text", ["", "x", "2026-13-01", "2026-11-21T25", "21.11.2026", "9" * 5000, "0001-01-01T00-99:99"]
)
def test_what_is_no_filter_time_is_told(text: str) -> None:
    """Each is no age, no date, no second."""
    with pytest.raises(CorruptFile):
        parse_filter_time(text, NOW)


@pytest.mark.parametrize(("text", "hours"), [("0001-01-01", 14), ("9999-12-31T23", -14)])
def test_a_zone_that_leads_out_of_the_calendar_is_told(text: str, hours: int) -> None:
    """In UTC such a time has no year of four digits."""
    with pytest.raises(CorruptFile, match="outside the years 1 to 9999"):
        parse_filter_time(text, NOW, timezone(timedelta(hours=hours)))


@given(st.text(st.sampled_from("0123456789.:-+TZhms ٣"), max_size=30), st.integers(-14, 14))
def test_random_filter_times_only_ever_raise_one_error(text: str, hours: int) -> None:
    """They are a time, or CorruptFile is raised."""
    with contextlib.suppress(CorruptFile):
        assert isinstance(parse_filter_time(text, NOW, timezone(timedelta(hours=hours))), int)


def test_an_age_is_taken_from_now() -> None:
    """Now is an argument."""
    assert 60 * SECOND_NS == parse_filter_time("1m", 120 * SECOND_NS)
