"""Measures whole processes side by side and writes a table.

usage: python -m bench.run [--large DIRECTORY]... [--make INODES]... [--docker DIRECTORY]... [--records NUMBER]...
                           [--store DIRECTORY [--runroot DIRECTORY] | --archive FILE]

`--large` names stores for `df` against du and others; `--make` makes such stores first (make_store.py) and removes
them afterwards.  `--docker` names data-roots for the verbs on build records, beside docker's own; `--records` makes one
with so many records first (make_docker.py).  `--store` names a store with many images for the other verbs, `--archive`
a .tar.zst of one, with `root` and `run` in it.  Programs take turns in one run, so that a slow moment meets all of
them; a ratio is the median of the ratios within the turns.  The cache is warm.  Memory is the peak of the largest
process; below that of this program itself, about 20 MiB, it can't be seen, since a process starts with its parent's.
Stores are only read; podman and docker, which write, get copies.  Run it with the Python that ocistore is installed in:
`--version` is measured against that one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from bench.make_docker import make_docker
from bench.make_store import make_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
OTHERS = "## bolt"
"""Where in RESULTS.md the figures of bench/bolt_scan.py begin."""


class Run(NamedTuple):
    """One run of a program: seconds by the clock, peak memory of its largest process in MiB, exit status."""

    seconds: float
    memory: float
    status: int


class Row(NamedTuple):
    """A line of a table; `bound` is what it is to keep to."""

    name: str
    seconds: str
    ratio: str
    memory: str
    bound: str


def run(command: list[str]) -> Run:
    """Runs a program to its end, its output thrown away."""
    start = time.perf_counter()
    child = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    _, status, usage = os.wait4(child, 0)
    return Run(time.perf_counter() - start, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))


def take_turns(commands: Sequence[list[str]], turns: int) -> list[list[Run]]:
    """The runs of each command; every other turn goes the other way round, and one before all isn't counted."""
    for command in commands:
        run(command)
    runs: list[list[Run]] = [[] for _ in commands]
    for turn in range(turns):
        order = list(enumerate(commands))
        for number, command in reversed(order) if turn % 2 else order:
            runs[number].append(run(command))
    return runs


def row(name: str, runs: list[Run], against: list[Run] | None, bound: str = "") -> Row:
    """A line of medians; a program that fails says so instead."""
    if any(one.status not in (0, 1) for one in runs):
        return Row(name, f"fails, status {runs[0].status}", "", "", bound)
    ratio = ""
    if against is not None:
        ratio = f"{median(a.seconds / b.seconds for a, b in zip(runs, against, strict=True)):.2f}"
    return Row(
        name,
        f"{median(one.seconds for one in runs):.3f}",
        ratio,
        f"{max(one.memory for one in runs):.0f}",
        bound,
    )


def table(title: str, against: str, rows: list[Row]) -> str:
    """As Markdown."""
    lines = [
        f"## {title}",
        "",
        f"| program | seconds (median) | of {against} | peak memory, MiB | bound |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(line)} |" for line in rows]
    return "\n".join(lines) + "\n"


def version(program: str) -> str:
    """The first line in which a program tells its version; `not installed` if it isn't."""
    if shutil.which(program) is None:
        return "not installed"
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    first = (done.stdout or done.stderr).splitlines()[0].replace("\t", " ")
    return first if program in first else f"{program} {first.removeprefix('Version:').strip()}"


def count_inodes(store: str) -> int:
    """As du counts them."""
    return int(subprocess.run(["du", "-s", "--inodes", store], capture_output=True, text=True).stdout.split()[0])


def large(ocistore: list[str], store: str, turns: int) -> str:
    """`df` against du and the programs that walk like it."""
    inodes = count_inodes(store)
    bound = 1.1 if inodes < 1_000_000 else 0.95
    commands = {"du -s": ["du", "-s", store], "ocistore df": [*ocistore, "df", store]}
    # The one in Go is meant; coreutils of some systems call their du so too.
    if "GNU" not in version("gdu") and shutil.which("gdu"):
        commands["gdu (Go), not interactive"] = ["gdu", "-n", "-p", "-s", store]
    runs = dict(zip(commands, take_turns(list(commands.values()), turns), strict=True))
    rows = [
        row(name, its, runs["du -s"], f"ratio {bound}, 64 MiB" if name == "ocistore df" else "")
        for name, its in runs.items()
    ]
    if len(commands) == 2:
        rows.append(Row("gdu (Go)", "not installed", "", "", ""))
    return table(f"A store of {inodes:,} inodes", "du -s", rows)


def small(ocistore: list[str], store: str, runroot: str | None, turns: int) -> str:
    """The verbs on a store with many images, and podman on a copy of it."""
    more = ["--runroot", runroot] if runroot else []
    top = subprocess.run([*ocistore, "ls", store, *more, "--kind", "layer", "--json"], capture_output=True, text=True)
    layer = top.stdout.partition('"id":"')[2].partition('"')[0]
    verbs = [
        (["ls"], 0.3),
        (["tree"], 0.3),
        (["why", layer], 0.3),
        (["check"], 0.3),
        (["df"], 0.6),
        (["ls", "-s"], 0.6),
    ]
    commands = [[*ocistore, verb[0], store, *verb[1:], *more] for verb, _ in verbs]
    runs = take_turns([["du", "-s", store], *commands], turns)
    rows = [row("du -s", runs[0], None)]
    for (verb, bound), its in zip(verbs, runs[1:], strict=True):
        rows.append(row(f"ocistore {verb[0]}{' -s' if '-s' in verb else ''}", its, runs[0], f"{bound} s"))
    with native_copy(store, runroot) as podman:
        for words in (["images", "-a"], ["system", "df"]):
            name = f"podman {' '.join(words)} (on a copy)"
            if podman is None:
                rows.append(Row(name, "not installed", "", "", ""))
            else:
                rows.append(row(name, take_turns([[*podman, *words]], 3)[0], None))
    return table(f"A store of many images, {count_inodes(store):,} inodes", "du -s", rows)


def docker(ocistore: list[str], store: str, turns: int, bounds: dict[str, str]) -> str:
    """The verbs on a data-root with many build records, and docker's own figures of a copy of it."""
    answer = subprocess.run([*ocistore, "ls", store, "--kind", "record", "--json"], capture_output=True, text=True)
    records = answer.stdout.count('"kind":"record"')
    verbs = (["ls", "--kind", "record"], ["df"], ["ls", "-s", "--kind", "record"])
    commands = [[*ocistore, verb[0], store, *verb[1:]] for verb in verbs]
    runs = take_turns([["du", "-s", store], *commands], turns)
    rows = [row("du -s", runs[0], None)]
    for verb, its in zip(verbs, runs[1:], strict=True):
        name = f"ocistore {' '.join(verb)}"
        rows.append(row(name, its, runs[0], bounds.get(name, "")))
    rows += docker_itself(store)
    return table(f"A data-root of {records:,} build records, {count_inodes(store):,} inodes", "du -s", rows)


def docker_itself(store: str) -> list[Row]:
    """What docker's own commands take on a copy, with a daemon that has started."""
    from tests.conformance.daemons import DockerStore, why_not

    names = {"docker system df (on a copy)": ["docker", "system", "df"]}
    names["docker buildx du (on a copy)"] = ["docker", "buildx", "du"]
    reason = why_not("dockerd")
    if reason:
        return [Row(name, reason, "", "", "") for name in names]
    found = []
    with tempfile.TemporaryDirectory(prefix="ocb-") as directory:
        copy = DockerStore(Path(directory) / "s")
        copy.root.rmdir()
        subprocess.run(["cp", "-a", store, str(copy.root)], check=True)
        os.environ["PATH"] = copy.environment()["PATH"]
        with copy.running():
            for name, words in names.items():
                if copy.try_native(words).returncode:
                    found.append(Row(name, "not installed", "", "", ""))
                else:
                    found.append(row(name, take_turns([copy.client(words)], 3)[0], None))
    return found


@contextlib.contextmanager
def native_copy(store: str, runroot: str | None) -> Iterator[list[str] | None]:
    """The beginning of a podman command on a copy of the store, None without podman."""
    if shutil.which("podman") is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["cp", "-a", store, f"{directory}/root"], check=True)
        if runroot:
            subprocess.run(["cp", "-a", runroot, f"{directory}/run"], check=True)
        # Networks are not what is measured, and podman doesn't start where their helper is missing.
        Path(f"{directory}/containers.conf").write_text('[network]\nnetwork_backend = "cni"\n')
        (Path(directory) / "root" / "defaultNetworkBackend").write_text("cni")
        os.environ["CONTAINERS_CONF"] = f"{directory}/containers.conf"
        yield ["podman", "--root", f"{directory}/root", "--runroot", f"{directory}/run", "--storage-driver", "overlay"]
        del os.environ["CONTAINERS_CONF"]
        # The driver mounts its home on itself.
        subprocess.run(["umount", f"{directory}/root/overlay"], capture_output=True)


def start(ocistore: list[str], turns: int) -> str:
    """What a start costs."""
    python = [sys.executable, "-c", "pass"]
    bare, ours = take_turns([python, [*ocistore, "--version"]], 3 * turns)
    rows = [row("python -c pass", bare, bare), row("ocistore --version", ours, bare, "ratio 5")]
    return table("Start", "python -c pass", rows)


def commit() -> str:
    """The commit that was measured, and whether the program's files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=HERE.parent).stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "ocistore") else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + changed


def unpack(archive: str, into: str) -> str:
    """Unpacks an archive; gives the directory in it that has a `root`."""
    with subprocess.Popen(["zstd", "-dc", archive], stdout=subprocess.PIPE) as plain:
        subprocess.run(
            ["tar", "-x", "-p", "-S", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", into],
            stdin=plain.stdout,
            check=True,
        )
    return next(str(path.parent) for path in Path(into).glob("**/root") if path.is_dir())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="append", default=[], metavar="DIRECTORY")
    parser.add_argument("--make", action="append", default=[], type=int, metavar="INODES")
    parser.add_argument("--docker", action="append", default=[], metavar="DIRECTORY")
    parser.add_argument("--records", action="append", default=[], type=int, metavar="NUMBER")
    parser.add_argument("--store", metavar="DIRECTORY")
    parser.add_argument("--runroot", metavar="DIRECTORY")
    parser.add_argument("--archive", metavar="FILE")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--ocistore", default="ocistore", metavar="COMMAND", help="as a shell would split it")
    parser.add_argument("--out", default=str(HERE / "RESULTS.md"), metavar="FILE")
    args = parser.parse_args()
    ocistore = shlex.split(args.ocistore)
    tables = [start(ocistore, args.turns)]
    with tempfile.TemporaryDirectory() as directory:
        store, runroot = args.store, args.runroot
        if args.archive:
            top = unpack(args.archive, directory)
            store, runroot = f"{top}/root", f"{top}/run" if os.path.isdir(f"{top}/run") else None
        if store:
            tables.append(small(ocistore, store, runroot, args.turns))
        for made in args.make:
            make_store(f"{directory}/{made}", made)
            tables.append(large(ocistore, f"{directory}/{made}", args.turns))
            shutil.rmtree(f"{directory}/{made}")
        tables += [large(ocistore, given, args.turns) for given in args.large]
        bounds = {"ocistore ls --kind record": "1 s", "ocistore df": "2 s"}
        tables += [docker(ocistore, given, args.turns, bounds) for given in args.docker]
        for made in args.records:
            make_docker(Path(directory) / f"records{made}", made, 200, 1)
            many = {"ocistore df": "20 s, 500 MiB"}
            tables.append(docker(ocistore, f"{directory}/records{made}", min(args.turns, 3), many))
            shutil.rmtree(f"{directory}/records{made}")
    head = (
        "# Results\n\n"
        "Written by `bench/run.py`, whose text says how they are measured.\n\n"
        f"Commit {commit()}; Python {sys.version.split()[0]}, {len(os.sched_getaffinity(0))} CPUs, "
        f"Linux {os.uname().release}; {version('du')}; {version('gdu')}; {version('podman')}; "
        f"{args.turns} turns.\n\n"
    )
    text = head + "\n".join(tables)
    out = Path(args.out)
    # What other programs measured stands below and stays.
    below = out.read_text().partition(OTHERS) if out.exists() else ("", "", "")
    out.write_text(text + "\n" + below[1] + below[2] if below[1] else text)
    print(text)


if __name__ == "__main__":
    main()
