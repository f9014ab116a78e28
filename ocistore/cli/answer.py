"""The JSON of an answer (schema 1): one object, the same names in every verb."""

from __future__ import annotations

import base64
import os
import sys
from typing import TYPE_CHECKING, Any

from ocistore import __version__
from ocistore.formats.gotime import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ocistore.findings import Finding
    from ocistore.stores.store import Store
    from ocistore.usage.bytes import Bytes

SCHEMA = 1
JSON = dict[str, Any]


def envelope(verb: str, findings: Iterable[Finding], **fields: object) -> JSON:
    """What every answer has in common, then the verb's own fields."""
    return {
        "ocistore": __version__,
        "schema": SCHEMA,
        "verb": verb,
        "findings": [finding_json(finding) for finding in findings],
        **fields,
    }


def finding_json(finding: Finding) -> JSON:
    """A finding as JSON."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "root": finding.root,
        "path": finding.path,
        "node": finding.node,
        "text": finding.text,
    }


def bytes_json(amount: Bytes) -> JSON:
    """Three numbers by name."""
    return {"allocated": amount.allocated, "apparent": amount.apparent, "inodes": amount.inodes}


def node_json(
    store: Store,
    number: int,
    *,
    own: Bytes | None = None,
    retains: Bytes | None = None,
    kept: Bytes | None = None,
) -> JSON:
    """A node as JSON; `own`, `retains` and `kept` are null unless they were measured."""
    graph = store.graph
    node = graph.nodes[number]
    return {
        "root": root_of(store, node.store),
        "kind": node.kind,
        "id": node.id,
        "names": list(node.names),
        "state": node.state,
        "created": None if node.created_ns is None else format_time(node.created_ns),
        "parents": [graph.nodes[parent].key for parent in node.parents],
        "held_by": sum(1 for _ in graph.holders(number)),
        "own": None if own is None else bytes_json(own),
        "retains": None if retains is None else bytes_json(retains),
        "kept": None if kept is None else bytes_json(kept),
    }


def root_of(store: Store, number: int) -> str:
    """The root of a store by its number, as answers name it."""
    for each in store.all_stores():
        if each.number == number:
            return each.root
    return store.root


def print_json(answer: JSON) -> None:
    """Writes an answer to standard output: one object, indented on a terminal."""
    # Imported here: text needs node_json's neighbours, not the encoder.
    import orjson

    option = orjson.OPT_APPEND_NEWLINE
    if sys.stdout.isatty():
        option |= orjson.OPT_INDENT_2
    try:
        data = orjson.dumps(answer, option=option)
    except (TypeError, orjson.JSONEncodeError):
        # A text that isn't UTF-8; it is looked for only when there is one.
        data = orjson.dumps(_encodable(answer), option=option)
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _encodable(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    """The same value with each text that is not UTF-8 as `{"text", "base64"}`."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return _not_utf8(value)
        return value
    if isinstance(value, dict):
        return {_key(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value


def _not_utf8(text: str) -> Mapping[str, str]:
    try:
        data = os.fsencode(text)
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return {"text": data.decode("utf-8", "replace"), "base64": base64.b64encode(data).decode("ascii")}


def _key(key: str) -> str:
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
