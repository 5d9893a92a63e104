"""The laws hold on every engine: a test that opens books by ``opened`` opens them on one engine after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import settings

from postgres_books import EmptyBooks
from postgres_servers import PostgresServer, postgres_server, postgres_servers, postgres_url

from . import tools

__all__ = ["postgres_server", "postgres_servers", "postgres_url"]

#: Of the examples by which a law is tried on SQLite, so many are tried on PostgreSQL, where each takes several times as
#: long: the rules are the same code, and what is to be found are differences between the engines.
FEWER: Final = 12
LEAST: Final = 5
_GIVEN: Final = "_hypothesis_internal_use_settings"  #: where hypothesis looks for the settings of a test


@pytest.fixture(scope="session")
def empty_books(postgres_server: PostgresServer) -> Iterator[EmptyBooks]:
    """Books in a database of this worker's own."""
    books = EmptyBooks(postgres_server.new_database())
    yield books
    books.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """On which engine ``opened`` opens books."""
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "postgres":
            patched.setattr(tools, "place", request.getfixturevalue("empty_books").book)
        yield request.param


@pytest.fixture(autouse=True)
def _examples(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many examples a law is tried by on the engine of the test."""
    test: Any = getattr(request.function, "__func__", request.function)
    many = getattr(test, _GIVEN, None)
    if many is not None and "engine" in request.fixturenames and request.getfixturevalue("engine") == "postgres":
        monkeypatch.setattr(test, _GIVEN, settings(many, max_examples=max(LEAST, many.max_examples // FEWER)))
