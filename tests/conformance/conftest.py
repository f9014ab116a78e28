"""Stores that are built once for all tests of a module; each command gets a copy."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.conformance.native import NativeStore, version_of, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Builder = "Callable[[NativeStore], object]"


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    """The versions of the programs that are there."""
    return {tool: version_of(tool) for tool in ("podman", "buildah", "skopeo")}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NativeStore]]:
    """Builds a store, or skips with the reason why none can be built here; it is unmounted and gone afterwards."""
    made: list[NativeStore] = []
    tops: list[Path] = []

    def build_one(builder: Callable[[NativeStore], object], driver: str = "overlay", **more: object) -> NativeStore:
        top = tmp_path_factory.mktemp("native")
        reason = why_not(driver, top / "probe")
        if reason:
            pytest.skip(reason)
        # Short, and of no other test: monitors of containers listen on paths below it.
        store = NativeStore(top / driver, driver, **more)  # type: ignore[arg-type]
        made.append(store)
        tops.append(top)
        builder(store)
        store.save()
        return store

    yield build_one
    for store in made:
        store.settle()
    for top in tops:
        if not os.environ.get("OCISTORE_KEEP"):
            shutil.rmtree(top)
