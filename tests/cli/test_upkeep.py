"""verify and doctor."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

import rollbook

from .tools import OnTerminal, Run


@pytest.fixture
def wrong(url: str) -> str:
    """A book in which one sum was changed behind Rollbook's back."""
    with rollbook.open(url) as book:
        book.record_usage("s1", model="m", tokens_in=10, cost_usd=0.5)
    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    connection.execute("update session set calls = calls + 1")
    connection.close()
    return url


def test_verify(run: Run) -> None:
    run("use", "s1", "--tokens-in", "5")
    assert run("verify").out == "the books balance: 1 sessions, 1 ledger rows\n"
    assert run("verify", "--json").answer == {"ok": True, "sessions": 1, "ledger_rows": 1, "problems": []}


def test_r16_verify_names_every_difference(run: Run, wrong: str) -> None:
    done = run("verify")
    assert done.status == 1
    assert "s1" in done.out
    assert "calls" in done.out
    assert "differ" in done.line
    found = run("verify", "--json")
    assert (found.status, found.answer["ok"]) == (1, False)
    assert found.answer["problems"][0]["field"] == "calls"


def test_doctor(run: Run, url: str) -> None:
    run("use", "s1", "--tokens-in", "5")
    done = run("doctor")
    assert (done.status, done.err) == (0, "")
    assert url.removeprefix("sqlite:///") in done.out
    assert "balance    ok: 1 sessions and 1 ledger rows balance\n" in done.out
    answer = run("doctor", "--json").answer
    assert answer["ok"] is True
    assert {"rollbook", "file", "user", "balance"} <= {finding["name"] for finding in answer["findings"]}
    assert all(list(finding) == ["name", "ok", "detail"] for finding in answer["findings"])


def test_doctor_makes_no_book(run: Run, tmp_path: Path) -> None:
    done = run("doctor")
    assert (done.status, done.line) == (1, "something is wrong with this book")
    assert "wrong: there is no book at" in done.out
    assert list(tmp_path.iterdir()) == []


def test_doctor_answers_for_a_book_that_does_not_open(run: Run, wrong: str) -> None:
    path = Path(wrong.removeprefix("sqlite:///"))
    path.write_bytes(b"SQLite format 3\0" + bytes(5000))
    done = run("doctor")
    assert done.status == 1
    assert "open " in done.out
    assert run("doctor", "--json").answer["findings"][-1]["ok"] is False


def test_what_to_do_is_shown_whole_on_a_narrow_terminal(on_terminal: OnTerminal, url: str) -> None:
    with rollbook.open(url) as book:
        book.record_usage("s", model="nobody-knows-1", tokens_in=1)
    shown = on_terminal("doctor", columns=40)
    assert shown.status == 0
    assert all(len(line) <= 40 for line in shown.lines)
    assert "rollbook reprice" in " ".join(" ".join(shown.lines).split())


def test_doctor_finds_what_verify_finds(run: Run, wrong: str) -> None:
    done = run("doctor")
    assert done.status == 1
    assert "wrong" in done.out
    assert run("doctor", "--json").answer["ok"] is False


def test_a_file_that_is_no_book(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "letter.txt"
    other.write_text("Dear reader,\n" * 1000)
    done = run("--db", f"sqlite:///{other}", "stats")
    assert (done.status, done.out) == (1, "")
    assert "letter.txt" in done.line
    assert other.read_text() == "Dear reader,\n" * 1000
