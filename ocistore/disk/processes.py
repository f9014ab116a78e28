"""Whether work may be shared with a second process."""

from __future__ import annotations

import os
import sys


def may_fork() -> bool:
    """Whether a second process is of use and harmless: two CPUs, and no other thread in this one."""
    threading = sys.modules.get("threading")
    return len(os.sched_getaffinity(0)) > 1 and (threading is None or threading.active_count() == 1)
