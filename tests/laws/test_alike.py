"""R15: calls that several doors report under no common id are told apart and joined by what they took."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.model import Evidence, Outcome

from .histories import often, well
from .test_order import Event, ended, reopened, used
from .tools import DAY, NOW, Clock, call, opened, snapshot, write

pytestmark = pytest.mark.usefixtures("engine")

DOORS: Final = {"log": Evidence.LOG, "span": Evidence.SPAN, "file": Evidence.TRANSCRIPT}
SIZES: Final = {"a": 10, "b": 25}
Told = tuple[str, str, int]  #: door, what was taken, which of those it is there


def told(door: str, like: str, nth: int) -> Event:
    """One report: every door has a name of its own for it."""
    return used(f"{door}:{like}:{nth}", nth, SIZES[like], alike=f"s:took:{like}", evidence=DOORS[door], cost_nano=None)


COUNTS: Final = st.dictionaries(
    st.tuples(st.sampled_from(sorted(DOORS)), st.sampled_from(sorted(SIZES))), st.integers(1, 4), min_size=1
)


@often(150)
@given(counts=COUNTS, data=st.data())
def test_r15_the_nth_of_one_door_is_the_nth_of_another_in_whatever_order_and_however_often(
    counts: dict[tuple[str, str], int], data: st.DataObject
) -> None:
    reports: list[Told] = [(door, like, nth) for (door, like), most in counts.items() for nth in range(most)]
    again = data.draw(st.lists(st.sampled_from(reports), max_size=6))
    order = data.draw(st.permutations(reports + again))
    cuts = data.draw(st.lists(st.integers(0, len(order)), max_size=3).map(sorted))
    with opened() as book:
        for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
            write(book, [told(*report)(book.user_id) for report in order[start:end]])
        expected = Counter({like: max(most for told, most in counts.items() if told[1] == like) for _, like in counts})
        session = book.get("s")
        assert session.calls == sum(expected.values())
        assert session.tokens_in == sum(SIZES[like] * many for like, many in expected.items())
        before = snapshot(book)
        write(book, [told(*report)(book.user_id) for report in reports])
        assert snapshot(book) == before
        well(book)


def test_r15_who_is_known_by_a_name_needs_no_place() -> None:
    """A span and a transcript share an id; the log shares none, and joins whichever is there."""
    with opened() as book:
        owner = book.user_id
        spanned = used("span", 1, 10, aliases=("id",), alike="s:took:a", evidence=Evidence.SPAN)
        filed = used("file", 2, 10, aliases=("id",), alike="s:took:a", evidence=Evidence.TRANSCRIPT)
        outcomes = [write(book, [event(owner)])[0] for event in (spanned, told("log", "a", 0), filed, spanned)]
        assert outcomes == [Outcome.COUNTED, Outcome.DUPLICATE, Outcome.AMENDED, Outcome.DUPLICATE]
        assert book.get("s").calls == 1
        well(book)


@often(60)
@given(data=st.data())
def test_r15_equal_calls_that_share_ids_keep_apart_in_whatever_order(data: st.DataObject) -> None:
    """Spans and transcripts share ids, and all of them took the same; in between, only some are known."""
    reports = [
        used(f"id:{nth}", nth, 10, alike="s:took:a", evidence=DOORS[door])
        for nth in range(3)
        for door in ("span", "file")
    ]
    order = data.draw(st.permutations(reports))
    with opened() as book:
        for event in (*order, *order[::-1]):
            write(book, [event(book.user_id)])
        assert book.get("s").calls == 3
        well(book)


@often(60)
@given(data=st.data())
def test_r15_what_a_transcript_joins_by_an_id_and_by_its_place_is_one_call(data: st.DataObject) -> None:
    """A span that says only an id, a log that says only what it took, and the transcript that knows both."""
    reports = [told("log", "a", nth) for nth in range(2)]
    for nth in range(2):
        named: dict[str, Any] = {"aliases": (f"id:{nth}",), "evidence": Evidence.SPAN}
        reports += [used(f"span:{nth}", nth, 10, **named)]
        reports += [used(f"file:{nth}", nth, 10, **named | {"alike": "s:took:a", "evidence": Evidence.TRANSCRIPT})]
    order = data.draw(st.permutations(reports))
    with opened() as book:
        for event in (*order, *order[::-1]):
            write(book, [event(book.user_id)])
        assert book.get("s").calls == 2
        well(book)


def test_r15_a_record_that_grows_keeps_its_place() -> None:
    """A first record may be a placeholder: what it took then is another's later."""
    with opened() as book:
        owner = book.user_id

        def filed(name: str, like: str, size: int) -> Event:
            return used(name, 1, size, alike=f"s:took:{like}", evidence=Evidence.TRANSCRIPT)

        write(book, [filed("one", "small", 5)(owner)])
        write(book, [filed("one", "large", 50)(owner), filed("two", "small", 5)(owner)])
        assert (book.get("s").calls, book.get("s").tokens_in) == (2, 55)
        write(book, [told("log", "a", 0)(owner)])
        assert book.get("s").calls == 3
        well(book)


def test_r12_what_was_pruned_is_too_old_for_every_door() -> None:
    old = NOW - 40 * DAY
    with opened(Clock()) as book:

        def of(name: str, evidence: Evidence) -> Outcome:
            return write(book, [call("s", name, old, 10, alike="s:took:a", evidence=evidence)])[0]  # type: ignore[no-any-return]

        assert of("log", Evidence.LOG) == Outcome.COUNTED
        assert book.prune(ledger="30d").ledger_rows == 1
        assert of("log", Evidence.LOG) == Outcome.TOO_OLD
        assert of("file", Evidence.TRANSCRIPT) == Outcome.TOO_OLD
        well(book)


def test_r3_a_place_is_kept_through_ends_and_reopenings() -> None:
    with opened() as book:
        owner = book.user_id
        story = [told("log", "a", 0), ended("completed", 0.5), told("log", "a", 1), told("file", "a", 0)]
        story += [reopened(0.75), told("file", "a", 1), told("span", "a", 1), told("span", "a", 0)]
        for event in story:
            write(book, [event(owner)])
        assert book.get("s").calls == 2
        well(book)
