"""Places for journals that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rollbook
from postgres_books import empty_book, empty_books
from postgres_servers import own_postgres, postgres_of_each_version, postgres_server, postgres_servers, postgres_url
from servers import own_cluster, own_redis, redis_cluster, redis_cluster_servers, redis_server, redis_url

__all__ = [
    "empty_book", "empty_books", "own_cluster", "own_postgres", "own_redis", "postgres_of_each_version",
    "postgres_server", "postgres_servers",
    "postgres_url", "redis_cluster", "redis_cluster_servers", "redis_server", "redis_url",
]  # fmt: skip


@pytest.fixture(params=["book", "postgres", "files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where journals are kept: None is the book's own database, a file's or (``postgres``) a server's."""
    if request.param == "files":
        return f"file://{tmp_path}/journal"
    return str(request.getfixturevalue("redis_url")) if request.param == "redis" else None


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path, place: str | None) -> str:
    """Where the book is that keeps its journals there."""
    on_postgres = request.node.callspec.params.get("place") == "postgres"
    return str(request.getfixturevalue("empty_book")) if on_postgres else f"sqlite:///{tmp_path}/book.db"


@pytest.fixture
def opened(url: str, place: str | None) -> Callable[..., rollbook.Rollbook]:
    return lambda **more: rollbook.open(url, journal=place, **more)


@pytest.fixture
def book(opened: Callable[..., rollbook.Rollbook]) -> Iterator[rollbook.Rollbook]:
    with opened() as book:
        yield book
