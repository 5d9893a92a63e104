"""What a PostgreSQL server says of its state, as far as a book depends on it."""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg

from rollbook.store import Check, statements
from rollbook.store.postgres_connection import ENGINE, Connection

#: Settings without which something acknowledged could be lost, or tables would swell; and what each is for.
_WANTED: Final = (
    ("fsync", ("on",), "what is acknowledged survives a power cut"),
    ("full_page_writes", ("on",), "pages that were half written are repaired"),
    ("autovacuum", ("on",), "the room of removed rows is used again"),
)

_MADE: Final = re.compile(r"^create (?:unique )?(table|index|sequence|function) (\w+)", re.MULTILINE)
_DROPPED: Final = re.compile(r"^drop (?:table|index|sequence|function) (\w+)", re.MULTILINE)


def checks(raw: psycopg.Connection[Any], schema: str) -> list[Check]:
    """The server's version and the settings that matter."""
    version = raw.info.server_version
    found: list[Check] = [("server", True, f"PostgreSQL {version // 10_000}.{version % 10_000}")]
    tx = Connection(raw, "store")
    for name, good, why in _WANTED:
        value = tx.rows("setting", name=name)[0][0]
        found.append((name, value in good, value if value in good else f"{value}; with 'on' {why}"))
    value = tx.rows("setting", name="synchronous_commit")[0][0]
    said = f"{value} here, but every write to a book waits for the disk" if value in ("off", "local") else value
    found.append(("synchronous_commit", True, said))
    found.append(_tables(tx, schema))
    return found


def _tables(tx: Connection, schema: str) -> Check:
    """Whether everything is there that the migrations made."""
    there = {row[0] for row in tx.rows("names_in", schema=schema)}
    made: dict[str, str] = {}
    for _, _, text in statements.migrations(ENGINE):
        made.update((name, kind) for kind, name in _MADE.findall(text))
        for name in _DROPPED.findall(text):
            made.pop(name, None)
    lacking = [f"{kind} {name}" for name, kind in made.items() if name not in there]
    if lacking:
        return "structure", False, f"missing: {', '.join(lacking)}; restore the database from a backup"
    return "structure", True, f"all {len(made)} tables, indexes, sequences and functions are there"
