"""Situations whose outcome native tools were seen to have (containers-storage, test vectors V1 to V22)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.stores.containers_storage.layout import big_data_file
from ocistore.stores.store import Options
from tests.make.storage import StorageMaker, ident, open_storage
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store that is being made."""
    return StorageMaker(tmp_path)


def chain(make: StorageMaker, names: list[str]) -> tuple[list[str], list[str]]:
    """Images i1 (-; L1), i2 (-; L1 < L2), i3 (`names`; L2): the last step adds an image and no layer."""
    one = make.layer("L1")
    two = make.layer("L2", one)
    images = [
        make.image("i1", one, steps=["a"]),
        make.image("i2", two, steps=["a", "b"]),
        make.image("i3", two, names, steps=["a", "b", "c"]),
    ]
    return images, [one, two]


def test_a_replaced_build_goes_with_the_steps_that_only_it_had(make: StorageMaker) -> None:
    """V1: the first build's top image and its last step go, the first step is the other build's too."""
    base = make.layer("L1")
    old, new = make.layer("L2 old", base), make.layer("L2 new", base)
    first = make.image("step", base, steps=["a"])
    old_step = make.image("old step", old, steps=["a", "b1"])
    old_top = make.image("old top", old, steps=["a", "b1", "c"])
    make.image("new step", new, steps=["a", "b2"])
    make.image("new top", new, ["localhost/x:latest"], steps=["a", "b2", "c"])

    outcome = run(make.open(), "podman image prune -f")

    assert taken(outcome, "image") == {old_top, old_step}
    assert taken(outcome, "layer") == {old}
    assert first not in taken(outcome, "image")


def test_removing_the_top_of_a_chain_takes_all_of_it_child_first(make: StorageMaker) -> None:
    """V2: a tagged chain goes whole, from the top down."""
    images, layers = chain(make, ["localhost/x:latest"])

    outcome = run(make.open(), "podman rmi localhost/x")

    assert [r.id for r in outcome.removals if r.kind == "image"] == images[::-1]
    assert taken(outcome, "layer") == set(layers)


@pytest.mark.parametrize(
    ("command", "failure", "images"),
    [
        ("podman rmi {id}", True, 0),
        ("podman rmi localhost/x:1", False, 0),
        ("podman rmi -f localhost/x:1", False, 0),
        ("podman rmi -f {id}", False, 1),
    ],
)
def test_an_image_with_two_names_needs_its_id_and_force(
    make: StorageMaker, command: str, failure: bool, images: int
) -> None:
    """V3: by id without force it is an error, by a name it only loses that name, with force too."""
    image = make.image("i", make.layer("L"), ["localhost/x:1", "localhost/x:2"])

    outcome = run(make.open(), command.format(id=image))

    assert (bool(outcome.failure), len(taken(outcome, "image"))) == (failure, images)


def test_a_working_container_keeps_its_image_until_external_is_asked_for(make: StorageMaker) -> None:
    """V4: rmi fails; prune -a takes only the untagged ancestors; --external takes the container and all."""
    images, layers = chain(make, ["localhost/x:latest"])
    container = make.container("work", images[2], layers[1], maker="buildah")
    store = make.open()

    assert run(store, "podman rmi localhost/x").failure
    prune = run(store, "podman image prune -a -f")
    assert (taken(prune, "image"), taken(prune, "layer")) == (set(images[:2]), set())
    external = run(store, "podman image prune -a -f --external")
    assert taken(external, "image") == set(images)
    assert taken(external, "container") == {container}


def test_a_dangling_parent_in_use_makes_prune_fail_after_the_child_is_gone(make: StorageMaker) -> None:
    """V5: the top goes, then the command fails."""
    images, layers = chain(make, [])
    make.container("c", images[1], layers[1])

    outcome = run(make.open(), "podman image prune -f")

    assert taken(outcome, "image") == {images[2]}
    assert "used by container" in outcome.failure


def test_an_untagged_base_without_steps_between_is_pruned_and_its_layer_stays(make: StorageMaker) -> None:
    """V6: three history entries more than the base is no parentage, the layer is shared all the same."""
    a = make.layer("A")
    b = make.layer("B", a)
    base = make.image("base", a, steps=["a"])
    child = make.image("child", b, ["localhost/child:latest"], steps=["a", "b", "c", "d"])
    store = make.open()

    outcome = run(store, "podman image prune -f")
    both = run(store, "podman image prune -f && podman rmi child")

    assert (taken(outcome, "image"), taken(outcome, "layer")) == ({base}, set())
    assert taken(both, "image") == {base, child}
    assert taken(both, "layer") == {a, b}


def test_removing_a_base_takes_its_record_though_others_are_built_on_it(make: StorageMaker) -> None:
    """V7: `rmi base` takes the record only; the child's steps are no prey of a later prune."""
    a = make.layer("A")
    b = make.layer("B", a)
    base = make.image("base", a, ["localhost/base:latest"], steps=["a"])
    make.image("step", a, steps=["a", "b"])
    make.image("child", b, ["localhost/child:latest"], steps=["a", "b", "c"])

    outcome = run(make.open(), "podman rmi base && podman image prune -f")

    assert (taken(outcome, "image"), taken(outcome, "layer")) == ({base}, set())


def test_a_needed_container_survives_one_prune(make: StorageMaker) -> None:
    """V8: the one that is needed fails, its dependent goes; a second run takes it."""
    image = make.image("i", make.layer("L"), ["localhost/x:latest"])
    needed = make.container("b", image, ident("L"), state=2)
    other = make.container("a", image, ident("L"), state=2, needs=[needed])
    store = make.open()

    first = run(store, "podman container prune -f")

    assert taken(first, "container") == {other}
    assert "needed by" in first.failure


def test_volumes_survive_a_system_prune_and_not_a_volume_prune(make: StorageMaker) -> None:
    """V9: up to 5.8 a volume prune takes named and anonymous volumes alike."""
    make.volume("named")
    make.volume("anonymous", anonymous=True)
    store = make.open()

    assert taken(run(store, "podman system prune -f"), "volume") == set()
    for version in ("4.4", "5.4.2", "5.8.6"):
        assert taken(run(store, "podman volume prune -f", version), "volume") == {"named", "anonymous"}
    assert taken(run(store, "podman volume prune -f", "6.0"), "volume") == {"anonymous"}
    assert taken(run(store, "podman volume prune -f -a", "6.0"), "volume") == {"named", "anonymous"}


@pytest.mark.parametrize(("version", "spared"), [("5.8.6", True), ("5.5.0", True), ("5.4.2", False), ("4.3.1", False)])
def test_a_member_of_a_list_is_spared_from_5_5_on(make: StorageMaker, version: str, spared: bool) -> None:
    """V10: an untagged image whose digest a local list names."""
    member = make.image("member", make.layer("L"))
    listed = make.manifest_list("ml", ["localhost/ml:latest"], [(make.manifest_digest(member), "s390x")])
    store = make.open()

    assert taken(run(store, "podman image prune -f", version), "image") == (set() if spared else {member})
    assert taken(run(store, "podman image prune -a -f", version), "image") == {member, listed}


def test_an_instance_pulled_through_an_index_is_not_spared(make: StorageMaker) -> None:
    """V11: its record's digest is the index's, so a list that names its manifest doesn't protect it."""
    member = make.image("member", make.layer("L"))
    manifest = make.manifest_digest(member)
    make.images[0]["digest"] = "sha256:" + "1" * 64
    make.manifest_list("ml", ["localhost/ml:latest"], [(manifest, "s390x")])

    assert taken(run(make.open(), "podman image prune -f"), "image") == {member}


def test_buildah_prune_without_all_never_takes_an_image(make: StorageMaker) -> None:
    """V12: its two filters exclude each other."""
    chain(make, [])

    assert run(make.open(), "buildah prune -f").removals == []


def test_without_layers_json_nothing_is_planned(make: StorageMaker) -> None:
    """V13: natively everything would go; here the records' absence blocks every plan."""
    chain(make, ["localhost/x:latest"])
    make.write()
    make.records("layers", "layers.json").unlink()
    store = open_storage(make.root, Options())

    assert [finding.code for finding in store.findings.blocking] == ["layers-json-missing"]


def test_only_check_with_a_short_age_removes_young_layers_that_nothing_needs(make: StorageMaker) -> None:
    """V14: layers without an image: no prune and no gc takes them, a repair does."""
    layer = make.layer("L", created="2026-11-21T06:59:59Z")
    store = make.open()

    for command in ("podman system prune -a -f", "podman system prune --external -f", "podman system check -q -r"):
        assert run(store, command).removals == []
    assert taken(run(store, "podman system check -q -m 1ns -r"), "layer") == {layer}


def test_a_container_lost_from_the_database_goes_only_with_external(make: StorageMaker) -> None:
    """V15: without a row it is external, protects its image, and is taken by --external."""
    image = make.image("i", make.layer("L"), ["localhost/x:latest"])
    lost = make.container("lost", image, ident("L"), row=False)
    store = make.open()

    for command in ("podman container prune -f", "podman system prune -f --build", "podman image prune -a -f"):
        assert taken(run(store, command), "container") == set()
    external = run(store, "podman image prune -a -f --external")
    assert (taken(external, "container"), taken(external, "image")) == ({lost}, {image})


def test_a_row_without_storage_is_cleared_by_rm_only(make: StorageMaker) -> None:
    """V16: container prune fails on it, its volume stays in use, rm clears it."""
    make.volume("vol")
    row = make.container("ghost", "x", record=False, volumes=["vol"])
    store = make.open()

    assert "no storage" in run(store, "podman container prune -f").failure
    assert run(store, "podman volume prune -f").removals == []
    cleared = run(store, "podman rm ghost")
    assert taken(cleared, "container") == {row}
    assert paths(cleared) == set()


def test_missing_configurations_fail_listings_and_not_prune_all(make: StorageMaker) -> None:
    """V17: relations can't be judged; -a needs none and takes all."""
    images, _ = chain(make, [])
    for image in images:
        (make.root / "overlay-images" / image / big_data_file(f"sha256:{image}")).unlink()
    store = make.open()

    assert run(store, "podman image prune -f").failure
    assert taken(run(store, "podman image prune -a -f"), "image") == set(images)


def test_the_primary_copy_of_a_read_only_image_goes_without_a_layer(tmp_path: Path) -> None:
    """V18: the copy's layer lies in the additional store, which no plan touches."""
    other = StorageMaker(tmp_path / "ro")
    other.image("one", other.layer("L"), ["localhost/one:latest"])
    other.write()
    make = StorageMaker(tmp_path / "rw")
    copy = make.image("one", ident("L"), ["localhost/one:latest"], diff_ids=[f"sha256:{ident('L')}"])
    store = make.open(Options(additional_image_stores=(str(other.root),)))

    outcome = run(store, "podman rmi localhost/one")

    assert (taken(outcome, "image"), taken(outcome, "layer"), outcome.failure) == ({copy}, set(), "")


def test_removal_tolerates_missing_directories_and_leaves_links(make: StorageMaker) -> None:
    """V19: driver directories are gone, rmi works all the same, and links stay behind."""
    images, layers = chain(make, ["localhost/x:latest"])
    make.write()
    for layer in layers:
        home = make.root / "overlay" / layer
        (home / "diff" / "file").unlink()
        (home / "diff").rmdir()
        for file in home.iterdir():
            file.unlink()
        home.rmdir()
    store = open_storage(make.root, Options())

    outcome = run(store, "podman rmi x")

    assert taken(outcome, "image") == set(images)
    assert paths(outcome) == {f"overlay-images/{image}" for image in images}


def test_an_incomplete_layer_is_debris_that_any_start_removes(make: StorageMaker) -> None:
    """V20: it is no layer any more, and no command's doing."""
    layer = make.layer("L", flags={"incomplete": True})
    (make.root / "overlay-layers" / f"{layer}.tar-split.gz").write_bytes(b"x")
    store = make.open()

    [debris] = [node for node in store.graph.nodes if node.kind == "debris"]
    assert (debris.id, debris.state) == (f"overlay/{layer}", "incomplete-layer")
    assert store.graph.find("layer", layer) is None
    assert run(store, "podman system prune --external").removals == []


def test_gc_takes_directories_without_records_and_leaves_links_and_temporary_files(make: StorageMaker) -> None:
    """V22: storage 1.64 takes unrecorded directories and tar-splits, junk in the home too; 1.57 leaves tar-splits."""
    make.layer("known")
    unknown = [ident(f"unknown {n}") for n in range(4)]
    make.directory(unknown[0])
    for base in ("overlay-images", "overlay-containers", "overlay-layers"):
        (make.root / base / unknown[1]).mkdir()
    (make.root / "overlay" / "junk").mkdir()
    (make.root / "overlay-layers" / f"{unknown[2]}.tar-split.gz").write_bytes(b"x")
    (make.root / "overlay-layers" / ".tmp-layers.json1").write_bytes(b"x")
    (make.root / "overlay" / "l" / "STALE").symlink_to(f"../{unknown[3]}/diff")
    store = make.open()
    swept = {
        f"overlay/{unknown[0]}",
        f"overlay/l/{make.link(unknown[0])}",
        f"overlay-images/{unknown[1]}",
        f"overlay-containers/{unknown[1]}",
        "overlay/junk",
    }

    assert paths(run(store, "containers-storage gc", "1.57.2")) == swept
    assert paths(run(store, "containers-storage gc")) == swept | {
        f"overlay-layers/{unknown[1]}",
        f"overlay-layers/{unknown[2]}.tar-split.gz",
    }
