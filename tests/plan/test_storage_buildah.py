"""`buildah` on made stores (containers-storage 3.4, 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.make.storage import StorageMaker
from tests.plan.storage_plan import run, taken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def make(tmp_path: Path) -> StorageMaker:
    """A store that is being made."""
    return StorageMaker(tmp_path)


def test_a_container_without_image_and_buildah_file_can_t_be_opened(make: StorageMaker) -> None:
    """`buildah rm` imports it first, and that needs an image; the command fails and the container stays."""
    base = make.layer("base of no image")
    make.container("bare", "", base, row=False)

    outcome = run(make.open(), "buildah rm bare")

    assert (taken(outcome, "container"), bool(outcome.failure)) == (set(), True)
