"""What a data-root keeps in a containerd: the containerd image store, or manifests of pulled images (2.9, 2.10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ocistore.disk.tree import DirectoryTree, Missing
from ocistore.errors import CorruptFile, NotAStore, UnreadableFile
from ocistore.formats.gotime import parse_time, told_time
from ocistore.stores.shared.buildkit.load import load_cache
from ocistore.stores.shared.buildkit.populate import populate_cache
from ocistore.stores.shared.containerd.images import Contents
from ocistore.stores.shared.containerd.populate import populate
from ocistore.stores.shared.containerd.root import DATABASE, claim_containerd, load_containerd
from ocistore.stores.store import DIFF_IDS, Place

from .c8d_records import MOBY, ContainerdHalf, MobyView
from .files import list_directory
from .layout import BUILDKIT, CACHE_INDEX, HISTORY_C8D, IMAGE_LEASE, MANAGED_CONTAINERD

if TYPE_CHECKING:
    from ocistore.disk.tree import Entry
    from ocistore.stores.shared.containerd.metadata_store import MetadataStore
    from ocistore.stores.store import Options, Store

    from .records import ContainerRecord, DockerRecords

_ROOTFS = "rootfs"


def read_containerd_half(store: Store, records: DockerRecords, options: Options, snapshotters: list[str]) -> None:
    """Adds what the containerd of a data-root keeps.

    It is called after containers and volumes are read and `records.active` is chosen, and before the containers are
    nodes; it is called in the other mode, too, where containerd keeps manifests of pulled images (2.9).

    Args:
        store: is filled.
        records: are filled.
        options: `containerd_root` names the containerd beside the data-root.
        snapshotters: those that the image store was used with; empty where it never was.
    """
    half = records.containerd = ContainerdHalf()
    used = [name for name in snapshotters if name == records.active] or snapshotters[:1]
    half.snapshotter = used[0] if used else ""
    half.active = bool(half.snapshotter) and half.snapshotter == records.active
    found = _find_root(store, options)
    if found is None:
        _say_absent(store, half)
        _read_cache(store, half, None)
        return
    place, base, entries = found
    half.meta = load_containerd(
        store, entries, place, base, MobyView(_taken_names(records), frozenset(records.containers))
    )
    _read_cache(store, half, half.meta)
    containers = _containers_of(records)
    images = {IMAGE_LEASE + ident for each in records.halves() for ident in each.images}

    def is_owned(namespace: str, lease: str) -> bool:
        if half.cache is not None and half.cache.owns_lease(namespace, lease):
            return True
        return namespace == MOBY and (lease in containers or lease in images)

    half.placed = populate(store, half.meta, now_ns=options.judged_at(), owned_leases=is_owned)
    claim_containerd(store, half.placed, entries, place, base)
    if half.cache is not None:
        populate_cache(store, half.cache, half.placed.lease)
    _hold_leases(store, records, half, containers)
    if half.snapshotter:
        _describe_images(store, half)
        _claim_mount_points(store, records)
        if half.active and "content" in store.doubts:
            # Whatever goes, the collector then judges all content and all snapshots.
            for area in ("images", "cache", "containers", "history"):
                store.doubts.setdefault(area, store.doubts["content"])


def _find_root(store: Store, options: Options) -> tuple[int, str, list[Entry]] | None:
    """The containerd's root: (place, path in it, entries); None where it isn't at hand.

    Raises:
        NotAStore: `--containerd-root` names no containerd root.
    """
    if options.containerd_root is not None:
        path = os.path.abspath(options.containerd_root)
        try:
            tree = DirectoryTree(path)
            tree.stat(DATABASE)
        except UnreadableFile as err:
            raise NotAStore(f"no root of a containerd: {err.sentence}", path) from None
        store.places.append(Place(tree, prefix=path + "/"))
        return len(store.places) - 1, "", tree.list("")
    try:
        entries = store.tree.list(MANAGED_CONTAINERD)
    except Missing:
        return None
    except UnreadableFile as err:
        store.findings.say("unreadable", err.sentence, path=MANAGED_CONTAINERD, root=store.root)
        return None
    return 0, f"{MANAGED_CONTAINERD}/", entries


def _say_absent(store: Store, half: ContainerdHalf) -> None:
    """The images lie in a containerd that isn't given: what it holds is unknown (design 3)."""
    if not half.snapshotter:
        return
    half.absent = (
        "its images, blobs and snapshots lie in a containerd beside it (/var/lib/containerd unless it was set);"
        " name its root with --containerd-root"
    )
    store.findings.say("containerd-absent", half.absent, root=store.root)
    if half.active:
        for area in ("images", "cache", "content", "history"):
            store.doubts.setdefault(area, half.absent)


def _read_cache(store: Store, half: ContainerdHalf, meta: MetadataStore | None) -> None:
    """Build records of the image store's worker (3.1); cache.db serves both image stores (2.9)."""
    if not half.snapshotter:
        return
    half.cache = load_cache(
        store,
        metadata=f"{BUILDKIT}/containerd-{half.snapshotter}/metadata_v2.db",
        history=HISTORY_C8D,
        cache_index=CACHE_INDEX,
        namespace=MOBY,
        snapshotter=half.snapshotter,
        meta=meta,
    )
    if meta is None:
        populate_cache(store, half.cache, lambda _namespace, _ident: None)


def _taken_names(records: DockerRecords) -> frozenset[str]:
    """Names that another image store has, too: both are shown, one with its image store before it (2.9)."""
    return frozenset(name for half in records.halves() for name in half.names or ())


def _containers_of(records: DockerRecords) -> dict[str, ContainerRecord]:
    """Containers whose file systems are snapshots, by id: those of no graph driver (2.10)."""
    drivers = {half.driver.name for half in records.halves()}
    return {c.id: c for c in records.containers.values() if c.driver and c.driver not in drivers}


def _hold_leases(
    store: Store, records: DockerRecords, half: ContainerdHalf, containers: dict[str, ContainerRecord]
) -> None:
    """Containers hold their leases, and protect their images; images of a graph driver hold theirs (2.9, 2.10)."""
    graph, placed = store.graph, half.placed
    assert placed is not None
    for ident, container in containers.items():
        number = graph.add("container", ident, store.number)
        lease = placed.lease(MOBY, ident)
        if lease is not None:
            graph.hold(number, lease, "is the lease of")
        targets = [(container.image, "is the image of")]
        targets += [(mount.image, "is mounted by") for mount in container.mounts if mount.image]
        for target, word in targets:
            image = placed.image(f"sha256:{target}")
            if image is not None:
                graph.hold(number, image, word)
    for each in records.halves():
        for ident in each.images:
            lease, image = placed.lease(MOBY, IMAGE_LEASE + ident), each.node_of("image", ident)
            if lease is not None and image is not None:
                graph.hold(image, lease, "is the lease of")
    _say_leaked(store, records, half)


def _say_leaked(store: Store, records: DockerRecords, half: ContainerdHalf) -> None:
    """Leases of containers that are gone (6.2, class 21)."""
    assert half.meta is not None
    assert half.placed is not None
    namespace = half.meta.metadata.namespaces.get(MOBY) if half.meta.metadata else None
    if namespace is None or records.container_doubt:
        return
    for ident in namespace.leases:
        if len(ident) != 64 or ident in records.containers:
            continue
        number = half.placed.lease(MOBY, ident)
        if number is not None:
            text = f"lease {ident} holds the snapshots of a container that isn't there"
            store.findings.say("leaked-lease", text, node=store.graph.nodes[number].key, root=store.root)


def _describe_images(store: Store, half: ContainerdHalf) -> None:
    """What the configs say of images and of the snapshots that they unpacked to: labels, creation, diff IDs."""
    assert half.meta is not None
    assert half.placed is not None
    diff_ids: dict[int, str] = store.cache.setdefault(DIFF_IDS, {})
    contents = Contents(store, half.meta)
    for target, number in half.placed.images.items():
        node = store.graph.nodes[number]
        configs = contents.configs(target)
        if configs:
            node.labels = configs[0].labels
            written = _time(configs[0].created)
            node.created_ns = node.created_ns if written is None else written
        for config in configs:
            for chain, diff in config.chains():
                snapshot = half.placed.snapshot(MOBY, half.snapshotter, chain)
                if snapshot is not None:
                    diff_ids[snapshot] = diff
    for record in half.cache.records.values() if half.cache else ():
        snapshot = half.placed.snapshot(MOBY, half.snapshotter, record.snapshot)
        if snapshot is not None and record.diff_id:
            diff_ids.setdefault(snapshot, record.diff_id)


def _time(text: str) -> int | None:
    """A time as nodes have it; Go's zero time, and what is none, is None."""
    try:
        return told_time(parse_time(text))
    except CorruptFile:
        return None


def _claim_mount_points(store: Store, records: DockerRecords) -> None:
    """`rootfs/<snapshotter>/<container>`: mount points, the container's; of containers that are gone, left over."""
    for snapshotter in list_directory(store, _ROOTFS) or []:
        for entry in list_directory(store, f"{_ROOTFS}/{snapshotter.name}") or []:
            path = f"{_ROOTFS}/{snapshotter.name}/{entry.name}"
            if entry.name in records.containers:
                store.own(path, store.graph.add("container", entry.name, store.number))
            else:
                number = store.graph.add("debris", path, store.number)
                node = store.graph.nodes[number]
                node.state, node.note = "temporary-mount", "the mount point of a container that isn't there"
                node.doubt = records.container_doubt
                store.own(path, number)
