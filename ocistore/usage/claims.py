"""Claims: paths whose bytes are counted apart, in the directories that a store's places come down to."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, NamedTuple

from ocistore.disk.filesystem import EXTENT_SHARING, find_type
from ocistore.disk.walk import walk
from ocistore.usage.bytes import Bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ocistore.disk.walk import Walked
    from ocistore.findings import Findings
    from ocistore.stores.store import Place, Store


class Spot(NamedTuple):
    """A path as walks see it: number of the place that is walked, and the path in it."""

    place: int
    path: str


class Group(NamedTuple):
    """Inodes with several names, of which each has one in each of these claims and in no other.

    Attributes:
        claims: their numbers, ascending, each once.
        complete: all names are among the claims; else some are elsewhere and the inodes outlive the claims.
        amount: bytes, each inode once.
    """

    claims: tuple[int, ...]
    complete: bool
    amount: Bytes


class Spots:
    """Where the places of a store lie in each other.

    A place inside another one on the same file system is walked with it, so that nothing is counted twice.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        tops = [os.path.realpath(place.tree.path) for place in store.places]
        devices = [os.fstat(place.tree.descriptor).st_dev for place in store.places]
        self._inside: list[tuple[int, str]] = []
        for number, top in enumerate(tops):
            found = (number, "")
            for outer, above in enumerate(tops):
                if devices[outer] != devices[number] or outer == number:
                    continue
                # The outermost one; of two that are the same directory the first.
                if (top.startswith(above.rstrip("/") + "/") or (top == above and outer < number)) and len(above) <= len(
                    tops[found[0]]
                ):
                    found = (outer, top[len(above) :].strip("/"))
            self._inside.append(found)

    def spot(self, place: int, path: str) -> Spot:
        """The path of a place as walks see it."""
        outer, inside = self._inside[place]
        if not inside:
            return Spot(outer, path)
        return Spot(outer, f"{inside}/{path}" if path else inside)

    def find(self, path: str) -> Spot:
        """A path as answers spell it.

        Raises:
            KeyError: it is in no place of the store.
        """
        if not path.startswith("/"):
            # Only paths outside the root are absolute.
            return self.spot(0, path.rstrip("/"))
        for number, place in enumerate(self._store.places):
            if number and path == place.prefix.rstrip("/"):
                return self.spot(number, "")
        place, inside = self._store.locate(path.rstrip("/"))
        number = next(n for n, other in enumerate(self._store.places) if other is place)
        return self.spot(number, inside)


class Amounts:
    """Bytes by claim, on flat arrays: a ledger has hundreds of thousands of claims."""

    __slots__ = ("_columns",)

    def __init__(self, count: int) -> None:
        none = bytes(8 * count)
        self._columns = array("q", none), array("q", none), array("q", none)

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[Bytes]:
        return map(Bytes, *self._columns)

    @property
    def columns(self) -> tuple[array[int], array[int], array[int]]:
        """Allocated bytes, apparent bytes and inodes, each by claim."""
        return self._columns

    def put(self, claims: Sequence[int], columns: Sequence[Sequence[int]]) -> None:
        """Says what each of some claims has, in their order: allocated, apparent, inodes."""
        for mine, amounts in zip(self._columns, columns, strict=True):
            for claim, amount in zip(claims, amounts, strict=True):
                mine[claim] = amount


class Counted:
    """What walks of claims gave, all places together.

    Attributes:
        spots: where each claim lies.
        single: bytes by claim: directories and inodes all of whose names the claim has.
        groups: the others.
        noted: by place that was walked, the directories in it whose names its tree was to note; None where it was to
            note none, or not all of it could be counted.
        incomplete: claims that lack something that could not be read.
    """

    def __init__(self, spots: list[Spot]) -> None:
        self.spots = spots
        self.single = Amounts(len(spots))
        self.groups: list[Group] = []
        self.noted: dict[int, Collection[str] | None] = {}
        self.incomplete: set[int] = set()


def count_claims(
    store: Store,
    spots: list[Spot],
    key_of: Callable[[int], str | None],
    findings: Findings,
    progress: Callable[[int, int], None] | None = None,
) -> Counted:
    """Walks the claims of all places.

    Args:
        store: whose places are walked; only those in which claims lie.
        spots: where the claims lie, all different.
        key_of: of a claim, `kind:id` of the node that findings name, or None.
        findings: takes what could not be counted.
        progress: see `ocistore.disk.walk.walk`.
    """
    counted = Counted(spots)
    links: dict[tuple[int, int], list[int]] = {}
    for number, place in enumerate(store.places):
        mine = [claim for claim, spot in enumerate(spots) if spot.place == number]
        if not mine:
            continue
        paths = [spots[claim].path for claim in mine]
        tree = place.tree
        walked = walk(tree.descriptor, paths, progress, aheads=tree.aheads, notes=tree.notes)
        tree.aheads.clear()
        counted.noted[number] = walked.noted if tree.notes and not walked.problems else None
        counted.single.put(mine, (walked.allocated, walked.apparent, walked.inodes))
        counted.incomplete.update(mine[claim] for claim in walked.incomplete)
        for inode, record in walked.links.items():
            names = [mine[claim] for claim in record[3:]]
            known = links.get((walked.device, inode))
            if known is None:
                links[walked.device, inode] = [*record[:3], *names]
            else:
                # Names of one inode in two places of the same file system.
                known[2] -= len(names)
                known += names
        _report(store, place, walked, mine, key_of, findings)
    counted.groups = _grouped(links)
    return counted


def _grouped(links: dict[tuple[int, int], list[int]]) -> list[Group]:
    sums: dict[tuple[tuple[int, ...], bool], Bytes] = {}
    for allocated, apparent, left, *names in links.values():
        key = (tuple(sorted(set(names))), left <= 0)
        sums[key] = sums.get(key, Bytes()).plus(Bytes(allocated, apparent, 1))
    return [Group(claims, complete, amount) for (claims, complete), amount in sums.items()]


def _report(
    store: Store,
    place: Place,
    walked: Walked,
    mine: list[int],
    key_of: Callable[[int], str | None],
    findings: Findings,
) -> None:
    kind = find_type(place.tree.path)
    if kind in EXTENT_SHARING:
        text = f"files on {kind} can share blocks, which are counted for each of them; less may come back than is said"
        findings.say("shared-extents", text, path=place.prefix.rstrip("/"), root=store.root)
    for problem in walked.problems:
        path = place.prefix + problem.path
        node = key_of(mine[problem.claim]) if problem.claim >= 0 else None
        if problem.what == "unreadable":
            why = os.strerror(problem.errno).lower()
            findings.say("unreadable", f"{why}; what it holds is not counted", path=path, node=node, root=store.root)
        elif problem.what == "changed":
            text = "vanished or was exchanged while it was counted; an engine may be running"
            findings.say("changed-while-read", text, path=path, node=node, root=store.root)
        else:
            text = "another file system is mounted here; it is not entered and not counted"
            findings.say("live-mount", text, path=path, node=node, root=store.root)
