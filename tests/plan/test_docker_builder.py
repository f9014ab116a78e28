"""`docker builder prune`, `docker buildx prune` and `docker buildx history rm` with a graph driver (5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ocistore.errors import UsageError
from ocistore.formats.gotime import parse_time
from tests.make.buildkit import message
from tests.make.docker import DockerMaker, build_id, ident, link_of
from tests.plan.storage_plan import NOW, paths, run, taken

if TYPE_CHECKING:
    from pathlib import Path

SECOND = parse_time(NOW) // 10**9
"""The unix time of a plan's now."""


@pytest.fixture
def make(tmp_path: Path) -> DockerMaker:
    """A data-root with three build records on each other, and an index of no history."""
    maker = DockerMaker(tmp_path)
    base = maker.record("base")
    middle = maker.record("middle", parent=base, cache_recordType="source.local")
    maker.record("top", parent=middle, cache_lastUsedAt=(SECOND - 3600) * 10**9)
    return maker


def three(*names: str) -> set[str]:
    """Ids of records."""
    return {build_id(name) for name in names}


def add_build(make: DockerMaker, ref: str, *, completed: bool = True, pinned: bool = False) -> str:
    """A build of the history, with a blob that its lease holds; the blob's path."""
    blob = ident(f"blob of {ref}")
    content = make.root / "buildkit/content/blobs/sha256"
    content.mkdir(exist_ok=True)
    (content / blob).write_bytes(b"log")
    fields: list[tuple[int, int | bytes | str]] = [(1, ref), (6, message((1, SECOND)))]
    fields += [(7, message((1, SECOND)))] if completed else []
    fields += [(14, 1)] if pinned else []
    make.builds[ref] = message(*fields)
    make.build_blobs[ref] = f"sha256:{blob}"
    return f"buildkit/content/blobs/sha256/{blob}"


def test_a_record_takes_its_directory_and_link_at_once(make: DockerMaker) -> None:
    """2.8: each lease's snapshots go with it."""
    outcome = run(make.open(), "docker builder prune -f")

    assert taken(outcome, "record") == three("base", "middle", "top")
    data = [build_id(f"data of {name}") for name in ("base", "middle", "top")]
    assert paths(outcome) == {f"overlay2/{d}" for d in data} | {f"overlay2/l/{link_of(d)}" for d in data}


def test_of_two_builds_of_one_layer_the_second_directory_is_left(make: DockerMaker) -> None:
    """2.8: a layer has one directory; what the other build made is never removed (26.1.5 was seen to leave it)."""
    layer = make.layer("same", cache_id=build_id("data of first"))
    make.record("first", layer=layer)
    make.record("second", layer=layer)
    second = build_id("data of second")
    make.directory(second)

    outcome = run(make.open(), "docker builder prune -a -f")

    assert taken(outcome, "record") == three("base", "middle", "top", "first", "second")
    assert taken(outcome, "layer") == {layer}
    assert not {f"overlay2/{second}", f"overlay2/l/{link_of(second)}"} & paths(outcome)


def test_a_filter_stops_at_a_record_that_something_names(make: DockerMaker) -> None:
    """3.8: parents of what stays stay."""
    store = make.open()

    assert taken(run(store, "docker builder prune -f --filter type=source.local"), "record") == set()
    assert taken(run(store, f"docker buildx prune -f --filter id={build_id('top')}"), "record") == three("top")


@pytest.mark.parametrize(
    ("version", "names"), [("28.5.2", ("top",)), ("23.0.6", ("top",)), ("20.10.24", ("base", "middle", "top"))]
)
def test_an_age_peels_one_generation(make: DockerMaker, version: str, names: tuple[str, ...]) -> None:
    """3.8, step 7: a parent counts as used when its last child goes, from BuildKit 0.10 on."""
    outcome = run(make.open(), "docker builder prune -f --filter until=30m", version)

    assert taken(outcome, "record") == three(*names)


def test_sequences_see_what_was_left(make: DockerMaker) -> None:
    """The second command takes the rest."""
    outcome = run(make.open(), f"docker builder prune -f --filter id={build_id('top')} && docker builder prune -f")

    assert next(r.id for r in outcome.removals if r.kind == "record") == build_id("top")
    assert taken(outcome, "record") == three("base", "middle", "top")


@pytest.mark.parametrize(
    ("command", "version"),
    [
        ("docker builder prune -f --filter until=1h --filter unused-for=1h", None),
        ("docker buildx prune -f --filter until=soon", None),
        ("docker buildx prune -f --filter type", None),
        ("docker buildx prune -f --max-used-space 1kB", "26.1.5"),
        ("docker buildx prune -f --filter type=a --filter type=b", None),
    ],
)
def test_what_the_command_line_refuses(make: DockerMaker, command: str, version: str | None) -> None:
    """Nothing is pruned, and that is no fault of the plan."""
    outcome = run(make.open(), command, version)

    assert (outcome.removals, outcome.failure != "") == ([], True)


def test_options_that_dont_exist(make: DockerMaker) -> None:
    """Never ignored."""
    with pytest.raises(UsageError):
        run(make.open(), "docker builder prune --builder other")


def test_records_in_doubt_block_the_cache_only(make: DockerMaker) -> None:
    """6.3: leases still hold exactly what they hold; images may be planned."""
    image = make.image("i", ("a",), ("web:1",))
    make.write()
    (make.root / "buildkit/metadata_v2.db").write_bytes(b"\0" * 100)
    store = make.read()

    assert run(store, "docker builder prune -a -f").blocked != ""
    assert run(store, "docker system prune -f").blocked != ""
    assert taken(run(store, "docker rmi web:1"), "image") == {image}


# History -------------------------------------------------------------------------------------------------------------


def test_history_rm_takes_builds_and_their_blobs(make: DockerMaker) -> None:
    """5.7: by ref, with builder and node before it or not; the cache stays."""
    one, two = add_build(make, "one"), add_build(make, "two")
    store = make.open()

    assert paths(run(store, "docker buildx history rm one")) == {one}
    assert paths(run(store, "docker buildx history rm default/default/two")) == {two}
    assert taken(run(store, "docker buildx history rm one two"), "history") == {"one", "two"}
    assert taken(run(store, "docker buildx history rm one"), "record") == set()


def test_history_rm_all_takes_pinned_ones_and_leaves_those_that_run(make: DockerMaker) -> None:
    """5.7: all that ended."""
    add_build(make, "one")
    add_build(make, "pinned", pinned=True)
    add_build(make, "unfinished", completed=False)

    assert taken(run(make.open(), "docker buildx history rm --all"), "history") == {"one", "pinned"}


def test_before_018_the_blobs_go_with_the_next_prune(make: DockerMaker) -> None:
    """5.7: removing builds collects nothing there (Docker before 27.4)."""
    blob = add_build(make, "one")
    store = make.open()

    assert paths(run(store, "docker buildx history rm one", "27.3.1")) == set()
    assert blob in paths(run(store, "docker buildx history rm one && docker builder prune -f", "27.3.1"))


def test_a_build_that_is_gone_is_missing(make: DockerMaker) -> None:
    """A second removal fails, and so does one of nothing."""
    add_build(make, "one")
    store = make.open()

    for command in ("rm gone", "rm one && docker buildx history rm one", "rm", "rm --all one"):
        assert run(store, f"docker buildx history {command}").failure != ""


def test_a_build_by_its_age_isnt_simulated(make: DockerMaker) -> None:
    """`^1` is the last but one."""
    with pytest.raises(UsageError):
        run(make.open(), "docker buildx history rm ^1")


def test_prunes_leave_the_history(make: DockerMaker) -> None:
    """Part 7: no prune touches it."""
    add_build(make, "one")

    outcome = run(make.open(), "docker system prune -a -f --volumes")

    assert (taken(outcome, "history"), taken(outcome, "blob")) == (set(), set())
