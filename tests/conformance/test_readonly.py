"""A store above a read-only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.worlds import build_readonly, build_shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.native import NativeStore

pytestmark = pytest.mark.native

COMMANDS = (
    "podman image prune -f",
    "podman image prune -a -f",
    "podman image prune -a -f --filter readonly=false",
    "podman image prune -a -f --external",
    "podman rmi mine:1",
    "podman rmi shared:1",
    "podman rmi shared:2",
    "podman rmi -f shared:2",
    "podman rmi localhost/shared:1 localhost/mine:1",
    "podman rmi {shared}",
    "podman rmi -f {shared}",
    "podman rmi above:1",
    "podman rmi {above}",
    "podman rmi -a",
    "podman rmi -a -f",
    "podman untag mine:1",
    "podman untag shared:1",
    "podman untag shared:2",
    "podman untag mine:1 && podman image prune -f",
    "podman untag above:1 && podman image prune -f",
    "podman system prune -a -f",
    "podman system prune -f",
    "podman rm on-shared",
    "podman container prune -f && podman image prune -a -f",
    "buildah rmi mine:1",
    "buildah rmi above:1",
    "buildah rmi -a -f",
    "buildah rmi shared:2",
    "buildah rm on-shared",
    "buildah rmi -p",
    "podman untag shared:1 && podman image prune -a -f",
    "podman untag localhost/shared:2 nothere",
    "podman rmi mine:1 localhost/shared:1",
)


@pytest.fixture(scope="module")
def store(build: Callable[..., NativeStore]) -> NativeStore:
    """See `build_readonly`; the store below it isn't copied: nothing is written there."""
    below = build(build_shared)
    below.restore()
    option = ("--storage-opt", f"additionalimagestore={below.root}")
    return build(build_readonly, more=option, seen_by=("--additional-image-store", str(below.root)))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_leaves_the_store_below_alone(store: NativeStore, versions: dict[str, str], command: str) -> None:
    """Images that both stores have lose their record above, and no layer."""
    store.compare(command, versions[command.split()[0]]).check()
