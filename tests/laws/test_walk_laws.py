"""Laws of walks on random trees."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.disk import pair, walker
from ocistore.disk.walk import walk
from tests.strategies import NAMES, grow, plants

if TYPE_CHECKING:
    from ocistore.disk.walk import Walked
    from tests.strategies import Plant


NOTES = frozenset(NAMES[:2])


def answer(result: Walked) -> tuple[object, ...]:
    """All that a walk says, in an order of its own."""
    links = {inode: (record[:3], sorted(record[3:])) for inode, record in result.links.items()}
    return result.allocated, result.apparent, result.inodes, links, sorted(result.problems), result.noted


@settings(derandomize=True, deadline=None, max_examples=60)
@given(plants(), st.lists(st.integers(0, 40), max_size=6))
def test_two_processes_say_what_one_says(things: list[Plant], numbers: list[int]) -> None:
    """Handing work to and fro after every directory changes nothing."""
    with tempfile.TemporaryDirectory() as directory:
        top = os.path.join(directory, "t")
        paths = ["", *grow(top, things)]
        claims = list(dict.fromkeys(paths[n % len(paths)] for n in numbers))
        descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            one = walk(descriptor, claims, processes=1, notes=NOTES)
            with patch.object(pair, "ENOUGH", 0), patch.object(walker, "POLL", 1):
                two = walk(descriptor, claims, processes=2, notes=NOTES)
            whole = walk(descriptor, [*claims, *(() if "" in claims else ("",))], processes=1, notes=NOTES)
        finally:
            os.close(descriptor)
        there = {path for path in paths if path.rpartition("/")[2] in NOTES and is_directory(os.path.join(top, path))}

    assert answer(one) == answer(two)
    assert there == whole.noted


def is_directory(path: str) -> bool:
    """Whether it is one itself, not through a link."""
    return os.path.isdir(path) and not os.path.islink(path)
