"""JSON objects with every member that is written, for readers that must hold what any other reader sees.

A document with a key twice is read differently by different programs: Go's decoder takes the last one and matches
keys without regard to case, others take the first, or refuse.  Source: oci-layout 1, last paragraph.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ocistore.errors import CorruptFile
from ocistore.formats import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 32
"""Levels of objects and arrays that walks go down (oci-layout 8, rule 2)."""


class Members(NamedTuple):
    """An object: its members in the order they are written, with all repetitions."""

    pairs: tuple[tuple[str, Any], ...]

    def all(self, name: str) -> list[Any]:
        """The value of every member of this name in any letter case, in order; `null` counts as absent."""
        folded = name.casefold()
        return [value for key, value in self.pairs if value is not None and _same(key, name, folded)]

    def last(self, name: str) -> Any:  # noqa: ANN401 - JSON is any value
        """What Go's decoder takes: the last member of this name in any letter case, None without any."""
        found = self.all(name)
        return found[-1] if found else None

    def exact(self, name: str) -> list[Any]:
        """The value of every member of exactly this name (keys of maps, as annotations are, don't fold)."""
        return [value for key, value in self.pairs if key == name]

    def repeated(self) -> str | None:
        """A key that stands here twice, None if none does."""
        keys = [key for key, _ in self.pairs]
        if len(set(keys)) == len(keys):
            return None
        return next(key for at, key in enumerate(keys) if key in keys[:at])


def _same(key: str, name: str, folded: str) -> bool:
    return key == name or (len(key) == len(name) and key.casefold() == folded)


def parse_members(data: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    """The value of a JSON document whose objects are `Members`.

    Raises:
        CorruptFile: as `strict_json.parse`.
    """
    # Judged by the one strict parser first; this second look only keeps what a dict loses.
    strict_json.parse(data, duplicates=[])
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: Members(tuple(pairs)))
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
