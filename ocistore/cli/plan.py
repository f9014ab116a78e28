"""`ocistore plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ocistore.cli.options import Where, examples, json_option, now_option, store_argument, verbose_option
from ocistore.errors import UsageError

if TYPE_CHECKING:
    from ocistore.cli.answer import JSON
    from ocistore.plan.plan import Plan
    from ocistore.stores.store import Store

SCOPES = ("unreferenced", "dangling", "intermediate", "cache", "containers", "unused", "volumes", "all")
DEFAULT_GRACE = "24h"
_POLICY_LIMIT = 16 * 1024 * 1024


@click.command(
    "plan",
    epilog=examples(
        "ocistore plan /var/lib/containers/storage --prune dangling,intermediate",
        "ocistore plan /var/lib/containers/storage --remove localhost/web:old",
        "ocistore plan /var/lib/containers/storage --as 'podman system prune -a --filter until=24h'",
        "ocistore plan /var/lib/docker --as 'docker image prune -a && docker builder prune'",
        "ocistore plan /var/lib/docker --gc-policy /etc/docker/daemon.json --as-version 28.5",
    ),
)
@store_argument
@click.option(
    "--prune",
    "prune",
    metavar="SCOPES",
    help=f"What to prune, comma-separated: {', '.join(SCOPES)}.  Without anything else: unreferenced.",
)
@click.option(
    "--remove", "remove", multiple=True, metavar="THING", help="Remove this: id, name, digest or path (repeatable)."
)
@click.option(
    "--as",
    "native",
    metavar="COMMAND",
    help="Plan exactly what this native command line would take; several are joined by ' && '.",
)
@click.option(
    "--gc-policy",
    "policy",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Plan what the engine's own collection of its build cache takes by this daemon.json or buildkitd.toml.",
)
@click.option(
    "--as-version", metavar="VERSION", help="Version of the tool in COMMAND, or of the engine, where not the newest."
)
@click.option(
    "--grace",
    default=DEFAULT_GRACE,
    show_default=True,
    metavar="AGE",
    help="Leave unreferenced data that is younger: a writer may be active (not with --as).",
)
@now_option
@json_option
@verbose_option
def command(
    where: Where,
    prune: str | None,
    remove: tuple[str, ...],
    native: str | None,
    policy: str | None,
    as_version: str | None,
    grace: str,
    now_ns: int,
    as_json: bool,
    verbose: bool,
) -> int:
    """What a prune or a removal would take, in order and to the byte; nothing is removed.

    Children go before their parents.  What doubt forbids is not planned: the plan is blocked, and a finding says why.
    """
    from ocistore.cli.answer import envelope, print_json
    from ocistore.cli.report import findings_of, status_of, tell
    from ocistore.usage.select import parse_age

    if sum((bool(prune), bool(remove), native is not None, policy is not None)) > 1:
        raise UsageError("--prune, --remove, --as and --gc-policy are four kinds of plan; give one of them")
    if as_version is not None and native is None and policy is None:
        raise UsageError("--as-version belongs to --as and --gc-policy")
    scopes = _scopes(prune)
    grace_ns = parse_age(grace, "--grace")
    store = where.open_one(now_ns)
    plan = _plan(store, scopes, remove, native, policy, as_version, grace_ns, now_ns)
    findings = list(dict.fromkeys([*findings_of([store]), *plan.findings]))
    if as_json:
        print_json(envelope("plan", findings, **_json(plan)))
    else:
        from ocistore.cli.plan_text import print_plan

        print_plan(store, plan, _asked(scopes, remove, native, policy), verbose)
        tell(findings, verbose, always=plan.findings)
    return max(status_of(findings), int(plan.blocked))


def _asked(scopes: list[str], remove: tuple[str, ...], native: str | None, policy: str | None) -> str:
    """What was asked for, as it was typed."""
    if policy is not None:
        return f"--gc-policy {policy}"
    if native is not None:
        return f"`{native}`"
    return " ".join(f"--remove {thing}" for thing in remove) if remove else f"--prune {','.join(scopes)}"


def _scopes(prune: str | None) -> list[str]:
    scopes = [scope.strip() for scope in (prune or "unreferenced").split(",")]
    for scope in scopes:
        if scope not in SCOPES:
            raise UsageError(f"--prune {scope}: no scope; there are {', '.join(SCOPES)}")
    return scopes


def _plan(
    store: Store,
    scopes: list[str],
    remove: tuple[str, ...],
    native: str | None,
    policy: str | None,
    as_version: str | None,
    grace_ns: int,
    now_ns: int,
) -> Plan:
    from ocistore.cli.progress import progress
    from ocistore.plan.make import plan_command, plan_gc, plan_remove, plan_scopes

    with progress("sizes", "directories") as more:
        if policy is not None:
            return plan_gc(store, _text_of(policy), now_ns=now_ns, version=as_version, progress=more)
        if native is not None:
            return plan_command(store, native, now_ns=now_ns, version=as_version, progress=more)
        if remove:
            from ocistore.stores.find import find_things

            things = [number for text in remove for number in find_things(store, text)]
            return plan_remove(store, list(dict.fromkeys(things)), now_ns=now_ns, grace_ns=grace_ns, progress=more)
        return plan_scopes(store, scopes, now_ns=now_ns, grace_ns=grace_ns, progress=more)


def _text_of(policy: str) -> str:
    """The text of a configuration file.

    Raises:
        UsageError: it can't be read as text.
    """
    try:
        with open(policy, encoding="utf-8") as file:
            return file.read(_POLICY_LIMIT)
    except (OSError, UnicodeDecodeError) as err:
        raise UsageError(f"--gc-policy: {err}", policy) from None


def _json(plan: Plan) -> JSON:
    from ocistore.cli.answer import bytes_json

    steps = [
        {
            "node": f"{step.removal.kind}:{step.removal.id}",
            "kind": step.removal.kind,
            "id": step.removal.id,
            "paths": list(step.removal.paths),
            "frees": None if step.frees is None else bytes_json(step.frees),
            "cumulative": None if step.cumulative is None else bytes_json(step.cumulative),
            "why": step.removal.why,
            "native": step.removal.native,
        }
        for step in plan.steps
    ]
    return {
        "as": plan.command,
        "now": plan.now,
        "blocked": plan.blocked,
        "frees": None if plan.frees is None else bytes_json(plan.frees),
        "steps": steps,
    }
