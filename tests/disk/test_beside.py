"""Computations in a second process, and what is done where there is none."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ocistore.disk import beside
from ocistore.disk.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second process is allowed, also where the tests themselves have threads."""
    monkeypatch.setattr(beside, "may_fork", lambda: True)


def test_the_result_comes_from_another_process() -> None:
    """And only once."""
    with Beside(os.getpid) as asking:
        first = asking.result()

        assert os.getpid() != first
        assert first == asking.result()


@pytest.mark.parametrize("allowed", [True, False], ids=["not worth it", "not allowed"])
def test_without_a_second_process_it_is_done_here(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, so that what is given does not depend on it."""
    monkeypatch.setattr(beside, "may_fork", lambda: allowed)
    done: list[int] = []
    with Beside(lambda: done.append(os.getpid()), worth=not allowed) as asking:
        assert [os.getpid()] == done
        asking.result()

    assert [os.getpid()] == done


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_a_system_that_gives_no_more(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done here, and no pipe stays open."""

    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, call, refuse)
    before = len(os.listdir("/proc/self/fd"))
    with Beside(os.getpid) as asking:
        assert os.getpid() == asking.result()

    assert before == len(os.listdir("/proc/self/fd"))


def _kill_oneself() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def _fail() -> int:
    raise ValueError("as it should")


def _give_what_pickle_refuses() -> Callable[[], None]:
    return lambda: None


@pytest.mark.parametrize("what", [_kill_oneself, _fail, _give_what_pickle_refuses], ids=["killed", "failed", "odd"])
def test_a_second_process_that_gives_nothing(what: Callable[[], object]) -> None:
    """What it should have done is done here."""
    parent = os.getpid()
    with Beside(lambda: "here" if os.getpid() == parent else what()) as asking:
        assert "here" == asking.result()


class _Longer:
    """Says of a result that it is longer than it is."""

    size = beside._LENGTH.size
    unpack_from = beside._LENGTH.unpack_from

    def pack(self, length: int) -> bytes:
        """As `struct.Struct.pack`."""
        return struct.pack("=q", length + 1)


def test_a_result_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none, whatever its beginning says."""
    monkeypatch.setattr(beside, "_LENGTH", _Longer())
    with Beside(os.getpid) as asking:
        assert os.getpid() == asking.result()


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    """It is the computation's own, however often it is asked."""
    with Beside(_fail) as asking:
        for _ in range(2):
            with pytest.raises(ValueError, match="as it should"):
                asking.result()


def test_whoever_is_not_asked_ends() -> None:
    """No process and no descriptor is left."""
    before = len(os.listdir("/proc/self/fd"))
    with Beside(lambda: time.sleep(600)) as asking:
        child = asking._child

        assert not asking.is_ready(0)

    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert before == len(os.listdir("/proc/self/fd"))


def test_a_large_result() -> None:
    """More than a pipe takes at once."""
    with Beside(lambda: bytes(3 << 20)) as asking:
        assert asking.is_ready(60)
        assert bytes(3 << 20) == asking.result()


_ALONE = """
import os, signal, sys, time
from ocistore.disk import beside
beside.may_fork = lambda: True
"""


def _run(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _ALONE + code], stdout=subprocess.PIPE, text=True)


def test_ignored_children_are_heard() -> None:
    """Where nobody can wait for a process, what it gave counts all the same."""
    code = "signal.signal(signal.SIGCHLD, signal.SIG_IGN); print(beside.Beside(os.getpid).result() != os.getpid())"
    with _run(code) as running:
        assert "True\n" == running.communicate(timeout=60)[0]


def test_it_ends_with_its_parent() -> None:
    """Whatever ended that: nobody waits for the result, and standard output is free."""
    code = "b = beside.Beside(lambda: time.sleep(600)); print(b._child, flush=True); time.sleep(600)"
    with _run(code) as running:
        assert running.stdout is not None
        child = int(running.stdout.readline())
        os.kill(child, 0)
        running.kill()

        assert "" == running.stdout.read()
