"""The few errors of the program; each carries file, place and sentence as fields, and its exit status."""

from __future__ import annotations


class OcistoreError(Exception):
    """Base of all errors that a caller may want to catch.

    Attributes:
        sentence: what is wrong, one sentence, without the file.
        file: the path it is about, as the user would find it; empty if none.
        place: where in the file (line, offset, record); empty if none.
        exit_code: exit status of the command line (design: 1 partial, 2 usage).
    """

    exit_code = 1

    def __init__(self, sentence: str, file: str = "", place: str = "") -> None:
        super().__init__(sentence, file, place)
        self.sentence = sentence
        self.file = file
        self.place = place

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.file, self.place) if part)
        return f"{where}: {self.sentence}" if where else self.sentence


class CorruptFile(OcistoreError):
    """A file's bytes don't follow its format; format functions raise this and nothing else."""

    def within(self, file: str) -> CorruptFile:
        """The same error, told of `file` (format functions know no names)."""
        return type(self)(self.sentence, file, self.place)


class UnreadableFile(OcistoreError):
    """The system refused to list, stat, read or follow a path.

    Attributes:
        errno: the system's error number.
    """

    def __init__(self, sentence: str, file: str = "", errno: int = 0) -> None:
        super().__init__(sentence, file)
        self.errno = errno


class NotAStore(OcistoreError):
    """The directory is no store that ocistore knows."""

    exit_code = 2


class UnknownThing(OcistoreError):
    """No node, or more than one, answers to the name, id, prefix or path that was given."""

    exit_code = 2


class UsageError(OcistoreError):
    """The request itself is wrong: an unknown option of a native command, a bad time, a filter."""

    exit_code = 2


class Unsupported(OcistoreError):
    """The request is understood and is not implemented; nothing is guessed."""

    exit_code = 2
