"""Which databases are read when somebody moves in, how, and by which commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

import rollbook
from importers.move_tools import ANNA, BEN, DATA, Cognee, Source, Zeph, take, told
from rollbook.errors import InvalidInput, NotSupported
from rollbook.importers.foreign import opened, shown


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:", all_users=True) as made:
        yield made


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollbook", *words], capture_output=True, text=True, check=False, env=env, timeout=60
    )


def filled(path: Path) -> Cognee:
    source = Cognee(path)
    source.record("s", tokens_in=20, cost_usd=0.25)
    source.model("s", "gpt-4o", (10, 5, 0.25))
    source.record("s", BEN, status="failed", ended_at="2026-05-01 10:31:00")
    source.qa("s", "q")
    return source


# what is no such database


def test_what_is_no_such_database_is_refused_and_makes_no_book(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but long enough to be looked at as one\n" * 40)
    (tmp_path / "nothing.db").write_bytes(b"")
    Zeph(tmp_path / "zeph.db")
    apsw.Connection(str(tmp_path / "other.db")).execute("create table sessions (id, started_at)")
    refused = {
        "text.db": "it is not a database",
        "nothing.db": "is empty",
        "zeph.db": "is no database of cognee: it has no table session_records",
        "other.db": "is no database of cognee",
        "absent.db": "there is nothing to read at",
        ".": "is a folder",
    }
    for name, why in refused.items():
        found = run("import", "cognee", "--path", str(tmp_path / name), "--db", f"sqlite:///{tmp_path}/book.db")
        assert (found.returncode, why in found.stderr) == (2, True), found.stderr
    found = run("import", "claw", "--path", str(tmp_path / "other.db"), "--db", f"sqlite:///{tmp_path}/book.db")
    assert (found.returncode, "has no column ended_at" in found.stderr) == (2, True)
    assert not (tmp_path / "book.db").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("cognee",), "name it with --path"),
        (("cognee", "codex", "--path", "x"), "by itself"),
        (("zeph", "--path", "postgresql://host/zeph"), "from its SQLite file"),
        (("cognee", "--path", "mysql://host/cognee"), "neither a SQLite file nor a postgresql:// URL"),
        (("cognee", "--path", "x", "--watch"), "leave out --watch"),
        (("weph", "--path", "x"), "claude-code, codex, gemini-cli, opencode, cognee, zeph, claw"),
    ],
)
def test_wrong_use(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    found = run("import", *words, "--db", f"sqlite:///{tmp_path}/book.db")
    assert (found.returncode, why in found.stderr) == (2, True), found.stderr
    assert not (tmp_path / "book.db").exists()


def test_tables_without_a_row(book: rollbook.Rollbook, tmp_path: Path) -> None:
    for name, source in {
        "cognee": Cognee(tmp_path / "c.db"),
        "zeph": Zeph(tmp_path / "z.db", calls=True),
        "claw": Source(tmp_path / "w.db", "claw"),
    }.items():
        report = take(book, name, source)
        assert (report.sessions, report.skipped_rows, report.problems) == (0, 0, [])
    assert list(book.iterate()) == []


# how it is read


def test_nothing_is_written_where_the_database_lies(book: rollbook.Rollbook, tmp_path: Path) -> None:
    source = filled(tmp_path / "cognee.db")
    source.raw.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    take(book, "cognee", source)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_database_that_is_being_written_is_read_beside_its_writer(book: rollbook.Rollbook, tmp_path: Path) -> None:
    source = Cognee(tmp_path / "cognee.db")
    source.raw.pragma("journal_mode", "wal")
    source.record("s", tokens_in=1)
    with source.raw:
        source.record("not yet")
        assert take(book, "cognee", source).sessions == 1
    assert take(book, "cognee", source).sessions == 2


def test_several_databases_are_one_system(book: rollbook.Rollbook, tmp_path: Path) -> None:
    lives, contents = Cognee(tmp_path / "relational.db"), Cognee(tmp_path / "cache.db")
    lives.record("s")
    contents.qa("s", "q")
    report = take(book, "cognee", lives, contents)
    assert (report.sessions, report.new_entries) == (1, 1)


def test_a_disk_that_fails_half_way_is_told_and_what_was_read_is_kept(
    book: rollbook.Rollbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rollbook.importers.opencode_db import Database  # noqa: PLC0415 - to be changed here alone

    source = filled(tmp_path / "cognee.db")
    rows = Database.rows

    def failing(self: Database, name: str, *words: Any, **values: Any) -> Any:
        if name == "cognee_qas":
            raise OSError(5, "it is damaged")
        return rows(self, name, *words, **values)

    monkeypatch.setattr(Database, "rows", failing)
    report = take(book, "cognee", source)
    assert (report.sessions, report.new_entries, report.problems) == (2, 0, [f"{source}: it is damaged"])
    monkeypatch.undo()
    assert take(book, "cognee", source).new_entries == 1


def test_a_dry_run_stores_nothing(book: rollbook.Rollbook, tmp_path: Path) -> None:
    source = filled(tmp_path / "cognee.db")
    report = take(book, "cognee", source, dry_run=True)
    assert (report.sessions, report.calls, report.new_calls, report.entries) == (2, 2, 2, 1)
    assert list(book.iterate()) == []


# the command


def test_what_the_command_says(tmp_path: Path) -> None:
    source = filled(tmp_path / "cognee.db")
    words = ("import", "cognee", "--path", str(source), "--db", f"sqlite:///{tmp_path}/book.db")
    found = run(*words)
    assert (found.returncode, found.stdout.split()[0]) == (0, "SOURCE")
    assert "1 session whose record says another total than its models or calls:" in found.stderr
    assert "s: 20 in, 0 out, $0.2500 by its record, 10 in, 5 out, $0.2500 by those" in found.stderr
    assert "sessions of 2 users; --all-users shows them all" in found.stderr
    again = json.loads(run(*words, "--json").stdout)["sources"][0]
    assert (again["calls"], again["new_calls"], again["unbalanced"]) == (2, 0, 1)
    assert again["unbalanced_sessions"] == [
        {
            "session_id": "s",
            "user_id": ANNA,
            "record": {"tokens_in": 20, "tokens_out": 0, "cost_usd": 0.25},
            "parts": {"tokens_in": 10, "tokens_out": 5, "cost_usd": 0.25},
        }
    ]


def test_of_very_many_that_do_not_balance_the_first_are_named(book: rollbook.Rollbook, tmp_path: Path) -> None:
    source = Cognee(tmp_path / "cognee.db")
    for number in range(50):
        source.record(f"s{number}", tokens_in=1)
    report = take(book, "cognee", source)
    assert (report.unbalanced, len(report.unbalanced_sessions)) == (50, 20)


def test_sessions_of_zeph_are_the_named_users(tmp_path: Path) -> None:
    source = Zeph(tmp_path / "zeph.db")
    source.session("s")
    db = f"sqlite:///{tmp_path}/book.db"
    assert run("import", "zeph", "--path", str(source), "--db", db, "--user", "me@example.org").returncode == 0
    with rollbook.open(db, user="me@example.org") as book:
        assert [one.session_id for one in book.iterate()] == ["s"]
    with rollbook.open(db) as book:
        assert list(book.iterate()) == []


# PostgreSQL


def fill(url: str) -> None:
    """The same as ``filled``, in a database whose settings write times and numbers otherwise."""
    with psycopg.connect(url, autocommit=True) as raw:
        for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'SQL, DMY'", "extra_float_digits = -5"):
            raw.execute(f"alter database {raw.info.dbname} set {setting}")
        raw.execute((DATA / "cognee.postgres.sql").read_text())
        record = (
            "insert into session_records values (%s, %s, null, %s, '2026-05-01 10:00+00', %s, %s, %s, 0, %s, 0, null)"
        )
        active = "2026-05-01 12:30+02"
        raw.execute(record, ("s", ANNA, "running", active, None, 20, 0.25))
        raw.execute(record, ("s", BEN, "failed", active, "2026-05-01 10:31+00", 0, 0))
        raw.execute(
            "insert into session_model_usage values ('s', %s, 'gpt-4o', 10, 5, 0.25, '2026-05-01 10:20+00')", (ANNA,)
        )
        raw.execute(
            "insert into cache_qa_entries (user_id, session_id, qa_id, payload, created_at)"
            " values (%s, 's', 'q', %s, '2026-05-01 10:05+00')",
            (
                ANNA,
                json.dumps({"time": "2026-05-01T10:05:00+00:00", "question": "Why?", "context": "", "answer": "So."}),
            ),
        )


def test_postgresql_comes_to_the_same_as_sqlite(book: rollbook.Rollbook, postgres_url: str, tmp_path: Path) -> None:
    fill(postgres_url)
    take(book, "cognee", filled(tmp_path / "cognee.db"))
    with rollbook.open("sqlite:///:memory:", all_users=True) as other:
        report = take(other, "cognee", postgres_url.replace("postgresql://", "postgresql+asyncpg://"))
        assert (report.sessions, report.new_calls, report.new_entries, report.unbalanced) == (2, 2, 1, 1)
        assert told(other) == told(book)
        assert take(other, "cognee", postgres_url).new_calls == 0
        with psycopg.connect(postgres_url, autocommit=True) as raw:
            raw.execute("insert into session_records select 'odd', user_id, null, 'running', 'infinity', 'infinity',"
                        " null, 0, 0, 'NaN', 0, null from session_records limit 1")  # fmt: skip
            raw.execute("insert into session_records select 'n' || n, %s, null, 'running', now(), now(), null, 1, 0, 0,"
                        " 0, null from generate_series(1, 1200) as n", (ANNA,))  # fmt: skip
        report = take(other, "cognee", postgres_url)
        assert (report.sessions, report.skipped_rows) == (1202, 1)


def test_a_server_that_is_not_there_and_a_password_that_is_not_shown(postgres_url: str) -> None:
    with pytest.raises(OSError, match="PostgreSQL says"):
        opened("postgresql://me:secret@127.0.0.1:1/cognee")
    assert shown("postgresql+asyncpg://me:secret@host/cognee") == "postgresql+asyncpg://me:***@host/cognee"
    assert shown("postgresql://host/cognee?user=me&password=secret") == "postgresql://host/cognee?user=me&password=***"
    found = run("import", "cognee", "--path", "postgresql://me:secret@127.0.0.1:1/cognee")
    assert (found.returncode, "secret" in found.stderr, "me:***@" in found.stderr) == (2, False, True)
    found = run("import", "cognee", "--path", postgres_url)
    assert (found.returncode, "is no database of cognee" in found.stderr) == (2, True)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NotSupported, match=r"rollbook\[postgres\]"):
        opened("postgresql://host/cognee")
    with pytest.raises(InvalidInput):
        opened("redis://host")


def test_a_book_on_postgresql_comes_to_the_same(book: rollbook.Rollbook, postgres_url: str, tmp_path: Path) -> None:
    cognee, zeph = filled(tmp_path / "cognee.db"), Zeph(tmp_path / "zeph.db")
    zeph.session("crashed", status="unknown", prompt_tokens=4)
    with rollbook.open(postgres_url, all_users=True) as fleet:
        for one in (book, fleet, fleet):
            take(one, "cognee", cognee)
            take(one, "zeph", zeph)
        assert told(fleet) == told(book)
