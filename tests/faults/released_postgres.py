"""Books in PostgreSQL as released versions wrote them, and what those versions said that the books hold.

``python -m faults.released_postgres`` (in ``tests``) writes ``data/books/postgres-schema-N.sql`` and ``.json``; see
``released``, which does the same for files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any, Final

import psycopg

from postgres_servers import PostgresServer, postgres_folder, postgres_server_at, postgres_versions
from rollbook.store import statements

from .released import BOOKS, TRANSCRIPTS, answers, write

NUMBER: Final = statements.migrations("postgres")[-1][0]
_HOME: Final = "/home/sample/.claude/projects"


def numbers() -> list[int]:
    """The schemas that were released."""
    return sorted(int(path.stem.rpartition("-")[2]) for path in BOOKS.glob("postgres-schema-*.sql"))


def filled(url: str) -> None:
    """Write something of everything that a book can hold into an empty database."""
    write(url)
    with psycopg.connect(url) as raw:
        # The files lay in somebody's home, and not on this machine.
        raw.execute(
            "update rollbook.source_file set path = replace(path, %s, %s), device = 66", (str(TRANSCRIPTS), _HOME)
        )


def dumped(server: PostgresServer, url: str) -> str:
    """A book as statements that make it again."""
    program = postgres_versions()[server.version] / "pg_dump"
    asked = ["--schema=rollbook", "--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50", url]
    text = subprocess.run([str(program), *asked], capture_output=True, check=True, text=True).stdout
    # Lines that are no SQL but words to psql; and settings that older servers do not know.
    unwanted = ("\\", "SET transaction_timeout", "--")
    return "\n".join(line for line in text.splitlines() if line and not line.startswith(unwanted)) + "\n"


def build(text: str, url: str) -> None:
    """Make the book that a dump holds, in an empty database."""
    with psycopg.connect(url) as raw:
        raw.execute(text.encode())


def expected(number: int) -> Any:
    """What that version answered."""
    return json.loads((BOOKS / f"postgres-schema-{number}.json").read_text("utf-8"))


def main() -> None:
    with tempfile.TemporaryDirectory() as home, postgres_folder() as folder:
        os.environ["HOME"] = home
        with postgres_server_at(folder / "server") as server:
            url = server.new_database()
            filled(url)
            (BOOKS / f"postgres-schema-{NUMBER}.sql").write_text(dumped(server, url), "utf-8")
            told = json.dumps(answers(url), indent=1, ensure_ascii=False)
            (BOOKS / f"postgres-schema-{NUMBER}.json").write_text(told + "\n", "utf-8")
    sys.stdout.write(f"postgres-schema-{NUMBER}.sql and .json in {BOOKS}\n")


if __name__ == "__main__":
    main()
