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
    # Until 4.5 a digest means the very image; 4.3.1 was seen to take a list so.
    if instances is None or ("@" in text and not rules.podman_from(4, 6)):
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
    if not is_short(text):
        return [_full(text)]
    return [_full(f"localhost/{text}"), _full(f"docker.io/{text}")]


def normalize(text: str) -> str:
    """The full name that a name to be taken off means: a short one is a local one (`libimage NormalizeName`)."""
    return _full(f"localhost/{text}" if is_short(text) else text)


def _full(name: str) -> str:
    """A name with a registry as records spell it: with a tag, and on docker.io with `library/` where no owner is."""
    registry, _, path = name.partition("/")
    if registry in ("docker.io", "index.docker.io"):
        registry, path = "docker.io", path if "/" in path else f"library/{path}"
    tagged = "@" in path or _TAG.fullmatch(path.rpartition("/")[2])
    return f"{registry}/{path}" + ("" if tagged else ":latest")


def is_short(text: str) -> bool:
    """Whether a name's first part is no registry: no `/`, or nothing before it that looks like a host."""
    first, slash, _ = text.partition("/")
    return not slash or not ("." in first or ":" in first or first == "localhost")


def _find_by_repository_digest(state: State, rules: Rules, text: str) -> tuple[ImageRecord, str] | None:
    """NAME[:tag]@sha256:D: the tag is dropped; until 4.5 the name isn't looked at."""
    name, _, digest = text.partition("@")
    repository = repository_of(name)
    wanted = [repository_of(candidate) for candidate in candidates(repository)]
    bearing = [image for image in state.all_images() if digest in image.digests]
    if not rules.podman_from(4, 6):
        return (bearing[0], f"{wanted[0]}@{digest}") if bearing else None
    for image in bearing:
        here = {repository_of(n) for n in image.names}
        for one in wanted:
            if one in here:
                return image, f"{one}@{digest}"
    for image in bearing if is_short(repository) else ():
        for bare in map(repository_of, image.names):
            if _ends_in(bare, repository):
                return image, f"{bare}@{digest}"
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
            if _ends_in(here, repository) and name.removeprefix(here) == f":{tag}":
                return image, name
    return None


def _ends_in(repository: str, typed: str) -> bool:
    return repository == typed or repository.endswith("/" + typed)


def repository_of(name: str) -> str:
    """A full name without tag and digest."""
    bare = name.partition("@")[0]
    base, _, last = bare.rpartition("/")
    tagged = _TAG.fullmatch(last)
    last = tagged.group(1) if tagged else last
    return f"{base}/{last}" if base else last


def _by_digest(state: State, digest: str) -> ImageRecord | None:
    return next((image for image in state.all_images() if digest in image.digests), None)
