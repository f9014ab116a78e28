"""What verbs print besides their answers: findings, and the exit status that they mean."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ocistore.cli.table import counted, escape, paint
from ocistore.findings import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ocistore.findings import Finding
    from ocistore.stores.store import Store

_SHOWN = 20
_COLOUR = {"error": "red", "warning": "yellow", "note": "dim"}


def findings_of(stores: Iterable[Store]) -> list[Finding]:
    """The findings of several stores, in order, and whether an engine wrote in one meanwhile."""
    stores = list(stores)
    for store in stores:
        store.notice_changes()
    return [finding for store in stores for finding in store.findings]


def status_of(findings: Iterable[Finding]) -> int:
    """0, or 1 if any finding is an error."""
    return int(any(finding.severity == "error" for finding in findings))


def finding_line(finding: Finding, colour: bool = True) -> str:
    """A finding as one line: severity, path, sentence, code."""
    path = finding.path
    if finding.root != "." and not path.startswith("/"):
        path = f"{finding.root}/{path}" if path else finding.root
    where = f"{escape(path)}: " if path else (f"{escape(finding.node)}: " if finding.node else "")
    severity = paint(finding.severity, _COLOUR[finding.severity]) if colour else finding.severity
    return f"{severity}: {where}{escape(finding.text)} [{finding.code}]"


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; else in the order they were met."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def tell(findings: Sequence[Finding], verbose: bool = False, always: Sequence[Finding] = ()) -> None:
    """Prints errors and warnings to standard error, notes too if `verbose`; long lists are cut.

    Notes among `always` are printed in any case.
    """
    wanted = set(always)
    told = [found for found in by_severity(findings) if verbose or found.severity != "note" or found in wanted]
    if not told:
        return
    sys.stdout.flush()
    for finding in told if verbose else told[:_SHOWN]:
        print(finding_line(finding, colour=False), file=sys.stderr)
    if not verbose and len(told) > _SHOWN:
        print(f"and {counted(len(told) - _SHOWN, 'finding')} more: ocistore check lists them", file=sys.stderr)


def summary(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning, 4 notes`, or `nothing found`."""
    parts = []
    for severity in SEVERITIES:
        count = sum(1 for finding in findings if finding.severity == severity)
        if count:
            parts.append(counted(count, severity))
    return ", ".join(parts) or "nothing found"
