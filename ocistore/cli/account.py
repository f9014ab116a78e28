"""The ledgers of a store, as df shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.graph.graph import Fate
    from ocistore.plan.ladder import Rung
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes
    from ocistore.usage.sizes import KindSum, Sizes


class Account(NamedTuple):
    """The ledger of one directory."""

    root: str
    kind: str
    total: Bytes
    fates: Mapping[Fate, Bytes]
    kinds: Mapping[str, KindSum]
    unsized: frozenset[str]
    ladder: Sequence[Rung] | None


def accounts_of(store: Store, now_ns: int) -> list[Account]:
    """The ledgers of a store: its root's, those of its further directories, those of the stores that it reads."""
    from ocistore.cli.progress import progress
    from ocistore.plan.ladder import ladder
    from ocistore.usage.sizes import measure

    accounts = []
    for each in store.all_stores():
        with progress("sizes", "directories") as more:
            sizes = measure(each, more)
        # What only reads is never part of a plan.
        rungs = ladder(each, sizes, now_ns) if each is store else None
        for number, place in enumerate(each.places):
            if place.ledger:
                root = place.prefix.rstrip("/") if number else each.root
                accounts.append(_account(each, sizes, number, root, None if number else rungs))
    return accounts


def _account(store: Store, sizes: Sizes, place: int, root: str, ladder: Sequence[Rung] | None) -> Account:
    # Nodes belong to a store, not to one of its directories: the root's ledger names all kinds, another only its own.
    kinds = {kind: line for kind, line in sizes.kinds(place).items() if not place or line.bytes.inodes}
    unsized = frozenset(n.kind for n in store.graph.nodes if n.unsized and n.store == store.number)
    return Account(root, store.kind, sizes.total(place), sizes.fates(place), kinds, unsized, ladder)
