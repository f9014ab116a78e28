"""README's answers are what the program says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.docs import TOP, answer, answers

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = answers((TOP / "README.md").read_text())


def without_sizes(text: str) -> str:
    """A text without what depends on the file system: sizes, shares, bars, and the columns that they push."""
    text = re.sub(r"\b\d+(\.\d+)? (B|KiB|MiB|GiB)|\b\d+(\.\d+)?%|[█▏▎▍▌▋▊▉]+", "#", text)
    return re.sub(r"[ …]+", " ", text)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command[9:40] for command, _ in SHOWN])
def test_an_answer_in_readme_is_what_the_program_says(bundled: Callable[[str], Path], command: str, shown: str) -> None:
    """Each command of README is run on its bundled store."""
    [prefix] = {word[:3] for word in command.split() if word.endswith("/root")}
    said = answer(command, bundled(prefix).parent)

    # Lines that a terminal cuts are cut elsewhere where sizes have other lengths.
    assert [line[:40] for line in without_sizes(shown).splitlines()] == [
        line[:40] for line in without_sizes(said).splitlines()
    ]
