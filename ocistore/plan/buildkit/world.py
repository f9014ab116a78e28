"""BuildKit's records in memory while commands run: reference counts, last uses, pairs.

Nothing here knows files or leases; what is removed is given back to the caller, who does the rest.
Source: BuildKit `cache/refs.go`, `cache/manager.go`; docker-buildkit-containerd 3.3, 3.8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocistore.stores.shared.buildkit.cache import Loaded
    from ocistore.stores.shared.buildkit.records import CacheRecord

_RETAIN = 1


class Live:
    """A record that is loaded.

    Attributes:
        record: as the file has it.
        id: its id; of a half that BuildKit would make now, one that no file has.
        refs: how many loaded records stand on it.
        mutable: of an immutable half: the mutable one.
        immutable: of a mutable half: the immutable one.
        used_ns: last use, None for never.
        usage: how often it was used.
        size: bytes, None for unknown.
        gone: whether it was removed.
    """

    __slots__ = ("gone", "id", "immutable", "mutable", "parents", "record", "refs", "size", "usage", "used_ns")

    def __init__(self, record: CacheRecord, ident: str = "") -> None:
        self.record = record
        self.id = ident or record.id
        self.parents: list[Live] = []
        self.refs = 0
        self.mutable: Live | None = None
        self.immutable: Live | None = None
        self.used_ns = record.last_used_ns
        self.usage = record.usage_count
        self.size = record.size
        self.gone = False

    @property
    def is_visible(self) -> bool:
        """Whether it isn't the half of a pair that BuildKit passes over (3.7, step 1)."""
        if self.immutable is not None and self.immutable.refs > 0:
            return False
        return not (self.mutable is not None and self.refs == 0)

    @property
    def visible(self) -> Live:
        """Itself, or the other half if that is the visible one."""
        return self if self.is_visible else self.immutable or self.mutable or self

    @property
    def halves(self) -> tuple[Live, ...]:
        """The pair, mutable half first; a single record alone."""
        if self.immutable is not None:
            return (self, self.immutable)
        return (self.mutable, self) if self.mutable is not None else (self,)

    @property
    def is_retained(self) -> bool:
        """Whether it stays when nothing names it any more."""
        return any(half.record.policy == _RETAIN for half in self.halves)

    @property
    def known_size(self) -> int | None:
        """Its own size, or that of the other half."""
        if self.size is not None:
            return self.size
        other = self.immutable or self.mutable
        return other.size if other is not None else None


class World:
    """All loaded records.

    Attributes:
        lives: by id.
        stamps: whether the last child's removal counts as a use of the parent (since BuildKit 0.10; 3.8, step 7).
        freed: records that nothing names any more since it was emptied last.
        touched: records that were used since it was emptied last.
    """

    def __init__(self, loaded: Loaded, now_ns: int, *, stamps: bool) -> None:
        self.lives = {ident: Live(record) for ident, record in loaded.records.items()}
        self.stamps = stamps
        self.freed: list[Live] = []
        self.touched: list[Live] = []
        self._now_ns = now_ns
        for ident, live in self.lives.items():
            live.parents = [self.lives[parent] for parent in live.record.parents]
            for parent in live.parents:
                parent.refs += 1
            if ident in loaded.mutable_of:
                live.mutable = self.lives[loaded.mutable_of[ident]]
            if ident in loaded.immutable_of:
                live.immutable = self.lives[loaded.immutable_of[ident]]

    def copy(self) -> World:
        """Another world in the same state, with lives of its own."""
        other = World.__new__(World)
        other.stamps, other._now_ns, other.freed, other.touched = self.stamps, self._now_ns, [], []
        twins: dict[Live, Live] = {}
        for live in self.lives.values():
            twin = twins[live] = Live(live.record, live.id)
            twin.refs, twin.used_ns, twin.usage, twin.size = live.refs, live.used_ns, live.usage, live.size
        for live, twin in twins.items():
            twin.parents = [twins[parent] for parent in live.parents]
            twin.mutable = twins[live.mutable] if live.mutable is not None else None
            twin.immutable = twins[live.immutable] if live.immutable is not None else None
        other.lives = {ident: twins[live] for ident, live in self.lives.items()}
        return other

    def visible(self) -> Iterator[Live]:
        """The records that `du` lists."""
        return (live for live in self.lives.values() if live.is_visible)

    def remove(self, live: Live) -> list[tuple[Live, ...]]:
        """Removes a record, or a pair, and what BuildKit drops with it: parents that are pairs and not retained.

        Returns:
            What went, in order, each with its halves, mutable first; the first is the one that was asked for.
        """
        removed: list[tuple[Live, ...]] = []
        doomed = [live]
        while doomed:
            halves = doomed.pop().halves
            if halves[0].gone:
                continue
            removed.append(halves)
            # The immutable half goes first, and gives back its parents first.
            for half in reversed(halves):
                half.gone = True
                self.lives.pop(half.id, None)
                doomed += [parent for parent in half.parents if self._release(parent)]
        return removed

    def touch(self, live: Live) -> None:
        """A use of a record now; later ones are later, though a plan has one time."""
        self._now_ns += 1
        live.used_ns = self._now_ns
        live.usage += 1
        self.touched.append(live)

    def commit(self, live: Live) -> None:
        """What BuildKit makes of a retained mutable record whose size it asks for (3.8, step 7).

        It gets an immutable half with a new id and no data, and being committed counts as a use
        (`mutableRef.commit`, which takes its reference with triggerLastUsed).
        """
        half = Live(live.record, f"{live.id} (committed)")
        self.lives[half.id] = half
        half.parents = list(live.parents)
        for parent in half.parents:
            parent.refs += 1
        half.mutable, live.immutable = live, half
        self.touch(live)

    def _release(self, parent: Live) -> bool:
        """Drops a reference; whether the parent goes now, as a pair that nothing retains (3.8, step 7)."""
        parent.refs -= 1
        if parent.refs > 0 or parent.gone:
            return False
        if parent.mutable is not None and not parent.is_retained:
            return True
        if self.stamps:
            for half in parent.halves:
                self.touch(half)
        self.freed.append(parent)
        return False
