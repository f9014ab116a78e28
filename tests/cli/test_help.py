"""Help, examples and documentation say the same as the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from ocistore import __version__
from ocistore.cli.main import VERBS, command
from ocistore.findings import CODES
from tests.cli.running import in_process, ocistore

if TYPE_CHECKING:
    from collections.abc import Callable

TOP = Path(__file__).parent.parent.parent
CONTEXT = click.Context(command, info_name="ocistore")


def of(verb: str) -> click.Command:
    """The command of a verb."""
    found = command.get_command(CONTEXT, verb)
    assert found is not None
    return found


def examples() -> list[str]:
    """The example lines of all help texts."""
    texts = [command.epilog or "", *(of(verb).epilog or "" for verb in VERBS)]
    return [line.strip() for text in texts for line in text.splitlines() if line.startswith("  ocistore ")]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_and_an_example(verb: str) -> None:
    """A verb says in its first sentence what it answers, as the list of verbs does, and gives an example."""
    found = of(verb)
    first = (found.help or "").split("\n\n")[0]

    assert first.endswith(".")
    assert any(example.startswith(f"ocistore {verb} ") for example in examples())
    assert all(option.help for option in found.params if isinstance(option, click.Option))


@pytest.mark.parametrize("verb", VERBS)
def test_help_ends_with_0(verb: str) -> None:
    """`--help` prints and ends with 0."""
    ran = ocistore(verb, "--help")

    assert (0, "") == (ran.status, ran.err)
    assert ran.out.startswith(f"Usage: ocistore {verb} ")


@pytest.mark.parametrize("line", examples())
def test_examples_run(line: str, bundled: Callable[[str], Path], tmp_path: Path) -> None:
    """Each example is a command line that gives an answer (on a store that has what it names)."""
    top = bundled("p03")
    (tmp_path / "daemon.json").write_text('{"builder": {"gc": {"enabled": true}}}')
    changes = {
        "/etc/docker/daemon.json": str(tmp_path / "daemon.json"),
        "/var/lib/docker": str(bundled("d01") / "root"),
        "/var/lib/containers/storage": str(top / "root"),
        "~/.local/share/containers/storage": str(top / "root"),
        "/var/lib": str(top),
        "/mnt/disk": str(top),
    }
    words = shlex.split(line)[1:]
    for at, word in enumerate(words):
        for old, new in changes.items():
            if word == old or word.startswith(old + "/"):
                words[at] = new + word.removeprefix(old)
                break
    things = {"localhost/web:latest": "localhost/web:v1", "localhost/web:old": "localhost/web:snap"}
    words = [things.get(word, word).replace("/volumes/data/", "/volumes/appdata/") for word in words]
    ran = ocistore(*words)

    assert ran.status == 0
    assert ran.out


def test_version() -> None:
    """`--version` prints one line, also when click isn't asked."""
    assert f"ocistore {__version__}\n" == ocistore("--version").out == in_process("--version").out


def test_documents_are_made_from_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """README's table of findings and docs/cli.md are what the code says (else: make docs)."""
    import runpy

    monkeypatch.setattr("sys.argv", ["docs.py"])
    docs = runpy.run_path(str(TOP / "tools" / "docs.py"))
    readme = (TOP / "README.md").read_text()

    # Where lines are broken is click's business, and changes with its releases.
    assert docs["in_readme"](readme) == readme
    assert docs["cli_reference"]().split() == (TOP / "docs" / "cli.md").read_text().split()


def test_each_verb_is_in_the_readme() -> None:
    """README names each verb with its STORE."""
    readme = (TOP / "README.md").read_text()

    assert [] == [verb for verb in VERBS if f"| `{verb} " not in readme]


def test_finding_codes_are_used() -> None:
    """Each code that stands in the registry is said somewhere."""
    said = "".join(path.read_text() for path in (TOP / "ocistore").rglob("*.py") if path.name != "findings.py")

    assert [] == [code for code in CODES if code not in said]


def test_said_codes_are_registered() -> None:
    """What `say` is called with directly is registered."""
    sources = [path.read_text() for path in (TOP / "ocistore").rglob("*.py")]
    said = {code for text in sources for code in re.findall(r'\.say\(\s*"([^"]+)"', text)}

    assert set() == said - CODES.keys()
