"""Beside: a computation in a second process, while this one goes on.

    with Beside(lambda: count(tree)) as counting:
        read(tree)
        number = counting.result()

Where a second process is of no use, or would not be worth its start, the computation is done here, at once.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import struct
from typing import TYPE_CHECKING, Generic, TypeVar

from ocistore.disk.processes import may_fork, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")
_LENGTH = struct.Struct("=q")
"""Bytes of the result, before it: what was cut is none."""
LAST = 5
"""Niceness of what is needed after all that goes on meanwhile: who reads the records shall not wait for a processor."""
_PR_SET_PDEATHSIG = 1
"""linux/prctl.h."""


class Beside(Generic[T]):
    """A computation whose result is asked for later.

    What it changes in memory is lost, so that it may only give something back; a file that it opens is its own.

    Args:
        compute: gives the result, which pickle must be able to take.
        worth: whether it takes much longer than to start a process.
        niceness: how far the second process stands back where there are fewer processors than work.
    """

    def __init__(self, compute: Callable[[], T], worth: bool = True, niceness: int = 0) -> None:
        self._child = 0
        self._pipe = -1
        self._parent = os.getpid()
        self._niceness = niceness
        self._compute = compute
        self._results: list[T] = []
        if not (worth and may_fork() and self._start()):
            self._results.append(compute())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def result(self) -> T:
        """The result; raises what the computation raises.

        The second process may have been killed, or its computation have failed: then it is done again here.
        """
        if not self._results:
            import pickle

            data = self._receive() if self._child else b""
            self._results.append(pickle.loads(data) if data else self._compute())
        return self._results[0]

    def is_ready(self, seconds: float) -> bool:
        """Whether the result is there, or begins to be, within a time."""
        if not self._child:
            return True
        waiting = select.poll()
        waiting.register(self._pipe)
        return bool(waiting.poll(1000 * seconds))

    def close(self) -> None:
        """Ends the second process if its result was not asked for."""
        # A process that was started meanwhile has a copy of this, but no right to end anything.
        if self._child and self._parent == os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._end()

    def _start(self) -> bool:
        """Starts the second process; whether the system allows one."""
        try:
            self._pipe, out = os.pipe()
        except OSError:
            return False
        try:
            self._child = start(lambda: self._give(out))
        except OSError:
            os.close(self._pipe)
            return False
        finally:
            os.close(out)
        return True

    def _give(self, out: int) -> None:
        """What the second process does."""
        # Only large stores need it.
        import pickle

        gc.disable()
        _end_with(self._parent)
        os.nice(self._niceness)
        os.close(self._pipe)
        data = pickle.dumps(self._compute(), pickle.HIGHEST_PROTOCOL)
        with open(out, "wb") as stream:
            stream.write(_LENGTH.pack(len(data)))
            stream.write(data)

    def _receive(self) -> bytes:
        """What the second process wrote if it wrote all of it; nothing else."""
        parts = []
        while part := os.read(self._pipe, 1 << 20):
            parts.append(part)
        self._end()
        data = b"".join(parts)
        whole = len(data) >= _LENGTH.size and _LENGTH.unpack_from(data)[0] == len(data) - _LENGTH.size
        return data[_LENGTH.size :] if whole else b""

    def _end(self) -> None:
        os.close(self._pipe)
        child, self._child = self._child, 0
        # Ignored children (SIGCHLD set to SIG_IGN by the caller) leave nothing to wait for.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def _end_with(parent: int) -> None:
    """Has the system end this process when its parent ends, whatever ends that: nobody waits for the result then."""
    import ctypes

    # Where there is no prctl, the end of the pipe is noticed when the result is written.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
