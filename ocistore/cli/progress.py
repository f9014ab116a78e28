"""Progress on standard error: only on a terminal, and only after half a second."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tqdm import tqdm

DELAY_S = 0.5


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int, int], None] | None]:
    """Gives a function that takes (done, all of it); None off a terminal.

    Args:
        what: what is going on, one or two words.
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield None
        return
    bar: tqdm[Any] | None = None
    start = time.monotonic()

    def show(done: int, whole: int) -> None:
        nonlocal bar
        if bar is None:
            if time.monotonic() - start < DELAY_S:
                return
            # Imported here: most answers are there before anybody needs a bar.
            from tqdm import tqdm

            # Its monitor is a thread, and the next walk could not fork beside one.
            tqdm.monitor_interval = 0
            bar = tqdm(desc=what, total=whole, unit=f" {unit}", unit_scale=True, leave=False, file=sys.stderr)
        bar.total = whole
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
