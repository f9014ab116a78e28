"""`ocistore ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocistore.graph.graph import Node
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes
    from ocistore.usage.select import Wanted

DUPLICATE = "duplicate"
SORTS = ("kind", "id", "name", "state", "age", "held", "own", "retains")


@click.command(
    "ls",
    epilog=examples(
        "ocistore ls /var/lib/containers/storage --kind image --filter dangling",
        "ocistore ls /var/lib/containers/storage -s --sort retains",
    ),
)
@store_argument
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind (repeatable, or comma-separated).")
@click.option("-s", "--sizes", is_flag=True, help="Add own and retained bytes; walks the store's files.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="F",
    help="A state or trait (dangling, duplicate, ...), unreferenced, kind=K, name=GLOB, label=K[=V], older=AGE; all of"
    " them must fit.",
)
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    default="kind",
    help="Order; sizes and holders from large to small.",
    show_default=True,
)
@now_option
@json_option
@verbose_option
def command(
    where: Where,
    kinds: tuple[str, ...],
    sizes: bool,
    filters: tuple[str, ...],
    sort: str,
    now_ns: int,
    as_json: bool,
    verbose: bool,
) -> int:
    """What is in the store: images, layers, containers, volumes, names, debris.

    `own` are the bytes of a thing's own paths; `retains` those that come back if it alone goes; `kept` those that would
    come back, too, but for the build cache (of an image) or for the images (of a build record).
    """
    from ocistore.cli.answer import envelope, node_json, print_json
    from ocistore.cli.report import findings_of, status_of, tell
    from ocistore.usage.select import parse_filters

    wanted = parse_filters(filters, kinds)
    sizes = sizes or sort in ("own", "retains")
    stores = where.open(now_ns, sizes=sizes)
    if DUPLICATE in wanted.words:
        stores = _with_nested(where.path, stores, now_ns)
    wanted.check_words(node for store in stores for node in store.graph.nodes)
    rows = [row for store in stores for row in _rows(store, wanted, sizes, now_ns)]
    rows = _sorted(rows, sort)
    findings = findings_of(stores)
    if as_json:
        nodes = [node_json(row.store, row.number, own=row.own, retains=row.retains, kept=row.kept) for row in rows]
        print_json(envelope("ls", findings, nodes=nodes))
    else:
        _print(rows, sizes, now_ns, several=len({(id(row.store), row.node.store) for row in rows}) > 1, verbose=verbose)
        tell(findings, verbose)
    return status_of(findings)


def _with_nested(path: str, stores: list[Store], now_ns: int) -> list[Store]:
    """The stores and those inside them, with what several of them have marked."""
    from ocistore.stores.nested import read_nested
    from ocistore.usage.duplicates import find_duplicates, mark

    every = [*stores, *(inner.store for store in stores for inner in read_nested(path, store, now_ns))]
    mark(find_duplicates(every))
    return every


class _Row(NamedTuple):
    """A node of the list."""

    store: Store
    number: int
    own: Bytes | None
    retains: Bytes | None
    kept: Bytes | None = None

    @property
    def node(self) -> Node:
        return self.store.graph.nodes[self.number]

    @property
    def held(self) -> int:
        return sum(1 for _ in self.store.graph.holders(self.number))


def _rows(store: Store, wanted: Wanted, sizes: bool, now_ns: int) -> Iterator[_Row]:
    from ocistore.usage.select import select

    chosen = select(store, wanted, now_ns)
    if not sizes:
        yield from (_Row(store, number, None, None) for number in chosen)
        return
    from ocistore.cli.progress import progress
    from ocistore.usage.sizes import measure

    measured = {}
    for each in store.all_stores():
        with progress("sizes", "directories") as more:
            measured[each.number] = measure(each, more)
    for number in chosen:
        sizes_of = measured[store.graph.nodes[number].store]
        yield _Row(store, number, sizes_of.own(number), sizes_of.retains(number), sizes_of.kept(number))


def _sorted(rows: list[_Row], sort: str) -> list[_Row]:
    """The rows in order; equal ones stay as the store has them."""
    from ocistore.usage.select import rank

    def amount(value: Bytes | None) -> int:
        return -value.allocated if value is not None else 1

    keys: dict[str, Callable[[_Row], Any]] = {
        "kind": lambda row: rank(row.node.kind),
        "id": lambda row: row.node.id,
        "name": lambda row: (not row.node.names, row.node.names[:1]),
        "state": lambda row: row.node.state,
        "age": lambda row: -(row.node.created_ns or 0),
        "held": lambda row: -row.held,
        "own": lambda row: amount(row.own),
        "retains": lambda row: amount(row.retains),
    }
    return sorted(rows, key=keys[sort])


def _print(rows: list[_Row], sizes: bool, now_ns: int, several: bool, verbose: bool) -> None:
    from ocistore.cli.answer import root_of
    from ocistore.cli.table import age, escape, maybe_size, short, table

    heads = ["KIND", "ID", "NAMES", "STATE", "AGE"]
    # Names need the room more.
    heads += ["OWN", "RETAINS"] if sizes else ["HELD BY"]
    # Only where two reference counts hold the same bytes.
    kept = any(row.kept is not None for row in rows)
    heads += ["KEPT"] if kept else []
    if several:
        heads.insert(0, "STORE")
    cells = []
    for row in rows:
        node = row.node
        line = [
            node.kind,
            short(node.id),
            escape(", ".join(name for name in node.names if name != node.id)) or "-",
            " ".join((node.state, *(node.traits if verbose else ()))).strip() or "-",
            age(node.created_ns, now_ns),
        ]
        if not sizes:
            line.append(str(row.held))
        else:
            line += [maybe_size(row.own.allocated if row.own else None)]
            line += [maybe_size(row.retains.allocated if row.retains else None)]
            line += [maybe_size(row.kept.allocated) if row.kept else "-"] if kept else []
        if several:
            line.insert(0, escape(root_of(row.store, node.store)))
        cells.append(line)
    right = ("AGE", "HELD BY", "OWN", "RETAINS", "KEPT")
    for text in table(heads, cells, right=right, shrink=("NAMES", "STATE", "ID", "STORE")):
        print(text)
