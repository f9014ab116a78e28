"""Fields of parsed JSON with the types that Go's decoder would insist on; null and absent are the zero value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import ZERO_TIME_NS, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping


def text(entry: Mapping[str, Any], key: str) -> str:
    """A text."""
    value = entry.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise CorruptFile(f"{key} is no text")
    return value


def texts(entry: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts."""
    value = entry.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CorruptFile(f"{key} is no list of texts")
    return value


def number(entry: Mapping[str, Any], key: str) -> int:
    """A whole number."""
    value = entry.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise CorruptFile(f"{key} is no whole number")
    return value


def mapping(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object."""
    value = entry.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CorruptFile(f"{key} is no object")
    return value


def numbers(entry: Mapping[str, Any], key: str) -> Mapping[str, int]:
    """An object of whole numbers."""
    value = mapping(entry, key)
    if not all(isinstance(item, int) for item in value.values()):
        raise CorruptFile(f"{key} has a value that is no number")
    return value


def strings(entry: Mapping[str, Any], key: str) -> Mapping[str, str]:
    """An object of texts."""
    value = mapping(entry, key)
    if not all(isinstance(item, str) for item in value.values()):
        raise CorruptFile(f"{key} has a value that is no text")
    return value


def time(entry: Mapping[str, Any], key: str) -> int:
    """Nanoseconds since 1970 of a time; Go's zero time where there is none."""
    value = entry.get(key)
    if value is None:
        return ZERO_TIME_NS
    if not isinstance(value, str):
        raise CorruptFile(f"{key} is no time")
    return parse_time(value)


def objects(entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of objects."""
    value = entry.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise CorruptFile(f"{key} is no list of objects")
    return value
