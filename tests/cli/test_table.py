"""Sizes, shares and tables for people."""

from __future__ import annotations

import pytest

from ocistore.cli.table import age, bar, counted, escape, percent, size, table

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (12_897_485, "12.3 MiB"),
        (5 * 1024 * MIB, "5.0 GiB"),
        (-2048, "-2.0 KiB"),
        (1 << 70, "1024.0 EiB"),
    ],
)
def test_size(count: int, text: str) -> None:
    """A size has one digit after the point and is never 0 unless it is."""
    assert text == size(count)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 9, "0%"), (9, 9, "100%"), (1, 10**9, "<0.1%"), (10**9 - 1, 10**9, ">99.9%"), (1, 3, "33.3%"), (0, 0, "0%")],
)
def test_percent(part: int, whole: int, text: str) -> None:
    """Only nothing is 0%, only the whole is 100%."""
    assert text == percent(part, whole)


@pytest.mark.parametrize(("part", "length"), [(0, 0), (1, 1), (500, 10), (999, 19), (1000, 20)])
def test_bar(part: int, length: int) -> None:
    """A bar is empty only for nothing and full only for the whole."""
    assert length == len(bar(part, 1000, 20))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00fc", "plain \u00fc"),
        ("a\x1b[31mb\n", "a\\x1b[31mb\\x0a"),
        ("\udce9", "\\xe9"),
        ("\u202egnp", "\\u202egnp"),
        ("\x9b", "\\x9b"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    """Control characters, direction marks and raw bytes become visible."""
    assert shown == escape(text)


def test_table_shrinks_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are cut in the order that is asked for, none below its share, and numbers stay whole."""
    monkeypatch.setenv("COLUMNS", "40")
    lines = table(("NAME", "WHY", "SIZE"), [("n" * 30, "w" * 30, "1.0 MiB")], right=("SIZE",), shrink=("WHY", "NAME"))

    assert max(len(line) for line in lines) <= 40
    assert lines[1].endswith("1.0 MiB")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172_800, "2d"), (63_072_000, "2y"), (-5, "future")],
)
def test_age(seconds: int, text: str) -> None:
    """An age has the unit that matters."""
    assert text == age(0, seconds * 1_000_000_000)


def test_unknown_age() -> None:
    """Without a time there is no age."""
    assert age(None, 0) == "-"


@pytest.mark.parametrize(("number", "text"), [(1, "1 entry"), (2, "2 entries"), (1000, "1,000 entries")])
def test_counted(number: int, text: str) -> None:
    """Numbers and nouns agree."""
    assert text == counted(number, "entry")
