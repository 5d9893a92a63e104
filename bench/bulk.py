"""Books of a given size, loaded by plain SQL, because a million sessions are to be read, not to be waited for.

The rows are what the library would have written for those sessions, and the kept sums are computed from them, so the
books balance; a benchmark proves it with ``verify()`` on a small one. The statements are in bulk.sql.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, Final

import apsw

import rollbook
from rollbook.rules.checks import user, utc_now

USERS: Final = 2_000
DAYS: Final = 30
BIGGEST: Final = "user-1"  #: who owns 12 of 100 sessions

_STEPS: Final = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_HASH: Final = re.compile(r"\{h(\d+)\}")
#: A usage id that grows with time, as a UUID of version 7 does.
_KEY: Final = (
    "printf('%08x-%04x-7%03x-8%03x-%012x', occurred_at / 1000 >> 16, occurred_at / 1000 & 65535, {h17} % 4096,"
    " {h18} % 4096, n * 3 + row_no)"
)


def build(path: str, sessions: int, users: int = USERS, days: int = DAYS) -> None:
    """Make a book with that many sessions, over days that end now."""
    for old in Path(path).parent.glob(Path(path).name + "*"):
        old.unlink()
    rollbook.open(f"sqlite:///{path}").close()
    connection = apsw.Connection(path)
    for name, value in (("journal_mode", "off"), ("synchronous", "off"), ("cache_size", -400_000)):
        connection.pragma(name, value)
    connection.execute("begin exclusive")
    indexes: list[Any] = connection.execute(
        "select name, sql from sqlite_schema where type = 'index' and sql is not null and tbl_name <> 'account'"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index {name}")
    connection.execute("create temp table number (n integer primary key)")
    connection.executemany("insert into temp.number values (?)", [(number,) for number in range(100)])
    connection.executemany(
        "insert into account (user_no, user_id, name) values (?, ?, ?)",
        [(number, *user(f"user-{number}")) for number in range(1, users + 1)],
    )
    values = {"sessions": sessions, "users": users, "now": utc_now(), "span": days * 86_400}
    for text in _statements():
        connection.execute(text, {name: value for name, value in values.items() if f":{name}" in text})
    for _, text in indexes:
        connection.execute(text)
    connection.execute("commit")
    connection.pragma("journal_mode", "wal")
    connection.close()


def _statements() -> list[str]:
    text = Path(__file__).with_name("bulk.sql").read_text("utf-8")
    bodies = _STEPS.split(text)[2::2]
    return [_hashed(one) for body in bodies for one in body.replace("{key}", _KEY).split(";") if one.strip()]


def _hashed(text: str) -> str:
    # For the calls of one session the row's number goes in as well, so that their amounts differ.
    seed = "(n * 3 + row_no)" if "from used" in text and "insert into ledger" in text else "n"
    seed = "(made.n * 3 + number.n)" if "create temp table used" in text else seed
    return _HASH.sub(lambda found: _hash(seed, int(found[1])), text)


def _hash(seed: str, number: int) -> str:
    """A hash of a number as SQL, 0 to 2**31; one for each number, each with factors of its own."""
    chance = random.Random(number)
    first, added, second = chance.getrandbits(32) | 1, chance.getrandbits(32), chance.getrandbits(30) | 2**29 | 1
    return f"((({seed} * {first} + {added}) % 4294967296 * {second} >> 13) % 2147483648)"
