"""A plan as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.cli.table import counted, escape, maybe_size, paint, short, size, table

if TYPE_CHECKING:
    from ocistore.plan.plan import Plan, Step
    from ocistore.stores.store import Store


def print_plan(store: Store, plan: Plan, verbose: bool) -> None:
    """Prints the steps in order, their native commands, and what comes back."""
    what = f"as `{escape(plan.command)}`" if plan.command else "by the graph"
    print(f"plan {what}, as of {plan.now}")
    if plan.blocked:
        print(paint("blocked: nothing is planned; the findings say why", "red"))
        return
    if not plan.steps:
        print("nothing to remove")
        return
    print()
    rows = [_row(number, step, store) for number, step in enumerate(plan.steps, 1)]
    heads = ("STEP", "KIND", "ID", "NAMES", "FREES", "TOGETHER", "WHY")
    right = ("STEP", "FREES", "TOGETHER")
    lines = table(heads, rows, right=right, shrink=("WHY", "NAMES", "ID"))
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


def _row(number: int, step: Step, store: Store) -> tuple[str, ...]:
    removal = step.removal
    names = store.graph.nodes[removal.node].names if removal.node is not None else []
    return (
        str(number),
        removal.kind,
        short(removal.id),
        escape(", ".join(names)) or "-",
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
