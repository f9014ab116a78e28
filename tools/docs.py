"""Writes the parts of the documentation that the code knows: finding codes in README.md, help texts in docs/cli.md.

usage: python tools/docs.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
COLUMNS = 100


def codes_table() -> str:
    """The finding codes as a table, in the registry's order."""
    from ocistore.findings import CODES

    lines = ["| code | severity | blocks plans | what it means |", "|---|---|---|---|"]
    for name, code in CODES.items():
        lines.append(f"| `{name}` | {code.severity} | {'yes' if code.blocks else ''} | {code.meaning} |")
    return "\n".join(lines)


def cli_reference() -> str:
    """The help texts of the program and of each verb."""
    import click

    from ocistore.cli.main import VERBS, command

    parts = [
        "# Command line",
        "Made from the help texts by `make docs`; don't edit.",
    ]
    settings = {**command.context_settings, "terminal_width": COLUMNS, "max_content_width": COLUMNS}
    top = click.Context(command, info_name="ocistore", **settings)
    parts.append(f"```\n{command.get_help(top)}\n```")
    for verb in VERBS:
        found = command.get_command(top, verb)
        assert found is not None
        context = click.Context(found, info_name=verb, parent=top)
        parts.append(f"## {verb}\n\n```\n{found.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def in_readme(readme: str) -> str:
    """README.md with the table of codes as it must be."""
    return re.sub(
        r"(<!-- codes -->\n).*?(\n<!-- /codes -->)",
        lambda found: found[1] + codes_table() + found[2],
        readme,
        flags=re.DOTALL,
    )


def main(arguments: list[str]) -> int:
    """Writes the files, or says which are old."""
    sys.path.insert(0, str(TOP))
    readme, reference = TOP / "README.md", TOP / "docs" / "cli.md"
    made = {readme: in_readme(readme.read_text()), reference: cli_reference()}
    old = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in old:
            print(f"{path.relative_to(TOP)} is not what the code says; run make docs", file=sys.stderr)
        return int(bool(old))
    for path in old:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
