"""What the daemon or its command line refuses."""

from __future__ import annotations


class RuleFails(Exception):
    """The command fails at this point; what it did before stays done.

    Attributes:
        sentence: why.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Doubtful(Exception):
    """The command would touch what is unknown: nothing may be planned.

    Attributes:
        sentence: why.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
