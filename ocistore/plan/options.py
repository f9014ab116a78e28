"""A declarative parser of native command lines, as the engines' own programs read them.

The programs are written in Go and share one way of reading options (spf13/pflag): long, short and joined options,
`--flag=false`, values after `=`, after a space or joined to the letter, and options anywhere among the arguments.
An option that is not declared is not simulated, and that is an error: it is never ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ocistore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


@dataclass(frozen=True, slots=True)
class Spec:
    """What a native command accepts of what is simulated.

    Names are written without dashes; a name of one letter is a short option, any other a long one.

    Attributes:
        flags: boolean options: name -> its other names (`{"all": ("a",)}`).
        values: options with a value, repeatable: name -> its other names (`{"filter": ("f",)}`).
        command: the command as errors name it (`podman image prune`).
        at_least: fewest positional arguments.
        at_most: most positional arguments, None for any number.
        interspersed: whether options may follow positional arguments; if not, the first one ends the options.
        single_dash: whether `-name` means `--name` (Go's own flag package, urfave/cli); nothing is joined then.

    Example:
        >>> spec = Spec(flags={"all": ("a",), "force": ("f",)}, values={"filter": ()}, command="podman image prune")
        >>> parsed = parse(["-af", "--filter", "until=24h"], spec)
        >>> parsed.flag("all"), parsed.values("filter"), parsed.positional
        (True, ['until=24h'], [])
    """

    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    command: str = ""
    at_least: int = 0
    at_most: int | None = None
    interspersed: bool = True
    single_dash: bool = False


@dataclass(slots=True)
class Parsed:
    """A command line that was read; asking for a name that the Spec doesn't declare is a KeyError.

    Attributes:
        positional: the arguments that are no options, in order.
    """

    _flags: dict[str, bool | None]
    _values: dict[str, list[str]]
    positional: list[str] = field(default_factory=list)

    def flag(self, name: str, default: bool = False) -> bool:
        """Whether a boolean option is on; the last occurrence counts, `default` without any."""
        given = self._flags[name]
        return default if given is None else given

    def values(self, name: str) -> list[str]:
        """Every value of an option, in order; empty without any."""
        return list(self._values[name])

    def value(self, name: str) -> str | None:
        """The last value of an option, None without any."""
        given = self._values[name]
        return given[-1] if given else None

    def given(self, name: str) -> bool:
        """Whether an option occurs at all, with whatever value."""
        return self._flags.get(name) is not None or bool(self._values.get(name))


def parse(argv: Sequence[str], spec: Spec) -> Parsed:
    """Reads the words that follow the command's own (`["-a", "NAME"]` of `podman image prune -a NAME`).

    Raises:
        UsageError: an option that is not simulated, a missing or wrong value, too few or too many arguments.
    """
    return _Reader(argv, spec).read()


class _Reader:
    def __init__(self, argv: Sequence[str], spec: Spec) -> None:
        self._words = list(argv)
        self._at = 0
        self._spec = spec
        self._flags = {alias: name for name, others in spec.flags.items() for alias in (name, *others)}
        self._values = {alias: name for name, others in spec.values.items() for alias in (name, *others)}
        self._parsed = Parsed(dict.fromkeys(spec.flags), {name: [] for name in spec.values})

    def read(self) -> Parsed:
        while self._at < len(self._words):
            word = self._words[self._at]
            self._at += 1
            if word == "--":
                self._positional(self._words[self._at :])
                break
            if word.startswith("--") or (self._spec.single_dash and word.startswith("-") and word != "-"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._short(word)
            elif self._spec.interspersed:
                self._positional([word])
            else:
                self._positional(self._words[self._at - 1 :])
                break
        self._count()
        return self._parsed

    def _positional(self, words: list[str]) -> None:
        self._parsed.positional.extend(words)

    def _long(self, word: str) -> None:
        name, equals, value = word.lstrip("-").partition("=")
        # With pflag a letter is only a short option: "--a" is unknown.
        known = len(name) > 1 or self._spec.single_dash
        if known and name in self._flags:
            self._set_flag(self._flags[name], word, value if equals else "true")
        elif known and name in self._values:
            self._set_value(self._values[name], word.partition("=")[0], value if equals else None)
        else:
            raise self._error(f"the option {word.partition('=')[0]} is not simulated")

    def _short(self, word: str) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            shown = f"-{letter}" if word[:2] == f"-{letter}" else f"-{letter} (in {word})"
            if letter in self._flags:
                value = "true"
                if letters.startswith("="):
                    value, letters = letters[1:], ""
                self._set_flag(self._flags[letter], shown, value)
            elif letter in self._values:
                # "-fVALUE", "-f=VALUE" and "-f VALUE" are the same.
                rest = letters[1:] if letters.startswith("=") else letters
                self._set_value(self._values[letter], shown, rest if letters else None)
                return
            else:
                raise self._error(f"the option {shown} is not simulated")

    def _set_flag(self, name: str, shown: str, value: str) -> None:
        if value not in _TRUE and value not in _FALSE:
            raise self._error(f"the option {shown.partition('=')[0]} takes true or false, not {value!r}")
        self._parsed._flags[name] = value in _TRUE

    def _set_value(self, name: str, shown: str, value: str | None) -> None:
        if value is None:
            if self._at >= len(self._words):
                raise self._error(f"the option {shown} needs a value")
            value = self._words[self._at]
            self._at += 1
        self._parsed._values[name].append(value)

    def _count(self) -> None:
        spec, count = self._spec, len(self._parsed.positional)
        if count < spec.at_least:
            raise self._error(f"needs {_arguments(spec.at_least)}, {count or 'none'} given")
        if spec.at_most is not None and count > spec.at_most:
            if spec.at_most == 0:
                raise self._error(f"takes no arguments, {self._parsed.positional[0]!r} given")
            raise self._error(f"takes at most {_arguments(spec.at_most)}, {count} given")

    def _error(self, sentence: str) -> UsageError:
        return UsageError(f"{self._spec.command}: {sentence}" if self._spec.command else sentence)


def _arguments(count: int) -> str:
    return "an argument" if count == 1 else f"{count} arguments"
