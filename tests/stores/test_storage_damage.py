"""Damaged and hostile containers/storage directories: refused in one sentence, never a crash (Part 4, rule zero)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocistore.check.structure_storage import check_storage
from ocistore.plan.make import plan_command, plan_scopes
from ocistore.stores.store import Options
from tests.make.storage import StorageMaker, ident, open_storage
from tests.plan.storage_plan import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store

RECORDS = [
    "overlay-layers/layers.json",
    "overlay-layers/volatile-layers.json",
    "overlay-images/images.json",
    "overlay-containers/containers.json",
    "overlay-containers/volatile-containers.json",
]
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "of NUL bytes": lambda data: bytes(len(data)),
    "a text": lambda _: b'"x"',
    "an object": lambda _: b"{}",
    "a list of numbers": lambda _: b"[1]",
    "with a number as id": lambda data: data.replace(b'"id": "', b'"id": 1, "was": "'),
    "with a list as created": lambda data: data.replace(b'"created": "', b'"created": [], "was": "'),
    "with a bad time": lambda data: data.replace(b'"created": "2026', b'"created": "9x26'),
    "with trailing bytes": lambda data: data + b"[]",
    "nested deep": lambda _: b"[" * 100_000,
    "with a huge number": lambda _: b"[" + b"9" * 10_000 + b"]",
    "not UTF-16": lambda data: data.decode().encode("utf-16"),
}


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store with every record file."""
    maker = StorageMaker(tmp_path)
    image = maker.image("i", maker.layer("L"), ["localhost/x:1"])
    maker.container("c", image, ident("L"))
    maker.container("work", image, ident("L"), maker="buildah")
    maker.volume("v")
    return maker


def opened(make: StorageMaker, options: Options | None = None) -> Store:
    """The store as it lies on disk."""
    return open_storage(make.root, options or Options(runroot=str(make.run)))


def blocked(store: Store) -> set[tuple[str, str]]:
    """Codes and paths of what forbids plans; no plan is made, and nothing is called unreferenced."""
    for plan in (
        plan_scopes(store, ["all"], now_ns=0, grace_ns=0),
        plan_command(store, "podman image prune -a -f", now_ns=0),
        plan_command(store, "containers-storage gc", now_ns=0),
    ):
        assert (plan.blocked, plan.steps, plan.frees) == (True, [], None)
        assert [f.text.startswith("nothing is planned: ") for f in plan.findings if f.code == "plan-blocked"] == [True]
    return {(f.code, f.path) for f in store.findings.blocking}


# Rule zero -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", RECORDS)
def test_a_record_file_that_cannot_be_trusted_blocks(make: StorageMaker, file: str, damage: str) -> None:
    """Its path and what is wrong stand in one finding."""
    make.write()
    path = make.root / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))

    assert ("records-corrupt", file) in blocked(opened(make))


@pytest.mark.parametrize("kind", ["directory", "link", "fifo", "socket"])
@pytest.mark.parametrize("file", RECORDS)
def test_something_else_in_place_of_a_record_file_blocks(make: StorageMaker, file: str, kind: str) -> None:
    """No link is followed, and a fifo is not waited for."""
    make.write()
    path = make.root / file
    path.rename(make.top / "elsewhere")
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(make.top / "elsewhere")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        os.mknod(path, 0o140600)

    assert ("records-unreadable", file) in blocked(opened(make))


def test_a_missing_layers_json_blocks(make: StorageMaker) -> None:
    """Natively it reads as no layers, and gc deletes everything."""
    make.write()
    (make.root / RECORDS[0]).unlink()

    assert blocked(opened(make)) == {("layers-json-missing", RECORDS[0])}


def test_an_empty_layers_json_beside_directories_blocks(make: StorageMaker) -> None:
    """No layer at all, and the driver has directories."""
    make.volatile_layers.clear()
    make.layers.clear()

    make.write()
    assert ("layers-json-missing", RECORDS[0]) in blocked(opened(make))


def test_a_top_layer_without_a_record_blocks(make: StorageMaker) -> None:
    """An image stands on it."""
    make.image("two", ident("missing"))
    make.write()

    assert blocked(opened(make)) == {("layer-record-missing", "overlay-images/images.json")}


def test_a_parent_without_a_record_blocks(make: StorageMaker) -> None:
    """A layer stands on it."""
    make.layer("M", ident("missing"))
    make.write()

    assert blocked(opened(make)) == {("layer-record-missing", "overlay-layers/layers.json")}


def test_a_cycle_of_parents_blocks_and_ends(make: StorageMaker) -> None:
    """Layers are each other's ancestors."""
    one, two = ident("one"), ident("two")
    make.layer("one", two)
    make.layer("two", one)
    make.image("two", two, diff_ids=[])
    make.write()
    store = opened(make)
    check_storage(store)

    assert blocked(store) == {("parent-cycle", "overlay-layers/layers.json")}


@pytest.mark.parametrize("bad", ["../../etc", "", ".", "..", "a/b", "a\0b", "x" * 300])
@pytest.mark.parametrize("part", ["layers", "images", "containers"])
def test_an_id_that_is_no_name_of_a_directory_blocks(make: StorageMaker, part: str, bad: str) -> None:
    """Nothing outside the store is looked at."""
    getattr(make, part)[0]["id"] = bad
    make.write()

    assert ("leaves-root", f"overlay-{part}/{part}.json") in blocked(opened(make))


@pytest.mark.parametrize("part", ["layers", "images", "containers"])
def test_an_id_that_is_recorded_twice_blocks(make: StorageMaker, part: str) -> None:
    """Programs disagree which record counts."""
    entries = getattr(make, part)
    entries.append(dict(entries[0]))
    make.write()

    assert ("record-twice", f"overlay-{part}/{part}.json") in blocked(opened(make))


def test_a_key_twice_in_a_record_blocks(make: StorageMaker) -> None:
    """Programs read it differently."""
    make.write()
    path = make.root / RECORDS[0]
    path.write_text(path.read_text().replace('"id":', '"id": "x", "id":', 1))

    assert ("records-corrupt", RECORDS[0]) in blocked(opened(make))


@pytest.mark.parametrize("missing", ["graphroot", "imagestore"])
def test_a_split_half_without_its_layers_json_blocks(tmp_path: Path, missing: str) -> None:
    """Directories of layers are there, the records of these layers are not."""
    half = StorageMaker(tmp_path / "half")
    image = half.image("i", half.layer("L"), ["localhost/x:1"])
    half.layer("alone")
    half.write()
    make = StorageMaker(tmp_path / "rw")
    make.container("c", image, ident("L"))
    make.write()
    root = make.root if missing == "graphroot" else half.root
    (root / RECORDS[0]).unlink()
    path = RECORDS[0] if missing == "graphroot" else f"{half.root}/{RECORDS[0]}"

    assert ("layers-json-missing", path) in blocked(opened(make, Options(imagestore=str(half.root))))


def test_mount_counts_that_cannot_be_read_block(make: StorageMaker) -> None:
    """Every command would fail on the file."""
    make.mounted(ident("L"))
    make.write()
    path = make.run / "overlay-layers" / "mountpoints.json"
    path.write_text("{")

    assert blocked(opened(make)) == {("records-corrupt", str(path))}


# The database --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"garbage" * 1000,
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + bytes(len(data) - 100),
        lambda data: b"SQLite format 3\0",
    ],
    ids=["garbage", "cut", "zeroed", "header only"],
)
def test_a_database_that_cannot_be_read_blocks_podman(make: StorageMaker, damage: Callable[[bytes], bytes]) -> None:
    """Its containers and volumes are unknown; what doesn't ask it is planned."""
    make.write()
    path = make.root / "db.sql"
    path.write_bytes(damage(path.read_bytes()))

    assert doubted_database(opened(make)) == (["db.sql"], True, False)


def doubted_database(store: Store) -> tuple[list[str], bool, bool]:
    """Paths of the finding, and whether plans of podman and of containers-storage are blocked."""
    found = [finding.path for finding in store.findings if finding.code == "database-corrupt"]
    blocks = [bool(run(store, line).blocked) for line in ("podman image prune -f", "containers-storage gc")]
    return found, blocks[0], blocks[1]


@pytest.mark.parametrize("table", ["DBConfig", "ContainerConfig", "ContainerVolume", "PodConfig", "VolumeConfig"])
def test_a_database_without_a_table_blocks_podman(make: StorageMaker, table: str) -> None:
    """It is no schema of podman."""
    make.write()
    connection = sqlite3.connect(make.root / "db.sql")
    connection.execute(f"DROP TABLE {table}")
    connection.commit()
    connection.close()

    assert doubted_database(opened(make)) == (["db.sql"], True, False)


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"state": []}', b'{"createdTime": 1}', b"\0" * 20, b'{"labels": 1}'])
def test_a_row_whose_json_is_odd_is_no_crash(make: StorageMaker, value: bytes) -> None:
    """It blocks, or the odd field is nothing."""
    make.write()
    connection = sqlite3.connect(make.root / "db.sql")
    for table in ("ContainerConfig", "ContainerState", "VolumeConfig", "VolumeState"):
        connection.execute(f"UPDATE {table} SET JSON = ?", (value,))
    connection.commit()
    connection.close()

    assert blocked_or_whole(opened(make)) <= {"database-corrupt"}


def blocked_or_whole(store: Store) -> set[str]:
    """Codes of what forbids plans; otherwise plans are made."""
    plan_scopes(store, ["all"], now_ns=0, grace_ns=0)
    plan_command(store, "podman system prune -a -f --volumes", now_ns=0)
    check_storage(store)
    return {f.code for f in store.findings.blocking}


def test_a_locked_database_is_read(make: StorageMaker) -> None:
    """The reader works on a copy and waits for nobody."""
    make.write()
    connection = sqlite3.connect(make.root / "db.sql")
    connection.execute("BEGIN EXCLUSIVE")

    assert len(opened(make).detail.databases[0].containers) == 1
    connection.close()


# Things of the wrong type --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "file", "fifo", "missing"])
@pytest.mark.parametrize(
    "path", ["overlay", "overlay/l", "overlay/{layer}", "overlay-images/{image}", "volumes", "db.sql"]
)
def test_something_else_in_place_of_a_directory_is_survived(make: StorageMaker, path: str, kind: str) -> None:
    """A finding says what is wrong; no link is followed out of the store."""
    make.write()
    there = make.root / path.format(layer=ident("L"), image=make.images[0]["id"])
    there.rename(make.top / "elsewhere")
    if kind == "link":
        there.symlink_to(make.top / "elsewhere")
    elif kind == "file":
        there.write_bytes(b"x")
    elif kind == "fifo":
        os.mkfifo(there)
    store = opened(make)
    check_storage(store)
    blocked_or_whole(store)

    if kind != "missing":
        assert [finding for finding in store.findings if finding.severity in ("error", "warning", "note")]


@pytest.mark.parametrize("name", [b"\xff\xfe", b"=\xff", b"\x1b[31m", b"a\nb", b"=" + b"A" * 250])
def test_names_that_are_no_text_are_survived(make: StorageMaker, name: bytes) -> None:
    """In every directory that the reader lists."""
    make.write()
    image = make.images[0]["id"]
    for path in ("", "overlay", "overlay/l", "overlay-layers", "overlay-images", f"overlay-images/{image}", "volumes"):
        with open(os.path.join(os.fsencode(make.root), os.fsencode(path), name), "wb"):
            pass

    assert blocked_or_whole(opened(make)) == set()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_a_record_file_is_survived(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Fields of any type, in any record: findings, never an error."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    values = st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=4,
    )
    keys = [
        "id",
        "names",
        "parent",
        "created",
        "layer",
        "image",
        "flags",
        "mapped-layers",
        "big-data-names",
        "big-data-sizes",
        "digest",
        "diff-size",
        "metadata",
    ]
    records = data.draw(st.lists(st.dictionaries(st.sampled_from(keys), values, max_size=4), max_size=3))
    file = data.draw(st.sampled_from(RECORDS))
    make = StorageMaker(tmp_path_factory.mktemp("store"))
    image = make.image("i", make.layer("L"), ["localhost/x:1"])
    make.container("work", image, ident("L"), maker="buildah")
    make.write()
    (make.root / file).write_text(json.dumps(records))

    blocked_or_whole(opened(make))
    shutil.rmtree(make.top)


def test_a_chain_of_many_layers_is_no_recursion(make: StorageMaker) -> None:
    """Five thousand layers, one on the other."""
    below = ""
    for number in range(5000):
        below = make.layer(f"n{number}", below, directory=False)
    make.image("top", below, diff_ids=[])
    make.write()

    assert blocked_or_whole(opened(make)) == set()


# Without the right to read -------------------------------------------------------------------------------------------


def as_nobody(work: Callable[[], str]) -> str:
    """What a function gives back in a child that is no superuser."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, work().encode())
        except BaseException as err:
            os.write(writing, f"raised {err!r}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        found = pipe.read().decode()
    os.waitpid(child, 0)
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("overlay-layers/layers.json", "records-unreadable"),
        ("overlay-images/images.json", "records-unreadable"),
        ("db.sql", "database-corrupt"),
        ("overlay", "unreadable"),
        ("overlay/l", "unreadable"),
        ("overlay-images", "records-unreadable"),
        ("volumes", "unreadable"),
    ],
)
def test_what_may_not_be_read_is_said(make: StorageMaker, path: str, code: str) -> None:
    """An unreadable file or directory is a finding with its path, and weighs never nothing."""
    make.write()
    for above in [make.top, *make.top.parents][:-1]:
        above.chmod(above.stat().st_mode | 0o055)
    (make.root / path).chmod(0)

    found = as_nobody(lambda: "\n".join(f"{f.code} {f.path}" for f in opened(make).findings))

    assert any(line.startswith(f"{code} {path}") for line in found.splitlines()), found
