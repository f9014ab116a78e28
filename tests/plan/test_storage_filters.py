"""Filters of prunes, and where a system prune ends (containers-storage 3.3, 3.4, 3.6, 3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.make.storage import StorageMaker, ident
from tests.plan.storage_plan import run, taken

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "2026-01-02T03:04:05Z", "2026-11-21T06:30:00Z"


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """An old image `localhost/x` with a label and a new dangling one."""
    maker = StorageMaker(tmp_path)
    maker.image("old", maker.layer("L"), ["localhost/x:latest"], created=OLD, labels={"app": "demo", "a/b": "c"})
    maker.image("new", maker.layer("M"), created=NEW)
    return maker


@pytest.mark.parametrize(
    ("filters", "version", "gone"),
    [
        ("until=24h", "5.8.6", {"old"}),
        ("until=10m", "5.8.6", {"old", "new"}),
        ("until=2026-01-02T03:04:05Z", "5.8.6", set()),
        ("until=2026-01-02T03:04:06Z", "5.8.6", {"old"}),
        ("until=1767323046", "5.8.6", {"old"}),
        ("label=app", "5.8.6", {"old"}),
        ("label=app=demo", "5.8.6", {"old"}),
        ("label=app=other", "5.8.6", set()),
        ("label=a/*", "5.8.6", {"old"}),
        ("label!=app", "5.8.6", {"new"}),
        ("label!=app=other", "5.8.6", {"old", "new"}),
        ("reference=x", "5.8.6", {"old"}),
        ("reference=localhost/*", "5.8.6", {"old"}),
        ("reference=*/x:l*", "5.8.6", {"old"}),
        ("reference!=x", "5.8.6", {"new"}),
        ("since=x", "5.8.6", {"new"}),
        ("before=x", "5.8.6", set()),
        ("dangling=true", "5.8.6", {"new"}),
        ("dangling=false", "5.8.6", {"old"}),
        ("intermediate=true", "5.8.6", set()),
        ("manifest=true", "5.8.6", set()),
        ("containers=true", "5.8.6", None),
        ("readonly=true", "5.8.6", None),
        ("nonsense=1", "5.8.6", None),
        ("until=never", "5.8.6", None),
        ("digest=sha256:", "4.3.1", None),
        ("digest=sha256:", "5.8.6", {"old", "new"}),
    ],
)
def test_a_filter_of_image_prune(make: StorageMaker, filters: str, version: str, gone: set[str] | None) -> None:
    """With -a; a filter that is wrong or contradicts the command's own takes nothing and fails."""
    ids = {"old": make.images[0]["id"], "new": make.images[1]["id"]}

    outcome = run(make.open(), f"podman image prune -a -f --filter {filters}", version)

    assert (taken(outcome, "image"), bool(outcome.failure)) == ({ids[name] for name in gone or ()}, gone is None)


@pytest.mark.parametrize(("version", "gone"), [("5.8.6", "old"), ("4.8.0", "old"), ("4.3.1", None)])
def test_a_dangling_filter_replaces_the_default_from_4_8(make: StorageMaker, version: str, gone: str | None) -> None:
    """`dangling=false` takes named unused images without -a; before it contradicts the default."""
    outcome = run(make.open(), "podman image prune -f --filter dangling=false", version)

    assert (taken(outcome, "image"), bool(outcome.failure)) == ({make.images[0]["id"]} if gone else set(), not gone)


@pytest.mark.parametrize(
    ("filters", "version", "gone"),
    [
        ("--filter label=k", "5.8.6", {"labelled"}),
        ("--filter label=k --filter until=24h", "5.8.6", {"labelled", "old"}),
        ("--filter label=k --filter until=24h", "6.0", set()),
        ("--filter label!=k", "5.8.6", {"old", "anonymous"}),
        ("--filter label!=k", "4.3.1", None),
        ("--filter name=^o", "5.8.6", {"old"}),
        ("--filter dangling=true", "5.8.6", {"old", "labelled", "anonymous"}),
        ("--filter dangling=false", "5.8.6", set()),
        ("--filter since=old", "5.8.6", {"labelled", "anonymous"}),
        ("--filter since=nobody", "5.8.6", None),
        ("--filter until=1h --filter until=2h", "5.8.6", None),
        ("--filter anonymous=true", "6.0", {"anonymous"}),
        ("--filter anonymous=true", "5.8.6", None),
        ("--filter all=true --filter label=k", "6.0", {"old", "labelled", "anonymous"}),
        ("--dry-run -a", "6.0", set()),
        ("--dry-run", "5.8.6", None),
        ("-a", "5.8.6", None),
    ],
)
def test_volume_prune(make: StorageMaker, filters: str, version: str, gone: set[str] | None) -> None:
    """Keys are alternatives up to 5.8 and joined by and from v6; a volume in use never goes."""
    make.volume("old", created=OLD)
    make.volume("labelled", created=NEW, labels={"k": "v"})
    make.volume("anonymous", created=NEW, anonymous=True)
    make.volume("used", created=OLD, labels={"k": "v"})
    make.container("c", make.images[0]["id"], ident("L"), volumes=["used"])
    store = make.open()
    if version == "4.3.1":
        store.detail.databases[0].backend = "bolt"

    outcome = run(store, f"podman volume prune -f {filters}", version)

    assert (taken(outcome, "volume"), bool(outcome.failure)) == (gone or set(), gone is None)


def test_a_container_without_its_layer_is_not_pruned(make: StorageMaker) -> None:
    """Its size is asked for first, and that fails; `podman rm` takes it."""
    made = make.container("c", make.images[0]["id"], ident("L"))
    make.layers = [layer for layer in make.layers if layer["id"] != ident("layer of c")]
    store = make.open()

    pruned = run(store, "podman container prune -f")

    assert (pruned.removals, bool(pruned.failure)) == ([], True)
    assert taken(run(store, "podman rm c"), "container") == {made}


def test_a_wrong_container_filter_ends_a_system_prune_after_the_pods(make: StorageMaker) -> None:
    """Pods are first; the filter is judged when the containers' turn comes, and no image goes."""
    pod = ident("pod p")
    make.container("member", make.images[0]["id"], ident("L"), pod=pod)
    make.pod("p")

    outcome = run(make.open(), "podman system prune -a -f --filter dangling=true")

    assert (taken(outcome, "pod"), taken(outcome, "image"), bool(outcome.failure)) == ({pod}, set(), True)


def test_a_containers_failure_does_not_end_a_system_prune(make: StorageMaker) -> None:
    """The one that is needed stays for the next command, unless another class was found; images go on."""
    needed = make.container("b", make.images[0]["id"], ident("L"))
    other = make.container("a", make.images[0]["id"], ident("L"), needs=[needed])

    outcome = run(make.open(), "podman system prune -f")

    assert taken(outcome, "image") == {make.images[1]["id"]}
    assert (taken(outcome, "container"), bool(outcome.failure)) == ({needed, other}, True)


@pytest.mark.parametrize("option", ["-a", "--volumes", "--build", "--filter until=1h"])
def test_external_goes_with_no_other_option(make: StorageMaker, option: str) -> None:
    """It is an error, and nothing is done."""
    (make.root / "overlay-images" / ident("unknown")).mkdir()

    outcome = run(make.open(), f"podman system prune -f --external {option}")

    assert (outcome.removals, bool(outcome.failure)) == ([], True)


def test_build_takes_what_has_a_buildah_file_first(make: StorageMaker) -> None:
    """Of whatever type; podman's row of such a container then makes the command fail."""
    made = make.container("c", make.images[0]["id"], ident("L"))
    (make.root / "overlay-containers" / made / "userdata" / "buildah.json").write_text("{}")

    outcome = run(make.open(), "podman system prune -f --build")

    assert (taken(outcome, "container"), "no storage" in outcome.failure) == ({made}, True)


def test_containers_that_only_another_database_names_are_external(make: StorageMaker) -> None:
    """A version that opens a database without them takes them with --external."""
    made = make.container("c", make.images[0]["id"], ident("L"))
    store = make.open()

    assert taken(run(store, "podman image prune -a -f --external", "4.3.1"), "container") == {made}
    assert taken(run(store, "podman image prune -a -f --external"), "container") == set()


@pytest.mark.parametrize(
    ("value", "gone"), [("v", True), ("v:/v", True), ("v:/x", False), ("/v", False), ("other", False)]
)
@pytest.mark.parametrize("version", ["4.4", "5.4.2", "5.8.6"])
def test_the_volume_filter_of_rm_takes_a_name_and_a_destination(
    make: StorageMaker, version: str, value: str, gone: bool
) -> None:
    """A destination alone is no name of a volume."""
    make.volume("v")
    made = make.container("c", "", make.layer("below"), volumes=["v"])

    outcome = run(make.open(), f"podman rm --filter volume={value}", version)

    assert taken(outcome, "container") == ({made} if gone else set())


@pytest.mark.parametrize(("version", "gone"), [("4.3.1", False), ("5.4.2", True)])
def test_the_id_filter_takes_a_beginning_since_4_4(make: StorageMaker, version: str, gone: bool) -> None:
    """4.3 compares the whole id."""
    image = make.image("one", make.layer("one"))

    outcome = run(make.open(), f"podman image prune -a -f --filter id={image[:12]}", version)

    assert taken(outcome, "image") == ({image} if gone else set())
