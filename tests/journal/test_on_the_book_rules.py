"""Streams and forks on the book, whose its contents are, what deletion leaves, and both faces of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook import aio
from rollbook.errors import Conflict, Gone, InvalidInput, NotFound, NotSupported, StoreError

from .test_on_the_book import AT

# Streams


def test_r11_a_revision_that_has_moved_on_is_a_conflict_that_says_both(book: rollbook.Rollbook) -> None:
    first = book.append("s", "x", entries=[1], expected=0, state={"n": 1})
    second = book.append("s", "x", entries=[2], expected=first.revision)
    with pytest.raises(Conflict) as refused:
        book.append("s", "x", entries=[3], expected=first.revision, state={"n": 3})
    assert (refused.value.expected, refused.value.found) == (first.revision, second.revision)
    assert ([entry.body for entry in book.entries("s", "x")], book.all_state("s")) == ([1, 2], {"n": 1})
    assert book.revision("s", "x") == second.revision
    with pytest.raises(Conflict):
        book.append("other", "x", entries=[1], expected=7)
    with pytest.raises(NotFound):
        book.get("other")


def test_user_state_with_entries_is_one_step_or_is_refused(book: rollbook.Rollbook, place: str | None) -> None:
    if place is None:
        book.append("s", "x", entries=[1], user_state={"k": 1})
        assert (len(book.entries("s", "x")), book.all_state()) == (1, {"k": 1})
        return
    with pytest.raises(NotSupported):
        book.append("s", "x", entries=[1], user_state={"k": 1})
    assert (book.entries("s", "x"), book.all_state()) == ([], {})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nan", b'"a" "b"', b"[1,]", b'"\xed\xa0\x80"'])
def test_a_body_that_is_not_json_is_refused(book: rollbook.Rollbook, body: bytes) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        book.append("s", "x", entries=[body])
    assert book.list().total == 0


def test_bytes_of_json_are_kept_as_they_are(book: rollbook.Rollbook) -> None:
    odd = b' {"b":1.0 , "a":\t123456789012345678901234567890, "c":"\\u0000\\ud83d\\ude00"} '
    book.append("s", "x", entries=[odd], ids=["one"])
    assert book.entry("s", "x", "one").body == {"b": 1.0, "a": 123456789012345678901234567890, "c": "\x00\U0001f600"}
    assert book.patch_entry("s", "x", "one", fields={"b": 2})
    assert book.entry("s", "x", "one").body["a"] == 123456789012345678901234567890


def test_an_entry_over_the_limit_is_refused(
    opened: Callable[..., rollbook.Rollbook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBOOK_ENTRY_BYTES", "1000")
    with opened() as book:
        book.append("s", "x", entries=["x" * 998])
        with pytest.raises(InvalidInput, match="1000 are allowed"):
            book.append("s", "x", entries=["small", "x" * 999])
        assert len(book.entries("s", "x")) == 1


# Whose it is, and deletion


def test_r6_another_user_sees_and_changes_nothing(book: rollbook.Rollbook) -> None:
    name = book.add_qa("s", question="secret of ann", answer="a", user_id="ann")
    for other in (None, "bob"):
        assert book.qa("s", user_id=other) == []
        assert not book.update_qa("s", name, answer="b", user_id=other)
        assert not book.delete_qa("s", name, user_id=other)
        with pytest.raises(NotFound):
            book.fork("s", "mine", user_id=other)
    assert book.get_qa("s", name, user_id="ann").answer == "a"


def test_r12_a_deleted_session_has_no_content_and_takes_none(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a")
    book.add_trace_step("s", origin_function="f")
    book.set_graph_context("s", "g")
    book.record_usage("s", tokens_in=5, cost_usd=1)
    assert book.delete_session("s")
    assert not book.delete_session("s")
    assert (book.qa("s"), book.trace("s")) == ([], [])
    assert (book.all_state("s"), book.graph_context("s")) == ({}, None)
    for refused in (lambda: book.add_qa("s", question="q", answer="a"), lambda: book.set_state("s", values={"k": 1})):
        with pytest.raises(Gone):
            refused()
    assert book.spend(since="all").total.cost_usd == 1


def test_r12_a_deletion_that_was_interrupted_is_finished_by_the_next_who_opens(
    opened: Callable[..., rollbook.Rollbook], place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as book:
        book.add_qa("s", question="q", answer="a")
        if place is None:
            assert book._plans.journals is None  # one transaction removes both
            return
        with monkeypatch.context() as patch:

            def dies(*_: object) -> None:
                raise StoreError("the program dies here")

            patch.setattr(book._plans, "clear_outside", dies)
            with pytest.raises(StoreError):
                book.delete_session("s")
        journals = book._plans.journals
        assert journals is not None
        assert [kept.session_id for kept in journals.sessions()] == ["s"]
        assert book.qa("s") == []  # not to be seen, removed or not
    with opened() as book:
        journals = book._plans.journals
        assert journals is not None
        assert list(journals.sessions()) == []


def test_r12_content_is_pruned_and_what_the_session_came_to_stays(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a", at=AT)
    book.add_qa("late", question="q", answer="a")
    book.end("s", "completed", at=AT)
    book.end("late", "completed")
    assert book.prune(content="1d", dry_run=True).contents == 1
    assert book.prune(content="1d").contents == 1
    assert (book.qa("s"), len(book.qa("late"))) == ([], 1)
    assert book.get("s").status == "completed"
    assert book.prune(content="1d").contents == 0


def test_r12_wiping_is_an_administrators(opened: Callable[..., rollbook.Rollbook]) -> None:
    with opened() as book:
        book.add_qa("s", question="q", answer="a")
        book.add_qa("s", question="q", answer="a", user_id="ann")
        with pytest.raises(InvalidInput, match="all_users"):
            book.wipe_journal()
        assert len(book.qa("s")) == 1
    with opened(all_users=True) as book:
        assert book.wipe_journal(dry_run=True).sessions == 2
        assert len(book.qa("s")) == 1
        assert book.wipe_journal().sessions == 2
        assert book.qa("s") == book.qa("s", user_id="ann") == []
        assert book.list().total == 2
        assert book.add_qa("s", question="again", answer="a") == book.latest_qa_id("s")
        assert book.verify().ok


def test_forks_share_their_past_on_the_book(book: rollbook.Rollbook) -> None:
    names = [book.add_qa("s", question=str(number), answer="a") for number in range(3)]
    book.set_state("s", values={"k": 1})
    book.fork("s", "f", stream="qa", at=names[1])
    book.add_qa("f", question="another way", answer="a")
    assert [turn.question for turn in book.qa("f")] == ["0", "1", "another way"]
    assert [turn.question for turn in book.qa("s")] == ["0", "1", "2"]
    assert book.get("f").status == "running"
    assert book.add_feedback("f", names[0], score=5)
    assert book.get_qa("s", names[0]).feedback_score == 5
    assert book.delete_session("s")
    assert [turn.question for turn in book.qa("f")] == ["0", "1", "another way"]
    assert book.verify().ok


# Both faces


def test_a_handle_has_the_methods_for_its_session(opened: Callable[..., rollbook.Rollbook]) -> None:
    with opened(user="ann") as book, book.session("s") as session:
        name = session.add_qa(question="q", answer="a")
        assert session.add_feedback(name, score=3)
        assert session.get_qa(name) == book.get_qa("s", name)
        assert session.history() == book.history("s")
        session.set_state(values={"k": 1})
        assert session.all_state() == {"k": 1}


def test_the_async_face_answers_the_same(url: str, place: str | None) -> None:
    async def there() -> list[Any]:
        async with aio.open(url, journal=place) as book:
            async with book.session("s") as session:
                await session.add_qa(question="q", answer="a", qa_id="q", at=AT)
                await session.add_feedback("q", score=2)
            names = [f"n{number:03}" for number in range(64)]
            await asyncio.gather(*(book.append("s", "x", entries=[name], ids=[name]) for name in names))
            read = await asyncio.gather(*(book.entry("s", "x", name) for name in names))
            assert [one.body for one in read] == names
            with pytest.raises(NotFound):
                await book.entry("s", "x", "none")
            return [await book.qa("s"), sorted(one.body for one in await book.entries("s", "x"))]

    said = asyncio.run(there())
    with rollbook.open(url, journal=place) as book:
        assert said == [book.qa("s"), sorted(one.body for one in book.entries("s", "x"))]
        assert len(said[1]) == 64


def test_doctor_says_how_durable_the_place_is(book: rollbook.Rollbook, place: str | None) -> None:
    said = {finding.name: finding for finding in book.doctor()}
    kind = "" if place is None else place.partition(":")[0]
    assert ("durability" in said) == (kind == "file")
    weak = [name for name, finding in said.items() if name.endswith(" disk") and not finding.ok]
    assert len(weak) == (kind == "redis")  # this server keeps nothing on its disk


def test_a_place_that_can_never_be_used_is_said_when_the_book_is_opened(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    wrong: list[tuple[Any, type[Exception]]] = [
        ("nowhere", InvalidInput), ("ftp://x/y", NotSupported), (f"file://{tmp_path}/other", StoreError),
        (b"file:///x", InvalidInput), (7, InvalidInput),
    ]  # fmt: skip
    for url, error in wrong:
        with pytest.raises(error):
            rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=url)
