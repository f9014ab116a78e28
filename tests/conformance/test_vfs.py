"""The same images where every layer is a whole copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.worlds import build_images

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.native import NativeStore

pytestmark = pytest.mark.native

COMMANDS = (
    "podman image prune -f",
    "podman image prune -a -f",
    "podman image prune -a -f --external",
    "podman rmi web:1",
    "podman rmi -f {web}",
    "podman rmi base:1",
    "podman rmi -f base:1",
    "podman rmi -a -f",
    "podman system prune -a -f",
    "podman rm -af",
    "podman rm base-work",
    "buildah rm -a",
    "buildah rmi -a -f",
    "buildah rmi -p",
    "podman rmi app:1",
    "podman untag steps:1 && podman image prune -f",
)


@pytest.fixture(scope="module")
def store(build: Callable[..., NativeStore]) -> NativeStore:
    """See `build_images`."""
    return build(build_images, "vfs")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_what_was_planned_of_whole_copies(
    store: NativeStore, versions: dict[str, str], command: str
) -> None:
    """Paths, bytes, ids, and whether the command fails."""
    store.compare(command, versions[command.split()[0]]).check()
