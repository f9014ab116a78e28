"""The ledger as text: the first screen is the product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.cli.table import bar, counted, escape, maybe_size, paint, percent, size, table, width
from ocistore.usage.select import rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.cli.account import Account
    from ocistore.graph.graph import Fate
    from ocistore.plan.ladder import Rung
    from ocistore.plan.together import Together
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes
    from ocistore.usage.sizes import KindSum

_FATES: dict[Fate, tuple[str, str]] = {
    "held": ("green", "something that stays holds it"),
    "unreferenced": ("yellow", "nothing holds it"),
    "own": ("cyan", "the engine's own files"),
    "unknown": ("red", "in doubt: ocistore check says why"),
}
_BAR = 16
_WIDE_ENOUGH = 78


def print_account(path: str, store: Store, account: Account) -> None:
    """Prints the ledger of one directory, and the ladder of its store."""
    named = path if account.root == "." else account.root
    driver = f", {store.driver}" if store.driver else ""
    print(f"{paint(escape(named), 'bold')}  {account.kind}{driver}")
    total = account.total
    print(f"{paint(size(total.allocated), 'bold')} on disk, as du -x counts")
    print(f"{size(total.apparent)} apparent, {counted(total.inodes, 'inode')}")
    print()
    _print_fates(account.fates, total.allocated)
    print()
    _print_kinds(account, total.allocated)
    if account.nested:
        print()
        _print_nested(account)
    if account.repeated is not None and account.repeated.contents:
        print()
        print(_told_repeated(account))
    if account.ladder is not None:
        print()
        if store.findings.blocking:
            print("no steps: doubt forbids them; ocistore check says why")
        else:
            _print_ladder(account.ladder)
    if account.together is not None:
        print()
        _print_together(account.together)


def _print_fates(fates: Mapping[Fate, Bytes], whole: int) -> None:
    heads = ["FATE", "ON DISK", "SHARE"]
    rows = [[fate, size(fates[fate].allocated), percent(fates[fate].allocated, whole)] for fate in _FATES]
    if width() >= _WIDE_ENOUGH:
        heads += ["", "MEANING"]
        for row, (fate, (_, meaning)) in zip(rows, _FATES.items(), strict=True):
            row += [bar(fates[fate].allocated, whole, _BAR), meaning]
    lines = table(heads, rows, right=("ON DISK", "SHARE"))
    print(lines[0])
    for (fate, (colour, _)), line in zip(_FATES.items(), lines[1:], strict=True):
        print(paint(line, colour) if fates[fate].inodes else line)


def _print_kinds(account: Account, whole: int) -> None:
    rows = [
        (
            kind,
            f"{line.nodes:,}",
            *_amounts(line, whole, known=kind not in account.unsized),
        )
        for kind, line in sorted(account.kinds.items(), key=lambda item: rank(item[0]))
    ]
    heads = ("KIND", "COUNT", "ON DISK", "SHARE", "UNREFERENCED")
    for text in table(heads, rows, right=heads[1:]):
        print(text)


def _amounts(line: KindSum, whole: int, *, known: bool) -> tuple[str, str, str]:
    """On disk, its share, and how much of it nothing holds; what can't be counted is no 0."""
    if not known:
        return "?", "?", "?"
    here = line.bytes.allocated
    return size(here), percent(here, whole), size(line.unreferenced.allocated)


def _print_nested(account: Account) -> None:
    rows = [
        (escape(inner.root), inner.kind, size(inner.total.allocated), escape(inner.through or "-"))
        for inner in account.nested
    ]
    heads = ("NESTED STORE", "KIND", "ON DISK", "IN")
    for text in table(heads, rows, right=("ON DISK",), shrink=("NESTED STORE", "IN")):
        print(text)


def _told_repeated(account: Account) -> str:
    """One sentence: what is there more than once, and what the copies take."""
    repeated = account.repeated
    assert repeated is not None
    extra = "unknown" if repeated.bytes is None else size(repeated.bytes.allocated)
    return (
        f"{counted(repeated.contents, 'content')} held {repeated.copies:,} times in all: {extra} beyond one copy of"
        " each (ls --filter duplicate)"
    )


def _print_ladder(ladder: Sequence[Rung]) -> None:
    rungs = [rung for rung in ladder if rung.frees is None or rung.frees.inodes]
    if not rungs:
        print("no step would free anything")
        return
    rows = [
        (
            rung.step,
            maybe_size(rung.frees.allocated if rung.frees else None),
            maybe_size(rung.cumulative.allocated if rung.cumulative else None),
            _native(rung),
        )
        for rung in rungs
    ]
    heads = ("STEP", "FREES", "TOGETHER", "NATIVE COMMAND")
    for line in table(heads, rows, right=("FREES", "TOGETHER"), shrink=("NATIVE COMMAND",)):
        print(line)


def _print_together(together: Together) -> None:
    """Images and build records count references to the same bytes, each for themselves."""
    rows = [
        ("unused images alone", together.images),
        ("the build cache alone", together.cache),
        ("only both together, besides", together.only_both),
        ("both", together.both),
    ]
    cells = [(name, maybe_size(amount.allocated if amount else None)) for name, amount in rows]
    for line in table(("WHAT IMAGES AND BUILD CACHE SHARE", "FREES"), cells, right=("FREES",)):
        print(line)


def _native(rung: Rung) -> str:
    if rung.native is not None:
        return escape(rung.native)
    return "(by itself, when an engine starts)" if rung.step == "start" else "-"
