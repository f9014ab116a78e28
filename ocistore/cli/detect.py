"""`ocistore detect`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import click

from ocistore.cli.options import examples, json_option, verbose_option

if TYPE_CHECKING:
    from ocistore.stores.detect import Found


@click.command(
    "detect",
    epilog=examples(
        "ocistore detect /var/lib",
        "ocistore detect --deep /mnt/disk --json",
    ),
)
@click.argument("path", type=click.Path(readable=False))
@click.option("--deep", is_flag=True, help="Search layers everywhere, not only where engines keep their data.")
@json_option
@verbose_option
def command(path: str, deep: bool, as_json: bool, verbose: bool) -> int:
    """Which stores are below PATH.

    Stores are known by their files, wherever they lie: engines' roots, layouts, and stores nested in volumes and
    layers of others.  Links are not followed, other file systems not entered.
    """
    # Imported here, as in every verb: --help pays for nothing.
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import status_of, tell
    from ocistore.errors import NotAStore, UnreadableFile
    from ocistore.findings import Findings
    from ocistore.stores.detect import detect

    findings = Findings()
    try:
        found = detect(path, deep, findings)
    except UnreadableFile as err:
        if err.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NotAStore(err.sentence, path) from None
        raise
    if as_json:
        stores = [
            {"root": f.root, "kind": f.kind, "driver": f.driver, "inside": f.inside, "through": f.through}
            for f in found
        ]
        print_json(envelope("detect", findings, stores=stores))
    else:
        _print(path, found)
        tell(findings, verbose)
    return status_of(findings)


def _print(path: str, found: list[Found]) -> None:
    from ocistore.cli.table import escape, table

    if not found:
        print(f"no store at or below {escape(path)}")
        return
    rows = [(escape(f.root), f.kind, f.driver or "-", _inside(f)) for f in found]
    for line in table(("ROOT", "KIND", "DRIVER", "INSIDE"), rows, shrink=("INSIDE", "ROOT")):
        print(line)


def _inside(found: Found) -> str:
    from ocistore.cli.table import escape

    if found.inside is None:
        return "-"
    return escape(found.inside) + (f", {escape(found.through)}" if found.through else "")
