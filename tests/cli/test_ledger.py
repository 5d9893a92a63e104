"""stats, models, spend, usage."""

from __future__ import annotations

import pytest

from rollbook.book import Rollbook
from rollbook.model import ModelCost, SpendRow, Stats, Usage

from .tools import OnTerminal, Run

FOURTEEN = [
    "range", "sessions", "total_spend_usd", "avg_spend_per_session_usd", "tokens_in", "tokens_out", "tokens_total",
    "agent_time_s", "avg_session_s", "success_rate", "completed", "failed", "abandoned", "running",
]  # fmt: skip


@pytest.fixture
def spent(book: Rollbook) -> Rollbook:
    book.record_usage(
        "a",
        model="big",
        tokens_in=1_500_000,
        tokens_out=10,
        cost_usd="0.25",
        usage_id="1",
        occurred_at="2026-05-01T22:30:00Z",
    )
    book.record_usage(
        "a", model="small", tokens_in=999_999, cost_usd="0.05", usage_id="2", occurred_at="2026-05-02T10:00:00Z"
    )
    book.record_usage(
        "b", model="nameless", tokens_in=5, usage_id="3", occurred_at="2026-05-02T10:05:00Z", errored=True
    )
    book.end("a", "completed", at="2026-05-02T10:00:00Z")
    return book


def test_r8_stats(run: Run, spent: Rollbook) -> None:
    answer = run("stats", "--since", "all", "--json").answer
    assert list(answer)[:14] == FOURTEEN
    assert list(answer) == list(Stats.__struct_fields__)
    assert (answer["range"], answer["sessions"], answer["total_spend_usd"], answer["calls"]) == ("all", 2, 0.3, 3)
    text = run("stats", "--since", "all").out
    assert "2: 1 completed, 1 abandoned" in text
    assert ">=$0.3000 ($0.1500 a session, 1 of 3 calls without a price)" in text
    assert "3, 1 errors" in text
    assert "2.5M in, 10 out" in text
    assert "50% of those that are over" in text


def test_a_range_ends_before_its_end(run: Run, spent: Rollbook) -> None:
    may = ("--since", "2026-05-02", "--until", "2026-05-03", "--json")
    assert run("stats", *may).answer["sessions"] == 2
    assert run("stats", "--since", "all", "--until", "2026-05-02T10:05:00Z", "--json").answer["sessions"] == 1
    assert [row["model"] for row in run("models", "--until", "2026-05-02T10:05:00Z", *may[:2], "--json").answer] == [
        "big", "small",
    ]  # fmt: skip
    spend = run("spend", "--by", "model", "--tz", "UTC", *may).answer
    assert [row["key"] for row in spend["rows"]] == ["small", "nameless"]
    assert run("sessions", *may).answer["total"] == 2
    assert run("stats", "--since", "2026-05-03", "--until", "2026-05-04").line.endswith(
        "no session was active in that time (2026-05-03T00:00:00+00:00 until 2026-05-04T00:00:00+00:00)"
    )


def test_stats_where_nothing_has_a_price(run: Run, book: Rollbook) -> None:
    book.record_usage("a", tokens_in=5)
    assert "spend       - (- a session, 1 of 1 calls without a price)" in run("stats").out


def test_r9_models(run: Run, spent: Rollbook) -> None:
    answer = run("models", "--since", "all", "--json").answer
    assert [row["model"] for row in answer] == ["big", "small", "nameless"]
    assert list(answer[0]) == list(ModelCost.__struct_fields__)
    assert (answer[0]["cost_usd"], answer[2]["cost_usd"]) == (0.25, None)
    lines = [line.split() for line in run("models", "--since", "all").out.splitlines()]
    assert lines == [
        ["MODEL", "SESSIONS", "CALLS", "IN", "OUT", "COST"],
        ["big", "1", "1", "1.5M", "10", "$0.2500"],
        ["small", "1", "1", "1.0M", "0", "$0.0500"],
        ["nameless", "1", "1", "5", "0", "-"],
    ]


def test_spend_by_day_is_by_the_local_day(run: Run, spent: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    def days(*words: str) -> list[str]:
        return [row["key"] for row in run("spend", "--since", "all", "--json", *words).answer["rows"]]

    assert days() == ["2026-05-01", "2026-05-02"]
    assert days("--tz", "Europe/Vienna") == ["2026-05-02"]
    monkeypatch.setenv("TZ", "Europe/Vienna")
    assert days() == ["2026-05-02"]
    assert run("spend", "--json").answer["tz"] == "Europe/Vienna"
    assert days("--tz", "UTC") == ["2026-05-01", "2026-05-02"]


@pytest.mark.parametrize("by", ["hour", "day", "model", "agent", "project", "user", "kind"])
def test_spend_by(run: Run, spent: Rollbook, by: str) -> None:
    answer = run("spend", "--by", by, "--since", "all", "--json").answer
    assert list(answer) == ["by", "tz", "rows", "total"]
    assert list(answer["total"]) == list(SpendRow.__struct_fields__)
    assert sum(row["cost_nano_usd"] for row in answer["rows"]) == answer["total"]["cost_nano_usd"] == 300_000_000
    last = run("spend", "--by", by, "--since", "all").out.splitlines()[-1]
    assert last.split() == ["total", "3", "2.5M", "10", ">=$0.3000"]


def test_spend_names_what_is_late_and_what_was_deleted(run: Run, spent: Rollbook) -> None:
    spent.record_usage("a", model="big", tokens_in=1, cost_usd=1, usage_id="4", occurred_at="2026-05-03T10:00:00Z")
    spent.delete("b")
    lines = run("spend", "--since", "all").out.splitlines()
    assert "LATE" in lines[0]
    assert any(line.startswith("(deleted)") for line in lines)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("spend", "--by", "mood"), "model"),
        (("spend", "--tz", "Mars/Base"), "zone"),
        (("stats", "--since", "x"), "24h"),
        (("stats", "--until", "x"), "24h"),
        (("spend", "--since", "2026-05-02", "--until", "2026-05-01"), "ends before it begins"),
    ],
)
def test_wrong_use(run: Run, words: tuple[str, ...], named: str) -> None:
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    assert named in done.line


def test_usage(run: Run, spent: Rollbook) -> None:
    answer = run("usage", "a", "--json").answer
    assert [row["usage_id"] for row in answer] == ["1", "2"]
    assert list(answer[0]) == list(Usage.__struct_fields__)
    assert len(run("usage", "a", "--json", "--limit", "1").answer) == 1
    text = run("usage", "b").out
    assert "nameless" in text
    assert "errored, unpriced" in text


def test_usage_shows_corrections(run: Run, book: Rollbook) -> None:
    book.record_usage("s", tokens_in=5, cost_usd=1, usage_id="1")
    book.record_usage("s", tokens_in=9, cost_usd=2, usage_id="1", evidence="transcript")
    text = run("usage", "s").out
    assert "reversal" in text
    assert "-$1.0000" in text
    assert run("usage", "s", "--json").answer[-1]["entry"] == "correction"


def test_usage_of_nobody(run: Run, book: Rollbook) -> None:
    assert run("usage", "nobody").status == 1
    book.touch("quiet")
    done = run("usage", "quiet")
    assert (done.status, done.out) == (0, "")
    assert "no calls" in done.line
    assert run("usage", "quiet", "--json").answer == []


@pytest.mark.parametrize("words", [("stats",), ("models",), ("spend",)])
def test_an_empty_book_says_what_to_do(run: Run, book: Rollbook, words: tuple[str, ...]) -> None:
    assert "rollbook import" in run(*words).line
    assert run(*words, "--json").err == ""
    book.touch("old", at="2026-01-01T00:00:00Z")
    assert "rollbook import" not in run(*words, "--since", "24h").line


def test_a_bar_for_each_day_on_a_terminal(on_terminal: OnTerminal, spent: Rollbook) -> None:
    wide = on_terminal("spend", "--since", "all", columns=100).lines
    narrow = on_terminal("spend", "--since", "all", columns=60).lines
    assert "▇" * 24 in wide[1]
    assert "▇" * 12 in narrow[1]
    assert "▇" * 13 not in narrow[1]
