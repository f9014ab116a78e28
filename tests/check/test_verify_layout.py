"""Content of layouts against their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.check.verified import Verified
from ocistore.check.verify_layout import verify_layout
from tests.make.layout import codes, digest, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ocistore.stores.store import Store
    from tests.make.layout import LayoutMaker

    Read = Callable[[Path], Store]


def test_a_sound_layout_is_read_whole(maker: LayoutMaker, read: Read) -> None:
    """Every blob is compared, referred to or not; progress ends at the whole."""
    maker.enter(maker.manifest("one"), "v1")
    maker.layer("long", algorithm="sha512")
    store = read(maker.write())
    told: list[tuple[int, int]] = []
    verified = verify_layout(store, lambda done, whole: told.append((done, whole)))
    size = sum(path.stat().st_size for path in (maker.path / "blobs").rglob("*") if path.is_file())

    assert (verified, codes(store), told[-1]) == (Verified(4, size), [], (size, size))


def test_one_changed_byte_is_found(maker: LayoutMaker, read: Read) -> None:
    """A layer's bytes are not looked at by a plain check; they are here."""
    layer = maker.layer("one")
    maker.enter(maker.manifest("one", [layer]), "v1")
    data = bytearray(maker.file(layer).read_bytes())
    data[-1] ^= 1
    maker.file(layer).write_bytes(data)
    store = read(maker.write())
    assert codes(store) == []
    verify_layout(store, None)

    assert text_of(store, "bad-digest") == f"the bytes of {digest(layer)} don't match its name"


def test_a_bad_manifest_is_told_once(maker: LayoutMaker, read: Read) -> None:
    """What the reader has found is not repeated."""
    image = maker.enter(maker.manifest("one"), "v1")
    maker.file(image).write_text("<html>")
    store = read(maker.write())
    verify_layout(store, None)

    assert text_of(store, "bad-digest") == f"the bytes of {digest(image)} don't match its name"


def test_what_cannot_be_hashed_is_told(maker: LayoutMaker, read: Read) -> None:
    """blake3 isn't in the standard library; nothing is claimed about such a blob."""
    directory = maker.write() / "blobs" / "blake3"
    directory.mkdir()
    (directory / ("a" * 64)).write_bytes(b"x")
    store = read(maker.path)
    verified = verify_layout(store, None)

    assert (verified, text_of(store, "unverified")) == (Verified(0, 0), "there is no hash function for blake3 here")


def test_a_linked_blob_is_not_read(maker: LayoutMaker, read: Read, tmp_path: Path) -> None:
    """A link is told and not followed."""
    layer = maker.layer("one")
    maker.file(layer).rename(tmp_path / "outside")
    maker.file(layer).symlink_to(tmp_path / "outside")
    store = read(maker.write())

    assert verify_layout(store, None) == Verified(0, 0)
    assert text_of(store, "unverified") == "a symbolic link, which is not followed"
