"""What a book does with what telemetry tells: checked, without secrets, all or nothing, and never lost."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import rollbook
from rollbook import aio
from rollbook.errors import Forbidden, InvalidInput, RollbookError, StoreError
from rollbook.journal.backend import DamageError
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import End, Facts, ForgetNotes, Jot, SourceFile, Touch
from rollbook.principals import Principal
from rollbook.telemetry import traces
from rollbook.telemetry.told import OpsTold, Told

from .emitted import SECOND, T
from .test_traces import ABROAD, TRACE, span

SECRET = "sk-ant-api03-" + "a1B2" * 20  # pragma: allowlist secret


def said(entry_id: str, content: str) -> tuple[tuple[str, New], ...]:
    return (("messages", New(entry_id, msgspec.json.encode({"role": "user", "content": content}), T)),)


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


def at(book: rollbook.Rollbook, micros: int) -> None:
    """Let the book's clock stand at a time."""
    book._plans.clock = lambda: micros


def test_one_bad_span_is_refused_alone(book: rollbook.Rollbook) -> None:
    good = span(1, session="s", took=5)
    bad = [
        span(2, session="s\n", took=6),
        replace(span(3, session="s", took=7), at=0),
        span(4, session="s", took=-1),
        span(5, session="s", facts=Facts(agent="x" * 300)),
    ]
    observed = book.observe([bad[0], good, *bad[1:]])
    assert observed.accepted == 1
    assert set(observed.refused) == {0, 2, 3, 4}
    assert all(isinstance(error, InvalidInput) for error in observed.refused.values())
    assert book.get("s").tokens_in == 5


def test_what_is_nothing_that_telemetry_tells_is_refused(book: rollbook.Rollbook) -> None:
    assert set(book.observe([{"trace_id": "t"}]).refused) == {0}  # type: ignore[list-item]


def test_an_entry_that_is_too_large_costs_only_itself(book: rollbook.Rollbook) -> None:
    large = ("messages", New("large", b'{"role":"user","content":"' + b"x" * (9 << 20) + b'"}', T))
    observed = book.observe([span(1, session="s", took=5, steps=(large, *said("small", "hi")))])
    assert "bytes" in str(observed.refused[0])
    assert book.get("s").tokens_in == 5
    assert [message.content for message in book.conversation("s")] == ["hi"]


def test_secrets_are_taken_out_also_of_what_waits(book: rollbook.Rollbook) -> None:
    book.observe([span(2, 1, steps=said("m", f"the key is {SECRET}"), facts=Facts(title=f"key {SECRET}"))])
    waiting = book._plans.read(lambda tx: str(tx.rows("notes_by_age", room="trace", since=0, upto=2**62, most=9)))
    assert "the key is" in bytes_of(waiting)
    assert SECRET not in bytes_of(waiting)
    book.observe([span(1, session="s")])
    assert SECRET not in book.conversation("s")[0].content
    assert SECRET not in (book.get("s").title or "")


def bytes_of(text: str) -> str:
    """A note with its contents, which are in base64 there, as text."""
    return text + "".join(
        base64.b64decode(found).decode(errors="replace") for found in re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text)
    )


def test_what_nobody_names_for_a_quarter_of_an_hour_is_a_session_of_its_own(book: rollbook.Rollbook) -> None:
    now = T + 60 * SECOND
    at(book, now)
    book.observe([span(2, ABROAD, took=5, steps=said("m", "hi"))])
    assert not book.list().sessions
    at(book, now + traces.PATIENCE_US - 1)
    assert book.settle() == 0
    at(book, now + traces.PATIENCE_US)
    assert book.settle() == 1
    assert book.settle() == 0
    assert (book.get(f"trace:{TRACE}").calls, book.get(f"trace:{TRACE}").tokens_in) == (1, 5)
    assert [message.content for message in book.conversation(f"trace:{TRACE}")] == ["hi"]
    book.observe([span(2, ABROAD, took=5, steps=said("m", "hi"))])
    assert book.get(f"trace:{TRACE}").calls == 1


def test_what_waits_is_settled_however_late_and_is_never_forgotten(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/book.db"
    with rollbook.open(url) as book:
        at(book, T)
        for number in range(25):
            trace = f"{number:032x}"
            book.observe([replace(span(2, ABROAD, took=5), trace_id=trace)])
    with rollbook.open(url) as book:
        at(book, T + 400 * 86_400 * SECOND)
        book._plans.write([ForgetNotes(before=T + 400 * 86_400 * SECOND)])
        assert book.settle() == 25
        assert len(list(book.iterate())) == 25
        assert book.verify().ok


def test_settling_is_for_every_user(book: rollbook.Rollbook) -> None:
    at(book, T)
    child = book.acting(Principal(user_id="00000000-0000-4000-8000-00000000000c", role="writer"))
    child.observe([span(2, ABROAD, took=5)])
    at(book, T + traces.PATIENCE_US)
    with pytest.raises(Forbidden):
        child.settle()
    assert book.settle() == 1
    assert child.get(f"trace:{TRACE}").tokens_in == 5


def test_r6_a_reader_tells_nothing_not_even_what_waits(book: rollbook.Rollbook) -> None:
    reader = book.acting(Principal(user_id="00000000-0000-4000-8000-00000000000c", role="reader"))
    with pytest.raises(Forbidden):
        reader.observe([span(2, ABROAD, took=5)])
    assert not book._plans.read(lambda tx: tx.rows("notes_by_age", room="trace", since=0, upto=2**62, most=9))


def test_many_at_once_who_tell_of_one_trace_lose_nothing(tmp_path: Path) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db") as book:

        def tell(first: int) -> None:
            for number in range(first, first + 10):
                book.observe([span(number, 1, took=3)])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(tell, (100, 200, 300, 400)))
        book.observe([span(1, session="s", took=1000, sure=False)])
        assert (book.get("s").calls, book.get("s").tokens_in) == (40, 120)
        assert book.verify().ok


def test_the_async_face_tells_the_same(tmp_path: Path) -> None:
    async def told() -> tuple[int, int]:
        async with aio.open(f"sqlite:///{tmp_path}/book.db") as book:
            observed = await book.observe([span(1, session="s", took=5), span(2, 1, took=6)])
            await book.settle()
            return observed.accepted, (await book.get("s")).calls

    assert asyncio.run(told()) == (2, 2)


@pytest.mark.parametrize("place", ["book", "files"])
def test_r13_contents_go_where_the_journal_is(tmp_path: Path, place: str) -> None:
    journal = None if place == "book" else f"file://{tmp_path}/journal"
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=journal) as book:
        book.observe([span(2, 1, took=5, steps=said("m", "hi"))])
        book.observe([span(1, session="s", steps=said("n", "there"))])
        assert sorted(message.content for message in book.conversation("s")) == ["hi", "there"]
        book.observe([span(2, 1, took=5, steps=said("m", "hi")), span(3, 1, steps=said("o", "you"))])
        assert sorted(message.content for message in book.conversation("s")) == ["hi", "there", "you"]


class Trouble:
    """A place for journals that keeps nothing of one session while one is in the context."""

    def __init__(self, book: rollbook.Rollbook, patch: pytest.MonkeyPatch, error: RollbookError) -> None:
        scribe = book._plans._opened.scribe
        assert scribe is not None
        self._scribe, self._patch, self._error, self._real = scribe, patch, error, scribe._apply

    def __enter__(self) -> None:
        def refuse(steps: Sequence[Any]) -> list[Any]:
            made = iter(self._real([step for step in steps if step.session_id != "s"]))
            return [self._error if step.session_id == "s" else next(made) for step in steps]

        self._patch.setattr(self._scribe, "_apply", refuse)

    def __exit__(self, *_: object) -> None:
        self._patch.setattr(self._scribe, "_apply", self._real)


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[rollbook.Rollbook]:
    """A book whose journals are kept elsewhere."""
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=f"file://{tmp_path}/journal") as opened:
        yield opened


def test_r13_what_cannot_be_kept_elsewhere_now_is_told_again_and_nothing_counts_twice(
    apart: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Told] = [
        span(1, session="s", took=5, steps=said("m", "hi")),
        replace(span(2, session="other", took=6, steps=said("n", "you")), trace_id="b" * 32),
        OpsTold(ops=(Touch(user_id="", session_id="logged", at=T),)),
    ]
    with Trouble(apart, monkeypatch, StoreError("no space left on device")):
        for _ in range(2):
            with pytest.raises(StoreError, match="no space"):
                apart.observe(told)
        assert not apart.list().sessions, "nothing of it is taken, so that the sender sends it again"
    assert apart.observe(told).refused == {}
    assert apart.observe(told).refused == {}
    assert [message.content for message in apart.conversation("s")] == ["hi"]
    assert [message.content for message in apart.conversation("other")] == ["you"]
    assert sorted(row.tokens_in for row in apart.iterate_usage()) == [5, 6]
    assert apart.verify().ok


def test_r13_a_file_whose_contents_cannot_be_kept_elsewhere_now_is_not_taken_for_read(
    apart: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a full disk only the steps that need room are told, and the file would not be read again."""
    file = SourceFile(
        source="test", path="/s.jsonl", device=1, inode=1, size=9, offset=9, head_hash="h", mtime_ns=1
    )  # fmt: skip
    ((stream, new),) = said("m", "hi")
    items = [
        Jot(user_id=apart.user_id, session_id=name, at=T, step=Step(apart.user_id, name, T, (Append(stream, (new,)),)))
        for name in ("s", "other")
    ]
    with Trouble(apart, monkeypatch, StoreError("no space left on device")), pytest.raises(StoreError, match="space"):
        apart.ingest(items, files=[file])
    assert not apart.source_files("test")
    apart.ingest(items, files=[file])
    assert apart.source_files("test")
    assert [len(apart.conversation(name)) for name in ("s", "other")] == [1, 1]


def test_a_journal_that_is_damaged_costs_what_is_said_in_it_and_no_usage(
    apart: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It will not do later either, so nobody is asked to try again."""
    with Trouble(apart, monkeypatch, DamageError("line 2 is damaged")):
        observed = apart.observe([span(1, session="s", took=5, steps=said("m", "hi")), span(2, 1, took=6)])
    assert (observed.accepted, set(observed.refused)) == (1, {0})
    assert apart.get("s").tokens_in == 11


def test_what_waited_for_a_name_waits_on_while_it_cannot_be_kept_and_holds_up_no_other(
    apart: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(apart, T)
    for number in range(30):
        steps = said("m", "hi") if number % 10 == 0 else ()
        apart.observe([replace(span(2, ABROAD, took=5, steps=steps), trace_id=f"{number:032x}")])
    at(apart, T + traces.PATIENCE_US)
    scribe = apart._plans._opened.scribe
    with monkeypatch.context() as patch:
        patch.setattr(scribe, "_apply", lambda steps: [StoreError("no space left on device") for _ in steps])
        with pytest.raises(StoreError, match="no space"):
            apart.settle()
        assert len(list(apart.iterate())) == 27
    assert apart.settle() == 3
    assert [message.content for message in apart.conversation(f"trace:{0:032x}")] == ["hi"]


@pytest.mark.parametrize("place", ["book", "files"])
def test_r12_a_deleted_session_takes_usage_and_no_contents(tmp_path: Path, place: str) -> None:
    journal = None if place == "book" else f"file://{tmp_path}/journal"
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=journal) as book:
        book.observe([span(1, session="s", took=5)])
        book.delete("s")
        observed = book.observe([span(2, 1, took=6, steps=said("m", "hi"))])
        assert observed.refused
        assert not book.list().sessions
        assert sum(row.tokens_in for row in book.iterate_usage()) == 11
        assert book.verify().ok


def test_every_span_of_a_deleted_session_is_refused_whatever_its_trace(book: rollbook.Rollbook) -> None:
    book.touch("s")
    book.delete("s")
    gone = [replace(span(n, session="s", took=n, steps=said(f"m{n}", "hi")), trace_id=f"{n:032x}") for n in range(1, 7)]
    other = replace(span(9, session="other", took=9), trace_id=f"{9:032x}")
    observed = book.observe([*gone[:3], other, *gone[3:]])
    assert sorted(observed.refused) == [0, 1, 2, 4, 5, 6]
    assert all("deleted" in str(error) for error in observed.refused.values())
    assert book.get("other").tokens_in == 9


def test_what_is_said_of_a_session_in_vain_costs_none_of_the_spans_that_say_it(book: rollbook.Rollbook) -> None:
    """A session cannot be its own parent: that is remarked on, and the calls and steps are there."""
    told = [
        span(1, session="s", facts=Facts(parent_id="s"), took=5),
        span(2, 1, facts=Facts(parent_id="s"), steps=said("m", "hi")),
        span(3, 1, facts=Facts(parent_id="s")),
    ]
    observed = book.observe(told)
    assert (observed.accepted, set(observed.refused)) == (2, {2})
    assert "ancestor" in observed.remark
    assert (book.get("s").calls, [message.content for message in book.conversation("s")]) == (1, ["hi"])


def test_what_several_traces_say_of_a_session_stands_in_the_order_of_time(book: rollbook.Rollbook) -> None:
    told = [
        replace(
            span(n, session="s", steps=(("messages", New(f"m{n}", b'{"role":"user","content":"%d"}' % n, T + n)),)),
            trace_id=f"{n:032x}",
        )
        for n in (3, 1, 2)
    ]
    assert book.observe(told).accepted == 3
    assert [message.content for message in book.conversation("s")] == ["1", "2", "3"]
    assert book.observe(told[::-1]).accepted == 3
    assert len(book.conversation("s")) == 3


def test_an_end_that_a_span_states_ends_its_session(book: rollbook.Rollbook) -> None:
    end = End(user_id="", session_id="", status="failed", at=T + 9 * SECOND, decided_by="telemetry")
    book.observe([span(2, 1, took=5), span(1, session="s", end=end)])
    session = book.get("s")
    assert (session.status, session.decided_by, session.calls) == ("failed", "telemetry", 1)


def test_what_a_log_tells_and_what_a_span_tells_are_taken_together(book: rollbook.Rollbook) -> None:
    touch = OpsTold(ops=(Touch(user_id="", session_id="s", at=T, facts=Facts(title="a title")),))
    observed = book.observe([touch, span(1, session="s", took=5)])
    assert observed.accepted == 2
    assert (book.get("s").title, book.get("s").calls) == ("a title", 1)


def test_nothing_is_nothing(book: rollbook.Rollbook) -> None:
    assert book.observe([]).accepted == 0
