"""Digests: their grammar, the registered algorithms, and hashing where the standard library can.

Source: oci-layout 2 (image-spec `descriptor.md`, "Digests").
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALGORITHM = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*", re.ASCII)
_ENCODED = re.compile(r"[a-zA-Z0-9=_-]+", re.ASCII)
_HEX = re.compile(r"[0-9a-f]*", re.ASCII)
MAX_LENGTH = 1024
"""Characters; a longer text is no digest (a file name ends at 255 bytes anyway)."""

REGISTERED: dict[str, int] = {"sha256": 64, "sha384": 96, "sha512": 128, "blake3": 64}
"""Registered algorithms and how many lower-case hex digits their digests have."""

_HASHES = frozenset(("sha256", "sha384", "sha512"))


class Digest(NamedTuple):
    """A digest in its two parts.

    Attributes:
        algorithm: `sha256`.
        encoded: what follows the colon, as it names the file.
    """

    algorithm: str
    encoded: str

    @property
    def text(self) -> str:
        """`algorithm:encoded`."""
        return f"{self.algorithm}:{self.encoded}"

    @property
    def path(self) -> str:
        """Where the blob is, relative to `blobs/`; the grammar has neither `/` nor `..`."""
        return f"{self.algorithm}/{self.encoded}"


def parse_digest(text: str) -> Digest | None:
    """The digest that a text is, None if it is none: wrong grammar, or not the digits of a registered algorithm.

    Source: oci-layout 2.
    """
    if len(text) > MAX_LENGTH:
        return None
    algorithm, colon, encoded = text.partition(":")
    if not colon or not is_algorithm(algorithm) or not is_encoded(algorithm, encoded):
        return None
    return Digest(algorithm, encoded)


def is_algorithm(name: str) -> bool:
    """Whether a directory of `blobs/` may have this name."""
    return _ALGORITHM.fullmatch(name) is not None


def is_encoded(algorithm: str, encoded: str) -> bool:
    """Whether a file of `blobs/<algorithm>/` may have this name."""
    length = REGISTERED.get(algorithm)
    if length is None:
        return len(encoded) <= MAX_LENGTH and _ENCODED.fullmatch(encoded) is not None
    return len(encoded) == length and _HEX.fullmatch(encoded) is not None


def leads_out(text: str) -> bool:
    """Whether a text in a digest's place would leave `blobs/` if it were used as a path."""
    return "/" in text or ".." in text or "\0" in text


def can_hash(algorithm: str) -> bool:
    """Whether `matches` can tell; others (blake3, unregistered ones) can't be checked here."""
    return algorithm in _HASHES


def matches(digest: Digest, chunks: Iterable[bytes]) -> bool:
    """Whether bytes have this digest.

    Raises:
        ValueError: the algorithm is one that `can_hash` denies.
    """
    if not can_hash(digest.algorithm):
        raise ValueError(f"no hash function for {digest.algorithm}")
    running = hashlib.new(digest.algorithm, usedforsecurity=False)
    for chunk in chunks:
        running.update(chunk)
    return running.hexdigest() == digest.encoded
