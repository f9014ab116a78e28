"""Go's regular expressions (RE2 syntax) by way of Python's, as far as both mean the same.

What Go refuses and Python accepts (looking around, back references, possessive repetition) is refused; what Go
accepts and Python would take for something else is rewritten, or told to be beyond this module.  Only whether an
expression is found in a text is asked, so greediness doesn't matter.

Source: Go's regexp/syntax package.
"""

from __future__ import annotations

import re

from ocistore.errors import CorruptFile, Unsupported

MAX_LENGTH = 10_000
"""Characters."""
_MAX_REPEAT = 1000
_LITERAL_ESCAPES = {"a": "\\x07", "f": "\\f", "t": "\\t", "n": "\\n", "r": "\\r", "v": "\\v"}
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r "}
_NAMED = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": "\\t ",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t\\n\\v\\f\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_FLAGS = re.compile(r"\(\?([imsU]+)\)")
_GROUP = re.compile(r"\(\?(?:P?<([A-Za-z_]\w*)>|([imsU]*):)", re.ASCII)
_NAMED_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))")


def compile_go(text: str) -> re.Pattern[str]:
    """A pattern whose `search` says what Go's MatchString would.

    Raises:
        CorruptFile: Go refuses the expression.
        Unsupported: Go takes it, and what it means is beyond this module.
    """
    if len(text) > MAX_LENGTH:
        raise Unsupported(f"a regular expression of more than {MAX_LENGTH} characters")
    translated = _Translator(text).translate()
    try:
        return re.compile(translated, re.ASCII)
    except (re.error, OverflowError, RecursionError) as err:
        raise CorruptFile(f"no regular expression ({err})") from None


class _Translator:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._many_lines = False

    def translate(self) -> str:
        text = self._text
        found: list[str] = []
        flags = _FLAGS.match(text)
        if flags:
            self._many_lines = "m" in flags.group(1)
            kept = flags.group(1).replace("U", "")
            found.append(f"(?{kept})" if kept else "")
            self._at = flags.end()
        repeated = False
        while self._at < len(text):
            char = text[self._at]
            if char in "*+?" or (char == "{" and _REPEAT.match(text, self._at)):
                if repeated:
                    raise CorruptFile("no regular expression (a repetition of a repetition)")
                found.append(self._repetition())
                repeated = True
                continue
            repeated = False
            found.append(self._one(char))
        return "".join(found)

    def _one(self, char: str) -> str:
        if char == "\\":
            self._at += 1
            return self._escape(in_class=False)
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        self._at += 1
        if char == "$":
            return "$" if self._many_lines else "\\Z"
        # A brace that begins no repetition is a brace; Python would read "{,5}" as one.
        return f"\\{char}" if char in "{}" else char

    def _repetition(self) -> str:
        """A repetition with the mark of ungreediness that may follow it, which is left out."""
        found = _REPEAT.match(self._text, self._at)
        if found:
            least, comma, most = found.groups()
            if max(int(least), int(most or 0)) > _MAX_REPEAT or (comma and most and int(most) < int(least)):
                raise CorruptFile("no regular expression (a repetition that Go refuses)")
            self._at = found.end()
        else:
            self._at += 1
        given = found.group(0) if found else self._text[self._at - 1]
        if self._text[self._at : self._at + 1] == "?":
            self._at += 1
        return given

    def _group(self) -> str:
        if not self._text.startswith("(?", self._at):
            self._at += 1
            return "("
        found = _GROUP.match(self._text, self._at)
        if found:
            self._at = found.end()
            if found.group(1) is not None:
                return f"(?P<{found.group(1)}>"
            flags = (found.group(2) or "").replace("U", "")
            if "m" in flags:
                raise Unsupported("a regular expression with flags inside")
            return f"(?{flags}:"
        if re.match(r"\(\?[imsU]*-?[imsU]*[:)]", self._text[self._at :]):
            raise Unsupported("a regular expression with flags inside")
        raise CorruptFile("no regular expression (a group that Go refuses)")

    def _escape(self, *, in_class: bool) -> str:
        """What follows a backslash."""
        if self._at >= len(self._text):
            raise CorruptFile("no regular expression (it ends with a backslash)")
        char = self._text[self._at]
        self._at += 1
        if char in _LITERAL_ESCAPES:
            return _LITERAL_ESCAPES[char]
        if char.lower() in _CLASSES:
            return self._perl_class(char, in_class)
        if char in "pPC":
            raise Unsupported("a regular expression with a class of Unicode")
        found = _HEX.match(self._text, self._at - 1)
        if found:
            self._at = found.end()
            return _literal(int(found.group(1) or found.group(2), 16))
        if char in "01234567":
            return self._octal(char)
        if not in_class and char in "AbBz":
            return "\\Z" if char == "z" else f"\\{char}"
        if not in_class and char == "Q":
            quoted, _, _ = self._text[self._at :].partition("\\E")
            self._at = min(len(self._text), self._at + len(quoted) + 2)
            return re.escape(quoted)
        if ord(char) < 0x80 and not char.isalnum():
            return re.escape(char) if char != "-" else "\\-"
        raise CorruptFile(f"no regular expression (the escape \\{char})")

    def _octal(self, char: str) -> str:
        found = re.match(r"[0-7]{1,3}", self._text[self._at - 1 :], re.ASCII)
        digits = found.group(0) if found else char
        if char != "0" and len(digits) < 2:
            raise CorruptFile("no regular expression (a back reference)")
        self._at += len(digits) - 1
        return _literal(int(digits, 8))

    def _perl_class(self, char: str, in_class: bool) -> str:
        inner = _CLASSES[char.lower()]
        if not in_class:
            return f"[{'^' if char.isupper() else ''}{inner}]"
        if char.isupper():
            raise Unsupported("a regular expression with a negated class inside a class")
        return inner

    def _class(self) -> str:
        found = ["["]
        self._at += 1
        if self._text[self._at : self._at + 1] == "^":
            found.append("^")
            self._at += 1
        first = True
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "]" and not first:
                self._at += 1
                return "".join([*found, "]"])
            named = _NAMED_CLASS.match(self._text, self._at)
            if named:
                found.append(_named_class(named.group(1), named.group(2)))
                self._at = named.end()
            elif char == "\\":
                self._at += 1
                found.append(self._escape(in_class=True))
            else:
                self._at += 1
                # Python warns of what may once be operations on sets.
                found.append(f"\\{char}" if char in "[]&~|" else char)
            first = False
        raise CorruptFile("no regular expression (a class without an end)")


def _named_class(negated: str, name: str) -> str:
    if name not in _NAMED:
        raise CorruptFile(f"no regular expression (the class [:{name}:])")
    if negated:
        raise Unsupported("a regular expression with a negated class inside a class")
    return _NAMED[name]


def _literal(code: int) -> str:
    if code > 0x10FFFF:
        raise CorruptFile("no regular expression (a character beyond Unicode)")
    return re.escape(chr(code))
