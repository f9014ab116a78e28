"""Versions of dockerd, and which rules hold in them (docker-buildkit-containerd 7.3 and Part 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocistore.errors import UsageError

Version = tuple[int, int, int]
NEWEST: Version = (29, 7, 2)
"""The newest dockerd whose rules are known."""
OLDEST: Version = (20, 10, 0)
"""The first whose rules are known."""
_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?.*")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a version of dockerd and of the command line that was released with it."""

    version: Version

    @property
    def volumes_by_label(self) -> bool:
        """`volume prune` takes anonymous volumes only, and has `-a` (23.0; 5.5)."""
        return self.version >= (23, 0, 0)

    @property
    def strict_booleans(self) -> bool:
        """A boolean filter given as true and as false is an error; before, false won (23.0)."""
        return self.version >= (23, 0, 0)

    @property
    def needs_created(self) -> bool:
        """`until` spares images without a time (24.0; 5.3)."""
        return self.version >= (24, 0, 0)

    @property
    def image_mounts(self) -> bool:
        """An image that a container mounts is used by it (28.0; 5.2)."""
        return self.version >= (28, 0, 0)


def rules_of(version: str | None) -> Rules:
    """The rules of a version, of the newest for None.

    Raises:
        UsageError: no version, or one older than the first whose rules are known.
    """
    if version is None:
        return Rules(NEWEST)
    found = _VERSION.fullmatch(version.strip())
    if not found:
        raise UsageError(f"{version!r} is no version")
    wanted = (int(found.group(1)), int(found.group(2) or 0), int(found.group(3) or 0))
    if wanted < OLDEST:
        raise UsageError(f"docker {version} is older than 20.10, the first whose rules are known")
    return Rules(wanted)
