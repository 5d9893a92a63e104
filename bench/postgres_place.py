"""A PostgreSQL server for benchmarks, which waits for the disk at every commit, and databases in it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql


@contextlib.contextmanager
def started(folder: Path | None) -> Iterator[Any]:
    """A server of this run's own, as it comes but for its number of connections (see tests/postgres_servers.py)."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from postgres_servers import postgres_folder, postgres_server_at  # noqa: PLC0415 - what starts them for the tests

    with (
        postgres_folder(folder) as place,
        postgres_server_at(place / "server", durable=True, max_connections="300") as server,
    ):
        yield server


@contextlib.contextmanager
def server_url(url: str | None, folder: Path | None) -> Iterator[str]:
    """The URL of a database on a server: the one given, or of a server that is started."""
    if url is not None:
        yield url
        return
    with started(folder) as server:
        yield server.url()


def beside(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return f"{url.rpartition('/')[0]}/{database}"


def made(url: str, database: str, *, like: str | None = None) -> str:
    """The URL of a new database, empty or a copy of another one, after everything was written out."""
    with psycopg.connect(url, autocommit=True) as connection:
        dropped(url, database)
        text = "create database {}" if like is None else "create database {} template {}"
        names = [sql.Identifier(name) for name in (database, like) if name is not None]
        connection.execute(sql.SQL(text).format(*names))
        connection.execute("checkpoint")
    return beside(url, database)


def dropped(url: str, database: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


def versions(url: str) -> dict[str, Any]:
    """What was measured, and how safely it kept what it was given."""
    names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_connections")
    with psycopg.connect(url, autocommit=True) as connection:
        found = {name: _one(connection, name) for name in names}
    return {**found, "psycopg": psycopg.__version__}


def _one(connection: psycopg.Connection[Any], name: str) -> str:
    row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])
