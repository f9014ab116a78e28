"""Layers whose content differs from what their tar-split says, as a full check finds them (containers-storage 3.0).

Known limits, as of the native check: a layer without tar-split has nothing to be compared with; owners of id-mapped
layers are compared shifted natively and not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocistore.errors import OcistoreError
from ocistore.stores.containers_storage.content import Headers, LayerTar, compare, read_disk, read_headers

ATTRIBUTES = "contents: "
"""Begins the reason of a layer whose bytes may be right while names, owners, times or sizes differ."""

if TYPE_CHECKING:
    from ocistore.stores.containers_storage.content import Info

    from .state import State


def verify_layers(state: State, *, digests: bool, contents: bool) -> dict[str, str]:
    """Damaged layers with the reason.

    Args:
        state: whose layers are looked at.
        digests: compare the tar, made again, with diff-digest and diff-size.
        contents: compare the files with the tar's headers: names, types, owners, sizes, modes, times.
    """
    verifier = _Verifier(state, digests=digests, contents=contents)
    found = {}
    for ident in state.layers:
        reason = verifier.verify(ident)
        if reason:
            found[ident] = reason
    return found


class _Verifier:
    def __init__(self, state: State, *, digests: bool, contents: bool) -> None:
        self._state, self._storage = state, state.storage
        self._digests, self._contents = digests, contents
        self._headers: dict[str, Headers] = {}

    def verify(self, ident: str) -> str:
        record = self._state.layers[ident]
        if f"{ident}.tar-split.gz" not in self._storage.layer_files:
            return ""
        algorithm = record.diff_digest.partition(":")[0] or "sha256"
        try:
            tar = LayerTar(self._storage, ident, algorithm)
            self._headers[ident] = read_headers(tar)
            if self._digests and record.diff_digest:
                if tar.digest != record.diff_digest:
                    return "its content has another digest than recorded"
                if record.diff_size not in (-1, tar.length):
                    return "its content has another length than recorded"
            if self._contents and not record.mapped:
                difference = self._compare(ident)
                return f"{ATTRIBUTES}{difference}" if difference else ""
        except OcistoreError as err:
            return str(err)
        return ""

    def _compare(self, ident: str) -> str:
        disk = read_disk(self._storage, ident)
        headers = self._headers[ident]
        if self._storage.driver != "overlay":
            headers = self._whole(ident)
        return compare(headers, disk, lambda path: self._below(ident, path))

    def _below(self, ident: str, path: str) -> Info | None:
        """What the headers of the layers below say of a path."""
        for below in list(self._storage.ancestors(ident))[1:]:
            headers = self._headers_of(below)
            if path in headers.files:
                return headers.files[path]
            if path in headers.whiteouts:
                return None
        return None

    def _whole(self, ident: str) -> Headers:
        """A driver of whole copies has the files of all layers below in each directory."""
        files: dict[str, Info] = {}
        for layer in reversed(list(self._storage.ancestors(ident))):
            headers = self._headers_of(layer)
            for gone in headers.whiteouts:
                files = {p: i for p, i in files.items() if p != gone and not p.startswith(gone + "/")}
            for top in headers.opaque:
                files = {p: i for p, i in files.items() if not p.startswith(top + "/")}
            files.update(headers.files)
        return Headers(files, set(), set())

    def _headers_of(self, ident: str) -> Headers:
        if ident not in self._headers:
            try:
                self._headers[ident] = read_headers(LayerTar(self._storage, ident))
            except OcistoreError:
                self._headers[ident] = Headers({}, set(), set())
        return self._headers[ident]
