"""What containerd's records become: nodes, edges, roots, owned paths, findings (docker-buildkit-containerd 4, 6.1)."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from ocistore.formats.gotime import parse_time
from ocistore.formats.media_types import CONFIG
from ocistore.stores.open import open_store
from ocistore.stores.store import Options
from ocistore.usage.fates import fates
from tests.make.containerd import CONTENT, DATABASE, NOW, ContainerdMaker, at, digest_of, go_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ocistore.stores.store import Store

NOW_NS = parse_time(NOW)
SECOND = NOW_NS // 10**9
EXPIRED = {"containerd.io/gc.expire": "2026-11-20T00:00:00Z"}
OVERLAY = "io.containerd.snapshotter.v1.overlayfs"


@pytest.fixture
def made(tmp_path: Path) -> ContainerdMaker:
    """A root that is being made."""
    return ContainerdMaker(tmp_path / "root")


@pytest.fixture
def opened() -> Iterator[Callable[[Path], Store]]:
    """Reads roots as of NOW and closes them afterwards."""
    with contextlib.ExitStack() as stack:

        def get(path: Path) -> Store:
            store = open_store(str(path), Options(now_ns=NOW_NS))
            stack.callback(store.close)
            return store

        yield get


def fate_of(store: Store, kind: str) -> dict[str, str]:
    """Fates of the nodes of a kind, by id."""
    return {node.id: fate for node, fate in zip(store.graph.nodes, fates(store), strict=True) if node.kind == kind}


def codes(store: Store) -> list[str]:
    """Codes of the findings."""
    return [finding.code for finding in store.findings]


def holders(store: Store, kind: str, ident: str) -> set[tuple[str, str]]:
    """(key of the holder, word) of each edge to a node."""
    number = store.graph.find(kind, ident)
    assert number is not None, f"{kind}:{ident}"
    return {(store.graph.nodes[holder].key, word) for holder, word in store.graph.holders(number)}


def owner(store: Store, path: str) -> str:
    """Key of the node that owns a path."""
    return store.graph.nodes[store.places[0].owned[path]].key


def test_an_image_holds_what_its_labels_say(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Name, image, manifest, configuration, snapshots; content is held by labels alone."""
    config = made.blob("default", b"config", {"containerd.io/gc.ref.snapshot.overlayfs": "top"})
    layer = made.blob("default", b"layer")
    lost = made.blob("default", b"nobody names it")
    target = made.manifest("default", [config, layer])
    made.snapshot("default", "base")
    made.snapshot("default", "top", "base")
    made.image("default", "docker.io/library/x:1", target)

    store = opened(made.write())

    image = target.removeprefix("sha256:")
    assert {image: "held"} == fate_of(store, "image")
    assert ["default/docker.io/library/x:1"] == next(n.names for n in store.graph.nodes if n.kind == "image")
    assert {target: "held", config: "held", layer: "held", lost: "unreferenced"} == fate_of(store, "blob")
    assert {"default/overlayfs/base": "held", "default/overlayfs/top": "held"} == fate_of(store, "snapshot")
    assert {("ref:default/docker.io/library/x:1", "is named by")} == holders(store, "image", image)
    assert {(f"image:{image}", "is the target of")} == holders(store, "content", f"default/{target}")
    assert {("snapshot:default/overlayfs/top", "is the parent of")} == holders(
        store, "snapshot", "default/overlayfs/base"
    )
    assert f"blob:{layer}" == owner(store, f"{CONTENT}/blobs/{layer.replace(':', '/')}")
    assert "snapshot:default/overlayfs/top" == owner(store, f"{OVERLAY}/snapshots/{made.number('default', 'top')}")
    assert [] == codes(store)


def test_one_blob_in_two_namespaces(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """One file, a record for each namespace; references don't cross (case 61)."""
    for namespace in ("a", "b"):
        layer = made.blob(namespace, b"layer")
        made.image(namespace, "x", made.manifest(namespace, [layer], name="same"))
    only = made.blob("b", b"only b's")
    target = digest_of(f"manifest same {[layer]}".encode())
    made.records("a", "content", "blob", target)[b"labels"] = {b"containerd.io/gc.ref.content.0": only.encode()}

    store = opened(made.write())

    assert ["a/x", "b/x"] == next(n.names for n in store.graph.nodes if n.kind == "image")
    assert {f"a/{target}", f"b/{target}", f"a/{layer}", f"b/{layer}"} == set(fate_of(store, "content"))
    # a's manifest refers to a digest of which only b has a record.
    assert "unreferenced" == fate_of(store, "blob")[only]
    assert {("ref:a/x", "is the target of")} == holders(store, "content", f"a/{target}")
    assert set() == holders(store, "content", f"a/{layer}")
    assert {(f"content:a/{layer}", "is the data of"), (f"content:b/{layer}", "is the data of")} == holders(
        store, "blob", layer
    )


@pytest.mark.parametrize(
    ("labels", "fate"),
    [
        ({}, "held"),
        (EXPIRED, "unreferenced"),
        ({"containerd.io/gc.expire": "2026-11-22T00:00:00Z"}, "held"),
        ({"containerd.io/gc.expire": "tomorrow"}, "held"),
    ],
    ids=["no end", "expired", "later", "no time"],
)
def test_a_lease_holds_until_it_expires(
    made: ContainerdMaker, opened: Callable[[Path], Store], labels: dict[str, str], fate: str
) -> None:
    """An end that can't be read is none (case 62)."""
    blob = made.blob("default", b"leased")
    made.snapshot("default", "s")
    made.lease("default", "l", labels, content=[blob], snapshots=["overlayfs/s"])

    store = opened(made.write())

    assert {"default/l": fate} == fate_of(store, "lease")
    assert {blob: fate} == fate_of(store, "blob")
    assert {"default/overlayfs/s": fate} == fate_of(store, "snapshot")
    assert (["expired-lease"] if fate == "unreferenced" else []) == codes(store)


def test_a_flat_lease_holds_no_children(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Only the blob that it names; a lease that isn't flat follows the labels (case 62)."""
    layers = {kind: made.blob("default", kind.encode()) for kind in ("flat", "deep")}
    manifests = {kind: made.manifest("default", [digest]) for kind, digest in layers.items()}
    made.lease("default", "flat", {"containerd.io/gc.flat": "x"}, content=[manifests["flat"]])
    made.lease("default", "deep", content=[manifests["deep"]])

    store = opened(made.write())

    found = fate_of(store, "blob")
    assert ("held", "unreferenced") == (found[manifests["flat"]], found[layers["flat"]])
    assert ("held", "held") == (found[manifests["deep"]], found[layers["deep"]])


def test_labels_that_only_look_like_references(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Without a separator a label is none (68); one to something that isn't there holds nothing (69)."""
    near = made.blob("default", b"near")
    dotted = made.blob("default", b"dotted")
    slashed = made.blob("default", b"slashed")
    target = made.blob(
        "default",
        b"target",
        {
            "containerd.io/gc.ref.contentX": near,
            "containerd.io/gc.ref.content.a.b": dotted,
            "containerd.io/gc.ref.content/c": slashed,
            "containerd.io/gc.ref.content.gone": digest_of(b"gone"),
            "containerd.io/gc.ref.snapshot.": "x",
        },
    )
    made.image("default", "x", target)

    found = fate_of(opened(made.write()), "blob")

    assert {near: "unreferenced", dotted: "held", slashed: "held", target: "held"} == found


def test_gc_root_labels_are_roots(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """On blobs and snapshots, whatever follows the prefix."""
    blob = made.blob("default", b"kept", {"containerd.io/gc.root/x": "2026"})
    made.snapshot("default", "kept", labels={"containerd.io/gc.root": "y"})
    made.snapshot("default", "loose")

    store = opened(made.write())

    assert {blob: "held"} == fate_of(store, "blob")
    assert {"default/overlayfs/kept": "held", "default/overlayfs/loose": "unreferenced"} == fate_of(store, "snapshot")


def test_what_later_versions_hold_is_held(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """References back (2.2), images in leases (2.0), expired images (67): held by some version, so held."""
    back = made.blob(
        "default", b"back", {"containerd.io/gc.bref.content.x": (holder := made.blob("default", b"holder"))}
    )
    made.image("default", "holder", holder)
    expired = made.blob("default", b"of an expired image")
    made.image("default", "old", expired, EXPIRED)

    store = opened(made.write())

    assert {back: "held", holder: "held", expired: "held"} == fate_of(store, "blob")


def test_blobs_without_files_and_files_without_records(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """The one is broken, the other debris (case 64)."""
    gone = made.blob("default", b"gone", file=False)
    path = f"{CONTENT}/blobs/sha256/{'ab' * 32}"
    made.file(path, b"orphan")

    store = opened(made.write())

    assert ["blob-file-missing", "orphan-blob"] == codes(store)
    assert f"blob:{gone}" == store.findings[0].node
    assert {path: "unreferenced"} == fate_of(store, "debris")


def test_a_blob_of_another_size_is_told(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """The record's size is the digest's."""
    digest = made.blob("default", b"whole")
    made.file(f"{CONTENT}/blobs/{digest.replace(':', '/')}", b"cut")

    assert ["size-mismatch"] == codes(opened(made.write()))


def test_downloads(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Held while they don't expire or a lease has them; without a record, or without `ref`, debris (case 65)."""
    expected = made.blob("default", b"expected")
    paths = {
        "young": made.ingest("default", "young", expire=SECOND + 100, expected=expected),
        "old": made.ingest("default", "old", expire=SECOND - 100),
        "endless": made.ingest("default", "endless"),
        "leased": made.ingest("default", "leased"),
    }
    made.lease("default", "l", ingests=["leased"])
    orphan = made.ingest_directory("default/9/orphan")
    nameless = made.ingest_directory("nameless", with_ref=False)

    store = opened(made.write())

    assert {
        "default/young": "held",
        "default/old": "unreferenced",
        "default/endless": "unreferenced",
        "default/leased": "held",
    } == fate_of(store, "ingest")
    assert {expected: "held"} == fate_of(store, "blob")
    assert {orphan: "unreferenced", nameless: "unreferenced"} == fate_of(store, "debris")
    assert all(f"ingest:default/{name}" == owner(store, path) for name, path in paths.items())


def test_a_file_that_a_download_expects(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Without a record the cleaning spares it all the same (4.3)."""
    path = f"{CONTENT}/blobs/sha256/{'cd' * 32}"
    made.file(path)
    made.ingest("default", "i", expire=SECOND + 100, expected=f"sha256:{'cd' * 32}")

    assert {path: "held"} == fate_of(opened(made.write()), "debris")


def test_snapshots_that_only_one_database_has(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """A record without a snapshot, a snapshot without a record, and one that a named child needs (case 66)."""
    made.snapshot("default", "unmade", backend=False, labels={"containerd.io/gc.root": "1"})
    made.snapshot("default", "empty", directory=False, labels={"containerd.io/gc.root": "1"})
    made.backend("overlayfs", "default/70/lost", 70)
    made.backend("overlayfs", "default/71/needed", 71)
    child = made.snapshot("default", "child", labels={"containerd.io/gc.root": "1"}, kind="view")
    at(made.backends["overlayfs"], "v1", "snapshots", f"default/{child}/child")[b"parent"] = b"default/71/needed"
    made.directory(f"{OVERLAY}/snapshots/777")
    made.directory(f"{OVERLAY}/snapshots/new-123")

    store = opened(made.write())

    base = f"{OVERLAY}/snapshots"
    assert {
        f"{base}/70": "unreferenced",
        f"{base}/71": "held",
        f"{base}/777": "unreferenced",
        f"{base}/new-123": "unreferenced",
    } == fate_of(store, "debris")
    assert ["snapshot-directory-missing"] * 2 + ["orphan-snapshot"] * 4 == codes(store)
    assert "view" == next(n.state for n in store.graph.nodes if n.id == "default/overlayfs/child")


def test_a_native_snapshotter_and_its_leftovers(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """`rm-` and `new-` are debris; a name that it never writes is nobody's."""
    made.snapshot("default", "s", snapshotter="native", labels={"containerd.io/gc.root": "1"})
    base = f"{made.home('native')}/snapshots"
    for name in ("rm-9", "new-1", "notes"):
        made.directory(f"{base}/{name}")

    store = opened(made.write())

    assert {f"{base}/rm-9": "unreferenced", f"{base}/new-1": "unreferenced", f"{base}/notes": "unknown"} == fate_of(
        store, "debris"
    )
    assert "native" == store.driver


def test_an_image_under_three_names(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """CRI keeps a tag, a digest and the configuration's digest as names (case 70)."""
    config = made.blob("k8s.io", b"config")
    target = made.manifest("k8s.io", [config])
    for name in ("docker.io/library/x:1", f"docker.io/library/x@{target}", config):
        made.image("k8s.io", name, target, {"io.cri-containerd.image": "managed"})

    store = opened(made.write())

    assert 3 == len(fate_of(store, "ref"))
    assert [3] == [len(n.names) for n in store.graph.nodes if n.kind == "image"]
    assert {(f"image:{target.removeprefix('sha256:')}", "is the target of")} == holders(
        store, "content", f"k8s.io/{target}"
    )


def test_a_namespace_with_labels_only(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """It has no things (case 71)."""
    made.records("empty", "labels")[b"key"] = b"value"

    store = opened(made.write())

    assert {"own"} == {node.kind for node in store.graph.nodes}
    assert ["empty"] == list(store.detail.meta.metadata.namespaces)


def test_sandboxes_of_two_schemas(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """In the root before schema 4, in the namespace since; what their labels refer to is held (case 72)."""
    old = made.blob("k8s.io", b"old")
    new = made.blob("k8s.io", b"new")
    for bucket, digest in ((at(made.meta, "k8s.io"), old), (made.records("k8s.io"), new)):
        sandbox = at(bucket, "sandboxes", f"s-{digest[7:10]}")
        sandbox[b"createdat"] = go_time(SECOND)
        at(sandbox, "labels")[b"containerd.io/gc.ref.content"] = digest.encode()
    made.schema = 3

    store = opened(made.write())

    assert {old: "held", new: "held"} == fate_of(store, "blob")
    assert {f"k8s.io/s-{digest[7:10]}" for digest in (old, new)} == set(fate_of(store, "pod"))


def test_a_container_without_its_snapshot(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Its record holds nothing then (case 73); CRI's directory of it is its own."""
    made.container("k8s.io", "c1", "x", "nowhere")
    made.directory("io.containerd.grpc.v1.cri/containers/c1/volumes")
    made.directory("io.containerd.grpc.v1.cri/containers/c2")
    made.directory("io.containerd.runtime.v2.task/k8s.io/c1")

    store = opened(made.write())

    assert {"k8s.io/c1": "held"} == fate_of(store, "container")
    assert "container:k8s.io/c1" == owner(store, "io.containerd.grpc.v1.cri/containers/c1")
    assert "container:k8s.io/c1" == owner(store, "io.containerd.runtime.v2.task/k8s.io/c1")
    assert {"io.containerd.grpc.v1.cri/containers/c2": "unreferenced"} == fate_of(store, "debris")


def test_algorithms(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """sha512 is read (case 74); a directory of another algorithm is nobody's."""
    digest = made.blob("default", b"long", {"containerd.io/gc.root": "1"}, algorithm="sha512")
    made.file(f"{CONTENT}/blobs/blake3/{'0' * 64}", b"x")

    store = opened(made.write())

    assert {digest: "held"} == fate_of(store, "blob")
    assert {f"{CONTENT}/blobs/blake3": "unknown"} == fate_of(store, "debris")


def test_an_image_whose_target_is_gone(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Its name is there all the same, and a finding says that it is broken."""
    made.image("default", "x", digest_of(b"gone"))

    store = opened(made.write())

    assert {"default/x": "held"} == fate_of(store, "ref")
    assert ["image-content-missing"] == codes(store)


def test_times_of_every_form(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """With seconds in the zone, with a zone, Go's zero time (case 13)."""
    blobs = {made.blob("default", name.encode()): name for name in ("v2", "zoned", "zero")}
    for digest, name in blobs.items():
        when = {"v2": go_time(SECOND, 60, 2), "zoned": go_time(SECOND, 120), "zero": go_time(-62135596800)}[name]
        made.records("default", "content", "blob", digest)[b"createdat"] = when[:9] + bytes(4) + when[13:]

    store = opened(made.write())

    assert {"v2": NOW_NS, "zoned": NOW_NS, "zero": None} == {
        blobs[node.id]: node.created_ns for node in store.graph.nodes if node.kind == "blob"
    }


def spoil_time(made: ContainerdMaker) -> None:
    """A time of another length."""
    made.ingest("default", "i")
    made.records("default", "content", "ingests", "i")[b"expireat"] = b"\x01soon"


def spoil_record(made: ContainerdMaker) -> None:
    """A value where a record should be."""
    made.records("default", "images")[b"x"] = b"no bucket"


def spoil_name(made: ContainerdMaker) -> None:
    """A snapshot without its name in the snapshotter."""
    made.snapshot("default", "s")
    del made.records("default", "snapshots", "overlayfs", "s")[b"name"]


def spoil_value(made: ContainerdMaker) -> None:
    """A bucket where a value should be."""
    made.snapshot("default", "s")
    made.records("default", "snapshots", "overlayfs", "s")[b"parent"] = {b"k": b"v"}


@pytest.mark.parametrize("spoil", [spoil_time, spoil_record, spoil_name, spoil_value])
def test_a_record_that_cannot_be_decoded(
    made: ContainerdMaker, opened: Callable[[Path], Store], spoil: Callable[[ContainerdMaker], None]
) -> None:
    """Nothing is unreferenced then, and the place is named (case 12)."""
    loose = made.blob("default", b"loose")
    spoil(made)

    store = opened(made.write())

    assert {loose: "unknown"} == fate_of(store, "blob")
    assert "record-unreadable" in codes(store)
    assert "unreferenced" not in fates(store)
    assert "content" in store.doubts
    assert {DATABASE} == {finding.path for finding in store.findings if finding.code == "record-unreadable"}


def drop_database(made: ContainerdMaker) -> None:
    """meta.db isn't there."""
    (made.root / DATABASE).unlink()


def empty_database(made: ContainerdMaker) -> None:
    """meta.db has no bytes, as one that was never initialised."""
    (made.root / DATABASE).write_bytes(b"")


def cut_database(made: ContainerdMaker) -> None:
    """meta.db is cut in the middle."""
    data = (made.root / DATABASE).read_bytes()
    (made.root / DATABASE).write_bytes(data[: len(data) // 2])


def zero_database(made: ContainerdMaker) -> None:
    """meta.db has zeroes where its head was."""
    data = (made.root / DATABASE).read_bytes()
    (made.root / DATABASE).write_bytes(b"\0" * 8192 + data[8192:])


@pytest.mark.parametrize("spoil", [drop_database, empty_database, cut_database, zero_database])
def test_without_its_records_nothing_is_unreferenced(
    made: ContainerdMaker, opened: Callable[[Path], Store], spoil: Callable[[ContainerdMaker], None]
) -> None:
    """Blobs, snapshots and downloads are unknown then."""
    digest = made.blob("default", b"data")
    made.snapshot("default", "s")
    made.ingest("default", "i")
    made.file(f"{CONTENT}/blobs/sha256/{'cd' * 32}", b"another")
    made.write()
    spoil(made)

    store = opened(made.root)

    assert "unreferenced" not in fates(store)
    assert fate_of(store, "blob")[digest] == "unknown"
    assert store.findings.has_errors
    assert "content" in store.doubts


def test_a_snapshotter_without_its_database(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Which directory is whose is unknown; what meta.db says of content stays known."""
    loose = made.blob("default", b"loose")
    made.snapshot("default", "s")
    made.write()
    (made.root / OVERLAY / "metadata.db").unlink()

    store = opened(made.root)

    assert {"default/overlayfs/s": "unknown"} == fate_of(store, "snapshot")
    assert {f"{OVERLAY}/snapshots/1": "unknown"} == fate_of(store, "debris")
    assert {loose: "unreferenced"} == fate_of(store, "blob")
    assert ["database-missing"] == codes(store)
    assert f"{OVERLAY}/metadata.db" == store.findings[0].path


def test_snapshotters_elsewhere(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Another program's data may lie anywhere; containerd's own is lost if its directory isn't here."""
    made.snapshot("default", "a", snapshotter="nydus", backend=False)
    store = opened(made.write())
    assert ["snapshots-elsewhere"] == codes(store)
    assert [True] == [node.unsized for node in store.graph.nodes if node.kind == "snapshot"]

    made.snapshot("default", "b", snapshotter="erofs", backend=False)
    store = opened(made.write())
    assert ["database-missing", "snapshots-elsewhere"] == codes(store)
    assert "content" in store.doubts


def test_devices_and_subvolumes_have_no_size_here(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """Snapshots of btrfs have a directory for each kind; of devmapper there are records only."""
    made.snapshot("default", "sub", snapshotter="btrfs", kind="active", directory=False)
    made.directory(f"{made.home('btrfs')}/active/1")
    made.directory(f"{made.home('btrfs')}/snapshots/1")
    made.snapshot("default", "thin", snapshotter="devmapper", directory=False)

    store = opened(made.write())

    assert "snapshot:default/btrfs/sub" == owner(store, f"{made.home('btrfs')}/active/1")
    assert {f"{made.home('btrfs')}/snapshots/1": "unreferenced"} == fate_of(store, "debris")
    assert all(node.unsized for node in store.graph.nodes if node.kind == "snapshot")
    assert ["orphan-snapshot"] == codes(store)


def test_strangers_are_nobodys(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """At the top, in the content store, beside a snapshotter's database; a temporary mount is debris."""
    made.snapshot("default", "s", labels={"containerd.io/gc.root": "1"})
    paths = ["notes", f"{CONTENT}/notes", f"{CONTENT}/blobs/sha256/short", f"{OVERLAY}/notes"]
    for path in paths:
        made.file(path)
    made.directory("tmpmounts/containerd-mount1")
    made.file("io.containerd.grpc.v1.introspection/uuid", b"u")

    store = opened(made.write())

    assert {**dict.fromkeys(paths, "unknown"), "tmpmounts/containerd-mount1": "unreferenced"} == fate_of(
        store, "debris"
    )
    assert ["stray-file"] * 4 == codes(store)
    assert "own:." == owner(store, "io.containerd.grpc.v1.introspection")


def test_a_content_store_without_any_database(tmp_path: Path, opened: Callable[[Path], Store]) -> None:
    """Blobs alone: all of them unknown."""
    blob = tmp_path / f"root/{CONTENT}/blobs/sha256/{'ab' * 32}"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"x")

    store = opened(tmp_path / "root")

    assert {f"sha256:{'ab' * 32}": "unknown"} == fate_of(store, "blob")
    assert ["database-missing"] == codes(store)


def test_images_are_described_by_their_documents(made: ContainerdMaker, opened: Callable[[Path], Store]) -> None:
    """States of blobs, platforms and labels; one that can't be decoded describes nothing, and none holds (4.3)."""
    config = {"os": "linux", "architecture": "arm64", "config": {"Labels": {"k": "v"}}}
    layer = made.blob("default", b"layer")
    inner = made.blob("default", json.dumps(config).encode())
    manifest = {
        "schemaVersion": 2,
        "config": {"mediaType": CONFIG, "digest": inner, "size": 1},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 1}],
    }
    target = made.blob("default", json.dumps(manifest).encode())
    broken = made.blob("default", b"{")
    made.image("default", "x", target)
    made.image("default", "y", broken)

    store = opened(made.write())

    assert {target: "manifest", inner: "config", layer: "layer", broken: "manifest"} == {
        node.id: node.state for node in store.graph.nodes if node.kind == "blob"
    }
    images = {node.names[0]: (node.note, node.labels) for node in store.graph.nodes if node.kind == "image"}
    assert {"default/x": ("linux/arm64", {"k": "v"}), "default/y": ("", None)} == images
    assert "unreferenced" == fate_of(store, "blob")[layer]
    assert [] == codes(store)
