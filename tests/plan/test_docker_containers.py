"""Containers, volumes, system prune, starts and sequences on data-roots (5.4 to 5.6; 6.1, items 33 to 41)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from ocistore.formats.gotime import parse_time
from ocistore.plan.docker.session import open_session
from ocistore.plan.make import plan_remove, plan_scopes
from ocistore.stores.find import find_things
from tests.make.bolt import BoltMaker
from tests.make.docker import DockerMaker, build_id, diff_id, ident, volume_mount
from tests.plan.storage_plan import NOW, paths, run, taken

if TYPE_CHECKING:
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.bolt import Tree

NOW_NS = parse_time(NOW)


@pytest.fixture
def make(tmp_path: Path) -> DockerMaker:
    """An empty data-root with overlay2."""
    return DockerMaker(tmp_path)


def chain(name: str) -> str:
    """Chain id of a base layer."""
    return diff_id(name).removeprefix("sha256:")


def scoped(store: Store, *scopes: str) -> set[str]:
    """`kind:id` of what a prune of scopes takes."""
    plan = plan_scopes(store, scopes, now_ns=NOW_NS, grace_ns=0)
    assert not plan.blocked
    return {f"{step.removal.kind}:{step.removal.id}" for step in plan.steps}


# Containers ----------------------------------------------------------------------------------------------------------


def test_a_container_takes_its_record_mount_and_directories(make: DockerMaker) -> None:
    """5.4: to the path, links included; its volumes stay."""
    make.volume("data")
    container = make.container("c", mounts=volume_mount("data"))

    outcome = run(make.open(), "docker rm c")

    mount = ident(f"mount {container}")
    assert {path for path in paths(outcome) if "/l/" not in path} == {
        f"containers/{container}",
        f"image/overlay2/layerdb/mounts/{container}",
        f"overlay2/{mount}",
        f"overlay2/{mount}-init",
    }
    assert sum("/l/" in path for path in paths(outcome)) == 2
    assert taken(outcome, "volume") == set()


@pytest.mark.parametrize("typed", ["c", "/c", "ID", "ID12"])
def test_what_names_a_container(make: DockerMaker, typed: str) -> None:
    """Id, name, prefix of the id."""
    container = make.container("c")
    make.container("d")

    outcome = run(make.open(), f"docker rm {typed.replace('ID12', container[:12]).replace('ID', container)}")

    assert taken(outcome, "container") == {container}


@pytest.mark.parametrize("state", [{"Running": True}, {"Running": True, "Paused": True}, {"Restarting": True}])
def test_a_running_container_stays(make: DockerMaker, state: dict[str, bool]) -> None:
    """Item 33: hard for rm without force, never pruned; the note says that records may be stale."""
    container = make.container("c", state=dict(state))
    store = make.open()

    refused, pruned, forced = (run(store, f"docker {c}") for c in ("rm c", "container prune -f", "rm -f c"))

    assert (refused.removals, refused.failure != "") == ([], True)
    assert (pruned.removals, [f.code for f in pruned.findings]) == ([], ["recorded-running"])
    assert taken(forced, "container") == {container}


@pytest.mark.parametrize("state", [{"Dead": True}, {}, {"StartedAt": "0001-01-01T00:00:00Z"}])
def test_ended_containers_are_pruned(make: DockerMaker, state: dict[str, object]) -> None:
    """Dead, exited, created."""
    container = make.container("c", state=dict(state))

    assert taken(run(make.open(), "docker container prune -f"), "container") == {container}


def test_filters_of_containers(make: DockerMaker) -> None:
    """Not created after until; labels as for images."""
    old = make.container("old", created="2026-11-20T06:00:00Z", labels={"keep": ""})
    new = make.container("new", created="2026-11-20T08:00:00Z")
    store = make.open()

    def pruned(filters: str) -> set[str]:
        return taken(run(store, f"docker container prune -f {filters}"), "container")

    assert pruned("--filter until=24h") == {old}
    assert pruned("--filter label!=keep") == {new}
    assert pruned("--filter label=keep") == {old}
    assert "invalid filter" in run(store, "docker container prune --filter dangling=true").failure


def test_rm_goes_on_after_a_failure(make: DockerMaker) -> None:
    """Part 5, head; and a failure ends a sequence."""
    one, two = make.container("one"), make.container("two")
    store = make.open()

    outcome = run(store, "docker rm nothing one && docker rm two")

    assert (taken(outcome, "container"), outcome.failure) == ({one}, "no such container: nothing")
    assert taken(run(store, "docker rm -f nothing && docker rm two"), "container") == {two}


def test_volumes_go_along_only_if_they_were_made_for_the_container(make: DockerMaker) -> None:
    """5.4, step 4: Spec.Source decides, not the label."""
    for name in ("anonymous", "named", ident("old")):
        make.volume(name)
    make.container("one", mounts=volume_mount("anonymous", anonymous=True))
    make.container("two", mounts=volume_mount("named"))
    make.container("three", mounts=volume_mount("named", spec=False))
    make.container("four", mounts=volume_mount(ident("old"), spec=False))

    outcome = run(make.open(), "docker rm -v one two three four")

    assert taken(outcome, "volume") == {"anonymous", ident("old")}


def test_a_volume_that_another_container_mounts_stays(make: DockerMaker) -> None:
    """Item 40: --volumes-from; it goes with the last."""
    make.volume("shared", anonymous=True)
    for name in ("one", "two"):
        make.container(name, mounts=volume_mount("shared", anonymous=True))
    store = make.open()

    assert taken(run(store, "docker rm -v one"), "volume") == set()
    assert taken(run(store, "docker rm -v one two"), "volume") == {"shared"}


def test_an_image_mount_is_released_with_its_container(make: DockerMaker) -> None:
    """5.4: the mount's directory goes, and layers of an image that is gone."""
    make.layer("a")
    mount = {"/d": {"Type": "image", "ID": build_id("m"), "Spec": {"Type": "image", "Source": f"sha256:{ident('x')}"}}}
    make.container("c", mounts=mount)
    make.mount(build_id("m"), chain("a"), init=False)

    outcome = run(make.open(), "docker rm c")

    assert f"image/overlay2/layerdb/mounts/{build_id('m')}" in paths(outcome)
    assert taken(outcome, "layer") == {chain("a")}


@pytest.fixture
def with_image_mount(make: DockerMaker) -> tuple[DockerMaker, str, str, str]:
    """A root whose container mounts the image of quay.io/x/d:1 by that name: with it its id, that and the mount's."""
    image = make.image("d", ("only",), ("quay.io/x/d:1",))
    container = make.container("c", mounts={"/d": {"Type": "image", "Spec": {"Source": f"sha256:{image}"}}})
    name = f"{container}-quay.io/x/d:1"
    make.mount(name, chain("only"), init=False)
    config = make.root / f"containers/{container}/config.v2.json"
    config.write_text(config.read_text().replace('"Type": "image"', f'"Type": "image", "ID": "{name}"'))
    return make, container, image, name


def test_an_image_mount_by_a_name_with_slashes_is_known_to_no_daemon(
    with_image_mount: tuple[DockerMaker, str, str, str],
) -> None:
    """2.4: its layer lies too deep to be loaded, so it stays with its container's end, and holds no layer (28.5.2)."""
    make, container, image, name = with_image_mount
    mount = f"overlay2/{ident(f'mount {name}')}"
    store = make.open()

    outcome = run(store, "docker rm c && docker image prune -a -f")

    assert (taken(outcome, "container"), taken(outcome, "image")) == ({container}, {image})
    assert taken(outcome, "layer") == {chain("only")}
    assert mount not in paths(outcome)
    assert not [path for path in paths(outcome) if "quay.io" in path]
    assert (store.doubts, f"image:{image}" in scoped(store, "unused")) == ({}, False)


def test_a_plan_of_ones_own_takes_an_image_mount_with_its_container(
    with_image_mount: tuple[DockerMaker, str, str, str],
) -> None:
    """Its record and its directory belong to the container, but docker rm doesn't take them."""
    make, container, _, name = with_image_mount
    store = make.open()

    plan = plan_scopes(store, ["containers"], now_ns=NOW_NS, grace_ns=0)

    (step,) = plan.steps
    assert {
        f"overlay2/{ident(f'mount {name}')}",
        f"image/overlay2/layerdb/mounts/{container}-quay.io",
    } <= set(step.removal.paths)
    assert step.removal.native is None


@pytest.mark.parametrize(("found", "codes"), [(True, []), (False, ["native-order-undefined"])])
def test_a_volume_beside_an_image_mount_that_isnt_found(make: DockerMaker, found: bool, codes: list[str]) -> None:
    """The daemon may have given up on the container's mounts before it saw the volume; it is taken to stay."""
    make.volume("v", anonymous=True)
    image = {"/d": {"Type": "image", "ID": build_id("m") if found else "", "Spec": {"Source": f"sha256:{ident('x')}"}}}
    make.container("c", mounts={**image, **volume_mount("v", anonymous=True)})
    if found:
        make.mount(build_id("m"), init=False)

    outcome = run(make.open(), "docker volume prune -f")

    assert taken(outcome, "volume") == set()
    assert [finding.code for finding in outcome.findings] == codes


# Volumes -------------------------------------------------------------------------------------------------------------


def test_volume_prune_by_version(make: DockerMaker) -> None:
    """5.5: from 23 on only labelled ones; a 64-hex name without the label is not anonymous (items 35, 36)."""
    make.volume("named")
    make.volume(ident("old"))
    make.volume("labelled", anonymous=True)
    make.volume("unrecorded", recorded=False)
    everything = {"named", ident("old"), "labelled", "unrecorded"}
    store = make.open()

    assert taken(run(store, "docker volume prune -f"), "volume") == {"labelled"}
    assert taken(run(store, "docker volume prune -af"), "volume") == everything
    assert taken(run(store, "docker volume prune -f --filter all=true"), "volume") == everything
    assert taken(run(store, "docker volume prune -f", "20.10.24"), "volume") == everything
    assert run(store, "docker volume prune -af", "20.10.24").failure != ""
    assert "conflicting" in run(store, "docker volume prune -a --filter all=1").failure


def test_volumes_with_options_are_never_pruned(make: DockerMaker) -> None:
    """Item 37: not with -a either; rm takes one."""
    make.volume("nfs", options={"type": "nfs"})
    store = make.open()

    assert run(store, "docker volume prune -a -f").removals == []
    assert paths(run(store, "docker volume rm nfs")) == {"volumes/nfs"}


def test_an_entry_without_a_directory_is_no_volume(make: DockerMaker) -> None:
    """Item 38."""
    make.volume_records["gone"] = {"Name": "gone", "Driver": "local", "Labels": None, "Options": None}

    assert run(make.open(), "docker volume rm gone").failure == "no such volume: gone"


def test_a_volume_whose_data_leads_out_stays(make: DockerMaker) -> None:
    """Item 39: rm fails; a prune passes it over; what a link inside volumes/ leads to goes along."""
    for name, target in (("out", "/etc"), ("inside", "../other/_data")):
        (make.root / "volumes" / name).mkdir()
        (make.root / "volumes" / name / "_data").symlink_to(target)
    make.volume("other")
    store = make.open()

    assert "outside" in run(store, "docker volume rm out").failure
    assert taken(run(store, "docker volume prune -a -f"), "volume") == {"inside", "other"}
    assert paths(run(store, "docker volume rm inside")) == {"volumes/inside", "volumes/other/_data"}


def test_a_used_volume_stays(make: DockerMaker) -> None:
    """Item 41: by a stopped container, too; -f doesn't help."""
    make.volume("data", anonymous=True)
    make.container("c", mounts=volume_mount("data"))
    store = make.open()

    assert "in use" in run(store, "docker volume rm -f data").failure
    assert run(store, "docker volume prune -a -f").removals == []
    assert taken(run(store, "docker container prune -f && docker volume prune -f"), "volume") == {"data"}


def test_volume_rm_of_nothing(make: DockerMaker) -> None:
    """Force forgives it, and the others go on."""
    make.volume("data")
    store = make.open()

    assert run(store, "docker volume rm -f nothing").failure == ""
    outcome = run(store, "docker volume rm nothing data")
    assert (taken(outcome, "volume"), outcome.failure) == ({"data"}, "no such volume: nothing")


def test_a_volume_of_a_container_that_the_daemon_doesnt_see(tmp_path: Path) -> None:
    """Item 41: the daemon would take it, and the plan says what that means; a scope holds it."""
    other = DockerMaker(tmp_path, "vfs")
    other.container("old", mounts=volume_mount("data"))
    other.write()
    make = DockerMaker(tmp_path)
    for name in ("one", "two"):
        make.container(name)
    make.volume("data")
    make.write()
    # The image store whose names changed last is taken to be in use.
    (make.root / "image/vfs/repositories.json").touch()
    (make.base / "repositories.json").touch()
    store = make.read()

    outcome = run(store, "docker volume prune -a -f")

    assert taken(outcome, "volume") == {"data"}
    assert [f.code for f in outcome.findings] == ["native-deletes-referenced"]
    assert "volume:data" not in scoped(store, "volumes")


def test_unreadable_volume_records_block_volumes_only(make: DockerMaker) -> None:
    """6.3: labels and options are unknown."""
    make.volume("data")
    container = make.container("c")
    make.write()
    (make.root / "volumes/metadata.db").write_bytes(b"\0" * 8192)
    store = make.read()

    assert run(store, "docker volume rm data").blocked != ""
    assert taken(run(store, "docker container prune -f"), "container") == {container}


# System --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def used(make: DockerMaker) -> DockerMaker:
    """A stopped container on an image by BuildKit with a named and an anonymous volume."""
    make.layer("a", cache_id=build_id("data of step"))
    image = make.image("i", ("a",), ("web:1",))
    make.volume("named")
    make.volume("anonymous", anonymous=True)
    mounts = {**volume_mount("named"), "/w": volume_mount("anonymous", anonymous=True)["/v"]}
    make.container("c", image, chain("a"), mounts=mounts)
    make.record("step", layer=chain("a"))
    return make


def test_system_prune_frees_what_its_own_steps_used(used: DockerMaker) -> None:
    """5.6: containers first, build cache last, which frees the shared layer; named volumes never."""
    store = used.open()

    plain, everything = run(store, "docker system prune -f"), run(store, "docker system prune -af --volumes")

    assert {r.kind for r in plain.removals} == {"container"}
    assert taken(everything, "volume") == {"anonymous"}
    assert taken(everything, "layer") == {chain("a")}
    assert taken(everything, "record") == {build_id("step")}


def test_system_prune_ignores_labels_for_the_build_cache(used: DockerMaker) -> None:
    """5.6."""
    outcome = run(used.open(), "docker rmi -f web:1 && docker system prune -f --filter label=none")

    assert (taken(outcome, "container"), taken(outcome, "record")) == (set(), {build_id("step")})


@pytest.mark.parametrize("words", ["--volumes --filter until=1h", "--filter dangling=true", "--filter until=soon"])
def test_system_prune_refuses_before_it_begins(used: DockerMaker, words: str) -> None:
    """5.6: nothing is removed."""
    outcome = run(used.open(), f"docker system prune -f {words}")

    assert (outcome.removals, outcome.failure != "") == ([], True)


def test_network_prune_takes_no_file(make: DockerMaker) -> None:
    """Networks are entries of a bolt file."""
    outcome = run(make.open(), "docker network prune -f")

    assert (outcome.removals, [f.code for f in outcome.findings]) == ([], ["networks-without-files"])


@pytest.mark.parametrize(
    "command", ["docker image ls", "docker rmi --platform linux/arm64 web", "docker rm -l c", "podman rm c", "docker"]
)
def test_what_isnt_simulated_is_said(make: DockerMaker, command: str) -> None:
    """Never ignored."""
    with pytest.raises(UsageError):
        run(make.open(), command)


def test_options_before_the_verb(make: DockerMaker) -> None:
    """They say which daemon is asked."""
    container = make.container("c")

    assert taken(run(make.open(), "sudo docker --context default rm c"), "container") == {container}


# Starts --------------------------------------------------------------------------------------------------------------


def test_a_start_removes_containers_of_rm(make: DockerMaker) -> None:
    """Item 34: no command's doing; their volumes stay, and nothing mounts them any more (dockerd 20.10.24)."""
    make.volume("anonymous")
    gone = make.container("gone", mounts=volume_mount("anonymous", anonymous=True), auto_remove=True)
    make.container("running", state={"Running": True}, auto_remove=True)
    store = make.open()

    assert run(store, "docker container prune -f").removals == []
    assert taken(run(store, "docker volume prune -a -f"), "volume") == {"anonymous"}
    assert {(r.kind, r.id) for r in open_session(store, NOW_NS).started} == {("container", gone)}


def test_a_start_drops_records_with_their_snapshots(make: DockerMaker) -> None:
    """3.4, 2.8: the directory of a record whose parent is gone goes at the start, at once."""
    orphan = make.record("orphan", parent=build_id("gone"))
    store = make.open()

    assert run(store, "docker builder prune -a -f").removals == []
    assert [(r.kind, r.id) for r in open_session(store, NOW_NS).started] == [("snapshot", f"buildkit/default/{orphan}")]


# Scopes --------------------------------------------------------------------------------------------------------------


def test_scopes(used: DockerMaker) -> None:
    """What each drops; an image that a container uses stays until that is dropped, too."""
    dangling = used.image("old", ("b",))
    container = ident("container c")
    image = used.names["web:1"]
    store = used.open()

    assert scoped(store, "dangling") == {f"image:{dangling}", f"layer:{chain('b')}"}
    assert scoped(store, "containers") == {f"container:{container}"}
    assert scoped(store, "unused") == {f"image:{dangling}", f"layer:{chain('b')}"}
    assert scoped(store, "volumes") == set()
    assert scoped(store, "unused", "containers") >= {f"image:{image}", "ref:web:1", f"container:{container}"}
    assert f"layer:{chain('a')}" not in scoped(store, "unused", "containers")
    assert f"layer:{chain('a')}" in scoped(store, "unused", "containers", "cache")
    assert {"volume:named", "volume:anonymous"} <= scoped(store, "containers", "volumes")


def test_an_intermediate_goes_with_what_was_made_from_it(make: DockerMaker) -> None:
    """Scope dangling: the parents of a nameless head are held by it alone."""
    parent = make.image("s1", ("a",))
    head = make.image("s2", ("a",), parent=parent)
    store = make.open()

    assert {i for i in scoped(store, "dangling") if i.startswith("image:")} == {f"image:{parent}", f"image:{head}"}


def test_removing_an_image_removes_its_names(make: DockerMaker) -> None:
    """A name holds an image, and goes with it when the image is named."""
    image = make.image("i", ("a",), ("web:1", "web:2"))
    store = make.open()

    plan = plan_remove(store, find_things(store, f"image:{image}"), now_ns=NOW_NS, grace_ns=0)

    assert not plan.blocked
    assert [step.removal.kind for step in plan.steps] == ["ref", "ref", "image", "layer"]


def test_native_commands_of_steps(used: DockerMaker) -> None:
    """7.7."""
    used.image("old", ("b",))
    store = used.open()
    plan = plan_scopes(store, ["all"], now_ns=NOW_NS, grace_ns=0)
    native = {step.removal.kind: step.removal.native for step in plan.steps}

    assert native["container"] == f"docker rm {ident('container c')}"
    assert native["ref"] == "docker rmi --no-prune web:1"
    assert native["record"] == f"docker builder prune -a -f --filter id={build_id('step')}"
    assert native["volume"] in ("docker volume rm named", "docker volume rm anonymous")
    assert native["layer"] is None


# The containerd beside -----------------------------------------------------------------------------------------------


def test_a_pulled_images_manifests_go_with_it(make: DockerMaker) -> None:
    """2.9: graph mode keeps manifests in the managed containerd, by a lease that goes with the image."""
    image = make.image("i", ("a",), ("web:1",))
    blob = ident("manifest")
    daemon = make.root / "containerd/daemon"
    content = daemon / "io.containerd.content.v1.content/blobs/sha256"
    content.mkdir(parents=True)
    (content / blob).write_bytes(b"{}")
    (daemon / "io.containerd.metadata.v1.bolt").mkdir()
    digest = f"sha256:{blob}".encode()
    moby: Tree = {
        b"content": {b"blob": {digest: {b"size": b"\x04"}}},
        b"leases": {f"moby-image-sha256:{image}".encode(): {b"content": {digest: b""}}},
    }
    data = BoltMaker().write({b"v1": {b"version": b"\x08", b"moby": moby}})
    (daemon / "io.containerd.metadata.v1.bolt/meta.db").write_bytes(data)

    outcome = run(make.open(), "docker rmi web:1")

    assert taken(outcome, "image") == {image}
    path = f"containerd/daemon/io.containerd.content.v1.content/blobs/sha256/{blob}"
    assert {r.id: r.paths for r in outcome.removals if r.kind == "blob"} == {f"sha256:{blob}": (path,)}


def test_the_record_of_a_running_container_is_the_containers(make: DockerMaker) -> None:
    """A daemon that was killed leaves containerd's record of it; it is one thing, and one without a container none."""
    container = make.container("c", state={"Running": True})
    home = make.root / "containerd/daemon/io.containerd.metadata.v1.bolt"
    home.mkdir(parents=True)
    containers: Tree = {container.encode(): {b"image": b""}, ident("gone").encode(): {b"image": b""}}
    data = BoltMaker().write({b"v1": {b"version": b"\x08", b"moby": {b"containers": containers}}})
    (home / "meta.db").write_bytes(data)

    store = make.open()

    assert [node.id for node in store.graph.nodes if node.kind == "container"] == [container]
    assert store.graph.find("debris", f"container moby/{ident('gone')}") is not None
