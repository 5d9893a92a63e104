"""What is deleted in the book goes from a place outside as well, and nothing that was acknowledged since (R12, R13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

import rollbook
from rollbook import aio
from rollbook.errors import Gone, NotFound, StoreError
from rollbook.journal.steps import Append, New, SetState, Step
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.ops import Cleared, Delete, Jot, Jotted, Op, PurgeUser
from rollbook.ledger.outbox import Note

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = b'{"question":"q","answer":"a"}'

Open = Callable[..., rollbook.Rollbook]


@pytest.fixture(params=["files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "files":
        return f"file://{tmp_path}/journal"
    return str(request.getfixturevalue("redis_url"))


@pytest.fixture
def book(opened: Open) -> Iterator[rollbook.Rollbook]:
    with opened() as book:
        yield book


class Away:
    """A place that cannot be reached for as long as one is in the context."""

    def __init__(self, book: rollbook.Rollbook, patch: pytest.MonkeyPatch) -> None:
        scribe = book._plans._opened.scribe
        assert scribe is not None
        self._scribe, self._patch, self._apply = scribe, patch, scribe._apply

    def __enter__(self) -> None:
        def refuse(_: Sequence[Any]) -> list[Any]:
            raise StoreError("the place is away")

        self._patch.setattr(self._scribe, "_apply", refuse)

    def __exit__(self, *_: object) -> None:
        self._patch.setattr(self._scribe, "_apply", self._apply)


def before(book: rollbook.Rollbook, patch: pytest.MonkeyPatch, kind: type, do: Callable[[], None]) -> None:
    """Let something happen once before the ledger writes an operation of a kind."""
    writer, waiting = book._plans._opened.writers[0], [do]
    real = writer._apply

    def hooked(ops: Sequence[Op]) -> list[Any]:
        if waiting and any(isinstance(op, kind) for op in ops):
            waiting.pop()()
        return real(ops)

    patch.setattr(writer, "_apply", hooked)


def outbox(book: rollbook.Rollbook) -> list[Note]:
    with book._plans.store.read() as tx:
        return [Note(*row) for row in tx.rows("journal.outbox", after_user="", after_session="", most=100)]


def kept(book: rollbook.Rollbook) -> set[str]:
    journals = book._plans.journals
    assert journals is not None
    return {one.session_id for one in journals.sessions()}


def old(book: rollbook.Rollbook, name: str = "s") -> None:
    book.add_qa(name, question="old", answer="a", at=AT)
    book.end(name, "completed", at=AT)


def said(book: rollbook.Rollbook, name: str = "s", **more: Any) -> list[str]:
    return [turn.question for turn in book.qa(name, **more)]


# A session that lives on


def test_r12_what_is_said_after_a_pruning_that_could_not_be_finished_stays(
    book: rollbook.Rollbook, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(book)
    with Away(book, monkeypatch):
        assert book.prune(content="1d").contents == 1
        assert said(book) == []  # hidden already
        assert [note.session_id for note in outbox(book)] == ["s"]
    book.reopen("s")
    book.add_qa("s", question="NEW", answer="a")
    assert (said(book), outbox(book)) == (["NEW"], [])
    with opened() as again:
        assert said(again) == ["NEW"]


def test_r12_contents_are_refused_while_what_goes_before_them_cannot_go(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(book)
    with Away(book, monkeypatch):
        book.prune(content="1d")
        with pytest.raises(StoreError, match="away"):
            book.add_qa("s", question="NEW", answer="a")
    assert said(book) == []


def test_r12_contents_that_a_door_hands_over_after_a_pruning_stay(
    book: rollbook.Rollbook, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(book)
    with Away(book, monkeypatch):
        book.prune(content="1d")
    (note,) = outbox(book)
    book.ingest([jot(book.user_id, "s", "NEW")])
    assert [turn.qa_id for turn in book.qa("s")] == ["NEW"]
    with opened() as again:
        assert [turn.qa_id for turn in again.qa("s")] == ["NEW"]
        again._plans.drive(again._plans._clear([note]))  # by one who read the note before
        assert [turn.qa_id for turn in again.qa("s")] == ["NEW"]


def test_r12_what_was_pruned_or_deleted_is_not_forked(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    old(book)
    old(book, "d")
    with Away(book, monkeypatch):
        book.prune(content="1d")
        book.delete("d")
    for name in ("s", "d"):
        with pytest.raises(NotFound):
            book.fork(name, "f", stream="qa")
    assert kept(book) == {"d"}  # nobody had to wait for it
    assert book.list().total == 1


def test_r12_who_is_late_to_carry_a_pruning_out_removes_nothing_new(
    book: rollbook.Rollbook, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process has read the note and stalls; another carries it out, and the session goes on."""
    old(book)
    with Away(book, monkeypatch):
        book.prune(content="1d")
    (note,) = outbox(book)
    book.reopen("s")
    book.add_qa("s", question="NEW", answer="a")
    with opened() as late:
        late._plans.drive(late._plans._clear([note]))
    assert said(book) == ["NEW"]


def test_r12_state_of_a_user_who_begins_anew_stays(
    book: rollbook.Rollbook, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.add_qa("s", question="q", answer="a", user_id="ann")
    book.set_state(None, values={"old": 1}, user_id="ann")
    with Away(book, monkeypatch):
        book.purge_user(user_id="ann")
        assert book.all_state(user_id="ann") == {}
    notes = [note for note in outbox(book) if not note.session_id]
    book.set_state(None, values={"new": 1}, user_id="ann")
    with opened() as late:
        assert late.all_state(user_id="ann") == {"new": 1}
        late._plans.drive(late._plans._clear(notes))  # by one who read the note before
        assert late.all_state(user_id="ann") == {"new": 1}


# Notes


def test_r12_a_note_says_when_it_was_made(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    began = book._plans.clock()
    old(book)
    book.add_qa("d", question="q", answer="a")
    with Away(book, monkeypatch):
        book.prune(content="1d")
        book.delete("d")
    (deleted, pruned) = outbox(book)
    assert began < pruned.at <= deleted.at <= book._plans.clock()
    assert (deleted.since, pruned.since) == (None, pruned.at)


def test_r12_who_carried_out_a_pruning_does_not_take_away_the_note_of_a_later_deletion(
    book: rollbook.Rollbook, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(book)

    def meanwhile() -> None:
        with opened() as other:
            other.reopen("s")
            other.add_qa("s", question="NEW", answer="a")
            with Away(other, monkeypatch):
                other.delete("s")

    before(book, monkeypatch, Cleared, meanwhile)
    book.prune(content="1d")
    with opened() as other:
        assert (outbox(other), kept(other)) == ([], set())


def test_r12_two_notes_of_one_moment_are_two(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    book.add_qa("s", question="q", answer="a")
    now = book._plans.clock()
    at_once = lambda store, cache, ops, *_: apply_batch(store, cache, ops, now)  # noqa: E731
    monkeypatch.setattr("rollbook.opened.apply_batch", at_once)
    with Away(book, monkeypatch):
        book.delete("s")
        (first,) = outbox(book)
        book.delete("s")
        (second,) = outbox(book)
        assert (first.at, second.at) == (now, now + 1)


def test_r12_a_pruning_is_carried_out_a_portion_at_a_time(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollbook.plans.retention.FOLDED_AT_ONCE", 3)
    for number in range(4):
        old(book, f"s{number}")
        book.record_usage(f"s{number}", tokens_in=1, occurred_at=AT)
        book.record_usage(f"s{number}", tokens_in=1, occurred_at=AT)
    left: list[int] = []
    writer = book._plans._opened.writers[0]
    real = writer._apply

    def hooked(ops: Sequence[Op]) -> list[Any]:
        left.append(len(kept(book)))
        return real(ops)

    monkeypatch.setattr(writer, "_apply", hooked)
    assert book.prune(content="1d").contents == 4
    assert set(left) == {0, 1, 2, 3, 4}


# What the ledger does not know


def lost(book: rollbook.Rollbook, patch: pytest.MonkeyPatch, name: str = "lost") -> None:
    """Contents in the place of which the ledger was not told: it refused, or the program died."""
    with patch.context() as now:

        def dies() -> None:
            raise StoreError("the program dies here")

        before(book, now, Jotted, dies)
        with pytest.raises(StoreError):
            book.add_qa(name, question="secret", answer="a")
    assert name in kept(book)


def test_r12_contents_of_a_session_that_the_book_does_not_have_are_deleted(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        lost(book, monkeypatch, name)
    assert book.delete("a") is False
    with pytest.raises(NotFound):
        book.purge("b")
    assert kept(book) == {"c"}
    with pytest.raises(NotFound):
        book.purge_user()
    assert (kept(book), outbox(book)) == (set(), [])


def test_r12_a_session_that_begins_after_it_was_deleted_in_vain_stays(
    book: rollbook.Rollbook, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Away(book, monkeypatch):
        assert book.delete("s") is False
    (note,) = outbox(book)
    book.add_qa("s", question="NEW", answer="a")
    with opened() as late:
        late._plans.drive(late._plans._clear([note]))
        assert said(late) == ["NEW"]


def test_r12_contents_that_came_after_the_purge_are_purged_and_not_seen(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.add_qa("s", question="q", answer="a")
    journals = book._plans.journals
    assert journals is not None
    book.purge("s")
    now = book._plans.clock()
    journals.apply([Step(book.user_id, "s", now, (Append("qa", (New("late", BODY, now),)),))])
    assert said(book) == []
    with pytest.raises(Gone):
        book.add_qa("s", question="q", answer="a")
    with pytest.raises(NotFound):
        book.purge("s")
    assert kept(book) == set()


def test_doctor_names_contents_of_sessions_that_the_book_does_not_have(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.add_qa("known", question="q", answer="a")
    book.add_qa("deleted", question="q", answer="a")
    lost(book, monkeypatch)
    with Away(book, monkeypatch):
        book.delete("deleted")
    assert not [one for one in book.doctor() if one.name == "unknown sessions"]  # it may be told in a moment
    real = book._plans.clock
    monkeypatch.setattr(book._plans, "clock", lambda: real() + 120_000_000)
    (found,) = [one for one in book.doctor() if one.name == "unknown sessions"]
    assert not found.ok
    assert "'lost'" in found.detail
    assert "known'" not in found.detail
    assert "deleted'" not in found.detail
    book.delete("lost")
    assert not [one for one in book.doctor() if one.name == "unknown sessions"]


def test_r13_a_step_that_is_cancelled_half_way_is_told_to_the_book(tmp_path: Path, place: str) -> None:
    async def main() -> None:
        async with aio.open(f"sqlite:///{tmp_path}/book.db", journal=place) as book:
            scribe = book._plans._opened.scribe
            assert scribe is not None
            real, loop = scribe._apply, asyncio.get_running_loop()
            tasks: list[asyncio.Task[str]] = []

            def cancelled(steps: Sequence[Any]) -> list[Any]:
                done = real(steps)
                loop.call_soon_threadsafe(tasks[0].cancel)
                return done

            scribe._apply = cancelled
            tasks.append(asyncio.create_task(book.add_qa("s", question="q", answer="a")))
            with pytest.raises(asyncio.CancelledError):
                await tasks[0]

    asyncio.run(main())
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=place) as book:
        assert (book.list().total, said(book)) == (1, ["q"])


# Purged


def test_r12_a_purged_session_is_not_to_be_seen_though_the_place_is_away(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.add_qa("s", question="private", answer="a")
    book.set_state("s", values={"k": 1})
    with Away(book, monkeypatch):
        book.purge("s")
    assert "s" in kept(book)
    assert (said(book), book.all_state("s")) == ([], {})


# Batches


def jot(user_id: str, session_id: str, name: str) -> Jot:
    at = int(AT.timestamp() * 1e6)
    step = Step(user_id, session_id, at, (Append("qa", (New(name, BODY, at),)),))
    return Jot(user_id=user_id, session_id=session_id, at=at, step=step, user_name=f"name of {user_id[:1]}")


def test_r6_a_session_that_one_user_deleted_takes_contents_of_another(book: rollbook.Rollbook) -> None:
    ann, bob = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"
    book.add_qa("same", question="q", answer="a", user_id=ann)
    book.delete("same", user_id=ann)
    told = book.ingest([jot(ann, "same", "1"), jot(bob, "same", "2")])
    assert isinstance(told[0], Gone)
    assert not isinstance(told[1], Exception)
    assert [turn.qa_id for turn in book.qa("same", user_id=bob)] == ["2"]
    with book._plans.store.read() as tx:
        assert (bob, "name of b") in {row[1:] for row in tx.rows("users")}


def test_r12_a_user_who_is_purged_and_begins_anew_in_one_batch(tmp_path: Path) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db") as book:
        user = book.user_id

        def state(**values: int) -> Jot:
            raws: dict[str, Raw | None] = {key: Raw(str(value).encode()) for key, value in values.items()}
            return Jot(user_id=user, session_id="", at=1, step=Step(user, "", 1, (SetState(raws, of_user=True),)))

        writer = book._plans._opened.writers[0]
        assert not [one for one in writer.submit([state(old=1), PurgeUser(user_id=user), state(new=2)]) if one is False]
        assert book.all_state() == {"new": 2}
        writer.submit([PurgeUser(user_id=user)])
        assert book.all_state() == {}
        with book._plans.store.read() as tx:
            assert list(tx.rows("users")) == []


def test_r12_entries_count_for_how_much_one_transaction_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollbook.plans.retention.FOLDED_AT_ONCE", 10)
    with rollbook.open(f"sqlite:///{tmp_path}/book.db") as book:
        for name in ("a", "b", "c", "d"):
            for number in range(8):
                book.add_message(name, role="user", content=str(number), at=AT + timedelta(seconds=number))
            book.end(name, "completed", at=AT)
        sizes: list[int] = []
        writer = book._plans._opened.writers[0]
        real = writer._apply

        def hooked(ops: Sequence[Op]) -> list[Any]:
            sizes.append(len(ops))
            return real(ops)

        monkeypatch.setattr(writer, "_apply", hooked)
        assert book.prune(content="1d", agent=None).contents == 4
        assert max(sizes) == 1
        book.add_message("a", role="user", content="again")
        book.purge("a")
        sizes.clear()
        for name in ("b", "c"):
            for number in range(8):
                book.add_message(name, role="user", content=str(number))
        sizes.clear()
        book.purge_user()
        assert max(sizes) <= 2
        assert sizes.count(1) >= 2


def test_delete_and_cleared_in_one_batch_leave_the_note(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.add_qa("s", question="q", answer="a")
    with Away(book, monkeypatch):
        book.delete("s")
    (note,) = outbox(book)
    book._plans._opened.writers[0].submit(
        [
            Delete(user_id=book.user_id, session_id="s"),
            Cleared(user_id=book.user_id, session_id="s", at=note.at),
        ]
    )
    assert [each.session_id for each in outbox(book)] == ["s"]
