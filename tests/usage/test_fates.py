"""Fates of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.usage.fates import fates
from tests.make.by_hand import number, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.store import Store


def store(tmp_path: Path) -> Store:
    """An image holds a layer; a leftover holds another; the engine's own file holds a third."""
    return store_of(
        tmp_path,
        {},
        [("image:i", "layer:held"), ("debris:d", "layer:left"), ("own:store", "layer:kept")],
        ["image:i"],
    )


def by_key(store: Store) -> dict[str, str]:
    """The fates by `kind:id`."""
    return {node.key: fate for node, fate in zip(store.graph.nodes, fates(store), strict=True)}


def test_the_four_fates(tmp_path: Path) -> None:
    """Roots and own files hold; the engine's files are its own; the rest is unreferenced."""
    assert {
        "own:store": "own",
        "image:i": "held",
        "layer:held": "held",
        "debris:d": "unreferenced",
        "layer:left": "unreferenced",
        "layer:kept": "held",
    } == by_key(store(tmp_path))


def test_doubt_is_unknown_and_what_only_it_holds(tmp_path: Path) -> None:
    """A node in doubt makes unknown what nothing else holds."""
    doubted = store(tmp_path)
    doubted.graph.nodes[number(doubted, "debris:d")].doubt = "may be in use"
    found = by_key(doubted)

    assert ["unknown", "unknown"] == [found["debris:d"], found["layer:left"]]


def test_what_is_held_is_not_in_doubt(tmp_path: Path) -> None:
    """A node in doubt that a root holds is held."""
    doubted = store(tmp_path)
    doubted.graph.nodes[number(doubted, "layer:held")].doubt = "may be damaged"

    assert by_key(doubted)["layer:held"] == "held"


def test_a_store_without_its_index_has_nothing_unreferenced(tmp_path: Path) -> None:
    """Findings that forbid plans make unknown what would be unreferenced, and nothing else."""
    blocked = store(tmp_path)
    blocked.findings.say("leaves-root", "a name leads out of the store")

    assert {"own", "held", "unknown"} == set(by_key(blocked).values())
    assert by_key(blocked)["debris:d"] == "unknown"
