"""The ledgers of a store, as df shows them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.graph.graph import Fate
    from ocistore.plan.ladder import Rung
    from ocistore.plan.together import Together
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes
    from ocistore.usage.duplicates import Repeated
    from ocistore.usage.sizes import KindSum, Sizes


_LARGE = 20_000
"""Nodes from which a second process pays, in which steps are found."""


class Inner(NamedTuple):
    """A store inside another one: what it is, where, and what it weighs; its bytes are the outer store's, too."""

    root: str
    kind: str
    inside: str
    through: str | None
    total: Bytes


class Account(NamedTuple):
    """The ledger of one directory.

    Attributes:
        nested: stores inside it.
        repeated: content that it and they have more than once; None for a directory beside the root.
        together: what images and build records hold both; None where there are not both.
    """

    root: str
    kind: str
    total: Bytes
    fates: Mapping[Fate, Bytes]
    kinds: Mapping[str, KindSum]
    unsized: frozenset[str]
    ladder: Sequence[Rung] | None
    nested: Sequence[Inner] = ()
    repeated: Repeated | None = None
    together: Together | None = None


def accounts_of(path: str, store: Store, now_ns: int) -> list[Account]:
    """The ledgers of a store: its root's, those of its further directories, those of the stores that it reads.

    Args:
        path: the directory that answers are relative to.
        store: what was read.
        now_ns: the time that the ladder's ages and expiries are judged at.
    """
    from ocistore.cli.progress import progress
    from ocistore.disk.beside import Beside
    from ocistore.plan.ladder import find_steps, run_natives, weigh_steps
    from ocistore.plan.together import find_halves, weigh_halves
    from ocistore.usage.sizes import measure

    # What is read stays; what commands are simulated with is forgotten before the walk, or is another process's.
    gc.freeze()
    accounts = []
    large = len(store.graph) > _LARGE
    # Before the walk, for whose directories other processes may be waited; and what it looks up is looked up once.
    halves = find_halves(store, now_ns)
    with Beside(lambda: run_natives(store, now_ns), worth=large) as taken:
        steps = find_steps(store, now_ns)
        # What commands were simulated with has circles.
        gc.collect()
        for each in store.all_stores():
            with progress("sizes", "directories") as more:
                sizes = measure(each, more)
            for number, place in enumerate(each.places):
                if not place.ledger:
                    continue
                root = place.prefix.rstrip("/") if number else each.root
                account = _account(each, sizes, number, root)
                # What only reads is never part of a plan.
                if each is store and not number:
                    inner, repeated = _look_inside(path, store, sizes, now_ns)
                    # The walk may have noticed that an engine is writing, which forbids what was found before it, too.
                    doubtful = bool(store.findings.blocking)
                    together = None if halves is None or doubtful else weigh_halves(halves, sizes)
                    rungs = [] if doubtful else weigh_steps(steps, taken.result(), sizes)
                    account = account._replace(nested=inner, repeated=repeated, together=together, ladder=rungs)
                accounts.append(account)
    return accounts


def _look_inside(path: str, store: Store, sizes: Sizes, now_ns: int) -> tuple[list[Inner], Repeated]:
    """The stores inside a store, and the content that they and it have more than once."""
    from ocistore.cli.progress import progress
    from ocistore.stores.nested import read_nested
    from ocistore.usage.duplicates import find_duplicates, sum_up
    from ocistore.usage.sizes import measure

    measured = {id(store): sizes}
    inner = []
    nested = read_nested(path, store, now_ns, sizes.noted)
    try:
        for each in nested:
            with progress("sizes", "directories") as more:
                measured[id(each.store)] = measure(each.store, more)
            total = measured[id(each.store)].total()
            inner.append(Inner(each.store.root, each.store.kind, each.inside, each.through, total))
        groups = find_duplicates([store, *(each.store for each in nested)])
        return inner, sum_up(groups, lambda copy: measured[id(copy.store)].own(copy.node))
    finally:
        for each in nested:
            each.store.close()


def _account(store: Store, sizes: Sizes, place: int, root: str) -> Account:
    # Nodes belong to a store, not to one of its directories: the root's ledger names all kinds, another only its own.
    kinds = {kind: line for kind, line in sizes.kinds(place).items() if not place or line.bytes.inodes}
    unsized = frozenset(n.kind for n in store.graph.nodes if n.unsized and n.store == store.number)
    return Account(root, store.kind, sizes.total(place), sizes.fates(place), kinds, unsized, None)
