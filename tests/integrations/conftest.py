"""The frameworks themselves, over a book that keeps its journals in either place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from rollbook import Rollbook


@pytest.fixture(params=["sql", "files"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollbook]:
    journal = f"file://{tmp_path}/journal" if request.param == "files" else None
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=journal) as opened:
        yield opened
