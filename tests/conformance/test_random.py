"""Random images, containers and lists, and random commands on them; the same seed makes the same choices."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.conformance.native import NativeStore
from tests.conformance.worlds import NEW, OLD, build_base

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.native

SEEDS = int(os.environ.get("OCISTORE_SEEDS", "2"))
COMMANDS = 30
NAMES = ("localhost/a:1", "localhost/a:2", "localhost/b:1", "localhost/team/c:1", "docker.io/library/d:latest")
INSTRUCTIONS = (
    "RUN echo {0} > /f{0}",
    "LABEL n={0} env=ci",
    "ENV e{0}=x",
    "RUN rm -f /f{0}; echo y > /g{0}",
    "LABEL x=y",
)
HOW = (("--layers",), ("--layers",), ("--layers=false",), ("--layers=false", "--squash"))
TEMPLATES = (
    "podman image prune -f",
    "podman image prune -a -f",
    "podman image prune -f --external",
    "podman image prune -a -f --external",
    "podman image prune -a -f --filter label=env=ci",
    "podman image prune -a -f --filter until=2022-01-01",
    "podman image prune -a -f --filter before={name}",
    "podman rmi {name}",
    "podman rmi {image}",
    "podman rmi {image} {other}",
    "podman rmi -f {image}",
    "podman rmi -f {name} {other}",
    "podman rmi --no-prune {image} && podman image prune -f",
    "podman rmi -a",
    "podman untag {name} && podman image prune -f",
    "podman untag {name} && podman rmi {image}",
    "podman rm {container} && podman rmi {image}",
    "podman rm -v {container} && podman system prune -f --volumes",
    "podman system prune -a -f --volumes",
    "podman container prune -f && podman image prune -a -f",
    "podman volume rm -f {volume} && podman rmi {image}",
    "buildah rmi {image}",
    "buildah rmi -f {name}",
    "buildah rmi -a",
    "buildah rmi -p -f",
    "buildah rm -a && buildah rmi -p",
    "buildah rm {container} && buildah rmi {image}",
)


def build_random(store: NativeStore, seed: int) -> None:
    """Builds a store by a score of random steps; its words are lists of what can be named."""
    random = Random(f"build {seed}")
    images = [build_base(store)]
    containers: list[str] = []
    volumes = ["v0"]
    store.podman("volume", "create", "v0")
    for number in range(20):
        step = random.choice(("build", "build", "build", "stages", "tag", "untag", "from", "create", "commit", "list"))
        image = random.choice(images)
        name = random.choice(NAMES)
        when = ("--timestamp", random.choice((OLD, NEW)))
        tag = random.choice(((), ("-t", name)))
        if step == "build":
            lines = [random.choice(INSTRUCTIONS).format(random.randint(0, 3)) for _ in range(random.randint(1, 3))]
            images.append(store.build("\n".join([f"FROM {image}", *lines]), *random.choice(HOW), *when, *tag))
        elif step == "stages":
            text = f"FROM {image} AS one\nRUN echo {number % 3} > /s\nFROM {images[0]}\nCOPY --from=one /s /t"
            images.append(store.build(text, *random.choice(HOW[:3]), *when, *tag))
        elif step == "tag":
            store.podman("tag", image, name)
        elif step == "untag":
            store.podman("untag", image)
        elif step == "from":
            containers.append(store.buildah("from", "--name", f"work{number}", image))
        elif step == "create":
            volume = random.choice(("v0:/v", "v1:/v", "/anonymous"))
            containers.append(f"made{number}")
            store.podman("create", "--name", f"made{number}", "-v", volume, image, "/bin/sh")
        elif step == "commit":
            work = store.buildah("from", "--name", f"commit{number}", image)
            images.append(store.buildah("commit", "-q", "--rm", work, *tag[1:]).splitlines()[-1])
        elif step == "list":
            store.buildah("manifest", "create", f"localhost/list:{number}", image)
    store.words["image"] = "\n".join(images)
    store.words["container"] = "\n".join(containers or ["nobody"])
    store.words["volume"] = "\n".join(volumes)


@pytest.fixture(scope="module")
def stores(build: Callable[..., NativeStore]) -> Callable[[int], NativeStore]:
    """The random store of a seed, built once."""
    made: dict[int, NativeStore] = {}

    def get(seed: int) -> NativeStore:
        if seed not in made:
            made[seed] = build(lambda store: build_random(store, seed))
        return made[seed]

    return get


@pytest.mark.parametrize("number", range(COMMANDS))
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_random_command_takes_what_was_planned(
    stores: Callable[[int], NativeStore], versions: dict[str, str], seed: int, number: int
) -> None:
    """Paths, bytes, ids, and whether the command fails, on a random store."""
    store = stores(seed)
    random = Random(f"command {seed} {number}")
    chosen = {kind: random.choice(words.split("\n")) for kind, words in store.words.items()}
    chosen["other"] = random.choice(store.words["image"].split("\n"))
    chosen["name"] = random.choice(NAMES)
    command = random.choice(TEMPLATES).format(**chosen)

    store.compare(command, versions[command.split()[0]]).check()
