"""A book with a clock that a test sets, for the tests of who lives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw
import pytest

from rollbook.book import Rollbook

from .tools import Clock, opened

DAY_S: Final = 24 * 3600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(path: Path, clock: Clock) -> Iterator[Rollbook]:
    with opened(path, clock) as made:
        yield made


def changed(path: Path, statement: str) -> None:
    """Change the book's file, past the book."""
    with contextlib.closing(apsw.Connection(str(path))) as raw:
        raw.execute(statement)
