"""docker's image commands with the containerd image store (docker-buildkit-containerd 5.8).

Every name is an image record of containerd's namespace `moby`; the image's id is the digest of the target.  Containers
protect names and targets, never bytes: those go with containerd's collector, which runs after each removal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ocistore.plan.docker.failures import RuleFails
from ocistore.stores.shared.docker_names import DANGLING, Reference, is_dangling, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.plan.docker.c8d_state import ContainerdHalf
    from ocistore.plan.docker.filters import ImageFilters
    from ocistore.stores.docker.records import ContainerRecord
    from ocistore.stores.shared.containerd.records import ImageRecord

PARENT_LABEL = "org.mobyproject.image.parent"
PULL_LEASE = "moby/prune.images"
_ID_LIKE = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})", re.ASCII)


class Conflicts(NamedTuple):
    """Which conflicts keep an image from being removed, beside a running container."""

    active_reference: bool = True
    stopped_container: bool = True


class Resolved(NamedTuple):
    """What a text names: the record of exactly that name if there is one, and all records of the same target."""

    image: ImageRecord | None
    target: str
    every: list[ImageRecord]


def remove_image(half: ContainerdHalf, text: str, *, force: bool, prune: bool) -> None:
    """`docker rmi [-f] [--no-prune] TEXT` (dockerd with the containerd image store, 5.8).

    Raises:
        RuleFails: there is no such image, or a conflict.
    """
    found = resolve(half, text)
    conflicts = Conflicts(False, False) if force else Conflicts()
    if is_dangling(text) or _is_id_prefix(text, found.target):
        if same_references(found.every, _first_name(found.every)) == found.every:
            conflicts = conflicts._replace(active_reference=False)
        delete_all(half, found.every, conflicts, prune=prune)
        return
    named = parse_reference(text)
    same = same_references(found.every, named)
    if same != found.every:
        for record in same:
            half.delete_image(record.name)
        half.collect()
        return
    if len(found.every) > 1 and not force:
        conflicts = conflicts._replace(active_reference=False)
    user = next((c for c in half.containers() if _uses(c, found.target)), None)
    if user is not None:
        if not force:
            raise RuleFails(f"unable to remove {text}: container {user.id[:12]} is using it")
        _soft_delete(half, found.image or same[0], found.every)
        half.collect()
        return
    delete_all(half, found.every, conflicts, prune=prune)


def resolve(half: ContainerdHalf, text: str) -> Resolved:
    """The records that a text names (5.8, resolveAllReferences).

    Raises:
        RuleFails: none, or targets of several digests.
    """
    images = half.images()
    exact = images.get(text) if is_dangling(text) else images.get(parse_reference(text).name)
    id_like = _ID_LIKE.fullmatch(text)
    targets = {exact.target} if exact else set()
    if id_like:
        prefix = f"sha256:{id_like.group(1)}"
        targets |= {record.target for record in images.values() if record.target.startswith(prefix)}
    elif exact is None and "@" in text:
        digest = parse_reference(text).digest
        targets = {record.target for record in images.values() if record.target == digest}
    if len(targets) > 1:
        raise RuleFails(f"{text} is ambiguous: {len(targets)} images")
    if not targets:
        raise RuleFails(f"no such image: {text}")
    (target,) = targets
    every = sorted((r for r in images.values() if r.target == target), key=lambda record: record.name)
    return Resolved(exact, target, every)


def same_references(every: Iterable[ImageRecord], named: Reference | None) -> list[ImageRecord]:
    """The records of the same repository and tag as `named` (5.8, rmi by name, `same`), in order of their names.

    Digest records of the repository join if it has no other tag; a reference by digest alone takes all its tags;
    records of a nameless image always belong.
    """
    same: list[ImageRecord] = []
    digests: list[ImageRecord] = []
    other_tags = False
    all_tags = named is not None and not named.tag and bool(named.digest)
    for record in every:
        if is_dangling(record.name):
            same.append(record)
            continue
        mine = parse_reference(record.name, default_tag=False)
        if named is None or mine.repository != named.repository:
            continue
        if mine.digest and not mine.tag:
            digests.append(record)
        elif all_tags or mine.tag == named.tag:
            same.append(record)
        else:
            other_tags = True
    if not other_tags:
        same += digests
    return sorted(same, key=lambda record: record.name)


def delete_all(half: ContainerdHalf, every: list[ImageRecord], conflicts: Conflicts, *, prune: bool) -> None:
    """Deletes the records one by one, then the nameless parents of a classic build (5.8, deleteAll).

    Raises:
        RuleFails: a conflict; records deleted before it stay deleted.
    """
    target = every[0].target
    parents = _parents(half, every[0]) if prune else []
    before = half.configs_of(target)
    try:
        for record in every:
            _delete_one(half, record, every, conflicts)
    finally:
        half.collect()
    for parent in parents:
        if not is_dangling(parent.name):
            break
        try:
            _delete_one(half, parent, every, Conflicts())
        except RuleFails:
            break
        half.collect()
    half.forget_unpacked(before)


def _delete_one(half: ContainerdHalf, record: ImageRecord, every: list[ImageRecord], conflicts: Conflicts) -> None:
    for container in half.containers():
        if f"sha256:{container.image}" != record.target:
            continue
        if container.running:
            raise RuleFails(f"image {record.name} is used by the running container {container.id[:12]}")
        if conflicts.stopped_container:
            raise RuleFails(f"image {record.name} is used by the stopped container {container.id[:12]}")
    if conflicts.active_reference and len(every) > 1:
        raise RuleFails(f"image {record.target} has {len(every)} names; only -f removes them all")
    if conflicts.active_reference and len(every) == 1 and not is_dangling(record.name) and _children(half, record):
        _add_dangling(half, record)
    half.delete_image(record.name)


def _soft_delete(half: ContainerdHalf, record: ImageRecord, every: list[ImageRecord]) -> None:
    """Takes a name off an image in use; with its last name it stays as a nameless one."""
    if len(every) == 1:
        _add_dangling(half, record)
    half.delete_image(record.name)


def _add_dangling(half: ContainerdHalf, record: ImageRecord) -> None:
    half.add_image(DANGLING + record.target, record)


def _children(half: ContainerdHalf, record: ImageRecord) -> bool:
    return any(other.labels.get(PARENT_LABEL) == record.target for other in half.images().values())


def _parents(half: ContainerdHalf, record: ImageRecord) -> list[ImageRecord]:
    """The records of the images that a classic build made this one from, nearest first (label of the image record)."""
    found: list[ImageRecord] = []
    seen = {record.target}
    by_target: dict[str, ImageRecord] = {}
    for name in sorted(half.images(), reverse=True):
        by_target[half.images()[name].target] = half.images()[name]
    while (target := record.labels.get(PARENT_LABEL, "")) and target not in seen and target in by_target:
        seen.add(target)
        record = by_target[target]
        found.append(record)
    return found


def _first_name(every: list[ImageRecord]) -> Reference | None:
    names = [record.name for record in every if not is_dangling(record.name)]
    return parse_reference(names[0], default_tag=False) if names else None


def _is_id_prefix(text: str, target: str) -> bool:
    return bool(text) and (target.startswith(text) or target.removeprefix("sha256:").startswith(text))


def _uses(container: ContainerRecord, target: str) -> bool:
    if f"sha256:{container.image}" == target:
        return True
    return any(mount.type == "image" and f"sha256:{mount.image}" == target for mount in container.mounts)


def prune_images(half: ContainerdHalf, *, dangling_only: bool, filters: ImageFilters) -> None:
    """`docker image prune [-a]` (dockerd with the containerd image store, 5.8); `half.rules` are the version's."""
    if half.rules.prunes_pull_leases:
        _delete_pull_leases(half)
    images = half.images()
    count: dict[str, int] = {}
    for record in images.values():
        count[record.target] = count.get(record.target, 0) + 1
    pruned = {
        name: record
        for name, record in sorted(images.items())
        if (is_dangling(name) or not dangling_only) and half.passes(record, filters)
    }
    used = _protect(half, pruned)
    kept_nameless: list[ImageRecord] = []
    for name, record in list(pruned.items()):
        if count[record.target] > 1:
            count[record.target] -= 1
        elif record.target in used:
            if half.rules.untags_used_images and not is_dangling(name):
                kept_nameless.append(record)
            else:
                del pruned[name]
    configs = {config for record in pruned.values() for config in half.configs_of(record.target)}
    for record in kept_nameless:
        _add_dangling(half, record)
    for name in pruned:
        half.delete_image(name)
    half.collect()
    half.forget_unpacked(configs)


def _delete_pull_leases(half: ContainerdHalf) -> None:
    """Leases of pulls, whether they ended or not (27.4 and later)."""
    leases = [lease.id for lease in half.namespace().leases.values() if PULL_LEASE in lease.labels]
    for lease in leases:
        half.delete_lease(lease)
    if leases:
        half.collect()


def _protect(half: ContainerdHalf, pruned: dict[str, ImageRecord]) -> set[str]:
    """Takes the names that containers were made with out of `pruned`; the targets that containers use by id (5.8.3)."""
    used: set[str] = set()
    for container in half.containers():
        target = f"sha256:{container.image}"
        pruned.pop(DANGLING + target, None)
        text = container.image_text
        if _is_id_prefix(text, target):
            used.add(target)
            if half.rules.untags_used_images:
                continue
        elif half.rules.protects_by_digest and text.endswith(f"@{target}"):
            used.add(target)
        named = parse_reference(text)
        pruned.pop(named.name, None)
        if half.rules.protects_by_digest and named.tag and named.digest:
            pruned.pop(named._replace(digest="").name, None)
    return used
