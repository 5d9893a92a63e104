"""prune, purge."""

from __future__ import annotations

import time
from typing import Any, Final

import pytest

from rollbook.book import Rollbook
from rollbook.errors import NotFound

from .tools import OnTerminal, Run

DAY_S: Final = 86_400
WOULD: Final = "would remove what was said of 1 sessions, 2 ledger rows (1 closing rows stand for them)\n"


def old(book: Rollbook, name: str = "old", days: float = 60, **facts: Any) -> None:
    """A session of that age, with a title and two calls."""
    at = (time.time() - days * DAY_S) // DAY_S * DAY_S
    book.touch(name, title="a \x1b[31msecret", at=at, **facts)
    for number in range(2):
        book.record_usage(name, usage_id=f"{name} {number}", model="m", cost_usd=1, occurred_at=at + number)
    book.end(name, "completed", at=at + 60)


def shown(book: Rollbook) -> Any:
    return [(one, book.usage(one.session_id, user_id=one.user_id)) for one in book.iterate()]


# prune


def test_r12_prune_says_what_would_go_and_then_removes_it(run: Run, book: Rollbook) -> None:
    old(book)
    was = shown(book)
    rule = ("prune", "--content", "30d", "--ledger", "30d")
    assert (run(*rule, "--dry-run").out, run(*rule, "--dry-run").status) == (WOULD, 0)
    assert shown(book) == was
    assert run(*rule, "--yes").out == WOULD.replace("would remove", "removed")
    assert (book.get("old").title, book.get("old").cost_usd) == (None, 2)
    assert [row.entry for row in book.usage("old")] == ["closing"]
    assert run(*rule, "--yes").out == run(*rule).out == "nothing is that old\n"
    assert run("prune", "--sessions", "30d", "-y").out == "removed 1 sessions (what they spent stays)\n"
    assert not book.list().sessions
    assert book.spend(since="all").total.cost_usd == 2
    assert run("verify").status == 0


def test_r12_prune_in_json(run: Run, book: Rollbook) -> None:
    old(book)
    counts = {"sessions": 0, "contents": 1, "ledger_rows": 2, "closing_rows": 1}
    rule = ("--json", "prune", "--content", "30d", "--ledger", "30d")
    assert run(*rule, "--dry-run").answer == {"dry_run": True, **counts}
    assert run(*rule, "--yes").answer == {"dry_run": False, **counts}
    assert run(*rule).answer == {"dry_run": False, **dict.fromkeys(counts, 0)}


@pytest.mark.parametrize(
    ("narrow", "left"),
    [
        ((), []),
        (("--agent", "x"), ["b"]),
        (("--kind", "acp"), ["a"]),
        (("--status", "completed"), []),
        (("--status", "failed"), ["a", "b"]),
        (("--status", "abandoned"), ["a", "b"]),
        (("--agent", "x", "--kind", "acp"), ["a", "b"]),
    ],
)
def test_prune_takes_filters(run: Run, book: Rollbook, narrow: tuple[str, ...], left: list[str]) -> None:
    old(book, "a", agent="x")
    old(book, "b", kind="acp")
    old(book, "new", days=3)
    assert run("prune", "--sessions", "30d", "--yes", *narrow).status == 0
    assert sorted(one.session_id for one in book.iterate()) == [*left, "new"]


def test_prune_takes_a_date(run: Run, book: Rollbook) -> None:
    old(book, days=60)
    date = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 80 * DAY_S))
    assert run("prune", "--sessions", date, "--yes").out == "nothing is that old\n"
    date = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 50 * DAY_S))
    assert run("prune", "--sessions", date, "--yes").out.startswith("removed 1 sessions")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((), "what to prune"),
        (("--status", "failed"), "what to prune"),
        (("--sessions", "all"), "all"),
        (("--content", "all"), "all"),
        (("--ledger", "all"), "all"),
        (("--ledger", "soon"), "soon"),
        (("--ledger", "-3d"), "-3d"),
        (("--ledger", "0d"), "0d"),
        (("--ledger", ""), "needs an age"),
        (("--ledger", "2099-01-01"), "not come"),
        (("--sessions", "30d", "--agent", ""), "agent is empty"),
        (("--sessions", "30d", "--kind", ""), "kind is empty"),
        (("--sessions", "30d", "--status", ""), "status is empty"),
        (("--ledger", "30d", "--status", "running"), "running sessions are never pruned"),
        (("--ledger", "30d", "--status", "deleted"), "deleted"),
        (("--ledger", "30d", "--kind", "none"), "none"),
        (("--ledger", "30d", "old"), "old"),
    ],
)
def test_wrong_rules_are_wrong_use(run: Run, book: Rollbook, wrong: tuple[str, ...], said: str) -> None:
    old(book)
    was = shown(book)
    done = run("prune", *wrong, "--yes")
    assert (done.status, done.out) == (2, "")
    assert said in done.line
    assert shown(book) == was


@pytest.mark.parametrize("asked", [("prune", "--sessions", "30d"), ("purge", "old"), ("purge", "--whole-user")])
def test_nothing_is_removed_where_nobody_can_answer(program: Run, book: Rollbook, asked: tuple[str, ...]) -> None:
    old(book)
    was = shown(book)
    done = program(*asked, stdin="y\n")
    assert (done.status, done.out) == (1, "")
    assert "--yes" in done.line
    assert shown(book) == was


@pytest.mark.parametrize("asked", [("prune", "--sessions", "30d"), ("purge", "old"), ("purge", "--whole-user")])
@pytest.mark.parametrize(("typed", "removed"), [("y\n", True), ("\n", False)])
def test_it_asks_on_a_terminal(
    on_terminal: OnTerminal, book: Rollbook, asked: tuple[str, ...], typed: str, removed: bool
) -> None:
    old(book)
    was = shown(book)
    seen = on_terminal(*asked, typed=typed, columns=120)
    assert "[y/N]" in seen.raw
    assert "\x1b[31m" not in seen.raw
    assert seen.status == (0 if removed else 1)
    assert (shown(book) != was) == removed
    assert any(("removed" if removed else "nothing was removed") in line for line in seen.lines)


def test_a_dry_run_and_an_empty_book_ask_nothing(program: Run, book: Rollbook) -> None:
    assert program("prune", "--sessions", "30d").out == "nothing is that old\n"
    old(book)
    assert program("prune", "--sessions", "30d", "--dry-run").out == "would remove 1 sessions (what they spent stays)\n"
    assert book.get("old")


def test_r12_prune_is_for_one_user_or_for_everybody(run: Run, book: Rollbook) -> None:
    old(book, "mine")
    at = time.time() - 60 * DAY_S
    for owner in ("kim", "jo"):
        book.touch("s", user_id=owner, at=at)
    assert run("--user", "kim", "prune", "--sessions", "30d", "--yes").out.startswith("removed 1 ")
    assert [len(book.list(user_id=owner).sessions) for owner in ("kim", "jo", book.user_id)] == [0, 1, 1]
    assert run("--all-users", "prune", "--sessions", "30d", "--yes").out.startswith("removed 2 ")
    assert [len(book.list(user_id=owner).sessions) for owner in ("jo", book.user_id)] == [0, 0]


# purge


def test_r12_purge_removes_a_session_with_what_it_spent(run: Run, book: Rollbook) -> None:
    old(book)
    old(book, "below", parent="old")
    old(book, "other")
    assert run("purge", "old", "--yes").out == "removed 2 sessions with 4 calls, $4.0000\n"
    assert book.spend(since="all").total.cost_usd == 2
    assert [one.session_id for one in book.iterate()] == ["other"]
    for again in ("old", "below", "nobody's"):
        done = run("purge", again, "--yes")
        assert (done.status, done.out) == (1, "")
        assert again in done.line
    assert run("touch", "old").status == 1
    assert run("use", "other", "--usage-id", "old 1", "--tokens-in", "5").out == "other  too_old\n"
    assert run("verify").status == 0


def test_r12_purge_takes_a_deleted_session(run: Run, book: Rollbook) -> None:
    old(book)
    book.delete("old")
    assert run("--json", "purge", "old", "-y").answer == {
        "sessions": 1,
        "calls": 2,
        "cost_usd": 2.0,
        "cost_nano_usd": 2 * 10**9,
    }
    assert book.spend(since="all").total.calls == 0


def test_r12_purge_of_a_user(run: Run, book: Rollbook) -> None:
    old(book)
    book.record_usage("s", user_id="kim", cost_usd=1)
    book.record_usage("t", user_id="kim", cost_usd=1)
    assert run("--user", "kim", "purge", "--whole-user", "--yes").out == "removed 2 sessions with 2 calls, $2.0000\n"
    gone = run("--user", "kim", "purge", "--whole-user", "--yes")
    assert (gone.status, gone.out) == (1, "")
    assert book.get("old")
    assert run("purge", "--whole-user", "--yes").out == "removed 1 sessions with 2 calls, $2.0000\n"
    with pytest.raises(NotFound):
        book.get("old")
    assert run("touch", "anew").status == 0


def test_r12_with_everybody_in_sight_a_purge_is_of_one_users_session(run: Run, book: Rollbook) -> None:
    old(book)
    book.touch("kim's", user_id="kim")
    assert run("--all-users", "purge", "kim's", "--yes").status == 0
    assert run("--all-users", "purge", "--whole-user", "--yes").out.startswith("removed 1 sessions")
    book.touch("kim's", user_id="jo")
    assert run("purge", "kim's", "--yes").status == 1
    assert book.get("kim's", user_id="jo")


@pytest.mark.parametrize("wrong", [(), ("old", "--whole-user"), ("",), ("a\x01b",), ("old", "other")])
def test_purge_wants_a_session_or_a_user(run: Run, book: Rollbook, wrong: tuple[str, ...]) -> None:
    old(book)
    was = shown(book)
    done = run("purge", *wrong, "--yes")
    assert (done.status, done.out) == (2, "")
    assert done.line
    assert shown(book) == was


def test_r12_a_beginning_of_an_id_purges_nothing(run: Run, book: Rollbook) -> None:
    old(book, "old-session")
    assert run("purge", "old", "--yes").status == 1
    assert book.get("old-session")
