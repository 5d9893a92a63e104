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


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Places for homes. (``mktemp`` looks through all that it made before, which adds up over thousands of tests.)"""
    homes = tmp_path_factory.mktemp("homes")
    return (homes / str(number) for number in count())


@pytest.fixture(autouse=True)
def _nobodys_home(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and nothing in the environment that leads to another one."""
    home = next(_homes)
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(_PLACES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    return home
