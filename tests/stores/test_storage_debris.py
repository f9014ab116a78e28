"""What no record names: each class of debris as a node with state and fate (containers-storage Part 4)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocistore.check.structure_storage import check_storage
from ocistore.stores.store import Options
from ocistore.usage.fates import fates
from tests.make.storage import StorageMaker, ident, open_storage

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.graph.graph import Node
    from ocistore.stores.store import Store

A, B = ident("a"), ident("b")


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A good store with one image on a layer."""
    maker = StorageMaker(tmp_path)
    maker.image("i", maker.layer("L"), ["localhost/x:1"])
    return maker


def debris(store: Store) -> dict[str, tuple[str, str]]:
    """State and fate of each node of debris, by path."""
    return {
        node.id: (node.state or "", fate)
        for node, fate in zip(store.graph.nodes, fates(store), strict=True)
        if node.kind == "debris"
    }


def place(root: Path, path: str) -> None:
    """A directory where the path ends in `/`, else a file of one byte; `A` and `B` stand for ids."""
    whole = root / path.replace("A", A)
    if path.endswith("/"):
        whole.mkdir(parents=True, exist_ok=True)
    else:
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(b"x")


@pytest.mark.parametrize(
    ("path", "node", "state", "fate"),
    [
        ("overlay/A/", "overlay/A", "unrecorded-directory", "unreferenced"),
        ("overlay/junk/", "overlay/junk", "stray-directory", "unknown"),
        ("overlay/compat123/", "overlay/compat123", "probe-directory", "unreferenced"),
        ("overlay/metacopy-check9/", "overlay/metacopy-check9", "probe-directory", "unreferenced"),
        ("overlay/opaque-bug-check9/", "overlay/opaque-bug-check9", "probe-directory", "unreferenced"),
        ("overlay/file", "overlay/file", "stray", "unknown"),
        ("overlay-layers/A.tar-split.gz", "overlay-layers/A.tar-split.gz", "unrecorded-tar-split", "unreferenced"),
        ("overlay-layers/A/toc", "overlay-layers/A", "unrecorded-layer-data", "unreferenced"),
        ("overlay-layers/mine", "overlay-layers/mine", "stray", "unknown"),
        ("overlay-images/A/", "overlay-images/A", "unrecorded-image-data", "unreferenced"),
        ("overlay-images/custom/", "overlay-images/custom", "stray", "unknown"),
        ("overlay-containers/A/", "overlay-containers/A", "unrecorded-container-data", "unreferenced"),
        ("overlay-containers/mine/", "overlay-containers/mine", "stray", "unknown"),
        ("overlay/tempdirs/temp-dir-1/", "overlay/tempdirs/temp-dir-1", "deferred-deletion", "unreferenced"),
        ("overlay/tempdirs/lock-1", "overlay/tempdirs/lock-1", "deferred-deletion", "unreferenced"),
        ("overlay/tempdirs/other", "overlay/tempdirs/other", "stray", "unknown"),
        ("overlay-layers/tmp/temp-dir-1/", "overlay-layers/tmp/temp-dir-1", "deferred-deletion", "unreferenced"),
        ("overlay/staging/12/staging.lock", "overlay/staging/12", "staging", "unreferenced"),
        ("overlay-layers/.tmp-layers.json1", "overlay-layers/.tmp-layers.json1", "temporary-file", "unreferenced"),
        ("overlay-images/.tmp-images.json1", "overlay-images/.tmp-images.json1", "temporary-file", "unreferenced"),
        ("overlay-containers/.tmp-x", "overlay-containers/.tmp-x", "temporary-file", "unreferenced"),
        ("volumes/lost/_data/file", "volumes/lost", "unrecorded-volume", "unknown"),
        ("mounts/x", "mounts", "old-directory", "unknown"),
        ("tmp/x", "tmp", "old-directory", "unknown"),
        ("vfs-layers/x", "vfs-layers", "second-driver", "unknown"),
        ("mine", "mine", "stray", "unknown"),
        ("artifacts/oci-put-blob12", "artifacts/oci-put-blob12", "temporary-file", "unreferenced"),
    ],
    ids=lambda value: value.replace("/", " ") if isinstance(value, str) else None,
)
def test_a_class_of_debris(make: StorageMaker, path: str, node: str, state: str, fate: str) -> None:
    """What a native tool or nothing removes is unreferenced; what a person must judge is unknown."""
    place(make.root, path)

    assert debris(make.open()) == {node.replace("A", A) if "A" in path else node: (state, fate)}


@pytest.mark.parametrize("name", [".tmp-manifest1", "extra", "=!", "=é"])
def test_files_of_an_image_that_its_record_does_not_list(make: StorageMaker, name: str) -> None:
    """They are debris of their own below the image's directory, whatever their names."""
    image = make.images[0]["id"]
    (make.root / "overlay-images" / image / name).write_bytes(b"x")

    [(path, (state, fate))] = debris(make.open()).items()

    assert (path, fate) == (f"overlay-images/{image}/{name}", "unreferenced")
    assert state == ("temporary-file" if name.startswith(".tmp-") else "unlisted-data")


def test_files_of_a_layer_that_its_record_does_not_list(make: StorageMaker) -> None:
    """The listed one is the layer's."""
    layer = ident("L")
    make.layers[0]["big-data-names"] = ["toc"]
    for name in ("toc", "other"):
        place(make.root, f"overlay-layers/{layer}/{name}")

    assert debris(make.open()) == {f"overlay-layers/{layer}/other": ("unlisted-data", "unreferenced")}


def test_a_directory_that_a_container_names_as_its_layer_is_in_doubt(make: StorageMaker) -> None:
    """Its layer's record is missing: that makes nothing unreferenced."""
    made = make.container("c", make.images[0]["id"], ident("L"), maker="buildah")
    make.volatile_layers.clear()
    store = make.open()

    assert debris(store)[f"overlay/{ident('layer of c')}"] == ("unrecorded-directory", "unknown")
    assert ("container-layer-missing", f"container:{made}") in {(f.code, f.node) for f in store.findings}


def test_data_of_a_container_that_only_the_database_names_is_in_doubt(make: StorageMaker) -> None:
    """A row without storage record, and the directory is there."""
    made = make.container("c", make.images[0]["id"], ident("L"))
    make.containers.clear()

    assert debris(make.open())[f"overlay-containers/{made}"] == ("unrecorded-container-data", "unknown")


# Links ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [f"../{B}/diff", "/etc", "../../x", "x", f"../{B}/../{B}/diff"])
def test_a_link_that_leads_to_no_layer_is_stale(make: StorageMaker, target: str) -> None:
    """Nothing removes it; it is not followed."""
    os.symlink(target, make.root / "overlay" / "l" / "STALE")

    assert debris(make.open()) == {"overlay/l/STALE": ("stale-link", "unreferenced")}


def test_of_several_links_the_one_of_the_link_file_is_the_layers(make: StorageMaker) -> None:
    """The others lead there under a wrong name, whatever their order."""
    layer = ident("L")
    for name in ("0FIRST", "ZLAST"):
        os.symlink(f"../{layer}/diff", make.root / "overlay" / "l" / name)
    store = make.open()

    assert set(debris(store)) == {"overlay/l/0FIRST", "overlay/l/ZLAST"}
    assert store.places[0].owned[f"overlay/l/{make.link(layer)}"] == store.graph.find("layer", layer, store.number)


def test_a_file_in_place_of_a_link_is_stale(make: StorageMaker) -> None:
    """A regular file in `l/` leads nowhere."""
    place(make.root, "overlay/l/FILE")

    assert debris(make.open()) == {"overlay/l/FILE": ("stale-link", "unreferenced")}


def test_a_missing_link_is_told_of_and_no_debris(make: StorageMaker) -> None:
    """It is made again at the next mount."""
    (make.root / "overlay" / "l" / make.link(ident("L"))).unlink()
    store = make.open()
    check_storage(store)

    assert ([f.code for f in store.findings], debris(store)) == (["link-missing"], {})


# What an engine's start removes --------------------------------------------------------------------------------------


def started(store: Store) -> set[str]:
    """The nodes that go when an engine starts."""
    return {store.graph.nodes[number].id for number in store.detail.start}


def test_a_start_removes_incomplete_layers_and_temporary_areas(make: StorageMaker) -> None:
    """Layers flagged incomplete with all their files, staging, deferred deletions."""
    layer = make.layer("half", flags={"incomplete": True})
    place(make.root, f"overlay-layers/{layer}.tar-split.gz")
    for path in (
        "overlay/staging/1/",
        "overlay/tempdirs/temp-dir-1/",
        "overlay-layers/tmp/lock-1",
        "overlay/tempdirs/x",
    ):
        place(make.root, path)
    store = make.open()

    half = store.graph.find("debris", f"overlay/{layer}", store.number)
    assert started(store) == {
        f"overlay/{layer}",
        "overlay/staging/1",
        "overlay/tempdirs/temp-dir-1",
        "overlay-layers/tmp/lock-1",
    }
    assert {path for path, number in store.places[0].owned.items() if number == half} == {
        f"overlay/{layer}",
        f"overlay/l/{make.link(layer)}",
        f"overlay-layers/{layer}.tar-split.gz",
    }


def test_a_mount_count_keeps_staging(make: StorageMaker) -> None:
    """As long as the runroot counts mounts the shutdown skips it."""
    place(make.root, "overlay/staging/1/")
    make.mounted(ident("L"))

    assert started(make.open()) == set()


# Records -------------------------------------------------------------------------------------------------------------


def layer_node(store: Store, name: str) -> Node:
    """The node of a layer."""
    number = store.graph.find("layer", ident(name), store.number)
    assert number is not None
    return store.graph.nodes[number]


def test_a_layer_that_no_image_and_no_container_stands_on_is_unreferenced(make: StorageMaker) -> None:
    """No prune and no gc takes it; check says so."""
    make.layer("alone")
    store = make.open()
    check_storage(store)

    number = store.graph.find("layer", ident("alone"), store.number)
    assert number is not None
    assert fates(store)[number] == "unreferenced"
    assert ("unreferenced-layer", f"layer:{ident('alone')}") in {(f.code, f.node) for f in store.findings}


def test_a_layer_record_without_a_directory_is_an_error(make: StorageMaker) -> None:
    """The images on it are broken; it doesn't block, for removal works."""
    make.image("broken", make.layer("gone", directory=False))
    store = make.open()

    assert [(f.code, f.path) for f in store.findings] == [("layer-directory-missing", f"overlay/{ident('gone')}")]
    assert store.findings.blocking == []


def test_a_mapped_layer_without_a_container_is_the_images(make: StorageMaker) -> None:
    """It stays until the image goes."""
    mapped = make.layer("mapped", uidmap=[{"container_id": 0, "host_id": 1, "size": 1}])
    make.images[0]["mapped-layers"] = [mapped]
    store = make.open()

    number = store.graph.find("layer", mapped, store.number)
    assert number is not None
    assert (fates(store)[number], layer_node(store, "mapped").traits) == ("held", ("mapped",))


def test_a_volume_row_without_a_directory_is_harmless(make: StorageMaker) -> None:
    """No finding, and no path."""
    make.volume("v", directory=False)
    store = make.open()

    assert (list(store.findings), store.detail.volume_paths("v")) == ([], ())


def test_leftovers_in_the_runroot(make: StorageMaker) -> None:
    """A container's run directory and a mount point that no record names; a known layer's is the layer's."""
    for path in (
        "overlay-containers/A/",
        f"overlay/{B}/merged/",
        f"overlay/{ident('L')}/merged/",
        "overlay/metacopy-true",
    ):
        place(make.run, path)

    assert debris(make.open()) == {
        f"{make.run}/overlay-containers/{A}": ("unrecorded-run-data", "unreferenced"),
        f"{make.run}/overlay/{B}": ("unrecorded-run-data", "unreferenced"),
    }


def test_empty_old_directories_are_the_engines(make: StorageMaker) -> None:
    """`mounts` and `tmp` of old versions."""
    for name in ("mounts/", "tmp/"):
        place(make.root, name)

    assert debris(make.open()) == {}


def test_vfs_has_its_own_home(tmp_path: Path) -> None:
    """Directories below `vfs/dir`, deferred deletions in `vfs/tempdirs`."""
    make = StorageMaker(tmp_path, driver="vfs")
    make.image("i", make.layer("L"), ["localhost/x:1"])
    for path in ("vfs/dir/A/", "vfs/tempdirs/lock-1", "vfs/other/"):
        place(make.root, path)

    assert debris(make.open()) == {
        f"vfs/dir/{A}": ("unrecorded-directory", "unreferenced"),
        "vfs/tempdirs/lock-1": ("deferred-deletion", "unreferenced"),
        "vfs/other": ("stray", "unknown"),
    }


def test_debris_of_a_split_image_store_lies_in_both_halves(tmp_path: Path) -> None:
    """An image's data without a record in either, a stale link in the half that holds images."""
    half = StorageMaker(tmp_path / "half")
    half.image("one", half.layer("L"), ["localhost/x:1"])
    half.write()
    os.symlink(f"../{B}/diff", half.root / "overlay" / "l" / "STALE")
    make = StorageMaker(tmp_path / "rw")
    for root in (half.root, make.root):
        place(root, "overlay-images/A/")
    make.write()

    assert debris(open_storage(make.root, Options(imagestore=str(half.root)))) == {
        f"overlay-images/{A}": ("unrecorded-image-data", "unreferenced"),
        f"{half.root}/overlay-images/{A}": ("unrecorded-image-data", "unreferenced"),
        f"{half.root}/overlay/l/STALE": ("stale-link", "unreferenced"),
    }


def test_data_of_no_secret_is_for_a_person_to_judge(make: StorageMaker) -> None:
    """Class 27: an entry of the file driver's data that secrets.json doesn't name; the named one is nothing odd."""
    home = make.root / "secrets" / "filedriver"
    home.mkdir(parents=True)
    (make.root / "secrets" / "secrets.json").write_text('{"secrets": {"named": {}}}')
    (home / "secretsdata.json").write_text('{"named": "eA==", "left": "eQ=="}')

    assert debris(make.open()) == {"secrets/filedriver/secretsdata.json#left": ("unnamed-secret", "unknown")}


def test_a_layer_of_an_additional_layer_store_is_told(make: StorageMaker) -> None:
    """Class 33: its content lies elsewhere, and what is here is a link that is not followed."""
    home = make.root / "overlay" / ident("L")
    (home / "diff" / "file").unlink()
    (home / "diff").rmdir()
    (home / "diff").symlink_to("/var/lib/elsewhere/diff")
    (home / "additionallayer").write_text("/var/lib/elsewhere")
    store = make.open()
    check_storage(store)

    told = [(f.path, "/var/lib/elsewhere" in f.text) for f in store.findings if f.code == "additional-layer"]

    assert told == [(f"overlay/{ident('L')}/additionallayer", True)]
