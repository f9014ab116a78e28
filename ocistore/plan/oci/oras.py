"""What `oras manifest delete --oci-layout` does.  Source: oci-layout 7.6 (oras-go, `content/oci/oci.go`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.findings import Findings
from ocistore.formats.digest import parse_digest
from ocistore.formats.media_types import is_manifest
from ocistore.formats.oci import Descriptor
from ocistore.plan.oci.oras_graph import OrasGraph, same_content
from ocistore.plan.oci.state import LayoutState, NativeFailure
from ocistore.plan.oci.versions import Version, read_version
from ocistore.plan.options import Spec, parse
from ocistore.plan.plan import Outcome
from ocistore.stores.oci_layout.records import IndexEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

CASCADES_SINCE: Version = (1, 2, 0)
"""oras 1.2 is the first one with an oras-go (2.4) that collects what a deletion leaves; older ones take one file."""
BY_DIGEST_SINCE: Version = (1, 3, 3)
"""oras 1.3.3 is the first one with an oras-go (2.6.1) whose graph goes by digest."""
_PLAIN = "application/octet-stream"


def run(state: LayoutState, argv: Sequence[str], version: str | None) -> Outcome:
    """Simulates a command line whose first word, `oras`, is cut off.

    Raises:
        UsageError: another verb or target, or an option that isn't simulated.
    """
    release = read_version("oras", version)
    if list(argv[:2]) != ["manifest", "delete"]:
        raise UsageError(f"{' '.join(['oras', *argv[:2]])}: only manifest delete --oci-layout is simulated")
    parsed = parse(
        argv[2:],
        Spec(flags={"force": ("f",), "oci-layout": ()}, command="oras manifest delete", at_least=1, at_most=1),
    )
    if not parsed.flag("oci-layout"):
        raise UsageError("oras manifest delete: without --oci-layout it deletes from a registry, not from a layout")
    target = parsed.positional[0]
    # A digest follows the last "@", a tag the last ":", so that a tag with ":" can't be named.
    _, at, reference = target.rpartition("@")
    if not at:
        _, _, reference = target.rpartition(":") if ":" in target else ("", "", "")
    return delete_manifest(state, reference, release, force=parsed.flag("force"))


def delete_manifest(state: LayoutState, reference: str, release: Version, *, force: bool) -> Outcome:
    """Deletes a manifest and, from 1.2 on, what refers to it and what it leaves behind.

    Without `force` oras asks first; the plan is the same.
    """
    outcome = Outcome()
    try:
        if not reference:
            raise NativeFailure("oras needs a tag or a digest behind the layout's name")
        deletion = _Deletion(state, release, outcome)
        target = deletion.resolve(reference)
        if target is not None:
            deletion.run(target)
        elif not force:
            raise NativeFailure(f"{reference[:200]} isn't in the layout")
    except NativeFailure as err:
        outcome.failure = err.sentence
    return outcome


class _Deletion:
    """One `oras manifest delete`: tags and graph are built when oras opens the layout."""

    def __init__(self, state: LayoutState, release: Version, outcome: Outcome) -> None:
        """Opens the layout as oras does.

        Raises:
            NativeFailure: oras doesn't open it, or a manifest in it isn't sound; nothing is done then.
        """
        self._state = state
        self._outcome = outcome
        self._cascades = release >= CASCADES_SINCE
        records = state.records
        # oras writes an oci-layout where there is none, and refuses one that it can't read or of another version.
        if records.layout_refused and "missing" not in records.layout_refused:
            raise NativeFailure(f"oras doesn't open the layout: {records.layout_refused}")
        self._tags: dict[str, Descriptor] = {}
        for entry in state.entries:
            self._tags[entry.descriptor.digest] = entry.descriptor
            if entry.name:
                self._tags[entry.name] = entry.descriptor
        self._names: dict[str, set[str]] = {}
        for name, descriptor in self._tags.items():
            if name != descriptor.digest:
                self._names.setdefault(descriptor.digest, set()).add(name)
        self._graph = OrasGraph(state, by_digest=release >= BY_DIGEST_SINCE)
        for entry in state.entries:
            self._graph.add(entry.descriptor)

    def resolve(self, reference: str) -> Descriptor | None:
        """What a tag or digest means: an entry, or else a blob as such; None if there is neither (step 2)."""
        found = self._tags.get(reference)
        if found is not None:
            return found
        digest = parse_digest(reference)
        if digest is None or not self._state.has(digest.text):
            return None
        return Descriptor(_PLAIN, digest.text, self._state.size(digest.text))

    def run(self, target: Descriptor) -> None:
        """The queue (step 3).

        oras appends referrers and successors in random order.  A batch is what is appended in one such order; what
        comes of a batch of several is one batch again, because the order among its parts isn't defined either.

        Raises:
            NativeFailure: a file that is to be deleted isn't there; what came surely before it is in the outcome.
        """
        batches: list[list[Descriptor]] = [[target]]
        why = "is deleted by name"
        while batches:
            batch = batches.pop(0)
            absent = [each for each in batch if not self._state.has(each.digest)]
            if absent and len(batch) > 1:
                self._stop_undefined(absent[0], len(batch))
            referrers: list[Descriptor] = []
            dangling: list[Descriptor] = []
            for head in self._graph.parents_first(batch):
                if self._cascades and is_manifest(head.media_type):
                    referrers.extend(self._referrers(head))
                left = self._delete(head, why)
                dangling.extend(each for each in left if self._cascades and not self._is_named(each))
            if len(batch) > 1:
                referrers, dangling = [], [*referrers, *dangling]
            batches.extend(appended for appended in (referrers, dangling) if appended)
            why = "refers to what was deleted, or is left behind by it"

    def _stop_undefined(self, absent: Descriptor, count: int) -> None:
        findings = Findings()
        findings.say(
            "native-order-undefined",
            f"oras deletes {count} blobs in random order and stops at {absent.digest}, which isn't there;"
            " only what surely goes before them is planned",
            node=f"blob:{absent.digest}",
            root=self._state.store.root,
        )
        self._outcome.findings.extend(findings)
        raise NativeFailure(f"oras stops at {absent.digest or 'a blob without digest'}, which isn't there")

    def _referrers(self, head: Descriptor) -> list[Descriptor]:
        """Manifests whose subject is this one, named or not (step 3a)."""
        return [
            each
            for each in self._graph.predecessors(head)
            if any(same_content(subject, head) for subject in self._graph.subjects(each))
        ]

    def _delete(self, head: Descriptor, why: str) -> list[Descriptor]:
        """Drops its entries, takes it out of the graph, deletes its file; gives what is dangling (steps 3b to 3d).

        Raises:
            NativeFailure: the file isn't there.
        """
        names = sorted(self._names.pop(head.digest, ()))
        if head.digest in self._tags:
            names.append(head.digest)
        for name in names:
            del self._tags[name]
        dangling = self._graph.remove(head)
        if names:
            self._outcome.removals.extend(self._state.keep_entries(self._entries(), "its manifest is deleted"))
        if not self._state.has(head.digest):
            raise NativeFailure(f"oras stops at {head.digest or 'a blob without digest'}, which isn't there")
        self._outcome.removals.append(self._state.remove(head.digest, why))
        return dangling

    def _entries(self) -> list[IndexEntry]:
        """index.json as oras writes it: an entry for each name, and one for each digest without."""
        full_names = {
            (entry.descriptor.digest, entry.name): entry.full_name for entry in self._state.entries if entry.full_name
        }
        named = [
            IndexEntry(descriptor, name, full_names.get((descriptor.digest, name)))
            for name, descriptor in self._tags.items()
            if name != descriptor.digest
        ]
        done = {entry.descriptor.digest for entry in named}
        unnamed = [
            IndexEntry(descriptor, None, full_names.get((descriptor.digest, None)))
            for name, descriptor in self._tags.items()
            if name == descriptor.digest and descriptor.digest not in done
        ]
        return named + unnamed

    def _is_named(self, descriptor: Descriptor) -> bool:
        """Whether it has a name; an entry without one doesn't protect it (step 3e)."""
        return bool(self._names.get(descriptor.digest))
