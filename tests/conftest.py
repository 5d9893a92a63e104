"""What every test stands on: no test sees the user's own book or the transcripts of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Two shared cores say nothing about speed, so no example has a deadline; a run that gates repeats the same examples.
settings.register_profile("rollbook", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("rollbook")

#: Whatever decides where books and transcripts are looked for.
_PLACES = ("ROLLBOOK_", "CLAUDE_", "XDG_")


_HERE: Final = Path(__file__).parent
_BROWSER: Final = _HERE / "web"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What drives a browser is first, as one worker is busy with it for long; what is last are short files."""
    items.sort(key=lambda item: (item.path.parent != _BROWSER, item.path.parent != _HERE))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """A file's tests are one worker's, which makes what they share once; one has all that drives a browser.

    Browsers side by side are too slow for what is to be seen soon.
    """
    config.option.loadscopereorder = False
    return _ByPlace(config, log)


class _ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # its types are not published
    def _split_scope(self, nodeid: str) -> str:
        place = nodeid.partition("::")[0]
        return "web" if place.startswith("tests/web/") else place


class Homes:
    """Empty homes. One in which nothing was left is the next test's as well: thousands add up, and so do their ends."""

    def __init__(self, within: Path) -> None:
        self._names = (within / str(number) for number in count())
        self._kept: Path | None = None

    def take(self) -> Path:
        if self._kept is None:
            self._kept = next(self._names)
            self._kept.mkdir()
        return self._kept

    def give_back(self) -> None:
        home = self._kept
        if home is not None and not (home.is_dir() and not any(home.iterdir())):
            self._kept = None


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    return Homes(tmp_path_factory.mktemp("homes"))


@pytest.fixture(autouse=True)
def _nobodys_home(_homes: Homes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home, and nothing in the environment that leads to another one."""
    home = _homes.take()
    for name in [name for name in os.environ if name.startswith(_PLACES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    yield home
    _homes.give_back()
