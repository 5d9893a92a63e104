"""R12: single cases of pruning: what is too old and for whom, what is left alone, what closing rows say."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from rollbook.core import Write
from rollbook.errors import Gone, InvalidInput, NotFound
from rollbook.model import from_micros, to_dict
from rollbook.settings import LOCAL_USER

from .histories import (
    NOTHING,
    figures,
    plain,
    tables,
    well,
)  # fmt: skip
from .tools import DAY, MINUTE, NOW, Clock, call, opened, user, write

pytestmark = pytest.mark.usefixtures("engine")

# what is too old, and for whom


def old(days: int, **more: Any) -> dict[str, Any]:
    """A call made so many days ago."""
    return {"session_id": "s", "model": "m", "tokens_in": 5, "occurred_at": from_micros(NOW - days * DAY), **more}


def test_r12_a_running_sessions_old_calls_are_known_as_before() -> None:
    with opened(Clock()) as book:
        book.record_usage(**old(40, usage_id="pruned"))
        book.record_usage(**old(40, usage_id="running", session_id="r"))
        book.touch("r")
        assert book.prune(ledger="30d").ledger_rows == 1
        was = tables(book)
        assert book.record_usage(**old(40, usage_id="pruned", session_id="r")) == "too_old"
        assert book.record_usage(**old(40, usage_id="running", session_id="r")) == "duplicate"
        assert tables(book) == was
        assert book.record_usage(**old(40, usage_id="running", session_id="r", tokens_in=50)) == "amended"
        well(book)


@pytest.mark.parametrize("narrow", [{}, {"status": "abandoned"}, {"agent": "x"}, {"kind": "acp"}])
def test_r12_calls_that_were_never_there_are_taken(narrow: dict[str, Any]) -> None:
    with opened(Clock()) as book:
        book.touch("s", agent="x", kind="acp", at=from_micros(NOW - 50 * DAY))
        book.record_usage(**old(40, usage_id="pruned", aliases=["alias"]))
        assert book.prune(ledger="30d", **narrow).ledger_rows == 1
        for name in ("pruned", "alias"):
            assert book.record_usage(**old(40, usage_id=name, tokens_in=99)) == "too_old"
        assert book.record_usage(**old(40, usage_id="never there")) == "counted"
        assert book.get("s").tokens_in == 10
        well(book)


def test_r15_a_call_whose_time_was_corrected_across_the_age_is_known_again() -> None:
    """One report before the age and one after it: rows of both are about the same call."""
    for first, second in ((20, 40), (40, 20)):
        with opened(Clock()) as book:
            reports = [
                old(first, usage_id="a", aliases=["x"], evidence="metric"),
                old(second, usage_id="b", aliases=["x"], evidence="transcript", session_id="t"),
            ]
            assert [book.record_usage(**report) for report in reports] == ["counted", "amended"]
            shown = figures(book, None)
            for age in ("30d", "10d"):
                book.prune(ledger=age)
                assert set(book.record_many(reports)) <= {"duplicate", "too_old"}
                assert figures(book, None) == shown
                well(book)
            book.purge("t")
            assert isinstance(book.record_many(reports[1:])[0], Gone)
            assert book.record_many(reports[:1]) == ["too_old"]
            assert book.spend(since="all").total.calls == 0
            well(book)


def test_r12_a_book_prunes_its_users_sessions_and_one_of_everybody_all_or_those_of_one() -> None:
    for everybody, named, pruned in ((False, None, {0}), (True, None, {0, 1}), (True, 1, {1}), (False, 1, {1})):
        with opened(Clock(), all_users=everybody) as book:
            owners = [LOCAL_USER, user(1)]
            for owner in owners:
                book.touch("s", title="t", user_id=owner, at=from_micros(NOW - 50 * DAY))
                book.record_usage(**old(40, usage_id="u"), user_id=owner)
                book.record_usage(**old(40, session_id="gone"), user_id=owner)
            others = {at: figures(book, owner) for at, owner in enumerate(owners) if at not in pruned}
            rule: dict[str, Any] = {
                "ledger": "30d",
                "content": "30d",
                "user_id": None if named is None else owners[named],
            }
            assert book.prune(**rule).ledger_rows == 2 * len(pruned)
            assert book.prune(sessions="30d", user_id=rule["user_id"]).sessions == 2 * len(pruned)
            for at, owner in enumerate(owners):
                assert [
                    row.entry
                    for one in book.iterate(user_id=owner)
                    for row in book.usage(one.session_id, user_id=owner)
                ] == ([] if at in pruned else ["call", "call"])
                outcome = book.record_usage(**old(40, usage_id="u", session_id="again"), user_id=owner)
                assert outcome == ("too_old" if at in pruned else "duplicate")
                if at in others:
                    book.purge("s", user_id=owner)
            well(book)


def test_r12_running_sessions_are_left_as_they_are() -> None:
    with opened(Clock(), abandon_after_s=1800) as book:
        for name, minutes in (("running", 29), ("abandoned", 31)):
            book.touch(name, title=name, at=from_micros(NOW - 90 * DAY))
            book.record_usage(**old(80, session_id=name))
            book.touch(name, at=from_micros(NOW - minutes * MINUTE))
        was = to_dict(book.get("running")), book.usage("running")
        done = book.prune(sessions=timedelta(minutes=1), content=timedelta(0), ledger=timedelta(0))
        assert (done.sessions, done.contents, done.ledger_rows) == (1, 0, 1)
        assert (to_dict(book.get("running")), book.usage("running")) == was
        with pytest.raises(NotFound):
            book.get("abandoned")
        well(book)


def test_r12_a_session_that_is_revived_while_a_prune_is_on_its_way_is_left_alone() -> None:
    with opened(Clock()) as book:
        for name in ("abandoned", "revived"):
            book.touch(name, title="t", at=from_micros(NOW - 90 * DAY))
            book.record_usage(**old(80, session_id=name))
        plan = book._plans.prune(sessions="30d", content="30d", ledger="30d", kind="interactive")
        step = plan.send(None)
        while not isinstance(step, Write):
            step = plan.send(book._plans.perform(step))
        book.touch("revived")
        was = to_dict(book.get("revived")), book.usage("revived")
        assert [plain(answer)["sessions"] for answer in write(book, step.ops)] == [1, 0]
        assert (to_dict(book.get("revived")), book.usage("revived")) == was
        well(book)


def test_known_usage_knows_what_was_pruned() -> None:
    with opened(Clock()) as book:
        for name, days in (("pruned", 40), ("live", 1)):
            book.record_usage(**old(days, usage_id=name, aliases=[f"{name} alias"]))
        book.prune(ledger="30d")
        names = {"pruned", "pruned alias", "live", "live alias"}
        assert book.known_usage([*names, "never there"]) == names
        with opened(Clock()) as other:
            assert other.known_usage(names) == set()


def test_r12_a_closing_row_stands_for_what_was_not_reversed() -> None:
    """A session's last model is found from closing rows as it was from the calls."""
    for pruned in (False, True):
        with opened(Clock()) as book:
            at = NOW - 40 * DAY
            write(book, [call("s", "u1", at, model="m1"), call("s", "u2", at + MINUTE, model="m2")])
            write(book, [call("s", "u3", at + 2 * MINUTE, model="m1"), call("s", "u4", at + DAY, model="m3")])
            write(book, [call("t", "u3", at + 2 * MINUTE, 999, model="m1")])
            if pruned:
                book.prune(ledger="39d", status="abandoned")
            write(book, [call("t", "u4", at + DAY, 999, model="m3")])
            assert book.get("s").last_model == "m2"
            well(book)


def test_r12_what_a_closing_row_says() -> None:
    with opened(Clock()) as book:
        at = (NOW - 40 * DAY) // (15 * MINUTE) * 15 * MINUTE
        for number, cost in enumerate((None, 0.5, 0.25)):
            book.record_usage(**old(0, occurred_at=from_micros(at + number), cost_usd=cost, usage_id=str(number)))
        book.prune(ledger="30d")
        (row,) = book.usage("s")
        assert (row.entry, row.calls, row.tokens_in, row.cost_usd) == ("closing", 3, 15, 0.75)
        assert (row.occurred_at, row.recorded_at) == (from_micros(at + 2), from_micros(NOW))
        assert (row.model, row.source) == ("m", "prune")


def test_r12_late_and_failed_calls_of_a_quarter_hour_stay_apart() -> None:
    with opened(Clock()) as book:
        at = (NOW - 40 * DAY) // (15 * MINUTE) * 15 * MINUTE
        for number in range(12):
            given = {"errored": number % 3 == 0, "cost_usd": number, "usage_id": str(number)}
            book.record_usage(**old(0, occurred_at=from_micros(at + number), **given))
        book.end("s", "completed", at=from_micros(at + 5))
        shown = figures(book, None)
        assert book.get("s").late_calls == 6
        assert book.prune(ledger="30d").closing_rows == 4
        assert figures(book, None) == shown
        well(book)
        book.reopen("s", at=from_micros(at + 5))
        assert (book.get("s").calls, book.get("s").late_calls, book.get("s").error_count) == (12, 0, 4)
        well(book)
        # Now some are alike; but no rule is about closing rows alone.
        assert plain(book.prune(ledger="30d")) == NOTHING
        foreseen = book.prune(ledger="30d", sessions="30d", dry_run=True)
        assert plain(book.prune(ledger="30d", sessions="30d")) == plain(foreseen) == NOTHING | {"sessions": 1}
        well(book)


def test_r12_empty_tags_are_nothing_to_forget() -> None:
    with opened(Clock()) as book:
        book.touch("s", tags=[], at=from_micros(NOW - 40 * DAY))
        book.record_usage(**old(40))
        foreseen = book.prune(content="30d", ledger="30d", dry_run=True)
        assert plain(book.prune(content="30d", ledger="30d")) == plain(foreseen)
        assert foreseen.contents == 0


def test_r1_what_was_said_before_a_content_prune_stays_forgotten_and_what_is_said_later_counts() -> None:
    clock = Clock()
    with opened(clock) as book:
        said: dict[str, Any] = {"title": "old", "tags": ["old"], "at": from_micros(NOW - 40 * DAY)}
        book.touch("s", **said)
        book.prune(content="30d")
        assert book.touch("s", **said).title is None
        assert (book.get("s").title, book.get("s").tags) == (None, ())
        assert plain(book.prune(content="30d")) == NOTHING
        clock.now += MINUTE
        book.touch("s", title="new")
        assert (book.get("s").title, book.get("s").tags) == ("new", ())


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"sessions": "all"}, {"content": "all"}, {"ledger": "all"}, {"ledger": "1w"}, {"ledger": "-5d"},
        {"ledger": ""}, {"ledger": "0d"}, {"ledger": timedelta(days=-1)}, {"ledger": True},
        {"ledger": "30d", "status": "running"},
        {"ledger": "30d", "status": "active"}, {"ledger": "30d", "status": "deleted"}, {"ledger": "30d", "kind": "x"},
        {"ledger": "30d", "agent": "a\0"}, {"ledger": "30d", "sessions": "soon"}, {"status": "failed"},
        {"dry_run": True}, {"ledger": "30d", "user_id": ""}, {"ledger": float("nan")},
    ],
)  # fmt: skip
def test_bad_rules_change_nothing(wrong: dict[str, Any]) -> None:
    with opened(Clock()) as book:
        book.record_usage(**old(40))
        was = tables(book)
        with pytest.raises(InvalidInput):
            book.prune(**wrong)
        assert tables(book) == was


def test_r13_a_user_who_comes_while_everybody_is_pruned_loses_and_doubles_nothing() -> None:
    with opened(Clock(), all_users=True) as book:
        book.record_usage(**old(40))
        plan = book._plans.prune(ledger="30d")
        step = plan.send(None)
        report = old(40, usage_id="u", aliases=["a"], user_id=user(1))
        assert book.record_usage(**report) == "counted"
        with contextlib.suppress(StopIteration):
            while True:
                answer = write(book, step.ops) if isinstance(step, Write) else book._plans.perform(step)
                step = plan.send(answer)
        assert book.record_usage(**report) in ("too_old", "duplicate")
        assert book.get("s", user_id=user(1)).calls == 1
        well(book)
