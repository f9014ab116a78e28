"""Stores that are built once for all tests of a module; each command gets a copy."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.native import NativeStore, version_of, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def short_directory() -> str:
    """The directory for temporary files, or `/tmp` where its path is long."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= 25 else "/tmp"


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    """The versions of the programs that are there."""
    return {tool: version_of(tool) for tool in ("podman", "buildah", "skopeo") if shutil.which(tool)}


@pytest.fixture(scope="module")
def build() -> Iterator[Callable[..., NativeStore]]:
    """Builds a store, or skips with the reason why none can be built here; it is unmounted and gone afterwards."""
    made: list[NativeStore] = []
    tops: list[Path] = []

    def build_one(builder: Callable[[NativeStore], object], driver: str = "overlay", **more: object) -> NativeStore:
        # Not below pytest's directory: podman takes no runroot of more than 50 characters.
        top = Path(tempfile.mkdtemp(prefix="ocs-", dir=short_directory()))
        tops.append(top)
        reason = why_not(driver, top / "probe")
        if reason:
            pytest.skip(reason)
        store = NativeStore(top / "s", driver, **more)  # type: ignore[arg-type]
        made.append(store)
        builder(store)
        store.save()
        return store

    yield build_one
    for store in made:
        store.settle()
    for top in tops:
        shutil.rmtree(top)
