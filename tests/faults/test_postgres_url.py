"""What a PostgreSQL URL may say, what is said of one that leads nowhere, and that no password is ever shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

import rollbook
from postgres_servers import PostgresServer
from rollbook.cli import main as command
from rollbook.errors import InvalidInput, StoreError
from rollbook.store import postgres_schema, shown
from rollbook.store.postgres_url import parse

from .tools import opened, sound

SECRET = "s3cr/e#t@:%"
WRITTEN = "s3cr%2Fe%23t%40%3A%25"


def test_what_a_url_says() -> None:
    assert parse("postgres://u:p@h:1/db?schema=other&mode=ro&sslmode=require") == (
        "postgresql://u:p@h:1/db?sslmode=require", "other", True, "postgresql://u@h:1/db?schema=other",
    )  # fmt: skip
    assert parse("postgresql:///db?host=/run/postgresql").conninfo == "postgresql:///db?host=%2Frun%2Fpostgresql"
    assert parse("postgresql://h1:1,h2:2/db?target_session_attrs=read-write").shown == "postgresql://h1:1,h2:2/db"
    assert parse("postgresql://u@h/db?password=a+b").conninfo.endswith("?password=a%2Bb")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@h/db",
        f"postgresql://u:{SECRET}@h",
        "postgresql://u:s3cr%zz@h/db",
        "postgresql://u:s3cr@h:port/db",
        "postgresql://u:s3cr@[h/db",
        "postgresql://u:s3cr@h/db?schema=Not",
        "postgresql://u:s3cr@h/db?mode=no",
        "postgresql://u:s3cr@h",
        "postgresql://u@h/db?password=s3cr&sslmod=x",
        "postgres:u:s3cr@h/db",
        "host=h password=s3cr",
        "mysql://u:s3cr@h/db",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises((InvalidInput, rollbook.NotSupported, StoreError)) as met:
        rollbook.open(url)
    told = f"{met.value!r} {met.value.__cause__!r}"
    assert "s3cr" not in told


def test_what_is_shown_holds_no_password() -> None:
    assert shown(f"postgresql://u:{WRITTEN}@h:1/db?password=x") == "postgresql://u@h:1/db"
    assert shown("sqlite:///a@b:c.db?mode=ro") == "sqlite:///a@b:c.db?mode=ro"


@pytest.fixture
def guarded(own_postgres: Callable[..., PostgresServer]) -> PostgresServer:
    """A server that asks for a password."""
    server = own_postgres(durable=True)
    with server.talk() as raw:
        raw.execute(f"create role ann login password '{SECRET}'")
        raw.execute("create database theirs owner ann")
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all postgres all trust\nhost all all all scram-sha-256\n", "utf-8")
    server.restart()
    return server


def test_who_may_do_what(
    guarded: PostgresServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"127.0.0.1:{guarded.port}"
    url = f"postgresql://ann:{WRITTEN}@{place}/theirs"
    with opened(url) as book:
        book.record_usage("s", tokens_in=1)
        sound(book)
    with opened(f"{url}?mode=ro") as book:
        assert book.get("s").calls == 1
        refused(lambda: book.record_usage("s"), "opened for reading only")
    assert command(["--db", url, "doctor"]) == 0
    assert command(["--db", url]) == 0
    for wrong, said in (
        (f"postgresql://ann:s3cr@{place}/theirs", "password authentication failed"),
        (f"postgresql://ann:{WRITTEN}@{place}/nowhere", '"nowhere" does not exist'),
        (f"postgresql://nobody:{WRITTEN}@{place}/theirs", "authentication failed"),
        (f"postgresql://ann:{WRITTEN}@127.0.0.1:1/theirs", "cannot be reached"),
        (f"postgresql://ann:{WRITTEN}@nowhere.invalid/theirs", "cannot be reached"),
        (f"{url}?schema=empty&mode=ro", "holds no book yet"),
        (f"postgresql://ann:{WRITTEN}@{place}/postgres", r"may not do that .*grant it the right"),
    ):
        monkeypatch.setenv("ROLLBOOK_BUSY_TIMEOUT", "1" if said == "cannot be reached" else "30")
        refused(lambda wrong=wrong: rollbook.open(wrong), said)  # type: ignore[misc]
        assert command(["--db", wrong, "doctor"]) == 1
        assert command(["--db", wrong, "list"]) != 0
    told = capfd.readouterr()
    assert "s3cr" not in told.out + told.err


def refused(do: Callable[[], object], said: str) -> None:
    with pytest.raises(StoreError, match=said) as met:
        do()
    cause: BaseException | None = met.value
    while cause is not None:
        assert "s3cr" not in str(cause)
        cause = cause.__cause__ or cause.__context__


@pytest.fixture
def raw(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        yield raw


def test_a_schema_of_another_program_is_left_alone(postgres_url: str, raw: psycopg.Connection) -> None:
    raw.execute("create schema rollbook")
    raw.execute("create table rollbook.session (id int)")
    refused(lambda: rollbook.open(postgres_url), r"tables of another program; name one with \?schema=")
    with rollbook.open(f"{postgres_url}?schema=mine") as book, rollbook.open(f"{postgres_url}?schema=user") as other:
        book.touch("s")
        other.touch("s")
        assert [len(list(each.iterate())) for each in (book, other)] == [1, 1]
    there = raw.execute("select relname from pg_class where relnamespace = 'rollbook'::regnamespace")
    assert there.fetchall() == [("session",)]


def test_a_server_that_is_too_old_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_schema, "LEAST_VERSION", 990_000)
    refused(lambda: rollbook.open(postgres_url), r"is PostgreSQL 1\d; 14 or newer is needed")


def test_the_url_may_set_what_is_no_matter_of_truth(postgres_url: str) -> None:
    url = f"{postgres_url}?application_name=mine&options=-c%20lock_timeout=7s%20-c%20search_path=public"
    with opened(url) as book:
        book.touch("s")
        with psycopg.connect(postgres_url) as raw:
            names = raw.execute("select application_name from pg_stat_activity where datname = current_database()")
            assert ("mine",) in names.fetchall()
        with book._plans.store.read() as tx:
            asked = "select current_setting('lock_timeout'), current_setting('search_path')"
            assert tx.raw.execute(asked).fetchall() == [("7s", "rollbook")]  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux", reason="how long a line may be silent is set by Linux alone")
def test_a_line_to_a_machine_that_is_gone_is_noticed(postgres_url: str) -> None:
    import socket  # noqa: PLC0415 - see above

    with opened(f"{postgres_url}?keepalives_idle=7") as book:
        book.touch("s")
        with book._plans.store.read() as tx:
            line = socket.socket(fileno=tx.raw.fileno())  # type: ignore[attr-defined]
            try:
                assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
            finally:
                line.detach()


def test_a_ctrl_c_in_a_caller_leaves_the_book_usable(postgres_url: str) -> None:
    program = (
        "import sys, threading, _thread, time, rollbook\n"
        "book = rollbook.open(sys.argv[1])\n"
        "threading.Timer(0.7, _thread.interrupt_main).start()\n"
        "sent = 0\n"
        "try:\n"
        "    while True:\n"
        "        sent += 1\n"
        "        book.record_usage('s', tokens_in=1)\n"
        "        book.get('s')\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
        "book.record_usage('t')\n"
        "assert book.get('s').calls in (sent, sent - 1)\n"
        "assert book.verify().ok\n"
        "book.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, postgres_url], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_password_is_in_no_name_of_the_book(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    url = f"postgresql://{parts.username}:s3cr@{parts.hostname}:{parts.port}{parts.path}"
    with rollbook.open(url) as book:
        assert "s3cr" not in repr(book) + repr(book.doctor())


def test_texts_are_kept_whole_whatever_the_environment_says(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    for url in (postgres_url, f"{postgres_url}?client_encoding=latin1"):
        with rollbook.open(url) as book:
            book.touch("café", title="Löschen 删除")
            assert book.get("café").title == "Löschen 删除"


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused(postgres_url: str, encoding: str) -> None:
    name = f"narrow_{encoding.lower()}"
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute(f"create database {name} encoding '{encoding}' template template0")
    try:
        with pytest.raises(rollbook.StoreError, match="needs UTF-8"):
            rollbook.open(f"{postgres_url.rpartition('/')[0]}/{name}")
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as raw:
            raw.execute(f"drop database {name} with (force)")


def test_an_at_sign_in_a_password_is_asked_to_be_written_otherwise() -> None:
    with pytest.raises(rollbook.InvalidInput, match="%40") as caught:
        rollbook.open("postgresql://u:sec@ret@127.0.0.1/x")
    assert "ret" not in str(caught.value)
