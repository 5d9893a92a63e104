"""The files that OpenCode wrote before it had a database, and the samples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from importers.opencode_tools import T0, answer, prompt, put, stored, take
from rollbook.importers import SAMPLES


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


def test_the_files_of_the_oldest_turns_have_their_steps_in_parts(book: rollbook.Rollbook, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    put(storage / "session" / "p1" / "ses_a.json", stored("ses_a"))
    message = {key: value for key, value in answer(1, 30, 3, cost=0.6).items() if key != "finish"}
    put(storage / "message" / "ses_a" / "msg_1.json", message)
    for number in (10, 20, 30):
        part = {"type": "step-finish", "tokens": answer(0, number, number // 10)["tokens"], "cost": number / 100}
        put(storage / "part" / "msg_1" / f"prt_{number}.json", part)
    put(storage / "part" / "msg_1" / "prt_40.json", {"type": "text", "text": "step-finish"})
    take(book, tmp_path)
    found = book.get("ses_a")
    assert (found.calls, found.tokens_in, found.tokens_out, found.cost_nano_usd) == (1, 60, 6, 600_000_000)


def test_files_whose_sessions_file_is_gone_are_spend(book: rollbook.Rollbook, tmp_path: Path) -> None:
    put(tmp_path / "message" / "ses_a" / "msg_1.json", answer(1, 100))
    put(tmp_path / "message" / "ses_a" / "msg_2.json", prompt(2))
    report = take(book, tmp_path)
    assert (report.new_calls, report.skipped_lines) == (1, 0)
    assert (book.get("ses_a").tokens_in, book.get("ses_a").turns) == (100, 0)
    put(tmp_path / "session" / "p1" / "ses_a.json", stored("ses_a", 60))  # so the answer is a copy
    take(book, tmp_path)
    put(tmp_path / "session" / "p1" / "ses_b.json", stored("ses_b"))
    put(tmp_path / "message" / "ses_b" / "msg_0.json", answer(1, 100))
    take(book, tmp_path)
    assert (book.get("ses_a").calls, book.get("ses_b").calls) == (0, 1)


def test_a_file_that_is_written_again_is_read_again(book: rollbook.Rollbook, tmp_path: Path) -> None:
    put(tmp_path / "session" / "p1" / "ses_a.json", stored("ses_a"))
    put(tmp_path / "message" / "ses_a" / "msg_1.json", answer(1, 0, 0, cost=0, time={"created": T0 + 1000}))
    assert take(book, tmp_path).calls == 0
    put(tmp_path / "message" / "ses_a" / "msg_1.json", answer(1, 70))
    assert take(book, tmp_path).new_calls == 1
    changed = stored("ses_a", title="Mend it")
    changed["time"]["updated"] += 60_000
    put(tmp_path / "session" / "p1" / "ses_a.json", changed)
    take(book, tmp_path)
    assert (book.get("ses_a").title, book.get("ses_a").status) == ("Mend it", "completed")


def test_odd_names_and_files(book: rollbook.Rollbook, tmp_path: Path) -> None:
    put(tmp_path / "session" / "p1" / "ses_[a]*.json", stored("x"))
    put(tmp_path / "message" / "ses_[a]*" / "msg_1.json", answer(1))
    put(tmp_path / "session" / "p1" / "ses_b.json", [1, 2])
    put(tmp_path / "session" / "p1" / "ses_c.json", {"time": {"created": -1}})
    put(tmp_path / "message" / "ses_d" / "msg_2.json", answer(2, modelID=7))
    (tmp_path / "message" / "ses_e").write_text("no folder")
    (tmp_path / "message" / "loop").symlink_to(tmp_path / "message")
    report = take(book, tmp_path)
    assert (report.problems, report.new_calls, report.skipped_lines) == ([], 1, 3)
    assert {session.session_id for session in book.iterate()} == {"ses_[a]*"}


def test_the_samples_are_read_wholly_and_priced(book: rollbook.Rollbook) -> None:
    report = take(book, SAMPLES / "opencode", now=1_800_000_000_000_000)
    assert (report.problems, report.skipped_lines, report.new_calls) == ([], 0, 5)
    assert {session.session_id: session.status for session in book.iterate()} == {
        "ses_sample_bakery": "completed",
        "ses_sample_tester": "completed",
        "ses_sample_fork": "failed",
    }
    assert book.inclusive("ses_sample_bakery").calls == 4
    assert book.stats(since="all").unpriced_calls == 0
