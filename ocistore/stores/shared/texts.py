"""Texts of records, equal ones as one string: ids stand in many records, and in those of several databases."""

from __future__ import annotations

_known: dict[str, str] = {}


def one_of(text: str) -> str:
    """The first string with this text."""
    return _known.setdefault(text, text)


def text_of(value: bytes | None) -> str:
    """Bytes of a key or value as text, none lost; empty for None."""
    return one_of(plain(value)) if value else ""


def plain(value: bytes) -> str:
    """As `text_of`, of what hardly ever comes twice."""
    return value.decode("utf-8", "surrogateescape")


def forget() -> None:
    """A store is read: its records have the strings, and the list of them would be a tenth of what they weigh."""
    _known.clear()
