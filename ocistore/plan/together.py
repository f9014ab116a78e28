"""What two prunes free only if both run: bytes that images and the build cache hold at once.

Each has a reference count of its own on the same layers (docker-buildkit-containerd 2.8), so neither command alone
gives them back, and neither says so.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

from ocistore.plan.closure import find_falling, paths_of
from ocistore.plan.make import select

if TYPE_CHECKING:
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes
    from ocistore.usage.sizes import Sizes

IMAGES, CACHE = "unused", "cache"
"""The scopes of `--prune` whose nodes hold the same bytes."""


class Together(NamedTuple):
    """What two scopes free, each alone and both; None where it can't be proved.

    Attributes:
        images: unused images alone, the cache staying.
        cache: the whole build cache alone, images staying.
        both: when both go, in whatever order.
        only_both: what comes back by neither alone.
    """

    images: Bytes | None
    cache: Bytes | None
    both: Bytes | None
    only_both: Bytes | None


class Halves(NamedTuple):
    """The numbers of the nodes that go with unused images, with the build cache, and with both."""

    images: array[int]
    cache: array[int]
    both: array[int]


def find_halves(store: Store, now_ns: int) -> Halves | None:
    """The halves of a store that has both images and build records; None if it hasn't, or doubt forbids plans."""
    kinds = {node.kind for node in store.graph.nodes if node.store == store.number}
    if not {"image", "record"} <= kinds or store.findings.blocking or store.doubts.keys() & {"images", "cache"}:
        return None
    images, cache = (frozenset(select(store, scope, frozenset(), now_ns)) for scope in (IMAGES, CACHE))

    def falling(dropped: frozenset[int]) -> array[int]:
        return array("I", find_falling(store, dropped, unreferenced=False, now_ns=now_ns, grace_ns=0))

    return Halves(falling(images), falling(cache), falling(images | cache))


def weigh_halves(halves: Halves, sizes: Sizes) -> Together:
    """The bytes of the paths of these nodes."""
    images, cache, both = (sizes.freed([paths_of(sizes.store, nodes)]).total for nodes in halves)
    if images is None or cache is None or both is None:
        return Together(images, cache, both, None)
    return Together(images, cache, both, both.minus(images).minus(cache))
