"""Podman's secrets: data that no secret names (containers-storage 2.9; Part 4, class 27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocistore.errors import OcistoreError
from ocistore.formats import strict_json

if TYPE_CHECKING:
    from ocistore.stores.store import Store

_SECRETS = "secrets/secrets.json"
_DATA = "secrets/filedriver/secretsdata.json"


def read_secrets(store: Store) -> None:
    """Adds a node for each datum of the file driver that no secret names; nothing removes it, a person must judge it.

    It is an entry of a file and has no path of its own.  Where either file can't be read nothing is said of the data.
    """
    secrets, data = _read(store, _SECRETS), _read(store, _DATA)
    if secrets is None or data is None:
        return
    named = secrets.get("secrets")
    known = set(named) if isinstance(named, dict) else set()
    for ident in sorted(set(data) - known):
        node = store.graph.nodes[store.graph.add("debris", f"{_DATA}#{ident}", store.number)]
        node.state = "unnamed-secret"
        node.note = node.doubt = "data of a secret that no record names"
        text = f"has data of {ident[:64]}, which is no secret any more"
        store.findings.say("unnamed-secret", text, path=_DATA, node=node.key, root=store.root)


def _read(store: Store, path: str) -> dict[str, Any] | None:
    try:
        value = strict_json.parse(store.tree.read(path))
    except OcistoreError:
        return None
    return value if isinstance(value, dict) else None
