"""Tells images apart: named, dangling, intermediate, list, stage, builder, ... (containers-storage 2.7, 2.10).

The words are states and traits of nodes; README documents the rule of each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .relations import ImageTree, ListingFails

if TYPE_CHECKING:
    from ocistore.stores.store import Store

    from .configs import HistoryEntry
    from .records import ImageKey, ImageRecord
    from .storage import Storage

_BUILD_NAME = re.compile(r"docker\.io/library/[0-9a-f]{64}-tmp:latest")
_PACK_NAME = re.compile(r"pack\.local/builder/[0-9a-f]+(:.*)?")
_BUILDER_NAME = re.compile(r"(.*/)?moby/buildkit:buildx-stable-1(-rootless)?")
_PACK_LABEL = "io.buildpacks.builder.metadata"
_SHELL = "/bin/sh -c "
_NO_OPERATION = "#(nop) "
_LONG_HEX = re.compile(r"([0-9a-f]{12})[0-9a-f]{52}")


def tell_images_apart(store: Store, storage: Storage) -> None:
    """Sets state, traits, labels and parents of the image nodes."""
    tree = ImageTree(storage.all_layers(), storage.all_images(), storage.data)
    numbers = {record.key: store.graph.add("image", record.id, store.number) for record in storage.images}
    for other in store.others:
        for record in other.detail.images:
            numbers[record.key] = store.graph.add("image", record.id, other.number)
    building = _parents(store, storage, tree, numbers)
    for record in storage.images:
        node = store.graph.nodes[numbers[record.key]]
        config = storage.data.config(record)
        node.labels = config.labels if config else None
        node.state = _state(store, storage, tree, record)
        node.traits = tuple(_traits(storage, tree, record, node.state))
        parent = building.get(record.key)
        if parent is not None:
            node.parents = (numbers[parent.key],)
    _mark_stages(store, storage, building, numbers)
    places = {record.id: record.place for record in reversed(storage.images)}
    for ident, problem in storage.data.problems.items():
        store.findings.say(
            "image-data-unreadable",
            f"what image {ident} is can't be told: {problem.sentence}",
            path=_problem_path(storage, places.get(ident, 0), ident, problem.file),
            node=f"image:{ident}",
            root=store.root,
        )


def _problem_path(storage: Storage, place: int, ident: str, file: str) -> str:
    base = f"{storage.driver}-images/"
    inside = file.removeprefix(base) if "/" in file else ident
    return storage.spelled(place, base + inside)


def _parents(
    store: Store, storage: Storage, tree: ImageTree, numbers: dict[ImageKey, int]
) -> dict[ImageKey, ImageRecord]:
    """Each image's parent: libimage's where there is one, else the image of the step before, else the nearest below."""
    found: dict[ImageKey, ImageRecord] = {}
    histories = {config.history: i for i in storage.images if (config := storage.data.config(i)) and config.history}
    for record in storage.images:
        try:
            parent = tree.parent(record)
        except ListingFails:
            parent = None
        parent = parent or _step_before(storage, histories, record)
        parent = parent or (tree.nearest_below(record) if record.layer else None)
        if parent is not None and parent.key in numbers:
            found[record.key] = parent
    return found


def _state(store: Store, storage: Storage, tree: ImageTree, record: ImageRecord) -> str:
    if record.names:
        return "named"
    try:
        if storage.data.config(record) is None and not storage.data.is_list(record):
            return "unreadable"
        return "intermediate" if tree.has_children(record) else "dangling"
    except ListingFails as err:
        store.findings.say(
            "image-data-unreadable",
            f"whether image {record.id} is an ancestor can't be told: image {err.image.id} is unreadable",
            path=f"{storage.driver}-images/{err.image.id}",
            node=f"image:{record.id}",
            root=store.root,
        )
        return "unreadable"


def _traits(storage: Storage, tree: ImageTree, record: ImageRecord, state: str) -> list[str]:
    found = []
    if storage.data.is_list(record):
        found.append("list")
    if tree.is_listed(record):
        found.append("list-member")
    config = storage.data.config(record)
    if any(_PACK_NAME.fullmatch(name) for name in record.names):
        found.append("pack-builder")
    elif config and _PACK_LABEL in config.labels:
        found.append("builder")
    if any(_BUILDER_NAME.fullmatch(name) for name in (*record.names, *record.names_history)):
        found.append("builder-generation")
    if state != "named" and any(_BUILD_NAME.fullmatch(name) for name in record.names_history):
        found.append("build-step")
    if record.readonly:
        found.append("read-only")
    return found


def _step_before(
    storage: Storage, histories: dict[tuple[HistoryEntry, ...], ImageRecord], record: ImageRecord
) -> ImageRecord | None:
    """The image whose history is this one's without its last entry: also where layers don't say so, as podman asks."""
    config = storage.data.config(record)
    before = histories.get(config.history[:-1]) if config and len(config.history) > 1 else None
    return before if before is not None and before.key != record.key else None


def _mark_stages(
    store: Store, storage: Storage, building: dict[ImageKey, ImageRecord], numbers: dict[ImageKey, int]
) -> None:
    """A stage's result: the last image of a chain that a build made for another image to copy from.

    It has no name, no image is built on it, a build step made it, and its history of names has nothing but the build's
    temporary one: an image that lost its tag to a rebuild has borne that tag.
    """
    built_on = {parent.key for parent in building.values()}
    for record in storage.images:
        node = store.graph.nodes[numbers[record.key]]
        borne = [name for name in record.names_history if not _BUILD_NAME.fullmatch(name)]
        if node.state == "named":
            continue
        if "build-step" in node.traits and not borne:
            if node.state == "dangling" and record.key not in built_on and "list-member" not in node.traits:
                node.traits = (*node.traits, "stage")
            node.note = _last_step(storage, record)
        elif borne:
            node.note = f"was {borne[0]}"


def _last_step(storage: Storage, record: ImageRecord) -> str:
    """The instruction that made an image, as its history has it, in a Dockerfile's words."""
    config = storage.data.config(record)
    if config is None or not config.history:
        return ""
    text = config.history[-1][1].split("|")[0].strip()
    if text.startswith(_SHELL):
        text = text.removeprefix(_SHELL)
        text = text.removeprefix(_NO_OPERATION) if text.startswith(_NO_OPERATION) else f"RUN {text}"
    short = _LONG_HEX.sub(r"\1", text)
    return f"step {short}" if short else ""
