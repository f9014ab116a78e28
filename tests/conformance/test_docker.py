"""What docker's commands take from a data-root with a graph driver, beside what ocistore plans."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.conftest import short_directory
from tests.conformance.daemons import DockerStore, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.native

BASE = 'FROM scratch AS base\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "/bin"]\n'
COMMANDS = (
    "docker image prune -f",
    "docker image prune -a -f",
    "docker image prune -a -f --filter label=team=red",
    "docker image prune -a -f --filter label!=team=red",
    "docker image prune -a -f --filter until=24h",
    "docker builder prune -f",
    "docker builder prune -a -f",
    "docker builder prune -f --filter type=source.local",
    "docker builder prune -f --filter type=exec.cachemount",
    "docker builder prune -a -f --filter until={age}s",
    "docker builder prune -a -f --keep-storage 2MB",
    "docker container prune -f",
    "docker container prune -f --filter label=keep",
    "docker container prune -f --filter label!=keep",
    "docker volume prune -f",
    "docker volume prune -f --filter label=use=db",
    "docker system prune -f",
    "docker system prune -a -f",
    "docker system prune -a -f --volumes",
    "docker system prune -f --filter label=team=red",
    "docker rmi two:1",
    "docker rmi two:1 two:latest",
    "docker rmi -f two:1 one",
    "docker rmi one",
    "docker rmi {classic}",
    "docker rmi classic:2",
    "docker rmi --no-prune classic:2",
    "docker rmi --no-prune classic:2 && docker image prune -f",
    "docker rmi nothing two:1",
    "docker rm ran",
    "docker rm -v ran",
    "docker rm -v both named",
    "docker rm nothing ran && docker rm named",
    "docker rm ran both named made && docker rmi one",
    "docker volume rm spare",
    "docker volume rm kept",
    "docker image prune -a -f && docker builder prune -f",
    "docker builder prune -a -f && docker image prune -a -f",
    "docker rmi two:1 two:latest && docker builder prune -f",
    "docker container prune -f && docker image prune -a -f && docker builder prune -a -f && docker volume prune -f",
)


def build_world(store: DockerStore) -> None:
    """Builds by both builders, rebuilds, containers on volumes, spare volumes."""
    with store.running():
        one = (
            BASE + "RUN echo one > /one\nFROM base\nLABEL team=red\nRUN echo two > /two\nCOPY --from=base /bin/sh /sh\n"
        )
        store.build(one, "-t", "one")
        store.build(one.replace("echo two", "echo three"), "-t", "two:1", "-t", "two:latest")
        store.build(one + "RUN --mount=type=cache,target=/c echo x > /c/x\n", "-t", "one")
        classic = BASE.replace(" AS base", "") + "RUN echo a > /a\nLABEL team=blue\nRUN echo b > /b\n"
        store.build(classic, "-t", "classic:1", buildkit=False)
        store.build(classic.replace("echo b", "echo c"), "-t", "classic:1", buildkit=False)
        store.build(classic + "RUN echo d > /d\n", "-t", "classic:2", buildkit=False)
        for name in ("kept", "spare"):
            store.native("docker", "volume", "create", "--label", "use=db", name)
        store.native("docker", "volume", "create", "other")
        run = ("docker", "run", "--network", "none")
        store.native(*run, "--name", "ran", "-v", "/anonymous", "one", "sh", "-c", "echo x > /anonymous/x; echo y")
        store.native(
            *run, "--name", "both", "-v", "/a", "-v", "kept:/k", "--label", "keep", "two", "sh", "-c", "echo > /k/f"
        )
        store.native(*run, "--name", "named", "-v", "kept:/k", "classic:2", "sh", "-c", "echo > /f")
        store.native("docker", "create", "--name", "made", "--network", "none", "one", "sh")
        images = store.native("docker", "image", "inspect", "--format", "{{.Id}}", "classic:1")
    store.words["classic"] = images.removeprefix("sha256:")


@pytest.fixture(scope="module", params=["overlay2", "vfs"])
def store(request: pytest.FixtureRequest) -> Iterator[DockerStore]:
    """A data-root of each driver."""
    reason = why_not("dockerd")
    if reason:
        pytest.skip(reason)
    top = Path(tempfile.mkdtemp(prefix="ocd-", dir=short_directory()))
    made = DockerStore(top / "s", driver=request.param)
    reason = made.refuses()
    if reason:
        shutil.rmtree(top)
        pytest.skip(reason)
    build_world(made)
    made.save()
    yield made
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def version() -> str:
    """The version of dockerd."""
    said = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2].rstrip(",").partition("+")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(store: DockerStore, version: str, command: str) -> None:
    """What a command takes, to the path and the byte."""
    store.words["age"] = "1"

    store.compare(command, version).check()


def test_lists(store: DockerStore) -> None:
    """Images, containers and volumes are those that the daemon lists."""
    store.restore()
    with store.running():
        listed = {kind: store.listed(kind) for kind in ("image", "container", "volume")}
    for kind, ids in listed.items():
        nodes = store.ask("ls", "--kind", kind)["nodes"]

        assert ids == {node["id"] for node in nodes}
