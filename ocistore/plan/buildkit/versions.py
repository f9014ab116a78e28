"""Versions of BuildKit, as far as rules depend on them, and which one a version of Docker has in it."""

from __future__ import annotations

import re

from ocistore.errors import UsageError

Version = tuple[int, int, int]

_VERSION = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(?:[-+~.].*)?", re.ASCII)

NEWEST: Version = (0, 32, 2)
"""The newest released version whose rules docker-buildkit-containerd Part 3 states."""
STAMPS: Version = (0, 10, 0)
"""From here on the last child's removal counts as a use of the parent (3.8, step 7)."""
DESCRIPTIONS: Version = (0, 14, 0)
"""From here on a prune's filters see the description; before, it is absent (moby/buildkit pull request 4877)."""
SPACES: Version = (0, 17, 0)
"""From here on a rule has three sizes instead of one (3.8, step 4)."""
HISTORY_COLLECTS: Version = (0, 18, 0)
"""From here on removing builds collects their content (5.7)."""
COUNTERS_FROM_ONE: Version = (0, 22, 0)
"""From here on the counters of the order begin at one (3.8, order in gcMode)."""
THREE_FILTERS: Version = (0, 31, 0)
"""From here on the first rule of the default policy has three filters (3.9)."""

_IN_DOCKER: tuple[tuple[tuple[int, int], Version], ...] = (
    ((29, 6), (0, 31, 0)),
    ((29, 0), (0, 26, 0)),
    ((28, 5), (0, 25, 0)),
    ((28, 3), (0, 23, 0)),
    ((28, 2), (0, 22, 0)),
    ((28, 1), (0, 21, 0)),
    ((28, 0), (0, 20, 0)),
    ((27, 4), (0, 17, 0)),
    ((27, 0), (0, 14, 0)),
    ((26, 0), (0, 13, 0)),
    ((25, 0), (0, 12, 0)),
    ((24, 0), (0, 11, 0)),
    ((23, 0), (0, 10, 0)),
    ((0, 0), (0, 8, 0)),
)


def read_version(text: str | None) -> Version:
    """A version of buildkitd: `text`, or the newest one without it.

    Raises:
        UsageError: the text is no version.
    """
    if text is None:
        return NEWEST
    found = _VERSION.fullmatch(text)
    if not found:
        raise UsageError(f"{text!r} is no version of buildkitd, such as {'.'.join(map(str, NEWEST))}")
    major, minor, patch = (int(part or 0) for part in found.groups())
    return major, minor, patch


def buildkit_in_docker(version: Version) -> Version:
    """The BuildKit in a version of dockerd (docker-buildkit-containerd 3.8, 3.9, 7.3); its rules, not its patches."""
    for since, buildkit in _IN_DOCKER:
        if version[:2] >= since:
            return buildkit
    return _IN_DOCKER[-1][1]
