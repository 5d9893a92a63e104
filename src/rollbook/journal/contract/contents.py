"""What is given is what is answered, byte for byte, and nobody's to change afterwards."""

from __future__ import annotations

from typing import Final

import pytest

from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Opener, Place, Session, new, raws
from rollbook.journal.steps import Append, Patch, Replace, SetState

_NESTED: Final = 400

BODIES: Final = {
    "empty object": b"{}",
    "empty array": b"[]",
    "empty text": b'""',
    "null": b"null",
    "true": b"true",
    "one": b"1",
    "one point": b"1.0",
    "minus zero": b"-0.0",
    "minus whole zero": b"-0",
    "exponent": b"1E+02",
    "beyond a double": b"1e400",
    "many digits": b"0.1000000000000000055511151231257827021181583404541015625",
    "beyond 64 bits": b"123456789012345678901234567890",
    "64 bits": b"[9223372036854775807,-9223372036854775808,18446744073709551615]",
    "line separators": '{"a":"\u2028\u2029\u0085"}'.encode(),
    "escaped line separators": rb'"\u2028\u2029"',
    "emoji": '"\U0001f469\u200d\U0001f680\U0001f1eb\U0001f1ee"'.encode(),
    "escaped emoji": rb'"\ud83d\ude00"',
    "escaped nul": rb'"a\u0000b"',
    "escapes": rb'"\"\\\/\b\f\n\r\t\u0001\u001f"',
    "needless escapes": rb'{"\u0061":"\u0062"}',
    "delete and c1": '"\u007f\u0080\u009f\ufeff"'.encode(),
    "not normal": '["e\u0301","\u00e9","\u212b"]'.encode(),
    "right to left": '"\u202eabc\u2066"'.encode(),
    "null field": b'{"a":null}',
    "order of keys": b'{"z":1,"a":2,"m":3,"A":4}',
    "a key twice": b'{"a":1,"a":2}',
    "empty key": b'{"":{"":[]}}',
    "white space": b' {\t"a" :\n[ 1 ,\r\n 2 ]\n } \n',
    "nested": b"[" * _NESTED + b"]" * _NESTED,
    "like our own": b'{"entry_id":"x","body":{"session_id":"y"},"$":1,"%s":"{}"}',
}


class Contents(Place):
    """Fidelity, and value semantics."""

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_body_is_kept_byte_for_byte(self, journals: Journals, body: bytes) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", body), new("b", b"1"))))
        assert session.bodies() == {"a": body, "b": b"1"}

    def test_another_body_is_kept_byte_for_byte(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, tuple(new(name) for name in BODIES)))
        session.make(*(Replace(QA, name, body) for name, body in BODIES.items()))
        assert session.bodies() == BODIES

    def test_values_of_the_state_are_kept_byte_for_byte(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({**BODIES})))
        assert session.state() == BODIES

    def test_bodies_are_there_when_it_is_opened_again(self, journals: Journals, opener: Opener) -> None:
        if not self.opens_twice:
            pytest.skip("nothing outlives the place")
        session = Session(journals)
        session.make(Append(QA, tuple(new(name, body) for name, body in BODIES.items())), SetState(raws({**BODIES})))
        again = opener()
        try:
            assert Session(again).bodies() == BODIES
            assert Session(again).state() == BODIES
        finally:
            again.close()

    def test_a_large_body(self, journals: Journals) -> None:
        session = Session(journals)
        body = b'"' + "\u00e9\U0001f600".encode() * ((self.largest_body - 2) // 6) + b'"'
        session.make(Append(QA, (new("a"), new("b", body), new("c"))))
        assert session.bodies() == {"a": b"{}", "b": body, "c": b"{}"}

    def test_what_was_given_may_be_changed_afterwards(self, journals: Journals) -> None:
        session = Session(journals)
        values, fields = raws({"k": b"1"}), raws({"f": b"2"})
        session.make(Append(QA, (new("a"),)), SetState(values))
        session.make(Patch(QA, "a", {key: value for key, value in fields.items() if value is not None}))
        values.clear()
        fields.clear()
        assert (session.state(), session.bodies()) == ({"k": b"1"}, {"a": b'{"f":2}'})

    def test_what_was_answered_may_be_changed(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.make(SetState(raws({"k": b"1"})))
        before = session.everything()
        with journals.read(session.user, session.name) as (peek, who):
            found = peek.below(QA, 1 << 60, 10) + peek.find(QA, "a")
            for line in found:
                line.body, line.entry_id, line.parent, line.position = b"9", "z", 0, 99
            found.clear()
            heads = [peek.head(who, QA, "main"), *peek.heads(QA), *peek.heads_of(who)]
            assert len(heads) == 3
            for head in heads:
                assert head is not None
                head.tip, head.length, head.revision = 0, 0, 0
            peek.state(who).clear()
        assert session.everything() == before
        session.append("c")
        assert session.names() == ["a", "b", "c"]
