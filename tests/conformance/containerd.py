"""containerd as a program on a directory: it is started, asked to do commands, and ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DEADLINE = 20
_CONFIG = """version = 2
root = "{top}/root"
state = "{top}/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{top}/sock"
[plugins."io.containerd.gc.v1.scheduler"]
  startup_delay = "1h"
"""


def why_no_containerd() -> str:
    """Why containerd can't run here, empty if it can."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in ("containerd", "ctr") if shutil.which(tool) is None]
    return f"not on the PATH: {', '.join(missing)}" if missing else ""


def version() -> str:
    """The version of containerd."""
    said = subprocess.run(["containerd", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2].split("~")[0].removeprefix("v")


@contextmanager
def running(top: Path) -> Iterator[list[str]]:
    """Runs containerd on TOP/root, its collector only when it is called; gives the first words of `ctr` commands."""
    (top / "config.toml").write_text(_CONFIG.format(top=top))
    with (top / "log").open("wb") as log:
        daemon = subprocess.Popen(["containerd", "-c", str(top / "config.toml")], stdout=log, stderr=log)
    ctr = ["ctr", "-a", str(top / "sock")]
    try:
        until = time.monotonic() + _DEADLINE
        while subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode:
            if time.monotonic() > until or daemon.poll() is not None:
                raise RuntimeError((top / "log").read_text()[-2000:])
            time.sleep(0.05)
        yield ctr
    finally:
        daemon.terminate()
        daemon.wait(_DEADLINE)
