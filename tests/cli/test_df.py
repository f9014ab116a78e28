"""`ocistore df`: the ledger is what du says."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.running import in_process, ocistore
from tests.cli.test_ls import arguments
from tests.conftest import names, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocistore.stores.store import Store

ROOTS = [(name, root["path"]) for name in names() for root in truth(name)["roots"]]


def walk(top: str) -> Iterator[os.stat_result]:
    """The lstat of everything at and below a directory."""
    st = os.lstat(top)
    yield st
    if stat.S_ISDIR(st.st_mode):
        for name in os.listdir(top):
            yield from walk(os.path.join(top, name))


def du(top: Path) -> dict[str, int]:
    """What du says, in the three units."""
    inodes = {(st.st_dev, st.st_ino): st for st in walk(str(top))}
    return {
        "allocated": sum(st.st_blocks for st in inodes.values()) * 512,
        "apparent": sum(st.st_size for st in inodes.values()),
        "inodes": len(inodes),
    }


@pytest.mark.parametrize(("name", "root"), ROOTS, ids=[f"{name[:3]}-{root}" for name, root in ROOTS])
def test_the_total_is_du_and_the_fates_add_up_to_it(name: str, root: str, bundled: Callable[[str], Path]) -> None:
    """Total and fates of a root agree with du to the byte, with damage and without."""
    top = bundled(name)
    stores = ocistore("df", *arguments(top, name, root), "--json").json["stores"]
    (mine,) = (store for store in stores if store["root"] == ".")
    sums = {unit: sum(amount[unit] for amount in mine["fates"].values()) for unit in mine["total"]}

    assert du(top / root) == mine["total"] == sums


def test_additional_store_has_its_own_ledger(bundled: Callable[[str], Path]) -> None:
    """A store that this one only reads is accounted for apart, and has no ladder."""
    top = bundled("p08")
    own, other = ocistore("df", *arguments(top, "p08-additional-store", "root"), "--json").json["stores"]

    assert (".", du(top / "root")) == (own["root"], own["total"])
    assert ([], du(top / "ro")) == (other["ladder"], other["total"])


def test_split_store_has_two_ledgers(bundled: Callable[[str], Path]) -> None:
    """The image half of a split store is accounted for apart."""
    top = bundled("p15")
    own, images = ocistore("df", *arguments(top, "p15-imagestore-split", "root"), "--json").json["stores"]

    assert (du(top / "root"), du(top / "images")) == (own["total"], images["total"])


def test_ladder_adds_up(bundled: Callable[[str], Path]) -> None:
    """Each rung's cumulative bytes are those before it and its own."""
    (store,) = ocistore("df", bundled("p03") / "root", "--json").json["stores"]
    together = 0
    for rung in store["ladder"]:
        together += rung["frees"]["allocated"]
        assert rung["cumulative"]["allocated"] == together

    assert {"dangling", "unused"} <= {rung["step"] for rung in store["ladder"]}


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_lines_fit(columns: str, bundled: Callable[[str], Path]) -> None:
    """With COLUMNS no line of the first screen is longer, and nothing is lost but the bars."""
    root = bundled("p03") / "root"
    ran = in_process("df", root, COLUMNS=columns)
    lines = [line for line in ran.lines if not line.startswith(str(root))]

    assert [] == [line for line in lines if len(line) > int(columns)]
    assert {"FATE", "KIND", "STEP"} <= {line.split()[0] for line in lines if line}


def test_nothing_is_written(bundled: Callable[[str], Path]) -> None:
    """After every verb the store is as it was, access times of directories aside."""
    root = bundled("p32") / "root"

    def look() -> list[tuple[int, ...]]:
        return [(st.st_ino, st.st_mode, st.st_size, st.st_mtime_ns, st.st_ctime_ns) for st in walk(str(root))]

    before = look()
    for verb in (["df"], ["ls", "-s"], ["tree"], ["why", "."], ["check", "--verify"], ["plan", "--prune", "all"]):
        ocistore(verb[0], root, *verb[1:])

    assert before == look()


@pytest.mark.parametrize("name", names(), ids=lambda name: name[:3])
def test_what_other_processes_do_changes_nothing(
    name: str, bundled: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is taken for a large one: counted ahead, scanned and planned beside, links read several at once."""
    command = ["df", *arguments(bundled(name), name, truth(name)["roots"][0]["path"]), "--now", "2026-01-01", "--json"]
    alone = ocistore(*command)
    forks = []
    fork = os.fork

    def counting() -> int:
        forks.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", counting)
    for module in ("beside", "tree"):
        monkeypatch.setattr(f"ocistore.disk.{module}.may_fork", lambda: True)
    monkeypatch.setattr("ocistore.disk.tree._MANY", 1)
    monkeypatch.setattr("ocistore.disk.tree._SLOW", -1)
    monkeypatch.setattr("ocistore.disk.tree._PROBE", 1)
    monkeypatch.setattr("ocistore.stores.docker.drivers._MANY", 0)
    monkeypatch.setattr("ocistore.stores.shared.bolt_file._WHOLE", 1)
    monkeypatch.setattr("ocistore.cli.account._LARGE", 1)

    assert alone == ocistore(*command)
    assert forks


def test_what_is_written_meanwhile_forbids_all_plans(
    bundled: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those too that were found before the walk noticed it."""
    from ocistore.usage import sizes

    measure = sizes.measure

    def noticing(store: Store, *more: Any) -> sizes.Sizes:  # noqa: ANN401 - handed on as it is
        measured = measure(store, *more)
        store.findings.say("changed-while-read", "exchanged while it was counted", root=store.root)
        return measured

    command = ["df", *arguments(bundled("d01"), "d01", "root"), "--json"]
    (quiet,) = ocistore(*command).json["stores"]
    monkeypatch.setattr(sizes, "measure", noticing)
    (written,) = ocistore(*command).json["stores"]

    assert quiet["ladder"]
    assert quiet["together"]
    assert ([], None) == (written["ladder"], written["together"])
