"""A book, and a backup of another one, for the tests of restoring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import rollbook

from .test_backup import fill, names
from .tools import url_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the book of a test is."""
    folder = tmp_path / "books"
    folder.mkdir()
    return folder / "book.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A backup of another book."""
    made = tmp_path / "copy.db"
    with rollbook.open("sqlite:///:memory:") as book:
        fill(book)
        book.backup(made)
    return made


@pytest.fixture
def book(path: Path) -> Iterator[rollbook.Rollbook]:
    with rollbook.open(url_of(path)) as opened:
        fill(opened, 5000, 300)
        yield opened


OWN: Final = names(5000, 5300)


def there(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for what reading leaves in the index of a log."""
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and not one.name.endswith("-shm")
    }


def unsigned(path: Path) -> None:
    path.with_name(path.name + ".sha256").unlink(missing_ok=True)
