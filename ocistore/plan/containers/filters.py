"""The filters of prune commands (containers-storage 3.3, 3.4, 3.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ocistore.errors import CorruptFile
from ocistore.formats.goglob import match_path, parse_filter_time
from ocistore.plan.zone import local_zone
from ocistore.stores.containers_storage.relations import ListingFails

from .lookup import look_up_image, repository_of
from .makers import is_external
from .state import RuleFails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ocistore.stores.containers_storage.records import ImageRecord

    from .state import State
    from .versions import Rules

    ImageTest = Callable[[ImageRecord], bool]

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def split_filters(texts: Iterable[str]) -> dict[str, list[str]]:
    """`key=value` texts by key, in order; `key!=value` has the key `key!`.

    Raises:
        RuleFails: no `=` in it.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise RuleFails(f"the filter {text!r} is no KEY=VALUE")
        found.setdefault(key.lower().strip(), []).append(value)
    return found


def filter_time(text: str, now_ns: int) -> int:
    """The time of an `until`.

    Raises:
        RuleFails: it is none.
    """
    try:
        return parse_filter_time(text, now_ns, local_zone())
    except CorruptFile as err:
        raise RuleFails(f"the filter until={text}: {err.sentence}") from None


def one_until(values: list[str], now_ns: int) -> int:
    """The time of an `until` that may be given once.

    Raises:
        RuleFails: given more than once, or no time.
    """
    if len(values) != 1:
        raise RuleFails("the filter until may be given once")
    return filter_time(values[0], now_ns)


def matches_labels(values: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Whether every `K[=V]` fits some label: the key equal, or a pattern if it has a `*`; an empty V fits any."""
    return all(_matches_label(value, labels) for value in values)


def _matches_label(text: str, labels: Mapping[str, str]) -> bool:
    key, _, value = text.partition("=")
    for name, content in labels.items():
        if value not in ("", content):
            continue
        if name == key:
            return True
        if "*" in key and _match(f"*{key}*".replace("/", "|"), name.replace("/", "|")):
            return True
    return False


def _match(pattern: str, name: str) -> bool:
    try:
        return match_path(pattern, name)
    except CorruptFile:
        return False


def matches_regex(values: Iterable[str], text: str) -> bool:
    """Whether any of the patterns is found in the text (Go's and Python's syntax agree where names go).

    Raises:
        RuleFails: a pattern is malformed.
    """
    try:
        return any(re.search(value, text) for value in values)
    except re.error:
        raise RuleFails(f"malformed pattern in {list(values)!r}") from None


def parse_bool(key: str, text: str) -> bool:
    """A boolean filter's value as Go reads it.

    Raises:
        RuleFails: it is none.
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise RuleFails(f"the filter {key} takes true or false, not {text!r}")


class ImageFilters:
    """The filters of an image listing, compiled.

    From podman 5.0 all of them must fit, but positive references, which are alternatives; before, every value of one
    key is an alternative, `label` and `label!` being one key, `since` and `after` too.

    Source: containers-storage 3.3 (`libimage/filters.go applyFilters`); 4.3.1 itself in the conformance tests.
    """

    def __init__(self, state: State, rules: Rules, filters: Mapping[str, list[str]]) -> None:
        """Compiles `key -> values`; a key may end in `!` for its negation.

        Raises:
            RuleFails: an unknown key, a bad value, or one key with contradictory values.
        """
        self._state, self._rules = state, rules
        self._groups: dict[str, list[ImageTest]] = {}
        once: dict[str, bool | str] = {}
        for key, values in filters.items():
            plain, negated = key.removesuffix("!"), key.endswith("!")
            for value in values:
                if plain in _ONCE:
                    meaning: bool | str = value if plain == "containers" else parse_bool(plain, value)
                    if once.setdefault(plain, meaning) != meaning:
                        raise RuleFails(f"the filter {plain} is given with two values")
                self._add(plain, value, negated)

    def fits(self, image: ImageRecord) -> bool:
        """Whether an image passes; raises ListingFails as relations do."""
        return all(any(test(image) for test in tests) for tests in self._groups.values())

    def _add(self, key: str, value: str, negated: bool) -> None:
        test = self._compile(key, value)
        if self._rules.podman_from(5, 0):
            group = key if key == "reference" and not negated else str(len(self._groups))
        else:
            group = "since" if key == "after" else key
        self._groups.setdefault(group, []).append((lambda image: not test(image)) if negated else test)

    def _compile(self, key: str, value: str) -> ImageTest:
        state, rules = self._state, self._rules
        if key == "until":
            until = filter_time(value, state.now_ns)
            return lambda image: image.created_ns < until
        if key in ("before", "since", "after"):
            found = look_up_image(state, rules, value)
            if found is None:
                raise RuleFails(f"the filter {key}={value}: image not known")
            other = found[0].created_ns
            return (lambda i: i.created_ns < other) if key == "before" else (lambda i: i.created_ns > other)
        if key == "label":
            return lambda image: matches_labels([value], self._labels(image))
        if key == "id":
            # 4.3.1 was seen to take the whole id only.
            if not rules.podman_from(4, 4):
                return lambda image: image.id == value
            return lambda image: image.id.startswith(value)
        if key == "digest" and rules.podman_from(4, 4):
            if not value.startswith("sha256:"):
                raise RuleFails(f"the filter digest={value}: must begin with sha256:")
            return lambda image: any(digest.startswith(value) for digest in image.digests)
        if key == "reference":
            # A listing changes nothing, so that what a name means is looked up once.
            found = look_up_image(state, rules, value) if rules.podman_from(4, 4) else None
            key_found = found[0].key if found else None
            return lambda image: image.key == key_found or _matches_reference(image, value)
        return self._compile_property(key, value)

    def _compile_property(self, key: str, value: str) -> ImageTest:
        state = self._state
        if key == "containers":
            return self._compile_containers(value)
        wanted = parse_bool(key, value) if key in _ONCE else False
        spare = self._rules.podman_from(5, 5)
        if key == "dangling":
            return lambda i: self._relates(i, lambda: state.tree.is_dangling(i, spare_listed=spare) == wanted)
        if key == "intermediate":
            return lambda image: self._relates(image, lambda: state.tree.is_intermediate(image) == wanted)
        if key == "readonly":
            return lambda image: image.readonly == wanted
        if key == "manifest":
            return lambda image: state.storage.data.is_list(image) == wanted
        raise RuleFails(f"the filter {key} is not known")

    def _compile_containers(self, value: str) -> ImageTest:
        state = self._state
        if value == "external":
            return lambda image: all(is_external(state, c.id) for c in state.containers_of(image))
        wanted = parse_bool("containers", value)
        return lambda image: bool(state.containers_of(image)) == wanted

    def _relates(self, image: ImageRecord, test: Callable[[], bool]) -> bool:
        """A test of relations: an image that can't be opened itself fits none, any other's fault fails it whole."""
        try:
            return test()
        except ListingFails:
            if self._state.storage.data.opens(image):
                raise
            return False

    def _labels(self, image: ImageRecord) -> Mapping[str, str]:
        config = self._state.storage.data.config(image)
        return config.labels if config else {}


def _matches_reference(image: ImageRecord, pattern: str) -> bool:
    return any(_match(pattern, form) for name in image.names for form in reference_forms(name))


_ONCE = frozenset(("dangling", "intermediate", "readonly", "containers", "manifest"))


def reference_forms(name: str) -> list[str]:
    """The spellings of a full name that a `reference` pattern is held against."""
    repository = repository_of(name)
    tag = name.removeprefix(repository)
    path = repository.partition("/")[2] or repository
    last = repository.rpartition("/")[2]
    return [name, path, last + tag, repository, path + tag, last]
