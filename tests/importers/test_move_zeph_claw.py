"""Moving in from zeph and from claw-core: mixed times, counters that left their range, calls beside counters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from importers.move_tools import Source, Zeph, moment, take, told


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def zeph(tmp_path: Path) -> Zeph:
    return Zeph(tmp_path / "zeph.db")


@pytest.fixture
def metered(tmp_path: Path) -> Zeph:
    return Zeph(tmp_path / "metered.db", calls=True)


@pytest.fixture
def claw(tmp_path: Path) -> Source:
    return Source(tmp_path / "claw.db", "claw")


# zeph's fleet


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("active", "running"),
        ("completed", "completed"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("unknown", "unknown"),
    ],
)
def test_states_of_the_fleet(book: rollbook.Rollbook, zeph: Zeph, said: str, status: str) -> None:
    zeph.session("s", status=said)
    report = take(book, "zeph", zeph)
    found = book.get("s")
    assert (found.status, found.attempt, report.problems) == (status, 1, [])
    assert found.last_activity_at == moment("2026-05-01 10:30")
    ended = status in ("completed", "failed", "cancelled")
    assert found.ended_at == (moment("2026-05-01 10:30") if ended else None)


def test_what_is_known_of_a_session(book: rollbook.Rollbook, zeph: Zeph) -> None:
    zeph.session("s", kind="autonomous", channel="telegram", turns=3, goal_text="sub-agent: mend the till",
                 prompt_tokens=1000, completion_tokens=200, reasoning_tokens=150, cost_cents=1.23)  # fmt: skip
    take(book, "zeph", zeph)
    found = book.get("s")
    assert (found.kind, found.channel, found.agent, found.turns) == ("autonomous", "telegram", "zeph", 3)
    assert (found.goal_text, found.last_model) == ("sub-agent: mend the till", "gpt-5")
    assert (found.tokens_in, found.tokens_out, found.reasoning_tokens) == (1000, 200, 150)
    assert found.cost_nano_usd == 12_300_000


def test_a_cost_of_nothing_is_no_price_and_no_use_is_no_call(book: rollbook.Rollbook, zeph: Zeph) -> None:
    zeph.session("used", prompt_tokens=10)
    zeph.session("unused")
    assert take(book, "zeph", zeph).calls == 1
    assert (book.get("used").cost_usd, book.get("used").unpriced_calls) == (None, 1)
    assert book.get("unused").calls == 0


def test_times_of_both_forms_on_one_day_are_compared_as_times(book: rollbook.Rollbook, zeph: Zeph) -> None:
    zeph.session("ended", status="completed", last_active_at="2026-05-01 23:59:59")
    zeph.session("begun", last_active_at="2026-05-01T10:00:01")
    take(book, "zeph", zeph)
    assert [one.session_id for one in book.iterate()] == ["ended", "begun"]


def test_counters_that_became_negative_are_told_and_nothing(book: rollbook.Rollbook, zeph: Zeph) -> None:
    zeph.session("s", prompt_tokens=-1, completion_tokens=-(2**63), reasoning_tokens=4, cost_cents=9e999, turns=-2)
    zeph.session("t", prompt_tokens=2**62, completion_tokens=3, reasoning_tokens=9)
    report = take(book, "zeph", zeph)
    assert (report.sessions, report.skipped_rows) == (2, 4 + 1)
    assert (book.get("s").calls, book.get("t").tokens_in) == (0, 0)
    assert (book.get("t").tokens_out, book.get("t").reasoning_tokens) == (3, 3)
    assert any("negative (-1)" in problem for problem in report.problems)


def test_words_that_nobody_knows_and_rows_that_nobody_can_read(book: rollbook.Rollbook, zeph: Zeph) -> None:
    zeph.session("s", kind="swarm", channel="pager", status="paused")
    zeph.session("bad", created_at="soon")
    zeph.session("long", goal_text="x" * (1 << 17))
    report = take(book, "zeph", zeph)
    assert {one.session_id for one in book.iterate()} == {"s"}
    assert (book.get("s").kind, book.get("s").channel, book.get("s").status) == ("interactive", "other", "running")
    assert report.skipped_rows == 3 + 2


def test_a_later_import_takes_the_growth_and_the_end(book: rollbook.Rollbook, zeph: Zeph) -> None:
    zeph.session("s", status="unknown", prompt_tokens=10)
    take(book, "zeph", zeph)
    before = told(book)
    assert take(book, "zeph", zeph).amended_calls == 0
    assert told(book) == before
    zeph.session("s", status="completed", prompt_tokens=30, cost_cents=2, last_active_at="2026-05-01 11:00:00")
    assert take(book, "zeph", zeph).amended_calls == 1
    found = book.get("s")
    assert (found.status, found.tokens_in, found.calls, found.unpriced_calls) == ("completed", 30, 1, 0)
    assert (found.ended_at, found.cost_nano_usd) == (moment("2026-05-01 11:00"), 20_000_000)


# zeph's calls


def test_single_calls_belong_to_conversations(book: rollbook.Rollbook, metered: Zeph) -> None:
    metered.add("acp_sessions", id="named", conversation_id=1)
    metered.call(1, cache_read_tokens=5, cache_write_tokens=7, reasoning_tokens=8)
    metered.call(2, conversation=2, cost_cents=0)
    metered.call(3, conversation=None, source="planner")
    metered.call(4, created_at="never")
    report = take(book, "zeph", metered)
    assert (report.calls, report.skipped_rows) == (3, 1)
    named = book.get("named")
    assert (named.tokens_in, named.tokens_out, named.cache_read_tokens) == (112, 20, 5)
    assert (named.reasoning_tokens, named.cost_nano_usd) == (8, 15_000_000)
    assert book.get("zeph-conversation-2").unpriced_calls == 1
    assert book.get("zeph-background").calls == 1
    assert take(book, "zeph", metered).new_calls == 0


def test_a_conversation_that_gets_a_name_later_takes_its_calls_along(book: rollbook.Rollbook, metered: Zeph) -> None:
    metered.call(1)
    take(book, "zeph", metered)
    metered.add("acp_sessions", id="named", conversation_id=1)
    report = take(book, "zeph", metered)
    assert (report.new_calls, report.amended_calls) == (0, 1)
    assert (book.get("named").calls, book.get("zeph-conversation-1").calls) == (1, 0)


def test_counters_of_the_time_of_single_calls_are_told_and_not_counted_twice(
    book: rollbook.Rollbook, metered: Zeph
) -> None:
    metered.session("before", prompt_tokens=10, last_active_at="2026-05-01 10:14:59")
    metered.session("since", prompt_tokens=100, completion_tokens=20, cost_cents=1.5)
    metered.call(1)
    report = take(book, "zeph", metered)
    assert (book.get("before").tokens_in, book.get("since").tokens_in) == (10, 0)
    assert book.get("zeph-conversation-1").tokens_in == 100
    assert [one.session_id for one in report.unbalanced_sessions] == ["since"]


def test_where_the_first_calls_are_gone_no_counter_is_taken(book: rollbook.Rollbook, metered: Zeph) -> None:
    metered.session("before", prompt_tokens=10, last_active_at="2026-05-01 10:14:59")
    metered.call(2)
    assert take(book, "zeph", metered).unbalanced == 1
    assert book.get("before").tokens_in == 0


def test_more_calls_than_one_step_reads(book: rollbook.Rollbook, metered: Zeph) -> None:
    with metered.raw:
        for number in range(1, 1102):
            metered.call(number, conversation=number % 3)
    assert take(book, "zeph", metered).new_calls == 1101


# claw-core


def test_sessions_of_claw(book: rollbook.Rollbook, claw: Source) -> None:
    claw.add("sessions", id="open", started_at="2026-05-01T10:00:00.123456789+00:00")
    claw.add("sessions", id="ended", started_at="2026-05-01T10:00:00+00:00", ended_at="2026-05-01T12:00:00+02:00")
    claw.add("sessions", id="back", started_at="2026-05-01T10:00:00+00:00", ended_at="2026-05-01T09:00:00Z")
    claw.add("sessions", id="bad", started_at="2026-05-01T10:00:00+00:00", ended_at="")
    report = take(book, "claw", claw)
    assert (report.sessions, report.skipped_rows) == (3, 1)
    assert (book.get("open").status, book.get("open").started_at) == ("running", moment("2026-05-01T10:00:00.123456"))
    assert (book.get("ended").status, book.get("ended").ended_at) == ("completed", moment("2026-05-01T10:00"))
    assert book.get("back").ended_at == book.get("back").started_at == moment("2026-05-01T10:00")
    before = told(book)
    take(book, "claw", claw)
    assert told(book) == before


def test_claw_ends_a_session_later_and_once_more(book: rollbook.Rollbook, claw: Source) -> None:
    claw.add("sessions", id="s", started_at="2026-05-01T10:00:00+00:00")
    take(book, "claw", claw)
    for ended in ("2026-05-01T11:00:00+00:00", "2026-05-01T12:00:00+00:00"):
        claw.run("update sessions set ended_at = ?", [ended])
        assert take(book, "claw", claw).problems == []
        assert book.get("s").ended_at == moment("2026-05-01T11:00")
