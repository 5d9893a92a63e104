"""A book's schema in PostgreSQL: made whole or not at all, and shared by libraries of different ages."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

import rollbook
from postgres_servers import PostgresServer
from rollbook.errors import StoreError
from rollbook.model import to_dict
from rollbook.store import postgres_connection, statements

from .tools import opened, raw, sound, url_of, wait_until

LATER: Final = "create table later (\n    x bigint not null primary key\n);\n"
migrations = statements.migrations
NEWEST: Final = migrations()[-1][0]


@contextmanager
def upgraded(monkeypatch: pytest.MonkeyPatch, text: str, *more: str) -> Iterator[None]:
    """Within the block this is a later library, with one more migration or several."""
    found = tuple((NEWEST + 1 + n, f"later{n}", each) for n, each in enumerate((text, *more)))
    with monkeypatch.context() as patched:
        patched.setattr(statements, "migrations", lambda engine="sqlite": (*migrations(engine), *found))
        yield
    postgres_connection.types.cache_clear()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path / "book.db")
    return str(request.getfixturevalue("postgres_url"))


def test_an_older_library_refuses_what_it_must_not_write(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with upgraded(monkeypatch, LATER), opened(url) as book:
        book.touch("s")
    for mode in ("", "?mode=ro"):
        with pytest.raises(StoreError, match=rf"newer Rollbook \(schema {NEWEST + 1}, .*this one knows {NEWEST}\)"):
            opened(url + mode)


def test_an_older_library_writes_to_what_says_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(url) as book:
        book.record_usage("s", usage_id="1")
        with upgraded(monkeypatch, f"-- Writable from schema {NEWEST}.\n{LATER}"), opened(url) as newer:
            newer.record_usage("s", usage_id="2")
        assert book.record_usage("s", usage_id="3") == "counted"
    with opened(url) as book:
        assert book.record_usage("s", usage_id="4") == "counted"
        assert book.get("s").calls == 4
        sound(book)
    with opened(f"{url}?mode=ro") as book:
        assert book.get("s").calls == 4


def test_the_strictest_of_several_migrations_counts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    second = f"-- Writable from schema {NEWEST}.\n{LATER.replace('later', 'later2')}"
    with upgraded(monkeypatch, LATER, second):
        opened(url).close()
    with pytest.raises(StoreError, match="newer Rollbook"):
        opened(url)
    with upgraded(monkeypatch, LATER), opened(url) as book:
        book.touch("s")


def test_a_running_library_notices_that_it_must_not_write_any_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(url) as book:
        book.record_usage("s", usage_id="1")
        with upgraded(monkeypatch, LATER), opened(url) as newer:
            newer.record_usage("s", usage_id="2")
        for _ in range(3):
            with pytest.raises(StoreError, match=r"newer Rollbook .* upgrade"):
                book.record_usage("s", usage_id="3")
        if url.startswith("sqlite"):  # which tells with each read whether it is still what it knows
            with pytest.raises(StoreError, match=r"newer Rollbook .* upgrade"):
                book.get("s")
        else:
            assert book.get("s").calls == 2


def test_a_migration_waits_for_who_writes(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who has seen the old schema writes into the new one."""
    with opened(postgres_url) as book:
        book.touch("s")
        with psycopg.connect(postgres_url) as other:
            other.execute("set search_path = rollbook")
            other.execute("select join_writers()")
            with upgraded(monkeypatch, LATER):
                making = threading.Thread(target=lambda: opened(postgres_url).close())
                making.start()
                making.join(0.5)
                assert making.is_alive()
                other.commit()
                making.join()
        with pytest.raises(StoreError, match="newer Rollbook"):
            book.touch("s")


_CRASH: Final = """
import sys, rollbook
from rollbook.store import statements
found = statements.migrations("postgres")
part = found[int(sys.argv[3])]
broken = list(found)
broken[int(sys.argv[3])] = (part[0], part[1], part[2] + "select pg_sleep(60);")
statements.migrations = lambda engine="sqlite": tuple(broken)
rollbook.open(sys.argv[1])
"""


@pytest.mark.parametrize("number", [0, -1])
def test_kill_9_in_the_middle_of_making_a_book_leaves_nothing(postgres_url: str, number: int) -> None:
    asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    with psycopg.connect(postgres_url, autocommit=True) as other:
        with subprocess.Popen([sys.executable, "-c", _CRASH, postgres_url, "0", str(number)]) as process:
            wait_until(lambda: other.execute(asleep).fetchall() == [(1,)], "a half made book")
            process.kill()
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where wait_event = 'PgSleep' and datname = current_database()"
        )
        wait_until(lambda: other.execute(asleep).fetchall() == [(0,)], "its end")
        assert other.execute("select to_regnamespace('rollbook')").fetchall() == [(None,)]
    with opened(postgres_url) as book:
        book.record_usage("s", usage_id="1")
        sound(book)


def findings(book: rollbook.Rollbook) -> dict[str, Any]:
    return {finding["name"]: (finding["ok"], finding["detail"]) for finding in map(to_dict, book.doctor())}


def test_the_doctor_names_what_endangers_a_book(own_postgres: Callable[..., PostgresServer]) -> None:
    server = own_postgres(fsync="off", synchronous_commit="off", autovacuum="off")
    url = server.new_database()
    with opened(url) as book:
        book.touch("s")
        found = findings(book)
        assert found["server"][0]
        assert found["structure"][0]
        assert found["fsync"] == (False, "off; with 'on' what is acknowledged survives a power cut")
        assert not found["autovacuum"][0]
        assert found["synchronous_commit"] == (True, "off here, but every write to a book waits for the disk")
        with book._plans.store.write() as tx:
            assert tx.raw.execute("show synchronous_commit").fetchall() == [("on",)]  # type: ignore[attr-defined]
        with server.talk(url.rpartition("/")[2]) as other:
            other.execute("drop table rollbook.model_usage")
        found = findings(book)
        assert found["structure"] == (False, "missing: table model_usage; restore the database from a backup")
        assert not found["balance"][0]


def test_a_sqlite_book_that_is_not_ahead_says_nothing_of_writers(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    opened(path).close()
    assert raw(path, "select count(*) from book_fact where name = 'oldest_writer'") == [(0,)]
