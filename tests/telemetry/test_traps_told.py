"""R15: every trap of Codex and Gemini CLI, when its sessions were also told of by their logs, before or after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import source
from rollbook.importers.runs import run_import
from rollbook.model import Usage, to_micros
from rollbook.otlp import logs
from rollbook.otlp.records import LogRecord

from .emitted import CODEX, GEMINI, dotted, totals

ROOT = Path(__file__).parents[1] / "data" / "traps"
NOW = 1_780_000_000_000_000
#: What their logs would say is not to be had from ledger rows: more cached than read, and prompt tokens of tools.
UNTOLD = ("cached", "tool-tokens")
TRAPS = [
    folder
    for name in ("codex", "gemini-cli")
    for folder in sorted((ROOT / name).iterdir())
    if folder.is_dir() and not (name == "gemini-cli" and folder.name in UNTOLD)
]


def imported(book: rollbook.Rollbook, folder: Path) -> None:
    run_import(book, source(folder.parent.name), [folder], now=NOW)


def record(agent: str, root: str, row: Usage) -> LogRecord:
    """What the agent's log would have said of a call, a moment later."""
    if agent == "codex":
        sender, event = CODEX, "codex.sse_event"
        numbers = {
            "conversation__id": root,
            "event__kind": "response.completed",
            "input_token_count": row.tokens_in,
            "cached_token_count": row.cache_read,
            "output_token_count": row.tokens_out,
            "reasoning_token_count": row.reasoning,
        }
    else:
        sender, event = GEMINI, "gemini_cli.api_response"
        numbers = {
            "session__id": root,
            "input_token_count": row.tokens_in,
            "cached_content_token_count": row.cache_read,
            "output_token_count": row.output,
            "thoughts_token_count": row.reasoning,
        }
    said: dict[str, Any] = {name: str(value) for name, value in numbers.items()} | {"model": row.model}
    return LogRecord(resource=sender, at_us=to_micros(row.occurred_at) + 1500, event=event, attributes=dotted(said))


def standing(rows: list[Usage]) -> list[Usage]:
    """The rows that were not reversed."""
    left = [row for row in rows if row.calls > 0]
    for reversal in (row for row in rows if row.calls < 0):
        left.remove(next(row for row in left if amounts(row) == amounts(reversal)))
    return left


def amounts(row: Usage) -> tuple[object, ...]:
    kinds = (row.input, row.cache_read, row.output, row.reasoning)
    return row.usage_id, row.occurred_at, *map(abs, kinds)


def told(book: rollbook.Rollbook, agent: str) -> list[LogRecord]:
    """A record of each call that stands in a book."""
    records = []
    for session in book.list(limit=500).sessions:
        root = session.parent_id if agent == "gemini-cli" and session.parent_id else session.session_id
        records += [record(agent, root, row) for row in standing(book.usage(session.session_id))]
    return records


@pytest.mark.parametrize("folder", TRAPS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_r15_no_trap_counts_more_when_logs_tell_of_its_calls_too(folder: Path) -> None:
    agent = folder.parent.name
    with rollbook.open("sqlite:///:memory:") as book:
        imported(book, folder)
        alone, records = totals(book), told(book, agent)
        mapped = logs.mapped(records)
        assert not mapped.rejected
        assert not book.observe(mapped.told).refused
        after = totals(book)
    with rollbook.open("sqlite:///:memory:") as book:
        assert not book.observe(mapped.told).refused
        imported(book, folder)
        assert book.verify().ok
        before = totals(book)
    assert (after, before) == (alone, alone)
