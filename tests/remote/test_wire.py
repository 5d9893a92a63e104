"""The form in which operations are pushed: nothing is lost on the way, and nothing is believed that is not to be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rollbook
from rollbook.book import Rollbook
from rollbook.errors import Conflict, InvalidInput, RollbookError, TooLarge
from rollbook.importers.content import jot
from rollbook.journal.steps import Appended, Done, New, Step
from rollbook.ledger.ops import Beat, Call, Delete, End, Facts, Jot, Leave, Mark, Reopen, SourceFile, Touch
from rollbook.model import Outcome, Tokens
from rollbook.remote import wire
from rollbook.rules.liveness import Known

ADA = "6f1d6ad0-5a4f-5d0e-9c8e-2b1f0a7c3d11"
EVE = "00000000-0000-5000-8000-00000000000e"
AT = 1_790_000_000_000_000

OPS: list[Any] = [
    Touch(user_id=EVE, session_id="s", at=AT, facts=Facts(agent="a", title="é", tags=("x",), metadata="{}"), turns=2),
    Touch(user_id=EVE, session_id="s", at=AT, flagged=True, loose=True),
    Call(user_id=EVE, session_id="s", usage_id="u", occurred_at=AT, tokens=Tokens(input=1, reasoning=7), model="m",
         provider="p", aliases=("a", "b"), cost_nano=5, cost_source="reported", billing="api", tier="batch",
         source="x", evidence=40, errored=True, weight=3, timed=False, flagged=True),
    End(user_id=EVE, session_id="s", status="failed", at=AT, reason="r", decided_by="hook", soft=True, create=False),
    Reopen(user_id=EVE, session_id="s", at=AT, flagged=True),
    Mark(user_id=EVE, session_id="s", at=AT, reason="r", decided_by="importer"),
    Beat(instance_id="i", known=Known("h", "b", "n", 7, "9", 0)),
    Leave(instance_id="i"),
    jot(EVE, "s", AT, [("trace", [New("e", b'{"a": 1}', AT, failed=True)]), ("messages", [New("f", b"[]", AT)])]),
]  # fmt: skip


def request(*items: bytes, files: list[SourceFile] | None = None) -> bytes:
    return wire.body(items, files or [])


def sent(*ops: Any) -> list[Any]:
    return list(wire.decode(request(*map(wire.item, ops)), user_id=ADA, user_name="ada").items)


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_what_is_sent_arrives(op: Any) -> None:
    (found,) = sent(op)
    assert type(found) is type(op)
    of_others = {"user_id", "user_name", "step", "instance", "instance_id"}
    for name in set(op.__struct_fields__) - of_others:
        assert getattr(found, name) == getattr(op, name), name
    if isinstance(op, Jot):
        assert found.step == Step(ADA, "s", AT, op.step.changes)


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
def test_r15_whose_it_is_is_not_for_the_sender_to_say(op: Any) -> None:
    text = wire.item(op)
    assert EVE.encode() not in text
    word, fields = json.loads(text)
    forged = json.dumps([word, {**fields, "user_id": EVE, "user_name": "eve", "fresh": True}]).encode()
    (found,) = wire.decode(request(forged), user_id=ADA, user_name="ada").items
    assert getattr(found, "user_id", ADA) == ADA
    assert getattr(found, "user_name", "ada") in ("ada", None)
    assert not getattr(found, "fresh", False)


def test_nobody_speaks_for_another_users_processes() -> None:
    ops = [OPS[6], OPS[7], Touch(user_id="", session_id="s", at=AT, instance="i"),
           End(user_id="", session_id="s", at=AT, status="completed", instance="i")]  # fmt: skip
    body = request(*map(wire.item, ops))
    names = {}
    for user in (ADA, EVE):
        found: list[Any] = wire.decode(body, user_id=user).items
        names[user] = {found[0].instance_id, found[1].instance_id, found[2].instance, found[3].instance}
        assert len(names[user]) == 1
    assert not names[ADA] & names[EVE]
    assert "i" not in names[ADA]


HUGE = b"1" + b"0" * 400
CALL = b'["call",{"session_id":"s","usage_id":"u","occurred_at":1790000000000000,'
ENTRY = b'["entries",{"session_id":"s","at":1790000000000000,"streams":[["x",[{"id":"x","body":'
BAD = [
    b"7", b"[]", b'["touch"]', b'["touch",{}]', b'["touch",{"session_id":7,"at":1}]', b'["delete",{"session_id":"s"}]',
    b'["call",{"session_id":"s","usage_id":"u","occurred_at":1.5,"tokens":{}}]', b'["entries",{"session_id":"s"}]',
    b'["call",{"session_id":"s","usage_id":"u","occurred_at":1,"tokens":{"input":-1}}]',
    b'["touch",{"session_id":"s","at":99999999999999999999999}]', b'["touch",{"session_id":"\xff","at":1}]',
    b'["end",{"session_id":"s","at":1790000000000000,"status":"running"}]',
    b'["touch",{"session_id":"s","at":' + HUGE + b"}]",
    b'["touch",{"session_id":"s","at":1790000000000000,"turns":' + HUGE + b"}]",
    CALL + b'"tokens":{"input":' + HUGE + b"}}]",
    CALL + b'"tokens":{},"weight":9223372036854775808}]',
    CALL + b'"tokens":{},"evidence":41}]',
    CALL + b'"tokens":{},"source":"' + b"x" * 999 + b'"}]',
    b'["mark",{"session_id":"s","at":1790000000000000,"decided_by":"a\\u0000b"}]',
    ENTRY + b'"1","at":' + HUGE + b"}]]]}]",
    ENTRY + b'"' + b"[" * 9_999 + b"]" * 9_999 + b'","at":1790000000000000}]]]}]',
    ENTRY + b'"{","at":1790000000000000}]]]}]',
    ENTRY + b'"","at":1790000000000000}]]]}]',
    ENTRY + b'{},"at":1790000000000000}]]]}]',
    b'["beat",{"instance_id":"i","known":["h","b","n",-7,"9",0]}]',
    b'["entries",{"session_id":"s","at":1790000000000000,"streams":[["trace",[{"id":"\\u0000","body":"1","at":1790000000000000}]]]}]',
]  # fmt: skip


@pytest.mark.parametrize("item", BAD, ids=lambda it: repr(it[:60]))
def test_one_bad_item_is_refused_alone(item: bytes, tmp_path: Any) -> None:
    good = wire.item(OPS[0])
    raw = b'{"version":1,"items":[' + b",".join((good, item, good)) + b"]}"
    with rollbook.open(tmp_path / "book.db") as book:
        try:
            pushed = wire.decode(raw, user_id=book.user_id)
        except InvalidInput:
            assert b"\xff" in item  # no text at all: then it is no request
            return
        answers = wire.answers_told(wire.answered(pushed, book.ingest(pushed.taken)))
        assert [isinstance(answer, RollbookError) for answer in answers] == [False, True, False]
        assert book.get("s").title == "é"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"version":"1"}',
        b'{"version":2}',
        b'{"version":1,"items":{}}',
        b"\xff",
        b"[" * 99_999,
    ],
    ids=lambda it: repr(it[:20]),
)
def test_what_is_no_request(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        wire.decode(text, user_id=ADA)
    with pytest.raises(InvalidInput):
        wire.decode_wanted(text)


def test_too_much() -> None:
    item = wire.item(OPS[0])
    with pytest.raises(TooLarge):
        wire.decode(request(*[item] * (wire.ITEMS_MOST + 1)), user_id=ADA)
    with pytest.raises(TooLarge):
        wire.decode_wanted(wire.wanted("x@y", [("p", 1, 1)] * (wire.FILES_MOST + 1)))
    with pytest.raises(TooLarge):
        wire.decode(request(files=[FILE] * (wire.FILES_MOST + 1)), user_id=ADA)


FILE = SourceFile(
    source="claude-code@m", path="p", device=1, inode=2, size=3, offset=4, head_hash="h", mtime_ns=5, state=b"\0state"
)


@pytest.mark.parametrize(
    "bad",
    [{"source": "claude-code"}, {"source": "x@" + "y" * 200}, {"path": "p" * 5_000}, {"head_hash": "\n"},
     {"device": 2**63}, {"state": b"x" * ((1 << 20) + 1)}],
    ids=lambda it: next(iter(it)),
)  # fmt: skip
def test_progress(bad: dict[str, Any]) -> None:
    import msgspec  # noqa: PLC0415

    (found,) = wire.decode(request(files=[FILE]), user_id=ADA).files
    assert found == FILE
    with pytest.raises(InvalidInput):
        wire.decode(request(files=[msgspec.structs.replace(FILE, **bad)]), user_id=ADA)


def test_what_is_asked_and_told_of_progress() -> None:
    assert wire.decode_wanted(wire.wanted("x@y", [("p", 1, 2)])) == ("x@y", [("p", 1, 2)])
    assert wire.files_told(wire.files_answered({"p": FILE})) == [FILE]
    with pytest.raises(InvalidInput):
        wire.decode_wanted(wire.wanted("x", []))
    with pytest.raises(InvalidInput):
        wire.decode_wanted(wire.wanted("x@y", [("p", 2**63, 2)]))


def test_answers() -> None:
    answers: list[Any] = [
        Outcome.COUNTED, None, Conflict("no"), Done((Appended(2, (), 3, 0), Appended(1, (), 1, 0)), {}), Outcome.LATE,
    ]  # fmt: skip
    pushed = wire.Pushed([OPS[2], OPS[0], OPS[3], OPS[8], OPS[2]], [])
    found: list[Any] = wire.answers_told(wire.answered(pushed, answers))
    assert (found[0], found[1], found[4]) == (Outcome.COUNTED, None, Outcome.LATE)
    assert isinstance(found[2], Conflict)
    assert str(found[2]) == "no"
    assert found[3].answers[0].added == 3
    with pytest.raises(InvalidInput):
        wire.answers_told(b"<html>")
    (strange,) = wire.answers_told(b'{"answers":[{"error":"SystemExit","message":"x"}]}')
    assert type(strange) is RollbookError


def test_other_versions_are_understood() -> None:
    """Fields that are not known are passed over, those that are missing have their defaults."""
    text = (
        b'["touch",{"session_id":"s","at":1790000000000000,"from_the_future":[1],"facts":{"agent":"a","mood":"good"}}]'
    )
    (found,) = wire.decode(request(text), user_id=ADA).items
    assert found == Touch(user_id=ADA, session_id="s", at=AT, facts=Facts(agent="a"))


def test_r14_the_servers_prices_are_in_force(tmp_path: Any) -> None:
    with rollbook.open(tmp_path / "book.db") as book:

        def priced(**more: Any) -> Any:
            call = Call(user_id="", session_id="s", usage_id="u", occurred_at=AT, tokens=Tokens(input=1000), **more)
            return wire.decode(request(wire.item(call)), user_id=ADA, prices=book.prices).items[0]

        known = priced(model="claude-opus-4-5", cost_source="computed", cost_nano=1, price_version="mine")
        assert known.cost_nano > 1
        assert known.price_version != "mine"
        assert priced(model="nobody-knows-it", cost_source="computed", cost_nano=1).cost_source == "unpriced"
        assert priced(model="claude-opus-4-5").cost_source == "computed"
        assert priced(model="claude-opus-4-5", cost_source="reported", cost_nano=1).cost_nano == 1


def test_what_is_not_pushed() -> None:
    with pytest.raises(InvalidInput):
        wire.item(Delete(user_id=ADA, session_id="s"))


def test_all_that_importers_say_is_pushed(there: Rollbook) -> None:
    """A field that is added to an operation is pushed with it."""
    for word, (kind, form) in wire._KINDS.items():
        if word != "entries":
            left_out = set(kind.__struct_fields__) - set(form.__struct_fields__)
            assert left_out <= {"user_id", "user_name", "fresh"}


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.sampled_from([AT, "s", "failed"]),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
NAMES = sorted({name for _, form in wire._KINDS.values() for name in form.__struct_fields__})
ITEMS = st.tuples(
    st.sampled_from(sorted(wire._KINDS)),
    st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda fields: {"session_id": "s", "at": AT, **fields}),
)


@given(st.lists(ITEMS, max_size=5))
def test_whatever_is_pushed_is_taken_or_refused(items: list[Any]) -> None:
    raw = json.dumps({"version": 1, "items": items}).encode()
    with rollbook.open("sqlite:///:memory:") as book:
        try:
            pushed = wire.decode(raw, user_id=book.user_id, prices=book.prices)
        except InvalidInput:
            assert b"NaN" in raw or b"Infinity" in raw or b"\\ud" in raw
            return
        assert len(wire.answers_told(wire.answered(pushed, book.ingest(pushed.taken)))) == len(items)
        assert book.verify().ok
