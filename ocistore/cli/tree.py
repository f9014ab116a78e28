"""`ocistore tree`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option

if TYPE_CHECKING:
    from ocistore.cli.answer import JSON
    from ocistore.graph.forest import Forest
    from ocistore.graph.graph import Node
    from ocistore.stores.store import Store
    from ocistore.usage.sizes import Sizes

_USERS = 2
_LINES = ("    ", "\u2502   ", "\u251c\u2500\u2500 ", "\u2514\u2500\u2500 ")
_ASCII_LINES = ("    ", "|   ", "|-- ", "`-- ")
JSON_LEVELS = 120
"""Levels of nesting in JSON; deeper nodes are left out, so that every parser can read the answer (orjson: 254)."""


@click.command(
    "tree",
    epilog=examples(
        "ocistore tree /var/lib/containers/storage",
        "ocistore tree /var/lib/containers/storage localhost/web:latest --kind layer",
    ),
)
@store_argument
@click.argument("thing", required=False)
@click.option(
    "--kind", metavar="KIND", help="What to show: image, layer, record; default: what the store has of these."
)
@click.option("-s", "--sizes", "sized", is_flag=True, help="Add what each retains, and what builds left behind costs.")
@now_option
@json_option
@verbose_option
def command(
    where: Where, thing: str | None, kind: str | None, sized: bool, now_ns: int, as_json: bool, verbose: bool
) -> int:
    """How images build on each other, layers on layers, records on records.

    An image without a name shows the build step that made it, or the name that it lost.  With THING: only what it
    stands on and what stands on it.  In a layout: what each name holds.
    """
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of, tell
    from ocistore.stores.open import several

    stores = where.open(now_ns, sizes=sized)
    if thing is not None and len(stores) > 1:
        raise several(where.path, [store.root for store in stores])
    trees = [(store, _forest(store, kind, thing), _measured(store) if sized else None) for store in stores]
    findings = findings_of(stores)
    if as_json:
        nodes = [node for store, forest, sizes in trees for node in _json(store, forest, sizes)]
        print_json(envelope("tree", findings, nodes=nodes))
    else:
        for store, forest, sizes in trees:
            _print(store, forest, sizes, now_ns)
            if thing is None and store.kind == "containers-storage":
                _print_leftovers(store, sizes, now_ns)
        tell(findings, verbose)
    return status_of(findings)


def _forest(store: Store, kind: str | None, thing: str | None) -> Forest:
    from ocistore.errors import UsageError
    from ocistore.graph.forest import built_on, held_by_names
    from ocistore.stores.find import find_things

    graph = store.graph
    there = {node.kind for node in graph.nodes}
    if kind is not None and kind not in there:
        raise UsageError(f"--kind {kind}: the store has none; it has {', '.join(sorted(there))}")
    if kind is None and store.kind == "oci-layout":
        forest = held_by_names(graph)
    else:
        chosen = kind or next((each for each in ("image", "record", "snapshot", "layer") if each in there), "image")
        forest = built_on(graph, (chosen,))
    if thing is None:
        return forest
    number = find_things(store, thing)[0]
    if number not in forest:
        # An image among layers: the layers that it stands on.
        number = next((held for held, _ in graph.held_by(number) if held in forest), number)
    if number not in forest:
        raise UsageError(f"{graph.nodes[number].key} is not in this tree; say --kind {graph.nodes[number].kind}")
    return forest.around(number)


def _measured(store: Store) -> Sizes:
    from ocistore.cli.progress import progress
    from ocistore.usage.sizes import measure

    with progress("sizes", "directories") as more:
        return measure(store, more)


def _json(store: Store, forest: Forest, sizes: Sizes | None) -> list[JSON]:
    """The nodes nested by `children`; null children: the node stands above with them."""
    from ocistore.cli.answer import node_json

    tops: list[JSON] = []
    path: list[JSON] = []
    for number, lasts, again in forest.walk():
        level = len(lasts)
        if level >= JSON_LEVELS:
            continue
        own, retains = (sizes.own(number), sizes.retains(number)) if sizes is not None else (None, None)
        node = node_json(store, number, own=own, retains=retains)
        node["children"] = None if again else []
        del path[level:]
        (path[-1]["children"] if path else tops).append(node)
        path.append(node)
    return tops


def _print(store: Store, forest: Forest, sizes: Sizes | None, now_ns: int) -> None:
    from ocistore.cli.table import escape, unicode, width

    if store.root != ".":
        print(escape(store.root))
    room = width()
    blank, down, branch, corner = _LINES if unicode() else _ASCII_LINES
    for number, lasts, again in forest.walk():
        lead = "".join(blank if last else down for last in lasts[:-1])
        if lasts:
            lead += corner if lasts[-1] else branch
        text = _label(store, number, sizes, now_ns) + (" (above)" if again and forest.children(number) else "")
        print(lead + (text if len(lead) + len(text) <= room else text[: max(20, room - len(lead) - 3)] + "..."))


def _label(store: Store, number: int, sizes: Sizes | None, now_ns: int) -> str:
    """A node as the tree shows it: id, names or <none>, age, size, state, note; for a layer, what stands on it."""
    from ocistore.cli.table import WIDE, age, escape, maybe_size, short, width

    node = store.graph.nodes[number]
    parts = [short(node.id)] if node.kind == "image" else [node.kind, short(node.id)]
    # A ref's one name is the digest that stands below it.
    if (node.names and node.kind != "ref") or node.kind == "image":
        more = f" +{len(node.names) - 1}" if len(node.names) > 1 and width() < WIDE else ""
        shown = node.names[:1] if more else node.names
        parts.append((escape(", ".join(shown)) or "<none>") + more)
    if node.created_ns is not None:
        parts.append(age(node.created_ns, now_ns))
    if sizes is not None:
        retained = sizes.retains(number)
        parts.append(maybe_size(retained.allocated if retained else None))
    words = [word for word in (node.state, *node.traits) if word]
    if words:
        parts.append(f"({', '.join(words)})")
    if node.note:
        parts.append(f"- {escape(node.note)}")
    if node.kind == "layer":
        users = [store.graph.nodes[holder] for holder, _ in store.graph.holders(number)]
        users.sort(key=lambda user: not user.names)
        told = [_user(user) for user in users if user.kind in ("image", "container")]
        if told:
            parts.append(f"<- {', '.join(told[:_USERS])}" + (f" +{len(told) - _USERS}" if told[_USERS:] else ""))
    return " ".join(parts)


_LEFT = (
    ("step", "steps", "of builds with layers, kept as their cache"),
    ("result", "results", "of build stages that other images copied from"),
    ("image", "images", "that lost the name to a later build"),
)


def _print_leftovers(store: Store, sizes: Sizes | None, now_ns: int) -> None:
    """What builds left without a name, and with sizes what that costs."""
    from ocistore.cli.table import counted

    unnamed = [n for n in store.graph.nodes if n.kind == "image" and not n.names and n.store == store.number]
    if not unnamed:
        return
    stages = sum("stage" in node.traits for node in unnamed)
    steps = sum("build-step" in node.traits for node in unnamed) - stages
    counts = (steps, stages, len(unnamed) - steps - stages)
    print()
    print(f"{counted(len(unnamed), 'image')} without a name:")
    for count, (one, more, meaning) in zip(counts, _LEFT, strict=True):
        if count:
            print(f"  {count} {one if count == 1 else more} {meaning}")
    if sizes is not None:
        _print_costs(store, sizes, now_ns)


def _print_costs(store: Store, sizes: Sizes, now_ns: int) -> None:
    from ocistore.cli.table import counted, maybe_size
    from ocistore.plan.ladder import cost

    for scope, meaning in (
        ("dangling", "what podman image prune takes (--prune dangling)"),
        ("cache", "what builds with --layers=false would not have left (--prune cache)"),
    ):
        freed, images = cost(store, sizes, scope, now_ns)
        if images:
            print(f"  {maybe_size(freed.allocated if freed else None)} in {counted(images, 'image')}: {meaning}")


def _user(node: Node) -> str:
    from ocistore.cli.table import escape, short

    return escape(node.names[0]) if node.names else f"<none> {short(node.id)}"
