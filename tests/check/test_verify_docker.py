"""Content of data-roots against their digests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from ocistore.check.verify import verify
from tests.make.docker import DockerMaker, ident

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"hello\n"


def layer_with_tar_split(make: DockerMaker) -> str:
    """A layer with one file, as docker load registers it; its chain id."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    tar = buffer.getvalue()
    digest = hashlib.sha256(tar).hexdigest()
    cache = ident("cache")
    home = make.base / "layerdb/sha256" / digest
    home.mkdir()
    for name, text in {"diff": f"sha256:{digest}", "size": "6", "cache-id": cache}.items():
        (home / name).write_text(text)
    entries = [
        {"type": 2, "payload": b64encode(tar[:512]).decode(), "position": 0},
        {"type": 1, "name": "file", "size": len(CONTENT), "payload": "AAAAAAAAAAA=", "position": 1},
        {"type": 2, "payload": b64encode(tar[512 + len(CONTENT) :]).decode(), "position": 2},
    ]
    (home / "tar-split.json.gz").write_bytes(gzip.compress(b"".join(json.dumps(e).encode() + b"\n" for e in entries)))
    data = make.directory(cache)
    ((data / "diff" if make.driver == "overlay2" else data) / "file").write_bytes(CONTENT)
    return digest


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_a_layer_is_made_again(tmp_path: Path, driver: str) -> None:
    """Its tar has the digest that `diff` says, whichever driver has the files."""
    make = DockerMaker(tmp_path, driver)
    layer_with_tar_split(make)
    store = make.open()

    verified = verify(store)

    assert (verified.nodes, verified.bytes > len(CONTENT), list(store.findings)) == (1, True, [])


@pytest.mark.parametrize("change", [b"hullo\n", b"hell", None])
def test_a_changed_file_is_found(tmp_path: Path, change: bytes | None) -> None:
    """Another byte, another length, no file."""
    make = DockerMaker(tmp_path)
    chain = layer_with_tar_split(make)
    file = tmp_path / "overlay2" / ident("cache") / "diff/file"
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change)
    store = make.open()

    verify(store)

    assert [(f.code, f.node, f.path) for f in store.findings] == [
        ("bad-digest", f"layer:{chain}", f"overlay2/{ident('cache')}/diff")
    ]


def test_a_layer_without_tar_split_is_told(tmp_path: Path) -> None:
    """It can't be compared; nothing is said to be wrong."""
    make = DockerMaker(tmp_path)
    chain = layer_with_tar_split(make)
    (make.base / "layerdb/sha256" / chain / "tar-split.json.gz").unlink()
    store = make.open()

    assert verify(store).nodes == 0
    assert [(f.code, f.node) for f in store.findings] == [("unverified", f"layer:{chain}")]


def test_configurations_are_compared(tmp_path: Path) -> None:
    """Their name is their digest; reading compares it, too."""
    make = DockerMaker(tmp_path)
    make.image("i", (), ("web:1",))

    assert verify(make.open()).nodes == 1
