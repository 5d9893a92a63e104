"""Bad input gives one clear typed error, and the book is as before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import Conflict, InvalidInput, NotFound, RollbookError
from rollbook.model import NANO, Tokens, from_micros
from rollbook.rules import checks

from .bad_input import Bad, calls, questions, sessions, upserts
from .tools import NOW, call, everything, opened, sound, touch

pytestmark = pytest.mark.usefixtures("engine")


def _filled(book: rollbook.Rollbook) -> None:
    book.touch("s", agent="x", title="t", metadata={"a": 1}, tags=["t"])
    book.record_usage("s", usage_id="u", tokens_in=5, cost_usd=1, model="m")
    book.record_usage("s", usage_id="v", tokens_in=5, model="m")
    book.end("s", "completed", reason="done")
    book.touch("other", parent="s")


def _name(bad: Bad) -> str:
    method, arguments, _ = bad
    ((name, value),) = list(arguments.items())[:1]
    # Not repr() of the value: some cannot be written.
    shown = (
        ascii(value)[:24]
        if isinstance(value, str) or (isinstance(value, int) and abs(value) < 2**70)
        else type(value).__name__
    )
    return f"{method}-{name}-{shown}"


def _refused(asked: Callable[[], Any], error: type[RollbookError], match: str) -> None:
    """It is refused by that very error, in one line that can be read."""
    with pytest.raises(error, match=match) as caught:
        asked()
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message


_ALL: Final = [*calls(), *sessions(), *upserts(), *questions()]
_NEEDS_ID: Final = ("touch", "end", "reopen", "mark_unknown", "record_usage", "get", "usage", "delete", "children")


@pytest.fixture(scope="module")
def filled(engine: str) -> Iterator[rollbook.Rollbook]:
    """A book with something in it, which no test changes: that is what they are about."""
    with opened() as book:
        _filled(book)
        yield book


@pytest.mark.parametrize("bad", _ALL, ids=[f"{number}-{_name(bad)}" for number, bad in enumerate(_ALL)])
def test_bad_input_is_refused_and_changes_nothing(filled: rollbook.Rollbook, bad: Bad) -> None:
    method, arguments, match = bad
    before = everything(filled)
    assert before
    arguments = {"session_id": "s", **arguments} if method in _NEEDS_ID else arguments
    _refused(lambda: getattr(filled, method)(**arguments), InvalidInput, match)
    assert everything(filled) == before
    sound(filled)


_RECORDS: Final = [arguments for method, arguments, _ in _ALL if method == "record_usage"]


def test_r13_a_bad_item_fails_alone() -> None:
    """One refused item among good ones, for each way in which an item can be bad; all in one call."""
    with opened() as book:
        bad: list[Any] = [{"session_id": "s", **arguments} for arguments in _RECORDS]
        bad += [5, None, "text", {}, {"tokens_in": 5}, {"session_id": "s", "colour": "red"}, {"session_id": "s", 5: 5}]
        good = [{"session_id": "s", "usage_id": f"good {number}", "tokens_in": 1} for number in range(len(bad) + 1)]
        items = [item for pair in zip(good, bad, strict=False) for item in pair] + good[-1:]
        answers = book.record_many(items)
        assert answers[::2] == ["counted"] * len(good)
        assert [answer for answer in answers[1::2] if not isinstance(answer, InvalidInput)] == []
        assert book.get("s").calls == book.get("s").tokens_in == len(good)
        sound(book)


def test_r13_each_bad_item_fails_alone() -> None:
    with opened() as book:
        for number, bad in enumerate(_RECORDS):
            one, refused, other = book.record_many(
                [
                    {"session_id": f"s{number}", "tokens_in": 1},
                    {"session_id": f"s{number}", **bad},
                    {"session_id": f"s{number}", "tokens_in": 2},
                ]
            )
            assert (one, other) == ("counted", "counted"), ascii(bad)
            assert isinstance(refused, InvalidInput), ascii(bad)
            assert book.get(f"s{number}").tokens_in == 3, ascii(bad)


def test_r13_what_a_door_hands_over_is_checked_item_by_item() -> None:
    with opened() as book:
        _filled(book)
        before = everything(book)
        bad: list[Any] = [
            touch("", NOW), touch("a\nb", NOW), touch("t", 5), touch("t", 2**62), touch("t", NOW, turns=-1),
            touch("t", NOW, kind="batch"), touch("t", NOW, title="\x00"), touch("t", NOW, parent_id="t"),
            call("", "u9", NOW), call("t", "", NOW), call("t", "u9", NOW, -1), call("t", "u9", NOW, 10**13),
            call("t", "u9", NOW, cost_nano=-1), call("t", "u9", NOW, cost_nano=10**16),
            call("t", "u9", NOW, billing="x"), call("t", "u9", NOW, cost_source="x"),
            call("t", "u9", 0), call("t", "u9", NOW, model="\x00"),
        ]  # fmt: skip
        answers = book.ingest(bad)
        assert [place for place, answer in enumerate(answers) if not isinstance(answer, InvalidInput)] == []
        assert everything(book) == before
        assert book.ingest([bad[0], touch("fine", NOW), bad[-1], call("fine", "u9", NOW)])[1::2] == [None, "counted"]
        sound(book)


def test_bad_input_the_errors_of_sessions_that_are_not_there() -> None:
    with opened() as book:
        _filled(book)
        before = everything(book)
        for method in ("get", "usage", "children", "inclusive", "reopen", "mark_unknown"):
            _refused(lambda method=method: getattr(book, method)("nobody"), NotFound, "no session 'nobody'")  # type: ignore[misc]
        _refused(lambda: book.end("nobody", "failed"), NotFound, "no session 'nobody'")
        assert book.delete("nobody") is False
        assert everything(book) == before


@pytest.mark.parametrize("at", [None, NOW, NOW + 3600 * 10**6])
def test_r2_a_refused_end_changes_nothing_that_is_shown(at: int | None) -> None:
    with opened() as book:
        _filled(book)
        before = everything(book)
        given: dict[str, Any] = {} if at is None else {"at": from_micros(at)}
        _refused(lambda: book.end("s", "failed", reason="no", **given), Conflict, "completed")
        after = everything(book)
        assert after[book.user_id] == before[book.user_id]
        sound(book)


# Not refused: the edges that are still good


@pytest.mark.parametrize(
    ("cost", "nano"),
    [
        (0, 0), (0.1, NANO // 10), ("0.000000001", 1), (Decimal("0.0000000005"), 0), (Decimal("0.0000000015"), 2),
        ("25e-10", 2), (10**6, 10**15), ("1e-400", 0), (-0.0, 0),
    ],
)  # fmt: skip
def test_r14_a_cost_is_rounded_half_even_once(cost: Any, nano: int) -> None:
    with opened() as book:
        book.record_usage("s", cost_usd=cost)
        found = book.get("s")
        assert (found.cost_nano_usd, found.unpriced_calls) == (nano, 0)


def test_bad_input_the_largest_good_values_are_taken() -> None:
    with opened() as book:
        name = "é" * 256
        book.touch(
            name, title="x" * 1024, goal_text="y" * 65536, tags=[str(number) for number in range(64)], agent="a" * 256
        )
        most = dict.fromkeys(Tokens.__struct_fields__, checks.MAX_TOKENS)
        for number in range(3):
            book.record_usage(name, usage_id=f"{number}" * 512, tokens=most, cost_usd=10**6, model="m" * 256)
        found = book.get(name)
        assert (found.tokens_in, found.tokens_out) == (15 * checks.MAX_TOKENS, 9 * checks.MAX_TOKENS)
        assert found.cost_nano_usd == 3 * 10**15
        sound(book)


def test_bad_input_the_same_letters_are_the_same_name() -> None:
    with opened() as book:
        book.touch("e\u0301")
        assert book.get("\u00e9").session_id == "\u00e9"
        assert book.record_usage("s", usage_id="e\u0301") == "counted"
        assert book.record_usage("s", usage_id="\u00e9") == "duplicate"


@pytest.mark.parametrize("counter", ["tokens_in", "tokens_out", "cost_nano_usd"])
def test_r16_sums_of_the_largest_counters_stay_whole_numbers(counter: str) -> None:
    """Sums over sessions must not leave 64 bits either: the one that would is refused, or all stay exact."""
    with opened() as book:
        taken = 0
        for number, value in enumerate((2**62, 2**62 - 1, 2**62, 1)):
            try:
                book.upsert({"session_id": f"s{number}", counter: value})
            except InvalidInput:
                continue
            taken += value
        sums = book.stats(since="all")
        total = {"tokens_in": sums.tokens_in, "tokens_out": sums.tokens_out, "cost_nano_usd": sums.total_spend_nano_usd}
        assert isinstance(total[counter], int)
        assert total[counter] == taken
        assert sum(getattr(line, counter) for line in book.cost_by_model(since="all")) == taken
        assert getattr(book.spend(by="day", since="all").total, counter) == taken
        sound(book)


def test_r16_an_adjustment_is_weighed_again_when_an_earlier_end_arrives() -> None:
    minute = 60 * 10**6
    with opened() as book:
        book.touch("s", at=from_micros(NOW - 9 * minute))
        book.end("s", "completed", at=from_micros(NOW - minute))
        book.upsert({"session_id": "s", "tokens_in": 5, "last_activity_at": from_micros(NOW - 5 * minute)})
        book.end("s", "completed", at=from_micros(NOW - 3 * minute))
        sound(book)


def test_r1_a_session_that_was_read_can_be_given_back() -> None:
    with opened() as book:
        _filled(book)
        before = everything(book)
        for one in book.list().sessions:
            book.upsert(one)
        after = everything(book)
        assert after[book.user_id] == before[book.user_id]
        assert after["every_ledger_row"] == before["every_ledger_row"]
        sound(book)


def test_r1_facts_of_a_door_are_checked_as_everybodys() -> None:
    with opened() as book:
        (answer,) = book.ingest([touch("s", NOW, metadata="not json")])
        assert isinstance(answer, InvalidInput)
        assert book.list().total == 0
