"""What a blob of a layout is, in a word, from the descriptors that refer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.gotime import parse_time
from ocistore.formats.media_types import CACHE_CONFIG, IN_TOTO, Shape, shape_of

if TYPE_CHECKING:
    from ocistore.formats.oci import Descriptor
    from ocistore.graph.graph import Node

_STATES: dict[Shape, str] = {
    "index": "index",
    "manifest": "manifest",
    "schema1": "manifest",
    "artifact": "artifact",
    "descriptor": "descriptor",
    "cache": "cache config",
    "config": "config",
    "empty": "empty",
    "leaf": "layer",
}
_STATE_OF_WORD = {"is the config of": "config", "is a layer of": "layer", "is a blob of": "layer"}


def describe(node: Node, descriptor: Descriptor, word: str) -> None:
    """Gives a blob's node the state that a descriptor says, and its platform; the first that says more than layer wins.

    Args:
        node: of the blob.
        descriptor: one that refers to it.
        word: how it refers to it, as the edge says.

    Source: oci-layout 2, the table and "BuildKit specials".
    """
    if node.state and node.state != "layer":
        return
    if descriptor.is_attestation:
        node.state = "attestation"
    elif descriptor.media_type == CACHE_CONFIG:
        node.state = "cache config"
    elif descriptor.media_type == IN_TOTO:
        node.state = "attestation layer"
    else:
        state = _STATES.get(shape_of(descriptor.media_type), "") or _STATE_OF_WORD.get(word, "")
        node.state = state or node.state
    if descriptor.platform and descriptor.platform != "unknown/unknown" and not node.note:
        node.note = descriptor.platform


def add_trait(node: Node, word: str) -> None:
    """Adds a trait that isn't there yet."""
    if word not in node.traits:
        node.traits = (*node.traits, word)


def time_of(written: str) -> int | None:
    """Nanoseconds since 1970; what is no time is no date, and nothing depends on it."""
    try:
        return parse_time(written) if written else None
    except CorruptFile:
        return None
