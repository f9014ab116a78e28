"""What `umoci gc` and `umoci rm` do.  Source: oci-layout 7.1 and 7.2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, UnreadableFile, UsageError
from ocistore.formats.digest import is_encoded, parse_digest
from ocistore.formats.media_types import CONFIG, DESCRIPTOR, EMPTY, INDEX, MANIFEST, shape_of
from ocistore.formats.oci import Descriptor, decode_config
from ocistore.plan.oci.state import LayoutState, NativeFailure
from ocistore.plan.oci.versions import Version, read_version
from ocistore.plan.options import Spec, parse
from ocistore.plan.plan import Outcome, Removal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ocistore.formats.oci import Document

_TAG = re.compile(
    r"[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*(?:/[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*)*", re.ASCII
)
MIXED_SINCE: Version = (0, 5, 0)
"""From here on leaves are not opened, documents of two kinds are refused, and the empty type is known."""
_DIRECTORY = "blobs/sha256"
_OUR_WORDS = "isn't reached from index.json by what umoci reads"


def is_tag(text: str) -> bool:
    """Whether umoci accepts a name (oci-layout 7.1)."""
    return _TAG.fullmatch(text) is not None


def run(state: LayoutState, argv: Sequence[str], version: str | None) -> Outcome:
    """Simulates a command line whose first word, `umoci`, is cut off.

    Raises:
        UsageError: another verb, or an option that isn't simulated.
    """
    release = read_version("umoci", version)
    verb = argv[0] if argv else ""
    if verb == "gc":
        parsed = parse(
            argv[1:], Spec(values={"layout": ()}, command="umoci gc", at_most=0, interspersed=False, single_dash=True)
        )
        if parsed.value("layout") is None:
            raise UsageError("umoci gc: --layout LAYOUT is missing")
        return collect_garbage(state, release)
    if verb in ("rm", "remove"):
        command = f"umoci {verb}"
        parsed = parse(
            argv[1:], Spec(values={"image": ()}, command=command, at_most=0, interspersed=False, single_dash=True)
        )
        image = parsed.value("image")
        if image is None:
            raise UsageError(f"{command}: --image LAYOUT:TAG is missing")
        return remove_name(state, image)
    raise UsageError(f"{' '.join(['umoci', *argv[:1]])}: only gc and rm are simulated")


def remove_name(state: LayoutState, image: str) -> Outcome:
    """Removes every entry with a name; no blob (umoci, any version, oci-layout 7.1)."""
    outcome = Outcome()
    _, colon, tag = image.partition(":")
    tag = tag if colon else "latest"
    if not is_tag(tag):
        outcome.failure = f"umoci takes no such name as {tag[:200]!r}"
    elif refused := _refusal(state):
        outcome.failure = refused
    else:
        kept = [entry for entry in state.entries if entry.name != tag]
        outcome.removals = state.keep_entries(kept, "its name is removed from index.json")
    return outcome


def collect_garbage(state: LayoutState, release: Version) -> Outcome:
    """Marks from index.json, then removes what is unmarked below blobs/sha256, in order (oci-layout 7.2)."""
    outcome = Outcome()
    if refused := _refusal(state):
        outcome.failure = refused
        return outcome
    try:
        marked = _mark(state, release)
        _sweep(state, marked, outcome.removals)
    except NativeFailure as err:
        outcome.failure = err.sentence
        return outcome
    # Step 6; whether somebody has one locked can't be seen in the files.
    outcome.removals.extend(
        state.remove_leftover(name, "temporary directory of umoci, if nobody has it locked") for name in state.temporary
    )
    state.temporary.clear()
    return outcome


def _refusal(state: LayoutState) -> str:
    """Step 1: why umoci doesn't open the layout, empty if it does."""
    if state.records.layout_refused:
        return f"umoci doesn't open the layout: {state.records.layout_refused}"
    try:
        state.store.tree.list("blobs")
    except UnreadableFile as err:
        return f"umoci doesn't open the layout: blobs: {err.sentence}"
    return ""


def _mark(state: LayoutState, release: Version) -> set[str]:
    """Steps 2 and 3: depth first; a digest that was seen isn't descended into again.

    Raises:
        NativeFailure: a blob that must be read can't be, or isn't what it should be; nothing is deleted then.
    """
    marked: set[str] = set()
    for entry in state.entries:
        stack = [entry.descriptor]
        while stack:
            descriptor = stack.pop()
            if descriptor.digest not in marked:
                marked.add(descriptor.digest)
                stack.extend(reversed(_children(state, descriptor, release)))
    return marked


def _children(state: LayoutState, descriptor: Descriptor, release: Version) -> tuple[Descriptor, ...]:
    """What umoci's parser for the media type finds; types without a parser (Docker's, too) are leaves."""
    new = release >= MIXED_SINCE
    media_type = descriptor.media_type
    has_parser = media_type in (DESCRIPTOR, INDEX, MANIFEST, CONFIG) or (new and media_type == EMPTY)
    if has_parser or not new:
        _verify(state, descriptor)
    if not has_parser:
        return ()
    if media_type in (CONFIG, EMPTY):
        try:
            decode_config(state.read(descriptor.digest))
        except CorruptFile as err:
            raise NativeFailure(f"{descriptor.digest} {err.sentence}") from None
        return ()
    document = state.document(descriptor.digest, shape_of(media_type))
    if new and media_type != DESCRIPTOR and (contradiction := document.contradicts(media_type)):
        raise NativeFailure(f"umoci refuses {descriptor.digest}, which {contradiction}")
    return _in_order(document, media_type, new)


def _in_order(document: Document, media_type: str, new: bool) -> tuple[Descriptor, ...]:
    """The descriptors of a document in the order of umoci's structures."""
    if media_type == DESCRIPTOR:
        members: tuple[str, ...] = ("descriptor",)
    elif media_type == INDEX:
        # 0.4.7 was built with an image-spec whose index had no subject; manifests had one (tried with Debian's).
        members = ("manifests", "subject") if new else ("manifests",)
    else:
        members = ("config", "layers", "subject")
    found = tuple(each for name in members for each in document.last.get(name, ()))
    # In Go a missing configuration is one without a digest: a leaf, which only old versions open.
    return found if document.last.get("config") or media_type != MANIFEST else (Descriptor("", ""), *found)


def _verify(state: LayoutState, descriptor: Descriptor) -> None:
    """Opens a blob as umoci does: sha256 only, digest and size compared.

    Raises:
        NativeFailure: one of these doesn't hold.
    """
    digest = parse_digest(descriptor.digest)
    if digest is None or digest.algorithm != "sha256":
        raise NativeFailure(f"umoci doesn't read {descriptor.digest[:200]!r}: only sha256 digests")
    if not state.has(digest.text):
        raise NativeFailure(f"{digest.text} isn't there")
    size = descriptor.size or 0
    if size >= 0 and size != state.size(digest.text):
        raise NativeFailure(f"{digest.text} has {state.size(digest.text)} bytes, its descriptor says {size}")
    if not state.is_right(digest.text):
        raise NativeFailure(f"the bytes of {digest.text} don't match its name")


def _sweep(state: LayoutState, marked: set[str], removals: list[Removal]) -> None:
    """Steps 4 and 5: everything below blobs/sha256 in lexical order, by base name.

    Raises:
        NativeFailure: a name that is no sha256 digest; what was removed before it stays removed.
    """
    try:
        paths = list(state.files_below(_DIRECTORY))
    except UnreadableFile as err:
        raise NativeFailure(f"{_DIRECTORY}: {err.sentence}") from None
    directories = {path for path, is_directory in paths if is_directory}
    for path, _ in paths:
        name = path.rpartition("/")[2]
        digest = f"sha256:{name}"
        if digest in marked:
            continue
        if not is_encoded("sha256", name):
            raise NativeFailure(f"umoci gc stops at {path}, whose name is no sha256 digest")
        if state.has(digest):
            removals.append(state.remove(digest, _OUR_WORDS))
        elif (directory := f"{_DIRECTORY}/{name}") in directories:
            if any(other.startswith(directory + "/") for other, _ in paths):
                raise NativeFailure(f"umoci gc stops at {directory}, a directory that isn't empty")
            removals.append(state.remove_leftover(directory, _OUR_WORDS))
