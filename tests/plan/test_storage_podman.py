"""`podman rm`, `rmi -f`, pods and volumes on made stores (containers-storage 3.4 to 3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.make.storage import StorageMaker, ident
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store with one image `localhost/x` on the layer L."""
    maker = StorageMaker(tmp_path)
    maker.image("i", maker.layer("L"), ["localhost/x:latest"])
    return maker


def container(make: StorageMaker, name: str, **more: object) -> str:
    """A podman container on the image."""
    return make.container(name, make.images[0]["id"], ident("L"), **more)  # type: ignore[arg-type]


def pod(make: StorageMaker) -> tuple[str, str, str]:
    """A pod with an infra container and a member with an anonymous volume; ids of pod, infra and member."""
    make.volume("anonymous", anonymous=True)
    made = ident("pod p")
    infra = container(make, "infra", pod=made, infra=True)
    member = container(make, "member", pod=made, needs=[infra], volumes=["anonymous"])
    make.pod("p", infra)
    return made, infra, member


# rm ------------------------------------------------------------------------------------------------------------------


def test_a_needed_container_blocks_rm(make: StorageMaker) -> None:
    """Dependents block without --depend, with -f too."""
    needed = container(make, "b")
    container(make, "a", needs=[needed])

    outcome = run(make.open(), "podman rm -f b")

    assert (outcome.removals, "needed by a" in outcome.failure) == ([], True)


def test_depend_takes_the_dependents_first(make: StorageMaker) -> None:
    """The dependents of dependents go before what they need."""
    one = container(make, "one")
    two = container(make, "two", needs=[one])
    three = container(make, "three", needs=[two, one])

    outcome = run(make.open(), "podman rm --depend one")

    assert [r.id for r in outcome.removals if r.kind == "container"] == [three, two, one]


def test_containers_that_need_each_other_end(make: StorageMaker) -> None:
    """A cycle of dependencies, which no podman writes, is gone through once."""
    one, two = ident("container one"), ident("container two")
    container(make, "one", needs=[two])
    container(make, "two", needs=[one])

    assert taken(run(make.open(), "podman rm -a"), "container") == {one, two}


def test_an_infra_container_goes_only_with_its_pod(make: StorageMaker) -> None:
    """Without --depend it is an error that names the pod."""
    pod(make)

    outcome = run(make.open(), "podman rm infra")

    assert (outcome.removals, "infra container of pod p" in outcome.failure) == ([], True)


def test_an_infra_container_takes_its_pod_and_anonymous_volumes(make: StorageMaker) -> None:
    """With --depend it takes every member and, without -v too, their anonymous volumes."""
    made, infra, member = pod(make)

    outcome = run(make.open(), "podman rm --depend infra")

    assert taken(outcome, "container") == {infra, member}
    assert (taken(outcome, "pod"), taken(outcome, "volume")) == ({made}, {"anonymous"})


@pytest.mark.parametrize(("version", "volumes"), [("4.3.1", {"anonymous"}), ("4.5.0", {"anonymous"}), ("5.8.6", set())])
def test_rm_all_takes_infra_containers_first_until_4_5(make: StorageMaker, version: str, volumes: set[str]) -> None:
    """Until 4.5 the pod goes with its volumes; later it is a race which go, and none is planned."""
    made, infra, member = pod(make)
    store = make.open()
    if version.startswith("4.3"):
        # podman 4.3 opens a Bolt database only.
        store.detail.databases[0].backend = "bolt"

    outcome = run(store, "podman rm -a -f", version)

    assert (taken(outcome, "container"), taken(outcome, "pod")) == ({infra, member}, {made})
    assert taken(outcome, "volume") == volumes
    assert any(f.code == "native-order-undefined" for f in outcome.findings) == (not volumes)


def test_volumes_option_takes_only_anonymous_ones_that_no_other_uses(make: StorageMaker) -> None:
    """`rm -v`: a named volume stays, an anonymous one that another container uses too."""
    for name, anonymous in (("named", False), ("mine", True), ("shared", True)):
        make.volume(name, anonymous=anonymous)
    container(make, "c", volumes=["named", "mine", "shared"])
    container(make, "d", volumes=["shared"])

    assert taken(run(make.open(), "podman rm -v c"), "volume") == {"mine"}


def test_a_shared_anonymous_volume_goes_with_its_last_user(make: StorageMaker) -> None:
    """`rm -v` of both users."""
    make.volume("shared", anonymous=True)
    container(make, "c", volumes=["shared"])
    container(make, "d", volumes=["shared"])

    assert taken(run(make.open(), "podman rm -v c d"), "volume") == {"shared"}


@pytest.mark.parametrize(
    ("command", "version", "gone", "fails"),
    [
        ("podman rm c nobody", "5.8.6", set(), True),
        ("podman rm work nobody c", "5.8.6", {"work"}, True),
        ("podman rm nobody work c", "5.8.6", set(), True),
        ("podman rm -i c nobody", "5.8.6", {"c"}, False),
        ("podman rm -f c nobody", "5.1.0", {"c"}, False),
        ("podman rm -f c nobody", "5.0.0", set(), True),
        ("podman rm work nobody", "4.3.1", {"work"}, True),
        ("podman rm nobody work", "4.3.1", {"work"}, True),
        ("podman rm -f work nobody", "4.3.1", {"work"}, False),
    ],
)
def test_an_unknown_name_ends_rm(make: StorageMaker, command: str, version: str, gone: set[str], fails: bool) -> None:
    """Storage containers named before it are gone, until 4.3 those after it, too; podman's stay."""
    container(make, "c")
    container(make, "work", maker="buildah")

    outcome = run(make.open(), command, version)

    assert taken(outcome, "container") == {ident(f"container {name}") for name in gone}
    assert bool(outcome.failure) == fails


@pytest.mark.parametrize(("option", "gone"), [("", False), ("-f ", True)])
def test_a_storage_container_that_counts_as_mounted_needs_force(make: StorageMaker, option: str, gone: bool) -> None:
    """The runroot's mount count decides, whether or not it is mounted."""
    made = container(make, "work", maker="buildah")
    make.mounted(ident("layer of work"))

    outcome = run(make.open(), f"podman rm {option}work")

    assert (taken(outcome, "container"), not outcome.failure) == ({made} if gone else set(), gone)


def test_rm_takes_layer_and_both_directories(make: StorageMaker) -> None:
    """The layer's directory and link, the container's directory, and its half in the runroot."""
    made = container(make, "c")
    layer = ident("layer of c")
    (make.run / "overlay-containers" / made / "userdata").mkdir(parents=True)

    assert paths(run(make.open(), "podman rm c")) == {
        f"overlay/{layer}",
        f"overlay/l/{make.link(layer)}",
        f"overlay-containers/{made}",
        f"{make.run}/overlay-containers/{made}",
    }


# After a reboot ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "gone"),
    [(0, True), (1, True), (2, True), (3, True), (4, True), (5, True), (6, True), (7, True), (8, True)],
)
def test_states_are_reset_before_a_prune(make: StorageMaker, state: int, gone: bool) -> None:
    """Every state becomes exited or configured after a reboot; only `removing` stays, where 4.x doesn't take it."""
    made = container(make, "c", state=state)

    pruned = taken(run(make.open(), "podman container prune -f", "4.9.0"), "container")

    assert pruned == ({made} if gone and state != 7 else set())


def test_running_rows_are_told_of(make: StorageMaker) -> None:
    """The warning names the containers that are recorded as running."""
    container(make, "busy", state=3)

    [finding] = [f for f in run(make.open(), "podman container prune -f").findings if f.code == "states-reset"]

    assert "busy" in finding.text


@pytest.mark.parametrize(("version", "images"), [("5.0.0", True), ("4.9.0", False)])
def test_from_5_0_the_start_takes_auto_remove_containers(make: StorageMaker, version: str, images: bool) -> None:
    """They are gone when the command looks, and in no step of it."""
    container(make, "c", state=3, autoremove=True)

    outcome = run(make.open(), "podman image prune -a -f", version)

    assert (bool(taken(outcome, "image")), taken(outcome, "container")) == (images, set())


def test_buildah_does_not_reset_states(make: StorageMaker) -> None:
    """For other tools an auto-remove container is still there."""
    container(make, "c", state=3, autoremove=True)

    assert run(make.open(), "buildah rmi localhost/x").failure


# rmi -f --------------------------------------------------------------------------------------------------------------


def test_force_takes_containers_of_every_tool_and_keeps_their_volumes(make: StorageMaker) -> None:
    """Podman's, buildah's and CRI-O's containers go; anonymous volumes stay."""
    make.volume("anonymous", anonymous=True)
    made = {
        container(make, "c", volumes=["anonymous"]),
        container(make, "work", maker="buildah"),
        container(make, "sandbox", maker="cri-o"),
    }

    outcome = run(make.open(), "podman rmi -f localhost/x")

    assert (taken(outcome, "container"), taken(outcome, "volume")) == (made, set())
    assert len(taken(outcome, "image")) == 1


def test_force_on_a_pause_image_takes_whole_pods(make: StorageMaker) -> None:
    """A container on another image goes with the pod of its infra container, and its anonymous volumes."""
    made, infra, member = pod(make)
    pause = make.image("pause", make.layer("P"), ["localhost/pause:latest"])
    make.containers[0]["image"] = pause
    make.rows = [
        (
            table,
            tuple(v.replace(make.images[0]["id"].encode(), pause.encode()) if isinstance(v, bytes) else v for v in row),
        )
        if row[0] == infra
        else (table, row)
        for table, row in make.rows
    ]

    outcome = run(make.open(), "podman rmi -f localhost/pause")

    assert (taken(outcome, "container"), taken(outcome, "pod")) == ({infra, member}, {made})
    assert (taken(outcome, "volume"), taken(outcome, "image")) == ({"anonymous"}, {pause})


def test_force_stops_at_a_container_that_others_need(make: StorageMaker) -> None:
    """The callback removes with force, not with --depend: the image stays."""
    needed = container(make, "b")
    container(make, "a", needs=[needed])

    outcome = run(make.open(), "podman rmi -f localhost/x")

    assert (outcome.removals, "needed by a" in outcome.failure) == ([], True)


# Volumes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "volumes", "containers", "fails"),
    [
        ("podman volume rm used", set(), 0, True),
        ("podman volume rm used free", {"free"}, 0, True),
        ("podman volume rm fr", {"free"}, 0, False),
        ("podman volume rm nobody free", {"free"}, 0, True),
        ("podman volume rm -f nobody free", {"free"}, 0, False),
        ("podman volume rm -f used", {"used"}, 1, False),
        ("podman volume rm -a", {"free", "other"}, 0, True),
        ("podman volume rm -a free", set(), 0, True),
    ],
)
def test_volume_rm(make: StorageMaker, command: str, volumes: set[str], containers: int, fails: bool) -> None:
    """Names or unique beginnings; one that is in use or unknown fails, the others go; -f takes the users."""
    for name in ("used", "free", "other"):
        make.volume(name)
    make.volume("extra", anonymous=True)
    container(make, "c", volumes=["used", "extra"])

    outcome = run(make.open(), command)

    assert (taken(outcome, "volume"), bool(outcome.failure)) == (volumes, fails)
    assert len(taken(outcome, "container")) == containers


def test_volume_rm_by_force_stops_at_a_needed_user(make: StorageMaker) -> None:
    """A dependent of a container that uses it blocks."""
    make.volume("used")
    needed = container(make, "b", volumes=["used"])
    container(make, "a", needs=[needed])

    outcome = run(make.open(), "podman volume rm -f used")

    assert (outcome.removals, bool(outcome.failure)) == ([], True)


@pytest.mark.parametrize(("version", "kept"), [("5.8.6", True), ("5.4.2", True), ("4.3.1", False)])
def test_a_mounted_storage_container_ends_rm_before_podmans_own(make: StorageMaker, version: str, kept: bool) -> None:
    """From 4.4 on its refusal ends the command as an unknown name does; 4.3 goes on with the others."""
    container(make, "work", maker="buildah")
    make.mounted(ident("layer of work"))
    mine = container(make, "mine")

    outcome = run(make.open(), "podman rm mine work", version)

    assert "counts as mounted" in outcome.failure
    assert taken(outcome, "container") == (set() if kept else {mine})


def test_system_prune_says_that_networks_are_not_planned(make: StorageMaker) -> None:
    """Rootless podman keeps their configurations in the graphroot."""
    (make.root / "networks").mkdir()
    (make.root / "networks" / "mine.json").write_text("{}")

    outcome = run(make.open(), "podman system prune -f")

    assert [f.code for f in outcome.findings if "mine.json" in f.text] == ["networks-not-planned"]
