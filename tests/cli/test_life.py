"""touch, use, end, reopen, delete."""

from __future__ import annotations

import pytest

from rollbook.book import Rollbook
from rollbook.errors import NotFound

from .tools import OnTerminal, Run


def test_touch_makes_a_session(run: Run, book: Rollbook) -> None:
    done = run(
        "touch", "s1", "--agent", "my-bot", "--kind", "autonomous", "--channel", "web", "--project", "shop",
        "--title", "Fix it", "--goal", "All green", "--tag", "b", "--tag", "a", "--meta", "branch=main=2",
        "--turns", "3", "--actor", "ann",
        "--dataset", "00000000-0000-0000-0000-00000000000a", "--at", "2026-05-01T12:00:00Z",
    )  # fmt: skip
    assert (done.status, done.err) == (0, "")
    session = book.get("s1")
    assert (session.agent, session.kind, session.channel, session.project) == ("my-bot", "autonomous", "web", "shop")
    assert (session.title, session.goal_text, session.tags) == ("Fix it", "All green", ("a", "b"))
    assert (session.metadata, session.turns, session.actor) == ({"branch": "main=2"}, 3, "ann")
    assert session.dataset_id == "00000000-0000-0000-0000-00000000000a"
    assert session.started_at.isoformat() == "2026-05-01T12:00:00+00:00"
    assert done.out == "s1  abandoned\n"


def test_touch_makes_an_id(run: Run, book: Rollbook) -> None:
    made = run("touch", "--json").answer["session_id"]
    assert book.get(made).status == "running"


def test_touch_names_a_parent(run: Run, book: Rollbook) -> None:
    run("touch", "above")
    run("touch", "below", "--parent", "above")
    assert [child.session_id for child in book.children("above")] == ["below"]


@pytest.mark.parametrize("wrong", ["novalue", "=x"])
def test_metadata_needs_a_key_and_a_value(run: Run, book: Rollbook, wrong: str) -> None:
    done = run("touch", "s1", "--meta", wrong)
    assert (done.status, done.out) == (2, "")
    assert "KEY=VALUE" in done.line
    with pytest.raises(NotFound):
        book.get("s1")


def test_r3_use_counts_once(run: Run, book: Rollbook) -> None:
    call = ("use", "s1", "--model", "claude-sonnet-4-5", "--tokens-in", "1000", "--tokens-out", "200", "--id", "c1")
    assert run(*call).out == "s1  counted\n"
    assert run(*call, "--json").answer == {"session_id": "s1", "usage_id": "c1", "outcome": "duplicate"}
    session = book.get("s1")
    assert (session.calls, session.tokens_in, session.tokens_out, session.cost_usd) == (1, 1000, 200, 0.006)


def test_use_takes_every_kind_of_tokens(run: Run, book: Rollbook) -> None:
    run(
        "use", "s1", "--tokens-in", "1", "--cache-read", "2", "--cache-write", "3", "--cache-write-1h", "4",
        "--tokens-out", "5", "--reasoning", "6", "--audio-in", "7", "--audio-out", "8", "--cost-usd", "0.1",
        "--alias", "r1", "--alias", "r2", "--errored", "--billing", "subscription", "--source", "my-hook",
        "--evidence", "log", "--provider", "someone", "--at", "2026-05-01T12:00:00Z",
    )  # fmt: skip
    (row,) = book.usage("s1")
    assert (row.input, row.cache_read, row.cache_write, row.cache_write_1h) == (1, 2, 3, 4)
    assert (row.output, row.reasoning, row.audio_in, row.audio_out) == (5, 6, 7, 8)
    assert (row.cost_nano_usd, row.cost_source, row.billing) == (100_000_000, "reported", "subscription")
    assert (row.errored, row.source, row.evidence, row.provider) == (True, "my-hook", "log", "someone")
    assert run("use", "s1", "--alias", "r2", "--evidence", "log").out == "s1  duplicate\n"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--tokens-in", "-5"),
        ("--tokens-in", "1.5"),
        ("--tokens-in", "many"),
        ("--tokens-out", "9" * 30),
        ("--cost", "nan"),
        ("--cost", "inf"),
        ("--cost", "-1"),
        ("--cost", "free"),
        ("--at", "yesterday"),
        ("--at", "1999-01-01T00:00:00Z"),
        ("--billing", "barter"),
        ("--evidence", "rumour"),
    ],
)
def test_bad_numbers_are_wrong_use(run: Run, book: Rollbook, wrong: tuple[str, str]) -> None:
    done = run("use", "s1", *wrong)
    assert (done.status, done.out) == (2, "")
    assert done.line
    assert book.stats(since="all").calls == 0
    assert book.verify().ok


def test_r2_the_first_end_stands(run: Run, book: Rollbook) -> None:
    run("touch", "s1")
    assert run("end", "s1", "failed", "--reason", "no tests").out == "s1  failed\n"
    assert run("end", "s1", "failed").status == 0
    refused = run("end", "s1", "completed")
    assert (refused.status, refused.out) == (1, "")
    assert "failed" in refused.line
    assert (book.get("s1").status, book.get("s1").end_reason) == ("failed", "no tests")
    assert run("reopen", "s1").out == "s1  running (attempt 2)\n"
    assert run("end", "s1", "completed", "--json").answer["attempt"] == 2


def test_an_unknown_session_cannot_end(run: Run) -> None:
    done = run("end", "nobody", "completed")
    assert (done.status, done.out) == (1, "")
    assert "nobody" in done.line


def test_an_unknown_end_is_wrong_use(run: Run) -> None:
    done = run("end", "s1", "exploded")
    assert done.status == 2
    assert "completed, failed, cancelled" in done.line


@pytest.mark.parametrize("wrong", ["", " ", "a\x01b", "x" * 600, "half \udc80"])
def test_bad_ids_are_wrong_use(run: Run, book: Rollbook, wrong: str) -> None:
    done = run("touch", wrong)
    assert (done.status, done.out) == (2, "")
    assert "id" in done.line
    assert not book.list().sessions


def test_delete_refuses_where_nobody_can_answer(program: Run, book: Rollbook) -> None:
    book.touch("s1")
    done = program("delete", "s1", stdin="y\n")
    assert (done.status, done.out) == (1, "")
    assert "--yes" in done.line
    assert book.get("s1").session_id == "s1"


def test_r12_delete_keeps_the_spend(run: Run, book: Rollbook) -> None:
    book.record_usage("s1", tokens_in=5, cost_usd=0.5)
    assert run("delete", "s1", "--yes").out == "s1  deleted\n"
    assert not book.list().sessions
    assert book.spend(since="all").total.cost_usd == 0.5
    gone = run("delete", "s1", "--yes")
    assert (gone.status, gone.out) == (1, "")
    assert "s1" in gone.line


def test_delete_in_json(run: Run, book: Rollbook) -> None:
    book.touch("s1")
    assert run("--json", "delete", "s1", "-y").answer == {
        "session_id": "s1",
        "user_id": book.user_id,
        "deleted": True,
    }


@pytest.mark.parametrize(("typed", "left"), [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1)])
def test_delete_asks_on_a_terminal(on_terminal: OnTerminal, book: Rollbook, typed: str, left: int) -> None:
    book.touch("s1", title="Fix\x1b[31m it")
    shown = on_terminal("delete", "s1", typed=typed)
    assert "[y/N]" in shown.raw
    assert "\x1b[31m" not in shown.raw
    assert (shown.status, len(book.list().sessions)) == (left, left)


def test_every_write_has_an_answer_in_json(run: Run) -> None:
    for words in (("touch", "s1"), ("end", "s1", "completed"), ("reopen", "s1")):
        assert run(*words, "--json").answer["session_id"] == "s1"
