"""`ocistore why`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option

if TYPE_CHECKING:
    from ocistore.graph.graph import Fate
    from ocistore.graph.reach import Chain
    from ocistore.stores.store import Store

CHAINS = 10
ALL_CHAINS = 1000
_SHOWN = 12


@click.command(
    "why",
    epilog=examples(
        "ocistore why /var/lib/containers/storage localhost/web:latest",
        "ocistore why /var/lib/containers/storage /var/lib/containers/storage/volumes/data/_data",
    ),
)
@store_argument
@click.argument("thing")
@click.option(
    "--chains", "limit", type=click.IntRange(1, ALL_CHAINS), default=CHAINS, show_default=True, help="How many."
)
@now_option
@json_option
@verbose_option
def command(where: Where, thing: str, limit: int, now_ns: int, as_json: bool, verbose: bool) -> int:
    """What holds a thing, chain by chain from a root down, and what must go for it to go.

    THING is an id, a unique beginning of one, kind:id, a name, a digest, or a path in the store.
    """
    from ocistore.cli.answer import envelope, node_json, print_json
    from ocistore.cli.report import findings_of, status_of, tell
    from ocistore.graph.reach import chains, goes_with
    from ocistore.usage.fates import fates

    store, number = _find(where, thing, now_ns)
    graph = store.graph
    found = chains(graph, number, limit)
    fate = fates(store)[number]
    along = goes_with(graph, number)
    findings = findings_of([store])
    if as_json:
        answer = envelope(
            "why",
            findings,
            node=node_json(store, number),
            fate=fate,
            chains=[[{"node": graph.nodes[n].key, "edge": word} for n, word in chain] for chain in found],
            goes_with=[graph.nodes[n].key for n in along],
        )
        print_json(answer)
    else:
        _print(store, number, fate, found, along, limit)
        tell(findings, verbose)
    return status_of(findings)


def _find(where: Where, thing: str, now_ns: int) -> tuple[Store, int]:
    """The one store that has the thing, and its node.

    Raises:
        UnknownThing: no store has it.
        UsageError: several have it.
    """
    from ocistore.errors import UnknownThing
    from ocistore.stores.find import find_things
    from ocistore.stores.open import several

    stores = where.open(now_ns)
    found: list[tuple[Store, int]] = []
    unknown: UnknownThing | None = None
    for store in stores:
        try:
            found.append((store, find_things(store, thing)[0]))
        except UnknownThing as err:
            unknown = unknown or err
    if not found:
        assert unknown is not None
        raise unknown
    if len(found) > 1:
        raise several(where.path, [store.root for store, _ in found])
    return found[0]


def _print(store: Store, number: int, fate: Fate, chains: list[Chain], along: list[int], limit: int) -> None:
    from ocistore.cli.table import counted, escape, paint, unicode
    from ocistore.graph.reach import anchors

    nodes = store.graph.nodes
    node = nodes[number]
    corner = "\u2514\u2500 " if unicode() else "`- "
    print(f"{paint(_told(store, number), 'bold')}: {fate}" + (f", {escape(node.note)}" if node.note else ""))
    if node.doubt:
        print(f"  in doubt: {escape(node.doubt)}")
    if not chains:
        print("nothing holds it")
    for at, chain in enumerate(chains):
        print()
        for level, (each, word) in enumerate(chain):
            lead = "   " * level + (corner if level else "")
            holder = _brief(store, chain[level - 1][0]) if level else ""
            print(f"{lead}{_told(store, each)} {escape(word)} {holder}".rstrip())
        if at + 1 == limit:
            print(f"\nperhaps more chains than these {limit}; --chains says how many to print")
    print()
    above = _above(store, number)
    holding = [root for root in anchors(store.graph) if root in above]
    others = [root for root in holding if root != number]
    if holding and not others:
        print("it goes when it is removed itself: nothing else holds it")
    elif others:
        it = "it and " if number in holding else ""
        these = "this thing" if len(others) == 1 else f"these {len(others)} things"
        print(f"for it to go, {it}{these} must be removed:")
        _list(store, others)
    if along:
        print(f"when it goes, nothing holds {counted(len(along), 'other thing')} any more:")
        _list(store, along)


def _above(store: Store, number: int) -> set[int]:
    """A node and all that hold it, directly or not."""
    seen = {number}
    todo = [number]
    while todo:
        for holder, _ in store.graph.holders(todo.pop()):
            if holder not in seen:
                seen.add(holder)
                todo.append(holder)
    return seen


def _list(store: Store, numbers: list[int]) -> None:
    for number in numbers[:_SHOWN]:
        print(f"  {_told(store, number)}")
    if len(numbers) > _SHOWN:
        print(f"  and {len(numbers) - _SHOWN} more")


def _told(store: Store, number: int) -> str:
    """A node with its first name."""
    from ocistore.cli.table import escape, short

    node = store.graph.nodes[number]
    name = f" ({escape(node.names[0])})" if node.names and node.names[0] != node.id else ""
    return f"{node.kind} {short(node.id)}{name}"


def _brief(store: Store, number: int) -> str:
    """A node by its name, or by its id if it has none."""
    from ocistore.cli.table import escape, short

    node = store.graph.nodes[number]
    return escape(node.names[0]) if node.names and node.kind != "ref" else short(node.id)
