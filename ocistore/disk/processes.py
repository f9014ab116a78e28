"""Second processes: whether one may be started, and how it ends."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def may_fork() -> bool:
    """Whether a second process is of use and harmless: two CPUs, and no other thread in this one."""
    threading = sys.modules.get("threading")
    return len(os.sched_getaffinity(0)) > 1 and (threading is None or threading.active_count() == 1)


def start(work: Callable[[], None]) -> int:
    """The number of a new process, which does `work` and ends; nothing else of this one runs in it.

    It ends with status 1 if `work` fails, and says nothing: its parent sees that it gave nothing.

    Raises:
        OSError: the system allows no further process.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            status = 1
        finally:
            os._exit(status)
    return child
