"""`ocistore df`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option

if TYPE_CHECKING:
    from ocistore.cli.answer import JSON
    from ocistore.stores.store import Store
    from ocistore.usage.ledger import Ledger


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

    The total is what `du -x` says, and the four fates add up to it.
    """
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of, tell

    stores = where.open()
    answers = [(store, *_measured(store, now_ns)) for store in stores]
    findings = findings_of(stores)
    if as_json:
        listed = [row for store, ledgers, ladder in answers for row in _json(store, ledgers, ladder)]
        print_json(envelope("df", findings, stores=listed))
    else:
        from ocistore.cli.df_text import print_df

        for at, (store, ledgers, ladder) in enumerate(answers):
            if at:
                print()
            print_df(where.path, store, ledgers, ladder, verbose)
        tell(findings, verbose)
    return status_of(findings)
