"""The filter language of containerd, as BuildKit's prunes use it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocistore.errors import UsageError
from ocistore.plan.buildkit.filters import FilterError, parse_filters

FIELDS = {
    "id": ("abc123", True),
    "type": ("regular", True),
    "mutable": ("", True),
    "description": ("RUN go build", True),
}


def fields(name: str) -> tuple[str, bool]:
    """A mutable regular record."""
    return FIELDS.get(name, ("", False))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], True),
        ([""], True),
        (["mutable"], True),
        (["immutable"], False),
        (["unknown"], False),
        (["type==regular"], True),
        (["type!=regular"], False),
        (["type==regular,id==abc123"], True),
        (["type==regular,id==x"], False),
        (["type==x", "id==abc123"], True),
        (["type==x", ""], True),
        (["id~=^abc"], True),
        (["id~=b.*2"], True),
        (["id~=^b"], False),
        (["shared==true"], False),
        (["shared!=true"], True),
        (["mutable==true"], False),
        (["unknown!=x"], True),
        (["unknown~=x"], False),
        (["unknown~=^$"], True),
        (["id~=(?=a)"], False),
        (["id~=("], False),
        (['description=="RUN go build"'], True),
        (['description=="RUN\\x20go build"'], True),
        (["description~=/^RUN go/"], True),
        (["description~=|go bu|,type==regular"], True),
        (["id.more.parts==abc123"], True),
        (['"id"==abc123'], True),
        (["id == abc123"], True),
        ([" type==regular, id==abc123"], True),
        (["id==abc123=x"], False),
        (["id!=a.b-c/d:e"], True),
    ],
)
def test_matching(texts: list[str], found: bool) -> None:
    """Selectors of a text are joined by and, texts by or; an absent field has the value ""."""
    assert found == parse_filters(texts).matches(fields)


@pytest.mark.parametrize(
    "text",
    [
        "type=regular",
        "type===regular",
        "type==!regular",
        "type==",
        "type==,id==x",
        "type==.x",
        "type~x",
        "==x",
        "type==a b",
        "type==a ,id==b",
        "type==regular,",
        ",type==regular",
        "type==/regular/",
        'type=="regular',
        'type=="a\\qb"',
        'type=="a"b',
        "id.==x",
        "type ",
        "!mutable",
        "'id'==x",
    ],
)
def test_what_the_parser_refuses(text: str) -> None:
    """The whole command fails, before anything is pruned."""
    with pytest.raises(FilterError):
        parse_filters(["id==x", text])


def test_an_expression_whose_meaning_is_unknown_is_no_guess() -> None:
    """A usage error, not a filter that matches nothing."""
    with pytest.raises(UsageError, match="not simulated"):
        parse_filters([r"id~=\p{Greek}"])


@given(st.text(alphabet='idtype=!~.,/|"\\ x0\n', max_size=20))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    """Reading ends, and only its own errors are raised."""
    with contextlib.suppress(FilterError, UsageError):
        parse_filters([text]).matches(fields)
