"""A session of native commands on one layout: each sees what those before it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import UsageError
from ocistore.findings import Findings
from ocistore.plan.oci import oras, skopeo, umoci
from ocistore.plan.oci.state import LayoutState, some
from ocistore.plan.plan import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ocistore.stores.store import Store

_TOOLS: dict[str, Callable[[LayoutState, Sequence[str], str | None], Outcome]] = {
    "umoci": umoci.run,
    "skopeo": skopeo.run,
    "oras": oras.run,
}


class LayoutSession:
    """Runs native commands on a layout that is never touched."""

    def __init__(self, store: Store) -> None:
        self._state = LayoutState(store)

    @property
    def blocked(self) -> str:
        """Why no native command may be planned, empty if one may.

        A damaged manifest is no reason: the tools check what they read, and the plan goes as far as they do.
        """
        store = self._state.store
        if self._state.records.index_doubt:
            return self._state.records.index_doubt
        if any(finding.code == "leaves-root" and finding.root == store.root for finding in store.findings):
            return "something in the layout leads out of it"
        return ""

    def run(self, argv: list[str], version: str | None) -> Outcome:
        """What a command takes; the layout is as it leaves it afterwards.

        Args:
            argv: its words, the tool first.
            version: of the tool, None for the newest whose rules are known.

        Raises:
            UsageError: a tool, verb or option that isn't simulated.
        """
        tool = argv[0].rpartition("/")[2] if argv else ""
        if tool not in _TOOLS:
            raise UsageError(
                f"{tool or 'an empty command'} isn't simulated on an OCI layout; umoci gc, umoci rm, skopeo delete and"
                " oras manifest delete are"
            )
        if self.blocked:
            # The command is read all the same, so that a wrong one is told.
            _TOOLS[tool](LayoutState(self._state.store), argv[1:], version)
            return Outcome(blocked=self.blocked)
        outcome = _TOOLS[tool](self._state, argv[1:], version)
        if referenced := self._state.referenced_among(outcome.removals):
            findings = Findings()
            findings.say(
                "native-deletes-referenced",
                f"{tool} would delete {len(referenced)} blobs that something left in the layout refers to:"
                f" {some(referenced)}",
                node=f"blob:{referenced[0]}",
                root=self._state.store.root,
            )
            outcome.findings.extend(findings)
        return outcome


def open_session(store: Store, now_ns: int) -> LayoutSession:
    """A session on a layout.

    Args:
        store: as `read_layout` gave it.
        now_ns: the time that ages are judged by; no rule of these tools asks for it.
    """
    del now_ns
    return LayoutSession(store)
