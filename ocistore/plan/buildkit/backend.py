"""What lies below BuildKit's cache manager: leases, snapshots and content, kept differently by each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ocistore.stores.shared.buildkit.records import CacheRecord


class CacheBackend(Protocol):
    """What a prune asks of and does to the store below it (docker-buildkit-containerd 2.8, 3.3, 3.7).

    Each method that removes something adds the removals to the outcome of the command that runs.
    """

    def delete_lease(self, lease: str) -> None:
        """Deletes a lease of the worker's namespace; one that isn't there is no error.

        In Docker's graph mode its snapshots go at once; elsewhere the collector takes them later.
        """
        ...

    def collect(self) -> None:
        """The metadata collector, which runs at the end of each prune."""
        ...

    def snapshot_usage(self, record: CacheRecord) -> int:
        """What BuildKit would count for a record of unknown size, in bytes, without its blob (3.7.4)."""
        ...

    def blob_usage(self, record: CacheRecord) -> int:
        """Bytes of a record's blob and of its compression variants; only asked for a record with a blob (3.7.4)."""
        ...

    def shared(self, record: CacheRecord, chain: list[str]) -> bool:
        """Whether an image has this record's layers; `chain` are the blob digests of its layer chain, base first."""
        ...

    @property
    def compares_blobs(self) -> bool:
        """Whether `shared` looks at the chain; without blobs there is none (3.7.3)."""
        ...

    def has_sharing(self) -> bool:
        """Whether there is a checker of sharing at all (none with buildkitd's runc worker; 3.7.3)."""
        ...

    def free_space(self) -> int:
        """Bytes that statfs says are free where the worker's root is (f_bfree x f_bsize)."""
        ...
