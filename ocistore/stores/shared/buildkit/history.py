"""Reads the builds of history.db or history_c8d.db (docker-buildkit-containerd 3.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ocistore.errors import CorruptFile
from ocistore.formats.bolt import Bucket
from ocistore.formats.build_history import decode_build
from ocistore.stores.shared.buildkit.records import HistoryRecord

if TYPE_CHECKING:
    from ocistore.formats.bolt import Database

_RECORDS = b"_records"
_TARGET, _FILE = "target", "filename"


class Builds(NamedTuple):
    """What a database says.

    Attributes:
        records: by ref, in the order of the file.
        faults: records that can't be decoded, each with its bucket; they are in `records` with nothing but their ref.
    """

    records: dict[str, HistoryRecord]
    faults: list[CorruptFile]


def read_history(database: Database) -> Builds:
    """Every build of a database.

    Raises:
        CorruptFile: a page of it is damaged and the database wasn't opened for salvage.
    """
    found = Builds({}, [])
    bucket = database.root.bucket(_RECORDS)
    for key, value in bucket.items() if bucket is not None else ():
        ref = key.decode("utf-8", "surrogateescape")
        if isinstance(value, Bucket):
            found.faults.append(CorruptFile("a bucket where a record should be", place=f"bucket _records/{ref}"))
            continue
        try:
            build = decode_build(value)
        except CorruptFile as err:
            found.faults.append(CorruptFile(err.sentence, place=f"bucket _records/{ref}"))
            found.records[ref] = HistoryRecord(ref)
            continue
        found.records[ref] = HistoryRecord(
            ref,
            build.frontend,
            build.created_ns,
            build.completed_ns,
            build.pinned,
            build.generation,
            build.attributes.get(_TARGET, ""),
            build.blobs,
        )
    return found
