"""Data-roots with graph drivers: what holds what, and what records that disagree mean (6.1, items 14 to 34)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ocistore.usage.fates import fates
from tests.make.docker import DockerMaker, build_id, diff_id, ident, link_of, records_of

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.graph.graph import Node
    from ocistore.stores.store import Store


@pytest.fixture
def make(tmp_path: Path) -> DockerMaker:
    """An empty data-root with overlay2."""
    return DockerMaker(tmp_path)


def node(store: Store, kind: str, ident_: str) -> Node:
    """A node that is there."""
    number = store.graph.find(kind, ident_, store.number)
    assert number is not None, f"{kind}:{ident_} isn't there"
    return store.graph.nodes[number]


def fate(store: Store, kind: str, ident_: str) -> str:
    """The fate of a node that is there."""
    number = store.graph.find(kind, ident_, store.number)
    assert number is not None, f"{kind}:{ident_} isn't there"
    return fates(store)[number]


def codes(store: Store) -> set[str]:
    """The codes of the findings."""
    return {finding.code for finding in store.findings}


def holders(store: Store, kind: str, ident_: str) -> set[tuple[str, str]]:
    """(holder, word) of a node."""
    number = store.graph.find(kind, ident_, store.number)
    assert number is not None
    return {(store.graph.nodes[holder].key, word) for holder, word in store.graph.holders(number)}


def owned_by(store: Store, path: str) -> str:
    """`kind:id` of the node that owns a path."""
    return store.graph.nodes[store.places[0].owned[path]].key


# Images --------------------------------------------------------------------------------------------------------------


def test_images_are_named_dangling_or_intermediate(make: DockerMaker) -> None:
    """Names by digest are held by refs and not shown; an intermediate has no name and a child."""
    base = make.image("base", ("a",))
    child = make.image("child", ("a", "b"), ("web:1", "reg.example/web:2", f"web@sha256:{ident('m')}"), parent=base)
    lone = make.image("lone", ("c",))
    by_digest = make.image("digest", ("c",), (f"old@sha256:{ident('o')}",))

    store = make.open()

    assert [(node(store, "image", i).state, node(store, "image", i).names) for i in (base, child, lone, by_digest)] == [
        ("intermediate", []),
        ("named", ["reg.example/web:2", "web:1"]),
        ("dangling", []),
        ("named", []),
    ]
    assert holders(store, "image", base) == {(f"image:{child}", "is the parent of")}
    assert {fate(store, "image", i) for i in (base, child, lone, by_digest)} == {"held"}
    assert len(holders(store, "image", child)) == 3


def test_an_image_owns_its_configuration_and_metadata(make: DockerMaker) -> None:
    """imagedb/content, and imagedb/metadata where it is there."""
    base = make.image("base", ("a",), ("base:1",))
    child = make.image("child", ("a",), ("child:1",), parent=base)

    store = make.open()

    assert owned_by(store, f"image/overlay2/imagedb/content/sha256/{base}") == f"image:{base}"
    assert owned_by(store, f"image/overlay2/imagedb/metadata/sha256/{child}") == f"image:{child}"
    assert f"image/overlay2/imagedb/metadata/sha256/{base}" not in store.places[0].owned


def test_a_layer_owns_its_record_its_directory_and_its_short_link(make: DockerMaker) -> None:
    """The directory is that of the cache id; the link that of the `link` file."""
    chain = make.layer("a")
    cache = ident("cache a")

    store = make.open()

    paths = (f"image/overlay2/layerdb/sha256/{chain}", f"overlay2/{cache}", f"overlay2/l/{link_of(cache)}")
    assert {owned_by(store, path) for path in paths} == {f"layer:{chain}"}


def test_a_name_without_an_image_puts_layers_in_doubt(make: DockerMaker) -> None:
    """Item 14: what the image held can't be known, so that a layer without a holder is unknown, not unreferenced."""
    make.names["gone:1"] = ident("gone")
    chain = make.layer("a")

    store = make.open()

    assert fate(store, "layer", chain) == "unknown"
    assert "gone:1" in store.doubts["images"]
    assert {f.path for f in store.findings if f.code == "image-unloadable"} == {
        f"image/overlay2/imagedb/content/sha256/{ident('gone')}"
    }


def test_an_image_with_another_hash_is_no_image(make: DockerMaker) -> None:
    """Item 15: no daemon lists it, its file is in doubt, and so is the layer that only it may have held."""
    image = make.image("i", ("a",), ("web:1",))
    (make.base / "imagedb/content/sha256" / image).write_text("{}")

    store = make.open()

    assert store.graph.find("image", image) is None
    assert fate(store, "debris", f"image/overlay2/imagedb/content/sha256/{image}") == "unknown"
    assert fate(store, "layer", diff_id("a").removeprefix("sha256:")) == "unknown"


def test_an_image_whose_layer_is_missing_is_no_image(make: DockerMaker) -> None:
    """Item 16: its other layers aren't free for that."""
    image = make.image("i", ("a", "b"), ("web:1",))
    records = json.loads((make.base / "imagedb/content/sha256" / image).read_text())
    assert len(records["rootfs"]["diff_ids"]) == 2
    top = next(d for d in (make.base / "layerdb/sha256").iterdir() if (d / "parent").exists())
    (top / "cache-id").unlink()

    store = make.open()

    assert store.graph.find("image", image) is None
    base = diff_id("a").removeprefix("sha256:")
    assert fate(store, "layer", base) == "unknown"
    assert fate(store, "debris", f"image/overlay2/layerdb/sha256/{top.name}") == "unknown"
    assert {"image-unloadable", "layer-unloadable"} <= codes(store)


@pytest.mark.parametrize("text", ["", "sha256:12", "\0\0"])
def test_a_parent_that_names_nothing_is_in_doubt(make: DockerMaker, text: str) -> None:
    """The daemon would take it for none, and prune the image that it named."""
    base = make.image("base", ("a",))
    image = make.image("i", ("a", "b"), ("web:1",), parent=base)
    path = f"image/overlay2/imagedb/metadata/sha256/{image}/parent"
    (make.root / path).write_text(text)

    store = make.open()

    assert path in store.doubts["images"]
    assert [f.severity for f in store.findings if f.path == path] == ["error"]


def test_metadata_that_cant_be_listed_puts_images_in_doubt(make: DockerMaker) -> None:
    """Which image was made from which is unknown then."""
    make.image("i", ("a",), ("web:1",))
    metadata = make.base / "imagedb/metadata/sha256"
    metadata.rmdir()
    metadata.write_text("no directory")

    assert "imagedb/metadata" in make.open().doubts["images"]


def test_a_parent_that_is_gone_is_none(make: DockerMaker) -> None:
    """Item 17: the image has no parent then, and nothing is odd."""
    image = make.image("i", ("a",), ("web:1",), parent=ident("gone"))

    store = make.open()

    assert (node(store, "image", image).parents, store.doubts) == ((), {})


def test_an_image_without_layers(make: DockerMaker) -> None:
    """Item 23: FROM scratch with metadata only holds no layer."""
    image = make.image("i", (), ("empty:1",))

    store = make.open()

    number = store.graph.find("image", image)
    assert number is not None
    assert list(store.graph.held_by(number)) == []
    assert store.doubts == {}


def test_two_images_on_the_same_layers(make: DockerMaker) -> None:
    """Item 24: both hold the one top layer."""
    one, two = make.image("one", ("a",), ("one:1",)), make.image("two", ("a",), ("two:1",))

    store = make.open()

    chain = diff_id("a").removeprefix("sha256:")
    assert holders(store, "layer", chain) == {
        (f"image:{one}", "is the top layer of"),
        (f"image:{two}", "is the top layer of"),
    }


def test_a_layer_that_nothing_uses_is_unreferenced(make: DockerMaker) -> None:
    """Item 25: registered and never used."""
    chain = make.layer("a")

    assert fate(make.open(), "layer", chain) == "unreferenced"


def test_an_image_of_another_system_is_not_loaded(make: DockerMaker) -> None:
    """2.3: only Linux, or no system at all; nothing is damaged, so that other images may be planned."""
    image = make.image("i", ("a",), ("win:1",), system="windows")

    store = make.open()

    assert store.graph.find("image", image) is None
    assert fate(store, "debris", f"image/overlay2/imagedb/content/sha256/{image}") == "unknown"
    assert fate(store, "layer", diff_id("a").removeprefix("sha256:")) == "unknown"
    assert store.doubts == {}


@pytest.mark.parametrize(
    "text", ['{"Repositories":{"web":{"web:1":"sha256:4', "", "[]", '{"Repositories":{"a":{"a:1":1}}}']
)
def test_broken_names_make_images_unknown(make: DockerMaker, text: str) -> None:
    """6.3: none may be taken for nameless, and their layers aren't free."""
    image = make.image("i", ("a",), ("web:1",))
    make.write()
    (make.base / "repositories.json").write_text(text)

    store = make.read()

    assert fate(store, "image", image) == "unknown"
    assert fate(store, "layer", diff_id("a").removeprefix("sha256:")) == "unknown"
    assert "repositories.json" in store.doubts["images"]
    assert any(f.path == "image/overlay2/repositories.json" and f.severity == "error" for f in store.findings)


def test_missing_names_make_images_unknown(make: DockerMaker) -> None:
    """The daemon writes the file when it first starts; without it images are not taken for nameless."""
    image = make.image("i", ("a",), ("web:1",))
    make.write()
    (make.base / "repositories.json").unlink()

    assert fate(make.read(), "image", image) == "unknown"


# Layers --------------------------------------------------------------------------------------------------------------


def removing(make: DockerMaker, name: str, cache_id: str) -> str:
    """The record of a layer whose removal was begun; its path."""
    path = f"image/overlay2/layerdb/sha256/{ident(name)}-{ident('random')}-removing"
    (make.root / path).mkdir()
    (make.root / path / "cache-id").write_text(cache_id)
    return path


def test_a_begun_removal_goes_with_its_data_at_a_start(make: DockerMaker) -> None:
    """Item 26: record, directory and link, by the daemon itself."""
    make.directory("data")
    path = removing(make, "r", "data")

    store = make.open()

    assert {fate(store, "debris", each) for each in (path, "overlay2/data")} == {"unreferenced"}
    assert {store.graph.nodes[n].id for n in records_of(store).start} == {path, "overlay2/data"}
    assert owned_by(store, f"overlay2/l/{link_of('data')}") == "debris:overlay2/data"


def test_a_begun_removal_whose_data_another_layer_has(make: DockerMaker) -> None:
    """Item 26: the directory stays the live layer's."""
    chain = make.layer("a", cache_id="data")
    path = removing(make, "r", "data")

    store = make.open()

    assert owned_by(store, "overlay2/data") == f"layer:{chain}"
    assert {store.graph.nodes[n].id for n in records_of(store).start} == {path}


def test_a_begun_removal_without_data(make: DockerMaker) -> None:
    """Item 26: only the record is left."""
    path = removing(make, "r", "gone")

    assert fate(make.open(), "debris", path) == "unreferenced"


@pytest.mark.parametrize("written", [True, False])
def test_a_registration_that_was_not_ended(make: DockerMaker, written: bool) -> None:
    """Item 27: the directory is the write-set's if it says so, else nobody's; both are unreferenced."""
    make.directory("data")
    home = make.base / "layerdb/tmp/write-set-42"
    home.mkdir()
    if written:
        (home / "cache-id").write_text("data")

    store = make.open()

    assert fate(store, "debris", "image/overlay2/layerdb/tmp/write-set-42") == "unreferenced"
    assert node(store, "debris", "overlay2/data").state == ("write-set" if written else "unrecorded")
    assert fate(store, "debris", "overlay2/data") == "unreferenced"


def test_a_directory_that_a_lower_names_is_held(make: DockerMaker) -> None:
    """Item 28: no record names it, but something is mounted on it."""
    make.directory("below")
    make.directory(ident("cache a"), lower="below")
    chain = make.layer("a")
    make.image("i", ("a",), ("web:1",))

    store = make.open()

    assert fate(store, "debris", "overlay2/below") == "held"
    assert holders(store, "debris", "overlay2/below") == {(f"layer:{chain}", "is mounted below")}


def test_a_directory_without_a_record_is_unreferenced(make: DockerMaker) -> None:
    """6.2, 3: with its link."""
    make.directory("lost")

    store = make.open()

    assert fate(store, "debris", "overlay2/lost") == "unreferenced"
    assert owned_by(store, f"overlay2/l/{link_of('lost')}") == "debris:overlay2/lost"
    assert "unrecorded-directory" in codes(store)


def test_short_links_of_nothing(make: DockerMaker) -> None:
    """Item 29: a link to nothing is debris; with an empty `link` file removal leaves the link, and it is held."""
    (make.root / "overlay2/l/NOTHING").symlink_to("../gone/diff")
    chain = make.layer("a")
    make.image("i", ("a",), ("web:1",))
    (make.root / "overlay2" / ident("cache a") / "link").write_text("")

    store = make.open()

    link = f"overlay2/l/{link_of(ident('cache a'))}"
    assert fate(store, "debris", "overlay2/l/NOTHING") == "unreferenced"
    assert (owned_by(store, link), fate(store, "debris", link)) == (f"debris:{link}", "held")
    assert owned_by(store, f"overlay2/{ident('cache a')}") == f"layer:{chain}"


@pytest.mark.parametrize("name", [build_id("mount"), ident("gone container")])
def test_a_mount_of_nothing_holds_its_layer_no_longer(make: DockerMaker, name: str) -> None:
    """Item 30: it is a leftover; its layer is held by nothing else."""
    chain = make.layer("a")
    make.mount(name, chain)

    store = make.open()

    path = f"image/overlay2/layerdb/mounts/{name}"
    assert (fate(store, "debris", path), fate(store, "layer", chain)) == ("unreferenced", "unreferenced")
    assert holders(store, "layer", chain) == {(f"debris:{path}", "is below the file system of")}
    assert fate(store, "debris", f"overlay2/{ident(f'mount {name}')}-init") == "unreferenced"


@pytest.mark.parametrize("text", ["", "../../etc", "abc", None])
def test_a_mount_that_names_no_directory_puts_directories_in_doubt(make: DockerMaker, text: str | None) -> None:
    """7.1: a mount with bad ids; which directory it has is unknown."""
    container = make.container("c")
    file = make.base / "layerdb/mounts" / container / "mount-id"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)

    store = make.open()

    mount = ident(f"mount {container}")
    assert fate(store, "debris", f"overlay2/{mount}") == "unknown"
    assert "images" in store.doubts


def test_an_init_directory_that_its_mount_doesnt_name_is_held(make: DockerMaker) -> None:
    """The mount stands on it, whatever the record says."""
    container = make.container("c")
    (make.base / "layerdb/mounts" / container / "init-id").unlink()

    store = make.open()

    path = f"overlay2/{ident(f'mount {container}')}-init"
    assert holders(store, "debris", path) == {(f"container:{container}", "is the init layer of")}
    assert fate(store, "debris", path) == "held"


def test_an_init_directory_without_a_mount_is_unreferenced(make: DockerMaker) -> None:
    """6.2, 5."""
    make.directory("gone-init")

    assert fate(make.open(), "debris", "overlay2/gone-init") == "unreferenced"


def test_a_directory_that_only_a_lease_names_is_held(make: DockerMaker) -> None:
    """BuildKit has lost the snapshot, but its lease is there."""
    make.directory(build_id("lost"))
    make.record("other")
    make.lease(build_id("temp"), [build_id("lost")])

    store = make.open()

    assert holders(store, "debris", f"overlay2/{build_id('lost')}") == {
        (f"lease:buildkit/{build_id('temp')}", "is leased by")
    }


def test_two_records_of_one_directory_are_held(make: DockerMaker) -> None:
    """2.5: corruption; neither may go."""
    one, two = make.layer("a", cache_id="data"), make.layer("b", cache_id="data")

    store = make.open()

    assert {fate(store, "layer", one), fate(store, "layer", two)} == {"unknown"}
    assert "directory-claimed-twice" in codes(store)


@pytest.mark.parametrize("missing", ["diff", "size", "cache-id"])
def test_a_layer_that_lacks_a_file_blocks(make: DockerMaker, missing: str) -> None:
    """6.3: its data stays, its parent stays, and layers without a holder are unknown."""
    base = make.layer("a")
    top = make.layer("b", base)
    (make.base / "layerdb/sha256" / top / missing).unlink()

    store = make.open()

    path = f"image/overlay2/layerdb/sha256/{top}"
    assert fate(store, "debris", path) == "unknown"
    assert fate(store, "layer", base) == "unknown"
    assert "images" in store.doubts


@pytest.mark.parametrize("text", ["", "many", "9" * 5000, "\u0663", "1.5"])
def test_a_size_that_is_no_number(make: DockerMaker, text: str) -> None:
    """Hostile text is no number, and no traceback either."""
    layer = make.layer("a")
    (make.base / "layerdb/sha256" / layer / "size").write_text(text)

    store = make.open()

    assert fate(store, "debris", f"image/overlay2/layerdb/sha256/{layer}") == "unknown"


def test_layers_that_stand_on_each_other_are_not_loaded(make: DockerMaker) -> None:
    """A cycle of parents ends, and is in doubt."""
    one = make.layer("a")
    two = make.layer("b", one)
    (make.base / "layerdb/sha256" / one / "parent").write_text(f"sha256:{two}")

    store = make.open()

    assert not any(n.kind == "layer" for n in store.graph.nodes)
    assert "images" in store.doubts


# Containers ----------------------------------------------------------------------------------------------------------


def test_a_container_owns_its_record_its_mount_and_both_directories(make: DockerMaker) -> None:
    """2.6, container size."""
    image = make.image("i", ("a",), ("web:1",))
    chain = diff_id("a").removeprefix("sha256:")
    container = make.container("web", image, chain)

    store = make.open()

    mount = ident(f"mount {container}")
    paths = (
        f"containers/{container}",
        f"image/overlay2/layerdb/mounts/{container}",
        f"overlay2/{mount}",
        f"overlay2/{mount}-init",
        f"overlay2/l/{link_of(mount)}",
    )
    assert {owned_by(store, path) for path in paths} == {f"container:{container}"}
    assert (f"container:{container}", "is below the file system of") in holders(store, "layer", chain)
    assert (f"container:{container}", "is the image of") in holders(store, "image", image)
    assert node(store, "container", container).names == ["web"]


def test_a_container_whose_image_is_gone_holds_its_layers(make: DockerMaker) -> None:
    """Item 31: `rmi -f` leaves it so; no error."""
    chain = make.layer("a")
    make.container("web", ident("gone"), chain)

    store = make.open()

    assert fate(store, "layer", chain) == "held"
    assert not store.findings.has_errors


def test_a_container_without_a_mount_is_told(make: DockerMaker) -> None:
    """Item 31."""
    make.container("web", mounted=False)

    assert "container-layer-missing" in codes(make.open())


@pytest.mark.parametrize("text", ["", '{"ID":"', json.dumps({"ID": ident("another")})])
def test_a_container_that_cant_be_read_blocks(make: DockerMaker, text: str) -> None:
    """Item 31: empty, cut, another id; what it held is unknown, its mount and layer stay."""
    chain, spare = make.layer("a"), make.layer("b")
    container = make.container("web", "", chain)
    (make.root / "containers" / container / "config.v2.json").write_text(text)

    store = make.open()

    assert store.graph.find("container", container) is None
    assert fate(store, "debris", f"containers/{container}") == "unknown"
    assert {fate(store, "layer", chain), fate(store, "layer", spare)} == {"unknown"}
    assert {"containers", "volumes", "images"} <= store.doubts.keys()
    assert owned_by(store, f"overlay2/{ident(f'mount {container}')}") != "own:."


@pytest.mark.parametrize("text", ["", "{", "[]", None])
def test_a_hostconfig_that_cant_be_read(make: DockerMaker, text: str | None) -> None:
    """A missing one is none; a broken one keeps the daemon from loading the container."""
    container = make.container("web")
    file = make.root / "containers" / container / "hostconfig.json"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)

    store = make.open()

    assert (store.graph.find("container", container) is not None) is (text is None)
    assert ("containers" in store.doubts) is (text is not None)


def test_containers_of_two_drivers(tmp_path: Path) -> None:
    """Item 32: both halves are read and held; the one that containers name is in use."""
    old = DockerMaker(tmp_path, "vfs")
    old_image = old.image("old", ("a",), ("old:1",))
    old.write()
    make = DockerMaker(tmp_path)
    image = make.image("new", ("a",), ("new:1",))
    make.container("web", image, diff_id("a").removeprefix("sha256:"))

    store = make.open()

    assert (store.driver, records_of(store).active) == ("overlay2", "overlay2")
    assert {fate(store, "image", i) for i in (old_image, image)} == {"held"}
    chain = diff_id("a").removeprefix("sha256:")
    assert {fate(store, "layer", chain), fate(store, "layer", f"vfs/{chain}")} == {"held"}
    assert owned_by(store, f"vfs/dir/{ident('cache a')}") == f"layer:vfs/{chain}"
    assert "inactive-image-store" in codes(store)


def test_a_container_of_another_driver_is_not_loaded(tmp_path: Path) -> None:
    """2.6: invisible for the daemon; it is shown, and holds."""
    other = DockerMaker(tmp_path, "vfs")
    chain = other.layer("a")
    container = other.container("old", "", chain)
    other.write()
    make = DockerMaker(tmp_path)
    for name in ("one", "two"):
        make.container(name)
    (make.root / "image/vfs/repositories.json").touch()

    store = make.open()

    active = store.driver
    assert active in ("overlay2", "vfs")
    hidden = [c.driver for c in records_of(store).containers.values() if not c.loaded]
    assert set(hidden) == ({"overlay2", "vfs"} - {active})
    assert fate(store, "container", container) == "held"
    assert records_of(store).undecided


@pytest.mark.parametrize(
    ("state", "word", "running"),
    [
        ({"Running": True, "Pid": 42}, "running", True),
        ({"Running": True, "Paused": True}, "paused", True),
        ({"Paused": True}, "paused", True),
        ({"Restarting": True, "Running": True}, "restarting", True),
        ({"Dead": True}, "dead", False),
        ({}, "exited", False),
        ({"StartedAt": "0001-01-01T00:00:00Z"}, "created", False),
    ],
)
def test_states_of_containers(make: DockerMaker, state: dict[str, object], word: str, running: bool) -> None:
    """Item 33: paused and restarting ones run."""
    container = make.container("web", state=state)

    store = make.open()

    assert node(store, "container", container).state == word
    assert records_of(store).containers[container].running is running


def test_an_image_mount_is_the_containers(make: DockerMaker) -> None:
    """28 and later: a mount of the name of the mount point, which holds the image's layers."""
    image = make.image("i", ("a",), ("data:1",))
    chain = diff_id("a").removeprefix("sha256:")
    mount = {"/d": {"Type": "image", "ID": build_id("m"), "Spec": {"Type": "image", "Source": f"sha256:{image}"}}}
    container = make.container("web", mounts=mount)
    make.mount(build_id("m"), chain, init=False)

    store = make.open()

    assert owned_by(store, f"image/overlay2/layerdb/mounts/{build_id('m')}") == f"container:{container}"
    assert (f"container:{container}", "is below the file system of") in holders(store, "layer", chain)
    assert "leaked-mount" not in codes(store)


# BuildKit ------------------------------------------------------------------------------------------------------------


def test_a_build_record_and_an_image_hold_one_layer(make: DockerMaker) -> None:
    """2.8: the layer owns the directory, the record holds it through its lease."""
    data = build_id("data of step")
    chain = make.layer("a", cache_id=data)
    make.image("i", ("a",), ("web:1",))
    record = make.record("step", layer=chain)

    store = make.open()

    assert owned_by(store, f"overlay2/{data}") == f"layer:{chain}"
    assert (f"lease:buildkit/{record}", "is leased by") in holders(store, "layer", chain)
    assert (f"record:{record}", "is the lease of") in holders(store, "lease", f"buildkit/{record}")


def test_a_snapshot_that_is_no_layer_owns_its_directory(make: DockerMaker) -> None:
    """2.8: the committed key has the data of the active one."""
    record = make.record("step")

    store = make.open()

    snapshot = f"buildkit/default/{record}"
    assert owned_by(store, f"overlay2/{build_id('data of step')}") == f"snapshot:{snapshot}"
    assert fate(store, "snapshot", snapshot) == "held"


def test_a_child_snapshot_holds_its_parent(make: DockerMaker) -> None:
    """The parent is that of the active key's bucket."""
    base = make.record("base")
    child = make.record("child", parent=base)

    store = make.open()

    assert (f"snapshot:buildkit/default/{child}", "is the parent of") in holders(
        store, "snapshot", f"buildkit/default/{base}"
    )


def test_a_snapshot_without_a_lease_is_unreferenced(make: DockerMaker) -> None:
    """7.1: a bucket alone holds nothing."""
    record = make.record("step")
    del make.leases[record], make.build_records[record]

    assert fate(make.open(), "snapshot", f"buildkit/default/{record}") == "unreferenced"


def test_a_stale_bucket_holds_no_layer(make: DockerMaker) -> None:
    """Item 56: `R{chainid}` stays behind; only leases hold."""
    chain = make.layer("a")
    make.snapshots[build_id("stale")] = {"chainid": f"sha256:{chain}"}

    assert fate(make.open(), "layer", chain) == "unreferenced"


def test_a_lease_on_a_layer_by_its_chain(make: DockerMaker) -> None:
    """2.8: the snapshot `sha256:<chain>` is that layer."""
    chain = make.layer("a")
    make.snapshots[f"sha256:{chain}"] = {}
    make.lease(build_id("base"), [f"sha256:{chain}"])

    store = make.open()

    assert holders(store, "layer", chain) == {(f"lease:buildkit/{build_id('base')}", "is leased by")}


@pytest.mark.parametrize("name", ["snapshots.db", "containerdmeta.db"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "zeros"])
def test_unreadable_build_state_holds_every_layer(make: DockerMaker, name: str, damage: str) -> None:
    """6.3: which layers and directories build records hold is unknown."""
    chain = make.layer("a")
    make.record("step")
    make.write()
    path = make.root / "buildkit" / name
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        data = path.read_bytes()
        path.write_bytes(data[: 3 * 4096] + bytes(len(data) - 3 * 4096))

    store = make.read()

    assert fate(store, "layer", chain) == "unknown"
    own = owned_by(store, f"overlay2/{build_id('data of step')}")
    kind, _, ident_ = own.partition(":")
    assert fate(store, kind, ident_) in ("unknown", "held")
    assert f"buildkit/{name}" in store.doubts["images"]
    assert any(f.path == f"buildkit/{name}" and f.severity == "error" for f in store.findings)


def test_directories_above_an_image_mount_that_is_gone_are_debris(make: DockerMaker) -> None:
    """The daemon removes `ID-quay.io/x/d:1` alone; nothing is in doubt by what is empty."""
    name = f"{ident('c')}-quay.io"
    (make.base / f"layerdb/mounts/{name}/x").mkdir(parents=True)

    store = make.open()

    assert fate(store, "debris", f"image/overlay2/layerdb/mounts/{name}") == "unreferenced"
    assert store.doubts == {}


def test_an_image_mount_without_a_container_is_leaked(make: DockerMaker) -> None:
    """Its directory goes with it."""
    name = f"{ident('c')}-quay.io/x/d:1"
    make.mount(name, init=False)

    store = make.open()

    path = f"image/overlay2/layerdb/mounts/{ident('c')}-quay.io"
    assert fate(store, "debris", path) == "unreferenced"
    assert owned_by(store, f"overlay2/{ident(f'mount {name}')}").startswith("debris:")
    assert {"leaked-mount", "image-mount-unloaded"} <= codes(store)


# The rest of the root ------------------------------------------------------------------------------------------------


def test_temporary_files_and_strangers(make: DockerMaker) -> None:
    """What atomic writes leave is debris; what nobody is known to write is in doubt."""
    (make.base / ".tmp-repositories.json123").write_text("{")
    (make.base / "notes.txt").write_text("mine")
    (make.root / "backup").mkdir()
    (make.root / "tmp/GetImageBlob1").write_bytes(b"x")

    store = make.open()

    assert fate(store, "debris", "image/overlay2/.tmp-repositories.json123") == "unreferenced"
    assert {fate(store, "debris", path) for path in ("image/overlay2/notes.txt", "backup")} == {"unknown"}
    assert fate(store, "debris", "tmp/GetImageBlob1") == "unreferenced"
    assert {store.graph.nodes[n].id for n in records_of(store).start} == {"tmp/GetImageBlob1"}


def test_a_graph_driver_without_records_is_unknown(make: DockerMaker) -> None:
    """House rule 1: data whose records are gone is not unreferenced."""
    (make.root / "vfs/dir/abc").mkdir(parents=True)

    assert fate(make.open(), "debris", "vfs") == "unknown"


def test_directories_without_layer_records_are_unknown(make: DockerMaker) -> None:
    """Likewise where layerdb is gone."""
    make.directory(ident("data"))
    for path in ("layerdb/sha256", "layerdb/mounts", "layerdb/tmp"):
        (make.base / path).rmdir()

    store = make.open()

    assert fate(store, "debris", f"overlay2/{ident('data')}") == "unknown"
    assert "images" in store.doubts


def test_an_unsized_driver_says_so(tmp_path: Path) -> None:
    """Subvolumes of btrfs share blocks: bytes are unknown, not counted twice."""
    make = DockerMaker(tmp_path, "btrfs")
    (make.root / "btrfs/subvolumes").mkdir()
    chain = make.layer("a", directory=False)

    store = make.open()

    assert node(store, "layer", chain).unsized
    assert "driver-bytes-unknown" in codes(store)
