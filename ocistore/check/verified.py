"""What a verification of content looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was read and compared; what didn't match is in the findings.

    Attributes:
        nodes: things whose content was compared with a digest.
        bytes: read for it.
    """

    nodes: int
    bytes: int
