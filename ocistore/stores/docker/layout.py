"""Names of the files and directories of a Docker data-root (docker-buildkit-containerd 2.1 to 2.8)."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

IMAGES = "image"
CONTAINERS = "containers"
VOLUMES = "volumes"
BUILDKIT = "buildkit"
MANAGED_CONTAINERD = "containerd/daemon"

CONTAINER_RECORD = "config.v2.json"
HOST_RECORD = "hostconfig.json"
REPOSITORIES = "repositories.json"
VOLUME_RECORDS = "volumes/metadata.db"
VOLUME_DATA = "_data"
VOLUME_OPTIONS = "opts.json"

SNAPSHOTS = "buildkit/snapshots.db"
LEASES = "buildkit/containerdmeta.db"
CONTENT = "buildkit/content"
CACHE_RECORDS = "buildkit/metadata_v2.db"
CACHE_INDEX = "buildkit/cache.db"
HISTORY = "buildkit/history.db"
HISTORY_C8D = "buildkit/history_c8d.db"
IMAGE_LEASE = "moby-image-sha256:"
"""Beginning of the lease that keeps the manifest of a pulled image of a graph driver in containerd (2.9)."""
NAMESPACE = "buildkit"
"""Namespace of the leases of build records, in graph mode (2.8)."""
SNAPSHOTTER = "default"
"""Name under which leases call the graph driver (2.8)."""

HEX_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""Ids of images, chains, containers, and of directories of layers that were pulled, loaded or committed."""
BUILDKIT_ID = re.compile(r"[0-9a-z]{25}", re.ASCII)
"""Ids that BuildKit makes."""
MOUNT_ID = re.compile(r"[0-9a-f]{64}(?:-init)?", re.ASCII)
REMOVING = re.compile(r"([0-9a-f]{64})-[0-9a-f]{64}-removing", re.ASCII)
TEMPORARY = re.compile(r"\.tmp-.*\d+", re.ASCII)
"""What every atomic write of the daemon begins as: `.tmp-<name><random>` (2.2)."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)

OWN_ENTRIES = frozenset(
    (
        "network",
        "swarm",
        "plugins",
        "runtimes",
        "trust",
        "engine-id",
        "builder",
        "content",
        "nuked",
        "containerd",
        "rootfs",
        "image",
        "containers",
        "volumes",
        "buildkit",
        # Of the file system, where the root is one of its own.
        "lost+found",
    )
)
"""Entries of the root that the daemon writes, besides the directories of graph drivers (2.1)."""
START_CLEARS = ("tmp", "tmp-old")
"""Entries of the root that a start of the daemon removes (2.1)."""


class Driver(NamedTuple):
    """Where a graph driver keeps the directories of its ids (2.5).

    Attributes:
        name: `overlay2`, ...
        top: its directory in the root.
        base: the directory that has one entry an id.
        links: directory of short links to the ids' data, empty where it has none.
        also: further directories with an entry an id.
        bytes: `files` where stat sees them, else why it doesn't.
    """

    name: str
    top: str
    base: str
    links: str = ""
    also: tuple[str, ...] = ()
    bytes: Literal["files", "extents", "elsewhere"] = "files"


DRIVERS: dict[str, Driver] = {
    driver.name: driver
    for driver in (
        Driver("overlay2", "overlay2", "overlay2", "overlay2/l"),
        Driver("fuse-overlayfs", "fuse-overlayfs", "fuse-overlayfs", "fuse-overlayfs/l"),
        Driver("vfs", "vfs", "vfs/dir"),
        Driver("btrfs", "btrfs", "btrfs/subvolumes", also=("btrfs/quotas",), bytes="extents"),
        Driver("zfs", "zfs", "zfs/graph", bytes="elsewhere"),
        Driver("aufs", "aufs", "aufs/diff", also=("aufs/layers", "aufs/mnt")),
        Driver("overlay", "overlay", "overlay"),
        Driver("devicemapper", "devicemapper", "devicemapper/mnt", also=("devicemapper/metadata",), bytes="elsewhere"),
        Driver("windowsfilter", "windowsfilter", "windowsfilter"),
    )
}
"""The graph drivers that any daemon had, removed ones too."""


def hex_of(digest: object) -> str:
    """The hex of a `sha256:` digest, empty if it is none."""
    found = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    return found.group(1) if found else ""
