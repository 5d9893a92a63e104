"""Every double-counting trap: hand-made lines come to hand-computed totals, however and whenever they are imported.

A trap is a folder under ``tests/data/traps/claude-code``: transcripts, and ``expected.json`` with the totals and the
reason.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import source
from rollbook.importers.base import QUIET_US, ImportReport, run_import
from rollbook.model import to_micros

TRAPS = Path(__file__).parents[1] / "data" / "traps" / "claude-code"
NAMES = sorted(folder.name for folder in TRAPS.iterdir())
NOW = 1_780_000_000_000_000  #: in May 2026, long after every line
ORDERS = 24
SUMS = ("calls", "tokens_in", "tokens_out", "cost_nano_usd")


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((TRAPS / name / "expected.json").read_text())
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def take(book: rollbook.Rollbook, paths: Iterable[Path], now: int = NOW) -> ImportReport:
    report = run_import(book, source("claude-code"), list(paths), now=now)
    assert report.problems == []
    return report


def memory() -> rollbook.Rollbook:
    return rollbook.open("sqlite:///:memory:")


def everything(book: rollbook.Rollbook) -> dict[str, Any]:
    """All that a book says, apart from when it was told."""
    assert book.verify().ok
    return {
        "sessions": {session.session_id: rollbook.to_dict(session) for session in book.iterate()},
        "stats": rollbook.to_dict(book.stats(since="all")),
        "models": rollbook.to_dict(book.cost_by_model(since="all")),
        "days": rollbook.to_dict(book.spend(by="day", since="all", tz="UTC")),
    }


def same_moment(told: str, stored: Any) -> bool:
    return bool(told.replace("Z", "000+00:00") == rollbook.to_dict(stored))


def check_session(book: rollbook.Rollbook, session_id: str, wanted: dict[str, Any]) -> None:
    session = book.get(session_id)
    for field, value in wanted.items():
        if field == "inclusive":
            inclusive = book.inclusive(session_id)
            assert {name: getattr(inclusive, name) for name in value} == value
        elif field == "models":
            rows: dict[str, dict[str, int]] = {}
            for usage in book.usage(session_id):
                sums = rows.setdefault(str(usage.model), {"calls": 0, "tokens_in": 0, "tokens_out": 0})
                for name in sums:
                    sums[name] += getattr(usage, name)
            assert rows == value
        elif field == "kinds":
            assert {kind: sum(getattr(row, kind) for row in book.usage(session_id)) for kind in value} == value
        elif field == "parent":
            assert session.parent_id == value
            assert session_id in {child.session_id for child in book.children(value)}
        elif field.endswith("_at"):
            assert same_moment(value, getattr(session, field)), field
        else:
            assert getattr(session, field) == value, f"{session_id} {field}"


def check(book: rollbook.Rollbook, name: str) -> None:
    wanted = expected(name)
    for session_id, fields in wanted["sessions"].items():
        check_session(book, session_id, fields)
    assert {session.session_id for session in book.iterate()} == set(wanted["sessions"])
    spent = book.spend(by="day", since="all", tz="UTC").total
    assert {field: getattr(spent, field) for field in wanted["total"]} == wanted["total"]
    assert spent.late_calls == 0


@pytest.mark.parametrize("name", NAMES)
def test_r15_a_trap_comes_to_its_totals(name: str) -> None:
    with memory() as book:
        report = take(book, [TRAPS / name])
        check(book, name)
        assert report.skipped_lines == expected(name)["skipped_lines"]
        assert report.files == len(files(TRAPS / name))
        assert report.new_calls == expected(name)["total"]["calls"]


@pytest.mark.parametrize("name", NAMES)
def test_r3_again_and_from_a_copy_nothing_changes(name: str, tmp_path: Path) -> None:
    with memory() as book:
        take(book, [TRAPS / name])
        before = everything(book)
        again = take(book, [TRAPS / name])
        assert (again.bytes, again.calls, again.new_calls) == (0, 0, 0)
        shutil.copytree(TRAPS / name, tmp_path / "copy")
        copied = take(book, [tmp_path / "copy"])
        assert copied.bytes > 0
        assert copied.new_calls == 0
        assert everything(book) == before


@pytest.mark.parametrize("name", NAMES)
def test_r3_the_order_of_files_does_not_matter(name: str) -> None:
    with memory() as book:
        take(book, [TRAPS / name])
        once = everything(book)
    for order in itertools.islice(itertools.permutations(files(TRAPS / name)), ORDERS):
        with memory() as book:
            for path in order:
                take(book, [path])
            check(book, name)
            assert everything(book) == once


def grown(name: str, folder: Path, rng: random.Random, *, whole_lines: bool) -> Iterable[None]:
    """Write a trap's files bit by bit, a bit of any of them at a time; a pause after each."""
    parts: dict[Path, list[bytes]] = {}
    for path in files(TRAPS / name):
        data = path.read_bytes()
        if whole_lines:
            pieces = data.splitlines(keepends=True)
        else:
            cuts = [0, *sorted(rng.sample(range(1, len(data)), min(8, len(data) - 1))), len(data)]
            pieces = [data[start:end] for start, end in itertools.pairwise(cuts)]
        parts[folder / path.relative_to(TRAPS / name)] = pieces
    while parts:
        path = rng.choice(sorted(parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(parts[path].pop(0))
        if not parts[path]:
            del parts[path]
        yield


@pytest.mark.parametrize("whole_lines", [True, False], ids=["line by line", "cut anywhere"])
@pytest.mark.parametrize("name", NAMES)
def test_r3_importing_every_day_comes_to_the_same_as_importing_once(
    name: str, whole_lines: bool, tmp_path: Path
) -> None:
    with memory() as book:
        take(book, [TRAPS / name])
        once = everything(book)
    for seed in range(3):
        folder = tmp_path / str(seed)
        skipped = 0
        with memory() as book:
            for _ in grown(name, folder, random.Random(seed), whole_lines=whole_lines):
                skipped += take(book, [folder]).skipped_lines
            check(book, name)
            assert everything(book) == once
        assert skipped == expected(name)["skipped_lines"]


def last_moment(name: str) -> int:
    """The latest time that stands in a trap's lines, in microseconds."""
    text = b"".join(path.read_bytes() for path in files(TRAPS / name)).decode(errors="replace")
    times = [datetime.fromisoformat(found) for found in re.findall(r'"timestamp":"(2026[^"]*Z)"', text)]
    return int(max(times).timestamp() * 1_000_000)


@pytest.mark.parametrize("name", NAMES)
def test_r2_an_end_waits_for_silence_and_is_told_without_the_file_being_read_again(name: str) -> None:
    with memory() as book:
        take(book, [TRAPS / name])
        once = everything(book)
    with memory() as book:
        early = last_moment(name) + 1_000_000
        take(book, [TRAPS / name], now=early)
        for session in book.iterate():
            silent = early - to_micros(session.last_activity_at) > QUIET_US
            assert silent or session.status == "running", session.session_id
        late = take(book, [TRAPS / name])
        assert (late.bytes, late.calls) == (0, 0)
        assert everything(book) == once
