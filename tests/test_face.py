"""The library's face."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ocistore

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", sorted(set(ocistore.__all__) - {"__version__"}))
def test_each_name_is_there(name: str) -> None:
    """Each public name can be had from the package, and has a docstring unless it is data."""
    value = getattr(ocistore, name)

    assert value.__doc__


def test_unknown_name() -> None:
    """A name that isn't there is the usual error."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ocistore.nonsense  # noqa: B018 - the access is the test


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for type checkers is what is loaded lazily."""
    source = Path(ocistore.__file__).read_text()
    typed = set(re.findall(r"    from [\w.]+ import (\w+) as \1", source))

    assert typed == set(ocistore.__all__) - {"__version__"}


def test_the_ten_lines_of_the_readme(bundled: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    """README's example runs."""
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found
    top = bundled("p03")
    code = found[1].replace("/var/lib/containers/storage", f"{top}/root").replace("/var/lib", str(top))
    exec(compile(code.replace("localhost/web:latest", "localhost/web:v1"), "README.md", "exec"), {})

    assert "containers-storage overlay None" in capsys.readouterr().out
