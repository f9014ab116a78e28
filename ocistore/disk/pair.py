"""Pair: a walker shares its work with a second process.

The first process walks alone until it has seen enough to make a fork worth while, then gives half of what is left to
a child.  Whoever runs out says "want" and waits; the other answers, when it next looks, with half of its own.  When
both want, nothing is left.  Messages are marshalled tuples behind their length, on one pipe each way; the child's sums
are the last one.
"""

from __future__ import annotations

import contextlib
import marshal
import os
from typing import TYPE_CHECKING, Any

from ocistore.disk.processes import start
from ocistore.disk.walker import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.disk.walker import Tally, Walker

ENOUGH = 6000
"""Inodes after which a fork pays: about ten milliseconds of walking against two of forking."""
_HEAD = 4
_CHUNK = 1 << 16


class Lost(Exception):
    """The other process ended without its sums."""


class Channel:
    """One end of the talk: messages out on one pipe, in on the other."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._in = incoming
        self._out = outgoing
        self._buffer = bytearray()
        os.set_blocking(incoming, False)

    def send(self, *message: Any) -> None:  # noqa: ANN401 - whatever marshal takes
        """Sends a message whole.

        Raises:
            Lost: nobody reads.
        """
        body = marshal.dumps(message)
        left = memoryview(len(body).to_bytes(_HEAD, "little") + body)
        try:
            while left:
                left = left[os.write(self._out, left) :]
        except BrokenPipeError:
            raise Lost from None

    def glance(self) -> tuple[Any, ...] | None:
        """The next message if it is there already.

        Raises:
            Lost: there will be none.
        """
        message = self._take()
        if message is None:
            try:
                self._read()
            except BlockingIOError:
                return None
            message = self._take()
        return message

    def wait(self) -> tuple[Any, ...]:
        """The next message.

        Raises:
            Lost: there will be none.
        """
        os.set_blocking(self._in, True)
        try:
            while (message := self._take()) is None:
                self._read()
        finally:
            os.set_blocking(self._in, False)
        return message

    def close(self) -> None:
        """Closes both pipes."""
        os.close(self._in)
        os.close(self._out)

    def _read(self) -> None:
        data = os.read(self._in, _CHUNK)
        if not data:
            raise Lost
        self._buffer += data

    def _take(self) -> tuple[Any, ...] | None:
        if len(self._buffer) < _HEAD:
            return None
        end = _HEAD + int.from_bytes(self._buffer[:_HEAD], "little")
        if len(self._buffer) < end:
            return None
        message: tuple[Any, ...] = marshal.loads(self._buffer[_HEAD:end])
        del self._buffer[:end]
        return message


class _Side:
    """What both processes do: work, answer the other's "want", ask for work oneself."""

    def __init__(self, walker: Walker, channel: Channel) -> None:
        self.walker = walker
        self.channel = channel
        self.other_wants = False
        self.other_done = 0

    def poll(self) -> None:
        """Looks at the other process; called by the walker now and then."""
        while (message := self.channel.glance()) is not None:
            self._hear(message)
        if self.other_wants and (given := self.walker.give()):
            self.other_wants = False
            self.channel.send("work", given)

    def work(self) -> None:
        """Works until neither has anything left."""
        walker = self.walker
        while True:
            walker.run()
            self.channel.send("want", walker.done)
            while not self.other_wants and not walker.tasks:
                self._hear(self.channel.wait())
            if not walker.tasks:
                return

    def _hear(self, message: tuple[Any, ...]) -> None:
        if message[0] == "want":
            self.other_wants = True
            self.other_done = message[1]
        elif message[0] == "done":
            self.other_done = message[1]
        else:
            self.walker.tasks += message[1]


class Pair:
    """Runs a walker, in two processes if that pays.

    Args:
        walker: with its first tasks.
        fork: whether a second process may be started at all.
        progress: called now and then with (tasks done, tasks in all).
    """

    def __init__(self, walker: Walker, fork: bool, progress: Callable[[int, int], None] | None) -> None:
        self._walker = walker
        self._fork = fork
        self._progress = progress
        self._total = len(walker.tasks)
        self._side: _Side | None = None
        self._child = 0

    def run(self) -> None:
        """Walks all; the walker's tally has both processes' sums at the end.

        Raises:
            Lost: the second process was killed; the sums are useless.
        """
        walker = self._walker
        walker.poll = self._poll
        try:
            walker.run()
            if self._side is not None:
                self._side.work()
                self._collect(self._side.channel)
        finally:
            walker.close()
            if self._side is not None:
                self._side.channel.close()
            if self._child:
                # Ignored children (SIGCHLD set to SIG_IGN by the caller) leave nothing to wait for.
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self._child, 0)
        if self._progress is not None:
            self._progress(self._total, self._total)

    def _poll(self) -> None:
        side = self._side
        if side is not None:
            side.poll()
        elif self._fork and self._walker.tally.seen >= ENOUGH and (given := self._walker.give()):
            self._start(given)
        if self._progress is not None:
            done = self._walker.done + (side.other_done if side is not None else 0)
            self._progress(min(done, self._total), self._total)

    def _start(self, given: list[tuple[str, int, int]]) -> None:
        pipes: list[int] = []
        try:
            pipes += os.pipe()
            pipes += os.pipe()
            to_child, from_parent, to_parent, from_child = pipes
            self._child = start(lambda: self._second(given, Channel(to_child, from_child), (from_parent, to_parent)))
        except OSError:
            # One process can do it too.
            for descriptor in pipes:
                os.close(descriptor)
            self._fork = False
            self._walker.tasks += given
            return
        os.close(to_child)
        os.close(from_child)
        self._side = _Side(self._walker, Channel(to_parent, from_parent))

    def _second(self, given: list[tuple[str, int, int]], channel: Channel, others: tuple[int, int]) -> None:
        for descriptor in others:
            os.close(descriptor)
        work_for(self._walker, channel, given)

    def _collect(self, channel: Channel) -> None:
        message = channel.wait()
        while message[0] != "sums":
            message = channel.wait()
        theirs = type(self._walker.tally)(0)
        _, theirs.blocks, theirs.sizes, theirs.counts, theirs.links, problems, theirs.noted, theirs.seen = message
        theirs.problems = [Problem(*problem) for problem in problems]
        self._walker.tally.merge(theirs)


def work_for(walker: Walker, channel: Channel, given: list[tuple[str, int, int]]) -> None:
    """The second process: works on what it is given, tells its sums and ends."""
    mine = walker.second(given)
    side = _Side(mine, channel)
    told = 0

    def poll() -> None:
        nonlocal told
        side.poll()
        if mine.done != told:
            told = mine.done
            channel.send("done", told)

    mine.poll = poll
    side.work()
    tally: Tally = mine.tally
    channel.send(
        "sums",
        tally.blocks,
        tally.sizes,
        tally.counts,
        tally.links,
        [tuple(problem) for problem in tally.problems],
        tally.noted,
        tally.seen,
    )
