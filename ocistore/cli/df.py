"""`ocistore df`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option

if TYPE_CHECKING:
    from ocistore.cli.account import Account
    from ocistore.cli.answer import JSON


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
    from ocistore.cli.account import accounts_of
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of, tell

    stores = where.open(now_ns, sizes=True)
    accounts = [(store, account) for store in stores for account in accounts_of(where.path, store, now_ns)]
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


def _json(account: Account) -> JSON:
    from ocistore.cli.answer import bytes_json
    from ocistore.usage.select import rank

    repeated = account.repeated
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
        "together": _together_json(account),
        "nested": [
            {
                "root": inner.root,
                "kind": inner.kind,
                "inside": inner.inside,
                "through": inner.through,
                "total": bytes_json(inner.total),
            }
            for inner in account.nested
        ],
        "duplicates": None
        if repeated is None
        else {
            "contents": repeated.contents,
            "copies": repeated.copies,
            "bytes": None if repeated.bytes is None else bytes_json(repeated.bytes),
        },
    }


def _together_json(account: Account) -> JSON | None:
    from ocistore.cli.answer import bytes_json

    if account.together is None:
        return None
    figures = account.together._asdict().items()
    return {name: None if amount is None else bytes_json(amount) for name, amount in figures}
