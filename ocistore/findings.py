"""Findings: what is odd or broken in a store, and what that means for the answer.

Every code stands in `CODES` with its severity and one sentence that says what it means; README documents the same
codes, and a test compares registry, documentation and use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of finding.

    Attributes:
        severity: `error` only where something is unreadable, missing or contradictory.
        meaning: what it means for the answer, one sentence.
        blocks: whether a store with it gives no plan (doubt about what is held).
    """

    severity: Severity
    meaning: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        code: key of `CODES`.
        severity: as registered.
        root: root of the store it is about, as the answer names it (`"."`).
        path: relative to that root; absolute if outside; empty if it is about no file.
        node: `kind:id`, or None.
        text: one sentence for a person, file not repeated.
    """

    code: str
    severity: Severity
    root: str
    path: str
    node: str | None
    text: str

    @property
    def blocks(self) -> bool:
        """Whether doubt of this kind forbids plans on the whole store."""
        return CODES[self.code].blocks


class Findings(list[Finding]):
    """The findings of one answer, in the order they were met; equal ones are kept once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[Finding] = set()

    def say(self, code: str, text: str, *, path: str = "", node: str | None = None, root: str = ".") -> None:
        """Adds a finding unless the same one is there; `code` must be registered."""
        finding = Finding(code, CODES[code].severity, root, path, node, text)
        if finding not in self._seen:
            self._seen.add(finding)
            self.append(finding)

    def take(self, other: list[Finding]) -> None:
        """Adds those of another answer."""
        for finding in other:
            if finding not in self._seen:
                self._seen.add(finding)
                self.append(finding)

    @property
    def has_errors(self) -> bool:
        """Whether any is of severity `error` (exit status 1)."""
        return any(f.severity == "error" for f in self)

    @property
    def blocking(self) -> list[Finding]:
        """Those that forbid plans on the whole store."""
        return [f for f in self if f.blocks]


CODES: dict[str, Code] = {
    # reading, any kind of store
    "unreadable": Code("error", "A file or directory could not be read; what it holds or weighs is unknown."),
    "changed-while-read": Code("error", "The store changed between two looks; an engine is writing.", blocks=True),
    "leaves-root": Code("error", "A name or link leads out of the store; it is not followed.", blocks=True),
    "live-mount": Code("note", "Something is mounted below the root; it is not entered, as with du -x."),
    "shared-extents": Code("warning", "The file system can share blocks between files, which stat doesn't see."),
    "stray-file": Code(
        "note", "A file that no engine is known to write here; it is counted as unknown and never planned."
    ),
    "search-cut": Code("warning", "The search for stores ended early; there may be more."),
    "driver-unsupported": Code("error", "The storage driver's bytes can't be counted from files.", blocks=True),
    "bad-digest": Code("error", "A blob's bytes don't match its name."),
    "unverified": Code("note", "Content that --verify can't check, with the reason."),
    # containers/storage
    "records-corrupt": Code("error", "A record file is no JSON that can be trusted.", blocks=True),
    "records-unreadable": Code("error", "A record file could not be read.", blocks=True),
    "record-twice": Code("error", "Two records have one id; programs may disagree which counts.", blocks=True),
    "layers-json-missing": Code("error", "Layers exist but their records don't; nothing is unreferenced.", blocks=True),
    "layer-record-missing": Code("error", "A layer that something stands on has no record.", blocks=True),
    "parent-cycle": Code("error", "Layers are each other's ancestors.", blocks=True),
    "database-corrupt": Code(
        "error", "podman's database can't be read: its containers and volumes are unknown, plans of podman blocked."
    ),
    "two-databases": Code("warning", "podman left two databases; what either names is held."),
    "unnamed-secret": Code("warning", "Data of a secret that no record names: only a person can judge it."),
    "additional-layer": Code("note", "A layer's content lies in an additional layer store; its bytes are not seen."),
    "two-modes": Code(
        "warning", "The store was used with and without a transient half; the containers of both are held."
    ),
    "volumes-elsewhere": Code("warning", "podman's volumes lie outside the store; their bytes are not seen."),
    "second-driver": Code("warning", "Another driver's store lies in the same directory; its bytes are unknown here."),
    "incomplete-layer": Code("warning", "A layer flagged incomplete; any engine removes it when it starts."),
    "incomplete-layer-used": Code("error", "Something stands on a layer that is flagged incomplete."),
    "layer-directory-missing": Code("error", "A layer has a record and no directory; images on it are broken."),
    "layer-data-missing": Code("error", "A layer's listed data is missing."),
    "link-missing": Code("note", "A layer's short link is missing; it is made again at the next mount."),
    "lower-missing": Code("error", "A layer is mounted on a layer that isn't there."),
    "image-data-missing": Code("error", "An image's data is missing; the image is broken."),
    "image-data-unreadable": Code("error", "An image's manifest or configuration can't be read."),
    "data-missing": Code("error", "Data that a record lists is missing."),
    "data-size": Code("error", "A data file has another size than its record says."),
    "container-image-missing": Code("error", "A container's image has no record."),
    "container-layer-missing": Code("error", "A container's layer has no record."),
    "container-storage-missing": Code("warning", "podman's database has a container that the storage has not."),
    "unrecorded-directory": Code("warning", "A directory in the driver's home that no record names."),
    "unrecorded-tar-split": Code("warning", "A layer's tar-split that no record names."),
    "unrecorded-layer-data": Code("warning", "A layer's data that no record names."),
    "unrecorded-image-data": Code("warning", "An image's data that no record names."),
    "unrecorded-container-data": Code("warning", "A container's data that no record names."),
    "unrecorded-volume": Code("warning", "A volume's data without a row: possibly a user's, never planned."),
    "unlisted-data": Code("warning", "A data file that its record doesn't list."),
    "stale-link": Code("warning", "A short link that leads to no layer; nothing removes it."),
    "temporary-file": Code("warning", "A writer's temporary file that was left behind."),
    "unreferenced-layer": Code("note", "A layer record that no image and no container stands on."),
    "mount-count": Code("note", "The run directory counts mounts of a layer; no proof that it is mounted."),
    "graphroot-moved": Code("note", "podman's database was made for another path; the store is a copy or was moved."),
    # OCI layouts
    "index-missing": Code("error", "index.json is missing, so nothing in the layout is known to go.", blocks=True),
    "index-unreadable": Code(
        "error", "index.json (or docker save's manifest.json) can't be read; what it refers to is unknown.", blocks=True
    ),
    "manifest-unreadable": Code(
        "error", "What a manifest refers to can't be known; blobs that nothing else holds are unknown.", blocks=True
    ),
    "config-unreadable": Code("error", "An image configuration can't be decoded; the image has no date."),
    "duplicate-keys": Code(
        "error", "A record has a key twice, which programs read differently; all of it is held.", blocks=True
    ),
    "mixed-document": Code("error", "A document is of another type than its descriptor says; all of it is held."),
    "invalid-digest": Code("error", "A descriptor has no valid digest; it refers to nothing here."),
    "size-mismatch": Code("error", "A blob has another size than its descriptor says; it may be cut."),
    "missing-blob": Code("error", "A manifest, configuration or layer that is referred to isn't there."),
    "missing-subject": Code("note", "A referrer's subject isn't there; deleting an image leaves such referrers."),
    "sparse-index": Code(
        "note", "Manifests that aren't here may be fetched later and refer to blobs that look unreferenced now."
    ),
    "blobs-elsewhere": Code("warning", "The layout has names and no blobs; they may lie in a shared directory."),
    "layout-file-missing": Code("warning", "There is no oci-layout file: a partial copy, which some tools refuse."),
    "layout-file-unreadable": Code("error", "The oci-layout file can't be decoded; some tools refuse the layout."),
    "layout-version": Code("warning", "The layout has another version than 1.0.0; some tools refuse it."),
    "name-on-several-entries": Code("note", "A name stands on entries of different digests; tools choose differently."),
    "artifacts-damaged": Code("error", "podman's artifacts can't be read whole; their blobs are unknown."),
    "states-reset": Code("warning", "Containers recorded as running are taken as ended, as after a reboot."),
    # docker, BuildKit, containerd
    "database-unreadable": Code("error", "A bolt file can't be read whole; what its records say is unknown."),
    "index-unreadable-db": Code("error", "A bolt file that holds no data can't be read; what it indexes is unknown."),
    "database-torn": Code("note", "The newest commit of a bolt file was torn; the one before it is used."),
    "database-structure": Code("warning", "A bolt file's pages contradict each other where no data is lost."),
    "database-leak": Code("note", "Pages of a bolt file are neither in use nor free: space that is never used again."),
    "database-bloat": Code("note", "Much of a bolt file is free pages; no prune makes it smaller."),
    "database-missing": Code("error", "A bolt file that other records need isn't there; what it would say is unknown."),
    "record-unreadable": Code("error", "A record in a bolt file can't be decoded; what it holds is unknown."),
    "snapshot-directory-missing": Code("error", "A snapshot has a record and no directory; there is nothing to lose."),
    "blob-file-missing": Code("error", "A blob has a record and no file; what refers to it is broken."),
    "orphan-blob": Code("warning", "A blob that no record names; the collector takes it with the next removal."),
    "orphan-snapshot": Code("warning", "A snapshot, or its directory, that no record of meta.db names."),
    "orphan-ingest": Code("warning", "A download without a record; without its ref file nothing ever removes it."),
    "image-content-missing": Code("error", "An image's target has no record in its namespace; the image is broken."),
    "snapshots-elsewhere": Code("warning", "A snapshotter keeps its data elsewhere; their bytes are not seen."),
    "leaked-lease": Code("warning", "A lease whose record, build or container is gone; it holds data all the same."),
    "expired-lease": Code("note", "A lease whose time has passed; the collector takes it and what only it held."),
    "containerd-absent": Code(
        "error", "Images and snapshots lie in a containerd that wasn't given: they are unknown (--containerd-root)."
    ),
    "nested-unread": Code("warning", "A store inside a volume or layer could not be read; its content isn't compared."),
    "image-names-unreadable": Code(
        "error", "The names of images can't be read; images and layers are unknown, their plans blocked."
    ),
    "image-unloadable": Code(
        "error", "An image that no daemon loads, or a name without one; layers that only it held are unknown."
    ),
    "layer-unloadable": Code("error", "A layer record that no daemon loads; what it held is unknown."),
    "container-unreadable": Code("error", "A container's record can't be read; what the container holds is unknown."),
    "directory-claimed-twice": Code("error", "Two records name one directory of the graph driver; both are held."),
    "interrupted-removal": Code("warning", "A layer whose removal was begun; the daemon ends it by itself."),
    "interrupted-write": Code("warning", "A layer whose registration was not ended; nothing removes it."),
    "image-mount-unloaded": Code("warning", "The daemon doesn't find the layer of an image that a container mounts."),
    "leaked-mount": Code("warning", "A read-write layer without container or build; it holds the layer below it."),
    "inactive-image-store": Code("note", "An image store that is taken not to be in use; all of it is held."),
    "driver-bytes-unknown": Code("warning", "The graph driver's bytes can't be counted from files."),
    "volume-elsewhere": Code("warning", "A volume's data lies outside the store; its bytes are not seen."),
    "recorded-running": Code("note", "A container is recorded as running; no plan takes it for ended."),
    "records-of-old-format": Code(
        "error", "Records are kept in a format that isn't read; everything that they may hold is unknown.", blocks=True
    ),
    "plans-blocked-for": Code("note", "Plans that touch this part of the store are blocked; others are not."),
    # plans, any kind
    "plan-blocked": Code("error", "Doubt, or a holder, forbids the plan; the text says which."),
    "still-held": Code("note", "Something still holds a thing that was to go; it stays."),
    "networks-not-planned": Code("warning", "The native command also removes unused networks, which aren't simulated."),
    "networks-without-files": Code(
        "note", "The native command also removes unused networks, entries of a database; no file goes with them."
    ),
    "outside-the-store": Code("note", "The native command also removes things outside the store; not counted."),
    "native-command-fails": Code(
        "note", "The native command would fail at this point; the plan holds what it did before."
    ),
    "native-passes-over": Code("note", "The native command names something that isn't there, and goes on."),
    "native-order-undefined": Code("note", "The native command's order is not defined; only the sure part is planned."),
    "gc-policy-rule": Code("note", "What one rule of a policy takes, and what the engine would report of it."),
    "gc-policy-off": Code("note", "By this configuration the engine collects nothing of the build cache by itself."),
    "native-deletes-referenced": Code("warning", "The native command would remove data that is still referenced."),
    "native-takes-healthy": Code("warning", "The native command would take healthy data of another tool or user."),
    "younger-than-grace": Code("note", "Unreferenced but too young to be planned; a writer may be active."),
    "step-not-provable": Code("warning", "The bytes of a step can't be proved."),
}
