"""Progress on standard error."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from ocistore.cli import progress as module
from ocistore.cli.progress import progress

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Always."""
        return True


def test_a_bar_is_drawn_on_a_terminal_when_work_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on and how far it is stands on standard error, and is wiped in the end."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "DELAY_S", 0.0)
    with progress("sizes", "directories") as more:
        assert more is not None
        more(1, 4)
        more(2, 4)

    drawn = terminal.getvalue()

    assert ("sizes" in drawn, "/4.00" in drawn, drawn.endswith("\r")) == (True, True, True)


def test_nothing_is_drawn_off_a_terminal() -> None:
    """In a pipe there is no function to call."""
    with progress("sizes", "directories") as more:
        assert more is None


def test_nothing_is_drawn_when_work_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is there within half a second draws no bar."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("sizes", "directories") as more:
        assert more is not None
        more(1, 4)

    assert terminal.getvalue() == ""
