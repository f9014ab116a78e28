"""Roots that dockerd and containerd build on the spot, and what their commands do to copies of them.

    TOP/root            the daemon's root; its records know it by this path, so copies lie there, too
    TOP/saved           the root as it was built; each command gets a fresh copy of it
    TOP/exec TOP/sock   what a running daemon needs besides

A daemon is ended by the process that was started here, never by its name.  What a mere start and stop takes from a copy
is no command's doing and left out.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocistore.plan.make import split_commands
from tests.conformance.native import BUSYBOX, Compared, NativeError, Taken, freed_with, is_dynamic, native_now
from tests.naive import lstats

if TYPE_CHECKING:
    from collections.abc import Iterator

_STARTED = 60
_DEADLINE = 300


def why_not(daemon: str) -> str:
    """Why no root of a daemon can be made here, empty if one can."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in (daemon, "runc", "cp") if shutil.which(tool) is None]
    if missing:
        return f"not on the PATH: {', '.join(missing)}"
    if not BUSYBOX.exists() or is_dynamic(BUSYBOX):
        return f"{BUSYBOX} is not there, or needs libraries (Debian: busybox-static)"
    return ""


@dataclass
class DaemonStore(ABC):
    """A root that a daemon builds and changes.

    Attributes:
        top: an empty directory of its own.
        words: what `{name}` in a command stands for.
        kind: how `ocistore` calls the store.
        quiet: seconds without a change on the disk after which the daemon has done what it does in the background.
    """

    top: Path
    words: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    quiet: float = 1.5
    _starts: set[str] | None = None

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True)

    @property
    def root(self) -> Path:
        """The daemon's root."""
        return self.top / "root"

    @property
    def socket(self) -> Path:
        """Where the daemon listens."""
        return self.top / "sock"

    @abstractmethod
    def daemon(self) -> list[str]:
        """The daemon's command line."""

    @abstractmethod
    def client(self, argv: list[str]) -> list[str]:
        """A command line with the options that lead it to this daemon."""

    @abstractmethod
    def probe(self) -> list[str]:
        """A command that works once the daemon has started."""

    def environment(self) -> dict[str, str]:
        """What the programs get: nothing of the caller's configuration."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.top), "LC_ALL": "C.UTF-8"}

    def refuses(self) -> str:
        """Why the daemon does nothing here, empty if it works: tried out on a root of its own."""
        probe = replace(self, top=self.top.with_name("probe"))
        try:
            with probe.running():
                probe.try_out()
        except (NativeError, OSError, subprocess.SubprocessError) as err:
            return f"{self.daemon()[0]} does not work here: {err}"
        finally:
            shutil.rmtree(probe.top, ignore_errors=True)
        return ""

    @abstractmethod
    def try_out(self) -> None:
        """Does the least that the tests need.

        Raises:
            NativeError: it doesn't work.
        """

    # Running ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Iterator[None]:
        """The daemon runs, and is quiet when it ends."""
        with open(self.top / "log", "ab") as log:
            process = subprocess.Popen(
                self.daemon(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment()
            )
        try:
            self._wait(process)
            yield
            self._settle()
        finally:
            process.terminate()
            process.wait(timeout=_STARTED)
            self._unmount()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _STARTED
        while time.monotonic() < end:
            if process.poll() is not None:
                break
            if self.try_native(self.probe()).returncode == 0:
                return
            time.sleep(0.1)
        raise NativeError("the daemon does not start: " + (self.top / "log").read_text()[-800:])

    def _settle(self) -> None:
        end = time.monotonic() + _STARTED
        last, since = self._paths().keys(), time.monotonic()
        while time.monotonic() < end and time.monotonic() - since < self.quiet:
            time.sleep(0.2)
            now = self._paths().keys()
            if now != last:
                last, since = now, time.monotonic()

    def _unmount(self) -> None:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        for point in reversed([line.split()[4] for line in lines]):
            if point.startswith(f"{self.top}/"):
                subprocess.run(["umount", "-l", point], check=False)

    def try_native(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a client's command, which may fail."""
        return subprocess.run(
            self.client(argv),
            capture_output=True,
            text=True,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            timeout=_DEADLINE,
            check=False,
        )

    def native(self, *argv: str) -> str:
        """Runs a client's command; what it printed, without white space around it.

        Raises:
            NativeError: it failed.
        """
        done = self.try_native(list(argv))
        if done.returncode:
            raise NativeError(f"{shlex.join(argv)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    # Copies ----------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Puts the finished root aside; every command gets a copy from now on."""
        self.root.rename(self.top / "saved")

    def restore(self) -> None:
        """A fresh copy."""
        shutil.rmtree(self.root, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.top / "saved"), str(self.root)], check=True)

    def compare(self, command: str, version: str) -> Compared:
        """What a command line takes from a copy, and what ocistore had planned for it on that copy."""
        command = command.format(**self.words)
        start = self._observe_start()
        self.restore()
        before = dict(lstats(str(self.root)))
        now = native_now()
        planned = self._planned(command, version, now)
        said, fails = "", False
        with self.running():
            for words in split_commands(command):
                done = self.try_native(words)
                said += done.stdout + done.stderr
                fails = done.returncode != 0
                if fails:
                    break
        gone = before.keys() - self._paths().keys() - start
        took = Taken(
            {self._shown(path) for path in gone if os.path.dirname(path) not in gone},
            freed_with([before[path] for path in gone]),
            {},
            fails,
        )
        return Compared(command, took, planned, said)

    def _observe_start(self) -> set[str]:
        """What a mere start and stop takes."""
        if self._starts is None:
            self.restore()
            before = self._paths().keys()
            with self.running():
                pass
            self._starts = before - self._paths().keys()
        return self._starts

    def _planned(self, command: str, version: str, now: str) -> Taken:
        answer = self.ask("plan", "--now", now, "--as-version", version, "--as", command)
        frees = answer["frees"]
        paths = {path for step in answer["steps"] for path in step["paths"]}
        assert frees is not None, answer["findings"]
        return Taken(
            {path for path in paths if not any(str(above) in paths for above in Path(path).parents)},
            (frees["allocated"], frees["apparent"], frees["inodes"]),
            {},
            any(finding["code"] == "native-command-fails" for finding in answer["findings"]),
        )

    def ask(self, verb: str, *words: str) -> dict[str, Any]:
        """What the command line program, in a process of its own, says of the present copy."""
        argv = [sys.executable, "-m", "ocistore", verb, str(self.root), *words, "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 1):
            raise AssertionError(f"{verb} {shlex.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _paths(self) -> dict[str, os.stat_result]:
        # A daemon that runs removes directories while they are listed.
        for _ in range(100):
            try:
                return dict(lstats(str(self.root)))
            except FileNotFoundError:
                time.sleep(0.05)
        raise NativeError("the daemon never rests")

    def _shown(self, path: str) -> str:
        return path.removeprefix(f"{self.root}/")


@dataclass
class DockerStore(DaemonStore):
    """A data-root, overlay2 unless told otherwise.

    Attributes:
        driver: the graph driver.
    """

    kind: str = "docker"
    # With graph drivers a command has done all when it ends.
    quiet: float = 0.3
    driver: str = "overlay2"

    def daemon(self) -> list[str]:
        """See DaemonStore."""
        net = ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        where = ["--data-root", str(self.root), "--exec-root", f"{self.top}/exec", "--pidfile", f"{self.top}/pid"]
        return ["dockerd", *net, *where, "-H", f"unix://{self.socket}", "--storage-driver", self.driver]

    def client(self, argv: list[str]) -> list[str]:
        """See DaemonStore."""
        return [argv[0], "-H", f"unix://{self.socket}", *argv[1:]]

    def probe(self) -> list[str]:
        """See DaemonStore."""
        return ["docker", "version"]

    def try_out(self) -> None:
        """See DaemonStore: both builders run a command in a container."""
        for buildkit in (True, False):
            self.build('FROM scratch\nCOPY busybox /busybox\nRUN ["/busybox", "true"]', buildkit=buildkit)

    def build(self, text: str, *options: str, buildkit: bool = True) -> None:
        """Builds an image from the lines of a Dockerfile in a context with busybox."""
        context = self.top / "context"
        context.mkdir(exist_ok=True)
        if not (context / "busybox").exists():
            shutil.copy(BUSYBOX, context / "busybox")
        (context / "Dockerfile").write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        argv = self.client(["docker", "build", "--network", "none", *options, str(context)])
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            env={**self.environment(), "DOCKER_BUILDKIT": str(int(buildkit))},
            stdin=subprocess.DEVNULL,
            timeout=_DEADLINE,
            check=False,
        )
        if done.returncode:
            raise NativeError(f"docker build: {done.stderr.strip()[-800:]}")

    def listed(self, what: str) -> set[str]:
        """Ids as the daemon lists them: `image`, `container`, `volume`."""
        words = {
            "image": ("images", "-a", "-q", "--no-trunc"),
            "container": ("ps", "-a", "-q", "--no-trunc"),
            "volume": ("volume", "ls", "-q"),
        }
        return {line.removeprefix("sha256:") for line in self.native("docker", *words[what]).split()}


@dataclass
class ContainerdStore(DaemonStore):
    """A containerd root, without CRI."""

    kind: str = "containerd"

    def daemon(self) -> list[str]:
        """See DaemonStore."""
        config = self.top / "config.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        where = ["--root", str(self.root), "--state", f"{self.top}/exec", "--address", str(self.socket)]
        return ["containerd", "--config", str(config), *where]

    def client(self, argv: list[str]) -> list[str]:
        """See DaemonStore."""
        return [argv[0], "--address", str(self.socket), *argv[1:]]

    def try_out(self) -> None:
        """See DaemonStore: nothing but to start."""

    def probe(self) -> list[str]:
        """See DaemonStore."""
        return ["ctr", "version"]
