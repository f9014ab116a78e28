"""Times at the ends of the calendar."""

from __future__ import annotations

import pytest

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import format_time, parse_time


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"])
def test_the_first_and_the_last_time_are_read_and_written(text: str) -> None:
    """Both ends of what RFC 3339 can say survive."""
    assert format_time(parse_time(text)) == text


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_zone_that_leads_out_of_the_calendar_is_refused(text: str) -> None:
    """In UTC such a time has no year of four digits."""
    with pytest.raises(CorruptFile) as caught:
        parse_time(text)

    assert caught.value.sentence == f"not a time in the years 1 to 9999: {text!r}"
