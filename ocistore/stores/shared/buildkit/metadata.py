"""Reads the records of metadata_v2.db (docker-buildkit-containerd 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from ocistore.errors import CorruptFile
from ocistore.formats.bolt import Bucket
from ocistore.stores.shared.buildkit.records import CacheRecord
from ocistore.stores.shared.texts import one_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.formats.bolt import Database

    Take = Callable[[CacheRecord, Any], None]

_MAIN = b"_main"
_INDEX_PREFIXES = (b"local.sharedKey", b"git-", b"http.", b"etag", b"cache-dir")


class Records(NamedTuple):
    """What a database says.

    Attributes:
        records: by id, in the order of the file.
        faults: values that can't be decoded, each with its bucket; what they say is unknown.
    """

    records: dict[str, CacheRecord]
    faults: list[CorruptFile]


def read_records(database: Database) -> Records:
    """Every record of a database; what can't be decoded is told in `faults` and left out of its record.

    Raises:
        CorruptFile: a page of it is damaged and the database wasn't opened for salvage.
    """
    found = Records({}, [])
    main = database.root.bucket(_MAIN)
    if main is None:
        return found
    for key, bucket in main.items():
        ident = text_of(key)
        if not isinstance(bucket, Bucket):
            found.faults.append(CorruptFile("a value where a record's bucket should be", place=f"bucket _main/{ident}"))
            continue
        record = CacheRecord(ident, ident)
        for name, value in bucket.items():
            # A key whose value is empty was cleared.
            if value == b"":
                continue
            take = _KEYS.get(name)
            if take is None and not name.startswith(_INDEX_PREFIXES):
                continue
            try:
                _take(record, name, take, value)
            except CorruptFile as err:
                found.faults.append(CorruptFile(err.sentence, place=f"bucket _main/{ident}/{text_of(name)}"))
        _judge_kind(record)
        found.records[ident] = record
    return found


def _take(record: CacheRecord, name: bytes, take: Take | None, value: bytes | Bucket) -> None:
    if isinstance(value, Bucket):
        raise CorruptFile("a bucket where a value should be")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise CorruptFile("is not JSON") from None
    if not isinstance(document, dict):
        raise CorruptFile("is no JSON object")
    inner = document.get("value")
    if take is not None:
        if inner is not None:
            take(record, inner)
    elif isinstance(inner, str):
        record.indexes = {**(record.indexes or {}), text_of(name): inner}


def _judge_kind(record: CacheRecord) -> None:
    """Tested in BuildKit's order; merges and diffs are immutable whatever they say (3.2)."""
    if record.kind == "merge" or record.lower or record.upper:
        if record.kind != "merge":
            record.kind = "diff"
            record.parents = tuple(parent for parent in (record.lower, record.upper) if parent)
        record.committed = True
    elif record.parents:
        record.kind = "layer"


def _text(value: Any) -> str:  # noqa: ANN401 - JSON is any value
    if not isinstance(value, str):
        raise CorruptFile("is no text")
    return one_of(value)


def _number(value: Any) -> int:  # noqa: ANN401 - JSON is any value
    if not isinstance(value, int) or isinstance(value, bool):
        raise CorruptFile("is no whole number")
    return value


def _truth(value: Any) -> bool:  # noqa: ANN401 - JSON is any value
    if not isinstance(value, bool):
        raise CorruptFile("is neither true nor false")
    return value


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - JSON is any value
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CorruptFile("is no list of texts")
    return tuple(value)


def _since_1970(value: Any) -> int | None:  # noqa: ANN401 - JSON is any value
    # 0 and absent are "never".
    return _number(value) or None


def _size(value: Any) -> int | None:  # noqa: ANN401 - JSON is any value
    size = _number(value)
    return size if size >= 0 else None


def _field(name: str, decode: Callable[[Any], Any]) -> Callable[[CacheRecord, Any], None]:
    def take(record: CacheRecord, value: Any) -> None:  # noqa: ANN401 - JSON is any value
        setattr(record, name, decode(value))

    return take


def _take_parent(record: CacheRecord, value: Any) -> None:  # noqa: ANN401 - JSON is any value
    # A merge that bears a parent too is a merge.
    if record.kind != "merge" and (parent := _text(value)):
        record.parents = (parent,)


def _take_merge(record: CacheRecord, value: Any) -> None:  # noqa: ANN401 - JSON is any value
    if parents := _texts(value):
        record.kind, record.parents = "merge", parents


def _take_snapshot(record: CacheRecord, value: Any) -> None:  # noqa: ANN401 - JSON is any value
    record.snapshot = _text(value) or record.id


_KEYS: dict[bytes, Take] = {
    b"cache.snapshot": _take_snapshot,
    b"snapshot.committed": _field("committed", _truth),
    b"cache.equalMutable": _field("equal_mutable", _text),
    b"cache.parent": _take_parent,
    b"cache.mergeParents": _take_merge,
    b"cache.lowerDiffParent": _field("lower", _text),
    b"cache.upperDiffParent": _field("upper", _text),
    b"cache.blobonly": _field("blob_only", _truth),
    b"cache.blob": _field("blob", _text),
    b"cache.diffID": _field("diff_id", _text),
    b"cache.chainID": _field("chain_id", _text),
    b"cache.blobChainID": _field("blob_chain_id", _text),
    b"cache.mediatype": _field("media_type", _text),
    b"cache.blobsize": _field("blob_size", _size),
    b"cache.imageRefs": _field("image_refs", _texts),
    b"snapshot.size": _field("size", _size),
    b"cache.createdAt": _field("created_ns", _since_1970),
    b"cache.lastUsedAt": _field("last_used_ns", _since_1970),
    b"cache.usageCount": _field("usage_count", _number),
    b"cache.recordType": lambda record, value: setattr(record, "record_type", _text(value) or "regular"),
    b"cache.cachePolicy": _field("policy", _number),
    b"cache.description": _field("description", _text),
    b"cache.deleted": _field("deleted", _truth),
}
