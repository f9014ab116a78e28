"""Stores that the engines' own programs build on the spot, and what these programs do to copies of them.

    TOP/root TOP/run      graphroot and runroot; podman's database knows them by these paths, so copies lie there, too
    TOP/saved/{root,run}  the store as it was built; each command gets a fresh copy of it
    TOP/etc TOP/tmp ...   everything else that the programs read or write

Nothing outside TOP is written but the programs' own cache of blob sizes.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ocistore.plan.make import split_commands
from tests.naive import count, lstats

BUSYBOX = Path("/bin/busybox")
TOOLS = ("podman", "buildah", "skopeo")
RUNTIME = "chrooting-runtime"
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
_STARTS = {
    "podman": ("podman", "ps", "-a"),
    "buildah": ("buildah", "ps"),
    "containers-storage": ("containers-storage", "layers"),
}
"""A command of each program that changes nothing of its own."""
_VERBS_DEADLINE = 120
_QUIET_DEADLINE = 30


class NativeError(Exception):
    """A program that a store is built with failed; its words are the message."""


def why_not(driver: str, where: Path) -> str:
    """Why no store of a driver can be built here, empty if one can.

    Args:
        driver: `overlay` or `vfs`.
        where: a directory on the file system where it would be.
    """
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not on the PATH: {', '.join(missing)}"
    if not BUSYBOX.exists() or is_dynamic(BUSYBOX):
        return f"{BUSYBOX} is not there, or needs libraries (Debian: busybox-static)"
    return _why_no_overlay(where) if driver == "overlay" else ""


def is_dynamic(program: Path) -> bool:
    """Whether a program names an interpreter, and so can't run in an empty image."""
    return b"ld-linux" in program.read_bytes()[:4096]


def _why_no_overlay(where: Path) -> str:
    parts = [where / name for name in ("lower", "upper", "work", "merged")]
    for part in parts:
        part.mkdir(parents=True)
    lower, upper, work, merged = parts
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    done = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"overlay can't be mounted below {where}: {done.stderr.strip()}"
    subprocess.run(["umount", str(merged)], check=True)
    return ""


def version_of(tool: str) -> str:
    """The version of a program on the PATH."""
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    if found is None:
        raise NativeError(f"{tool} doesn't say its version: {said!r}")
    return found.group()


def native_now() -> str:
    """The present time as `--now` takes it."""
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Taken:
    """What a command took, or would take.

    Attributes:
        vanished: topmost paths; those outside the graphroot are absolute.
        frees: allocated bytes, apparent bytes and inodes that the disk gets back.
        gone: ids by kind.
        fails: whether the command ends with an error.
    """

    vanished: set[str]
    frees: tuple[int, int, int]
    gone: dict[str, set[str]]
    fails: bool


@dataclass(frozen=True)
class Compared:
    """A command line's doings and its plan.

    Attributes:
        command: as it was run.
        took: what it took, less what the program's mere start takes.
        planned: what ocistore had said.
        said: what the program printed.
    """

    command: str
    took: Taken
    planned: Taken
    said: str

    def check(self) -> None:
        """The assertion of every test: what a command took is what was planned."""
        print(self.said)

        assert (self.command, self.took.fails) == (self.command, self.planned.fails)
        assert self.took.gone == self.planned.gone
        assert self.took.vanished == self.planned.vanished
        assert self.took.frees == self.planned.frees


@dataclass(frozen=True)
class Start:
    """What a program's mere start takes, and what it lists then."""

    takes: set[str]
    listed: dict[str, set[str]]


@dataclass
class NativeStore:
    """A store that native programs build and change.

    Attributes:
        top: an empty directory of its own.
        driver: `overlay` or `vfs`.
        more: further options of every podman and buildah command.
        seen_by: further options of every ocistore command.
        words: what `{name}` in a command stands for.
    """

    top: Path
    driver: str = "overlay"
    more: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    words: dict[str, str] = field(default_factory=dict)
    _started: dict[str, Start] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("root", "run", "tmp", "etc/net", "home", "xdg", "runtime", "context"):
            (self.top / name).mkdir(parents=True)
        etc = self.top / "etc"
        roots = f'driver = "{self.driver}"\ngraphroot = "{self.root}"\nrunroot = "{self.run}"\n'
        (etc / "storage.conf").write_text(f"[storage]\n{roots}")
        # Locks in files and networks in a private place, so that no other podman on the machine is disturbed.
        (etc / "containers.conf").write_text(
            f'[engine]\nlock_type = "file"\nruntime = "{RUNTIME}"\n'
            # Documented with an s, read without.
            f'runtime_supports_nocgroups = ["{RUNTIME}"]\nruntime_supports_nocgroup = ["{RUNTIME}"]\n'
            f'[engine.runtimes]\n{RUNTIME} = ["{etc}/{RUNTIME}"]\n'
            f'[network]\nnetwork_backend = "cni"\nnetwork_config_dir = "{etc}/net"\ncni_plugin_dirs = ["{etc}/net"]\n'
        )
        (etc / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        runtime = etc / RUNTIME
        script = Path(__file__).with_name("oci_runtime.py")
        runtime.write_text(f'#!/bin/sh\nexec {sys.executable} -S {script} {self.top}/runtime "$@"\n')
        runtime.chmod(0o755)
        shutil.copy(BUSYBOX, self.top / "context" / "busybox")

    @property
    def root(self) -> Path:
        """The graphroot."""
        return self.top / "root"

    @property
    def run(self) -> Path:
        """The runroot."""
        return self.top / "run"

    # Running ---------------------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """What the programs get: nothing of the caller's configuration."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/usr/sbin:/bin:/sbin"),
            "HOME": f"{self.top}/home",
            "XDG_RUNTIME_DIR": f"{self.top}/xdg",
            "TMPDIR": f"{self.top}/tmp",
            "CONTAINERS_STORAGE_CONF": f"{self.top}/etc/storage.conf",
            "CONTAINERS_CONF": f"{self.top}/etc/containers.conf",
            "LC_ALL": "C.UTF-8",
        }

    def words_of(self, argv: list[str]) -> list[str]:
        """A command line with the options that lead it to this store."""
        graph, run = ("--graph", "--run") if argv[0] == "containers-storage" else ("--root", "--runroot")
        where = [graph, str(self.root), run, str(self.run), "--storage-driver", self.driver, *self.more]
        if argv[0] == "podman":
            where += ["--cgroup-manager", "cgroupfs", "--events-backend", "none", "--tmpdir", f"{self.top}/libpod"]
        return [argv[0], *where, *argv[1:]]

    def try_native(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a program, which may fail."""
        return subprocess.run(
            self.words_of(argv),
            capture_output=True,
            text=True,
            env=self.environment(),
            cwd=self.top / "home",
            stdin=subprocess.DEVNULL,
            timeout=_VERBS_DEADLINE,
            check=False,
        )

    def native(self, *argv: str) -> str:
        """Runs a program; what it printed, without white space around it.

        Raises:
            NativeError: it failed.
        """
        done = self.try_native(list(argv))
        if done.returncode:
            raise NativeError(f"{shlex.join(argv)}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def podman(self, *words: str) -> str:
        """Runs podman; what it printed."""
        return self.native("podman", *words)

    def buildah(self, *words: str) -> str:
        """Runs buildah; what it printed."""
        return self.native("buildah", *words)

    def build(self, text: str, *options: str) -> str:
        """Builds an image from the lines of a Containerfile; its id."""
        context = self.top / "context"
        (context / "Containerfile").write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        isolation = ("--isolation", "chroot", "--network", "host", *LIMITS)
        return self.buildah("build", "-q", *isolation, *options, str(context)).splitlines()[-1]

    def run_container(self, *words: str) -> str:
        """Lets a container run to its end, in a runtime that needs no namespaces; its id."""
        done = self.try_native(["podman", "run", "-d", "--cgroups", "disabled", *LIMITS, *words])
        if done.returncode:
            raise NativeError(f"podman run: {done.stderr.strip()[-500:]}")
        ident = done.stdout.strip().splitlines()[-1]
        self.podman("wait", ident)
        return ident

    # Copies ----------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Waits for what podman left running (monitors, clean-ups), and unmounts what was left mounted."""
        end = time.monotonic() + _QUIET_DEADLINE
        while self._is_running() and time.monotonic() < end:
            time.sleep(0.05)
        for point in reversed(self._mount_points()):
            subprocess.run(["umount", point], check=True)

    def _is_running(self) -> bool:
        mine = os.fsencode(str(self.top)) + b"/"
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if mine in words and words.split(b"\0")[0].rpartition(b"/")[2] in (b"conmon", b"podman", b"buildah"):
                    return True
        return False

    def _mount_points(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4] for line in lines]
        return [point for point in points if point.startswith(f"{self.top}/")]

    def save(self) -> None:
        """Puts the finished store aside; every command gets a copy from now on."""
        self.settle()
        saved = self.top / "saved"
        saved.mkdir()
        self.root.rename(saved / "root")
        self.run.rename(saved / "run")

    def restore(self) -> None:
        """A fresh copy, as after a reboot: podman's own directory for temporary files is gone."""
        self.settle()
        for part in (self.root, self.run, self.top / "libpod", self.top / "runtime"):
            shutil.rmtree(part, ignore_errors=True)
        (self.top / "runtime").mkdir()
        saved = self.top / "saved"
        # In one go, so that files with several names stay one.
        subprocess.run(["cp", "-a", f"{saved}/root", f"{saved}/run", str(self.top)], check=True)

    # What commands take ----------------------------------------------------------------------------------------------

    def listed(self, tool: str) -> dict[str, set[str]]:
        """Ids by kind: containers, volumes and pods as a program lists them, layers and images as they are recorded."""
        # Images as recorded: one that a read-only store has, too, goes on being listed.
        found = {"layer": self.recorded("layers"), "image": self.recorded("images")}
        if tool == "podman":
            found["container"] = _ids(self.podman("ps", "-a", "--external", "--no-trunc", "--format", "{{.ID}}"))
            found["volume"] = _ids(self.podman("volume", "ls", "--format", "{{.Name}}"))
            found["pod"] = _ids(self.podman("pod", "ls", "--no-trunc", "--format", "{{.ID}}"))
        elif tool == "buildah":
            found["container"] = _ids(self.buildah("ps", "-a", "--notruncate", "--format", "{{.ContainerID}}"))
        else:
            found["container"] = self.recorded("containers")
        return found

    def recorded(self, what: str) -> set[str]:
        """Ids in a record file: of `layers`, `images` or `containers`."""
        records = self.root / f"{self.driver}-{what}" / f"{what}.json"
        return {record["id"] for record in json.loads(records.read_text())} if records.exists() else set()

    def top_layers(self) -> dict[str, str]:
        """The top layer of each image that a word of this store names by its id."""
        records = json.loads((self.top / "saved" / "root" / f"{self.driver}-images" / "images.json").read_text())
        layers = {record["id"]: record["layer"] for record in records if "layer" in record}
        return {name: layers[word] for name, word in self.words.items() if word in layers}

    def compare(self, command: str, version: str) -> Compared:
        """What a command line takes from a copy, and what ocistore had planned for it on that copy.

        Args:
            command: native command lines joined by ` && `, as typed, with `{name}` for a word of this store.
            version: of the program.
        """
        command = command.format(**self.words)
        tool = command.split()[0]
        start = self._observe_start(tool)
        self.restore()
        before = self._paths()
        planned = self._planned(command, version, set(start.listed))
        said, fails = "", False
        for words in split_commands(command):
            done = self.try_native(words)
            said += done.stdout + done.stderr
            fails = done.returncode != 0
            if fails:
                break
        self.settle()
        gone = before.keys() - self._paths().keys() - start.takes
        after = self.listed(tool)
        took = Taken(
            {self._shown(path) for path in gone if os.path.dirname(path) not in gone},
            freed_with([before[path] for path in gone]),
            {kind: ids - after[kind] for kind, ids in start.listed.items()},
            fails,
        )
        return Compared(command, took, planned, said)

    def _observe_start(self, tool: str) -> Start:
        if tool not in self._started:
            self.restore()
            before = self._paths().keys()
            self.native(*_STARTS[tool])
            self.settle()
            takes = before - self._paths().keys()
            self._started[tool] = Start(takes, self.listed(tool))
        return self._started[tool]

    def _planned(self, command: str, version: str, kinds: set[str]) -> Taken:
        answer = self.ask("plan", "--now", native_now(), "--as-version", version, "--as", command)
        steps, frees = answer["steps"], answer["frees"]
        paths = {path for step in steps for path in step["paths"]}
        return Taken(
            {path for path in paths if not any(str(above) in paths for above in Path(path).parents)},
            (frees["allocated"], frees["apparent"], frees["inodes"]),
            {kind: {step["id"] for step in steps if step["kind"] == kind} for kind in kinds},
            any(finding["code"] == "native-command-fails" for finding in answer["findings"]),
        )

    def ask(self, verb: str, *words: str) -> dict[str, Any]:
        """What the command line program, in a process of its own, says of the present copy."""
        argv = [sys.executable, "-m", "ocistore", verb, str(self.root), "--runroot", str(self.run), *self.seen_by]
        done = subprocess.run(
            [*argv, *words, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode not in (0, 1):
            raise AssertionError(f"{verb} {shlex.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _paths(self) -> dict[str, os.stat_result]:
        return {path: st for top in (self.root, self.run) for path, st in lstats(str(top))}

    def _shown(self, path: str) -> str:
        inside = f"{self.root}/"
        return path.removeprefix(inside) if path.startswith(inside) else path


def _ids(text: str) -> set[str]:
    return {line.removeprefix("sha256:") for line in text.split()}


def freed_with(stats: list[os.stat_result]) -> tuple[int, int, int]:
    """What comes back when these names go: an inode only with the last of its names."""
    names: dict[int, int] = {}
    for st in stats:
        names[st.st_ino] = names.get(st.st_ino, 0) + 1
    counted = count(st for st in stats if stat.S_ISDIR(st.st_mode) or names[st.st_ino] >= st.st_nlink)
    return counted.allocated, counted.apparent, counted.inodes
