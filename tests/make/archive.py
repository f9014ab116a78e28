"""Writes archives of an image as an OCI layout in a tar, for programs that import them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


class Archived(NamedTuple):
    """An image in an archive: digests of its layers, and the chain ID of all of them."""

    layers: list[str]
    chain: str


def write_archive(path: Path, name: str, layers: Sequence[Mapping[str, bytes]]) -> Archived:
    """Writes an image whose layers have these files."""
    blobs: dict[str, bytes] = {}

    def add(data: bytes, media_type: str) -> dict[str, object]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    tars = [_tar(files) for files in layers]
    diff_ids = ["sha256:" + hashlib.sha256(data).hexdigest() for data in tars]
    described = [add(gzip.compress(data, mtime=0), LAYER) for data in tars]
    settings = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/a"]}}
    config = add(json.dumps({**settings, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode(), CONFIG)
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described}
    manifest = add(json.dumps(document).encode(), MANIFEST)
    annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**manifest, "annotations": annotations}]}
    members = {f"blobs/{digest.replace(':', '/')}": data for digest, data in blobs.items()}
    members |= {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": json.dumps(index).encode()}
    path.write_bytes(_tar(members))
    return Archived([str(layer["digest"]) for layer in described], _chain(diff_ids))


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _chain(diff_ids: Sequence[str]) -> str:
    chain = diff_ids[0]
    for diff in diff_ids[1:]:
        chain = "sha256:" + hashlib.sha256(f"{chain} {diff}".encode()).hexdigest()
    return chain
