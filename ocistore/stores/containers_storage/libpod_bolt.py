"""podman's Bolt database, of podman 4 and older stores (containers-storage 2.5)."""

from __future__ import annotations

from typing import Any

from ocistore.errors import CorruptFile
from ocistore.formats import strict_json
from ocistore.formats.bolt import Bucket, Database

from .libpod import Libpod, container_of, pod_of, volume_of


def read_bolt(path: str, data: bytes) -> Libpod:
    """The database's entries in the order of their keys, as podman lists them.

    Raises:
        CorruptFile: with page and bucket.
    """
    found = Libpod("bolt", path)
    root = Database(data).root
    settings = root.bucket(b"runtime-config")
    if settings:
        found.config = {_text(key): _text(value) for key, value in settings.items() if isinstance(value, bytes)}
    containers = root.bucket(b"ctr")
    for key, entry in containers.buckets() if containers else ():
        container = container_of(_document(entry, b"config"), _document(entry, b"state"))
        container.id = _text(key)
        container.pod = _text(entry.get(b"pod-id") or b"") or container.pod
        container.depends_on = set()
        found.containers[container.id] = container
    # The bucket lists the containers that depend on this one: the reverse of SQLite's table.
    for key, entry in containers.buckets() if containers else ():
        for dependent, _ in _entries(entry, b"dependencies"):
            if (user := found.containers.get(_text(dependent))) is not None:
                user.depends_on.add(_text(key))
    pods = root.bucket(b"pod")
    for key, entry in pods.buckets() if pods else ():
        pod = pod_of(_document(entry, b"config"), _document(entry, b"state"))
        pod.id = _text(key)
        found.pods[pod.id] = pod
    _read_volumes(root, found)
    return found


def _read_volumes(root: Bucket, found: Libpod) -> None:
    volumes = root.bucket(b"vol")
    for key, entry in volumes.buckets() if volumes else ():
        volume = volume_of(_document(entry, b"config"), _document(entry, b"state"))
        volume.name = _text(key)
        found.volumes[volume.name] = volume
        # Entries whose container is gone are ignored (VolumeInUse).
        for user, _ in _entries(entry, b"vol-dependencies"):
            if (container := found.containers.get(_text(user))) is not None:
                container.volume_rows.append(volume.name)
    owners = root.bucket(b"volume-ctrs")
    for key, value in owners.items() if owners else ():
        if isinstance(value, bytes) and (owned := found.volumes.get(_text(value))) is not None:
            owned.storage_id = owned.storage_id or _text(key)


def _entries(bucket: Bucket, key: bytes) -> list[tuple[bytes, bytes | Bucket]]:
    inner = bucket.bucket(key)
    return list(inner.items()) if inner else []


def _document(bucket: Bucket, key: bytes) -> dict[str, Any]:
    place = "bucket " + "/".join(_text(part) for part in bucket.path) + "/" + _text(key)
    data = bucket.get(key)
    if not data:
        return {}
    try:
        value = strict_json.parse(data)
    except CorruptFile as err:
        raise CorruptFile(err.sentence, place=place) from None
    if not isinstance(value, dict):
        raise CorruptFile("its JSON is no object", place=place)
    return value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
