"""What a book holds of transcripts that were imported with their contents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import source
from rollbook.importers.base import ImportReport
from rollbook.importers.runs import run_import

NOW = 1_780_000_000_000_000
SECRET = "hunter2"
Told = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:", redact=False) as opened:
        yield opened


def take(book: rollbook.Rollbook, name: str, *paths: Path, **more: Any) -> ImportReport:
    return run_import(book, source(name), paths, now=NOW, **{"content": True, **more})


def told(book: rollbook.Rollbook, session_id: str) -> Told:
    """What a session contains: who said what; tools with status, parameters, value, error and duration."""
    said = [(one.role, one.content) for one in book.conversation(session_id)]
    ran = [
        (one.tool_name, one.status, one.method_params, one.method_return_value, one.error_message, one.duration_s)
        for one in book.trace(session_id)
    ]
    return said, ran


def everything(book: rollbook.Rollbook) -> dict[str, Any]:
    assert book.verify().ok
    return {
        one.session_id: (
            rollbook.to_dict(one),
            *(sorted(map(repr, found)) for found in told(book, one.session_id)),
        )
        for one in book.iterate()
    }


def write(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path
