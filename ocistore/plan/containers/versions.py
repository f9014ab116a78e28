"""Versions of the tools, and which rules hold in them (containers-storage, version pairs and 3.10)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ocistore.errors import UsageError

Version = tuple[int, int, int]

_PAIRS: tuple[tuple[tuple[int, int], tuple[int, int], tuple[int, int]], ...] = (
    ((4, 3), (1, 28), (1, 43)),
    ((4, 4), (1, 29), (1, 45)),
    ((4, 5), (1, 30), (1, 46)),
    ((4, 6), (1, 31), (1, 48)),
    ((4, 7), (1, 32), (1, 50)),
    ((4, 8), (1, 33), (1, 51)),
    ((4, 9), (1, 33), (1, 51)),
    ((5, 0), (1, 35), (1, 53)),
    ((5, 1), (1, 36), (1, 54)),
    ((5, 2), (1, 37), (1, 55)),
    ((5, 3), (1, 38), (1, 56)),
    ((5, 4), (1, 39), (1, 57)),
    ((5, 5), (1, 40), (1, 58)),
    ((5, 6), (1, 41), (1, 59)),
    ((5, 7), (1, 42), (1, 61)),
    ((5, 8), (1, 43), (1, 62)),
    ((6, 0), (1, 44), (1, 64)),
)
"""podman, buildah, storage that were released with each other, oldest first."""
_COLUMN = {"podman": 0, "buildah": 1, "containers-storage": 2}
DEFAULTS = {"podman": "5.8.6", "buildah": "1.43.2", "containers-storage": "1.64.0"}
_DEBIAN_STORAGE = (1, 64)
_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?.*")


@dataclass(frozen=True, slots=True)
class Rules:
    """The pair of versions whose rules a command follows.

    Attributes:
        podman: of the pair; also stands for libimage's rules in buildah.
        storage: of the pair.
    """

    podman: Version
    storage: tuple[int, int]

    def podman_from(self, major: int, minor: int, patch: int = 0) -> bool:
        """Whether rules of this podman version and later hold."""
        return self.podman >= (major, minor, patch)

    def storage_from(self, major: int, minor: int) -> bool:
        """Whether rules of this storage version and later hold."""
        return self.storage >= (major, minor)


def rules_of(tool: str, version: str | None) -> Rules:
    """The rules that a version of a tool follows; a version between two pairs follows the lower one.

    Raises:
        UsageError: no version, or one older than the first pair whose rules are known.
    """
    wanted = _parse(version or DEFAULTS[tool])
    column = _COLUMN[tool]
    fitting = [pair for pair in _PAIRS if pair[column] <= wanted[:2]]
    if not fitting:
        oldest = ".".join(map(str, _PAIRS[0][column]))
        raise UsageError(f"{tool} {version} is older than {oldest}, the first whose rules are known")
    podman, _, storage = fitting[-1]
    if tool == "podman":
        exact: Version = wanted if wanted[:2] >= podman else (*podman, 0)
        return Rules(exact, _storage_of_podman(exact, storage))
    if tool == "buildah":
        late = wanted >= (1, 43, 2)
        return Rules((*podman, 6 if late else 0), _DEBIAN_STORAGE if late else storage)
    return Rules((*podman, 6 if wanted[:2] >= _DEBIAN_STORAGE else 0), max(storage, min(wanted[:2], _DEBIAN_STORAGE)))


def _storage_of_podman(podman: Version, storage: tuple[int, int]) -> tuple[int, int]:
    # podman 5.8.6 was built with storage 1.64, as Debian ships it; v6 follows its rules.
    return _DEBIAN_STORAGE if podman >= (5, 8, 6) else storage


def _parse(text: str) -> Version:
    found = _VERSION.fullmatch(text.strip())
    if not found:
        raise UsageError(f"{text!r} is no version")
    return int(found.group(1)), int(found.group(2) or 0), int(found.group(3) or 0)
