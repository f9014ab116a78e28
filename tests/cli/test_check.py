"""`ocistore check`: the findings are the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.running import ocistore
from tests.cli.test_ls import arguments
from tests.conftest import names, truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERBS = [(name, at) for name in names() for at, check in enumerate(truth(name)["checks"]) if "verb" in check]


@pytest.mark.parametrize(("name", "at"), VERBS, ids=[f"{name[:3]}-{at}" for name, at in VERBS])
def test_damage_is_told(name: str, at: int, bundled: Callable[[str], Path]) -> None:
    """A damaged store's status and words are those that its truth asks for, and never a traceback."""
    check = truth(name)["checks"][at]
    verb, *more = check["verb"]
    ran = ocistore(verb, *arguments(bundled(name), name, check["root"]), *more)

    assert check["exit"] == ran.status
    assert [] == [word for word in check.get("says", []) if word not in ran.out + ran.err]
    assert [] == [word for word in check.get("never", []) if word in ran.out + ran.err]


def test_sound_store(bundled: Callable[[str], Path]) -> None:
    """A sound store ends with 0 and has neither errors nor warnings, also when content is read."""
    ran = ocistore("check", bundled("p01") / "root", "--verify")

    assert (0, "") == (ran.status, ran.err)
    assert [] == [line for line in ran.lines if line.startswith(("error", "warning"))]
    assert any(line.startswith("verified ") for line in ran.lines)


def test_findings_are_on_standard_output_errors_first(bundled: Callable[[str], Path]) -> None:
    """The findings are printed in the order of their severity, and counted."""
    ran = ocistore("check", bundled("p32") / "root")
    severities = [line.partition(":")[0] for line in ran.lines[:-1]]

    assert ran.err == ""
    assert sorted(severities, key=["error", "warning", "note"].index) == severities
    assert ran.lines[-1].startswith(f"{severities.count('error')} errors, {severities.count('warning')} warnings")


def test_changed_content_is_found(copied: Callable[[str], Path]) -> None:
    """With --verify a blob whose bytes changed is an error; without it isn't read."""
    root = copied("o01") / "root"
    layer = next(
        node["id"].partition(":")[2]
        for node in ocistore("ls", root, "--kind", "blob", "--filter", "layer", "--json").json["nodes"]
    )
    path = root / "blobs" / "sha256" / layer
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    findings = ocistore("check", root, "--verify", "--json").json["findings"]

    assert ocistore("check", root).status == 0
    assert [("bad-digest", f"blobs/sha256/{layer}")] == [(finding["code"], finding["path"]) for finding in findings]
