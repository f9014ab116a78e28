"""Content that is held several times: by several stores, or twice in one.

Content is the same if its digest is: a blob by the digest of its bytes, a layer or snapshot by the diff ID of what it
was unpacked from (OCI image specification, config.md; docker-buildkit-containerd 2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.stores.store import DIFF_IDS
from ocistore.usage.bytes import ZERO, Bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocistore.stores.store import Store

TRAIT = "duplicate"


class Copy(NamedTuple):
    """A node of a store that has the content."""

    store: Store
    node: int


class Repeated(NamedTuple):
    """What is there more than once.

    Attributes:
        contents: how many different contents.
        copies: how many copies of them in all.
        bytes: what the copies take beyond the largest of each; None where some of it can't be counted.
    """

    contents: int
    copies: int
    bytes: Bytes | None


def find_duplicates(stores: Sequence[Store]) -> list[list[Copy]]:
    """The contents that several nodes of these stores have, each as its copies."""
    by_content: dict[str, list[Copy]] = {}
    for store in stores:
        diffs: dict[int, str] = store.cache.get(DIFF_IDS, {})
        for number, node in enumerate(store.graph.nodes):
            if node.store != store.number:
                continue
            if node.kind == "blob":
                by_content.setdefault(node.id, []).append(Copy(store, number))
            elif number in diffs:
                by_content.setdefault(f"diff {diffs[number]}", []).append(Copy(store, number))
    return [copies for copies in by_content.values() if len(copies) > 1]


def mark(groups: Sequence[Sequence[Copy]]) -> None:
    """Gives the copies the trait by which `ls --filter duplicate` picks them."""
    for group in groups:
        for store, number in group:
            node = store.graph.nodes[number]
            if TRAIT not in node.traits:
                node.traits = (*node.traits, TRAIT)


def sum_up(groups: Sequence[Sequence[Copy]], own: Callable[[Copy], Bytes | None]) -> Repeated:
    """The figures of groups of copies; `own` says the bytes of one."""
    extra: Bytes | None = ZERO
    for group in groups:
        amounts = [own(copy) for copy in group]
        known = [amount for amount in amounts if amount is not None]
        if len(known) < len(amounts):
            extra = None
        if extra is None:
            break
        largest = max(known)
        for amount in known:
            extra = extra.plus(amount)
        extra = extra.minus(largest)
    return Repeated(len(groups), sum(len(group) for group in groups), extra)
