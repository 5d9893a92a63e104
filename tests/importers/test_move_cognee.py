"""Moving in from cognee: lives, times, and counters that do not balance there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import rollbook
from importers.cognee_tools import book, cognee, session
from importers.move_tools import ANNA, BEN, Cognee, moment, take, told

__all__ = ["book", "cognee"]


# lives


def test_a_running_session_with_its_times_and_its_dataset(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s", dataset_id="7b1f0f0e9f3c4c0a8f2f000011112222")
    report = take(book, "cognee", cognee)
    assert (report.sessions, report.users, report.calls, report.problems) == (1, 1, 0, [])
    found = session(book, "s")
    assert (found.status, found.effective_status, found.agent) == ("running", "abandoned", "cognee")
    assert (found.started_at, found.last_activity_at) == (moment("2026-05-01 10:00"), moment("2026-05-01 10:30"))
    assert found.dataset_id == "7b1f0f0e-9f3c-4c0a-8f2f-000011112222"


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_an_ended_session(book: rollbook.Rollbook, cognee: Cognee, status: str) -> None:
    cognee.record("s", status=status, ended_at="2026-05-01 10:45:00.5")
    take(book, "cognee", cognee)
    found = session(book, "s")
    assert (found.status, found.ended_at, found.decided_by) == (status, moment("2026-05-01 10:45:00.5"), "importer")


def test_an_ended_session_without_the_time_of_its_end_ended_when_it_was_last_active(
    book: rollbook.Rollbook, cognee: Cognee
) -> None:
    cognee.record("s", status="completed")
    take(book, "cognee", cognee)
    assert session(book, "s").ended_at == moment("2026-05-01 10:30")


def test_a_status_that_nobody_knows_is_told_and_running(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s", status="paused")
    report = take(book, "cognee", cognee)
    assert (session(book, "s").status, report.skipped_rows) == ("running", 1)
    assert "'paused' is not known" in report.problems[0]


def test_an_end_that_the_source_changed_its_mind_about_stays_and_is_told(
    book: rollbook.Rollbook, cognee: Cognee
) -> None:
    cognee.record("s", status="completed", ended_at="2026-05-01 10:31:00")
    take(book, "cognee", cognee)
    cognee.record("s", status="failed", ended_at="2026-05-01 10:50:00")
    report = take(book, "cognee", cognee)
    assert (session(book, "s").status, report.conflicts) == ("completed", 1)
    assert "stays completed" in report.problems[0]


def test_the_same_id_under_two_users_is_two_sessions(book: rollbook.Rollbook, cognee: Cognee) -> None:
    for user, tokens in ((ANNA, 10), (BEN, 20)):
        cognee.record("s", user, tokens_in=tokens)
        cognee.model("s", "gpt-4o", (tokens, 0, 0.0), user)
        cognee.qa("s", "q", user, answer=user)
    report = take(book, "cognee", cognee)
    assert (report.sessions, report.users, report.new_calls, report.unbalanced) == (2, 2, 2, 0)
    assert (session(book, "s").tokens_in, session(book, "s", BEN).tokens_in) == (10, 20)
    assert book.qa("s", user_id=BEN)[0].answer == BEN


def test_ids_that_sqlite_took_for_numbers(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("seven", "00000000000000000000000000000007", tokens_in=1)
    cognee.model("seven", "gpt-4o", (1, 0, 0.0), "00000000000000000000000000000007")
    cognee.record("lost", "12345678901234567890123456789012")
    report = take(book, "cognee", cognee)
    assert session(book, "seven", "00000000-0000-0000-0000-000000000007").tokens_in == 1
    assert (report.sessions, report.skipped_rows) == (1, 1)
    assert "lost" in report.problems[0]
    assert "lost digits" in report.problems[0]


# times


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01 10:30:00.000000",
        "2026-05-01T10:30:00",
        "2026-05-01T10:30:00Z",
        "2026-05-01T12:30:00+02:00",
        "2026-05-01T10:30:00.000000123+00:00",
    ],
)
def test_every_form_of_a_time(book: rollbook.Rollbook, cognee: Cognee, text: str) -> None:
    cognee.record("s", last_activity_at=text)
    take(book, "cognee", cognee)
    assert session(book, "s").last_activity_at == moment("2026-05-01 10:30")


def test_times_ahead_of_the_clock_are_not_believed_and_no_import_moves_the_session_again(
    book: rollbook.Rollbook, cognee: Cognee
) -> None:
    later = "2099-01-01 00:00:00"
    cognee.record("some", last_activity_at=later, status="completed", ended_at=later, tokens_in=5)
    cognee.record("all", started_at=later, last_activity_at=later, tokens_in=5)
    cognee.model("all", "gpt-4o", (5, 0, 0.1), updated_at=later)
    cognee.qa("all", "q", time="2099-01-01T00:00:00+00:00")
    cognee.run("update cache_qa_entries set created_at = ?", [later])
    take(book, "cognee", cognee)
    assert session(book, "some").ended_at == moment("2026-05-01 10:00")
    before = told(book)
    hour = 3600 * 1_000_000
    assert take(book, "cognee", cognee, now=1_780_000_000_000_000 + hour).amended_calls == 0
    assert told(book) == before


# what cannot be read


def test_damaged_rows_are_told_and_passed_over_and_no_others(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("good-1")
    cognee.record("bad-time", last_activity_at="yesterday")
    cognee.record("no-time", started_at="1970-01-01 00:00:00")
    cognee.record("")
    cognee.record("line\nbreak")
    cognee.run("update session_records set session_id = cast(x'ff41' as text) where session_id = ''")
    cognee.record("good-2", tokens_in="many", cost_usd=9e999, tokens_out=-4)
    report = take(book, "cognee", cognee)
    assert {one.session_id for one in book.iterate()} == {"good-1", "good-2"}
    assert report.skipped_rows == 4 + 3
    assert len(report.problems) == 7
    assert session(book, "good-2").calls == 0


def test_more_rows_than_one_step_reads(book: rollbook.Rollbook, cognee: Cognee) -> None:
    with cognee.raw:
        for number in range(1203):
            cognee.record(f"s{number}", tokens_in=2)
            cognee.model(f"s{number}", "a", (1, 0, 0.0))
            cognee.model(f"s{number}", "b", (1, 0, 0.0))
            cognee.qa(f"s{number % 7}", f"q{number}")
    report = take(book, "cognee", cognee)
    assert (report.sessions, report.new_calls, report.new_entries, report.unbalanced) == (1203, 2406, 1203, 0)
    assert [one.qa_id for one in book.qa("s3", user_id=ANNA, last_n=2)] == ["q1193", "q1200"]
    assert take(book, "cognee", cognee).new_calls == 0


# counters


def test_counters_become_one_row_for_each_model_and_none_is_free(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s", tokens_in=300, tokens_out=50, cost_usd=0.75, last_model="gpt-4o")
    cognee.model("s", "gpt-4o", (100, 20, 0.75))
    cognee.model("s", "my-own", (200, 30, 0.0))
    report = take(book, "cognee", cognee)
    assert (report.calls, report.unbalanced) == (2, 0)
    found = session(book, "s")
    assert (found.tokens_in, found.tokens_out, found.cost_nano_usd) == (300, 50, 750_000_000)
    assert found.unpriced_calls == 1
    costs = {one.model: one for one in book.cost_by_model(since="all")}
    assert (costs["my-own"].tokens_in, costs["my-own"].cost_usd, costs["my-own"].unpriced_calls) == (200, None, 1)


def test_calls_that_named_no_model_are_what_the_record_says_beyond_its_models(
    book: rollbook.Rollbook, cognee: Cognee
) -> None:
    cognee.record("s", tokens_in=20, tokens_out=5, cost_usd=0.25)
    cognee.model("s", "gpt-4o", (10, 5, 0.25))
    report = take(book, "cognee", cognee)
    found = session(book, "s")
    assert (found.tokens_in, found.tokens_out, found.cost_nano_usd) == (20, 5, 250_000_000)
    assert {one.model: one.tokens_in for one in book.cost_by_model(since="all")} == {"gpt-4o": 10, "unknown": 10}
    (told_of,) = report.unbalanced_sessions
    assert (report.unbalanced, told_of.session_id, told_of.user_id) == (1, "s", ANNA)
    assert (told_of.record.tokens_in, told_of.parts.tokens_in) == (20, 10)


def test_a_first_turn_that_is_missing_in_the_record_is_taken_from_its_models_and_told(
    book: rollbook.Rollbook, cognee: Cognee
) -> None:
    cognee.record("s", tokens_in=7, cost_usd=0.1)
    cognee.model("s", "gpt-4o", (1007, 0, 0.6))
    report = take(book, "cognee", cognee)
    assert (session(book, "s").tokens_in, session(book, "s").cost_nano_usd) == (1007, 600_000_000)
    assert (report.calls, report.unbalanced) == (1, 1)


def test_what_came_after_the_end_counts_and_is_told(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s", status="completed", ended_at="2026-05-01 10:31:00", tokens_in=7)
    cognee.model("s", "gpt-4o", (6007, 0, 0.0), updated_at="2026-05-01 11:00:00")
    report = take(book, "cognee", cognee)
    assert (session(book, "s").tokens_in, session(book, "s").late_calls, report.unbalanced) == (6007, 0, 1)


def test_usage_without_a_record_makes_a_session(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.model("stray", "gpt-4o", (10, 1, 0.5))
    report = take(book, "cognee", cognee)
    assert (session(book, "stray").tokens_in, report.unbalanced) == (10, 1)
    cognee.record("stray", tokens_in=3)
    take(book, "cognee", cognee)
    assert (session(book, "stray").tokens_in, session(book, "stray").calls) == (10, 1)


def test_what_floats_do_to_a_sum_is_no_difference(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s", cost_usd=sum([0.0001] * 1000))
    cognee.model("s", "a", (0, 0, sum([0.0001] * 500)))
    cognee.model("s", "b", (0, 0, sum([0.0001] * 500)))
    assert take(book, "cognee", cognee).unbalanced == 0


# again, and more


def test_again_changes_nothing(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s", tokens_in=20, cost_usd=0.3, error_count=2)
    cognee.model("s", "gpt-4o", (10, 5, 0.25))
    cognee.record("ended", BEN, status="failed", ended_at="2026-05-01 10:31:00")
    cognee.qa("s", "q", feedback_score=4)
    cognee.step("s", "t", status="error")
    take(book, "cognee", cognee)
    before = told(book)
    report = take(book, "cognee", cognee)
    assert (report.new_calls, report.amended_calls, report.new_entries, report.completed_entries) == (0, 0, 0, 0)
    assert told(book) == before
    assert session(book, "s").metadata == {"error_count": 2}


def grown(cognee: Cognee) -> None:
    ended = {"status": "failed", "ended_at": "2026-05-02 09:10:00"}
    cognee.record("s", tokens_in=30, tokens_out=1, cost_usd=1.0, last_activity_at="2026-05-02 09:00:00", **ended)
    cognee.model("s", "gpt-4o", (20, 1, 0.5), updated_at="2026-05-02 08:00:00")
    cognee.model("s", "o3", (5, 0, 0.25), updated_at="2026-05-02 08:30:00")
    cognee.model("s", "free", (5, 0, 0.25), updated_at="2026-05-02 08:40:00")
    cognee.record("later", tokens_in=1)
    cognee.qa("s", "q2")
    cognee.step("s", "t2")


def test_a_later_import_takes_what_came_in_whatever_order_copies_are_read(
    book: rollbook.Rollbook, cognee: Cognee, tmp_path: Path
) -> None:
    cognee.record("s", tokens_in=15, tokens_out=1, cost_usd=0.5)
    cognee.model("s", "gpt-4o", (10, 1, 0.5))
    cognee.model("s", "free", (5, 0, 0.0))
    cognee.qa("s", "q1")
    cognee.step("s", "t1")
    old = shutil.copy(cognee.path, tmp_path / "old.db")
    grown(cognee)
    take(book, "cognee", old)
    report = take(book, "cognee", cognee)
    assert (report.new_calls, report.amended_calls, report.new_entries) == (2, 2, 2)
    found = session(book, "s")
    assert (found.tokens_in, found.tokens_out, found.cost_nano_usd) == (30, 1, 1_000_000_000)
    assert (found.unpriced_calls, found.status, found.last_model) == (0, "failed", "free")
    with rollbook.open("sqlite:///:memory:", all_users=True) as other:
        take(other, "cognee", cognee)
        take(other, "cognee", old)
        assert list(other.iterate(order_by="started_at")) == list(book.iterate(order_by="started_at"))
        assert other.cost_by_model(since="all") == book.cost_by_model(since="all")


def test_an_interrupted_import_is_finished_by_the_next(
    cognee: Cognee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rollbook.importers import moving  # noqa: PLC0415 - to be changed here alone

    for number in range(30):
        cognee.record(f"s{number}", tokens_in=3)
        cognee.qa(f"s{number}", "q")
    monkeypatch.setattr(moving, "FLUSH_ITEMS", 10)
    with rollbook.open(tmp_path / "book.db", all_users=True) as book:
        ingest, seen = book.ingest, []

        def stopped(items: object) -> object:
            seen.append(items)
            if len(seen) == 5:
                raise KeyboardInterrupt
            return ingest(items)  # type: ignore[arg-type]

        monkeypatch.setattr(book, "ingest", stopped)
        with pytest.raises(KeyboardInterrupt):
            take(book, "cognee", cognee)
        assert 0 < book.list(limit=1).total < 30
        monkeypatch.undo()
        assert take(book, "cognee", cognee).new_calls > 0
        with rollbook.open("sqlite:///:memory:", all_users=True) as whole:
            take(whole, "cognee", cognee)
            assert [one.tokens_in for one in book.iterate(order_by="started_at")] == [3] * 30
            assert {repr(one) for one in book.iterate()} == {repr(one) for one in whole.iterate()}


def test_what_was_deleted_or_purged_here_stays_away(book: rollbook.Rollbook, cognee: Cognee) -> None:
    for name in ("deleted", "purged"):
        cognee.record(name, tokens_in=3)
        cognee.qa(name, "q")
    take(book, "cognee", cognee)
    book.delete("deleted", user_id=ANNA)
    book.purge("purged", user_id=ANNA)
    report = take(book, "cognee", cognee)
    assert (report.new_calls, report.new_entries, report.problems) == (0, 0, [])
    assert list(book.iterate()) == []
