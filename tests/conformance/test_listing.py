"""What podman and buildah list against `ls`, and what lies on the disk against `df`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.worlds import build_containers, build_images, build_lists
from tests.naive import du

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.native import NativeStore

pytestmark = pytest.mark.native


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((build_images, "overlay"), id="images"),
        pytest.param((build_images, "vfs"), id="images vfs"),
        pytest.param((build_containers, "overlay"), id="containers"),
        pytest.param((build_lists, "overlay"), id="lists"),
    ],
)
def store(build: Callable[..., NativeStore], request: pytest.FixtureRequest) -> Iterator[NativeStore]:
    """One of the stores of the other tests, as it was built."""
    made = build(*request.param)
    made.restore()
    yield made
    made.settle()


def names_of(store: NativeStore, kind: str) -> dict[str, list[str]]:
    """Ids with names as `ls` says."""
    nodes: list[dict[str, Any]] = store.ask("ls", "--kind", kind)["nodes"]
    return {node["id"]: sorted(node["names"]) for node in nodes}


def lines(text: str) -> list[list[str]]:
    """Words of each line."""
    return [line.split() for line in text.splitlines()]


def test_images_are_listed_alike(store: NativeStore) -> None:
    """Podman's ids and names, buildah's ids."""
    said: dict[str, list[str]] = {}
    listing = store.podman("images", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}")
    for ident, name in lines(listing):
        said.setdefault(ident.removeprefix("sha256:"), []).extend([name] if name != "<none>:<none>" else [])
    by_buildah = store.buildah("images", "-a", "-q", "--no-trunc").replace("sha256:", "").split()

    found = names_of(store, "image")

    assert {ident: sorted(names) for ident, names in said.items()} == found
    assert set(by_buildah) == set(found)


def test_containers_are_listed_alike(store: NativeStore) -> None:
    """Podman's and, as external ones, buildah's, with their names and states."""
    listing = store.podman("ps", "-a", "--external", "--no-trunc", "--format", "{{.ID}} {{.Names}}")

    assert {ident: [name] for ident, name in lines(listing)} == names_of(store, "container")


def test_volumes_and_pods_are_listed_alike(store: NativeStore) -> None:
    """Names of volumes, ids and names of pods."""
    volumes = store.podman("volume", "ls", "--format", "{{.Name}}").split()
    pods = lines(store.podman("pod", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"))

    assert set(volumes) == set(names_of(store, "volume"))
    assert {ident: [name] for ident, name in pods} == names_of(store, "pod")


def test_the_ledger_is_what_du_counts(store: NativeStore) -> None:
    """The total is du's, and the fates add up to it."""
    [ledger] = store.ask("df")["stores"]
    counted = du(str(store.root))

    assert (counted.allocated, counted.apparent, counted.inodes) == tuple(ledger["total"].values())
    assert list(counted) == [sum(fate[unit] for fate in ledger["fates"].values()) for unit in ledger["total"]]


def test_nothing_that_was_just_built_is_damaged(store: NativeStore) -> None:
    """`check` finds no error, also in content against digests."""
    findings = store.ask("check", "--verify")["findings"]

    assert [finding for finding in findings if finding["severity"] == "error"] == []
