"""Which image a name on a command line means (containers-storage 2.7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ocistore.stores.store import Options
from tests.make.storage import StorageMaker
from tests.plan.storage_plan import run, taken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store that is being made."""
    return StorageMaker(tmp_path)


@pytest.fixture(autouse=True)
def on_amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups of lists choose for this platform."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.mark.parametrize(
    ("name", "typed", "found"),
    [
        ("localhost/demo:latest", "demo", True),
        ("localhost/demo:latest", "demo:latest", True),
        ("localhost/demo:latest", "demo:1", False),
        ("localhost/team/demo:1", "team/demo:1", True),
        ("docker.io/library/alpine:3.20", "alpine:3.20", True),
        ("docker.io/library/alpine:3.20", "docker.io/alpine:3.20", True),
        ("docker.io/library/alpine:3.20", "index.docker.io/library/alpine:3.20", True),
        ("docker.io/team/app:latest", "team/app", True),
        ("docker.io/team/app:latest", "docker.io/team/app", True),
        ("quay.io/team/app:latest", "app", True),
        ("quay.io/team/app:latest", "team/app", True),
        ("quay.io/team/app:latest", "am/app", False),
        ("quay.io/team/app:2", "app", False),
        ("quay.io/team/app:latest", "quay.io/app", False),
        ("quay.io/team/app:latest", "io/team/app", False),
        ("localhost:5000/app:latest", "localhost:5000/app", True),
        ("localhost/demo:latest", "containers-storage:localhost/demo:latest", True),
        ("localhost/demo:latest", "containers-storage:demo", False),
        ("localhost/demo:latest", "sha256:0123", False),
    ],
)
def test_a_name_is_completed_or_found_by_its_end(make: StorageMaker, name: str, typed: str, found: bool) -> None:
    """Short names are local, docker's, or the end of a repository; full ones are themselves."""
    image = make.image("i", make.layer("L"), [name])

    assert taken(run(make.open(), f"podman rmi {typed}"), "image") == ({image} if found else set())


@pytest.mark.parametrize("form", ["{id}", "sha256:{id}", "{short}"])
def test_an_image_is_found_by_its_id(make: StorageMaker, form: str) -> None:
    """The whole id, with sha256: too, or a unique beginning."""
    image = make.image("i", make.layer("L"), ["localhost/x:1"])

    outcome = run(make.open(), "podman rmi " + form.format(id=image, short=image[:12]))

    assert taken(outcome, "image") == {image}


def test_a_local_name_goes_before_another_image_of_the_same_end(make: StorageMaker) -> None:
    """`localhost/app` is the first candidate, whatever the order of records."""
    layer = make.layer("L")
    make.image("other", layer, ["quay.io/app:latest"])
    local = make.image("local", layer, ["localhost/app:latest"])

    assert taken(run(make.open(), "podman rmi app"), "image") == {local}


@pytest.mark.parametrize(
    ("typed", "version", "gone"),
    [
        ("localhost/app@{digest}", "5.8.6", True),
        ("app@{digest}", "5.8.6", True),
        ("app:other@{digest}", "5.8.6", True),
        ("quay.io/app@{digest}", "5.8.6", False),
        ("quay.io/app@{digest}", "4.5.0", True),
        ("localhost/app@sha256:" + "0" * 64, "5.8.6", False),
        ("{digest}", "5.8.6", False),
    ],
)
def test_a_repository_with_a_digest(make: StorageMaker, typed: str, version: str, gone: bool) -> None:
    """The tag is dropped; from 4.6 the image must have a name in the repository; a bare digest is only ever an id."""
    image = make.image("i", make.layer("L"), ["localhost/app:1"])

    outcome = run(make.open(), "podman rmi " + typed.format(digest=make.manifest_digest(image)), version)

    assert taken(outcome, "image") == ({image} if gone else set())


def test_a_short_repository_with_a_digest_is_found_by_its_end(make: StorageMaker) -> None:
    """The fuzzy match takes the digest in place of a tag."""
    image = make.image("i", make.layer("L"), ["quay.io/team/app:1"])

    assert taken(run(make.open(), f"podman rmi app@{make.manifest_digest(image)}"), "image") == {image}


def test_a_name_with_a_digest_only_loses_that_name(make: StorageMaker) -> None:
    """A short one is resolved to the name that the image bears."""
    image = make.image("i", make.layer("L"), ["localhost/app:1"])
    digest = make.manifest_digest(image)
    make.images[0]["names"].append(f"localhost/app@{digest}")

    outcome = run(make.open(), f"podman rmi app@{digest} && podman rmi app:1")

    assert (taken(outcome, "image"), outcome.failure) == ({image}, "")


# Manifest lists ------------------------------------------------------------------------------------------------------


def listed(make: StorageMaker, names: list[str], architectures: list[str]) -> tuple[str, str]:
    """An image with names and a list `localhost/ml` that has it for each architecture; both ids."""
    member = make.image("member", make.layer("L"), names)
    digest = make.manifest_digest(member)
    made = make.manifest_list("ml", ["localhost/ml:latest"], [(digest, a) for a in architectures])
    return member, made


def test_a_name_of_a_list_means_the_platforms_member(make: StorageMaker) -> None:
    """A member with one name goes whole, whatever name was typed."""
    member, _ = listed(make, ["localhost/app:1"], ["amd64"])

    assert taken(run(make.open(), "podman rmi ml"), "image") == {member}


@pytest.mark.parametrize("names", [[], ["localhost/app:1", "localhost/app:2"]])
def test_a_name_of_a_list_is_none_of_a_members(make: StorageMaker, names: list[str]) -> None:
    """A member without a name or with several makes it fail, with force too."""
    listed(make, names, ["amd64"])

    outcome = run(make.open(), "podman rmi -f ml")

    assert (outcome.removals, "not a name" in outcome.failure) == ([], True)


def test_a_list_without_a_fitting_member_goes_itself(make: StorageMaker) -> None:
    """The list goes, its members stay."""
    _, made = listed(make, [], ["s390x"])

    assert taken(run(make.open(), "podman rmi ml"), "image") == {made}


def test_other_look_ups_do_not_know_a_list_without_a_fitting_member(make: StorageMaker) -> None:
    """`podman untag` fails on it."""
    listed(make, [], ["s390x"])

    assert "not known" in run(make.open(), "podman untag ml").failure


def test_manifest_rm_takes_lists_only(make: StorageMaker) -> None:
    """It never looks for a member, and an image is no list; names that fail don't stop the others."""
    _, made = listed(make, ["localhost/app:1"], ["amd64"])
    second = make.manifest_list("second", ["localhost/ml:2"], [])
    store = make.open()

    for command in ("podman manifest rm app:1 ml ml:2", "buildah manifest rm app:1 ml ml:2"):
        outcome = run(store, command)
        assert (taken(outcome, "image"), "app:1" in outcome.failure) == ({made, second}, True)


@pytest.mark.parametrize(("version", "chosen"), [("5.8.6", "zstd"), ("4.6.0", "plain")])
def test_a_member_marked_as_zstd_is_preferred_from_4_7(make: StorageMaker, version: str, chosen: str) -> None:
    """It goes before others of its platform."""
    images = {
        name: make.image(name, make.layer(name), [f"localhost/{name}:1"], steps=[name]) for name in ("plain", "zstd")
    }
    make.manifest_list("ml", ["localhost/ml:latest"], [(make.manifest_digest(i), "amd64") for i in images.values()])
    store = make.open()
    record = next(i for i in store.detail.images if "localhost/ml:latest" in i.names)
    plain, zstd = store.detail.data.instances(record)
    store.detail.data._instances[record.key] = (plain, replace(zstd, zstd=True))

    assert taken(run(store, "podman rmi ml", version), "image") == {images[chosen]}


# untag, copies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "then"),
    [
        ("podman untag x", True),
        ("podman untag x x:1", False),
        ("podman untag x x:1 x:latest", True),
        ("podman untag x localhost/x:1 localhost/x:latest", True),
    ],
)
def test_untag_takes_names_off(make: StorageMaker, command: str, then: bool) -> None:
    """Without names all go; the image is dangling then."""
    image = make.image("i", make.layer("L"), ["localhost/x:1", "localhost/x:latest"])

    outcome = run(make.open(), f"{command} && podman image prune -f")

    assert taken(outcome, "image") == ({image} if then else set())


def test_untag_takes_a_short_name_for_a_local_one(make: StorageMaker) -> None:
    """`alpine` is localhost/alpine, and docker's name stays."""
    make.image("i", make.layer("L"), ["docker.io/library/alpine:latest"])

    assert "not a name" in run(make.open(), "podman untag alpine alpine").failure


def test_the_primary_store_is_looked_through_before_an_additional_one(tmp_path: Path) -> None:
    """A beginning of an id that is unique in the primary store is found, whatever the additional store has."""
    other = StorageMaker(tmp_path / "ro")
    make = StorageMaker(tmp_path / "rw")
    mine = make.image("i", make.layer("L"), ["localhost/mine:1"])
    alien = mine[:12] + "0" * 52
    other._image(alien, "", [], {"manifest": b"{}"}, "2026-01-02T03:04:05Z", data=True)
    other.write()
    store = make.open(Options(additional_image_stores=(str(other.root),)))

    assert taken(run(store, f"podman rmi {mine[:12]}"), "image") == {mine}


def test_a_read_only_image_stays(tmp_path: Path) -> None:
    """`rmi` of one fails, with force too; prunes never list it."""
    other = StorageMaker(tmp_path / "ro")
    other.image("one", other.layer("L"), ["localhost/one:latest"])
    other.write()
    store = StorageMaker(tmp_path / "rw").open(Options(additional_image_stores=(str(other.root),)))

    assert "read-only" in run(store, "podman rmi -f one").failure
    for command in ("podman rmi -a", "podman image prune -a -f", "buildah rmi -a", "buildah prune -a -f"):
        assert (run(store, command).removals, run(store, command).failure) == ([], "")
