"""What size limits take from the build cache, where dockerd leaves part of it to chance.

Cache mounts that no `du` has looked at have no size; a prune with a limit asks for all sizes at the same time, and
each question counts as a use.  Which mount was used last is then open, from run to run.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.conftest import short_directory
from tests.conformance.daemons import DockerStore, why_not
from tests.conformance.test_docker import BASE, version

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["version"]

pytestmark = pytest.mark.native

LIMITS = ("10kB", "80kB", "150kB", "400kB", "1000kB", "2000kB", "4000kB")


@pytest.fixture(scope="module")
def store() -> Iterator[DockerStore]:
    """Three builds with a cache mount each; the image of one is gone."""
    reason = why_not("dockerd")
    if reason:
        pytest.skip(reason)
    top = Path(tempfile.mkdtemp(prefix="ocb-", dir=short_directory()))
    made = DockerStore(top / "s")
    reason = made.refuses()
    if reason:
        shutil.rmtree(top)
        pytest.skip(reason)
    with made.running():
        for number in range(3):
            step = f"dd if=/dev/zero of=/c/file bs=1k count={30 + 10 * number}"
            lines = f"RUN --mount=type=cache,id=c{number},target=/c {step}\nRUN echo {number} > /a\n"
            made.build(BASE + lines + f"FROM base\nRUN echo {number} > /z\n", "-t", f"image{number}")
        made.native("docker", "rmi", "image1")
    made.save()
    yield made
    shutil.rmtree(top)


@pytest.mark.parametrize("everything", ["", "-a "])
@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_planned_goes_in_every_run(store: DockerStore, version: str, limit: str, everything: str) -> None:
    """Twice, as the runs differ; what is left out of the plan is told in a note."""
    command = f"docker builder prune {everything}-f --keep-storage {limit}"
    for _ in range(2):
        compared = store.compare(command, version)

        assert compared.planned.vanished <= compared.took.vanished
        if compared.planned.vanished != compared.took.vanished:
            store.restore()
            answer = store.ask("plan", "--as-version", version, "--as", command)
            codes = {finding["code"] for finding in answer["findings"]}
            assert "native-order-undefined" in codes


@pytest.mark.parametrize("key", ["type!=regular", "unknown=x", "mutable=", "shared"])
def test_odd_filters(store: DockerStore, version: str, key: str) -> None:
    """What the engine or the command line refuses takes nothing."""
    store.compare(f"docker builder prune -a -f --filter {key}", version).check()
