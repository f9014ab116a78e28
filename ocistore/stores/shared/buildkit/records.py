"""BuildKit's cache records as values (docker-buildkit-containerd 3.2 and 3.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class CacheRecord:
    """A record of `_main`, as metadata_v2.db has it; empty values mean that the key is absent or cleared.

    Attributes:
        snapshot: snapshot id (the record's own id where it doesn't say).
        committed: immutable (merges and diffs always are).
        equal_mutable: id of the mutable record that has the data.
        parents: records that it stands on: its layer parent, its merge parents, or its diff's lower and upper.
        kind: `base`, `layer`, `merge`, `diff`.
        lower, upper: of a diff; either may be empty.
        size: cached result, None for unknown (absent or -1).
        created_ns, last_used_ns: None for never.
        record_type: `regular`, `internal`, `frontend`, `source.local`, `source.git.checkout`, `exec.cachemount`, ...
        policy: 0 default, 1 retain.
        indexes: source indexes (`cache-dir`, `local.sharedKey`, ...): key -> value; None without any.
    """

    id: str
    snapshot: str
    committed: bool = False
    equal_mutable: str = ""
    kind: str = "base"
    parents: tuple[str, ...] = ()
    lower: str = ""
    upper: str = ""
    blob_only: bool = False
    blob: str = ""
    diff_id: str = ""
    chain_id: str = ""
    blob_chain_id: str = ""
    media_type: str = ""
    blob_size: int | None = None
    image_refs: tuple[str, ...] = ()
    size: int | None = None
    created_ns: int | None = None
    last_used_ns: int | None = None
    usage_count: int = 0
    record_type: str = "regular"
    policy: int = 0
    description: str = ""
    deleted: bool = False
    indexes: dict[str, str] | None = None


@dataclass(slots=True)
class HistoryRecord:
    """A finished (or unfinished) build of history.db (3.6).

    Attributes:
        ref: its id.
        created_ns, completed_ns: None where it doesn't say.
        blobs: digests that its lease holds by the record's own words: logs, trace, results, attestations.
    """

    ref: str
    frontend: str = ""
    created_ns: int | None = None
    completed_ns: int | None = None
    pinned: bool = False
    generation: int = 0
    target: str = ""
    blobs: tuple[str, ...] = ()
