"""R1 and R2 by hand: what a life of a few statements comes to."""

from __future__ import annotations

import pytest

from rollbook.rules import life
from rollbook.rules.life import COMPLETED, END, FAILED, MARK, NEVER, REOPEN, RUNNING, SOFT, UNKNOWN, Event, add, fold


def test_r1_without_statements_a_session_runs_from_its_first_to_its_last_sign() -> None:
    folded = fold((), 10, 25)
    assert (folded.status, folded.last_activity, folded.ended_at) == (RUNNING, 25, None)
    assert (folded.attempt, folded.agent_time, folded.closed) == (1, 15, ())


def test_r2_a_hard_end_freezes_the_last_activity_whatever_came_after() -> None:
    folded = fold([Event(20, END, COMPLETED)], 10, 25)
    assert (folded.status, folded.last_activity, folded.ended_at) == (COMPLETED, 20, 20)
    assert (folded.agent_time, folded.closed) == (10, ((20, NEVER),))


def test_r2_a_reopening_takes_the_pause_out_of_agent_time() -> None:
    folded = fold([Event(20, END, COMPLETED), Event(50, REOPEN)], 10, 60)
    assert (folded.status, folded.attempt, folded.attempt_started) == (RUNNING, 2, 50)
    assert (folded.agent_time, folded.closed) == (10 + 10, ((20, 50),))


def test_r2_the_first_end_in_time_stands_and_a_later_one_waits_for_a_reopening_before_it() -> None:
    ends = [Event(20, END, COMPLETED), Event(40, END, FAILED)]
    assert fold(ends, 10, 10).status == COMPLETED
    between = fold(sorted([*ends, Event(30, REOPEN)]), 10, 10)
    assert (between.status, between.ended_at, between.attempt) == (FAILED, 40, 2)


def test_r2_a_reopening_of_a_running_session_says_nothing() -> None:
    folded = fold([Event(15, REOPEN)], 10, 20)
    assert (folded.status, folded.attempt, folded.agent_time) == (RUNNING, 1, 10)


def test_r2_a_mark_keeps_the_last_activity_and_gives_way_to_a_later_sign() -> None:
    marked = fold([Event(30, MARK, UNKNOWN)], 10, 20)
    assert (marked.status, marked.last_activity, marked.ended_at, marked.agent_time) == (UNKNOWN, 20, None, 10)
    revived = fold([Event(30, MARK, UNKNOWN)], 10, 40)
    assert (revived.status, revived.attempt, revived.last_activity) == (RUNNING, 2, 40)


def test_r2_a_soft_end_that_activity_contradicts_leaves_no_trace() -> None:
    soft = Event(30, SOFT, COMPLETED)
    ended = fold([soft], 10, 30)
    assert (ended.status, ended.ended_at, ended.attempt) == (COMPLETED, 30, 1)
    assert fold([soft], 10, 31) == fold((), 10, 31)


def test_r2_a_soft_end_that_a_reopening_contradicts_was_an_attempt() -> None:
    folded = fold([Event(30, SOFT, COMPLETED), Event(35, REOPEN)], 10, 30)
    assert (folded.status, folded.attempt, folded.last_activity) == (RUNNING, 2, 35)


def test_r2_a_hard_end_replaces_a_soft_one_in_the_same_attempt() -> None:
    folded = fold([Event(30, SOFT, COMPLETED), Event(32, END, FAILED)], 10, 30)
    assert (folded.status, folded.attempt, folded.ended_at) == (FAILED, 1, 32)


@pytest.mark.parametrize(("at", "counts"), [(9, True), (20, True), (21, False), (29, False), (30, True), (99, True)])
def test_r3_what_happened_at_the_very_end_or_reopening_counts(at: int, counts: bool) -> None:
    closed = fold([Event(20, END, COMPLETED), Event(30, REOPEN)], 10, 40).closed
    assert life.within(closed, at) is counts


def test_r2_the_same_statement_again_is_no_new_one() -> None:
    once = add((), Event(20, END, COMPLETED), 10)
    assert add(once, Event(20, END, COMPLETED), 10) == once


def test_r2_a_life_is_capped_and_forgets_ends_that_were_refused() -> None:
    kept: tuple[Event, ...] = (Event(10, END, COMPLETED), Event(20, REOPEN), Event(1000, END, FAILED))
    before = fold(kept, 5, 25)
    for at in range(1001, 1001 + 2 * life.LIFE_CAP):
        kept = add(kept, Event(at, END, COMPLETED), 5)
    assert len(kept) <= life.LIFE_CAP
    after = fold(kept, 5, 25)
    assert (after.status, after.ended_at, after.attempt) == (before.status, before.ended_at, before.attempt)
    assert (after.agent_time, after.decided) == (before.agent_time, before.decided)


def test_r4_abandoned_is_strictly_older_than_the_limit() -> None:
    assert life.effective_status(RUNNING, 100, now=160, abandon_after=60) == "running"
    assert life.effective_status(RUNNING, 100, now=161, abandon_after=60) == "abandoned"
    assert life.effective_status(COMPLETED, 100, now=999, abandon_after=60) == "completed"


def test_r2_a_long_life_is_settled_and_comes_to_the_same() -> None:
    kept: tuple[Event, ...] = ()
    every: list[Event] = []
    for run in range(1000):
        for event in (Event(100 * run, REOPEN), Event(100 * run + 10, END, COMPLETED)):
            kept = add(kept, event, 0)
            every.append(event)
    settled, whole = fold(kept, 0, 99_910), fold(every, 0, 99_910)
    assert len(kept) <= life.LIFE_CAP
    assert settled.attempt == whole.attempt == 1000
    assert settled.agent_time == whole.agent_time == 10_000
    assert (settled.status, settled.ended_at) == (whole.status, whole.ended_at)
    assert add(kept, Event(55, REOPEN), 0) == kept, "what is older than what is settled changes nothing"


def test_r2_a_long_life_of_marks_and_soft_ends_is_settled_too() -> None:
    for what, status in ((MARK, UNKNOWN), (SOFT, COMPLETED)):
        kept: tuple[Event, ...] = ()
        every = [Event(10 * number, what, status) for number in range(1, 1000)]
        for event in every:
            kept = add(kept, event, 0)
        settled, whole = fold(kept, 0, 20_000), fold(every, 0, 20_000)
        assert len(kept) <= life.LIFE_CAP
        assert (settled.status, settled.attempt, settled.agent_time) == (whole.status, whole.attempt, whole.agent_time)
