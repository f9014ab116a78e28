"""The ledger as text: the first screen is the product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.cli.table import WIDE, bar, counted, escape, paint, percent, size, table, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.cli.df import Account
    from ocistore.plan.ladder import Rung
    from ocistore.stores.store import Store

_FATES = {
    "held": ("green", "something that stays of itself holds it"),
    "unreferenced": ("yellow", "nothing holds it"),
    "own": ("cyan", "the engine's own files"),
    "unknown": ("red", "in doubt: see ocistore check"),
}
_BAR = 20


def print_df(
    path: str, store: Store, accounts: Sequence[Account], ladder: Sequence[Rung] | None, verbose: bool
) -> None:
    """Prints the ledger of a store, of each further directory that has one, and the ladder."""
    for at, account in enumerate(accounts):
        if at:
            print()
        named = path if account.root == "." else account.root
        kind = account.kind + (f", {store.driver}" if store.driver else "")
        print(f"{paint(escape(named), 'bold')}  ({kind})")
        _print_account(account, verbose)
    if ladder is not None:
        print()
        _print_ladder(ladder)


def _print_account(account: Account, verbose: bool) -> None:
    whole = account.total.allocated
    print(
        f"{paint(size(whole), 'bold')} on disk ({size(account.total.apparent)} apparent,"
        f" {counted(account.total.inodes, 'inode')}), as du -x counts"
    )
    print()
    rows = []
    for fate, (_, meaning) in _FATES.items():
        amount = account.fates[fate]
        share = percent(amount.allocated, whole)
        rows.append([fate, size(amount.allocated), share, bar(amount.allocated, whole, _BAR), meaning])
    room = width()
    if room < 80:
        rows = [row[:3] for row in rows]
    heads = ["FATE", "ON DISK", "SHARE", "", ""][: len(rows[0])]
    lines = table(heads, rows, right=("ON DISK", "SHARE"))
    print(lines[0])
    for (colour, _), line in zip(_FATES.values(), lines[1:], strict=True):
        print(paint(line, colour) if room < WIDE else line)
    print()
    kinds = [
        (
            kind.kind,
            f"{kind.count:,}",
            size(kind.bytes.allocated),
            percent(kind.bytes.allocated, whole),
            size(kind.unreferenced.allocated),
        )
        for kind in account.kinds
    ]
    for line in table(
        ("KIND", "COUNT", "ON DISK", "SHARE", "UNREFERENCED"),
        kinds,
        right=("COUNT", "ON DISK", "SHARE", "UNREFERENCED"),
    ):
        print(line)


def _print_ladder(ladder: Sequence[Rung]) -> None:
    if not any(rung.frees.inodes for rung in ladder):
        print("no safe step would free anything")
        return
    rows = [
        (rung.step, size(rung.frees.allocated), size(rung.cumulative.allocated), escape(rung.native or "-"))
        for rung in ladder
    ]
    for line in table(
        ("SAFE STEP", "FREES", "TOGETHER", "NATIVE COMMAND"),
        rows,
        right=("FREES", "TOGETHER"),
        shrink=("NATIVE COMMAND",),
    ):
        print(line)
