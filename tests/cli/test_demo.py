"""demo, and sessions --query."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.demo import filling
from rollbook.model import Status, to_dict

from .tools import Run

NOW = datetime(2026, 5, 6, 15, 0, tzinfo=UTC)
SESSIONS = 260


def _made(folder: Path, name: str = "demo.db", *, seed: int = 7, large: bool = False) -> Rollbook:
    book = filling.opened(f"sqlite:///{folder / name}", NOW)
    filling.fill(book, NOW, seed=seed, sessions=SESSIONS, large=large)
    return book


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Rollbook:
    return _made(tmp_path_factory.mktemp("demo"))


def test_the_fleet_has_everything_that_a_page_shows(fleet: Rollbook) -> None:
    sessions = list(fleet.iterate())
    assert len(sessions) == SESSIONS
    assert {one.effective_status for one in sessions} == {str(status) for status in Status}
    assert {one.agent for one in sessions} == {"claude-code", "codex", "gemini-cli", "support-bot", "night-shift"}
    assert {one.kind for one in sessions} == {"interactive", "autonomous", "acp"}
    assert len({one.user_id for one in sessions}) == 8
    assert all(one.started_at <= one.last_activity_at <= NOW for one in sessions)
    assert all((NOW - one.last_activity_at).days < 8 for one in sessions)
    for query in ("unpriced:yes", "late>0", "errors>0", "parent:none", "parent:*", "cost>10", "attempt>1", "dataset:*"):
        assert fleet.list(query=query, limit=1).total, query
    costs = sorted(one.cost_nano_usd for one in sessions)
    assert costs[-1] > 4 * costs[-2]
    assert fleet.verify().ok


def test_the_fleet_says_something(fleet: Rollbook) -> None:
    (chat, *_) = fleet.list(query="agent:support-bot status:completed").sessions
    turns = [qa for one in fleet.iterate(agent="support-bot") for qa in fleet.qa(one.session_id, user_id=one.user_id)]
    assert any(qa.feedback_score and qa.feedback_text for qa in turns)
    first, *_ = fleet.timeline(chat.session_id, user_id=chat.user_id).entries
    assert first.stream == "qa", "what is looked up for a question comes after it"
    assert fleet.trace(chat.session_id, user_id=chat.user_id)
    (most, *_) = fleet.list(order_by="cost_usd", limit=1).sessions
    steps = fleet.trace(most.session_id, user_id=most.user_id)
    assert len(steps) > 200
    assert {message.role for message in fleet.conversation(most.session_id, user_id=most.user_id)} == {
        "user",
        "assistant",
    }
    assert any(
        fleet.all_state(one.session_id, user_id=one.user_id) for one in fleet.iterate(agent="support-bot")
    )  # fmt: skip


def test_the_same_seed_and_the_same_time_make_the_same_fleet(fleet: Rollbook, tmp_path: Path) -> None:
    again, other = _made(tmp_path, "again.db"), _made(tmp_path, "other.db", seed=8)
    for made, same in ((again, True), (other, False)):
        with made:
            assert (to_dict(list(made.iterate())) == to_dict(list(fleet.iterate()))) is same


def test_the_large_one(tmp_path: Path) -> None:
    with filling.opened(f"sqlite:///{tmp_path / 'large.db'}", NOW) as book:
        made = filling.fill(book, NOW, sessions=3, large=True)
        assert made.sessions == 3
        (one,) = book.list(tag="batch").sessions
        heads = book.heads(one.session_id, user_id=one.user_id)
        assert sum(head.length for head in heads) == 10_000


def test_demo_makes_a_book_of_its_own(run: Run, book: Rollbook, tmp_path: Path) -> None:
    ran = run("demo", "--sessions", "30", "--json")
    path = tmp_path / "rollbook-demo.db"  # beside the book that the environment names
    assert ran.answer["book"] == f"sqlite:///{path}"
    assert ran.answer["sessions"] == 30
    assert book.list().total == 0
    again = run("demo", "--db", f"sqlite:///{path}", "--sessions", "40", "--json")
    assert again.answer["sessions"] == 40
    with rollbook.open(f"sqlite:///{path}", all_users=True) as made:
        assert made.list().total == 40
    assert not [left for left in tmp_path.iterdir() if "made" in left.name or "replaced" in left.name]


def test_demo_refuses_a_book_with_anything_else_in_it(run: Run, book: Rollbook, url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    with rollbook.open(other) as mine:
        mine.touch("mine")
    assert "not made up" in run("demo", "--db", other).line
    assert run("demo", "--db", other).status == 2
    with rollbook.open(other) as mine:
        assert [one.session_id for one in mine.list().sessions] == ["mine"]
    assert run("demo", "--db", "postgresql://nowhere/x").status == 2


def test_a_query_of_the_list(run: Run, book: Rollbook) -> None:
    for name, cost in (("cheap", 1), ("dear", 9)):
        book.touch(name, agent="bot", tags=["x"])
        book.record_usage(name, model="m", cost_usd=cost)
    found = run("sessions", "--json", "--query", "agent:b* cost>5").answer
    assert [one["session_id"] for one in found["sessions"]] == ["dear"]
    assert "at character 1: there is no field 'modle'" in run("sessions", "--query", "modle:m").line
    assert run("sessions", "--query", "modle:m").status == 2
    assert run("export", "sessions", "--query", "cost<5").out.count("\n") == 1
