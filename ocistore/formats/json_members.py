"""JSON objects with every member that is written, for readers that must hold what any other reader sees.

A document with a key twice is read differently by different programs: Go's decoder takes the last one and matches
keys without regard to case, others take the first, or refuse.  Source: oci-layout 1, last paragraph.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ocistore.errors import CorruptFile
from ocistore.formats import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 32
"""Levels of objects and arrays that walks go down (oci-layout 8, rule 2)."""


class Members:
    """An object: its members in the order they are written, with all repetitions.

    Attributes:
        pairs: (key, value) of each.
    """

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs
        self._by_name: dict[str, list[Any]] | None = None

    def all(self, name: str) -> list[Any]:
        """The value of every member of this name in any letter case, in order; `null` counts as absent."""
        if self._by_name is None:
            self._by_name = {}
            for key, value in self.pairs:
                if value is not None:
                    self._by_name.setdefault(key.casefold(), []).append(value)
        return self._by_name.get(name.casefold(), [])

    def last(self, name: str) -> Any:  # noqa: ANN401 - JSON is any value
        """What Go's decoder takes: the last member of this name in any letter case, None without any."""
        found = self.all(name)
        return found[-1] if found else None

    def repeated(self) -> str | None:
        """A key that stands here twice, None if none does."""
        seen: set[str] = set()
        for key, _ in self.pairs:
            if key in seen:
                return key
            seen.add(key)
        return None


def parse_members(data: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    """The value of a JSON document whose objects are `Members`.

    Raises:
        CorruptFile: as `strict_json.parse`.
    """
    # Judged by the one strict parser first; this second look only keeps what a dict loses.
    strict_json.parse(data, duplicates=[])
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text, object_pairs_hook=Members)
    except (ValueError, RecursionError) as err:
        raise CorruptFile(f"not JSON that a store may hold ({str(err)[:80]})") from None


def objects_in(value: Any, max_depth: int = MAX_DEPTH) -> Iterator[Members]:  # noqa: ANN401 - JSON is any value
    """Every object at any depth up to `max_depth`."""
    for item in _values(value, max_depth):
        if isinstance(item, Members):
            yield item


def strings_in(value: Any, max_depth: int = MAX_DEPTH) -> Iterator[str]:  # noqa: ANN401 - JSON is any value
    """Every string value at any depth up to `max_depth`; keys are none."""
    for item in _values(value, max_depth):
        if isinstance(item, str):
            yield item


def _values(value: Any, max_depth: int) -> Iterator[Any]:  # noqa: ANN401 - JSON is any value
    level = [value]
    for _ in range(max_depth + 1):
        below: list[Any] = []
        for item in level:
            yield item
            if isinstance(item, Members):
                below.extend(inner for _, inner in item.pairs)
            elif isinstance(item, list):
                below.extend(item)
        level = below
