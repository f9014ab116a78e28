"""Laws of random data-roots with a graph driver: fates add up, plans take what nothing left needs, and each path once.

A root is made from a drawn description; a plan is carried out on it (paths unlinked, records dropped from the files
that the daemon rewrites), and what is read then is held against the plan.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ocistore.formats.gotime import parse_time
from ocistore.plan.closure import paths_of
from ocistore.plan.ladder import find_steps, ladder
from ocistore.plan.make import SCOPES, open_session, plan_command, plan_scopes, select
from ocistore.usage.bytes import Bytes
from ocistore.usage.fates import fates
from ocistore.usage.sizes import measure
from tests.make.docker import DockerMaker, build_id, ident, volume_mount
from tests.naive import du, freed

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from ocistore.plan.plan import Plan
    from ocistore.stores.store import Store

NOW_NS = parse_time("2026-11-21T07:00:00Z")
LADDER = {
    "dangling": "docker image prune -f",
    "containers": "docker container prune -f",
    "cache": "docker builder prune -a -f",
    "unused": "docker image prune -a -f",
    "volumes": "docker volume prune -a -f",
}
COMMANDS = (
    "docker image prune -f",
    "docker image prune -a -f",
    "docker container prune -f",
    "docker volume prune -f",
    "docker volume prune -a -f",
    "docker builder prune -f",
    "docker builder prune -a -f",
    "docker system prune -f",
    "docker system prune -a -f --volumes",
    "docker container prune -f && docker image prune -a -f && docker builder prune -a -f",
    "docker builder prune -a -f && docker image prune -a -f",
)


@st.composite
def recipes(draw: st.DrawFn) -> Callable[[Path], DockerMaker]:
    """A function that makes a root of some images, containers, volumes, build records and debris."""
    driver = draw(st.sampled_from(["overlay2", "vfs"]))
    depths = draw(st.lists(st.lists(st.integers(0, 2), max_size=4), max_size=6))
    parents = draw(st.lists(st.integers(-1, 5), min_size=6, max_size=6))
    names = draw(st.lists(st.integers(0, 3), min_size=6, max_size=6))
    containers = draw(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.booleans()), max_size=4))
    volumes = draw(st.lists(st.booleans(), max_size=3))
    records = draw(st.lists(st.tuples(st.integers(-1, 4), st.booleans()), max_size=6))
    debris = draw(st.sets(st.sampled_from(["directory", "link", "temporary", "mount", "removing", "layer"])))

    def make(top: Path) -> DockerMaker:
        maker = DockerMaker(top, driver)
        images: list[tuple[str, str]] = []
        for number, layers in enumerate(depths):
            chosen = tuple(f"{at}.{which}" for at, which in enumerate(layers))
            above = images[parents[number]][0] if 0 <= parents[number] < len(images) else ""
            tags = tuple(f"r{n % 2}/i{number}:{n}" for n in range(names[number]))
            image = maker.image(f"i{number}", chosen, tags, parent=above)
            images.append((image, chain_of(maker, image)))
        for number, anonymous in enumerate(volumes):
            maker.volume(f"v{number}", anonymous=anonymous)
        for number, (which, running, with_volume) in enumerate(containers):
            base, chain = images[which % len(images)] if images else ("", "")
            mounts = volume_mount("v0", anonymous=number == 0) if with_volume and volumes else None
            maker.container(f"c{number}", base, chain, state={"Running": running}, mounts=mounts)
        add_records(maker, records)
        add_debris(maker, debris)
        maker.write()
        return maker

    return make


def chain_of(maker: DockerMaker, image: str) -> str:
    """Chain id of an image's top layer."""
    from ocistore.stores.docker.records import ImageRecord

    maker.write()
    store = maker.read()
    record = store.detail.graph.images[image]
    assert isinstance(record, ImageRecord)
    store.close()
    return record.chain


def add_records(maker: DockerMaker, records: list[tuple[int, bool]]) -> None:
    """Build records on each other; some are the first layers that nobody else's record is."""
    chains = sorted(d.name for d in (maker.base / "layerdb/sha256").iterdir())
    for number, (parent, shares) in enumerate(records):
        above = build_id(f"b{parent}") if 0 <= parent < number else ""
        chain = chains.pop() if shares and chains else ""
        maker.record(f"b{number}", parent=above, layer=chain)


def add_debris(maker: DockerMaker, debris: set[str]) -> None:
    """Leftovers of a daemon that was interrupted."""
    if "directory" in debris:
        maker.directory("lost")
    if "link" in debris and maker.driver == "overlay2":
        (maker.root / "overlay2/l/STALE").symlink_to("../nowhere/diff")
    if "temporary" in debris:
        (maker.base / ".tmp-repositories.json7").write_bytes(b"x" * 5000)
    if "mount" in debris:
        maker.mount(ident("gone"), next((d.name for d in (maker.base / "layerdb/sha256").iterdir()), ""))
    if "removing" in debris:
        home = maker.base / "layerdb/sha256" / f"{ident('r')}-{ident('s')}-removing"
        home.mkdir()
        (home / "cache-id").write_text(ident("data"))
        maker.directory(ident("data"))
    if "layer" in debris:
        maker.layer("alone")


def carry_out(maker: DockerMaker, plan: Plan) -> None:
    """Unlinks a plan's paths and drops the records of what went."""
    for step in plan.steps:
        removal = step.removal
        for path in removal.paths:
            whole = maker.root / path
            if whole.is_dir() and not whole.is_symlink():
                shutil.rmtree(whole)
            elif os.path.lexists(whole):
                whole.unlink()
        if removal.kind == "ref":
            maker.names.pop(removal.id, None)
        elif removal.kind == "image":
            maker.names = {name: image for name, image in maker.names.items() if image != removal.id}
        elif removal.kind == "volume":
            maker.volume_records.pop(removal.id, None)
        elif removal.kind == "record":
            maker.build_records.pop(removal.id, None)
        elif removal.kind == "lease":
            maker.leases.pop(removal.id.partition("/")[2], None)
    maker.write()


def things(store: Store, *states: str) -> set[str]:
    """`kind:id` of the nodes of some fates, the engine's own left out."""
    found = fates(store)
    return {n.key for n, fate in zip(store.graph.nodes, found, strict=True) if fate in states and n.kind != "own"}


def planned_paths(plan: Plan) -> list[str]:
    """Every path of a plan."""
    return [path for step in plan.steps for path in step.removal.paths]


@settings(max_examples=40, deadline=None)
@given(recipe=recipes())
def test_fates_add_up(recipe: Callable[[Path], DockerMaker]) -> None:
    """The four fates are du, to the byte, and nothing is unknown in a sound root."""
    with tempfile.TemporaryDirectory() as top:
        store = recipe(Path(top)).read()
        sizes = measure(store)
        parts = Bytes()
        for part in sizes.fates().values():
            parts = parts.plus(part)
        assert parts == du(top)
        assert sizes.fates()["unknown"] == Bytes()
        store.close()


@settings(max_examples=60, deadline=None)
@given(recipe=recipes())
def test_steps_of_the_ladder_take_what_nothing_left_holds(recipe: Callable[[Path], DockerMaker]) -> None:
    """Each step by itself, from the roots that it and those above it leave."""
    with tempfile.TemporaryDirectory() as top:
        store = recipe(Path(top)).read()
        gone = set(store.detail.start)
        dropped: frozenset[int] = frozenset()
        for step in find_steps(store, NOW_NS):
            if step.step == "start":
                continue
            dropped |= frozenset(select(store, step.step, dropped, NOW_NS))
            falling = set(range(len(store.graph))) - stays(store, dropped | gone) - gone
            assert falling == set(step.nodes), step.step
            gone |= falling
        store.close()


@settings(max_examples=60, deadline=None)
@given(recipe=recipes())
def test_the_ladder_names_a_command_where_it_takes_exactly_the_step(recipe: Callable[[Path], DockerMaker]) -> None:
    """Each after those above it; path by path."""
    with tempfile.TemporaryDirectory() as top:
        store = recipe(Path(top)).read()
        wanted = {step.step: set(paths_of(store, step.nodes)) for step in find_steps(store, NOW_NS)}
        named = {rung.step: rung.native for rung in ladder(store, measure(store), NOW_NS)}
        session = open_session(store, NOW_NS)
        for step, command in LADDER.items():
            outcome = session.run(command.split(), None)
            exact = not outcome.failure and {p for r in outcome.removals for p in r.paths} == wanted[step]
            assert named[step] == (command if exact else None), step
        store.close()


def stays(store: Store, dropped: AbstractSet[int]) -> set[int]:
    """What roots and the engine's own files hold; these need what is dropped no longer."""
    own = {number for number, node in enumerate(store.graph.nodes) if node.kind == "own"}
    kept: set[int] = set()
    todo = [*own, *(store.graph.roots.keys() - dropped)]
    while todo:
        number = todo.pop()
        if number not in kept:
            kept.add(number)
            todo += [held for held, _ in store.graph.held_by(number) if number not in own or held not in dropped]
    return kept


@settings(max_examples=60, deadline=None)
@given(recipe=recipes(), command=st.sampled_from(COMMANDS))
def test_commands_leave_the_rest_whole(recipe: Callable[[Path], DockerMaker], command: str) -> None:
    """Each path goes once and was there; the bytes are du's difference; what is left is read without an error."""
    with tempfile.TemporaryDirectory() as top:
        maker = recipe(Path(top))
        store = maker.read()
        plan = plan_command(store, command, now_ns=NOW_NS)
        before = things(store, "held", "unreferenced")
        paths = planned_paths(plan)
        assert len(paths) == len(set(paths))
        assert all(os.path.lexists(os.path.join(top, path)) for path in paths)
        assert plan.frees == freed(os.path.join(top, path) for path in paths)
        store.close()
        carry_out(maker, plan)
        after = maker.read()
        assert not after.findings.has_errors, list(after.findings)
        gone = {f"{s.removal.kind}:{s.removal.id}" for s in plan.steps}
        left = things(after, "held", "unreferenced")
        # A snapshot whose bucket the maker keeps has no directory any more, and is no node.
        assert left == before - gone
        after.close()


@settings(max_examples=40, deadline=None)
@given(recipe=recipes(), scopes=st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3))
def test_scopes_take_nothing_that_stays_held(recipe: Callable[[Path], DockerMaker], scopes: list[str]) -> None:
    """After a plan, planning the same again takes nothing, and what is left is sound."""
    with tempfile.TemporaryDirectory() as top:
        maker = recipe(Path(top))
        store = maker.read()
        plan = plan_scopes(store, scopes, now_ns=NOW_NS, grace_ns=0)
        assert not plan.blocked
        assert plan.frees == freed(os.path.join(top, path) for path in planned_paths(plan))
        store.close()
        carry_out(maker, plan)
        after = maker.read()
        assert not after.findings.has_errors, list(after.findings)
        again = plan_scopes(after, scopes, now_ns=NOW_NS, grace_ns=0)
        assert [s.removal.id for s in again.steps] == []
        after.close()
