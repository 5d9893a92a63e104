"""What every test stands on: no test sees the user's own book or the transcripts of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

# Two shared cores say nothing about speed, so no example has a deadline; a run that gates repeats the same examples.
settings.register_profile("rollbook", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("rollbook")

#: Whatever decides where books and transcripts are looked for.
_PLACES = ("ROLLBOOK_", "CLAUDE_", "XDG_")


_PARTS: Final = 4  #: workers
_BROWSER: Final = Path(__file__).parent / "web"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that drive a browser stand between the others, and not all at the end: many browsers at once are slow.

    Each worker begins with a part of the whole, so that two files at the same place of two parts run at the same time.
    """
    files = [list(group) for _, group in groupby(items, key=attrgetter("path"))]
    others = [group for group in files if group[0].path.parent != _BROWSER]
    driving = [group for group in files if group[0].path.parent == _BROWSER]
    every = sum(map(len, others))
    places = sorted(every * (number % _PARTS + number / len(driving)) / _PARTS for number in range(len(driving)))
    done = 0
    items.clear()
    for group in others:
        items.extend(group)
        done += len(group)
        while driving and done >= places[-len(driving)]:
            items.extend(driving.pop())
    items.extend(item for group in driving for item in group)


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
