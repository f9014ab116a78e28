"""A plan as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.cli.table import WIDE, counted, escape, maybe_size, paint, short, size, table, width

if TYPE_CHECKING:
    from ocistore.plan.plan import Plan, Step
    from ocistore.stores.store import Store


def print_plan(store: Store, plan: Plan, what: str, verbose: bool) -> None:
    """Prints the steps in order, with -v their paths and native commands, and what comes back.

    Args:
        store: the store that it is for.
        plan: the plan.
        what: what was asked for, as it was typed.
        verbose: print paths and native commands, too.
    """
    print(f"plan for {escape(what)}, as of {plan.now.partition('.')[0].removesuffix('Z')}Z")
    if plan.blocked:
        print(paint("blocked: nothing is planned; the findings say why", "red"))
        return
    if not plan.steps:
        print("nothing goes")
        return
    print()
    narrow = width() < WIDE
    heads = ("STEP", "KIND", "THING", "FREES", "TOGETHER", "WHY") if narrow else _WIDE_HEADS
    rows = [_row(number, step, store, narrow) for number, step in enumerate(plan.steps, 1)]
    lines = table(heads, rows, right=("STEP", "FREES", "TOGETHER"), shrink=("WHY", "THING"))
    print(lines[0])
    for step, line in zip(plan.steps, lines[1:], strict=True):
        print(line)
        if verbose:
            for path in step.removal.paths:
                print(f"      {escape(path)}")
            if step.removal.native:
                print(f"      $ {escape(step.removal.native)}")
    print()
    _print_total(plan)


_WIDE_HEADS = ("STEP", "KIND", "ID", "NAMES", "FREES", "TOGETHER", "WHY")


def _row(number: int, step: Step, store: Store, narrow: bool) -> tuple[str, ...]:
    """A step; where there is little room a name stands for the id."""
    removal = step.removal
    names = store.graph.nodes[removal.node].names if removal.node is not None else []
    names = [name for name in names if name != removal.id]
    if removal.kind == "ref":
        names = []
    shown = escape(", ".join(names))
    thing = (shown or short(removal.id),) if narrow else (escape(removal.id), shown or "-")
    return (
        str(number),
        removal.kind,
        *thing,
        maybe_size(step.frees.allocated if step.frees else None),
        maybe_size(step.cumulative.allocated if step.cumulative else None),
        escape(removal.why),
    )


def _print_total(plan: Plan) -> None:
    steps = counted(len(plan.steps), "step")
    if plan.frees is None:
        print(f"{steps}; what comes back can't be proved, the findings say why")
        return
    print(
        f"{steps}; {paint(size(plan.frees.allocated), 'bold')} come back on disk"
        f" ({size(plan.frees.apparent)} apparent, {counted(plan.frees.inodes, 'inode')})"
    )
