"""Places for journals that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rollbook
from postgres_servers import own_postgres, postgres_of_each_version, postgres_server, postgres_servers, postgres_url
from servers import own_cluster, own_redis, redis_cluster, redis_cluster_servers, redis_server, redis_url

__all__ = [
    "own_cluster", "own_postgres", "own_redis", "postgres_of_each_version", "postgres_server", "postgres_servers",
    "postgres_url", "redis_cluster", "redis_cluster_servers", "redis_server", "redis_url",
]  # fmt: skip


@pytest.fixture(params=["book", "files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where journals are kept: None is the book's own database."""
    if request.param == "files":
        return f"file://{tmp_path}/journal"
    return None if request.param == "book" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
def opened(tmp_path: Path, place: str | None) -> Callable[..., rollbook.Rollbook]:
    return lambda **more: rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=place, **more)


@pytest.fixture
def book(opened: Callable[..., rollbook.Rollbook]) -> Iterator[rollbook.Rollbook]:
    with opened() as book:
        yield book
