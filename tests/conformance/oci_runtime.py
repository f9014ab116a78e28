"""A runtime for podman that needs no namespaces, cgroups or limits: it changes its root and runs the command.

So containers really run, end and leave their exit status where a sandbox allows no more than chroot.  Called as
`oci_runtime.py STATE-DIRECTORY [options] create|start|state|kill|delete ... ID`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

VERBS = ("create", "start", "state", "kill", "delete")


def main(home: Path, words: list[str]) -> int:
    """Runs one command of a runtime's command line."""
    verb = next((word for word in words if word in VERBS), "")
    rest = words[words.index(verb) + 1 :] if verb else words
    if verb == "create":
        create(home, rest)
    elif verb == "start":
        with (home / f"{rest[-1]}.go").open("wb") as go:
            go.write(b"x")
        (home / f"{rest[-1]}.started").touch()
    elif verb == "state":
        return state(home, rest[-1])
    elif verb == "kill":
        kill(home, rest)
    elif verb == "delete":
        for file in home.glob(f"{rest[-1]}.*"):
            file.unlink()
    return 0


def create(home: Path, words: list[str]) -> None:
    """Makes the process, which waits to be started."""
    ident = words[-1]
    bundle = Path(words[words.index("--bundle") + 1])
    os.mkfifo(home / f"{ident}.go")
    pid = os.fork()
    if pid == 0:
        with (home / f"{ident}.go").open("rb") as go:
            go.read(1)
        run(bundle)
    (home / f"{ident}.pid").write_text(f"{pid} {bundle}")
    Path(words[words.index("--pid-file") + 1]).write_text(str(pid))


def run(bundle: Path) -> NoReturn:
    """Becomes the container's command."""
    config = json.loads((bundle / "config.json").read_text())
    os.chroot(config["root"]["path"])
    os.chdir(config["process"]["cwd"])
    args = config["process"]["args"]
    with contextlib.suppress(OSError):
        os.execv(args[0], args)
    os._exit(127)


def state(home: Path, ident: str) -> int:
    """Prints what is known of a container."""
    file = home / f"{ident}.pid"
    if not file.exists():
        print(f"container {ident} does not exist", file=sys.stderr)
        return 1
    pid, _, bundle = file.read_text().partition(" ")
    alive = Path(f"/proc/{pid}").exists()
    started = (home / f"{ident}.started").exists()
    status = ("running" if started else "created") if alive else "stopped"
    said = {"ociVersion": "1.0.2", "id": ident, "status": status, "pid": int(pid) if alive else 0, "bundle": bundle}
    print(json.dumps(said))
    return 0


def kill(home: Path, words: list[str]) -> None:
    """Sends a signal to the one process that was made for a container."""
    plain = [word for word in words if not word.startswith("-")]
    ident, name = plain[0], (plain[1] if len(plain) > 1 else "TERM")
    number = int(name) if name.isdigit() else signal.Signals[f"SIG{name.removeprefix('SIG')}"]
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((home / f"{ident}.pid").read_text().split()[0]), number)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
