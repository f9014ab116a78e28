"""Which nodes a list shows: the words of `--filter` and `--kind`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile, UsageError
from ocistore.formats.gotime import parse_duration
from ocistore.graph.graph import FATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocistore.graph.graph import Fate, Node
    from ocistore.stores.store import Store

KINDS = (
    "image",
    "layer",
    "container",
    "pod",
    "volume",
    "ref",
    "content",
    "blob",
    "record",
    "snapshot",
    "lease",
    "ingest",
    "history",
    "debris",
    "own",
)
"""The kinds of nodes, in the order that lists show them."""
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}

STATES = frozenset(
    # images
    "named dangling intermediate unreadable list list-member build-step stage builder pack-builder builder-generation"
    " read-only duplicate pinned pack-ephemeral"
    # containers and pods
    " running stopped created exited paused removing stopping degraded errored external podman buildah cri-o"
    " image-volume podman-lost unknown-tool pins-image buildx-builder not-loaded dead restarting"
    # volumes, layers
    " used unused anonymous named-volume mapped buildx-state builder-gone pack-cache options"
    # build records, leases, snapshots
    " regular internal frontend source.local source.git.checkout exec.cachemount mutable immutable retained lazy pair"
    " merge diff stale completed unfinished pinned expired view active committed"
    # blobs of layouts, debris
    " manifest index config layer attestation referrer temporary incomplete-layer".split()
)
"""Words that may fit no node of a store without being a mistake."""
_AGE = re.compile(r"(\d+)\s*([dw])")
_DAY_NS = 86_400 * 1_000_000_000


@dataclass(slots=True)
class Wanted:
    """What a list shows; everything that is set must fit.

    Attributes:
        kinds: kinds of nodes, all if empty.
        words: states or traits.
        names: shell patterns of names or ids.
        labels: (key, value or None for any).
        older_ns: at least this old.
        fates: fates.
    """

    kinds: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: list[tuple[str, str | None]] = field(default_factory=list)
    older_ns: list[int] = field(default_factory=list)
    fates: list[str] = field(default_factory=list)

    def fits(self, node: Node, fate: Fate | None, now_ns: int) -> bool:
        """Whether a node is shown; `fate` is None where no fate is wanted."""
        if self.kinds and node.kind not in self.kinds:
            return False
        if not all(word == node.state or word in node.traits for word in self.words):
            return False
        if not all(any(_matches(name, glob) for name in (*node.names, node.id)) for glob in self.names):
            return False
        labels = node.labels or {}
        if not all(key in labels and value in (None, labels[key]) for key, value in self.labels):
            return False
        if self.older_ns:
            created = node.created_ns
            if created is None or any(now_ns - created < age for age in self.older_ns):
                return False
        return all(fate == wanted for wanted in self.fates)

    def check_words(self, nodes: Iterable[Node]) -> None:
        """Refuses a word that no node of the store has and that isn't a known state; a typing error finds nothing.

        Raises:
            UsageError: such a word.
        """
        there: set[str] = set()
        for node in nodes:
            there.add(node.state)
            there.update(node.traits)
        for word in self.words:
            if word not in there and word not in STATES:
                raise UsageError(f"--filter {word}: no state or trait; there are {', '.join(sorted(there - {''}))}")


def parse_filters(texts: Sequence[str], kinds: Sequence[str] = ()) -> Wanted:
    """Reads the values of `--filter` and `--kind`.

    Raises:
        UsageError: a value that is none of the forms.
    """
    wanted = Wanted()
    for text in kinds:
        wanted.kinds.extend(_kinds(text, "--kind"))
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            (wanted.fates if text in FATES else wanted.words).append(text)
        elif key == "kind":
            wanted.kinds.extend(_kinds(value, "--filter kind"))
        elif key == "name":
            wanted.names.append(value)
        elif key == "label":
            name, has_value, label = value.partition("=")
            wanted.labels.append((name, label if has_value else None))
        elif key == "older":
            wanted.older_ns.append(parse_age(value, "--filter older"))
        else:
            raise UsageError(
                f"--filter {text}: not a state, `unreferenced`, `kind=`, `name=GLOB`, `label=K[=V]` or `older=AGE`"
            )
    return wanted


def parse_age(text: str, option: str) -> int:
    """Nanoseconds of an age as a person types it: `24h`, `90m`, `7d`, `2w`.

    Raises:
        UsageError: it is no age.
    """
    found = _AGE.fullmatch(text)
    if found:
        return int(found[1]) * _DAY_NS * (7 if found[2] == "w" else 1)
    try:
        value = parse_duration(text)
    except CorruptFile:
        value = -1
    if value < 0:
        raise UsageError(f"{option}={text}: not an age like 90m, 24h, 7d")
    return value


def _kinds(text: str, option: str) -> list[str]:
    found = text.split(",")
    for kind in found:
        if kind not in _RANK:
            raise UsageError(f"{option}={kind}: no kind of thing; there are {', '.join(KINDS)}")
    return found


def _matches(name: str, glob: str) -> bool:
    """Whether a name fits a pattern, also without its registry or tag."""
    if fnmatchcase(name, glob):
        return True
    last = name.rpartition("/")[2]
    return fnmatchcase(last, glob) or fnmatchcase(last.partition(":")[0], glob)


def rank(kind: str) -> int:
    """Where a kind stands in lists."""
    return _RANK.get(kind, len(_RANK))


def select(store: Store, wanted: Wanted, now_ns: int) -> list[int]:
    """The nodes of a store that fit, in the graph's order."""
    of: Sequence[Fate] | None = None
    if wanted.fates:
        from ocistore.usage.fates import fates

        of = fates(store)
    return [
        number
        for number, node in enumerate(store.graph.nodes)
        if wanted.fits(node, of[number] if of is not None else None, now_ns)
    ]
