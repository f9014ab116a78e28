"""Bad input on the command line: one sentence with file and place, the documented exit status, and nothing lost."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ocistore.stores.containers_storage import populate, reader
from tests.cli.running import ocistore
from tests.make.storage import StorageMaker, ident
from tests.stores.test_storage_damage import as_nobody

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.containers_storage.storage import Storage
    from ocistore.stores.store import Store

LAYERS = "overlay-layers/layers.json"


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store with a named image on two layers, a dangling one, and a container."""
    maker = StorageMaker(tmp_path)
    below = maker.layer("below")
    image = maker.image("named", maker.layer("above", below), ["localhost/x:latest"])
    maker.image("dangling", below)
    maker.container("c", image, ident("above"))
    maker.write()
    return maker


def edited(make: StorageMaker, change: Callable[[list[dict[str, object]]], object]) -> None:
    """Changes the parsed layers.json."""
    path = make.root / LAYERS
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[StorageMaker], None]:
    """A damage of the bytes of layers.json."""

    def damage(make: StorageMaker) -> None:
        path = make.root / LAYERS
        path.write_bytes(change(path.read_bytes()))

    return damage


def link_to_etc(make: StorageMaker) -> None:
    """A symbolic link out of the root stands in place of the records."""
    (make.root / LAYERS).unlink()
    (make.root / LAYERS).symlink_to("/etc/hostname")


DAMAGES: dict[str, tuple[Callable[[StorageMaker], None], str]] = {
    "truncated": (bytes_of(lambda data: data[: len(data) // 2]), f"error: {LAYERS}: is not JSON"),
    "nothing but NUL": (
        bytes_of(lambda data: b"\0" * len(data)),
        "holds only NUL bytes, not JSON (as after a power loss)",
    ),
    "empty": (bytes_of(lambda data: b""), "records no layer though the driver has directories of layers"),
    "another type": (bytes_of(lambda data: b'{"id": 1}'), "is no list of records"),
    "a field of another type": (
        lambda make: edited(make, lambda entries: entries[0].update(parent=7)),
        "parent is no text (record 0)",
    ),
    "nested deep": (bytes_of(lambda data: b"[" * 100_000), "JSON is nested too deep"),
    "a key twice": (
        bytes_of(lambda data: data.replace(b'"id":', b'"id": "x", "id":', 1)),
        "the key 'id' occurs twice in one object",
    ),
    "a parent cycle": (
        lambda make: edited(make, lambda entries: entries[0].update(parent=ident("above"))),
        "is its own ancestor",
    ),
    "an id with slashes": (
        lambda make: edited(make, lambda entries: entries[0].update(id="../../../etc")),
        "a record's id is '../../../etc'; it is no name of a directory",
    ),
    "a link out of the root": (link_to_etc, "a symbolic link, which is not followed"),
    "missing": (lambda make: (make.root / LAYERS).unlink(), "nothing can be called unreferenced"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_records_are_told_and_block_plans(make: StorageMaker, name: str) -> None:
    """Every one has status 1: check names file and place, a plan by scope is blocked, and df still adds up."""
    damage, sentence = DAMAGES[name]
    damage(make)

    checked = ocistore("check", make.root)
    planned = ocistore("plan", make.root, "--prune", "all", "--json")
    ledger = ocistore("df", make.root, "--json")
    [account] = ledger.json["stores"]

    assert (checked.status, sentence in checked.out, LAYERS in checked.out) == (1, True, True)
    assert (planned.status, planned.json["blocked"], planned.json["steps"], planned.json["frees"]) == (
        1,
        True,
        [],
        None,
    )
    for unit, whole in account["total"].items():
        assert sum(fate[unit] for fate in account["fates"].values()) == whole
    assert account["fates"]["unreferenced"]["allocated"] == 0


def test_a_store_that_changes_while_it_is_read_is_noticed(make: StorageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that were read are looked at again in the end; the answer is one of status 1."""

    def meddle(store: Store, storage: Storage) -> None:
        populate.populate(store, storage)
        edited(make, lambda entries: entries.append({"id": ident("new"), "created": "2026-01-01T00:00:00Z"}))

    monkeypatch.setattr(reader, "populate", meddle)
    ran = ocistore("ls", make.root)

    assert (ran.status, f"{LAYERS}: changed while the store was read" in ran.err) == (1, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_another_user_may_not_read_weighs_nothing_known(make: StorageMaker) -> None:
    """A partial answer: status 1, the file named, and null where bytes can't be proved."""
    secret = make.root / "overlay" / ident("above") / "diff"
    for path in (make.top, make.root, make.run):
        path.chmod(0o755)
    secret.chmod(0o700)
    for above in make.top.parents:
        above.chmod(above.stat().st_mode | 0o011)

    def ask() -> str:
        ran = ocistore("plan", make.root, "--as", "podman rmi -f x", "--json")
        return f"{ran.status}\n{ran.out}"

    # Once as root: what the other user may not load is loaded then.
    ask()
    status, _, text = as_nobody(ask).partition("\n")
    answer = json.loads(text)
    steps = {step["id"]: step["frees"] for step in answer["steps"]}

    assert (status, answer["frees"], steps[ident("above")]) == ("1", None, None)
    assert any(f["code"] == "unreadable" and ident("above") in f["path"] for f in answer["findings"])
