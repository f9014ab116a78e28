"""What the reader makes of good containers/storage directories (containers-storage Parts 1 and 2)."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.stores.containers_storage.layout import big_data_file, big_data_key
from ocistore.stores.containers_storage.makers import Maker
from ocistore.stores.store import Options, Store
from ocistore.usage.fates import fates
from tests.make.storage import StorageMaker, ident, open_storage


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store that is being made."""
    return StorageMaker(tmp_path)


def fate(store: Store, kind: str, name: str) -> str:
    """The fate of one node."""
    number = store.graph.find(kind, name, store.number)
    assert number is not None
    return fates(store)[number]


def edges(store: Store, kind: str, name: str) -> set[tuple[str, str]]:
    """Who holds a node, and why."""
    number = store.graph.find(kind, name, store.number)
    assert number is not None
    return {(store.graph.nodes[n].id, word) for n, word in store.graph.holders(number)}


# Names of big data (1.8) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("manifest", "manifest"),
        ("a-", "a-"),
        ("A", "A"),
        ("", ""),
        ("=", "="),
        ("toc", "toc"),
        ("signatures", "signatures"),
        ("zstd-chunked-manifest", "=enN0ZC1jaHVua2VkLW1hbmlmZXN0"),
        ("sha256:ab", "=" + base64.b64encode(b"sha256:ab").decode()),
        ("é", "é"),
        ("éa", "=" + base64.b64encode("éa".encode()).decode()),
    ],
)
def test_the_file_of_a_big_data_key(key: str, name: str) -> None:
    """Only a bad character before the last makes it base64."""
    assert (big_data_file(key), big_data_key(name)) == (name, key)


@given(st.text())
def test_every_key_is_found_again_by_its_file(key: str) -> None:
    """The two functions are each other's inverse."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return

    assert big_data_key(big_data_file(key)) == key


@given(st.binary(max_size=40))
def test_any_name_on_disk_is_some_key_or_none(name: bytes) -> None:
    """Names that are no UTF-8, no ASCII and no base64 are no error."""
    text = os.fsdecode(name)

    key = big_data_key(text)

    assert key is None or big_data_file(key) == text


# Records (1.2 to 1.4, 1.9) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["layers", "images", "containers"])
def test_a_name_that_two_records_bear_is_the_later_ones(make: StorageMaker, part: str) -> None:
    """The earlier record loses it when the store is loaded."""
    layer = make.layer("L", names=["x"])
    image = make.image("one", layer, ["localhost/x:1"])
    make.layer("M", names=["x"])
    make.image("two", ident("M"), ["localhost/x:1"])
    make.container("c", image, layer)
    make.container("d", image, layer, maker="buildah")
    make.volatile_containers[0]["names"] = ["c"]

    detail = make.open().detail
    found = {"layers": detail.layers.values(), "images": detail.images, "containers": detail.containers.values()}[part]

    assert [record.names for record in found if record.names in ([], ["x"], ["localhost/x:1"], ["c"])][:1] == [[]]
    assert sum(bool(set(record.names) & {"x", "localhost/x:1", "c"}) for record in found) == 1


def test_both_halves_of_a_split_store_keep_a_name_that_both_have(tmp_path: Path) -> None:
    """They are two image stores; the split one is looked through first."""
    half = StorageMaker(tmp_path / "half")
    first = half.image("one", half.layer("L"), ["localhost/x:1"])
    half.write()
    make = StorageMaker(tmp_path / "rw")
    second = make.image("two", make.layer("M"), ["localhost/x:1"])
    store = make.open(Options(imagestore=str(half.root)))

    assert [(i.id, i.names) for i in store.detail.images] == [(first, ["localhost/x:1"]), (second, ["localhost/x:1"])]


def test_volatile_records_count_wherever_they_lie(make: StorageMaker) -> None:
    """In the graphroot, and in the runroot of a transient store: their union holds."""
    image = make.image("i", make.layer("L"), ["localhost/x:1"])
    made = make.container("here", image, ident("L"), maker="buildah")
    there = make.container("there", image, ident("L"), maker="buildah")
    for part, entries in (("layers", make.volatile_layers), ("containers", make.volatile_containers)):
        (make.run / f"overlay-{part}").mkdir(exist_ok=True)
        (make.run / f"overlay-{part}" / f"volatile-{part}.json").write_text(json.dumps([entries.pop()]))

    store = make.open()

    assert {n.id for n in store.graph.nodes if n.kind == "container"} == {made, there}
    assert {fate(store, "layer", ident(f"layer of {name}")) for name in ("here", "there")} == {"held"}


def test_an_empty_record_file_is_an_empty_list(make: StorageMaker) -> None:
    """Zero bytes are no damage."""
    make.image("i", make.layer("L"), ["localhost/x:1"])
    make.write()
    make.records("containers", "containers.json").write_bytes(b"")

    assert open_storage(make.root, Options()).findings == []


def test_unknown_keys_and_zero_times_are_tolerated(make: StorageMaker) -> None:
    """A record of a newer version; Go's zero time is no time."""
    layer = make.layer("L", created="0001-01-01T00:00:00Z", novelty={"a": [1]})
    make.image("i", layer, created="0001-01-01T00:00:00Z")

    store = make.open()

    assert [node.created_ns for node in store.graph.nodes if node.kind in ("layer", "image")] == [None, None]
    assert list(store.findings) == []


@pytest.mark.parametrize(
    ("flag", "kinds"), [(True, {"debris"}), ("true", {"layer"}), (1, {"layer"}), (False, {"layer"})]
)
def test_only_the_true_of_json_marks_an_incomplete_layer(make: StorageMaker, flag: object, kinds: set[str]) -> None:
    """A text or a number is none."""
    make.layer("L", flags={"incomplete": flag})

    assert {n.kind for n in make.open().graph.nodes if n.kind in ("layer", "debris")} == kinds


# Relations (1.11, 2.3, 2.6) ------------------------------------------------------------------------------------------


def test_a_mapped_layer_holds_the_template_that_it_is_mounted_on(make: StorageMaker) -> None:
    """Its record has the template's parent, its `lower` the template."""
    template = make.layer("T")
    mapped = make.layer("M", uidmap=[{"container_id": 0, "host_id": 1000, "size": 10}])
    (make.root / "overlay" / mapped / "lower").write_text(f"l/{make.link(template)}")
    image = make.image("i", template)
    make.images[0]["mapped-layers"] = [mapped]

    store = make.open()

    assert edges(store, "layer", template) == {(image, "is the top layer of"), (mapped, "is mounted below")}
    assert edges(store, "layer", mapped) == {(image, "is an id-mapped layer of")}


def test_lower_layers_is_preferred_to_lower(make: StorageMaker) -> None:
    """The newest driver writes ids; links are looked at only without them."""
    template = make.layer("T")
    mapped = make.layer("M", uidmap=[{"container_id": 0, "host_id": 1000, "size": 10}])
    (make.root / "overlay" / mapped / "lower").write_text("l/NOWHERE")
    (make.root / "overlay" / mapped / "lower-layers").write_text(template)

    assert (mapped, "is mounted below") in edges(make.open(), "layer", template)


@pytest.mark.parametrize(
    ("maker", "row", "word"),
    [
        ("podman", True, Maker.PODMAN),
        ("podman", False, Maker.LOST),
        ("buildah", False, Maker.BUILDAH),
        ("cri-o", False, Maker.CRIO),
        ("nobody", False, Maker.OTHER),
    ],
)
def test_whose_container_it_is(make: StorageMaker, maker: str, row: bool, word: Maker) -> None:
    """By the database, the file of buildah, or the keys of the metadata."""
    image = make.image("i", make.layer("L"))
    made = make.container("c", image, ident("L"), maker=maker, row=row)

    assert make.open().detail.makers[made] == word


def test_a_committed_podman_container_is_podmans(make: StorageMaker) -> None:
    """The database is asked before the file of buildah."""
    image = make.image("i", make.layer("L"))
    made = make.container("c", image, ident("L"))
    (make.root / "overlay-containers" / made / "userdata" / "buildah.json").write_text('{"type": "buildah 0.0.1"}')

    assert make.open().detail.makers[made] == Maker.PODMAN


def test_a_container_holds_what_it_needs(make: StorageMaker) -> None:
    """Image, layer, volume, pod, the containers that it depends on."""
    image = make.image("i", make.layer("L"))
    make.volume("v")
    pod = ident("pod p")
    needed = make.container("needed", image, ident("L"), pod=pod, infra=True)
    made = make.container("c", image, ident("L"), pod=pod, needs=[needed], volumes=["v"])
    make.pod("p", needed)
    store = make.open()

    assert edges(store, "volume", "v") >= {(made, "is mounted by")}
    assert edges(store, "container", needed) >= {(made, "is needed by"), (pod, "is the infra container of")}
    assert edges(store, "pod", pod) >= {(made, "is the pod of")}
    assert edges(store, "image", image) >= {(made, "is the image of"), (needed, "is the image of")}
    assert edges(store, "layer", ident("layer of c")) == {(made, "is the layer of")}


def test_an_image_volume_holds_the_image_that_it_names(make: StorageMaker) -> None:
    """`--mount type=image`: by id or by name, though podman itself doesn't protect it."""
    image = make.image("i", make.layer("L"), ["localhost/data:1"])
    made = make.container("c", image, ident("L"))
    make.rows[0] = (
        "ContainerConfig",
        (made, "c", None, json.dumps({"ctrImageVolumes": [{"source": "localhost/data:1"}]}).encode()),
    )

    assert (made, "is a volume's image in") in edges(make.open(), "image", image)


def test_a_layer_of_an_additional_store_is_held_by_ours(tmp_path: Path) -> None:
    """The parent of a layer may be recorded there; the additional store is a store of its own."""
    other = StorageMaker(tmp_path / "ro")
    base = other.layer("base")
    other.image("base", base, ["localhost/base:1"])
    other.write()
    make = StorageMaker(tmp_path / "rw")
    top = make.layer("top", base)
    make.image("i", top, ["localhost/x:1"])
    store = make.open(Options(additional_image_stores=(str(other.root),)))

    [readonly] = store.others
    number = store.graph.find("layer", base, readonly.number)
    assert number is not None
    assert (top, "is the parent of") in {(store.graph.nodes[n].id, word) for n, word in store.graph.holders(number)}
    assert list(store.findings.blocking) == []


def test_detect_and_the_reader_choose_the_same_driver(tmp_path: Path) -> None:
    """Of two drivers in one directory the one with images, though the other's records are newer."""
    used = StorageMaker(tmp_path, driver="overlay")
    used.image("i", used.layer("L"), ["localhost/x:1"])
    used.write()
    for part in ("layers", "images", "containers"):
        (used.root / f"vfs-{part}").mkdir()
    newer = used.root / "vfs-layers" / "layers.json"
    newer.write_text("[]")
    os.utime(newer, (4_000_000_000, 4_000_000_000))

    store = open_storage(used.root, Options())

    assert (store.driver, {f.code for f in store.findings}) == ("overlay", {"second-driver"})


@pytest.mark.parametrize("driver", ["btrfs", "zfs", "devicemapper", "aufs"])
def test_a_driver_whose_bytes_stat_cannot_tell_is_recognised_and_blocked(tmp_path: Path, driver: str) -> None:
    """Its records are read, its bytes are unknown and never 0, and nothing is planned."""
    make = StorageMaker(tmp_path, driver=driver)
    layer = make.layer("L", directory=False)
    make.image("i", layer, ["localhost/x:1"])
    store = make.open()

    assert [f.code for f in store.findings.blocking] == ["driver-unsupported"]
    assert {n.kind for n in store.graph.nodes if n.unsized} == {"layer", "debris"}
    assert {n.id for n in store.graph.nodes if n.kind == "image"} == {make.images[0]["id"]}


def test_containers_of_both_modes_are_held_and_that_is_said(make: StorageMaker) -> None:
    """A transient store's containers are recorded in the runroot, others in the graphroot (1.9)."""
    image = make.image("one", make.layer("one"))
    make.container("kept", image, ident("one"), maker="buildah")
    entry = {
        "id": ident("lost at reboot"),
        "names": ["t"],
        "image": image,
        "layer": "",
        "created": "2026-01-01T00:00:00Z",
    }
    (make.run / "overlay-containers").mkdir()
    (make.run / "overlay-containers" / "volatile-containers.json").write_text(json.dumps([entry]))
    store = make.open()

    held = {node.id for node in store.graph.nodes if node.kind == "container"}
    said = [finding.path for finding in store.findings if finding.code == "two-modes"]

    assert (held, said) == (
        {ident("container kept"), ident("lost at reboot")},
        ["overlay-containers/volatile-containers.json"],
    )
