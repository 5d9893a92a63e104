"""A database of cognee, and a book to move it into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from importers.move_tools import ANNA, Cognee

SECRET = "sk-ant-api03-" + "a1B2" * 24


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:", all_users=True) as opened:
        yield opened


@pytest.fixture
def cognee(tmp_path: Path) -> Cognee:
    return Cognee(tmp_path / "cognee.db")


def session(book: rollbook.Rollbook, name: str, user: str = ANNA) -> rollbook.Session:
    return book.get(name, user_id=user)
