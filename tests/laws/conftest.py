"""The laws hold on every engine: a test that opens books by ``opened`` opens them on one engine after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import settings

from postgres_books import empty_book, empty_books
from postgres_servers import postgres_server, postgres_servers

from . import tools

__all__ = ["empty_book", "empty_books", "postgres_server", "postgres_servers"]

#: Of the examples by which a law is tried on SQLite, so many are tried on PostgreSQL, where each takes several times as
#: long: the rules are the same code, and what is to be found are differences between the engines.
FEWER: Final = 30
LEAST: Final = 4
_GIVEN: Final = "_hypothesis_internal_use_settings"  #: where hypothesis looks for the settings of a test


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the tables of inputs and of histories, a sample is tried on PostgreSQL."""
    spared = [item for item in items if isinstance(item, pytest.Function) and _spared(item)]
    if spared:
        config.hook.pytest_deselected(items=spared)
        items[:] = [item for item in items if item not in set(spared)]


def _spared(test: pytest.Function) -> bool:
    spec = getattr(test, "callspec", None)
    if spec is None or spec.params.get("engine") != "postgres":
        return False
    at = spec.indices
    one_way = (at.get("ascending", 0) + at.get("order_by", 0)) % 2  # each column is sorted either way
    one_look = "text" in at and (at["text"] + at.get("way", 0)) % 2  # each term is looked for in either way
    return bool(at.get("bad", 0) % FEWER or at.get("zone", 0) % 3 or at.get("book", 0) or one_way or one_look)


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
