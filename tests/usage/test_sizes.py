"""The ledger, own bytes and retained bytes of stores that are written down here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocistore.usage.bytes import ZERO, Bytes
from ocistore.usage.sizes import measure
from tests.make.by_hand import add_place, number, plant, store_of
from tests.naive import count, du, freed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ocistore.stores.store import Store
    from ocistore.usage.sizes import Sizes

FILES: dict[str, int | str] = {
    "lock": 0,
    "layers/base/file": 5000,
    "layers/base/shared": 9000,
    "layers/one/file": 100,
    "layers/one/shared": "=layers/base/shared",
    "layers/one/twin": 20_000,
    "layers/two/twin": "=layers/one/twin",
    "layers/two/deep/own": 300,
    "layers/left/file": 70_000,
    "layers/left/shared": "=layers/base/shared",
    "images/one": 10,
    "images/two": 20,
}
OWNED = {
    "layers/base": "layer:base",
    "layers/one": "layer:one",
    "layers/two": "layer:two",
    "layers/left": "layer:left",
    "images/one": "image:one",
    "images/two": "image:two",
}
HOLDS = [
    ("ref:name", "image:one"),
    ("ref:name", "image:two"),
    ("image:one", "layer:one"),
    ("image:two", "layer:two"),
    ("layer:one", "layer:base"),
    ("layer:two", "layer:base"),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A name holds two images, each a layer, both on one base; a layer is left over; inodes are shared."""
    plant(tmp_path / "t", FILES)
    return store_of(tmp_path / "t", OWNED, HOLDS, ["ref:name"])


def of(paths: Iterable[str], top: Path) -> Bytes:
    """The bytes of single inodes."""
    return count(os.lstat(top / path) for path in paths)


def retained(sizes: Sizes, key: str) -> Bytes | None:
    """By `kind:id`."""
    return sizes.retains(number(sizes.store, key))


def test_total_is_du(store: Store, tmp_path: Path) -> None:
    """The total is what du says."""
    assert du(str(tmp_path / "t")) == measure(store).total()


def test_fates_and_kinds_add_up(store: Store) -> None:
    """Fates add up to the total, and so do kinds."""
    sizes = measure(store)
    by_fate, by_kind = ZERO, ZERO
    for amount in sizes.fates().values():
        by_fate = by_fate.plus(amount)
    for line in sizes.kinds().values():
        by_kind = by_kind.plus(line.bytes)

    assert [sizes.total()] * 2 == [by_fate, by_kind]


def test_a_shared_inode_is_held_if_one_owner_is(store: Store, tmp_path: Path) -> None:
    """An inode that a held layer and a leftover name isn't unreferenced; the rest of the leftover is."""
    sizes = measure(store)
    left = of(["layers/left", "layers/left/file"], tmp_path / "t")

    assert left == sizes.fates()["unreferenced"]
    assert (4, left) == (sizes.kinds()["layer"].nodes, sizes.kinds()["layer"].unreferenced)


def test_own_is_du_of_the_paths(store: Store, tmp_path: Path) -> None:
    """A node's own bytes have the inodes that it shares."""
    sizes = measure(store)

    assert du(str(tmp_path / "t/layers/left")) == sizes.own(number(store, "layer:left"))
    assert ZERO == sizes.own(number(store, "ref:name"))


def test_retained_is_what_goes_with_a_node(store: Store, tmp_path: Path) -> None:
    """A shared inode counts where all its owners go: at the name that holds both images, not at either layer."""
    top = tmp_path / "t"
    sizes = measure(store)

    assert of(["layers/one", "layers/one/file", "images/one"], top) == retained(sizes, "image:one")
    assert of(["layers/base", "layers/base/file"], top) == retained(sizes, "layer:base")
    assert freed(str(top / p) for p in OWNED if p != "layers/left") == retained(sizes, "ref:name")
    assert of(["layers/left", "layers/left/file"], top) == retained(sizes, "layer:left")


def test_names_outside_the_store_keep_the_inode(store: Store, tmp_path: Path) -> None:
    """An inode with a name outside never comes back, but is counted."""
    os.link(tmp_path / "t/layers/left/file", tmp_path / "outside")
    sizes = measure(store)

    assert du(str(tmp_path / "t")) == sizes.total()
    assert of(["layers/left"], tmp_path / "t") == retained(sizes, "layer:left")
    assert sizes.own(number(store, "layer:left")) == du(str(tmp_path / "t/layers/left"))


def test_nested_owners(store: Store, tmp_path: Path) -> None:
    """A deeper path belongs to its own node, what is between to the nearest owner above."""
    store.own("layers/two/deep/own", number(store, "volume:v"))
    sizes = measure(store)

    assert of(["layers/two/deep/own"], tmp_path / "t") == sizes.own(number(store, "volume:v"))
    assert of(["layers/two", "layers/two/deep", "layers/two/twin"], tmp_path / "t") == sizes.own(
        number(store, "layer:two")
    )


def test_what_no_node_owns_is_unknown(store: Store, tmp_path: Path) -> None:
    """A reader that forgets the root can't make the ledger smaller."""
    del store.places[0].owned[""]
    sizes = measure(store)

    assert du(str(tmp_path / "t")) == sizes.total()
    assert of([".", "lock", "layers", "images"], tmp_path / "t") == sizes.fates()["unknown"]


def test_other_places_have_their_own_ledger(store: Store, tmp_path: Path) -> None:
    """A runroot isn't in the root's total, but its bytes come back with the node."""
    plant(tmp_path / "run", {"one/state": 10, "other/state": 10})
    add_place(store, tmp_path / "run", {"one": "layer:left"})
    sizes = measure(store)
    run = du(str(tmp_path / "run/one"))

    assert du(str(tmp_path / "t")) == sizes.total()
    assert run == sizes.total(1)
    assert of(["layers/left", "layers/left/file"], tmp_path / "t").plus(run) == retained(sizes, "layer:left")


def test_an_inode_with_names_in_two_places(store: Store, tmp_path: Path) -> None:
    """Each directory's ledger has the inode, and it comes back once, when both names go."""
    plant(tmp_path / "run", {"one/state": 10})
    os.link(tmp_path / "run/one/state", tmp_path / "t/layers/left/state")
    add_place(store, tmp_path / "run", {"one": "layer:left"}, ledger=True)
    sizes = measure(store)

    assert [du(str(tmp_path / "t")), du(str(tmp_path / "run"))] == [sizes.total(0), sizes.total(1)]
    assert freed([str(tmp_path / "t/layers/left"), str(tmp_path / "run/one")]) == retained(sizes, "layer:left")


def test_a_place_inside_another_counts_once(store: Store, tmp_path: Path) -> None:
    """A runroot below the root is in both ledgers, and in a node's bytes once."""
    plant(tmp_path / "t/run", {"one/state": 10})
    add_place(store, tmp_path / "t/run", {"one": "layer:left"}, ledger=True)
    sizes = measure(store)
    run = du(str(tmp_path / "t/run/one"))

    assert [du(str(tmp_path / "t")), du(str(tmp_path / "t/run"))] == [sizes.total(0), sizes.total(1)]
    assert of(["layers/left", "layers/left/file"], tmp_path / "t").plus(run) == retained(sizes, "layer:left")


def test_bytes_that_files_dont_tell_are_null(store: Store) -> None:
    """A node whose driver shares blocks has no own bytes, and nothing that holds it alone has retained ones."""
    store.graph.nodes[number(store, "layer:base")].unsized = True
    sizes = measure(store)

    assert [None, None, None] == [
        sizes.own(number(store, "layer:base")),
        retained(sizes, "layer:base"),
        retained(sizes, "ref:name"),
    ]
    assert retained(sizes, "layer:one") is not None
    assert sizes.freed([["layers/left"], ["layers/base"]]).steps[1] is None


def test_unreadable_is_null_and_a_finding(store: Store, tmp_path: Path) -> None:
    """What can't be read is never a size of 0."""
    secret = tmp_path / "t/layers/left"
    secret.chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        sizes = measure(store)
    finally:
        os.seteuid(before)
        secret.chmod(0o700)

    assert [None, None] == [sizes.own(number(store, "layer:left")), retained(sizes, "layer:left")]
    assert [("unreadable", "layers/left", "layer:left")] == [(f.code, f.path, f.node) for f in store.findings]
    assert sizes.freed([["layers/left"]]).total is None


def test_answers_after_the_walk_need_no_disk(store: Store, tmp_path: Path) -> None:
    """Plans over owned paths and cuts are answered from the walk, as often as one likes."""
    sizes = measure(store, cuts=["layers/two/deep", "/nowhere"])
    steps = [["layers/one"], ["layers/two/deep"], ["layers/two"], ["layers"]]
    tops = [str(tmp_path / "t" / paths[0]) for paths in steps]
    expected = [freed(tops[: n + 1]).minus(freed(tops[:n])) for n in range(3)]
    store.close()

    assert expected == list(sizes.freed(steps[:3]).steps)


def test_other_paths_are_walked(store: Store, tmp_path: Path) -> None:
    """A path that is neither owned nor a cut is measured for itself."""
    assert freed([str(tmp_path / "t/layers")]) == measure(store).freed([["layers"]]).total


def test_kept_is_what_the_other_count_keeps(tmp_path: Path) -> None:
    """A layer that an image and a build record hold is kept from each by the other; what one alone holds is not."""
    top = tmp_path / "t"
    plant(top, {"image": 10, "layers/both": 5000, "layers/image": 9000, "layers/record": 300})
    owned = {"image": "image:i", **{f"layers/{name}": f"layer:{name}" for name in ("both", "image", "record")}}
    holds = [
        ("ref:name", "image:i"),
        ("image:i", "layer:both"),
        ("image:i", "layer:image"),
        ("record:r", "lease:l"),
        ("lease:l", "layer:both"),
        ("lease:l", "layer:record"),
    ]
    sizes = measure(store_of(top, owned, holds, ["ref:name", "record:r"]))
    both = of(["layers/both"], top)

    assert of(["image", "layers/image"], top) == retained(sizes, "image:i")
    assert [both, both] == [sizes.kept(number(sizes.store, key)) for key in ("image:i", "record:r")]
    assert sizes.kept(number(sizes.store, "layer:both")) is None


def test_nothing_is_kept_without_a_build_cache(store: Store) -> None:
    """Stores with one reference count have no such figure."""
    sizes = measure(store)

    assert sizes.kept(number(sizes.store, "image:one")) is None
