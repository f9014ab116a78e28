"""A rule of a prune, and the size down to which it prunes (docker-buildkit-containerd 3.8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule takes; a user's prune is one rule, a policy several.

    Attributes:
        all: also internal and frontend records, and those that an image shares.
        filters: a record passes if one lets it through; none, or an empty one, lets everything through.
        keep_duration_ns: what was used within it stays, nanoseconds; 0 for no such limit.
        reserved: bytes that stay in any case; alone it is the size down to which is pruned (before 0.17: KeepBytes).
        max_used: bytes that may be used.
        min_free: bytes that shall be free where the worker's root is.
    """

    all: bool = False
    filters: tuple[str, ...] = ()
    keep_duration_ns: int = 0
    reserved: int = 0
    max_used: int = 0
    min_free: int = 0

    @property
    def has_sizes(self) -> bool:
        """Whether any size is given."""
        return bool(self.reserved or self.max_used or self.min_free)


def keep_bytes(rule: Rule, total: int, free: int) -> int:
    """The size down to which a rule prunes; 0 means no such size (BuildKit `calculateKeepBytes`; 3.8, step 4).

    The rule of before 0.17, which had one size, is that of `reserved` alone.

    Args:
        rule: with its sizes.
        total: bytes of the records that no image shares.
        free: bytes that are free; only asked for `min_free`.
    """
    if not rule.has_sizes:
        return 0
    keep = rule.max_used
    excess = rule.min_free - free
    if rule.min_free and excess > 0:
        keep = total - excess if keep == 0 else min(keep, total - excess)
    elif rule.min_free and keep == 0:
        keep = total
    return max(keep, rule.reserved)
