"""Laws of sizes on random trees with random owners and holders."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.disk.tree import DirectoryTree
from ocistore.findings import Findings
from ocistore.graph.reach import goes_with
from ocistore.stores.store import Place, Store
from ocistore.usage.bytes import ZERO, Bytes
from ocistore.usage.freed import measure_freed
from ocistore.usage.sizes import measure
from tests.naive import du, freed
from tests.strategies import graphs, grow, plants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocistore.graph.graph import Graph
    from tests.strategies import Plant

law = settings(derandomize=True, deadline=None, max_examples=120)


@contextmanager
def grown(
    things: Sequence[Plant], graph: Graph, owners: Sequence[tuple[int, int]]
) -> Iterator[tuple[Store, list[str]]]:
    """A store over a random tree: of (path, node) numbers, the path of that number belongs to that node."""
    with tempfile.TemporaryDirectory() as directory:
        top = os.path.join(directory, "t")
        paths = ["", *grow(top, things)]
        store = Store("containers-storage", ".", None, graph, Findings())
        store.places.append(Place(DirectoryTree(top)))
        for path, node in owners:
            store.own(paths[path % len(paths)], node % len(graph))
        try:
            yield store, paths
        finally:
            store.close()


owner_pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 11)), max_size=12)
step_lists = st.lists(st.lists(st.integers(0, 40), max_size=4), max_size=5)


def added(amounts: Sequence[Bytes | None]) -> Bytes:
    """The sum of amounts, all of which must be known."""
    total = ZERO
    for amount in amounts:
        assert amount is not None
        total = total.plus(amount)
    return total


@law
@given(plants(), graphs(), owner_pairs)
def test_the_ledger_is_du(things: list[Plant], graph: Graph, owners: list[tuple[int, int]]) -> None:
    """Total, fates and kinds add up to du whoever owns what."""
    with grown(things, graph, [(0, 0), *owners]) as (store, _):
        sizes = measure(store)
        expected = du(store.tree.path)

        assert expected == sizes.total()
        assert expected == added(list(sizes.fates().values()))
        assert expected == added([line.bytes for line in sizes.kinds().values()])
        assert sizes.fates()["unreferenced"] == added([line.unreferenced for line in sizes.kinds().values()])


@law
@given(plants(), graphs(), owner_pairs, step_lists)
def test_steps_give_back_what_their_union_does(
    things: list[Plant], graph: Graph, owners: list[tuple[int, int]], numbers: list[list[int]]
) -> None:
    """Each step gives what all up to it give less what those before it give, by a walk of the paths or of all."""
    with grown(things, graph, owners) as (store, paths):
        steps = [[paths[n % len(paths)] for n in step] for step in numbers]
        top = store.tree.path
        before, expected = ZERO, []
        for count in range(1, len(steps) + 1):
            union = freed(os.path.join(top, path) for step in steps[:count] for path in step)
            expected.append(union.minus(before))
            before = union
        sizes = measure(store, cuts=[path for step in steps for path in step])

        assert expected == list(measure_freed(store, steps).steps)
        assert expected == list(sizes.freed(steps).steps)
        assert before == sizes.freed(steps).total


@law
@given(plants(), graphs(), owner_pairs)
def test_everything_gives_back_everything(things: list[Plant], graph: Graph, owners: list[tuple[int, int]]) -> None:
    """Unlinking all there is frees what du says."""
    with grown(things, graph, owners) as (store, _):
        assert du(store.tree.path) == measure_freed(store, [[""]]).total
        assert du(store.tree.path) == measure(store).freed([[""]]).total


@law
@given(plants(), graphs(), owner_pairs)
def test_retained_is_what_unlinking_gives(things: list[Plant], graph: Graph, owners: list[tuple[int, int]]) -> None:
    """What a node retains is what unlinking its paths gives, and those of all that goes with it, and no others."""
    with grown(things, graph, [(0, 0), *owners]) as (store, paths):
        sizes = measure(store)
        nearest = {path: _owner(store, path) for path in paths}
        for node in range(len(graph)):
            gone = {node, *goes_with(graph, node)}
            # Path by path, so that what others own below is left.
            names: dict[int, int] = {}
            inodes: dict[int, os.stat_result] = {}
            for path in paths:
                if nearest[path] in gone:
                    found = os.lstat(os.path.join(store.tree.path, path))
                    names[found.st_ino] = names.get(found.st_ino, 0) + 1
                    inodes[found.st_ino] = found
            back = [s for s in inodes.values() if s.st_mode & 0o170000 == 0o040000 or names[s.st_ino] == s.st_nlink]
            expected = Bytes(sum(512 * s.st_blocks for s in back), sum(s.st_size for s in back), len(back))

            assert expected == sizes.retains(node)


def _owner(store: Store, path: str) -> int:
    owned = store.places[0].owned
    while path not in owned:
        path = path.rpartition("/")[0]
    return owned[path]
