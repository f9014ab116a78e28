"""containers-storage, where it is installed: single removals, with and without questions."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from ocistore.plan.containers.versions import rules_of
from tests.conformance.worlds import build_images

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.native import NativeStore

pytestmark = [
    pytest.mark.native,
    pytest.mark.skipif(not shutil.which("containers-storage"), reason="containers-storage is not on the PATH"),
]

COMMANDS = (
    "containers-storage delete-image localhost/steps:1",
    "containers-storage delete-image {web}",
    "containers-storage delete-image {app}",
    "containers-storage delete-image nothere {steps}",
    "containers-storage delete-image {free} {once}",
    "containers-storage delete-image -t {once}",
    "containers-storage delete-container web-work",
    "containers-storage delete-container base-work",
    "containers-storage delete-container nothere app",
    "containers-storage delete-layer {base_layer}",
    "containers-storage delete-layer {web_layer}",
    "containers-storage delete-layer {app_layer}",
    "containers-storage delete {steps}",
    "containers-storage delete web-work",
    "containers-storage delete {app_container}",
    "containers-storage delete {web_layer}",
    "containers-storage delete nothere",
    "containers-storage delete {once} && containers-storage delete-layer {once_layer}",
    "containers-storage gc",
)


@pytest.fixture(scope="module")
def version(versions: dict[str, str]) -> str:
    """The storage version that belongs to podman's; the program doesn't say its own."""
    return ".".join(map(str, rules_of("podman", versions["podman"]).storage))


@pytest.fixture(scope="module")
def store(build: Callable[..., NativeStore]) -> NativeStore:
    """See `build_images`; `{NAME_layer}` is the top layer of an image."""
    made = build(build_images)
    for name, layer in made.top_layers().items():
        made.words[f"{name}_layer"] = layer
    return made


@pytest.mark.parametrize("command", COMMANDS)
def test_a_single_removal_takes_what_was_planned(store: NativeStore, version: str, command: str) -> None:
    """Paths, bytes, ids, and whether the command fails."""
    store.compare(command, version).check()


def test_layers_are_listed_alike(store: NativeStore) -> None:
    """The program and `ls` know the same layers."""
    store.restore()
    listed = store.native("containers-storage", "layers").splitlines()
    said = {line for line in listed if line and not line.startswith("\t")}

    assert said == {node["id"] for node in store.ask("ls", "--kind", "layer")["nodes"]}
