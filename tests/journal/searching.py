"""Books to search in, and what is found in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import rollbook
from journal.engines import ENGINES, Opened, opened_on
from rollbook.content import Found


def ids(found: list[Found]) -> list[str]:
    return [each.entry_id for each in found]


def asked(book: rollbook.Rollbook, text: str, **more: Any) -> set[str]:
    return set(ids(book.search(text, **more)))


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Opens books, in memory or on a server."""
    with opened_on(request) as opened:
        yield opened
