"""The plan as a value: one function decides, three printers show (JSON, table, script); nothing is executed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ocistore.findings import Finding
    from ocistore.usage.bytes import Bytes


class Removal(NamedTuple):
    """What a rule takes: one node and the topmost paths that go with it.

    Attributes:
        node: number in the store's graph, None for a path that is part of a node (a stale marker file).
        kind: kind of node as steps name it.
        id: its id.
        paths: relative to the store's root, absolute outside it; may be empty (a name, a pod).
        why: the reason, a few words.
        native: the command that does exactly this step, None if there is none.
    """

    node: int | None
    kind: str
    id: str
    paths: tuple[str, ...]
    why: str
    native: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A removal with its bytes; `frees` is None where it can't be proved."""

    removal: Removal
    frees: Bytes | None
    cumulative: Bytes | None


@dataclass(slots=True)
class Plan:
    """What to remove, in order, children first.

    Attributes:
        command: the native command line that it simulates, None for scopes.
        now: the time that ages were judged by, RFC 3339 in UTC.
        blocked: doubt forbids the plan; `steps` is empty then.
        frees: the sum over all directories touched; None where it can't be proved.
        steps: in order.
        findings: those of this plan, besides the store's own.
    """

    command: str | None
    now: str
    blocked: bool = False
    frees: Bytes | None = None
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What a rule or a native command did, before bytes are counted.

    Attributes:
        removals: in the order of removal.
        failure: why the native command fails at this point, empty if it doesn't.
        findings: notes and warnings of the rule.
        blocked: why nothing may be planned, empty if it may.
    """

    removals: list[Removal] = field(default_factory=list)
    failure: str = ""
    findings: list[Finding] = field(default_factory=list)
    blocked: str = ""
