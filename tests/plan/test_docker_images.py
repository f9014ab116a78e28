"""`docker rmi` and `docker image prune` with graph drivers (docker-buildkit-containerd 5.1 to 5.3; 6.1, 18 to 24)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.make.docker import DockerMaker, build_id, diff_id, ident, link_of
from tests.plan.storage_plan import paths, run, taken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def make(tmp_path: Path) -> DockerMaker:
    """An empty data-root with overlay2."""
    return DockerMaker(tmp_path)


def chain(name: str) -> str:
    """Chain id of a base layer."""
    return diff_id(name).removeprefix("sha256:")


# Names ---------------------------------------------------------------------------------------------------------------


def test_a_name_means_more_than_a_prefix(make: DockerMaker) -> None:
    """5.1: a reference is looked up before prefixes of ids."""
    one = make.image("one", ("a",))
    two = make.image("two", ("b",), (f"{one[:6]}:latest",))

    outcome = run(make.open(), f"docker rmi {one[:6]}")

    assert taken(outcome, "image") == {two}


def test_a_tag_that_reads_like_its_own_id_is_an_id(make: DockerMaker) -> None:
    """Item 20: found by name, handled as an id: all references of the repository go at once."""
    image = make.image("one", ("a",))
    make.names[f"{image[:4]}:latest"] = image
    make.names[f"{image[:4]}@sha256:{ident('m')}"] = image
    make.container("c", image, chain("a"))

    outcome = run(make.open(), f"docker rmi {image[:4]}")

    assert (outcome.removals, "stopped container" in outcome.failure) == ([], True)


def test_a_whole_id_is_never_a_name(make: DockerMaker) -> None:
    """5.1, step 1."""
    image = make.image("one", ("a",))
    make.names[f"{ident('x')}:latest"] = image

    assert run(make.open(), f"docker rmi {ident('x')}").failure == f"no such image: {ident('x')}"


def test_an_ambiguous_prefix_fails(make: DockerMaker) -> None:
    """5.1, step 3: several ids that begin so are as good as none."""
    images = [make.image(f"image {n}") for n in range(40)]
    first = next(i[0] for i in images if sum(j[0] == i[0] for j in images) > 1)

    store = make.open()
    outcome = run(store, f"docker rmi {first}")

    assert (outcome.removals, outcome.failure.startswith("no such image")) == ([], True)
    # As for one that isn't there (seen on dockerd 20.10.24).
    assert run(store, f"docker rmi -f {first}").failure == ""


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("web:latest", "web"),
        ("web:latest", "docker.io/library/web"),
        ("me/web:1", "docker.io/me/web:1"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        (f"web@sha256:{'a' * 64}", f"web@sha256:{'a' * 64}"),
        (f"web@sha256:{'a' * 64}", f"web:1@sha256:{'a' * 64}"),
    ],
)
def test_spellings_of_a_name(make: DockerMaker, stored: str, typed: str) -> None:
    """2.2: familiar names; beside a digest a tag counts for nothing."""
    image = make.image("one", ("a",), (stored,))

    assert taken(run(make.open(), f"docker rmi {typed}"), "image") == {image}


def test_an_image_takes_its_files_and_its_layers(make: DockerMaker) -> None:
    """Configuration, metadata, record, directory and link: to the path."""
    make.image("one", ("a",), ("web:1",), parent=ident("gone"))
    image = make.names["web:1"]

    outcome = run(make.open(), "docker rmi web:1")

    cache = ident("cache a")
    assert paths(outcome) == {
        f"image/overlay2/imagedb/content/sha256/{image}",
        f"image/overlay2/imagedb/metadata/sha256/{image}",
        f"image/overlay2/layerdb/sha256/{chain('a')}",
        f"overlay2/{cache}",
        f"overlay2/l/{link_of(cache)}",
    }
    assert [r.kind for r in outcome.removals] == ["ref", "image", "layer"]


def test_a_name_beside_others_is_only_a_name(make: DockerMaker) -> None:
    """By name, step 4, whatever containers use the image."""
    image = make.image("one", ("a",), ("web:1", "web:2"))
    make.container("c", image, chain("a"), state={"Running": True})

    outcome = run(make.open(), "docker rmi web:1")

    assert ([(r.kind, r.id, r.paths) for r in outcome.removals], outcome.failure) == ([("ref", "web:1", ())], "")


def test_the_last_tag_takes_the_digests_of_its_repository(make: DockerMaker) -> None:
    """By name, step 3."""
    image = make.image("one", ("a",), ("web:1", f"web@sha256:{ident('m')}"))

    outcome = run(make.open(), "docker rmi web:1")

    assert taken(outcome, "image") == {image}
    assert len(taken(outcome, "ref")) == 2


def test_digests_of_another_repository_stay(make: DockerMaker) -> None:
    """By name, step 4: that reference is left."""
    make.image("one", ("a",), ("web:1", f"other@sha256:{ident('m')}"))

    outcome = run(make.open(), "docker rmi web:1")

    assert (taken(outcome, "ref"), taken(outcome, "image")) == ({"web:1"}, set())


@pytest.mark.parametrize("state", [{}, {"Running": True}])
def test_the_only_name_of_a_used_image_stays(make: DockerMaker, state: dict[str, bool]) -> None:
    """By name, step 1."""
    image = make.image("one", ("a",), ("web:1",))
    make.container("c", image, chain("a"), state=dict(state))

    outcome = run(make.open(), "docker rmi web:1")

    assert (outcome.removals, "is using it" in outcome.failure) == ([], True)


def test_force_untags_an_image_that_runs(make: DockerMaker) -> None:
    """5.2, notes: the name goes, the image stays, and that is no failure."""
    image = make.image("one", ("a",), ("web:1",))
    make.container("c", image, chain("a"), state={"Running": True})

    outcome = run(make.open(), "docker rmi -f web:1")

    assert ([r.id for r in outcome.removals], outcome.failure) == (["web:1"], "")


def test_force_takes_the_record_of_a_stopped_containers_image(make: DockerMaker) -> None:
    """Item 22: layers stay with the container and go with it."""
    image = make.image("one", ("a",), ("web:1",))
    container = make.container("c", image, chain("a"))
    store = make.open()

    assert taken(run(store, "docker rmi -f web:1"), "layer") == set()
    both = run(store, "docker rmi -f web:1 && docker container prune -f")
    assert taken(both, "layer") == {chain("a")}
    assert taken(both, "container") == {container}


def test_by_id_with_names_in_two_repositories(make: DockerMaker) -> None:
    """By id, step 2: refused, unless forced."""
    image = make.image("one", ("a",), ("web:1", "other:1"))
    store = make.open()

    refused = run(store, f"docker rmi {image[:12]}")
    forced = run(store, f"docker rmi -f {image[:12]}")

    assert (refused.removals, "multiple repositories" in refused.failure) == ([], True)
    assert (taken(forced, "ref"), taken(forced, "image")) == ({"web:1", "other:1"}, {image})


def test_by_id_with_one_tag_and_its_digest(make: DockerMaker) -> None:
    """isSingleReference: both are one."""
    image = make.image("one", ("a",), ("web:1", f"web@sha256:{ident('m')}"))

    assert taken(run(make.open(), f"docker rmi {image}"), "image") == {image}


def test_several_arguments_go_each_by_itself(make: DockerMaker) -> None:
    """The first failure doesn't stop the others, and is told."""
    image = make.image("one", ("a",), ("web:1",))

    outcome = run(make.open(), "docker rmi nothing web:1")

    assert (taken(outcome, "image"), outcome.failure) == ({image}, "no such image: nothing")


def test_force_forgives_what_isnt_there(make: DockerMaker) -> None:
    """Part 5, head: exit 0."""
    assert run(make.open(), "docker rmi -f nothing").failure == ""


def test_a_mounted_image_is_used_by_name_only(make: DockerMaker) -> None:
    """5.2, using(c): from 28 on, in step 1 by name; by id it goes, and its layers stay with the mount."""
    image = make.image("one", ("a",), ("data:1",))
    mount = {"/d": {"Type": "image", "ID": build_id("m"), "Spec": {"Type": "image", "Source": f"sha256:{image}"}}}
    make.container("c", mounts=mount)
    make.mount(build_id("m"), chain("a"), init=False)
    store = make.open()

    assert "is using it" in run(store, "docker rmi data:1").failure
    by_id = run(store, f"docker rmi {image}")
    assert (taken(by_id, "image"), taken(by_id, "layer"), by_id.failure) == ({image}, set(), "")
    assert taken(run(store, "docker rmi data:1", "27.5.1"), "image") == {image}


# Parents -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def classic(make: DockerMaker) -> tuple[DockerMaker, list[str]]:
    """A chain of three images of a classic build, of which the last has a name."""
    base = make.image("s1", ("a",))
    middle = make.image("s2", ("a", "b"), parent=base)
    top = make.image("s3", ("a", "b", "c"), ("web:1",), parent=middle)
    return make, [base, middle, top]


def test_nameless_parents_go_with_their_last_child(classic: tuple[DockerMaker, list[str]]) -> None:
    """5.2, helper 4."""
    make, images = classic

    outcome = run(make.open(), "docker rmi web:1")

    assert [r.id for r in outcome.removals if r.kind == "image"] == images[::-1]
    assert len(taken(outcome, "layer")) == 3


def test_no_prune_leaves_them_nameless_heads(classic: tuple[DockerMaker, list[str]]) -> None:
    """Item 21: a later prune takes them."""
    make, images = classic
    store = make.open()

    assert taken(run(store, "docker rmi --no-prune web:1"), "image") == {images[2]}
    assert taken(run(store, "docker rmi --no-prune web:1 && docker image prune -f"), "image") == set(images)


def test_a_tagged_parent_stays(classic: tuple[DockerMaker, list[str]]) -> None:
    """Item 21: the middle one has a name, and what is below it stays, too."""
    make, images = classic
    make.names["step:2"] = images[1]

    assert taken(run(make.open(), "docker rmi web:1"), "image") == {images[2]}


def test_a_parent_that_a_container_uses_stays(classic: tuple[DockerMaker, list[str]]) -> None:
    """The parent's conflict ends it silently."""
    make, images = classic
    make.container("c", images[1])

    outcome = run(make.open(), "docker rmi web:1")

    assert (taken(outcome, "image"), outcome.failure) == ({images[2]}, "")


def test_an_image_with_children_stays(classic: tuple[DockerMaker, list[str]]) -> None:
    """Conflict a) is hard: force doesn't help."""
    make, images = classic

    outcome = run(make.open(), f"docker rmi -f {images[0]}")

    assert (outcome.removals, "dependent child" in outcome.failure) == ([], True)


def test_the_last_name_of_a_parent_is_only_a_name(classic: tuple[DockerMaker, list[str]]) -> None:
    """By name the conflict with children is silent: it stays as an intermediate."""
    make, images = classic
    make.names["step:2"] = images[1]

    outcome = run(make.open(), "docker rmi step:2")

    assert ([r.id for r in outcome.removals], outcome.failure) == (["step:2"], "")


# Prune ---------------------------------------------------------------------------------------------------------------


def test_a_plain_prune_takes_nameless_heads(make: DockerMaker) -> None:
    """Neither named images nor those with children."""
    dangling = make.image("old", ("a",))
    make.image("new", ("b",), ("web:1",))

    assert taken(run(make.open(), "docker image prune -f"), "image") == {dangling}


def test_a_plain_prune_takes_images_with_digests_only(make: DockerMaker) -> None:
    """Item 19: pulled by digest."""
    image = make.image("one", ("a",), (f"web@sha256:{ident('m')}",))

    assert taken(run(make.open(), "docker image prune -f"), "image") == {image}


def test_prune_all_and_used_images_with_several_names(make: DockerMaker) -> None:
    """Item 18: all names but the last in the order of full names go, though a container uses the image."""
    image = make.image("one", ("a",), ("web:1", "web:2", "reg.example/web:1"))
    make.container("c", image, chain("a"))

    outcome = run(make.open(), "docker image prune -a -f")

    # docker.io/library/web:1 < docker.io/library/web:2 < reg.example/web:1.
    assert ([r.id for r in outcome.removals if r.kind == "ref"], taken(outcome, "image")) == (["web:1", "web:2"], set())


def test_prune_all_keeps_a_used_image_with_tag_and_digest(make: DockerMaker) -> None:
    """Item 18: one tag with its digest is a single reference."""
    image = make.image("one", ("a",), ("web:1", f"web@sha256:{ident('m')}"))
    make.container("c", image, chain("a"))

    assert run(make.open(), "docker image prune -a -f").removals == []


def test_until_compares_the_images_own_time(make: DockerMaker) -> None:
    """5.3, step 2; one without a time is spared from 24 on."""
    old = make.image("old", ("a",), created="2026-11-20T06:59:59Z")
    make.image("new", ("b",), created="2026-11-20T07:00:01Z")
    timeless = make.image("timeless", ("c",), created=None)
    store = make.open()

    assert taken(run(store, "docker image prune -f --filter until=24h"), "image") == {old}
    assert taken(run(store, "docker image prune -f --filter until=24h", "23.0.6"), "image") == {old, timeless}


def test_labels(make: DockerMaker) -> None:
    """All of label= must fit; with label!= an image goes unless all of these fit."""
    one = make.image("one", ("a",), labels={"a": "1", "b": "2"})
    two = make.image("two", ("b",), labels={"a": "2"})
    none = make.image("none", ("c",))
    store = make.open()

    def pruned(filters: str) -> set[str]:
        return taken(run(store, f"docker image prune -f {filters}"), "image")

    assert pruned("--filter label=a") == {one, two}
    assert pruned("--filter label=a=1 --filter label=b") == {one}
    assert pruned("--filter label!=a") == {none}
    assert pruned("--filter label!=a=1 --filter label!=b=2") == {two, none}
    assert pruned("--filter label!=a --filter label!=b") == {two, none}


@pytest.mark.parametrize(
    "filters",
    ["name=web", "label", "until=yesterday", "until=1h --filter until=2h", "dangling=perhaps --filter dangling=0"],
)
def test_filters_that_the_daemon_refuses(make: DockerMaker, filters: str) -> None:
    """Nothing is pruned then."""
    make.image("old", ("a",))

    outcome = run(make.open(), f"docker image prune -f --filter {filters}")

    assert (outcome.removals, outcome.failure != "") == ([], True)


def test_a_dangling_filter_against_the_option(make: DockerMaker) -> None:
    """The command line adds dangling=true; false beside it is refused from 23 on, before it won."""
    image = make.image("one", ("a",), ("web:1",))
    store = make.open()

    assert "dangling" in run(store, "docker image prune -f --filter dangling=false").failure
    assert taken(run(store, "docker image prune -f --filter dangling=false", "20.10.24"), "image") == {image}


def test_a_duration_of_zero_is_a_time(make: DockerMaker) -> None:
    """Moby's timestamps: "0" is the first second of 1970, "0s" is now."""
    image = make.image("old", ("a",))
    store = make.open()

    assert run(store, "docker image prune -f --filter until=0").removals == []
    assert taken(run(store, "docker image prune -f --filter until=0s"), "image") == {image}


# The double reference count ------------------------------------------------------------------------------------------


@pytest.fixture
def built(make: DockerMaker) -> tuple[DockerMaker, str, str]:
    """An image by BuildKit, whose layer a build record has too; (maker, image, record)."""
    make.layer("a", cache_id=build_id("data of step"))
    image = make.image("i", ("a",), ("web:1",))
    record = make.record("step", layer=chain("a"))
    return make, image, record


def test_an_image_alone_gives_no_layer_back(built: tuple[DockerMaker, str, str]) -> None:
    """2.8, consequence a."""
    make, image, _ = built

    outcome = run(make.open(), "docker rmi web:1")

    assert (taken(outcome, "image"), taken(outcome, "layer")) == ({image}, set())


def test_a_record_alone_gives_no_layer_back(built: tuple[DockerMaker, str, str]) -> None:
    """2.8, consequence b."""
    make, _, record = built

    outcome = run(make.open(), "docker builder prune -a -f")

    assert (taken(outcome, "record"), paths(outcome)) == ({record}, set())


@pytest.mark.parametrize(
    "commands",
    [("docker rmi web:1", "docker builder prune -a -f"), ("docker builder prune -a -f", "docker rmi web:1")],
)
def test_both_give_the_layer_back(built: tuple[DockerMaker, str, str], commands: tuple[str, str]) -> None:
    """2.8, consequence c: in either order."""
    make, _, _ = built

    assert taken(run(make.open(), " && ".join(commands)), "layer") == {chain("a")}


def test_a_plain_prune_spares_what_an_image_shares(built: tuple[DockerMaker, str, str]) -> None:
    """3.7.3: until the image is gone."""
    make, _, record = built
    store = make.open()

    assert run(store, "docker builder prune -f").removals == []
    assert taken(run(store, "docker rmi web:1 && docker builder prune -f"), "record") == {record}


def test_a_shared_prefix_is_shared(make: DockerMaker) -> None:
    """Item 49: a layer below an image's top is a prefix of it; one above isn't."""
    make.image("i", ("a", "b"), ("web:1",))
    above = make.layer("c", next(d.name for d in (make.base / "layerdb/sha256").iterdir() if (d / "parent").exists()))
    below = make.record("below", layer=chain("a"))
    make.record("top", layer=above, parent=below)

    outcome = run(make.open(), "docker builder prune -f")

    assert taken(outcome, "record") == {build_id("top")}
    assert taken(outcome, "layer") == {above}


def test_two_leases_on_one_layer(make: DockerMaker) -> None:
    """Item 55: removing one record gives the one reference back, though the other's lease still names the layer."""
    layer = make.layer("a")
    make.snapshots[f"sha256:{layer}"] = {}
    for name in ("one", "two"):
        record = build_id(name)
        make.build_records[record] = {
            "cache.snapshot": f"sha256:{layer}",
            "snapshot.committed": True,
            "snapshot.size": 10,
            "cache.description": name,
        }
        make.lease(record, [f"sha256:{layer}"])
    store = make.open()

    outcome = run(store, "docker buildx prune -a -f --filter description=one")

    assert (taken(outcome, "record"), taken(outcome, "layer")) == ({build_id("one")}, {layer})


def test_a_temporary_lease_goes_at_the_start(make: DockerMaker) -> None:
    """3.4: what it frees is no command's doing."""
    data = build_id("data")
    make.directory(data)
    make.snapshots[data] = {"parent": ""}
    make.lease(build_id("temp"), [data], labels={"buildkit/lease.temporary": "2026-01-01T00:00:00Z"})

    assert run(make.open(), "docker builder prune -a -f").removals == []


def test_what_is_in_doubt_blocks_only_what_would_free_it(make: DockerMaker) -> None:
    """A container whose layers stay goes; one whose layers would go is blocked."""
    image = make.image("i", ("a",), ("web:1",))
    make.layer("b")
    make.container("kept", image, chain("a"))
    make.container("freeing", "", chain("b"))
    make.names["gone:1"] = ident("gone")
    store = make.open()

    assert run(store, "docker rmi web:1").blocked != ""
    assert run(store, "docker rm kept").blocked == ""
    assert run(store, "docker rm freeing").blocked != ""
