"""Progress on standard error: only on a terminal, and only after half a second."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DELAY_S = 0.5


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int], None] | None]:
    """Gives a function that takes how many more of `unit` are done; None off a terminal.

    Args:
        what: what is going on, one or two words.
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield None
        return
    bar: Any = None
    start = time.monotonic()
    done = 0

    def more(count: int = 1) -> None:
        nonlocal bar, done
        done += count
        if bar is not None:
            bar.update(count)
        elif time.monotonic() - start >= DELAY_S:
            # Imported here: most answers are there before anybody needs a bar.
            from tqdm import tqdm

            bar = tqdm(desc=what, unit=f" {unit}", unit_scale=True, leave=False, file=sys.stderr, initial=done)

    try:
        yield more
    finally:
        if bar is not None:
            bar.close()
