"""A server of PostgreSQL that is started anew, or killed: whoever listened hears again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import rollbook
from postgres_servers import PostgresServer, postgres_folder, postgres_server_at
from rollbook.feed import Change, Lost

from .test_notices import PATIENCE_S, began, change, feed_at, neighbour_at
from .test_postgres_books import neighbour, told


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server that the tests here may do anything to."""
    with postgres_folder() as folder, postgres_server_at(folder / "own") as made:
        yield made


def test_a_server_that_is_started_anew_is_heard_again(server: PostgresServer) -> None:
    url = server.new_database()
    with rollbook.open(url, user="ann") as book, neighbour(url) as do, book.changes() as reader:
        assert isinstance(reader.next(PATIENCE_S), Lost)
        do("touch", "a")
        assert told(reader) == ("a", {"life"})
        server.restart()
        assert isinstance(reader.next(PATIENCE_S), Lost)
        for number in range(60):
            do("touch", f"later{number}")
            item = reader.next(0.5)
            if isinstance(item, Change):
                assert item.session_id.startswith("later")
                return
        pytest.fail("nothing was heard any more")


def test_hearing_goes_on_after_the_server_was_started_anew(server: PostgresServer) -> None:
    url = server.new_database()
    with neighbour_at(url) as neighbour, feed_at(url) as feed, feed.subscribe() as reader:
        began(reader)
        neighbour.publish("a")
        assert change(reader) == ("a", {"life"})
        server.restart()
        began(reader)
        neighbour.publish("b")
        assert change(reader) == ("b", {"life"})
        server.kill()
        neighbour.publish("missed")
        server.start()
        began(reader)
        # Whatever the other process could not tell it tells as lost, and then by name again.
        for number in range(60):
            neighbour.publish(f"later{number}")
            item = reader.next(0.5)
            if isinstance(item, Change) and item.session_id.startswith("later"):
                return
        pytest.fail("nothing was heard any more")
