"""What a PostgreSQL server says of its state, as far as a book depends on it."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from rollbook.store import Check
from rollbook.store.postgres_connection import Connection

#: Settings without which something acknowledged could be lost, or tables would swell; and what each is for.
_WANTED: Final = (
    ("fsync", ("on",), "what is acknowledged survives a power cut"),
    ("synchronous_commit", ("on", "remote_write", "remote_apply", "local"), "what is acknowledged is on the disk"),
    ("full_page_writes", ("on",), "pages that were half written are repaired"),
    ("autovacuum", ("on",), "the room of removed rows is used again"),
)


def checks(raw: psycopg.Connection[Any]) -> list[Check]:
    """The server's version and the settings that matter."""
    version = raw.info.server_version
    found: list[Check] = [("server", True, f"PostgreSQL {version // 10_000}.{version % 10_000}")]
    tx = Connection(raw, "store")
    for name, good, why in _WANTED:
        value = tx.rows("setting", name=name)[0][0]
        found.append((name, value in good, value if value in good else f"{value}; with 'on' {why}"))
    return found
