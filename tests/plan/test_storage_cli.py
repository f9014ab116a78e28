"""The containers-storage program: delete, gc, check (containers-storage 3.0)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from ocistore.stores.containers_storage.layout import big_data_file
from ocistore.stores.store import Options
from tests.make.storage import StorageMaker, ident, open_storage
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from pathlib import Path

YOUNG = "2026-11-21T06:59:00Z"


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store that is being made."""
    return StorageMaker(tmp_path)


# delete --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["delete-image", "deleteimage"])
def test_delete_image_takes_the_layers_that_only_it_has(make: StorageMaker, verb: str) -> None:
    """From the top down to the first that another image needs; parents that are left dangling stay."""
    base = make.layer("base")
    top = make.layer("top", base)
    make.image("parent", base, steps=["a"])
    image = make.image("i", top, ["localhost/x:1"], steps=["a", "b"])

    outcome = run(make.open(), f"containers-storage {verb} localhost/x:1")

    assert (taken(outcome, "image"), taken(outcome, "layer")) == ({image}, {top})


def test_delete_image_with_test_takes_nothing(make: StorageMaker) -> None:
    """`-t` only says what would go, and commands after it see the image."""
    image = make.image("i", make.layer("L"))
    store = make.open()

    assert run(store, f"containers-storage delete-image -t {image}").removals == []
    both = run(store, f"containers-storage delete-image -t {image} && containers-storage delete-image {image}")
    assert taken(both, "image") == {image}


def test_delete_image_in_use_fails(make: StorageMaker) -> None:
    """A container's record protects its image, the next argument goes on."""
    used = make.image("used", make.layer("L"))
    free = make.image("free", make.layer("M"))
    make.container("c", used, ident("L"))

    outcome = run(make.open(), f"containers-storage delete-image {used} {free}")

    assert (taken(outcome, "image"), "used by container" in outcome.failure) == ({free}, True)


@pytest.mark.parametrize(
    ("name", "reason"), [("base", "has children"), ("top", "top layer"), ("layer of c", "container's")]
)
def test_delete_layer_is_refused_while_something_stands_on_it(make: StorageMaker, name: str, reason: str) -> None:
    """A child, an image, a container."""
    base = make.layer("base")
    top = make.layer("top", base)
    make.image("i", top)
    make.container("c", make.images[0]["id"], base)

    outcome = run(make.open(), f"containers-storage delete-layer {ident(name)}")

    assert (outcome.removals, reason in outcome.failure) == ([], True)


def test_layers_that_nothing_needs_go_from_the_top(make: StorageMaker) -> None:
    """Each after its children, by id, name or a unique beginning."""
    base = make.layer("base", names=["bottom"])
    top = make.layer("top", base)

    outcome = run(make.open(), f"containers-storage delete-layer {top[:10]} bottom")

    assert ([r.id for r in outcome.removals], outcome.failure) == ([top, base], "")


def test_a_mapped_layer_goes_and_its_image_loses_it(make: StorageMaker) -> None:
    """Without a container on it the mapped layer is nobody's; the image goes afterwards with the rest."""
    base = make.layer("base")
    mapped = make.layer("mapped", uidmap=[{"container_id": 0, "host_id": 1000, "size": 10}])
    image = make.image("i", base)
    make.images[0]["mapped-layers"] = [mapped]
    store = make.open()

    assert taken(run(store, f"containers-storage delete-layer {mapped}"), "layer") == {mapped}
    both = run(store, f"containers-storage delete-layer {mapped} && containers-storage delete-image {image}")
    assert taken(both, "layer") == {mapped, base}


def test_delete_asks_no_question(make: StorageMaker) -> None:
    """Of an image the record only; of a layer the layer, whatever stands on it."""
    base = make.layer("base")
    image = make.image("i", make.layer("top", base), ["localhost/x:1"])
    make.container("c", image, ident("top"))
    store = make.open()

    only = run(store, f"containers-storage delete {image}")
    layer = run(store, f"containers-storage delete {base}")

    assert (taken(only, "image"), taken(only, "layer")) == ({image}, set())
    assert taken(layer, "layer") == {base}


def test_delete_leaves_a_containers_directory_in_the_runroot(make: StorageMaker) -> None:
    """Of that only `userdata` goes; delete-container takes it whole."""
    image = make.image("i", make.layer("L"))
    made = make.container("c", image, ident("L"))
    there = make.run / "overlay-containers" / made
    (there / "userdata").mkdir(parents=True)
    store = make.open()

    run_paths = [{p for p in paths(run(store, f"containers-storage {v} c")) if p.startswith("/")} for v in VERBS]

    assert run_paths == [{f"{there}/userdata"}, {str(there)}, {str(there)}]


VERBS = ("delete", "delete-container", "deletecontainer")


@pytest.mark.parametrize("verb", ["wipe-all", "gc extra", "mount x"])
def test_what_is_not_simulated_is_a_usage_error(make: StorageMaker, verb: str) -> None:
    """Never ignored."""
    with pytest.raises(UsageError):
        run(make.open(), f"containers-storage {verb}")


# gc ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "found"),
    [("1.43.0", None), ("1.45.0", {"home"}), ("1.57.2", {"home"}), ("1.62.0", {"home"}), ("1.64.0", {"home", "files"})],
)
def test_what_gc_takes_by_version(make: StorageMaker, version: str, found: set[str] | None) -> None:
    """None before 1.45; tar-splits and data of layers without a record from 1.64, before only with the directory."""
    whole, split = ident("whole"), ident("split")
    make.layer("known")
    make.directory(whole)
    for ident_, name in ((whole, f"{whole}.tar-split.gz"), (split, f"{split}.tar-split.gz")):
        (make.root / "overlay-layers" / name).write_bytes(ident_.encode())
    (make.root / "overlay-layers" / split).mkdir()
    expected = {
        "home": {f"overlay/{whole}", f"overlay/l/{make.link(whole)}", f"overlay-layers/{whole}.tar-split.gz"},
        "files": {f"overlay-layers/{split}.tar-split.gz", f"overlay-layers/{split}"},
    }

    outcome = run(make.open(), "containers-storage gc", version)

    assert bool(outcome.failure) == (found is None)
    assert paths(outcome) == {path for part in found or () for path in expected[part]}


@pytest.mark.parametrize(("version", "taken_whole"), [("1.58.0", True), ("1.59.0", False), ("1.64.0", False)])
def test_old_gc_takes_tempdirs_for_a_layer(make: StorageMaker, version: str, taken_whole: bool) -> None:
    """Versions that don't know the directory remove it whole."""
    make.layer("known")
    (make.root / "overlay" / "tempdirs" / "temp-dir-1").mkdir(parents=True)

    assert paths(run(make.open(), "containers-storage gc", version)) == ({"overlay/tempdirs"} if taken_whole else set())


def test_gc_takes_the_tar_split_of_any_directory_that_the_driver_has(make: StorageMaker) -> None:
    """A stray directory is a layer to the driver, whatever its name."""
    make.layer("known")
    (make.root / "overlay" / "junk").mkdir()
    (make.root / "overlay-layers" / "junk.tar-split.gz").write_bytes(b"x")

    assert paths(run(make.open(), "containers-storage gc")) == {"overlay/junk", "overlay-layers/junk.tar-split.gz"}


def test_gc_leaves_names_that_are_no_ids_in_records_directories(make: StorageMaker) -> None:
    """Only directories of 64 hexadecimal digits go from D-images and D-containers."""
    make.layer("known")
    for part in ("images", "containers", "layers"):
        (make.root / f"overlay-{part}" / "mine").mkdir()

    assert run(make.open(), "containers-storage gc").removals == []


def test_gc_of_vfs_takes_directories_below_dir(tmp_path: Path) -> None:
    """The home of vfs is `vfs/dir`."""
    make = StorageMaker(tmp_path, driver="vfs")
    make.layer("known")
    make.directory(ident("unknown"))

    assert paths(run(make.open(), "containers-storage gc")) == {f"vfs/dir/{ident('unknown')}"}


def test_gc_never_takes_records_without_users(make: StorageMaker) -> None:
    """Unreferenced layer records, working containers and volumes stay."""
    make.layer("unreferenced")
    make.container("work", "", maker="buildah")
    make.volume("unrecorded", row=False)

    assert run(make.open(), "containers-storage gc").removals == []


# check ---------------------------------------------------------------------------------------------------------------


def damaged(make: StorageMaker, part: str) -> tuple[str, str, str]:
    """An image on a layer with a container on it, and one kind of damage; ids of image, layer and container."""
    layer = make.layer("L", created=YOUNG)
    image = make.image("i", layer, ["localhost/x:1"])
    container = make.container("c", image, layer, created=YOUNG)
    make.layers[1]["created"] = YOUNG
    if part == "image data":
        os.unlink(make.root / "overlay-images" / image / big_data_file(f"sha256:{image}"))
    elif part == "image size":
        (make.root / "overlay-images" / image / "manifest").write_bytes(b"{}")
    elif part == "layer data":
        make.layers[0]["big-data-names"] = ["toc"]
    elif part == "container data":
        make.containers[0]["big-data-names"] = ["x"]
    elif part == "container size":
        make.containers[0] |= {"big-data-names": ["x"], "big-data-sizes": {"x": 2}}
        (make.root / "overlay-containers" / container / "x").write_bytes(b"x")
    elif part == "container image":
        make.containers[0]["image"] = ident("nothing")
    return image, layer, container


@pytest.mark.parametrize("part", ["image data", "image size", "layer data"])
def test_repair_takes_damaged_images_only_when_their_containers_go(make: StorageMaker, part: str) -> None:
    """Without -f the container holds the image; with it all three go."""
    image, layer, container = damaged(make, part)
    store = make.open()

    assert run(store, "containers-storage check -r -q").removals == []
    outcome = run(store, "containers-storage check -r -f -q")
    assert taken(outcome, "image") == {image}
    assert (taken(outcome, "container"), layer in taken(outcome, "layer")) == ({container}, True)


@pytest.mark.parametrize("part", ["container data", "container size", "container image"])
def test_repair_takes_damaged_containers_by_force(make: StorageMaker, part: str) -> None:
    """Their data is missing or of another size, or their image is missing; the image stays."""
    _, _, container = damaged(make, part)
    store = make.open()

    assert run(store, "containers-storage check -r -q").removals == []
    outcome = run(store, "containers-storage check -r -f -q")
    assert (taken(outcome, "container"), taken(outcome, "image")) == ({container}, set())


def test_repair_clears_the_rows_of_containers_it_took(make: StorageMaker) -> None:
    """The database of podman is told; containers-storage leaves it."""
    damaged(make, "container data")

    outcome = run(make.open(), "podman system check -r -f -q && podman rm c")

    assert "no container c" in outcome.failure


def test_a_layer_that_is_missing_damages_image_and_layer(make: StorageMaker) -> None:
    """A directory that is gone: image and record go, and nothing on disk of the layer."""
    layer = make.layer("L", created=YOUNG, directory=False)
    image = make.image("i", layer)

    outcome = run(make.open(), "containers-storage check -r -q")

    assert (taken(outcome, "image"), taken(outcome, "layer")) == ({image}, {layer})
    assert paths(outcome) == {f"overlay-images/{image}"}


@pytest.mark.parametrize(
    ("created", "options", "gone"),
    [
        ("2026-11-20T06:59:59Z", "", True),
        ("2026-11-20T07:00:01Z", "", False),
        ("2026-11-20T07:00:01Z", "-m 1h", True),
        ("0001-01-01T00:00:00Z", "", True),
        ("2026-11-19T07:00:00Z", "-m 72h", False),
    ],
)
def test_layers_that_nothing_references_go_when_they_are_old(
    make: StorageMaker, created: str, options: str, gone: bool
) -> None:
    """After 24 hours or what -m says; one without a time is old."""
    layer = make.layer("L", created=created)

    outcome = run(make.open(), f"containers-storage check -r -q {options}")

    assert taken(outcome, "layer") == ({layer} if gone else set())


def test_repair_takes_deeper_layers_first_then_what_has_no_record(make: StorageMaker) -> None:
    """Children before parents; of a directory without record the tar-split stays."""
    one = make.layer("one")
    two = make.layer("two", one)
    three = make.layer("three", two)
    make.directory(ident("unknown"))
    (make.root / "overlay-layers" / f"{ident('unknown')}.tar-split.gz").write_bytes(b"x")

    outcome = run(make.open(), "containers-storage check -r -q")

    assert [r.id for r in outcome.removals if r.kind == "layer"] == [three, two, one]
    assert [r.paths for r in outcome.removals if r.kind == "debris"] == [
        (f"overlay/{ident('unknown')}", f"overlay/l/{make.link(ident('unknown'))}")
    ]


def test_a_containers_own_layer_is_referenced_and_its_ancestors_are_not(make: StorageMaker) -> None:
    """A chain held only by a container whose image is gone: a known false alarm, and repair can't remove it."""
    base = make.layer("base")
    make.container("c", "", base, maker="buildah")

    outcome = run(make.open(), "containers-storage check -r -q")

    assert outcome.removals == []
    assert any("has children" in finding.text for finding in outcome.findings)


def test_check_clears_the_marks_of_volatile_mounts(make: StorageMaker) -> None:
    """Mounting a container's layer removes the mark, without --repair too."""
    image = make.image("i", make.layer("L", created=YOUNG))
    make.container("c", image, ident("L"))
    mark = f"overlay/{ident('layer of c')}/work/work/incompat/volatile"
    (make.root / mark).mkdir(parents=True)

    assert paths(run(make.open(), "podman system check")) == {mark}


def test_repair_without_the_additional_store_takes_what_stands_on_it(tmp_path: Path) -> None:
    """Without the store that holds its parent an image looks damaged; with it nothing is."""
    other = StorageMaker(tmp_path / "ro")
    other.image("base", other.layer("base"), ["localhost/base:1"])
    other.write()
    make = StorageMaker(tmp_path / "rw")
    make.image("i", make.layer("top", ident("base"), created=YOUNG), ["localhost/x:1"])
    make.write()
    with_it = open_storage(make.root, Options(additional_image_stores=(str(other.root),)))

    assert run(with_it, "containers-storage check -r -q").removals == []
    assert [f.code for f in open_storage(make.root, Options()).findings.blocking] == ["layer-record-missing"]


@pytest.mark.parametrize(
    ("command", "version", "exists"),
    [
        ("containers-storage check", "1.46.0", False),
        ("containers-storage check", "1.48.0", True),
        ("podman system check", "5.1.0", False),
        ("podman system check", "5.2.0", True),
    ],
)
def test_since_when_check_exists(make: StorageMaker, command: str, version: str, exists: bool) -> None:
    """Storage 1.47, podman 5.2."""
    assert (not run(make.open(), command, version).failure) == exists


def test_a_container_answers_to_the_id_of_its_layer(make: StorageMaker) -> None:
    """Look-ups of containers know layers, too."""
    base = make.layer("base of a container")
    made = make.container("c", "", base, maker="buildah")
    layer = ident("layer of c")

    outcome = run(make.open(), f"containers-storage delete-container {layer}")

    assert (taken(outcome, "container"), taken(outcome, "layer")) == ({made}, {layer})
