"""Writes what the code knows into the documentation: answers and finding codes in README.md, help texts in docs/cli.md.

usage: python tools/docs.py [--check]
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
COLUMNS = 100
SCREENS = {"df": 80}
WIDE = 112
"""Columns of README's answers, by verb; other verbs get the wide screen."""
NOW = "2026-11-21T08:00:00Z"
"""The time by which README's answers judge ages; shortly after the bundled stores were made."""
_ANSWER = re.compile(r"```\n\$ (ocistore [^\n]*)\n(.*?)```", re.DOTALL)


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


def answers(readme: str) -> list[tuple[str, str]]:
    """The commands that README shows, each with the answer that stands below it."""
    return _ANSWER.findall(readme)


def answer(command: str, directory: Path) -> str:
    """What a command of README prints on a terminal, run where bundled stores lie."""
    words = shlex.split(command)[1:]
    if words[0] != "why":
        words += ["--now", NOW]
    environment = {
        "COLUMNS": str(SCREENS.get(words[0], WIDE)),
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": str(TOP),
        "PATH": os.environ.get("PATH", ""),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "ocistore", *words],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return "".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines())


def with_answers(readme: str) -> str:
    """README.md with each command's answer as it is now; the stores are unpacked for it."""
    from tests.unpack import unpack

    with tempfile.TemporaryDirectory() as top:
        for command, _ in answers(readme):
            [name] = {word.split("/")[0] for word in command.split() if word.endswith("/root")}
            if not (Path(top) / name).exists():
                unpack(TOP / "tests" / "data" / f"{name}.tar.zst", Path(top))
        return _ANSWER.sub(lambda m: f"```\n$ {m[1]}\n{answer(m[1], Path(top))}```", readme)


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
    made[readme] = with_answers(made[readme])
    for path, text in made.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
