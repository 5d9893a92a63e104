"""A server, and new places for books."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from postgres_servers import own_postgres, postgres_server, postgres_servers, postgres_url

from .tools import Places

__all__ = ["own_postgres", "postgres_server", "postgres_servers", "postgres_url"]

_schemas = count(1)


@pytest.fixture
def places(tmp_path: Path, postgres_url: str) -> Places:
    """URLs of books that are not there yet: in files, and in schemas of one database."""
    files = count(1)
    return Places(
        file=lambda: f"sqlite:///{tmp_path / f'book {next(files)}.db'}",
        server=lambda: f"{postgres_url}?schema=book{next(_schemas)}",
    )


@pytest.fixture(params=["file", "server"])
def new(request: pytest.FixtureRequest, places: Places) -> Callable[[], str]:
    """New places on one engine after the other."""
    made: Callable[[], str] = getattr(places, request.param)
    return made
