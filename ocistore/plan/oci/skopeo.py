"""What `skopeo delete oci:LAYOUT:NAME` does.  Source: oci-layout 7.3 (containers/image, `oci/layout/oci_delete.go`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.findings import Findings
from ocistore.formats.media_types import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, shape_of
from ocistore.plan.oci.state import LayoutState, NativeFailure, is_go_digest
from ocistore.plan.oci.umoci import is_tag
from ocistore.plan.oci.versions import Version, read_version
from ocistore.plan.options import Spec, parse
from ocistore.plan.plan import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.formats.oci import Descriptor

DELETES_SINCE: Version = (1, 14, 0)
"""skopeo 1.14 is the first one with a containers/image (5.29) that deletes from `oci:`."""
_TRANSPORT = "oci:"
_NAMEABLE = (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST)
_Key = tuple[str, str]


def run(state: LayoutState, argv: Sequence[str], version: str | None) -> Outcome:
    """Simulates a command line whose first word, `skopeo`, is cut off.

    Raises:
        UsageError: another verb or transport, or an option that isn't simulated.
    """
    release = read_version("skopeo", version)
    if not argv or argv[0] != "delete":
        raise UsageError(f"{' '.join(['skopeo', *argv[:1]])}: only delete is simulated")
    parsed = parse(argv[1:], Spec(command="skopeo delete", at_least=1, at_most=1))
    image = parsed.positional[0]
    if not image.startswith(_TRANSPORT):
        raise UsageError(f"skopeo delete: {image!r} is not of this layout; only oci:LAYOUT[:NAME] is simulated")
    # What follows the first colon after the transport is the name, as containers/image splits on Linux.
    _, _, name = image.removeprefix(_TRANSPORT).partition(":")
    return delete_image(state, name, release)


def delete_image(state: LayoutState, name: str, release: Version) -> Outcome:
    """Deletes the blobs that only this entry uses, and the entry."""
    outcome = Outcome()
    try:
        if release < DELETES_SINCE:
            raise NativeFailure("skopeo before 1.14 can't delete from oci: layouts")
        position = _find(state, name)
        whole = _count(state, [entry.descriptor for entry in state.entries])
        used = _count(state, [state.entries[position].descriptor])
    except NativeFailure as err:
        outcome.failure = err.sentence
        return outcome
    taken = [digest for digest in whole if whole[digest] == used.get(digest, 0)]
    if bad := [digest for digest in taken if not is_go_digest(digest)]:
        # The blobs are taken in the random order of a Go map, and skopeo stops at this one.
        outcome.failure = f"skopeo stops at the digest {bad[0][:200]!r}, which it can't turn into a path"
        findings = Findings()
        findings.say(
            "native-order-undefined",
            "skopeo deletes the blobs in random order and stops at one; which ones go before it is not defined",
            root=state.store.root,
        )
        outcome.findings.extend(findings)
        return outcome
    shown = name or "the only entry"
    outcome.removals.extend(state.remove(digest, f"only {shown} uses it") for digest in taken if state.has(digest))
    kept = [entry for at, entry in enumerate(state.entries) if at != position]
    outcome.removals.extend(state.keep_entries(kept, "its entry is removed from index.json"))
    return outcome


def _find(state: LayoutState, name: str) -> int:
    """Position of the entry that a name means (oci-layout 7.3, step 1).

    Raises:
        NativeFailure: none, or none that skopeo would take.
    """
    entries = state.entries
    if state.records.index_doubt:
        raise NativeFailure(state.records.index_doubt)
    if not name:
        if len(entries) != 1:
            raise NativeFailure(f"skopeo needs a name: index.json has {len(entries)} entries")
        return 0
    if name.startswith("@"):
        if not (name[1:].isascii() and name[1:].isdigit()):
            raise NativeFailure(f"skopeo takes no such position as {name[:60]!r}")
        position = int(name[1:12])
        if len(name) > 12 or position >= len(entries):
            raise NativeFailure(f"index.json has no entry {name[:60]}: it has {len(entries)}")
        return position
    if not is_tag(name):
        raise NativeFailure(f"skopeo takes no such name as {name[:200]!r}")
    named = [at for at, entry in enumerate(entries) if entry.name == name]
    for at in named:
        if entries[at].descriptor.media_type in _NAMEABLE:
            return at
    if named:
        raise NativeFailure(f"{name} is of the type {entries[named[0]].descriptor.media_type[:120]!r}: no image")
    raise NativeFailure(f"index.json has no entry named {name}")


def _count(state: LayoutState, roots: list[Descriptor]) -> dict[str, int]:
    """How often each digest is used below these descriptors, with multiplicity, themselves included (step 2).

    An index that is listed twice counts all below it twice, so the numbers grow with the product of the repetitions;
    they are summed from the top down instead of walked.

    Raises:
        NativeFailure: another media type than OCI manifest and index, or a manifest that can't be read.
    """
    times: dict[_Key, int] = {}
    for root in roots:
        times[_key(root)] = times.get(_key(root), 0) + 1
    counts: dict[str, int] = {}
    for key in reversed(_bottom_up(state, list(dict.fromkeys(map(_key, roots))))):
        here = times[key]
        counts[key[0]] = counts.get(key[0], 0) + here
        manifests, leaves = _uses(state, key)
        for digest in leaves:
            counts[digest] = counts.get(digest, 0) + here
        for below in manifests:
            times[below] = times.get(below, 0) + here
    return counts


def _bottom_up(state: LayoutState, roots: list[_Key]) -> list[_Key]:
    """The manifests and indexes below `roots`, each after all that it lists.

    Raises:
        NativeFailure: see `_uses`; or an index that lists itself, where skopeo would not end.
    """
    done: dict[_Key, bool] = {}
    ordered: list[_Key] = []
    for root in roots:
        stack = [(root, False)]
        while stack:
            key, leaving = stack.pop()
            if leaving:
                done[key] = True
                ordered.append(key)
                continue
            if key in done:
                if not done[key]:
                    raise NativeFailure(f"{key[0]} lists itself, and skopeo would not end")
                continue
            done[key] = False
            stack.append((key, True))
            manifests, _ = _uses(state, key)
            # One that was seen and isn't left yet is above: a cycle, told when it is popped.
            stack.extend((below, False) for below in dict.fromkeys(manifests) if not done.get(below, False))
    return ordered


def _uses(state: LayoutState, key: _Key) -> tuple[list[_Key], list[str]]:
    """The manifests that an index lists, and the digests of a manifest's configuration and layers.

    Raises:
        NativeFailure: another media type, an invalid digest, or a document that can't be read.
    """
    digest, media_type = key
    if not is_go_digest(digest):
        raise NativeFailure(f"{digest[:200]!r} is no digest that skopeo takes")
    if media_type not in (MANIFEST, INDEX):
        raise NativeFailure(f"skopeo counts no blobs of the type {media_type[:120]!r} ({digest})")
    document = state.document(digest, shape_of(media_type))
    if media_type == INDEX:
        return [_key(each) for each in document.last.get("manifests", ())], []
    configs = document.last.get("config", ())
    # Without a config Go counts the empty digest.
    leaves = [configs[-1].digest if configs else "", *(each.digest for each in document.last.get("layers", ()))]
    return [], leaves


def _key(descriptor: Descriptor) -> _Key:
    return descriptor.digest, descriptor.media_type
