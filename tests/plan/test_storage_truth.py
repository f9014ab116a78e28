"""Plans of bundled real stores against what the native tools did to copies of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ocistore.stores.open import open_store
from ocistore.stores.store import Options
from tests.conftest import names, truth
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store


def checks(kind: str) -> list[Any]:
    """The checks of one kind in the truths of bundled containers/storage stores, each with its store."""
    return [
        pytest.param(name, check, id=f"{name[:3]} {check['root']} {check[kind]} {check.get('as_version', '')}")
        for name in names()
        if name.startswith("p")
        for check in truth(name[:3])["checks"]
        if kind in check
    ]


def open_root(top: Path, name: str, root: str) -> Store:
    """A store of a bundled tree with the options that its truth gives."""
    [entry] = [entry for entry in truth(name[:3])["roots"] if entry["path"] == root]
    args = entry.get("args", [])
    given: dict[str, list[str]] = {}
    for option, value in zip(args[::2], args[1::2], strict=True):
        given.setdefault(option, []).append(str(top / value))
    options = Options(
        runroot=next(iter(given.get("--runroot", [])), None),
        imagestore=next(iter(given.get("--imagestore", [])), None),
        additional_image_stores=tuple(given.get("--additional-image-store", ())),
    )
    return open_store(str(top / root), options)


@pytest.mark.parametrize(("name", "check"), checks("plan"))
def test_a_plan_takes_what_the_native_command_took(
    bundled: Callable[[str], Path], name: str, check: dict[str, Any]
) -> None:
    """The ids that went, by kind, the topmost paths that vanished, and whether the command failed."""
    top = bundled(name[:3])
    store = open_root(top, name, check["root"])

    outcome = run(store, check["plan"], check.get("as_version"), check["now"])

    for kind, ids in check["gone"].items():
        assert taken(outcome, kind) == {i.removeprefix("sha256:") for i in ids}
    root = top / check["root"]
    planned = {str(root / path) for path in paths(outcome)}
    vanished = {str(top / path) for path in check["vanished"]}
    assert {p for p in planned if not any(p.startswith(v + "/") for v in vanished)} == vanished
    assert bool(outcome.failure) == bool(check.get("native_exit"))
    store.close()


@pytest.mark.parametrize(("name", "check"), checks("list"))
def test_a_store_holds_what_its_engine_lists(bundled: Callable[[str], Path], name: str, check: dict[str, Any]) -> None:
    """Ids and, of images and containers, names."""
    store = open_root(bundled(name[:3]), name, check["root"])
    nodes = [n for n in store.graph.nodes if n.kind == check["list"] and n.store == store.number]

    assert {n.id for n in nodes} == set(check["ids"])
    if check["list"] in ("image", "container"):
        assert {n.id: sorted(n.names) for n in nodes} == {i: sorted(v) for i, v in check["ids"].items()}
    store.close()
