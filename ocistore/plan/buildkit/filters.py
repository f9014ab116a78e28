"""The language of BuildKit's filters (containerd `pkg/filters`; docker-buildkit-containerd 3.8, pruneOnce step 4).

type==source.local,id~=^abc      selectors joined by commas must all be true
mutable                          is present
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ocistore.errors import CorruptFile, Unsupported, UsageError
from ocistore.formats.goregexp import compile_go

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Fields = Callable[[str], tuple[str, bool]]
    """Name of a field -> (value, whether it is present)."""

_FIELD = re.compile(r"[0-9A-Za-z_]+", re.ASCII)
_OPERATOR = re.compile(r"[=!~]+")
_QUOTES = '"/|'
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_CODE = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-7]{3})", re.ASCII)


class FilterError(Exception):
    """A filter that BuildKit refuses; the whole command fails then, before anything is pruned.

    Attributes:
        sentence: what is wrong with it.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Selector:
    """One test.

    Attributes:
        field: the first part of its path (`id`, `type`, ...); further parts are not looked at.
        operator: empty for presence.
        pattern: of `~=`; None: it doesn't compile and matches nothing.
    """

    field: str
    operator: Literal["", "==", "!=", "~="] = ""
    value: str = ""
    pattern: re.Pattern[str] | None = None

    def matches(self, fields: Fields) -> bool:
        """Whether a record passes (containerd `pkg/filters/filter.go`)."""
        value, present = fields(self.field)
        if self.operator == "":
            return present
        if self.operator == "==":
            return present and value == self.value
        if self.operator == "!=":
            return value != self.value
        return self.pattern is not None and self.pattern.search(value) is not None


class Filter:
    """Several filters: a record passes if any lets it through; none at all lets everything through."""

    def __init__(self, alternatives: Sequence[Sequence[Selector]]) -> None:
        self._alternatives = alternatives
        self.matches_all = not alternatives or any(not selectors for selectors in alternatives)

    def matches(self, fields: Fields) -> bool:
        """Whether a record passes."""
        return self.matches_all or any(
            all(selector.matches(fields) for selector in selectors) for selectors in self._alternatives
        )


def parse_filters(texts: Sequence[str]) -> Filter:
    """The filters of a command; an empty one matches everything.

    Raises:
        FilterError: BuildKit refuses one of them.
        UsageError: a regular expression whose meaning isn't simulated.
    """
    return Filter([_Parser(text).read() if text else () for text in texts])


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> tuple[Selector, ...]:
        found = [self._selector()]
        while self._at < len(self._text):
            if self._text[self._at] != ",":
                raise self._error("text after a value")
            self._at += 1
            found.append(self._selector())
        return tuple(found)

    def _selector(self) -> Selector:
        field = self._field()
        while self._peek() == ".":
            self._at += 1
            self._field()
        if self._peek() in ("", ","):
            return Selector(field)
        self._skip_blanks()
        operator = self._match(_OPERATOR)
        if operator == "==":
            return Selector(field, "==", self._value(is_pattern=False))
        if operator == "!=":
            return Selector(field, "!=", self._value(is_pattern=False))
        if operator == "~=":
            value = self._value(is_pattern=True)
            return Selector(field, "~=", value, _compile(value))
        raise self._error(f"{operator!r} is no operator" if operator else 'no operator ("==", "!=" or "~=")')

    def _field(self) -> str:
        self._skip_blanks()
        if self._peek() and self._peek() in _QUOTES:
            return self._quoted(alternatives=False)
        field = self._match(_FIELD)
        if not field:
            raise self._error("no name of a field")
        return field

    def _value(self, *, is_pattern: bool) -> str:
        self._skip_blanks()
        char = self._peek()
        if char and char in _QUOTES:
            return self._quoted(alternatives=is_pattern)
        if char in ("", ",", "."):
            raise self._error("no value")
        start = self._at
        while (char := self._peek()) and char != "," and not char.isspace() and (char.isprintable()):
            self._at += 1
        if self._at == start:
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self, *, alternatives: bool) -> str:
        quote = self._peek()
        self._at += 1
        found: list[str] = []
        while (char := self._peek()) != quote:
            if char in ("", "\n"):
                raise self._error("a quoted text without an end")
            self._at += 1
            found.append(self._escape(quote) if char == "\\" else char)
        self._at += 1
        # Only patterns may be quoted in other ways.
        if quote != '"' and not alternatives:
            raise self._error("a quote that only patterns may have")
        return "".join(found)

    def _escape(self, quote: str) -> str:
        char = self._peek()
        if char == quote:
            self._at += 1
            return char
        if char in _ESCAPES:
            self._at += 1
            return _ESCAPES[char]
        found = _CODE.match(self._text, self._at)
        if found is None:
            raise self._error("an escape that Go doesn't know")
        self._at = found.end()
        octal = found.group(4)
        code = int(octal, 8) if octal else int(found.group(1) or found.group(2) or found.group(3), 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (octal and code > 0xFF):
            raise self._error("an escape that is no character")
        return chr(code)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_blanks(self) -> None:
        while self._peek().isspace():
            self._at += 1

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found.group(0)

    def _error(self, what: str) -> FilterError:
        return FilterError(f"the filter {self._text[:200]!r} is wrong at character {self._at + 1}: {what}")


def _compile(value: str) -> re.Pattern[str] | None:
    try:
        return compile_go(value)
    except CorruptFile:
        return None
    except Unsupported as err:
        raise UsageError(f"--filter: {err.sentence} is not simulated") from None
