"""What BuildKit, or the command line before it, refuses."""

from __future__ import annotations


class CommandFails(Exception):
    """The command fails at this point; what it did before stays done.

    Attributes:
        sentence: why.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
