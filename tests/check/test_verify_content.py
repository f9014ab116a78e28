"""Content stores against their digests (docker-buildkit-containerd 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.check.verify import verify
from ocistore.stores.open import open_store
from tests.make.containerd import CONTENT, ContainerdMaker

if TYPE_CHECKING:
    from pathlib import Path


def test_every_file_is_compared_with_its_name(tmp_path: Path) -> None:
    """With a record or without; what has none here can't be."""
    made = ContainerdMaker(tmp_path / "root")
    good = made.blob("default", b"good", algorithm="sha512")
    made.blob("default", b"gone", file=False)
    bad = made.blob("default", b"bad!")
    made.file(f"{CONTENT}/blobs/{bad.replace(':', '/')}", b"BAD!")
    orphan = f"{CONTENT}/blobs/sha256/{'ab' * 32}"
    made.file(orphan, b"orphan")
    store = open_store(str(made.write()))
    before = len(store.findings)
    seen: list[tuple[int, int]] = []

    verified = verify(store, lambda done, whole: seen.append((done, whole)))

    assert (3, 14) == (verified.nodes, verified.bytes)
    assert (14, 14) == seen[-1]
    wrong = [(f.code, f.path, f.node) for f in list(store.findings)[before:]]
    assert sorted(wrong, key=str) == sorted(
        [
            ("bad-digest", f"{CONTENT}/blobs/{bad.replace(':', '/')}", f"blob:{bad}"),
            ("bad-digest", orphan, None),
        ],
        key=str,
    )
    assert not any(good in str(each) for each in wrong)
    store.close()


def test_a_file_that_changed_its_length(tmp_path: Path) -> None:
    """The record's size is told without reading, the digest with."""
    made = ContainerdMaker(tmp_path / "root")
    digest = made.blob("default", b"whole", {"containerd.io/gc.root": "1"})
    made.file(f"{CONTENT}/blobs/{digest.replace(':', '/')}", b"cut")
    store = open_store(str(made.write()))

    verify(store)

    assert ["size-mismatch", "bad-digest"] == [finding.code for finding in store.findings]
    store.close()
