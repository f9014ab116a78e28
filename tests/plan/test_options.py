"""Native command lines are read as the engines' programs read them."""

from __future__ import annotations

import pytest

from ocistore.errors import UsageError
from ocistore.plan.options import Parsed, Spec, parse

SPEC = Spec(
    flags={"all": ("a",), "force": ("f",), "build": ("external",)},
    values={"filter": ("F",), "time": ("t",)},
    command="engine prune",
    at_most=2,
)


def read(*argv: str) -> Parsed:
    """The words as SPEC reads them."""
    return parse(argv, SPEC)


@pytest.mark.parametrize(
    "argv", [("-af",), ("-a", "-f"), ("--all", "--force"), ("--all=true", "--force=1"), ("-fa=t",)]
)
def test_flags_long_short_and_joined_are_the_same(argv: tuple[str, ...]) -> None:
    """Boolean options mean the same long, short, joined and with a value."""
    parsed = read(*argv)

    assert (parsed.flag("all"), parsed.flag("force")) == (True, True)


@pytest.mark.parametrize(
    "argv",
    [("--filter", "x=y"), ("--filter=x=y",), ("-F", "x=y"), ("-Fx=y",), ("-F=x=y",), ("-aFx=y",)],
)
def test_values_after_space_equals_and_joined_are_the_same(argv: tuple[str, ...]) -> None:
    """A value may stand after a space, after an equals sign, or directly behind the letter."""
    assert read(*argv).values("filter") == ["x=y"]


def test_values_repeat_in_order_and_the_last_one_is_the_value() -> None:
    """A repeated option keeps every value; `value` gives the last one."""
    parsed = read("--filter", "a", "-F", "b")

    assert (parsed.values("filter"), parsed.value("filter")) == (["a", "b"], "b")


def test_a_value_may_look_like_an_option() -> None:
    """The word behind an option that needs a value is its value whatever it looks like."""
    assert read("--filter", "--all").values("filter") == ["--all"]


def test_the_last_occurrence_of_a_flag_counts() -> None:
    """`--all --all=false` is off."""
    assert not read("--all", "--all=false").flag("all")


def test_a_flag_that_is_not_given_has_the_callers_default() -> None:
    """The default of a boolean option is the caller's to say."""
    parsed = read()

    assert (parsed.flag("all"), parsed.flag("all", True), parsed.given("all")) == (False, True, False)


def test_options_follow_positional_arguments_and_two_dashes_end_them() -> None:
    """Options stand anywhere; behind `--` everything is positional."""
    parsed = read("one", "-a", "--", "-f")

    assert (parsed.positional, parsed.flag("all"), parsed.flag("force")) == (["one", "-f"], True, False)


def test_without_interspersing_the_first_argument_ends_the_options() -> None:
    """Global options of an engine end at the verb."""
    parsed = parse(["-a", "verb", "-x"], Spec(flags={"all": ("a",)}, interspersed=False))

    assert parsed.positional == ["verb", "-x"]


def test_a_single_dash_may_introduce_a_long_name() -> None:
    """Programs on Go's own flag package take `-layout x` for `--layout x`."""
    assert parse(["-layout", "x"], Spec(values={"layout": ()}, single_dash=True)).value("layout") == "x"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("--volumes",), "engine prune: the option --volumes is not simulated"),
        (("--volumes=1",), "engine prune: the option --volumes is not simulated"),
        (("--a",), "engine prune: the option --a is not simulated"),
        (("-z",), "engine prune: the option -z is not simulated"),
        (("-az",), "engine prune: the option -z (in -az) is not simulated"),
        (("--filter",), "engine prune: the option --filter needs a value"),
        (("-aF",), "engine prune: the option -F (in -aF) needs a value"),
        (("--all=maybe",), "engine prune: the option --all takes true or false, not 'maybe'"),
        (("-a=maybe",), "engine prune: the option -a takes true or false, not 'maybe'"),
        (("1", "2", "3"), "engine prune: takes at most 2 arguments, 3 given"),
    ],
)
def test_what_is_not_simulated_is_a_usage_error(argv: tuple[str, ...], sentence: str) -> None:
    """An unknown option, a missing value and a superfluous argument are errors that name themselves."""
    with pytest.raises(UsageError) as caught:
        read(*argv)

    assert sentence == str(caught.value)


def test_a_missing_argument_is_a_usage_error() -> None:
    """Too few arguments are told with the number that is needed."""
    with pytest.raises(UsageError) as caught:
        parse([], Spec(command="engine rm", at_least=1))

    assert str(caught.value) == "engine rm: needs an argument, none given"


def test_a_surplus_argument_of_a_command_without_any_is_named() -> None:
    """A command without arguments names the one it got."""
    with pytest.raises(UsageError) as caught:
        parse(["x"], Spec(command="engine gc", at_most=0))

    assert str(caught.value) == "engine gc: takes no arguments, 'x' given"
