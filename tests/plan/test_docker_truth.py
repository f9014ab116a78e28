"""Bundled roots of Docker, BuildKit and containerd against what the native tools did to copies of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ocistore.stores.open import open_store
from tests.cli.running import ocistore
from tests.conftest import names, truth
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMED = ("image", "container")


def checks(kind: str) -> list[Any]:
    """The checks of one kind in the truths of the bundled stores, each with its store."""
    return [
        pytest.param(name, check, id=f"{name[:3]} {check['root']} {check[kind]} {check.get('as_version', '')}")
        for name in names()
        if name[0] in "dbc"
        for check in truth(name[:3])["checks"]
        if kind in check
    ]


@pytest.mark.parametrize(("name", "check"), checks("plan"))
def test_a_plan_takes_what_the_native_command_took(
    bundled: Callable[[str], Path], name: str, check: dict[str, Any]
) -> None:
    """The ids that went, by kind, and the topmost paths that vanished."""
    top = bundled(name[:3])
    store = open_store(str(top / check["root"]))

    outcome = run(store, check["plan"], check.get("as_version"), check["now"])

    assert outcome.blocked == ""
    for kind, ids in check["gone"].items():
        assert taken(outcome, kind) == {i.removeprefix("sha256:") if kind != "blob" else i for i in ids}
    root = top / check["root"]
    planned = {str(root / path) for path in paths(outcome)}
    vanished = {str(top / path) for path in check["vanished"]}
    assert {p for p in planned if not any(p.startswith(v + "/") for v in vanished)} == vanished
    store.close()


@pytest.mark.parametrize(("name", "check"), checks("list"))
def test_a_store_holds_what_its_engine_lists(bundled: Callable[[str], Path], name: str, check: dict[str, Any]) -> None:
    """Ids and, of images and containers, names."""
    store = open_store(str(bundled(name[:3]) / check["root"]))
    nodes = [n for n in store.graph.nodes if n.kind == check["list"] and n.store == store.number]
    wanted = {i.removeprefix("sha256:") if check["list"] == "image" else i: sorted(v) for i, v in check["ids"].items()}

    assert {n.id for n in nodes} == set(wanted)
    if check["list"] in NAMED:
        assert {n.id: sorted(n.names) for n in nodes} == wanted
    store.close()


@pytest.mark.parametrize(("name", "check"), checks("verb"))
def test_a_damaged_store_is_told(bundled: Callable[[str], Path], name: str, check: dict[str, Any]) -> None:
    """Exit status, and what must be said, without a traceback."""
    verb, *rest = check["verb"]

    done = ocistore(verb, bundled(name[:3]) / check["root"], *rest)

    assert done.status == check["exit"]
    said = done.out + done.err
    assert [] == [text for text in check["says"] if text not in said]
    assert [] == [text for text in check["never"] if text in said]


@pytest.mark.parametrize(
    "damaged",
    [
        "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/metadata.db",
        "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
    ],
)
def test_with_the_containerd_image_store_its_databases_block_what_collects(
    copied: Callable[[str], Path], damaged: str
) -> None:
    """6.3: the collector would judge snapshots of which nothing is known; volumes lie elsewhere."""
    root = copied("d06") / "root"
    (root / damaged).write_bytes(b"")
    store = open_store(str(root))

    for command in ("image prune -a -f", "rmi c1", "builder prune -a -f", "container prune -f", "history rm --all"):
        outcome = run(store, f"docker {'buildx ' if command.startswith('history') else ''}{command}")
        assert (outcome.blocked != "", outcome.removals) == (True, []), command
    assert run(store, "docker volume prune -a -f").blocked == ""
    store.close()


def test_with_the_containerd_image_store_an_unread_container_blocks_images(copied: Callable[[str], Path]) -> None:
    """6.3: a container protects the name that it was made with."""
    root = copied("d06") / "root"
    record = next((root / "containers").glob("*/config.v2.json"))
    record.write_bytes(record.read_bytes()[:100])
    store = open_store(str(root))

    assert run(store, "docker image prune -a -f").blocked != ""
    store.close()
