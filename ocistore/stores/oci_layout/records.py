"""What a layout's reader keeps for plans and checks: the records as Go's decoder takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ocistore.formats.oci import Descriptor
    from ocistore.stores.shared.layout_blobs import BlobFile


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """An entry of index.json.

    Attributes:
        descriptor: what it refers to.
        name: `org.opencontainers.image.ref.name`, None without one.
        full_name: `io.containerd.image.name`, None without one.
    """

    descriptor: Descriptor
    name: str | None = None
    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class LayoutRecords:
    """The records of one layout (`Store.detail`).

    Attributes:
        entries: of index.json, in order, the last one of repeated keys as Go takes them.
        blobs: every file of a valid name below `blobs/`, by digest.
        version: `imageLayoutVersion`, None if oci-layout can't be read, empty if it has none.
        index_doubt: why index.json can't be trusted, empty if it can.
        layout_refused: why tools that check oci-layout refuse the layout, empty if they don't.
        temporary: names at the top that umoci's gc removes when nobody has them locked (`.umoci-*`).
    """

    entries: tuple[IndexEntry, ...]
    blobs: Mapping[str, BlobFile]
    version: str | None
    index_doubt: str = ""
    layout_refused: str = ""
    temporary: tuple[str, ...] = ()
