"""What transcripts in the store used: the same as an import of them finds, and never twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook import Rollbook
from rollbook.importers import source
from rollbook.importers.runs import run_import
from rollbook.integrations.claude_agent import RollbookSessionStore

TRAPS = Path(__file__).parents[1] / "data" / "traps" / "claude-code"


def transcripts(folder: Path) -> list[tuple[dict[str, str], list[Any]]]:
    """The transcripts of a folder, by the keys under which the SDK would mirror them."""
    found = []
    for path in sorted(folder.rglob("*.jsonl")):
        entries = []
        for line in path.read_bytes().split(b"\n"):
            try:
                one = json.loads(line)
            except ValueError:
                continue
            if isinstance(one, dict):
                entries.append(one)
        key = {"project_key": str(path.parent), "session_id": path.stem}
        if path.parent.name == "subagents":
            main = path.parent.parent
            key = {"project_key": str(main.parent), "session_id": main.name, "subpath": f"subagents/{path.stem}"}
        found.append((key, entries))
    return found


def sums(book: Rollbook) -> dict[str, Any]:
    return {
        each.session_id: (each.calls, each.tokens_in, each.tokens_out, each.cost_nano_usd, each.parent_id, each.turns)
        for each in book.iterate()
        if each.calls
    }


@pytest.mark.parametrize("trap", sorted(path.name for path in TRAPS.iterdir()))
def test_an_import_finds_nothing_that_the_store_did_not(trap: str, tmp_path: Path) -> None:
    async def mirror(book: Rollbook) -> None:
        store = RollbookSessionStore(book)
        for key, entries in transcripts(TRAPS / trap):
            for at in range(0, len(entries), 3):
                await store.append(key, entries[at : at + 3])
                await store.append(key, [one for one in entries[at : at + 3] if "uuid" in one])  # delivered twice

    with rollbook.open(tmp_path / "store.db") as book, rollbook.open(tmp_path / "import.db") as other:
        asyncio.run(mirror(book))
        run_import(other, source("claude-code"), [TRAPS / trap], processes=0)
        metered = sums(book)
        report = run_import(book, source("claude-code"), [TRAPS / trap], processes=0)
        assert sums(book) == sums(other)
        assert metered == sums(book)
        assert report.new_calls == 0
        assert book.verify().ok


def test_what_was_metered_stays_when_the_transcript_goes(book: Rollbook) -> None:
    ((key, entries),) = transcripts(TRAPS / "cache-writes")

    async def run() -> None:
        store = RollbookSessionStore(book)
        await store.append(key, entries)
        before = sums(book)
        await store.delete(key)
        await store.append(key, entries)
        assert sums(book) == before
        assert before

    asyncio.run(run())


def test_a_line_that_nobody_understands_is_kept_all_the_same(book: Rollbook) -> None:
    lines: list[Any] = [
        {"type": "assistant", "timestamp": "1970-01-01T00:00:00Z", "message": {"usage": {"input_tokens": -1}}},
        {"type": {"no": "text"}, "timestamp": 5},
        {"type": "user", "sessionId": "\u0000", "timestamp": "2026-05-01T10:00:00Z", "message": "x"},
    ]
    key = {"project_key": "p", "session_id": "s"}

    async def run() -> Any:
        store = RollbookSessionStore(book)
        await store.append(key, lines)
        return await store.load(key)

    assert asyncio.run(run()) == lines
