"""What a PostgreSQL server holds can be spread by user, and what is asked for all the time is found by an index.

An engine that spreads rows over machines keeps those of one user together if the user's number leads every key, and
asks one machine alone if a statement says whose rows it is about.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pytest

import rollbook
from postgres_books import EmptyBooks
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Jot, Op
from rollbook.settings import LOCAL_USER
from rollbook.store.postgres import PostgresStore

from .tools import MINUTE, NOW, Clock, call, opened_at, touch, user, write

#: Tables that hold no rows of users' sessions, but names, numbers, and what writers and processes note of themselves:
#: they are few or small, and every machine would have all of them.
OF_ALL: Final = {
    "access_key", "account", "book_fact", "dataset_grant", "instance", "journal_outbox", "journal_stream", "label",
    "lane", "model", "purged", "rollbook_schema", "slice",
}  # fmt: skip
SESSIONS: Final = 4_000
_OWNER: Final = re.compile(r"\buser_no\b")
_CLAUSES: Final = re.compile(r"\b(?=from |(?:cross |left )?join |insert into |update |delete from )")
_TABLE: Final = re.compile(r"(?:from|join|insert into|update|delete from) (\w+)")
_DRIVERS: Final = re.compile(r"%\((\w+)\)s|%s")

# What PostgreSQL says in its own way


OWN_WORDS: Final = {
    "copying": {"add_texts", "drop_texts", "learn", "learn_texts", "settle"},
    "journal": {
        "add_texts", "doc_numbers", "drop_doc_at", "drop_text_at", "latest_texts", "matched", "matches", "plan_search",
        "seen_sessions", "wipe_texts", "wrong_texts",
    },
    "ledger": {
        "asked_tag", "batch_of", "bump_generation", "drop_files_of", "drop_lane", "drop_notes_about", "drop_old_lanes",
        "end_lane",
        "every_activity", "every_activity_model", "every_spend", "expired_notes", "filters", "hold_names", "hold_notes",
        "hold_sessions", "hold_users", "join_writers", "lane_number", "loose_aliases", "mark_batch", "names_stretch",
        "numbers_of", "own_lane", "session_numbers", "scope_users",
        "shown", "spend_in_stretches", "these_slices", "whose_users", "write_alone",
    },
    "store": {
        "columns", "foreign_tables", "has_table", "keep_writers_out", "names_in", "save_version", "schema_version",
        "setting", "take_turn",
    },
}  # fmt: skip


def test_what_postgresql_says_in_its_own_way_is_known() -> None:
    """Whoever adds one has a reason, and finds it among these."""
    for path in Path(rollbook.__file__).parent.glob("*/queries.postgres.sql"):
        names = re.findall(r"^-- (\w+) --$", path.read_text("utf-8"), re.MULTILINE)
        assert sorted(names) == sorted(OWN_WORDS[path.parent.name])


# Keys


def test_r6_the_users_number_leads_every_key(empty_book: str) -> None:
    with psycopg.connect(empty_book.partition("?")[0]) as raw:
        schema = empty_book.partition("?schema=")[2]
        keys = raw.execute(
            "select name.relname, (select attname from pg_attribute where attrelid = indrelid and attnum = indkey[0])"
            " from pg_index join pg_class name on name.oid = indrelid"
            " where indisprimary and name.relnamespace = %s::regnamespace",
            (schema,),
        ).fetchall()
        tables = raw.execute("select tablename from pg_tables where schemaname = %s", (schema,)).fetchall()
    spread = {table for (table,) in tables} - OF_ALL
    assert len(spread) > 12
    assert {table: first for table, first in keys if table in spread} == dict.fromkeys(spread, "user_no")


# Statements


class Asked(NamedTuple):
    """A statement that was sent to the server, and by whom."""

    text: str
    writer: bool


class Listener:
    """Notes the statements that books send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: dict[Asked, None] = {}
        for name in ("execute", "executemany"):
            monkeypatch.setattr(psycopg.Cursor, name, self._noting(getattr(psycopg.Cursor, name)))

    def _noting(self, real: Any) -> Any:
        def noting(cursor: psycopg.Cursor[Any], query: Any, *rest: Any, **more: Any) -> Any:
            self.heard[Asked(str(query), threading.current_thread().name == "rollbook-writer")] = None
            return real(cursor, query, *rest, **more)

        return noting

    def of(self, *, writers: bool) -> list[str]:
        """What was said of tables that are spread."""
        return [text for text, writer in self.heard if writer == writers and _spread(text)]


def _spread(text: str) -> set[str]:
    return {table for table in _TABLE.findall(text) if table not in OF_ALL | {"unnest", "set"}}


def _metered(book: rollbook.Rollbook) -> None:
    """What a server does all day: calls of known and of new sessions, some of them known, signs of life, contents."""
    for round_ in range(2):
        ops: list[Any] = [
            call(
                f"s{number}",
                f"new {round_} {number}",
                NOW,
                model="m",
                cost_nano=3,
                aliases=("u7",) if number == 7 else (),
            )
            for number in range(10)
        ]
        ops += [call(f"new {round_}", f"newer {round_}", NOW, cost_nano=1), touch("s3", NOW, title="t", agent="x")]
        write(book, ops)
        book.append("s5", "x", entries=[1, 2])


def _first_page(book: rollbook.Rollbook) -> None:
    """What a dashboard asks for."""
    since = "24h"
    page = book.list(limit=50)
    book.list(limit=50, cursor=page.next_cursor)
    book.list(limit=50, status="abandoned", since=since)
    book.stats(since=since)
    book.cost_by_model(since=since)
    book.spend(since=since, by="day")
    book.get("s5")
    book.usage("s5")
    book.entries("s5", "x", last_n=5)


def _told(number: int) -> tuple[str, str, int]:
    """Whose a session is, its id, and when it was active."""
    return user(2) if number % 10 else LOCAL_USER, f"s{number}", NOW - number % 5000 * MINUTE


def _noted(number: int) -> Op:
    owner, name, at = _told(number)
    entry = Append("x", (New(name, b"1", at, None, False, True),))
    return Jot(user_id=owner, session_id=name, at=at, step=Step(owner, name, at, (entry,)))


def _many(book: rollbook.Rollbook, numbers: range) -> None:
    """Sessions with all that belongs to them."""
    told = {number: _told(number) for number in numbers}
    write(
        book, [touch(name, at, owner, title=name, agent=f"a{number % 7}") for number, (owner, name, at) in told.items()]
    )
    write(book, [
        call(name, f"u{number}", at, owner=owner, model=f"m{number % 5}", cost_nano=3)
        for number, (owner, name, at) in told.items()
    ])  # fmt: skip
    write(book, [_noted(number) for number in numbers if number % 4 == 0])


@pytest.fixture(scope="module")
def large(empty_books: EmptyBooks) -> Iterator[str]:
    """The URL of a book with many sessions of two users."""
    with empty_books.book() as url:
        with opened_at(url, Clock()) as book:
            for start in range(0, SESSIONS, 4000):
                _many(book, range(start, start + 4000))
        with psycopg.connect(url.partition("?")[0], autocommit=True) as raw:
            raw.execute("vacuum analyze")
        yield url


def _says_whose(text: str) -> bool:
    """Whether each clause of a statement that names a table which is spread says whose rows it is about."""
    clauses = _CLAUSES.split(text)
    for place, clause in enumerate(clauses):
        if _spread(clause.partition("(")[0] if clause.startswith("insert") else clause):
            # A join on the user's number may be said in the where that follows.
            rest = "".join(clauses[place:])
            if not _OWNER.search(rest.partition(" where ")[2] or rest):
                return False
    return True


@pytest.mark.parametrize("what", ["writes", "reads"])
def test_r6_every_hot_statement_names_the_user(large: str, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with opened_at(large, Clock()) as book:
        _metered(book)
        listener = Listener(monkeypatch)
        (_metered if what == "writes" else _first_page)(book)
        heard = listener.of(writers=what == "writes")
    assert len(heard) > 5
    assert [text for text in heard if not _says_whose(text)] == []


def test_says_whose_can_say_no() -> None:
    for wrong in (
        "select 1 from session where session_id = 1",
        "select 1 from session join ledger on ledger.session_no = session.session_no where user_id = 1",
        "delete from usage_key where usage_key = 1",
        "insert into ledger (session_no, row_no) values (1, 2)",
    ):
        assert not _says_whose(wrong), wrong


@pytest.mark.parametrize("what", ["writes", "reads"])
def test_every_hot_statement_takes_an_index(large: str, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    with opened_at(large, Clock()) as book:
        _metered(book)  # what is asked for has to be there
        with monkeypatch.context() as patched:
            listener = Listener(patched)
            (_metered if what == "writes" else _first_page)(book)
        heard = listener.of(writers=what == "writes")
        store = book._plans.store
        assert isinstance(store, PostgresStore)
        with store.connect(writer=what == "writes") as raw:
            raw.execute("select set_config('rollbook.slot', '0', false)")
            plans = {text: _plan(raw, text) for text in heard}
    assert any("Index" in plan for plan in plans.values())
    assert {text: plan for text, plan in plans.items() if _scans(plan)} == {}


def test_a_purge_goes_through_no_sessions_to_find_what_it_was_the_last_of(
    large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody waits for it."""
    with opened_at(large, Clock()) as book:
        with monkeypatch.context() as patched:
            listener = Listener(patched)
            book.purge(f"s{SESSIONS // 2}")
        heard = [asked.text for asked in listener.heard if "delete from slice" in asked.text]
        store = book._plans.store
        assert isinstance(store, PostgresStore)
        with store.connect(writer=True) as raw:
            plans = [_plan(raw, text) for text in heard]
    assert len(plans) == 3
    for plan in plans:
        assert "Index" in plan
        assert not _scans(plan), plan
        assert not re.search(r"on session(?!.*\n\s+Index Cond: .*status = 5)", plan), plan


def _plan(raw: psycopg.Connection[Any], text: str) -> str:
    """How the server would go about a statement, whatever its values are."""
    names = dict[str, int]()

    def numbered(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1] or str(len(names)), len(names) + 1)}"

    plain = text if "$1" in text else _DRIVERS.sub(numbered, text)
    # (Nothing is bound to the placeholders, so it goes as plain text.)
    rows = raw.execute(f"explain (generic_plan) {plain}".replace("%%", "%"), prepare=False).fetchall()
    return "\n".join(row[0] for row in rows)


def _scans(plan: str) -> list[str]:
    """The tables that are spread and gone through from one end to the other."""
    return [table for table in re.findall(r"Seq Scan on (\w+)", plan) if table not in OF_ALL]
