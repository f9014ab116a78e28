"""Runs native command lines on a layout that was read, as the command line does: stop at the first failure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.plan.oci.session import open_session

if TYPE_CHECKING:
    from ocistore.findings import Finding
    from ocistore.plan.plan import Removal
    from ocistore.stores.store import Store


@dataclass
class Ran:
    """What a sequence of commands did."""

    removals: list[Removal] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    failure: str = ""
    blocked: str = ""

    @property
    def steps(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Kind, id and paths of each step."""
        return [(each.kind, each.id, each.paths) for each in self.removals]

    def ids(self, kind: str) -> list[str]:
        """Ids of the steps of a kind, in order."""
        return [each.id for each in self.removals if each.kind == kind]

    @property
    def blobs(self) -> list[str]:
        """Digests that go, in order."""
        return self.ids("blob")

    @property
    def codes(self) -> list[str]:
        """Codes of the findings."""
        return [finding.code for finding in self.findings]

    @property
    def texts(self) -> str:
        """All sentences of the findings."""
        return "\n".join(finding.text for finding in self.findings)


def run_all(store: Store, commands: str, version: str | None = None) -> Ran:
    """What commands joined by ` && ` take."""
    session = open_session(store, 0)
    ran = Ran()
    for command in commands.split(" && "):
        outcome = session.run(shlex.split(command), version)
        ran.removals.extend(outcome.removals)
        ran.findings.extend(outcome.findings)
        ran.failure, ran.blocked = outcome.failure, outcome.blocked
        if ran.failure or ran.blocked:
            break
    return ran
