"""Which image a text means, with graph drivers (docker-buildkit-containerd 5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.stores.shared.docker_names import familiar, parse_reference

from .failures import RuleFails

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocistore.stores.docker.records import ImageRecord

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.ASCII)
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]+)", re.ASCII)


def resolve(text: str, images: Mapping[str, ImageRecord], names: Mapping[str, str]) -> ImageRecord:
    """A whole id, else a name, else a unique prefix of an id (moby `daemon/images/image.go GetImage`, any version).

    Args:
        text: what was typed.
        images: the loaded ones.
        names: familiar reference -> id.

    Raises:
        RuleFails: no image, or several.
    """
    whole = _ID.fullmatch(text)
    if whole:
        if whole.group(1) in images:
            return images[whole.group(1)]
        raise RuleFails(f"no such image: {text}")
    ident = names.get(key_of(text), "")
    if ident in images:
        return images[ident]
    prefix = _PREFIX.fullmatch(text)
    found = [image for key, image in images.items() if prefix and key.startswith(prefix.group(1))]
    if len(found) == 1:
        return found[0]
    # The daemon says the same of several, so that force forgives it (seen on 20.10.24).
    raise RuleFails(f"no such image: {text}" + (f" ({len(found)} ids begin so)" if found else ""))


def key_of(text: str) -> str:
    """The key under which repositories.json has what a person types; beside a digest a tag falls away (2.2)."""
    reference = parse_reference(text)
    if reference.digest:
        reference = reference._replace(tag="")
    return familiar(reference.name)


def is_id_prefix(text: str, ident: str) -> bool:
    """Whether a text is taken for an id, whatever it was found as: even a tag that reads like one (5.1)."""
    return ident.startswith(text) or f"sha256:{ident}".startswith(text)
