"""Which image a name on a command line means (containers-storage 2.7, `libimage/runtime.go LookupImage`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.stores.containers_storage.configs import choose_instance
from ocistore.stores.containers_storage.layout import is_hex_id

if TYPE_CHECKING:
    from ocistore.stores.containers_storage.records import ImageRecord

    from .state import State
    from .versions import Rules

_TAG = re.compile(r"(.+):([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})")
_TRANSPORT = "containers-storage:"


def look_up_image(state: State, rules: Rules, text: str, *, whole_list: bool = False) -> tuple[ImageRecord, str] | None:
    """The image that a name means, and the name that it was found by.

    Args:
        state: the records as they are now.
        rules: versions.
        text: as typed.
        whole_list: take a manifest list itself where its instance is not here (`rmi`); without it such a name is
            not known.
    """
    found = _find(state, rules, text)
    if found is None:
        return None
    image, name = found
    instances = state.storage.data.instances(image)
    if instances is None:
        return image, name
    chosen = choose_instance(instances, prefer_zstd=rules.podman_from(4, 7))
    member = _by_digest(state, chosen.digest) if chosen else None
    if member is not None:
        return member, name
    return (image, name) if whole_list else None


def look_up_list(state: State, rules: Rules, text: str) -> tuple[ImageRecord, str] | None:
    """The manifest list that a name means (LookupManifest): never an instance of it, never anything else."""
    found = _find(state, rules, text)
    if found is None or not state.storage.data.is_list(found[0]):
        return None
    return found


def _find(state: State, rules: Rules, text: str) -> tuple[ImageRecord, str] | None:
    if text.startswith(_TRANSPORT):
        rest = text.removeprefix(_TRANSPORT)
        image = state.find_image(rest.removeprefix("@"))
        return (image, "") if image else None
    if "@" in text:
        return _find_by_repository_digest(state, rules, text)
    if text.startswith("sha256:") or is_hex_id(text):
        ident = text.removeprefix("sha256:")
        image = next((i for i in state.all_images() if i.id == ident), None) if is_hex_id(ident) else None
        return (image, text) if image else None
    for candidate in candidates(text):
        for image in state.all_images():
            if candidate in image.names:
                return image, candidate
    image = state.find_image(text)
    if image is not None:
        return image, text
    return _find_fuzzy(state, text)


def candidates(text: str) -> list[str]:
    """The full names that a typed name may stand for, without any configuration of registries."""
    with_tag = text if _TAG.fullmatch(text.rpartition("/")[2]) else f"{text}:latest"
    if not is_short(text):
        return [with_tag]
    found = [f"localhost/{with_tag}"]
    found.append(f"docker.io/{with_tag}" if "/" in text else f"docker.io/library/{with_tag}")
    return found


def is_short(text: str) -> bool:
    """Whether a name's first part is no registry: no `/`, or nothing before it that looks like a host."""
    first, slash, _ = text.partition("/")
    return not slash or not ("." in first or ":" in first or first == "localhost")


def _find_by_repository_digest(state: State, rules: Rules, text: str) -> tuple[ImageRecord, str] | None:
    """NAME[:tag]@sha256:D: the tag is dropped; until 4.5 the name isn't looked at."""
    name, _, digest = text.partition("@")
    base, _, last = name.rpartition("/")
    tagged = _TAG.fullmatch(last)
    repository = (f"{base}/" if base else "") + (tagged.group(1) if tagged else last)
    wanted = {candidate.rpartition(":")[0] for candidate in candidates(repository)}
    for image in state.all_images():
        if digest not in image.digests:
            continue
        if not rules.podman_from(4, 6) or any(repository_of(n) in wanted for n in image.names):
            return image, f"{repository}@{digest}"
    return None


def _find_fuzzy(state: State, text: str) -> tuple[ImageRecord, str] | None:
    """The first image with a tag whose repository ends in what was typed, for short names."""
    if not is_short(text):
        return None
    base, _, last = text.rpartition("/")
    tagged = _TAG.fullmatch(last)
    wanted, tag = (tagged.group(1), tagged.group(2)) if tagged else (last, "latest")
    repository = (f"{base}/" if base else "") + wanted
    for image in state.all_images():
        for name in image.names:
            here = repository_of(name)
            fits = here == repository or here.endswith("/" + repository)
            if fits and name.removeprefix(here) == f":{tag}":
                return image, name
    return None


def repository_of(name: str) -> str:
    """A full name without tag and digest."""
    bare = name.partition("@")[0]
    base, _, last = bare.rpartition("/")
    tagged = _TAG.fullmatch(last)
    last = tagged.group(1) if tagged else last
    return f"{base}/{last}" if base else last


def _by_digest(state: State, digest: str) -> ImageRecord | None:
    return next((image for image in state.all_images() if digest in image.digests), None)
