"""`ocistore df`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.cli.answer import JSON
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


@click.command(
    "df",
    epilog=examples(
        "ocistore df /var/lib/containers/storage",
        "ocistore df ~/.local/share/containers/storage --json",
    ),
)
@store_argument
@now_option
@json_option
@verbose_option
def command(where: Where, now_ns: int, as_json: bool, verbose: bool) -> int:
    """Where every byte is, what holds it, and what each safe step in turn would free.

    The total is what `du -x` says, and the four fates add up to it.  Each directory has its own ledger.
    """
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of, tell

    stores = where.open()
    accounts = [(store, account) for store in stores for account in _accounts(store, now_ns)]
    findings = findings_of(stores)
    if as_json:
        print_json(envelope("df", findings, stores=[_json(account) for _, account in accounts]))
    else:
        from ocistore.cli.df_text import print_account

        for at, (store, account) in enumerate(accounts):
            if at:
                print()
            print_account(where.path, store, account)
        tell(findings, verbose)
    return status_of(findings)


def _accounts(store: Store, now_ns: int) -> list[Account]:
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


def _json(account: Account) -> JSON:
    from ocistore.cli.answer import bytes_json
    from ocistore.usage.select import rank

    return {
        "root": account.root,
        "kind": account.kind,
        "total": bytes_json(account.total),
        "fates": {fate: bytes_json(amount) for fate, amount in account.fates.items()},
        "kinds": [
            {
                "kind": kind,
                "count": line.nodes,
                "bytes": None if kind in account.unsized else bytes_json(line.bytes),
                "unreferenced": None if kind in account.unsized else bytes_json(line.unreferenced),
            }
            for kind, line in sorted(account.kinds.items(), key=lambda item: rank(item[0]))
        ],
        "ladder": [
            {
                "step": rung.step,
                "frees": None if rung.frees is None else bytes_json(rung.frees),
                "cumulative": None if rung.cumulative is None else bytes_json(rung.cumulative),
                "native": rung.native,
            }
            for rung in account.ladder or ()
        ],
    }
