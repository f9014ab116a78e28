"""Runs the command line in this process and gives back what a shell would see."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Ran(NamedTuple):
    """An exit status and what was printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The answer of `--json`."""
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.out.splitlines()


def ocistore(*arguments: str | Path) -> Ran:
    """Runs `ocistore` with these arguments; standard output is a pipe."""
    from ocistore.cli.main import status_of

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = status_of([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    assert "Traceback" not in texts[1]
    return Ran(status, *texts)


def in_process(*arguments: str | Path, **environment: str) -> Ran:
    """As `ocistore`, in a process of its own."""
    import os
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "ocistore", *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)
