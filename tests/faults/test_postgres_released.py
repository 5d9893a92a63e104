"""Books in PostgreSQL of every released schema open, and answer what they answered."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from postgres_servers import PostgresServer

from . import released, released_postgres
from .test_migrations import kept
from .tools import sound


@pytest.fixture(params=[*released_postgres.numbers(), "of now"])
def book(request: pytest.FixtureRequest, postgres_server: PostgresServer, postgres_url: str) -> tuple[str, Any]:
    """The URL of a book that was brought back from a dump, and what it answered before."""
    if request.param != "of now":
        text = (released.BOOKS / f"postgres-schema-{request.param}.sql").read_text("utf-8")
        released_postgres.build(text, postgres_url)
        return postgres_url, released_postgres.expected(request.param)
    other = postgres_server.new_database()
    released_postgres.filled(other)
    answers = released.answers(other)
    released_postgres.build(released_postgres.dumped(postgres_server, other), postgres_url)
    postgres_server.drop_database(other)
    return postgres_url, answers


def test_a_dumped_book_opens_answers_the_same_and_takes_new_writes(book: tuple[str, Any]) -> None:
    url, before = book
    now = released.answers(url)
    assert kept(before, now) == []
    assert now["verified"]["ok"]
    with released.opened(url) as opened:
        assert {one.name for one in opened.doctor() if not one.ok} <= {"fsync", "full_page_writes"}  # of test servers
        assert opened.record_usage("parent", usage_id="again", aliases=["alias-3"], tokens_in=8) == "duplicate"
        assert opened.record_usage("parent", usage_id="new", tokens_in=5, model="gpt-4o") == "counted"
        assert opened.touch("another").status == "running"
        opened.add_message("parent", role="user", content="and on")
        sound(opened)
    with psycopg.connect(url) as raw:
        found = raw.execute("select version from rollbook.rollbook_schema").fetchall()
    assert found == [(released_postgres.NUMBER,)]
