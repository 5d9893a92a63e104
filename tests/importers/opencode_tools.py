"""What OpenCode leaves behind, made by the tests: its databases, as it writes them, and its older files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import apsw

import rollbook
from rollbook.importers import source
from rollbook.importers.base import ImportReport
from rollbook.importers.runs import run_import

DATA = Path(__file__).parents[1] / "data"
TRAPS = DATA / "traps" / "opencode"
NOW = 1_780_000_000_000_000
T0 = 1_772_445_600_000  #: 2026-03-02T10:00:00Z, in milliseconds
PARTS = re.split(r"^-- (\w+) --$", (DATA / "opencode" / "statements.sql").read_text(), flags=re.MULTILINE)
SQL = dict(zip(PARTS[1::2], PARTS[2::2], strict=True))


def take(book: rollbook.Rollbook, *paths: Path, now: int = NOW) -> ImportReport:
    report = run_import(book, source("opencode"), list(paths), now=now)
    assert book.verify().ok
    return report


def answer(at: int, tokens_in: int = 10, tokens_out: int = 1, **more: Any) -> dict[str, Any]:
    """What stands in an assistant's message of that second."""
    return {
        "role": "assistant",
        "time": {"created": T0 + at * 1000, "completed": T0 + at * 1000 + 500},
        "modelID": "claude-sonnet-4-5",
        "providerID": "anthropic",
        "cost": 0.01,
        "tokens": {"input": tokens_in, "output": tokens_out, "reasoning": 0, "cache": {"read": 0, "write": 0}},
        "finish": "stop",
        **more,
    }


def prompt(at: int) -> dict[str, Any]:
    return {"role": "user", "time": {"created": T0 + at * 1000}}


class Writer:
    """A database as OpenCode writes it."""

    def __init__(self, path: Path, tables: str = "version_1", journal: str = "wal", locking: str = "normal") -> None:
        self.raw = apsw.Connection(str(path))
        self.raw.set_busy_timeout(5000)
        self.raw.pragma("synchronous", "off")  # there is no disk to wait for
        self.raw.pragma("locking_mode", locking)
        self.raw.pragma("journal_mode", journal)
        self.writes = 0
        self.run(tables)

    def run(self, name: str, /, **values: Any) -> None:
        self.raw.execute(SQL[name], values).fetchall()

    def session(self, name: str, made: int = 0, changed: int | None = None, **more: Any) -> None:
        facts = {"title": "Mend the till", "parent": None, **more}
        self.run("add_session", id=name, made=T0 + made * 1000, changed=T0 + (changed or made) * 1000, **facts)

    def message(self, name: str, session: str, data: object, at: int, statement: str = "add_message") -> None:
        text = data if isinstance(data, str | bytes) else json.dumps(data, separators=(",", ":"))
        self.writes += 1
        stamp = T0 + at * 1000
        self.run(statement, id=name, session=session, made=stamp, written=max(stamp, T0) + self.writes, data=text)

    def fill(self, session: str, calls: int, first: int = 1) -> None:
        self.session(session)
        with self.raw:
            for at in range(first, first + calls):
                self.message(f"msg_{session}{at:06d}", session, answer(at, abs(at)), at)


def small(path: Path, **more: Any) -> Writer:
    writer = Writer(path, **more)
    writer.fill("ses_a", 3)
    return writer


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


def put(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2))


def stored(name: str, made: int = 0, title: str = "Mend the till") -> dict[str, Any]:
    times = {"created": T0 + made * 1000, "updated": T0 + made * 1000}
    return {"id": name, "directory": "/home/dev/shop", "title": title, "version": "0.5.29", "time": times}
