"""What every test stands on: no test sees the user's own book or the transcripts of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

# Two shared cores say nothing about speed, so no example has a deadline; a run that gates repeats the same examples.
settings.register_profile("rollbook", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("rollbook")

#: Whatever decides where books and transcripts are looked for.
_PLACES = ("ROLLBOOK_", "CLAUDE_", "XDG_")


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
