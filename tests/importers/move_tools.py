"""Databases of other systems, made by the tests with those systems' own tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
from msgspec import structs

import rollbook
from rollbook.importers import mover
from rollbook.importers.moving import MoveReport, Places, run_move
from rollbook.model import from_micros

DATA = Path(__file__).parents[1] / "data" / "move"
NOW = 1_780_000_000_000_000  #: 2026-05-28T20:26:40Z
ANNA = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
BEN = "0d9f2a44-1111-4222-8333-abcdefabcdef"
RECORD = {
    "dataset_id": None,
    "status": "running",
    "started_at": "2026-05-01 10:00:00.000000",
    "last_activity_at": "2026-05-01 10:30:00.000000",
    "ended_at": None,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost_usd": 0.0,
    "error_count": 0,
    "last_model": None,
}


def take(book: rollbook.Rollbook, name: str, *paths: object, now: int = NOW, **options: Any) -> MoveReport:
    """Move in, and prove that the books balance."""
    with Places(mover(name), [str(path) for path in paths]) as places:
        report = run_move(book, places, now=now, **options)
    assert book.verify().ok
    return report


def told(book: rollbook.Rollbook) -> list[Any]:
    """All that a book of everybody's says, but for the time at which it heard it."""
    found: list[Any] = []
    for session in sorted(book.iterate(), key=lambda one: (one.user_id, one.session_id)):
        name, whose = session.session_id, session.user_id
        found.append(session)
        found += [book.qa(name, user_id=whose), book.trace(name, user_id=whose), book.all_state(name, user_id=whose)]
        found += [book.entries(name, "context", user_id=whose)]
    usage = [structs.replace(one, recorded_at=from_micros(NOW)) for one in book.iterate_usage()]
    return [*found, sorted(map(repr, usage))]


def moment(text: str) -> datetime:
    """A time as a book answers it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Source:
    """A database that another system writes."""

    def __init__(self, path: Path, *scripts: str) -> None:
        self.path = path
        self.raw = apsw.Connection(str(path))
        self.raw.execute("pragma synchronous=off")  # there is no disk to wait for
        for script in scripts:
            self.raw.execute((DATA / f"{script}.sql").read_text())

    def __str__(self) -> str:
        return str(self.path)

    def add(self, table: str, **values: Any) -> None:
        """A row, in place of the one with its key."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.raw.execute(f"insert or replace into {table} ({names}) values ({marks})", tuple(values.values()))

    def run(self, statement: str, values: Sequence[Any] = ()) -> None:
        self.raw.execute(statement, tuple(values))


class Cognee(Source):
    """cognee's, as its Python edition writes it: ids without dashes, times without a zone."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "cognee")

    def record(self, session: str, user: str = ANNA, **values: Any) -> None:
        self.add("session_records", session_id=session, user_id=user.replace("-", ""), **{**RECORD, **values})

    def model(self, session: str, model: str, used: tuple[int, int, float], user: str = ANNA, **values: Any) -> None:
        counts = dict(zip(("tokens_in", "tokens_out", "cost_usd"), used, strict=True))
        row = {"updated_at": "2026-05-01 10:20:00.000000", **counts, **values}
        self.add("session_model_usage", session_id=session, user_id=user.replace("-", ""), model=model, **row)

    def qa(self, session: str, qa_id: str, user: str = ANNA, expires: str | None = None, **body: Any) -> None:
        said = {"time": "2026-05-01T10:05:00+00:00", "question": "Why?", "context": "", "answer": "So.", **body}
        payload = json.dumps({**said, "qa_id": qa_id})
        row = {"created_at": "2026-05-01 10:05:00", "expires_at": expires, "payload": payload}
        self.add("cache_qa_entries", user_id=user, session_id=session, qa_id=qa_id, **row)

    def step(self, session: str, trace_id: str, user: str = ANNA, **body: Any) -> None:
        said = {"origin_function": "search", "status": "success", "method_params": {"q": 1}, **body}
        payload = json.dumps({"trace_id": trace_id, **said})
        self.add(
            "cache_trace_entries", user_id=user, session_id=session, payload=payload, created_at="2026-05-01 10:06:00"
        )


class Zeph(Source):
    """zeph's: times of two forms, counters that are set and not added to."""

    def __init__(self, path: Path, *, calls: bool = False) -> None:
        super().__init__(path, "zeph", *(["zeph_calls"] if calls else []))

    def session(self, name: str, **values: Any) -> None:
        row = {"created_at": "2026-05-01T10:00:00", "last_active_at": "2026-05-01T10:30:00", "model": "gpt-5"}
        self.add("agent_sessions", id=name, **{**row, **values})

    def call(self, number: int, conversation: int | None = 1, **values: Any) -> None:
        row = {"source": "conversation", "provider_name": "openai", "model_name": "gpt-5", "input_tokens": 100}
        row |= {"output_tokens": 20, "cost_cents": 1.5, "created_at": "2026-05-01 10:15:00"}
        self.add("usage_records", id=number, conversation_id=conversation, **{**row, **values})
