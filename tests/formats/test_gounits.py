"""Sizes as Docker's command lines take them."""

from __future__ import annotations

import pytest

from ocistore.errors import CorruptFile
from ocistore.formats.gounits import parse_human, parse_ram


@pytest.mark.parametrize(
    ("text", "ram", "human"),
    [
        ("512", 512, 512),
        ("60kB", 61440, 60000),
        ("60KiB", 61440, 60000),
        ("1.5g", 1610612736, 1500000000),
        ("2 MB", 2097152, 2000000),
        ("0b", 0, 0),
        (".5k", 512, 500),
    ],
)
def test_sizes(text: str, ram: int, human: int) -> None:
    """Binary for memory and caches, decimal for disks."""
    assert (ram, human) == (parse_ram(text), parse_human(text))


@pytest.mark.parametrize("text", ["", "x", "-1", "1xb", "1kbb", "1 000", "1e3", "kB", "1" * 60])
def test_what_is_no_size_is_an_error(text: str) -> None:
    """As go-units refuses them."""
    with pytest.raises(CorruptFile):
        parse_ram(text)
