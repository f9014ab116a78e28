"""Go's regular expressions: what Go finds is found, what Go refuses is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import CorruptFile, Unsupported
from ocistore.formats.goregexp import compile_go


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("bc", "abcd", True),
        ("^bc", "abcd", False),
        ("d$", "abcd", True),
        ("d$", "abcd\n", False),
        ("(?m)d$", "abcd\nx", True),
        ("(?i)BC", "abcd", True),
        (r"\d{2,3}$", "x123", True),
        (r"\d{4}", "x123", False),
        (r"a{,5}", "a{,5}", True),
        (r"a{,5}", "aaa", False),
        (r"[[:alpha:]]+\z", "12ab", True),
        (r"[^]x]", "]x", False),
        (r"a.*?c", "abbc", True),
        (r"\Qa.c\E+", "a.ccc", True),
        (r"\Qa.c\E", "abc", False),
        (r"(?P<n>a)(?:b|c)", "ac", True),
        (r"(?<n>a)b", "ab", True),
        (r"\x41\x{42}", "AB", True),
        (r"\s", "\v", False),
        (r"\w", "é", False),
        ("", "anything", True),
        (r"[a\-z&&]", "&", True),
        (r"(?U)a+", "aa", True),
        (r"\101", "A", True),
    ],
)
def test_finding(pattern: str, text: str, found: bool) -> None:
    """Whether an expression is found anywhere in a text."""
    assert found == (compile_go(pattern).search(text) is not None)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        r"(a)\1",
        "a*+",
        "a**",
        "a{2}{3}",
        "a{1001}",
        "(",
        "a)",
        "[a",
        r"\Z",
        r"a\y",
        "*",
        "\\",
    ],
)
def test_what_go_refuses_is_refused(pattern: str) -> None:
    """These don't compile in Go, so that a filter with them matches nothing."""
    with pytest.raises(CorruptFile):
        compile_go(pattern)


@pytest.mark.parametrize("pattern", [r"\pL", r"\p{Greek}", "a(?i)b", r"[\D]", "[[:^alpha:]]", "x" * 10_001])
def test_what_is_beyond_is_told(pattern: str) -> None:
    """Go takes these; no meaning is guessed."""
    with pytest.raises(Unsupported):
        compile_go(pattern)


@given(st.text(alphabet=r"ab01(){}[]*+?|^$.\,-:<>=!PQEdDwsxiU&~", max_size=24))
def test_any_text_is_taken_or_refused(pattern: str) -> None:
    """No other error, and no warning."""
    with contextlib.suppress(CorruptFile, Unsupported):
        compile_go(pattern).search("ab01")
