"""Options that verbs share, each written once."""

from __future__ import annotations

import functools
import os
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ocistore.errors import CorruptFile, UsageError
from ocistore.stores.store import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from ocistore.stores.store import Store

F = TypeVar("F", bound="Callable[..., Any]")

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ZONE = re.compile(r"(?:Z|z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True, slots=True)
class Where:
    """The store that a verb is asked about, as the command line says it.

    Attributes:
        path: the STORE argument.
        options: what the command line says beyond it.
        pick: `--store`.
    """

    path: str
    options: Options
    pick: str | None

    def open(self, now_ns: int, sizes: bool = False) -> list[Store]:
        """The store, or each of those below the directory; leases expire as of `now_ns`.

        Args:
            now_ns: nanoseconds since 1970.
            sizes: whether all of them will be asked for.
        """
        # Imported here: --help and bad usage need no reader.
        from ocistore.stores.open import open_stores

        return open_stores(self.path, replace(self.options, now_ns=now_ns, sizes=sizes), self.pick)

    def open_one(self, now_ns: int) -> Store:
        """The store; an error if there are several."""
        from ocistore.stores.open import open_store

        return open_store(self.path, replace(self.options, now_ns=now_ns), self.pick)


def examples(*lines: str) -> str:
    """The examples of a verb as they stand at the end of its help; tests run them."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def store_argument(function: F) -> F:
    """STORE and the options that say which store it is and what belongs to it; the verb gets them as `where`."""

    @functools.wraps(function)
    def wrapped(
        *args: Any,  # noqa: ANN401 - click's
        store: str,
        pick: str | None,
        runroot: str | None,
        imagestore: str | None,
        additional: tuple[str, ...],
        containerd_root: str | None,
        **kwargs: Any,  # noqa: ANN401 - click's
    ) -> Any:  # noqa: ANN401 - click's
        options = Options(runroot, imagestore, additional, containerd_root)
        return function(*args, where=Where(store, options, pick), **kwargs)

    directory = click.Path(file_okay=False, readable=False)
    for decorate in (
        click.option(
            "--additional-image-store",
            "additional",
            type=directory,
            multiple=True,
            metavar="DIR",
            help="A read-only image store that this one builds on (containers-storage; repeatable).",
        ),
        click.option(
            "--containerd-root",
            type=directory,
            metavar="DIR",
            help="The root of the containerd beside it, which has its images and snapshots (docker).",
        ),
        click.option(
            "--imagestore",
            type=directory,
            metavar="DIR",
            help="The image half of a split store (containers-storage).",
        ),
        click.option(
            "--runroot",
            type=directory,
            metavar="DIR",
            help="The volatile half of the store: what is mounted (containers-storage).",
        ),
        click.option(
            "--store", "pick", metavar="ROOT", help="Which store, as detect names it, where several are below STORE."
        ),
        click.argument("store", type=click.Path(readable=False)),
    ):
        wrapped = decorate(wrapped)
    return wrapped  # type: ignore[return-value]


def json_option(function: F) -> F:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object (README: JSON).")(function)


def verbose_option(function: F) -> F:
    """`-v`."""
    return click.option("-v", "--verbose", is_flag=True, help="Print more: paths, traits, notes.")(function)


def now_option(function: F) -> F:
    """`--now`; the verb gets nanoseconds since 1970 as `now_ns`."""
    return click.option(
        "--now",
        "now_ns",
        metavar="TIME",
        callback=lambda _context, _option, value: time.time_ns() if value is None else parse_now(value),
        help="Judge ages as of this time (RFC 3339; UTC unless it has a zone or TZ is set).",
    )(function)


def parse_now(text: str) -> int:
    """Nanoseconds since 1970 of a time as a person types it.

    Raises:
        UsageError: it is no time.
    """
    # Imported here: most calls give no time.
    from datetime import UTC, datetime

    from ocistore.formats.gotime import parse_time

    whole = f"{text}T00:00:00" if _DATE.fullmatch(text) else text
    try:
        if _ZONE.search(whole):
            return parse_time(whole)
        at = parse_time(whole + "Z")
    except CorruptFile:
        raise UsageError(f"--now {text}: not a time like 2026-11-21T07:00:00Z") from None
    if not os.environ.get("TZ"):
        return at
    seconds, rest = divmod(at, 1_000_000_000)
    wall = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return int(wall.astimezone().timestamp()) * 1_000_000_000 + rest
