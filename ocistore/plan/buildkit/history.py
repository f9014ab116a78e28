"""What removing builds from the history takes (docker-buildkit-containerd 3.6, 5.7)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ocistore.plan.containerd.state import RecordMissing
from ocistore.plan.plan import Removal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ocistore.plan.containerd.state import MetaState
    from ocistore.plan.plan import Outcome
    from ocistore.stores.shared.buildkit.cache import Cache
    from ocistore.stores.store import Store


def remove_builds(
    store: Store, meta: MetaState, cache: Cache, refs: Iterable[str], outcome: Outcome, *, gone: set[str]
) -> None:
    """Deletes builds and their leases; the caller collects where the engine does.

    buildkitd before 0.18 doesn't collect then, containerd always does (5.7).

    Args:
        store: what was read.
        meta: where the leases are.
        cache: whose history it is.
        refs: of builds that are there.
        outcome: receives the removals.
        gone: refs that commands before have removed; is filled.
    """
    for ref in refs:
        if ref in gone:
            continue
        gone.add(ref)
        number = store.graph.find("history", ref, store.number)
        outcome.removals.append(Removal(number, "history", ref, (), "asked for"))
        with suppress(RecordMissing):
            meta.delete_lease(cache.history_namespace, f"ref_{ref}", "its build goes")


def completed(cache: Cache, gone: set[str]) -> list[str]:
    """The builds that `docker buildx history rm --all` removes: all that ended, pinned ones too (5.7)."""
    return [ref for ref, build in cache.history.items() if build.completed_ns is not None and ref not in gone]
