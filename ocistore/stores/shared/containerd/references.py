"""What containerd's collector takes for roots and follows as references (docker-buildkit-containerd 4.3).

One rule for the graph and for the simulation of the collector: both ask here what a record refers to.  References never
cross a namespace.  Contents, snapshots and images that a flat lease names are of a flat type: they mark the same
object and follow less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import parse_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ocistore.stores.shared.containerd.records import Labels, LeaseRecord, Metadata, Namespace

EXPIRE = "containerd.io/gc.expire"
FLAT = "containerd.io/gc.flat"
ROOT = "containerd.io/gc.root"
_REF = "containerd.io/gc.ref."
_BREF = "containerd.io/gc.bref."
_CONDITION = "containerd.io/gc.cond.snapshot"
_USED_AT = "containerd.io/gc.cond.value-usedat"


class Resource(NamedTuple):
    """What the collector marks.

    Attributes:
        type: `content`, `snapshot`, `image`, `container`, `lease`, `ingest`, `sandbox`.
        namespace: of the record.
        key: its key; of a snapshot `snapshotter/key`.
        flat: whether only the thing itself is meant (and a snapshot's parents, an image's target).
    """

    type: str
    namespace: str
    key: str
    flat: bool = False


class Reference(NamedTuple):
    """A resource that is referred to; `word` reads "RESOURCE `word` the one that refers"."""

    to: Resource
    word: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Which labels a version of containerd follows (4.3, version table).

    Attributes:
        sandboxes: labels of sandboxes are roots (1.7).
        images: image labels: gc.ref.image, images in leases, gc.expire on images (2.0).
        back: gc.bref labels (2.2).
        root_prefix: every label that begins with gc.root makes a root (2.2), before that gc.root itself alone.
        conditional: gc.cond labels (2.4).
        expire_images: whether an expired image is no root; False holds what an older version would hold.
    """

    sandboxes: bool = True
    images: bool = True
    back: bool = True
    root_prefix: bool = True
    conditional: bool = True
    expire_images: bool = True


SAFE = Rules(expire_images=False)
"""Holds what any version would hold."""


def rules_of(version: tuple[int, int]) -> Rules:
    """The rules of a version of containerd (major, minor)."""
    return Rules(
        sandboxes=version >= (1, 7),
        images=version >= (2, 0),
        back=version >= (2, 2),
        root_prefix=version >= (2, 2),
        conditional=version >= (2, 4),
        expire_images=version >= (2, 0),
    )


def expiry(labels: Labels) -> int | None:
    """The time of the label gc.expire; None without one, and for one that can't be read (4.3, Roots 1)."""
    value = labels.get(EXPIRE)
    if value is None:
        return None
    try:
        return parse_time(value)
    except CorruptFile:
        return None


def is_expired(labels: Labels, now_ns: int) -> bool:
    """Whether the label gc.expire is a time before now."""
    at = expiry(labels)
    return at is not None and at < now_ns


def find_roots(metadata: Metadata, now_ns: int, rules: Rules = SAFE) -> Iterator[Reference]:
    """What the collector starts from; the word reads "RESOURCE `word`".

    Leases come as roots themselves; what they hold follows from `References.of`.
    """
    for name, namespace in metadata.namespaces.items():
        for lease in namespace.leases.values():
            if not is_expired(lease.labels, now_ns):
                yield Reference(Resource("lease", name, lease.id), "is a lease")
        for image in namespace.images.values():
            if not (rules.expire_images and is_expired(image.labels, now_ns)):
                yield Reference(Resource("image", name, image.name), "is an image record")
        for ingest in namespace.ingests.values():
            if ingest.expire_ns is not None and ingest.expire_ns >= now_ns:
                yield Reference(Resource("ingest", name, ingest.ref), "is being written")
        for blob in namespace.blobs.values():
            if _has_root_label(blob.labels, rules):
                yield Reference(Resource("content", name, blob.digest), f"has the label {ROOT}")
        for container in namespace.containers.values():
            yield Reference(Resource("container", name, container.id), "is a container")
        for (snapshotter, key), snapshot in namespace.snapshots.items():
            if _has_root_label(snapshot.labels, rules):
                yield Reference(Resource("snapshot", name, f"{snapshotter}/{key}"), f"has the label {ROOT}")
        if rules.sandboxes:
            for sandbox in namespace.sandboxes.values():
                yield Reference(Resource("sandbox", name, sandbox.id), "is a sandbox")


def _has_root_label(labels: Labels, rules: Rules) -> bool:
    return ROOT in labels or (rules.root_prefix and any(key.startswith(ROOT) for key in labels))


class References:
    """What each record of a database refers to; a record that is not there refers to nothing."""

    def __init__(self, metadata: Metadata, rules: Rules = SAFE) -> None:
        self._metadata = metadata
        self._rules = rules
        self._reverse: dict[Resource, list[Reference]] = {}
        if rules.back or rules.conditional:
            for resource, labels in _labelled(metadata):
                for holder in self._back(resource, labels):
                    self._reverse.setdefault(holder, []).append(Reference(resource, "is bound by label to"))

    def of(self, resource: Resource) -> list[Reference]:
        """What a resource refers to; what it names need not be there."""
        namespace = self._metadata.namespaces.get(resource.namespace)
        if namespace is None:
            return []
        found = _DIRECT[resource.type](self, namespace, resource)
        if not resource.flat:
            found += self._reverse.get(resource, ())
        return found

    def _content(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        record = namespace.blobs.get(resource.key)
        if record is None or resource.flat:
            return []
        return list(self._labels(namespace.name, record.labels))

    def _snapshot(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        snapshotter, _, key = resource.key.partition("/")
        record = namespace.snapshots.get((snapshotter, key))
        if record is None:
            return []
        found: list[Reference] = []
        if record.parent:
            parent = Resource("snapshot", namespace.name, f"{snapshotter}/{record.parent}", resource.flat)
            found.append(Reference(parent, "is the parent of"))
        if not resource.flat:
            found += self._labels(namespace.name, record.labels)
        return found

    def _image(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        record = namespace.images.get(resource.key)
        if record is None:
            return []
        target = Resource("content", namespace.name, record.target, resource.flat)
        found = [Reference(target, "is the target of")]
        if not resource.flat:
            found += self._labels(namespace.name, record.labels)
        return found

    def _container(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        record = namespace.containers.get(resource.key)
        if record is None:
            return []
        found: list[Reference] = []
        if record.snapshotter:
            snapshot = Resource("snapshot", namespace.name, f"{record.snapshotter}/{record.snapshot_key}")
            found.append(Reference(snapshot, "is the file system of"))
        return [*found, *self._labels(namespace.name, record.labels)]

    def _sandbox(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        record = namespace.sandboxes.get(resource.key)
        return list(self._labels(namespace.name, record.labels)) if record else []

    def _ingest(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        record = namespace.ingests.get(resource.key)
        if record is None or not record.expected:
            return []
        return [Reference(Resource("content", namespace.name, record.expected), "is expected by")]

    def _lease(self, namespace: Namespace, resource: Resource) -> list[Reference]:
        record = namespace.leases.get(resource.key)
        return list(self._leased(namespace.name, record)) if record else []

    def _leased(self, namespace: str, lease: LeaseRecord) -> Iterator[Reference]:
        flat = FLAT in lease.labels
        for digest in lease.content:
            yield Reference(Resource("content", namespace, digest, flat), "is leased by")
        for snapshotter, key in lease.snapshots:
            yield Reference(Resource("snapshot", namespace, f"{snapshotter}/{key}", flat), "is leased by")
        for ref in lease.ingests:
            yield Reference(Resource("ingest", namespace, ref), "is leased by")
        for name in lease.images if self._rules.images else ():
            yield Reference(Resource("image", namespace, name, flat), "is leased by")

    def _labels(self, namespace: str, labels: Labels) -> Iterator[Reference]:
        for key, value in labels.items():
            if key.startswith(_REF):
                target = _target(key.removeprefix(_REF), value)
                if target and (target[0] != "image" or self._rules.images):
                    yield Reference(Resource(target[0], namespace, target[1]), "is referred to by")

    def _back(self, resource: Resource, labels: Labels) -> Iterator[Resource]:
        """Which resources hold `resource` because of its own labels."""
        for key, value in labels.items():
            if self._rules.back and key.startswith(_BREF):
                target = _target(key.removeprefix(_BREF), value)
                if target:
                    yield Resource(target[0], resource.namespace, target[1])
            elif self._rules.conditional and key.startswith(_CONDITION) and resource.type in ("content", "image"):
                yield from self._conditional(resource.namespace, key.removeprefix(_CONDITION), value)

    def _conditional(self, namespace: str, rest: str, value: str) -> Iterator[Resource]:
        # The condition asks for the time of the last use, which only a daemon judges: held while it may be true.
        snapshotter = rest[1:].partition("/")[0] if rest[:1] in ("/", ".") else ""
        condition, bar, key = value.partition("|")
        records = self._metadata.namespaces[namespace].snapshots
        record = records.get((snapshotter, key))
        if bar and record and any(label.startswith(_USED_AT) for label in record.labels) and _is_condition(condition):
            yield Resource("snapshot", namespace, f"{snapshotter}/{key}")


_DIRECT = {
    "content": References._content,
    "snapshot": References._snapshot,
    "image": References._image,
    "container": References._container,
    "sandbox": References._sandbox,
    "ingest": References._ingest,
    "lease": References._lease,
}


def mark(metadata: Metadata, now_ns: int, rules: Rules = SAFE) -> set[Resource]:
    """What the collector keeps, each without `flat` (Tricolor, 4.3); only resources that are there."""
    references = References(metadata, rules)
    return reach(metadata, references, (root.to for root in find_roots(metadata, now_ns, rules)))


def reach(metadata: Metadata, references: References, starts: Iterable[Resource]) -> set[Resource]:
    """What these resources refer to, directly or not, and they themselves, each without `flat`."""
    seen: set[Resource] = set()
    stack = list(starts)
    while stack:
        resource = stack.pop()
        if resource in seen:
            continue
        seen.add(resource)
        stack.extend(reference.to for reference in references.of(resource))
    return {resource._replace(flat=False) if resource.flat else resource for resource in seen}


def _labelled(metadata: Metadata) -> Iterator[tuple[Resource, Labels]]:
    for name, namespace in metadata.namespaces.items():
        for blob in namespace.blobs.values():
            if blob.labels:
                yield Resource("content", name, blob.digest), blob.labels
        for (snapshotter, key), snapshot in namespace.snapshots.items():
            if snapshot.labels:
                yield Resource("snapshot", name, f"{snapshotter}/{key}"), snapshot.labels
        for container in namespace.containers.values():
            if container.labels:
                yield Resource("container", name, container.id), container.labels
        for image in namespace.images.values():
            if image.labels:
                yield Resource("image", name, image.name), image.labels


def _target(rest: str, value: str) -> tuple[str, str] | None:
    """(type, key) of a reference label's rest: `content[./...]`, `snapshot.<snapshotter>[/...]`, `image[./...]`."""
    for kind in ("content", "image"):
        if rest.startswith(kind) and (len(rest) == len(kind) or rest[len(kind)] in "./"):
            return kind, value
    if rest.startswith("container") and (len(rest) == 9 or rest[9] in "./"):
        return "container", value
    if rest.startswith("snapshot."):
        snapshotter = rest.removeprefix("snapshot.").partition("/")[0]
        if snapshotter:
            return "snapshot", f"{snapshotter}/{value}"
    return None


def _is_condition(text: str) -> bool:
    """Whether a condition has a form that containerd follows: `usedat<72h`, several joined by commas."""
    for part in text.split(","):
        name, sign, duration = part.partition("<") if "<" in part else part.partition(">")
        if name == "usedat" and sign:
            try:
                parse_duration(duration)
            except CorruptFile:
                continue
            return True
    return False
