"""Reads `imagedb` and `repositories.json` (docker-buildkit-containerd 2.2, 2.3)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ocistore.disk.tree import Missing
from ocistore.errors import CorruptFile, UnreadableFile
from ocistore.formats import strict_json
from ocistore.formats.gotime import parse_time
from ocistore.formats.json_members import Members, parse_members

from .files import list_directory, read_word
from .layout import HEX_ID, REPOSITORIES, hex_of
from .records import ImageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ocistore.stores.store import Store

    from .records import GraphHalf

CONFIG_LIMIT = 64 * 1024 * 1024
"""Bytes; no configuration of an image is near it."""


def read_images(store: Store, half: GraphHalf) -> list[str]:
    """Fills images, their children and names of a half whose layers are read; returns why images are in doubt.

    Source: docker-buildkit-containerd 2.2, 2.3, 7.1.
    """
    doubts: list[str] = []
    base = f"{half.base}/imagedb/content/sha256"
    entries = list_directory(store, base)
    if entries is None:
        doubts.append(f"{base} can't be listed")
    described = list_directory(store, f"{half.base}/imagedb/metadata/sha256")
    if described is None:
        doubts.append(f"{half.base}/imagedb/metadata/sha256 can't be listed")
    metadata = {entry.name for entry in described or []}
    for entry in entries or []:
        if not HEX_ID.fullmatch(entry.name):
            continue
        try:
            half.images[entry.name] = _read_image(store, half, entry.name, entry.name in metadata, doubts)
        except CorruptFile as err:
            half.broken_images[entry.name] = err.sentence
        except UnreadableFile as err:
            half.broken_images[entry.name] = err.sentence
    for name, why in half.broken_images.items():
        path = f"{base}/{name}"
        if name in half.foreign_images:
            # Nothing is damaged, and what it needs is known.
            continue
        store.findings.say("image-unloadable", f"no daemon loads this image: {why}", path=path, root=store.root)
        doubts.append(f"{path}: {why}")
    for image in half.images.values():
        if image.parent not in half.images:
            # A parent that isn't there is none (2.3).
            image.parent = ""
        elif image.parent:
            half.children.setdefault(image.parent, set()).add(image.id)
    _read_names(store, half, doubts)
    return doubts


def chain_id(diff_ids: Sequence[str]) -> str:
    """Hex of the chain id of a list of diff ids (`sha256:<hex>`, base first), empty for none (2.3)."""
    chain = ""
    for diff in diff_ids:
        chain = f"sha256:{hashlib.sha256(f'{chain} {diff}'.encode()).hexdigest()}" if chain else diff
    return chain.removeprefix("sha256:")


def _read_image(store: Store, half: GraphHalf, ident: str, has_metadata: bool, doubts: list[str]) -> ImageRecord:
    """An image as the daemon loads it; a parent that can't be read is added to `doubts`.

    Raises:
        CorruptFile: another hash, no JSON, another system than Linux, or a layer that isn't loaded.
        UnreadableFile: its file.
    """
    data = store.tree.read(f"{half.base}/imagedb/content/sha256/{ident}", CONFIG_LIMIT)
    if hashlib.sha256(data).hexdigest() != ident:
        raise CorruptFile("its bytes have another digest than its name")
    top = parse_members(data)
    if not isinstance(top, Members):
        raise CorruptFile("is no JSON object")
    diff_ids = _diff_ids(top)
    chain = chain_id(diff_ids)
    system = top.last("os")
    if system not in (None, "", "linux"):
        half.foreign_images[ident] = chain
        raise CorruptFile(f"is an image for {str(system)[:40]}")
    if chain and chain not in half.layers:
        raise CorruptFile(f"its top layer {chain} isn't loaded")
    parent = ""
    if has_metadata:
        path = f"{half.base}/imagedb/metadata/sha256/{ident}/parent"
        written = read_word(store, path)
        parent = hex_of(written)
        if written is not None and not parent:
            # The daemon takes it for none, and would prune the image that it named (House rule 1).
            text = "names no image, so that which image this one was made from is unknown"
            store.findings.say("unreadable", text, path=path, root=store.root)
            doubts.append(f"{path} {text}")
    return ImageRecord(ident, chain, diff_ids, parent, _created(top), _labels(top), has_metadata)


def _diff_ids(top: Members) -> tuple[str, ...]:
    rootfs = top.last("rootfs")
    found = rootfs.last("diff_ids") if isinstance(rootfs, Members) else None
    if found is None:
        return ()
    if not isinstance(found, list) or not all(hex_of(item) for item in found):
        raise CorruptFile("rootfs.diff_ids is no list of digests")
    return tuple(found)


def _created(top: Members) -> int | None:
    created = top.last("created")
    if not isinstance(created, str) or not created:
        return None
    return parse_time(created)


def _labels(top: Members) -> Mapping[str, str] | None:
    config = top.last("config")
    if not isinstance(config, Members):
        return None
    labels = config.last("Labels")
    if not isinstance(labels, Members):
        return {}
    return {key: value for key, value in labels.pairs if isinstance(value, str)}


def _read_names(store: Store, half: GraphHalf, doubts: list[str]) -> None:
    """Names; one whose image isn't loaded is ignored by the daemon, and what the image held is unknown (2.2, 6.3)."""
    path = f"{half.base}/{REPOSITORIES}"
    store.watch(path)
    try:
        half.names = decode_names(store.tree.read(path))
    except Missing:
        # The daemon writes it when it starts for the first time; without it every image would look nameless.
        half.names = {}
        if half.images or half.broken_images:
            _names_unknown(store, half, doubts, path, "there is no such file")
    except UnreadableFile as err:
        _names_unknown(store, half, doubts, path, err.sentence)
    except CorruptFile as err:
        _names_unknown(store, half, doubts, path, f"{err.place}: {err.sentence}" if err.place else err.sentence)
    for name, ident in (half.names or {}).items():
        if ident in half.images:
            continue
        file = f"{half.base}/imagedb/content/sha256/{ident}"
        if ident in half.foreign_images:
            continue
        if ident in half.broken_images:
            doubts.append(f"the image named {name} can't be loaded")
            continue
        text = f"the configuration of {name} isn't there, so the layers that it held are unknown"
        store.findings.say("image-unloadable", text, path=file, root=store.root)
        doubts.append(f"{file}: {text}")


def _names_unknown(store: Store, half: GraphHalf, doubts: list[str], path: str, why: str) -> None:
    half.names = None
    text = f"names of images can't be read ({why}), so that none may be taken for nameless"
    store.findings.say("image-names-unreadable", text, path=path, root=store.root)
    doubts.append(f"{path}: {text}")


def decode_names(data: bytes) -> dict[str, str]:
    """Familiar reference -> image id, of a repositories.json.

    Raises:
        CorruptFile: not the JSON that the daemon writes.
    """
    value = strict_json.parse(data)
    repositories = _object(value).get("Repositories") or {}
    names: dict[str, str] = {}
    for inner in _object(repositories).values():
        for name, digest in _object(inner or {}).items():
            ident = hex_of(digest)
            if not ident:
                raise CorruptFile(f"the name {name[:80]!r} has no image id")
            names[name] = ident
    return names


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is any value
    if not isinstance(value, dict):
        raise CorruptFile("is not the object that the daemon writes")
    return value
