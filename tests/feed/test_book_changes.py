"""What changes in a book, as whoever has it open is told, in this process and in others."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rollbook
import rollbook.aio
from rollbook import peers
from rollbook.errors import Gone, InvalidInput, StoreError
from rollbook.feed import Change, Lost, Subscription

PATIENCE_S = 30.0


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/book.db"


@pytest.fixture
def book(url: str) -> Iterator[rollbook.Rollbook]:
    with rollbook.open(url) as book:
        yield book


def told(reader: Subscription, least: int = 0) -> dict[str, set[str]]:
    """The kinds of what a reader is told, by session."""
    found: dict[str, set[str]] = {}
    while (item := reader.next(PATIENCE_S if len(found) < least else 0)) is not None:
        assert isinstance(item, Change), item
        found.setdefault(item.session_id, set()).update(item.kinds)
    return found


AT = "2026-01-05T09:00:00+00:00"
LATER = "2026-01-05T10:00:00+00:00"
CALL: dict[str, Any] = {"tokens_in": 5, "usage_id": "u", "occurred_at": AT}


#: What is done with a session that began, had a call, a question and some state; and what is told of it.
STORIES: dict[str, tuple[Callable[[rollbook.Rollbook], Any], dict[str, set[str]]]] = {
    "begin": (lambda book: book.touch("new"), {"new": {"life"}}),
    "begin with facts": (lambda book: book.touch("new", title="t"), {"new": {"life", "facts"}}),
    "sign of life": (lambda book: book.touch("s"), {"s": {"life"}}),
    "no news": (lambda book: book.touch("s", at=AT), {}),
    "title": (lambda book: book.touch("s", title="other", at=LATER), {"s": {"facts"}}),
    "turns": (lambda book: book.touch("s", turns=3, at=AT), {"s": {"facts"}}),
    "call": (lambda book: book.record_usage("s", tokens_in=1), {"s": {"usage"}}),
    "the same call": (lambda book: book.record_usage("s", **CALL), {}),
    "another amount": (lambda book: book.record_usage("s", **{**CALL, "tokens_in": 9}), {"s": {"usage"}}),
    "call of a new one": (lambda book: book.record_usage("new", tokens_in=1), {"new": {"life", "usage"}}),
    "end": (lambda book: book.end("s", "completed"), {"s": {"life"}}),
    "crash": (lambda book: book.mark_unknown("s"), {"s": {"life"}}),
    "crash of all but one": (lambda book: book.reconcile_except("other"), {"s": {"life"}}),
    "question": (lambda book: book.add_qa("s", question="q", answer="a", at=AT), {"s": {"content"}}),
    "feedback": (lambda book: book.add_feedback("s", "q1", score=5), {"s": {"content", "life"}}),
    "state": (lambda book: book.set_state("s", values={"k": 2}), {"s": {"state", "life"}}),
    "state of the user": (lambda book: book.set_state(None, values={"k": 2}), {"": {"state"}}),
    "fork": (lambda book: book.fork("s", "new", stream="qa"), {"new": {"life", "content"}}),
    "deletion": (lambda book: book.delete("s"), {"s": {"removed"}}),
    "purge": (lambda book: book.purge("s"), {"s": {"removed"}}),
    "purge of the user": (lambda book: book.purge_user(), {"s": {"removed"}, "": {"removed"}}),
    "nothing to delete": (lambda book: book.delete("not there"), {}),
}


@pytest.mark.parametrize("story", STORIES)
def test_each_kind_of_change_is_told(story: str, book: rollbook.Rollbook) -> None:
    book.touch("s", agent="x", title="t", at=AT)
    book.record_usage("s", **CALL)
    book.add_qa("s", question="q", answer="a", qa_id="q1", at=AT)
    book.set_state("s", values={"k": 1})
    book.touch("s", at="2026-01-05T09:30:00+00:00")
    do, expected = STORIES[story]
    with book.changes() as reader:
        do(book)
        assert told(reader) == expected


def test_what_is_refused_changes_nothing(book: rollbook.Rollbook) -> None:
    book.touch("s")
    book.delete("s")
    with book.changes() as reader:
        with pytest.raises(Gone):
            book.touch("s")
        with pytest.raises(Gone):
            book.add_qa("s", question="q", answer="a")
        assert told(reader) == {}


def test_r12_a_call_of_a_deleted_session_is_its_users_spend_alone(book: rollbook.Rollbook) -> None:
    book.touch("s")
    book.delete("s")
    with book.changes() as reader:
        book.record_usage("s", tokens_in=5)
        assert told(reader) == {"": {"usage"}}


def test_pruned_contents_are_told(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a", at=AT)
    book.end("s", "completed", at=AT)
    with book.changes() as reader:
        assert book.prune(content="1d").contents == 1
        assert told(reader)["s"] >= {"content"}


def test_where_everything_changes_it_is_said(url: str, tmp_path: Path) -> None:
    with rollbook.open(url, all_users=True) as book, book.changes() as reader:
        book.add_qa("s", question="q", answer="a")
        book.backup(tmp_path / "copy.db")
        assert told(reader).keys() == {"s"}
        book.wipe_journal()
        first = reader.next(0)
        assert first is not None
        assert first.lost
        book.restore(tmp_path / "copy.db")
        assert isinstance(reader.next(0), Lost)
        assert book.get("s").session_id == "s"


def test_a_change_says_whose_and_when_and_goes_as_json(book: rollbook.Rollbook) -> None:
    with book.changes() as reader:
        book.touch("s")
        change = reader.next(0)
    assert isinstance(change, Change)
    assert abs(change.at / 1e6 - book.get("s").last_activity_at.timestamp()) < 60
    plain = json.loads(json.dumps(rollbook.to_dict(change)))
    assert plain == {"user_id": book.user_id, "session_id": "s", "kinds": ["life"], "at": change.at, "id": change.id}


def test_contents_that_are_kept_elsewhere_are_told(url: str, tmp_path: Path) -> None:
    with rollbook.open(url, journal=tmp_path / "journal") as book, book.changes() as reader:
        book.add_qa("s", question="q", answer="a")
        assert told(reader) == {"s": {"life", "content"}}
        book.set_state(None, values={"k": 1})
        assert told(reader) == {"": {"state"}}


# Whose


def test_r6_only_what_the_book_may_see_is_told(url: str) -> None:
    with (
        rollbook.open(url, user="ann@example.com") as ann,
        ann.changes() as own,
        ann.changes(user_id="bob@example.com") as bobs,
        ann.changes(session_id="b") as one,
    ):
        ann.touch("a")
        ann.touch("b")
        ann.touch("b", user_id="bob@example.com")
        assert told(own).keys() == {"a", "b"}
        assert told(bobs).keys() == {"b"}
        (change,) = iter(lambda: one.next(0), None)
        assert isinstance(change, Change)
        assert change.user_id == ann.user_id


def test_r6_everybodys_is_told_where_it_was_said_out_loud(url: str) -> None:
    with rollbook.open(url, all_users=True) as book, book.changes() as all_of_them, book.changes(user_id="bob") as bobs:
        book.touch("a")
        book.touch("b", user_id="bob")
        assert told(all_of_them).keys() == {"a", "b"}
        assert told(bobs).keys() == {"b"}


def test_what_is_asked_wrongly_is_refused(book: rollbook.Rollbook) -> None:
    wrong: Any = 7
    for asked in ({"session_id": ""}, {"session_id": wrong}, {"user_id": ""}, {"after": wrong}):
        with pytest.raises(InvalidInput):
            book.changes(**asked)


# Faces, ends, forks


def test_the_async_face_tells_the_same(url: str) -> None:
    async def run() -> None:
        async with rollbook.aio.open(url) as book, book.changes() as changes:
            await asyncio.gather(*(book.touch(f"s{number}") for number in range(20)))
            seen = {getattr(await anext(changes), "session_id", None) for _ in range(20)}
            assert len(seen) == 20
            waiting = asyncio.ensure_future(changes.anext())
            await asyncio.sleep(0)
            await book.end("s1", "completed")
            change = await waiting
            assert isinstance(change, Change)
            assert (change.session_id, set(change.kinds)) == ("s1", {"life"})

    asyncio.run(run())


def test_closing_the_book_tells_what_was_left_and_ends(url: str) -> None:
    book = rollbook.open(url)
    readers = [book.changes() for _ in range(3)]
    found: list[list[Any]] = []
    threads = [threading.Thread(target=lambda reader=reader: found.append(list(reader))) for reader in readers]
    for thread in threads:
        thread.start()
    book.touch("s")
    book.close()
    for thread in threads:
        thread.join()
    assert [[item.session_id for item in each] for each in found] == [["s"]] * 3
    with pytest.raises(StoreError, match="closed"):
        book.changes()


def test_a_child_has_a_feed_of_its_own_and_its_changes_reach_the_parent_as_lost(book: rollbook.Rollbook) -> None:
    with book.changes() as reader:
        book.touch("before")
        assert told(reader) == {"before": {"life"}}
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with book.changes() as own:
                    book.touch("of the child")
                    code = 0 if told(own) == {"of the child": {"life"}} else 2
                book.close()
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert isinstance(reader.next(PATIENCE_S), Lost)
        assert book.get("of the child").status == "running"
        book.touch("after")
        assert told(reader) == {"after": {"life"}}


# Several processes, one file

WRITER = """
import sys, rollbook
with rollbook.open(sys.argv[1]) as book:
    for line in sys.stdin:
        book.touch(line.strip())
        print("done", flush=True)
"""


@pytest.fixture
def neighbour(url: str) -> Iterator[Callable[[str], None]]:
    """Another process that writes a session when it is told to."""
    command = [sys.executable, "-c", WRITER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def touch(name: str) -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"

        yield touch
        assert process.stdin is not None
        process.stdin.close()


def test_what_another_process_wrote_is_told_as_lost(book: rollbook.Rollbook, neighbour: Callable[[str], None]) -> None:
    neighbour("before")
    with book.changes() as reader, book.changes(user_id="somebody else") as other:
        neighbour("theirs")
        for each in (reader, other):
            lost = each.next(PATIENCE_S)
            assert isinstance(lost, Lost)
            assert "another process" in lost.reason
        assert book.get("theirs").status == "running"
        book.touch("mine")
        neighbour("again")
        assert isinstance(reader.next(PATIENCE_S), Change | Lost)


def looks(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Waits until it was looked so many times more whether another process wrote."""
    store: Any = book._plans.store
    seen: list[bool] = []
    look = store.others_wrote

    def counted(**more: Any) -> bool:
        seen.append(look(**more))
        return seen[-1]

    def wait(times: int) -> None:
        upto, until = len(seen) + times, time.monotonic() + PATIENCE_S
        while len(seen) < upto and time.monotonic() < until:
            time.sleep(0.001)
        assert len(seen) >= upto

    monkeypatch.setattr(store, "others_wrote", counted)
    return wait


def test_a_process_is_not_told_lost_of_its_own_commits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "LOOK_S", 0.002)
    with rollbook.open(url) as book:
        wait = looks(book, monkeypatch)
        with book.changes() as reader:
            for number in range(30):
                book.add_qa(f"s{number}", question="q", answer="a")
                wait(2)
            assert len(told(reader)) == 30


def looking() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "rollbook-look"]


def test_nobody_looks_while_nobody_listens(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "LOOK_S", 0.002)
    with rollbook.open(url) as book:
        book.touch("s")
        assert not looking()
        with book.changes():
            (thread,) = looking()
        monkeypatch.setattr(book._plans.feed, "_until", 0.0)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        with book.changes() as reader, rollbook.open(url) as other:
            other.touch("t")
            assert isinstance(reader.next(PATIENCE_S), Lost)


def test_whoever_only_reads_is_told_that_something_changed(
    book: rollbook.Rollbook, url: str, neighbour: Callable[[str], None]
) -> None:
    book.touch("s")
    with rollbook.open(f"{url}?mode=ro") as looker, looker.changes() as reader:
        for name in ("a", "b"):
            neighbour(name)
            assert isinstance(reader.next(PATIENCE_S), Lost)
            assert looker.get(name).session_id == name
        assert reader.next(0) is None


def test_readers_that_never_read_cost_a_writer_no_waiting(url: str) -> None:
    """Not one lock is waited for: the feed's own is held the whole time by a reader that is stuck."""
    with rollbook.open(url) as book:
        stuck = [book.changes() for _ in range(50)]
        with book._plans.feed._lock:
            for number in range(100):
                book.touch(f"s{number}")
        assert [len(told(reader)) for reader in stuck] == [100] * 50


def test_a_hint_that_fails_harms_no_write(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    from rollbook.ledger import changes  # noqa: PLC0415 - it is no part of what users hold

    def broken(*_: Any) -> Any:
        raise KeyError

    monkeypatch.setattr(changes, "changes_of", broken)
    with book.changes() as reader:
        assert book.touch("s").status == "running"
        assert isinstance(reader.next(0), Lost)
