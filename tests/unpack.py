"""Unpacks a bundled store: faithfully as root, else without what only root can make.

usage: python tests/unpack.py ARCHIVE.tar.zst DIRECTORY
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator

_XATTR = "SCHILY.xattr."


def unpack(archive: Path, into: Path) -> list[str]:
    """Unpacks a store below `into`.

    Returns:
        What could not be made as it was, a sentence each; empty for root.
    """
    if os.geteuid() == 0:
        # tarfile writes no extended attributes and rounds times; tar does neither.
        command = ["tar", "-x", "-p", "-S", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", str(into)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as tar, archive.open("rb") as file:
            assert tar.stdin is not None
            zstandard.ZstdDecompressor().copy_stream(file, tar.stdin)
        if tar.returncode:
            raise RuntimeError(f"{archive.name}: tar exit {tar.returncode}")
        return []
    skipped: dict[str, int] = {}
    with archive.open("rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file)
        with tarfile.open(fileobj=stream, mode="r|") as tar_file:
            if hasattr(tarfile, "fully_trusted_filter"):
                # Later patch releases ask for it; Debian 12's 3.11.2 doesn't know it.
                tar_file.extraction_filter = tarfile.fully_trusted_filter
            tar_file.extractall(into, members=_members(tar_file, skipped))
    if not skipped:
        return []
    return [f"{archive.name}: left out, as only root can make them: {_counted(skipped)}; all files are yours"]


def _members(tar: tarfile.TarFile, skipped: dict[str, int]) -> Iterator[tarfile.TarInfo]:
    """The members that an ordinary user can make, readable and removable by whoever unpacks them."""
    for member in tar:
        if member.ischr() or member.isblk():
            skipped["device nodes"] = skipped.get("device nodes", 0) + 1
            continue
        if any(key.startswith(_XATTR) for key in member.pax_headers):
            skipped["extended attributes"] = skipped.get("extended attributes", 0) + 1
        member.mode |= 0o700 if member.isdir() else 0o600
        yield member


def _counted(skipped: dict[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(skipped.items()))


def main(arguments: list[str]) -> Any:  # noqa: ANN401 - an exit status or a sentence
    """The command line."""
    if len(arguments) != 2:
        return __doc__
    into = Path(arguments[1])
    into.mkdir(parents=True, exist_ok=True)
    for sentence in unpack(Path(arguments[0]), into):
        print(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
