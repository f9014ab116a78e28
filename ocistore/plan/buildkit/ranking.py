"""The order in which a prune with a size limit takes records (docker-buildkit-containerd 3.8, order in gcMode).

BuildKit sorts all candidates anew before it takes each one.  Both counters of that order depend only on which last
uses and which usage counts occur among the candidates, so they are kept, and the first of the order is found among the
oldest of each usage count.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ocistore.plan.buildkit.world import Live

STABLE = 12
"""Elements up to which Go's sort keeps the order of equal ones (insertion sort)."""
_NEVER = -(1 << 80)


class First(NamedTuple):
    """What goes next.

    Attributes:
        live: the first by BuildKit's rule, among equals the one with the smallest id.
        rivals: others that BuildKit could as well take first, as it leaves the order of equals undefined.
    """

    live: Live
    rivals: list[Live]


class Ranking:
    """Candidates of a prune.

    Attributes:
        from_one: whether the counters begin at one (since BuildKit 0.22).
    """

    def __init__(self, *, from_one: bool) -> None:
        self._base = 1 if from_one else 0
        self._count = 0
        # usage count -> last use -> candidates; a heap of the last uses of each; which occur at all.
        self._classes: dict[int, dict[int, dict[str, Live]]] = {}
        self._oldest: dict[int, list[int]] = {}
        self._usages: list[int] = []
        self._times: list[int] = []
        self._occurs: Counter[int] = Counter()

    def __len__(self) -> int:
        return self._count

    def add(self, live: Live) -> None:
        """A candidate; its last use and its usage count don't change while it is one."""
        used = _NEVER if live.used_ns is None else live.used_ns
        times = self._classes.get(live.usage)
        if times is None:
            times = self._classes[live.usage] = {}
            self._oldest[live.usage] = []
            insort(self._usages, live.usage)
        if used not in times:
            times[used] = {}
            heappush(self._oldest[live.usage], used)
        times[used][live.id] = live
        if used != _NEVER and not self._occurs[used]:
            insort(self._times, used)
        self._occurs[used] += 1
        self._count += 1

    def remove(self, live: Live) -> None:
        """Takes a candidate out."""
        used = _NEVER if live.used_ns is None else live.used_ns
        times = self._classes[live.usage]
        del times[used][live.id]
        self._count -= 1
        if not times[used]:
            # The emptied time is the first of its heap, or waits there until it is.
            del times[used]
        heap = self._oldest[live.usage]
        while heap and heap[0] not in times:
            heappop(heap)
        if not times:
            del self._classes[live.usage], self._oldest[live.usage]
            self._usages.remove(live.usage)
        self._occurs[used] -= 1
        if not self._occurs[used]:
            del self._occurs[used]
            if used != _NEVER:
                del self._times[bisect_left(self._times, used)]

    def first(self) -> First:
        """The candidate that goes next."""
        equals = self._equals()
        # Among equals the sort by usage count stands, and below it the one by last use (Go keeps both up to 12).
        usage, used = min(equals)
        defined = self._classes[usage][used]
        if self._count <= STABLE:
            tied = list(defined.values())
        else:
            tied = [live for u, t in equals for live in self._classes[u][t].values()]
        chosen = min(defined)
        return First(defined[chosen], [live for live in tied if live.id != chosen])

    def _equals(self) -> list[tuple[int, int]]:
        """(usage count, last use) of the candidates that come first."""
        all_times = self._base + len(self._times)
        shift = self._base + (0 if self._usages[0] == 0 else 1)
        all_usages = shift + len(self._usages) - 1
        if not all_times or not all_usages:
            # A counter that stays 0 makes every sum not a number, and nothing is before anything (before 0.22).
            return [(usage, used) for usage, times in self._classes.items() for used in times]
        best, equals = math.inf, []
        oldest: int | None = None
        for place, usage in enumerate(self._usages):
            if (shift + place) / all_usages > best:
                break
            used = self._oldest[usage][0]
            # Not used less, and not older: it comes after one that was looked at.
            if oldest is not None and used >= oldest:
                continue
            oldest = used
            rank = self._base if used == _NEVER else self._base + 1 + bisect_left(self._times, used)
            score = rank / all_times + (shift + place) / all_usages
            if score < best:
                best, equals = score, [(usage, used)]
            elif score == best:
                equals.append((usage, used))
        return equals
