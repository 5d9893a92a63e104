"""A trace that goes by its own id until a span names its session, minutes or hours later: then all of it is of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import rollbook
from rollbook.errors import NotFound
from rollbook.journal.steps import New
from rollbook.ledger.ops import End, Facts, ForgetNotes, Merge
from rollbook.model import Evidence
from rollbook.plans import telemetry
from rollbook.principals import Principal
from rollbook.telemetry import names, traces
from rollbook.telemetry.told import OpsTold, SpanTold, Told

from .emitted import SECOND, T
from .test_traces import ABROAD, TRACE, identity, span

OWN = f"trace:{TRACE}"
HOUR = 3600 * SECOND
DATASET = "00000000-0000-4000-8000-0000000000d1"


@pytest.fixture(params=["book", "files"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[rollbook.Rollbook]:
    journal = None if request.param == "book" else f"file://{tmp_path}/journal"
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=journal) as opened:
        yield opened


def later(book: rollbook.Rollbook, micros: int) -> None:
    """Let the book's clock be ahead of what it was."""
    clock = book._plans.clock
    book._plans.clock = lambda: clock() + micros


def step(number: int, *, failed: bool = False) -> tuple[tuple[str, New], ...]:
    body = {"origin_function": f"tool{number}", "status": "error" if failed else "success"}
    message = {"role": "user", "content": f"said {number}"}
    return (
        ("trace", New(f"t{number}", msgspec.json.encode(body), T + number * SECOND, failed=failed)),
        ("messages", New(f"m{number}", msgspec.json.encode(message), T + number * SECOND)),
    )


def early() -> list[SpanTold]:
    """What comes of an agent while it runs, before the span that names its session ends."""
    return [
        span(2, ABROAD, took=5, steps=step(2), facts=Facts(title="first", agent="bot")),
        span(3, 2, took=6, named="openai:response:resp_3", steps=step(3, failed=True), facts=Facts(title="then")),
        span(4, 2, took=0, sure=False),
        span(5, 2, took=90, sure=False),
    ]


def root() -> SpanTold:
    return replace(span(1, session="s", took=7, steps=step(1)), span_id=ABROAD)


def told(book: rollbook.Rollbook, name: str) -> dict[str, Any]:
    """All that is told of a session, but for when it was written down."""
    seen: dict[str, Any] = msgspec.to_builtins(book.get(name))
    seen["steps"] = sorted((one.trace_id, one.status) for one in book.trace(name))
    seen["messages"] = sorted(one.content for one in book.conversation(name))
    net: dict[str, int] = {}
    for row in book.usage(name):
        net[row.usage_id] = net.get(row.usage_id, 0) + row.calls
    seen["standing"] = net
    return seen


def spent(book: rollbook.Rollbook) -> tuple[int, int, int]:
    total = book.spend(by="model", since="all").total
    return total.calls, total.tokens_in, total.cost_nano_usd


def hours_late(book: rollbook.Rollbook, batches: Sequence[Sequence[Told]]) -> None:
    """Let batches come with an hour between them, in which everything that nobody named settles."""
    for batch in batches:
        assert book.observe(batch).refused == {}
        later(book, HOUR)
        book.settle()


def test_r15_a_root_that_names_its_session_after_hours_has_all_that_came_before(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    hours_late(book, [early()])
    assert book.get(OWN).calls == 4
    hours_late(book, [[root()]])
    with pytest.raises(NotFound):
        book.get(OWN)
    assert [one.session_id for one in book.list().sessions] == ["s"]
    with rollbook.open(f"sqlite:///{tmp_path}/at-once.db") as other:
        other.observe([*early(), root()])
        assert told(book, "s") == told(other, "s")
        assert spent(book) == spent(other)
    assert book.get("s").step_errors == 1
    assert book.verify().ok
    assert not book._plans.read(lambda tx: tx.rows("journal.outbox", after_user="", after_session="", most=9))


def test_r15_redelivery_before_and_after_the_name_changes_nothing(book: rollbook.Rollbook) -> None:
    batches = [early()[:2], early(), [root()], [*early(), root()], early()]
    hours_late(book, batches)
    seen, was = told(book, "s"), spent(book)
    assert (seen["calls"], seen["tokens_in"]) == (5, 108)
    assert len(seen["steps"]) == len(seen["messages"]) == 3
    hours_late(book, [*batches, [root()]])
    assert (told(book, "s"), spent(book)) == (seen, was)
    assert [one.session_id for one in book.list().sessions] == ["s"]
    assert book.verify().ok


def test_what_comes_of_a_trace_after_its_name_is_of_the_session(book: rollbook.Rollbook) -> None:
    """Also what turns out to be no call of its own, among what was moved."""
    hours_late(book, [early(), [root()], [span(6, 5, took=80), span(7, 2, took=1)]])
    standing = {name for name, net in told(book, "s")["standing"].items() if net}
    assert names.span(TRACE, identity(5)) not in standing, "it was the sum of a call below it"
    assert {names.span(TRACE, identity(6)), names.span(TRACE, identity(7))} <= standing
    assert book.verify().ok


def test_a_root_without_a_name_and_a_child_that_has_one(book: rollbook.Rollbook) -> None:
    """The root came first, so that the trace went by its own id at once."""
    book.observe([span(1, took=5, steps=step(1))])
    assert book.get(OWN).calls == 1
    book.observe([span(2, 1, session="s")])
    assert [(one.session_id, one.calls) for one in book.list().sessions] == [("s", 1)]
    assert [one.content for one in book.conversation("s")] == ["said 1"]


def test_what_somebody_said_of_the_session_meanwhile_goes_with_it(book: rollbook.Rollbook) -> None:
    hours_late(book, [early()])
    book.touch(OWN, tags=["mine"], title="by hand")
    book.add_qa(OWN, question="q", answer="a", qa_id="one")
    book.set_state(OWN, values={"k": 1})
    hours_late(book, [[root()]])
    assert (book.get("s").tags, book.get("s").title) == (("mine",), "by hand")
    assert [one.qa_id for one in book.qa("s")] == ["one"]
    assert book.all_state("s") == {"k": 1}


def test_what_is_said_of_it_while_it_is_moved_is_not_lost(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours_late(book, [early()])
    together, said = telemetry.TelemetryPlans._together, list[str]()

    def beside(plans: Any, user: Any, written: Any, placed: Any) -> Any:
        if len(said) < 3 and any(isinstance(op, Merge) for _, op in placed):
            said.append(f"in between {len(said)}")
            book.add_message(OWN, role="user", content=said[-1])
        return (yield from together(plans, user, written, placed))

    monkeypatch.setattr(telemetry.TelemetryPlans, "_together", beside)
    hours_late(book, [[root()]])
    assert len(said) == 3
    assert [one.content for one in book.conversation("s") if one.content in said] == said
    with pytest.raises(NotFound):
        book.get(OWN)
    assert book.verify().ok


@pytest.mark.parametrize("writes", [True, False])
def test_r6_nothing_gets_into_a_dataset_with_a_trace_that_whoever_named_it_may_not_put_there(
    book: rollbook.Rollbook, *, writes: bool
) -> None:
    hours_late(book, [early()])
    book.touch(OWN, dataset_id=DATASET)
    book.touch("s", title="mine")
    me = book.get("s").user_id
    key = Principal(user_id=me, role="writer", writes=frozenset([DATASET] if writes else []))
    assert book.acting(key).observe([root()]).refused == {}
    assert (book.get("s").calls, book.get("s").dataset_id) == (5, DATASET if writes else None)
    other = Principal(user_id="00000000-0000-4000-8000-0000000000ff", role="reader", reads=frozenset([DATASET]))
    assert [one.session_id for one in book.acting(other).list().sessions] == (["s"] if writes else [])
    assert book.verify().ok


def test_an_end_that_the_trace_stated_is_the_sessions(book: rollbook.Rollbook) -> None:
    end = End(user_id="", session_id="", status="failed", at=T + 9 * SECOND, decided_by="telemetry")
    hours_late(book, [[span(2, ABROAD, took=5, end=end)], [root()]])
    assert (book.get("s").status, book.get("s").decided_by) == ("failed", "telemetry")
    assert book.get("s").calls == 2


def test_a_session_that_was_deleted_takes_the_usage_and_no_contents(book: rollbook.Rollbook) -> None:
    book.touch("s")
    book.delete("s")
    hours_late(book, [early()])
    book.observe([root()])
    assert not book.list().sessions
    assert spent(book)[:2] == (5, 108)
    assert book.verify().ok


def test_a_trace_whose_own_session_was_deleted_stays_so(book: rollbook.Rollbook) -> None:
    hours_late(book, [early()])
    book.delete(OWN)
    hours_late(book, [[root()]])
    assert (book.get("s").calls, book.conversation("s")[0].content) == (1, "said 1")
    assert spent(book)[:2] == (5, 108)


@pytest.mark.parametrize("log_first", [True, False])
def test_r15_a_call_that_a_log_tells_as_well_is_one_when_its_span_gets_the_name(
    book: rollbook.Rollbook, *, log_first: bool
) -> None:
    """The log names its session, the span does not, and they have nothing in common but what the call took."""
    told = span(2, ABROAD, took=5)
    assert told.call is not None
    waits = replace(told, call=replace(told.call, alike=names.codex_alike("-", 5, 0, 0, 0)))
    log = replace(
        told.call, session_id="s", usage_id="codex:log:s", evidence=Evidence.LOG,
        alike=names.codex_alike("s", 5, 0, 0, 0),
    )  # fmt: skip
    hours_late(
        book, [[OpsTold(ops=(log,))], [waits], [root()]] if log_first else [[waits], [OpsTold(ops=(log,))], [root()]]
    )
    assert spent(book)[:2] == (2, 12)
    assert [(one.session_id, one.calls) for one in book.list().sessions] == [("s", 2)]
    assert book.verify().ok


def test_a_trace_of_very_many_calls_and_steps_is_moved_in_parts(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_MERGED_AT_ONCE", 2)
    book.observe([span(9)])
    book.observe([span(number, identity(9), took=1) for number in range(3, 8)])
    for begin in range(0, 1_500, 500):
        steps = tuple(one for number in range(begin, begin + 500) for one in step(number)[1:])
        book.observe([span(10 + begin, identity(9), took=1, steps=steps)])
    book.observe([span(2, identity(9), session="s")])
    assert [one.content for one in book.conversation("s")] == [f"said {number}" for number in range(1_500)]
    assert [(one.session_id, one.calls) for one in book.list().sessions] == [("s", 8)]
    assert book.verify().ok


def test_a_name_after_a_day_of_silence_is_for_what_comes_with_it(book: rollbook.Rollbook) -> None:
    """By then it is not remembered that there was such a trace."""
    hours_late(book, [early()])
    later(book, traces.KEPT_US)
    book._plans.write([ForgetNotes(before=book._plans.clock())])
    book.observe([root()])
    assert (book.get(OWN).calls, book.get("s").calls) == (4, 1)
