"""Sessions on layouts, what scopes drop, and native commands of single steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ocistore.errors import UsageError
from ocistore.plan.oci.select import SCOPES, native_command
from ocistore.plan.oci.session import open_session
from tests.conftest import truth
from tests.make.layout import LAYER, digest
from tests.plan.oci_plan import run_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.layout import LayoutMaker

    Read = Callable[[Path], Store]


@pytest.mark.parametrize("name", ["o01", "o03", "o05"])
def test_native_commands_take_what_the_tools_took(bundled: Callable[[str], Path], read: Read, name: str) -> None:
    """Every plan in the truth of the bundled layouts: the same paths, the same things."""
    told: dict[str, Any] = truth(name)
    checks = [check for check in told["checks"] if "plan" in check]
    for check in checks:
        ran = run_all(read(bundled(name) / check["root"]), check["plan"], version=check["as_version"])
        paths = {f"{check['root']}/{path}" for _, _, paths in ran.steps for path in paths}

        assert (check["plan"], paths) == (check["plan"], set(check["vanished"]))
        for kind, ids in check["gone"].items():
            assert (check["plan"], set(ran.ids(kind))) == (check["plan"], set(ids))
    assert checks


@pytest.mark.parametrize("command", ["regctl image delete ocidir://root:v1", "crane layout gc root", "podman rmi x"])
def test_other_tools_are_a_usage_error(maker: LayoutMaker, read: Read, command: str) -> None:
    """What isn't simulated on a layout is told with what is."""
    store = read(maker.write())
    with pytest.raises(UsageError) as caught:
        run_all(store, command)

    tool = command.split()[0]
    assert str(caught.value) == (
        f"{tool} isn't simulated on an OCI layout; umoci gc, umoci rm, skopeo delete and oras manifest delete are"
    )


def test_a_path_before_the_tool_does_not_matter(maker: LayoutMaker, read: Read) -> None:
    """The tool is known by its base name."""
    assert run_all(read(maker.write()), "/usr/bin/umoci gc --layout root").failure == ""


@pytest.mark.parametrize(
    "command", ["umoci gc --layout root", "skopeo delete oci:root:v1", "oras manifest delete --oci-layout root:v1"]
)
def test_a_doubtful_index_blocks_native_commands(maker: LayoutMaker, read: Read, command: str) -> None:
    """Without a sound index nothing is planned."""
    maker.enter(maker.manifest("one"), "v1")
    (maker.write() / "index.json").write_text("{")
    ran = run_all(read(maker.path), command)

    assert (ran.steps, ran.blocked.startswith("index.json ends in the middle")) == ([], True)


def test_a_wrong_command_is_told_even_if_nothing_is_planned(maker: LayoutMaker, read: Read) -> None:
    """Blocked or not, a command that isn't simulated is a usage error."""
    (maker.write() / "index.json").write_text("{")
    store = read(maker.path)
    with pytest.raises(UsageError):
        run_all(store, "umoci gc --dry --layout root")


def test_links_out_of_the_layout_block_native_commands(maker: LayoutMaker, read: Read, tmp_path: Path) -> None:
    """A tool would follow the link; no plan does."""
    image = maker.enter(maker.manifest("one"), "v1")
    file = maker.file(image)
    file.rename(tmp_path / "outside")
    file.symlink_to(tmp_path / "outside")

    assert run_all(read(maker.write()), "umoci gc --layout root").blocked == "something in the layout leads out of it"


def test_a_bad_manifest_does_not_block_native_commands(maker: LayoutMaker, read: Read) -> None:
    """Umoci rm works on a layout with a damaged image; umoci gc fails and takes nothing."""
    image = maker.enter(maker.manifest("one"), "v1")
    maker.layer("lost")
    maker.file(image).write_text("<html>")
    store = read(maker.write())

    assert run_all(store, "umoci rm --image root:v1").ids("ref") == ["v1"]
    assert run_all(store, "umoci gc --layout root").steps == []
    assert len(run_all(store, "umoci rm --image root:v1 && umoci gc --layout root").blobs) == 4


def test_a_session_changes_nothing_it_was_given(maker: LayoutMaker, read: Read) -> None:
    """Two sessions on one store start alike."""
    maker.enter(maker.manifest("one"), "v1")
    store = read(maker.write())
    first = open_session(store, 0).run(["skopeo", "delete", "oci:root:v1"], None)

    assert first.removals == open_session(store, 0).run(["skopeo", "delete", "oci:root:v1"], None).removals


@pytest.mark.parametrize("scope", ["dangling", "all"])
def test_dangling_drops_images_of_unnamed_entries(maker: LayoutMaker, read: Read, scope: str) -> None:
    """What a name or containerd's name stands on is not dropped, nor what isn't here."""
    named, unnamed, both, away = (maker.manifest(text) for text in ("named", "unnamed", "both", "away"))
    maker.enter(named, "v1")
    maker.enter(unnamed)
    maker.enter(unnamed)
    maker.enter(both)
    maker.enter(both, None, "docker.io/library/app:1")
    maker.enter(away)
    maker.file(away).unlink()
    store = read(maker.write())

    assert SCOPES[scope](store) == [store.graph.find("blob", digest(unnamed))]


@pytest.mark.parametrize("scope", ["unreferenced", "intermediate", "cache", "containers", "unused", "volumes"])
def test_other_scopes_drop_nothing(maker: LayoutMaker, read: Read, scope: str) -> None:
    """A layout has no containers; its names are its purpose."""
    maker.enter(maker.manifest("one"), "v1")
    maker.enter(maker.manifest("two"))

    assert SCOPES[scope](read(maker.write())) == []


@pytest.mark.parametrize("name", ["v1", "example.org/app:1"])
def test_removing_a_name_has_a_command(maker: LayoutMaker, read: Read, name: str) -> None:
    """`umoci rm` does exactly that."""
    maker.enter(maker.manifest("one"), name)
    store = read(maker.write())
    ref = store.graph.find("ref", name)
    assert ref is not None

    assert native_command(store, ref) == f"umoci rm --image {maker.path}:{name}"


@pytest.mark.parametrize("name", ["-x", "a b"])
def test_a_name_that_umoci_refuses_has_no_command(maker: LayoutMaker, read: Read, name: str) -> None:
    """No command is better than one that fails."""
    image = maker.enter(maker.manifest("one"), name)
    store = read(maker.write())
    ref, blob = store.graph.find("ref", name), store.graph.find("blob", digest(image))
    assert ref is not None
    assert blob is not None

    assert (native_command(store, ref), native_command(store, blob)) == (None, None)


def test_a_layer_type_in_the_root_is_a_ref_too(maker: LayoutMaker, read: Read) -> None:
    """Whatever an entry refers to, its name can be removed."""
    maker.enter(maker.layer("one", LAYER), "v1")

    assert len(run_all(read(maker.write()), "umoci rm --image root:v1 && umoci gc --layout root").steps) == 2
