"""`ocistore check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument

if TYPE_CHECKING:
    from ocistore.findings import Finding


@click.command(
    "check",
    epilog=examples(
        "ocistore check /var/lib/containers/storage",
        "ocistore check /var/lib/containers/storage --verify --json",
    ),
)
@store_argument
@click.option("--verify", is_flag=True, help="Read content and compare it with its digests, too.")
@now_option
@json_option
def command(where: Where, verify: bool, now_ns: int, as_json: bool) -> int:
    """Whether the store is whole: its records, what they name, and with --verify its content."""
    from ocistore.check.structure import check_structure
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of

    stores = where.open(now_ns)
    for store in stores:
        check_structure(store)
    verified: dict[str, int] | None = None
    if verify:
        from ocistore.check.verify import verify as verify_store
        from ocistore.cli.progress import progress

        verified = {"nodes": 0, "bytes": 0}
        for store in stores:
            with progress("verifying", "bytes") as more:
                done = verify_store(store, more)
            verified["nodes"] += done.nodes
            verified["bytes"] += done.bytes
    findings = findings_of(stores)
    if as_json:
        print_json(envelope("check", findings, verified=verified))
    else:
        _print(findings, verified)
    return status_of(findings)


def _print(findings: list[Finding], verified: dict[str, int] | None) -> None:
    from ocistore.cli.report import by_severity, finding_line, summary
    from ocistore.cli.table import counted, size

    for finding in by_severity(findings):
        print(finding_line(finding))
    if verified is not None:
        print(f"verified {counted(verified['nodes'], 'thing')}, {size(verified['bytes'])} read")
    print(summary(findings))
