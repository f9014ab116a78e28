"""Stores inside a store: data-roots in volumes, builders' state, file systems of containers that hold one.

They are stores of their own, with their own ledgers; in the ledger of the outer store their bytes are the volume's or
the layer's that they lie in (design 3: never add ledgers).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocistore.errors import OcistoreError
from ocistore.findings import Findings
from ocistore.stores.detect import detect
from ocistore.stores.open import open_stores
from ocistore.stores.store import Options

if TYPE_CHECKING:
    from collections.abc import Collection

    from ocistore.stores.store import Store

_OWN_DAEMON = "containerd/daemon"
"""The containerd that dockerd runs itself is part of the docker store (docker-buildkit-containerd 2.1)."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A store inside another one.

    Attributes:
        store: what was read of it; its root is relative to the same directory as the outer store's.
        inside: root of the store that it lies in.
        through: `volume:NAME` or `layer:ID` of that store, None if in neither.
    """

    store: Store
    inside: str
    through: str | None


def read_nested(path: str, outer: Store, now_ns: int, noted: Collection[str] | None = None) -> list[Nested]:
    """Reads the stores inside `outer`, and those inside them; what can't be read becomes a finding of `outer`.

    Args:
        path: the directory that answers are relative to.
        outer: a store that was read, of that directory or below it.
        now_ns: the time that expiries are judged at.
        noted: see `ocistore.stores.detect.detect`.
    """
    findings = Findings()
    top = path if outer.root == "." else os.path.join(path, outer.root)
    in_it = detect(top, findings=findings, noted=noted)
    outer.findings.take(findings)
    found: list[Nested] = []
    kinds = {".": outer.kind}
    for each in in_it:
        kinds[each.root] = each.kind
        if each.inside is None or _is_part_of_docker(each.root, each.inside, kinds.get(each.inside)):
            continue
        root = each.root if outer.root == "." else f"{outer.root}/{each.root}"
        inside = (
            outer.root if each.inside == "." else (each.inside if outer.root == "." else f"{outer.root}/{each.inside}")
        )
        try:
            (store,) = open_stores(path, Options(now_ns=now_ns), root)
        except OcistoreError as err:
            outer.findings.say("nested-unread", f"a store of kind {each.kind}: {err.sentence}", path=each.root)
            continue
        found.append(Nested(store, inside, each.through))
    return found


def _is_part_of_docker(root: str, inside: str, kind: str | None) -> bool:
    return kind == "docker" and root == (_OWN_DAEMON if inside == "." else f"{inside}/{_OWN_DAEMON}")
