"""Which directories are found to be stores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ocistore.disk.walk import walk
from ocistore.errors import UnreadableFile
from ocistore.findings import Findings
from ocistore.stores.detect import TOPS, Found, detect
from tests.conftest import names, truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def make(top: Path, *paths: str) -> None:
    """Makes empty files, and directories where a path ends in `/`."""
    for path in paths:
        at = top / path
        if path.endswith("/"):
            at.mkdir(parents=True, exist_ok=True)
        else:
            at.parent.mkdir(parents=True, exist_ok=True)
            at.touch()


STORAGE = ("overlay/", "overlay-images/images.json", "overlay-layers/layers.json", "overlay-containers/")
DOCKER = ("containers/", "volumes/", "image/overlay2/repositories.json", "overlay2/l/", "buildkit/cache.db")
CONTAINERD = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.content.v1.content/blobs/")
BUILDKIT = ("cache.db", "runc-overlayfs/metadata_v2.db", "runc-overlayfs/content/blobs/sha256/")
LAYOUT = ("oci-layout", "index.json", "blobs/sha256/")


def under(top: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths below `top`."""
    return tuple(f"{top}/{path}" for path in paths)


@pytest.mark.parametrize("deep", [False, True], ids=["usual", "deep"])
@pytest.mark.parametrize("name", names())
def test_real_stores(name: str, deep: bool, bundled: Callable[[str], Path]) -> None:
    """What is found below a real store are its roots and nothing else, its runroot not either."""
    found = {(each.root, each.kind): each.driver for each in detect(str(bundled(name)), deep)}

    assert {(root["path"], root["kind"]) for root in truth(name)["roots"]} == found.keys()
    for root in truth(name)["roots"]:
        # A containerd root has as many snapshotters as it likes, and its truth names none.
        if root["kind"] != "containerd":
            assert root.get("driver") == found[root["path"], root["kind"]]


@pytest.mark.parametrize(
    ("paths", "kind", "driver"),
    [
        (STORAGE, "containers-storage", "overlay"),
        (("vfs-images/", "vfs-layers/"), "containers-storage", "vfs"),
        (LAYOUT, "oci-layout", None),
        (DOCKER, "docker", "overlay2"),
        (("containers/", "volumes/", "containerd/daemon/"), "docker", None),
        (CONTAINERD, "containerd", None),
        ((*CONTAINERD, "io.containerd.snapshotter.v1.overlayfs/metadata.db"), "containerd", "overlayfs"),
        (BUILDKIT, "buildkit", "overlayfs"),
        (("containerd-native/metadata_v2.db",), "buildkit", "native"),
    ],
)
def test_kinds(paths: tuple[str, ...], kind: str, driver: str | None, tmp_path: Path) -> None:
    """A directory is a store of the kind whose files it has, wherever it lies."""
    make(tmp_path, *paths)

    assert [(".", kind, driver)] == [(f.root, f.kind, f.driver) for f in detect(str(tmp_path))]


@pytest.mark.parametrize(
    "paths",
    [
        (),
        ("overlay-layers/mountpoints.json", "overlay-containers/", "overlay-locks/"),
        ("blobs/sha256/", "ingest/"),
        ("docker/registry/v2/blobs/sha256/aa/",),
        ("manifest.json", "version"),
        ("containers/", "volumes/"),
        ("overlay-images", "overlay-layers"),
    ],
    ids=["empty", "runroot", "content store", "registry", "dir transport", "two names", "files"],
)
def test_no_store(paths: tuple[str, ...], tmp_path: Path) -> None:
    """What only looks like a store is none."""
    make(tmp_path, *paths)

    assert detect(str(tmp_path)) == []


def test_nested_in_volumes(tmp_path: Path) -> None:
    """A store in a volume says in which store and volume it lies; docker's own containerd is found beside."""
    make(
        tmp_path,
        *under("docker", DOCKER),
        *under("docker/containerd/daemon", CONTAINERD),
        *under("docker/volumes/builder_state/_data", BUILDKIT),
        *under("docker/volumes/dind/_data/deep/er", DOCKER),
    )

    assert detect(str(tmp_path)) == [
        Found("docker", "docker", "overlay2"),
        Found("docker/containerd/daemon", "containerd", None, "docker"),
        Found("docker/volumes/builder_state/_data", "buildkit", "overlayfs", "docker", "volume:builder_state"),
        Found("docker/volumes/dind/_data/deep/er", "docker", "overlay2", "docker", "volume:dind"),
    ]


LAYERS = (
    *STORAGE,
    *under("overlay/aaa/diff/var/lib/containers/storage", STORAGE),
    *under("overlay/bbb/diff/home/joe/.local/share/containers/storage", STORAGE),
    *under("overlay/ccc/diff/srv/layout", LAYOUT),
)


def test_layers_only_at_known_places(tmp_path: Path) -> None:
    """In layers a store is found where engines keep their data; --deep finds it anywhere."""
    make(tmp_path, *LAYERS)
    usual = {(f.root, f.through) for f in detect(str(tmp_path))}
    deep = {(f.root, f.through) for f in detect(str(tmp_path), deep=True)}

    assert usual == {
        (".", None),
        ("overlay/aaa/diff/var/lib/containers/storage", "layer:aaa"),
        ("overlay/bbb/diff/home/joe/.local/share/containers/storage", "layer:bbb"),
    }
    assert deep - usual == {("overlay/ccc/diff/srv/layout", "layer:ccc")}


def noted(top: Path) -> set[str]:
    """What a walk of a whole directory notes for a search."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return walk(descriptor, [""], notes=TOPS).noted
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "paths",
    [
        LAYERS,
        (*under("vfs/dir/aaa/root/.local/share/docker", DOCKER), *under("vfs/dir/bbb/srv", DOCKER), "vfs-layers/"),
        (*DOCKER, *under("overlay2/aaa/diff/var/lib/docker", DOCKER), "overlay2/bbb/diff/var/lib/", "overlay2/root/"),
        (
            *CONTAINERD,
            *under("io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/var/lib/containerd", CONTAINERD),
            *under("io.containerd.snapshotter.v1.native/snapshots/2/home/a/.local/share/buildkit", BUILDKIT),
            "io.containerd.snapshotter.v1.native/snapshots/3/fs/var/",
        ),
        (*BUILDKIT, *under("runc-overlayfs/snapshots/snapshots/1/fs/var/lib/buildkit", BUILDKIT)),
        (*DOCKER, *under("volumes/v/_data/var/lib/docker", (*DOCKER, "overlay2/ccc/diff/var/"))),
    ],
    ids=["overlay", "vfs", "docker", "containerd", "buildkit", "volume"],
)
def test_a_walk_spares_the_search_of_layers(tmp_path: Path, paths: tuple[str, ...]) -> None:
    """What it noted leads to the same stores; layers without any of it aren't opened."""
    make(tmp_path, *paths)
    found = detect(str(tmp_path), noted=noted(tmp_path))

    assert len(found) > 1
    assert detect(str(tmp_path)) == found
    assert {f.root for f in found if not (f.through or "").startswith("layer:")} == {
        f.root for f in detect(str(tmp_path), noted=())
    }
    assert detect(str(tmp_path), deep=True) == detect(str(tmp_path), deep=True, noted=())


def test_a_walk_hides_no_home_that_is_none(tmp_path: Path) -> None:
    """Where layers should lie and a link or a file does, that is told with a walk's notes, too."""
    make(tmp_path, *DOCKER, "vfs/")
    (tmp_path / "vfs/dir").symlink_to("/nowhere")
    (tmp_path / "fuse-overlayfs").touch()
    with_notes, without = Findings(), Findings()
    detect(str(tmp_path), findings=with_notes, noted=noted(tmp_path))
    detect(str(tmp_path), findings=without)

    assert ["fuse-overlayfs", "vfs/dir"] == sorted(finding.path for finding in without)
    assert list(without) == list(with_notes)


@pytest.mark.parametrize("name", names())
def test_a_walk_of_a_real_store_leads_to_the_same(name: str, bundled: Callable[[str], Path]) -> None:
    """With what was noted, and without."""
    assert detect(str(bundled(name))) == detect(str(bundled(name)), noted=noted(bundled(name)))


def test_artifacts_belong_to_their_store(tmp_path: Path) -> None:
    """The layout in which podman keeps artifacts is no store of its own."""
    make(tmp_path, *STORAGE, *under("artifacts", LAYOUT))

    assert ["."] == [f.root for f in detect(str(tmp_path), deep=True)]


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link to a store is no store; the directory that is searched may be one."""
    make(tmp_path, *under("real", LAYOUT))
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "alias").symlink_to(tmp_path / "real")

    assert detect(str(tmp_path / "top")) == []
    assert ["."] == [f.root for f in detect(str(tmp_path / "alias"))]


def test_two_drivers_are_one_root(tmp_path: Path) -> None:
    """Records of two drivers in one directory are one store, of the driver with images; a finding names the other."""
    make(tmp_path, *STORAGE, "vfs-images/", "vfs-layers/")
    (tmp_path / "overlay-images" / "images.json").write_text("[{}]")
    findings = Findings()

    assert [("overlay", ".")] == [(f.driver, f.root) for f in detect(str(tmp_path), findings=findings)]
    assert ["second-driver"] == [finding.code for finding in findings]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_directory_is_a_finding(tmp_path: Path) -> None:
    """A directory that can't be listed is told of, and the search goes on."""
    make(tmp_path, "closed/", *under("open", LAYOUT))
    (tmp_path / "closed").chmod(0)
    findings = Findings()

    assert ["open"] == [f.root for f in detect(str(tmp_path), findings=findings)]
    assert [("unreadable", "closed")] == [(finding.code, finding.path) for finding in findings]


def test_missing_directory(tmp_path: Path) -> None:
    """A directory that isn't there is an error."""
    with pytest.raises(UnreadableFile):
        detect(str(tmp_path / "nowhere"))


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    """A store below a directory with any name is found."""
    top = tmp_path / os.fsdecode(b"caf\xe9\n")
    make(top, *LAYOUT)

    assert [os.fsdecode(b"caf\xe9\n")] == [f.root for f in detect(str(tmp_path))]
