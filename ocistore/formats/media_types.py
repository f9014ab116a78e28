"""Media types of OCI and Docker content, and which of them refer to other blobs.

Source: oci-layout 2, the table.
"""

from __future__ import annotations

from typing import Literal

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
DESCRIPTOR = "application/vnd.oci.descriptor.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0"
IN_TOTO = "application/vnd.in-toto+json"
_LAYER_PREFIXES = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")

Shape = Literal["index", "manifest", "schema1", "artifact", "descriptor", "cache", "config", "empty", "leaf", "unknown"]
_SHAPES: dict[str, Shape] = {
    INDEX: "index",
    DOCKER_LIST: "index",
    MANIFEST: "manifest",
    DOCKER_MANIFEST: "manifest",
    DOCKER_SCHEMA1: "schema1",
    DOCKER_SCHEMA1_SIGNED: "schema1",
    ARTIFACT: "artifact",
    DESCRIPTOR: "descriptor",
    CACHE_CONFIG: "cache",
    CONFIG: "config",
    DOCKER_CONFIG: "config",
    EMPTY: "empty",
    IN_TOTO: "leaf",
}
HOLDING_SHAPES: frozenset[Shape] = frozenset(("index", "manifest", "schema1", "artifact", "descriptor", "cache"))
"""Documents that refer to other blobs and must be read to know to which."""


def shape_of(media_type: str) -> Shape:
    """What a blob of this media type is, by the table of oci-layout 2."""
    if media_type.startswith(_LAYER_PREFIXES):
        return "leaf"
    return _SHAPES.get(media_type, "unknown")


def is_manifest(media_type: str) -> bool:
    """Whether it is an image manifest, an index or an artifact manifest, of OCI or Docker."""
    return media_type in (INDEX, MANIFEST, ARTIFACT, DOCKER_LIST, DOCKER_MANIFEST)
