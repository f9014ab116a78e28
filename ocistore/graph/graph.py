"""The graph of a store: nodes, and who holds whom, with the words of each edge.

Nodes are numbered from 0 in the order they are added and interned by (store, kind, id); edges lie in flat arrays, so
that a million of them are cheap.  The graph knows no files: a node's paths are the store's business.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Fate = Literal["held", "unreferenced", "own", "unknown"]
FATES: tuple[Fate, ...] = ("held", "unreferenced", "own", "unknown")


@dataclass(slots=True)
class Node:
    """A thing in a store.

    Attributes:
        kind: one of the kinds of design.md section 1 (`image`, `layer`, `blob`, `debris`, ...).
        id: what the engine prints for it, in full.
        store: number of the store it lies in (0: the one that was asked about).
        names: its names, in the engine's order.
        state: the main word for its state (`named`, `dangling`, `intermediate`, `running`, ...), empty if it has none.
        traits: further words that `--filter` picks it by (`stage`, `list-member`, `builder`, `read-only`, ...).
        created_ns: nanoseconds since 1970, of the years 1 to 9999; None where the records don't say.
        parents: numbers of the nodes it is built on (an image's parent image, a layer's parent layer).
        labels: its labels where it has them.
        doubt: why its fate is unknown, empty if it isn't.
        note: what a person should know about it (who made it, what it is), one phrase.
        unsized: its bytes can't be counted from files (a driver whose sharing stat doesn't see); never printed as 0.
    """

    kind: str
    id: str
    store: int = 0
    names: Sequence[str] = ()
    state: str = ""
    traits: tuple[str, ...] = ()
    created_ns: int | None = None
    parents: tuple[int, ...] = ()
    labels: Mapping[str, str] | None = None
    doubt: str = ""
    note: str = ""
    unsized: bool = False

    @property
    def key(self) -> str:
        """`kind:id`, its name inside one store."""
        return f"{self.kind}:{self.id}"


class Graph:
    """Nodes and the edges `A holds B`: while A is there, B must stay.

    Example:
        >>> g = Graph()
        >>> image, layer = g.add("image", "i1"), g.add("layer", "l1")
        >>> g.root(image, "is an image record")
        >>> g.hold(image, layer, "is the top layer of")
        >>> [(g.nodes[h].id, word) for h, word in g.holders(layer)]
        [('i1', 'is the top layer of')]
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        # By store and kind: a tuple a node would be a quarter of what the graph weighs.
        self._numbers: dict[tuple[int, str], dict[str, int]] = {}
        self._from = array("I")
        self._to = array("I")
        self._word = array("H")
        self._words: list[str] = []
        self._word_numbers: dict[str, int] = {}
        self._roots: dict[int, tuple[str, ...]] = {}
        self._reasons: dict[str, tuple[str, ...]] = {}
        self._holders: _Adjacency | None = None
        self._held: _Adjacency | None = None

    def __len__(self) -> int:
        return len(self.nodes)

    def add(self, kind: str, ident: str, store: int = 0) -> int:
        """The number of the node, which is made if it isn't there."""
        known = self._numbers.get((store, kind))
        if known is None:
            known = self._numbers[store, kind] = {}
        number = known.get(ident)
        if number is None:
            number = known[ident] = len(self.nodes)
            self.nodes.append(Node(kind, ident, store))
        return number

    def find(self, kind: str, ident: str, store: int = 0) -> int | None:
        """The number of a node that is there, or None."""
        known = self._numbers.get((store, kind))
        return None if known is None else known.get(ident)

    def hold(self, holder: int, held: int, word: str) -> None:
        """Adds `holder` holds `held`; `word` reads "HELD `word` HOLDER" ("is the parent of", "is mounted by")."""
        if holder == held:
            return
        number = self._word_numbers.get(word)
        if number is None:
            number = self._word_numbers[word] = len(self._words)
            self._words.append(word)
        self._from.append(holder)
        self._to.append(held)
        self._word.append(number)
        self._holders = self._held = None

    def root(self, number: int, word: str) -> None:
        """Says that a node stays because of itself, and why."""
        words = self._roots.get(number)
        if words is None:
            # One tuple for all that stay for the same reason.
            self._roots[number] = self._reasons.setdefault(word, (word,))
        elif word not in words:
            self._roots[number] = (*words, word)

    @property
    def roots(self) -> Mapping[int, Sequence[str]]:
        """The roots and why each is one."""
        return self._roots

    @property
    def edge_count(self) -> int:
        """How many edges there are."""
        return len(self._from)

    def edges(self) -> Iterator[tuple[int, int, str]]:
        """Every edge as (holder, held, word)."""
        words = self._words
        for a, b, w in zip(self._from, self._to, self._word, strict=True):
            yield a, b, words[w]

    def holders(self, number: int) -> Iterator[tuple[int, str]]:
        """Who holds this node, with the words."""
        if self._holders is None:
            self._holders = _Adjacency(len(self.nodes), self._to, self._from, self._word)
        return self._holders.of(number, self._words)

    def held_by(self, number: int) -> Iterator[tuple[int, str]]:
        """Whom this node holds, with the words."""
        if self._held is None:
            self._held = _Adjacency(len(self.nodes), self._from, self._to, self._word)
        return self._held.of(number, self._words)

    def holder_numbers(self) -> tuple[array[int], array[int]]:
        """The edges by held as (offsets, holders): those of n are holders[offsets[n]:offsets[n+1]]."""
        if self._holders is None:
            self._holders = _Adjacency(len(self.nodes), self._to, self._from, self._word)
        return self._holders.offsets, self._holders.ends

    def held_numbers(self) -> tuple[array[int], array[int]]:
        """The edges by holder as (offsets, held): those of n are held[offsets[n]:offsets[n+1]]."""
        if self._held is None:
            self._held = _Adjacency(len(self.nodes), self._from, self._to, self._word)
        return self._held.offsets, self._held.ends


class _Adjacency:
    """Edges sorted by one end, as two flat arrays (counting sort, order of insertion kept)."""

    __slots__ = ("ends", "offsets", "words")

    def __init__(self, count: int, keys: array[int], ends: array[int], words: array[int]) -> None:
        offsets = array("I", bytes(4 * (count + 1)))
        for key in keys:
            offsets[key + 1] += 1
        for i in range(count):
            offsets[i + 1] += offsets[i]
        place = array("I", offsets[:count])
        self.ends = array("I", bytes(4 * len(ends)))
        self.words = array("H", bytes(2 * len(words)))
        for key, end, word in zip(keys, ends, words, strict=True):
            at = place[key]
            self.ends[at] = end
            self.words[at] = word
            place[key] = at + 1
        self.offsets = offsets

    def of(self, number: int, names: list[str]) -> Iterator[tuple[int, str]]:
        if number + 1 >= len(self.offsets):
            return
        for at in range(self.offsets[number], self.offsets[number + 1]):
            yield self.ends[at], names[self.words[at]]
