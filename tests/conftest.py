"""What tests share: real stores, unpacked once and only read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.make.layout import LayoutMaker, open_layout
from tests.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ocistore.stores.store import Store

DATA = Path(__file__).parent / "data"


def names() -> list[str]:
    """The bundled stores."""
    return sorted(path.stem for path in DATA.glob("*.json"))


def full_name(prefix: str) -> str:
    """The bundled store whose name begins with `prefix` (`p01`)."""
    found = [name for name in names() if name.startswith(prefix)]
    assert len(found) == 1, f"{prefix}: {found}"
    return found[0]


def truth(prefix: str) -> dict[str, Any]:
    """What native tools said of a store and did to copies of it; tests/data/README.md has the form."""
    loaded: dict[str, Any] = json.loads((DATA / f"{full_name(prefix)}.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a bundled store by the beginning of its name; unpacked once, so it must not be changed."""
    made: dict[str, Path] = {}

    def get(prefix: str) -> Path:
        name = full_name(prefix)
        if name not in made:
            into = tmp_path_factory.mktemp(name, numbered=False)
            for sentence in unpack(DATA / f"{name}.tar.zst", into):
                print(sentence)
            made[name] = into / name
        return made[name]

    return get


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[str], Path]:
    """As `bundled`, a copy of one's own that may be changed."""

    def get(prefix: str) -> Path:
        name = full_name(prefix)
        if (tmp_path / name).exists():
            shutil.rmtree(tmp_path / name)
        for sentence in unpack(DATA / f"{name}.tar.zst", tmp_path):
            print(sentence)
        return tmp_path / name

    return get


@pytest.fixture
def maker(tmp_path: Path) -> LayoutMaker:
    """An OCI layout that is being made."""
    return LayoutMaker(tmp_path / "layout")


@pytest.fixture
def read() -> Iterator[Callable[[Path], Store]]:
    """Reads OCI layouts and closes them afterwards."""
    opened: list[Store] = []

    def open_one(path: Path) -> Store:
        opened.append(open_layout(path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()
