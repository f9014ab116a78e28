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
@now_option
@json_option
@verbose_option
def command(where: Where, thing: str | None, kind: str | None, now_ns: int, as_json: bool, verbose: bool) -> int:
    """How images build on each other, layers on layers, records on records.

    With THING: only what it stands on and what stands on it.  In a layout: what each name holds.
    """
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of, tell
    from ocistore.stores.open import several

    stores = where.open()
    if thing is not None and len(stores) > 1:
        raise several(where.path, [store.root for store in stores])
    forests = [_forest(store, kind, thing) for store in stores]
    findings = findings_of(stores)
    if as_json:
        nodes = [node for store, forest in zip(stores, forests, strict=True) for node in _json(store, forest)]
        print_json(envelope("tree", findings, nodes=nodes))
    else:
        for store, forest in zip(stores, forests, strict=True):
            _print(store, forest, now_ns)
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


def _json(store: Store, forest: Forest) -> list[JSON]:
    """The nodes nested by `children`; null children: the node stands above with them."""
    from ocistore.cli.answer import node_json

    tops: list[JSON] = []
    path: list[JSON] = []
    for number, lasts, again in forest.walk():
        level = len(lasts)
        if level >= JSON_LEVELS:
            continue
        node = node_json(store, number)
        node["children"] = None if again else []
        del path[level:]
        (path[-1]["children"] if path else tops).append(node)
        path.append(node)
    return tops


def _print(store: Store, forest: Forest, now_ns: int) -> None:
    from ocistore.cli.table import escape, unicode, width

    if store.root != ".":
        print(escape(store.root))
    room = width()
    blank, down, branch, corner = _LINES if unicode() else _ASCII_LINES
    for number, lasts, again in forest.walk():
        lead = "".join(blank if last else down for last in lasts[:-1])
        if lasts:
            lead += corner if lasts[-1] else branch
        text = _label(store, number, now_ns) + (" (above)" if again and forest.children(number) else "")
        print(lead + (text if len(lead) + len(text) <= room else text[: max(20, room - len(lead) - 3)] + "..."))


def _label(store: Store, number: int, now_ns: int) -> str:
    """A node as the tree shows it: id, names or <none>, state, age, note; for a layer, what stands on it."""
    from ocistore.cli.table import WIDE, age, escape, short, width
    from ocistore.usage.select import created_ns

    node = store.graph.nodes[number]
    parts = [short(node.id)] if node.kind == "image" else [node.kind, short(node.id)]
    # A ref's one name is the digest that stands below it.
    if (node.names and node.kind != "ref") or node.kind == "image":
        more = f" +{len(node.names) - 1}" if len(node.names) > 1 and width() < WIDE else ""
        shown = node.names[:1] if more else node.names
        parts.append((escape(", ".join(shown)) or "<none>") + more)
    words = [word for word in (node.state, *node.traits) if word]
    if words:
        parts.append(f"({', '.join(words)})")
    if node.created is not None:
        parts.append(age(created_ns(node), now_ns))
    if node.note:
        parts.append(f"- {escape(node.note)}")
    if node.kind == "layer":
        users = [store.graph.nodes[holder] for holder, _ in store.graph.holders(number)]
        users.sort(key=lambda user: not user.names)
        told = [_user(user) for user in users if user.kind in ("image", "container")]
        if told:
            parts.append(f"<- {', '.join(told[:_USERS])}" + (f" +{len(told) - _USERS}" if told[_USERS:] else ""))
    return " ".join(parts)


def _user(node: Node) -> str:
    from ocistore.cli.table import escape, short

    return escape(node.names[0]) if node.names else f"<none> {short(node.id)}"
