"""Images built step by step, at once and in stages, named, replaced, and in use."""

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
    "podman image prune -f --external",
    "podman image prune -f --filter label=made=old",
    "podman image prune -a -f --filter label=env=ci",
    "podman image prune -a -f --filter label=env",
    "podman image prune -a -f --filter label!=env",
    "podman image prune -a -f --filter until=2022-01-01",
    "podman image prune -a -f --filter until=24h",
    "podman image prune -a -f --filter until=1h --filter label=kind=steps",
    "podman image prune -f --filter dangling=true",
    "podman image prune -f --filter dangling=false",
    "podman image prune -a -f --filter dangling=false",
    "podman image prune -a -f --filter dangling=true",
    "podman image prune -a -f --filter intermediate=true",
    "podman image prune -a -f --filter before=localhost/web:1",
    "podman image prune -a -f --filter since=localhost/web:1",
    "podman image prune -a -f --filter after=localhost/web:1",
    "podman image prune -a -f --filter reference=localhost/web",
    "podman image prune -a -f --filter reference=localhost/s*",
    "podman image prune -a -f --filter reference=*quash*",
    "podman image prune -a -f --filter id={steps}",
    "podman image prune -a -f --filter digest=sha256:0",
    "podman image prune -a -f --filter containers=true",
    "podman image prune -a -f --filter containers=false",
    "podman image prune -a -f --filter readonly=true",
    "podman image prune -a -f --filter label=kind=steps --filter label=nope",
    "podman image prune -a -f --filter bogus=1",
    "podman rmi web:1",
    "podman rmi localhost/web:1",
    "podman rmi localhost/web:1 localhost/web:stable",
    "podman rmi localhost/web:1 localhost/web:stable registry.example.com:5000/team/web:1",
    "podman rmi {web}",
    "podman rmi -f {web}",
    "podman rmi -f localhost/web:1",
    "podman rmi {steps}",
    "podman rmi steps:1",
    "podman rmi --no-prune app:1",
    "podman rmi app:1",
    "podman rmi -f app:1",
    "podman rmi once:1",
    "podman rmi squashed:1",
    "podman rmi {free}",
    "podman rmi --no-prune {free}",
    "podman rmi base:1",
    "podman rmi -f base:1",
    "podman rmi {old_web}",
    "podman rmi -f {old_web}",
    "podman rmi nothere",
    "podman rmi --ignore nothere steps:1",
    "podman rmi nothere steps:1",
    "podman rmi -f nothere steps:1",
    "podman rmi -a",
    "podman rmi -a -f",
    "podman rmi -af",
    "podman rmi -a --no-prune",
    "podman rmi -a steps:1",
    "podman rmi steps:1 once:1 {free} app:1",
    "podman image rm squashed:1",
    "podman untag web:1",
    "podman untag localhost/web:1 localhost/web:stable",
    "podman untag steps:1 && podman image prune -f",
    "podman untag web:1 && podman image prune -f",
    "podman untag base:1 && podman image prune -f",
    "podman untag web:1 nothere",
    "podman rmi commit:1",
    "podman rmi commit:1 && podman image prune -a -f",
    "podman system prune -f",
    "podman system prune -a -f",
    "podman system prune -a -f --volumes",
    "podman system prune -f --filter label=made=old",
    "podman system prune -a -f --filter until=24h",
    "podman rm web-work",
    "podman rm base-work",
    "podman rm -f base-work",
    "podman rm scratch-work",
    "podman rm old-web-work && podman image prune -f",
    "podman rm -a",
    "podman rm -af",
    "podman container prune -f",
    "podman container prune -f && podman image prune -a -f",
    "buildah rmi steps:1",
    "buildah rmi -f app:1",
    "buildah rmi app:1",
    "buildah rmi -a",
    "buildah rmi -a -f",
    "buildah rmi --prune",
    "buildah rmi -p -f",
    "buildah rmi {web}",
    "buildah rmi -f {web}",
    "buildah rmi web:1",
    "buildah rmi nothere steps:1",
    "buildah rm -a",
    "buildah rm web-work",
    "buildah rm web-work nothere scratch-work",
    "buildah rm app",
    "buildah rm base-work && buildah rmi base:1",
    "buildah rm",
    "buildah rmi",
    "buildah prune",
    "buildah rm -a && buildah rmi -a",
    "buildah rm -a && buildah rmi -p",
    "podman image prune -a -f --filter label=nope --filter label=kind=steps",
    "podman image prune -a -f --filter label=nope",
    "podman image prune -a -f --filter label=kind=steps --filter label=env",
    "podman image prune -a -f --filter label=kind=steps,label=nope",
    "podman image prune -a -f --filter label!=kind=steps --filter label!=env",
    "podman image prune -a -f --filter label!=env --filter label!=kind=steps",
    "podman image prune -a -f --filter reference=localhost/s* --filter reference=localhost/o*",
    "podman image prune -a -f --filter reference=localhost/o* --filter reference=localhost/s*",
    "podman image prune -a -f --filter reference=localhost/steps* --filter label=kind=steps",
    "podman image prune -a -f --filter id={steps} --filter id={once}",
    "podman image prune -a -f --filter until=2022-01-01 --filter until=24h",
    "podman image prune -a -f --filter until=24h --filter until=2022-01-01",
    "podman image prune -a -f --filter before=steps:1 --filter before=base:1",
    "podman image prune -a -f --filter since=steps:1 --filter before=once:1",
)


@pytest.fixture(scope="module")
def store(build: Callable[..., NativeStore]) -> NativeStore:
    """See `build_images`."""
    return build(build_images)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_takes_what_was_planned(store: NativeStore, versions: dict[str, str], command: str) -> None:
    """Paths, bytes, ids, and whether the command fails."""
    store.compare(command, versions[command.split()[0]]).check()
