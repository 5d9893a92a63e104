"""R4, R7: what a list shows is what one would pick out of all sessions by hand, page by page."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import InvalidInput
from rollbook.ledger import lists
from rollbook.ledger.lists import SORTS
from rollbook.ledger.ops import End, Op
from rollbook.model import MICROS, Status, from_micros, to_micros
from rollbook.rules.life import STATUS_CODES, effective_status

from .tools import HOUR, MINUTE, NOW, Clock, call, opened, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

ABANDON_AFTER: Final = 1800 * MICROS
EVERY: Final = [str(status) for status in Status]
DATASET: Final = "00000000-0000-0000-0000-0000000000d1"


def _history(chance: random.Random, owner: str, count: int) -> list[Op]:
    """Sessions of every status, with ties in every column and some just at the edge of being abandoned."""
    ops: list[Op] = []
    ages = [0, MINUTE, ABANDON_AFTER - 1, ABANDON_AFTER, ABANDON_AFTER + 1, HOUR, HOUR, 2 * HOUR + 1, 30 * HOUR]
    for number in range(count):
        name, last = f"s{number:03d}", NOW - chance.choice(ages)
        ops.append(
            touch(
                name, last - chance.choice([0, HOUR]), owner,
                agent=chance.choice([None, "x", "y"]), kind=chance.choice([None, "acp"]),
                channel=chance.choice([None, "cli", "web"]), project=chance.choice([None, "p%", "p_"]),
                dataset_id=chance.choice([None, DATASET]), tags=chance.choice([None, ("t",), ("t", "u")]),
                title=chance.choice([None, "100% of IT", "a_b", "quote ' \\ here"]),
                goal_text=chance.choice([None, "Win"]),
            )
        )  # fmt: skip
        ops.append(touch(name, last, owner))
        for index in range(chance.choice([0, 0, 1, 2])):
            cost = chance.choice([None, 0, 5, 9])
            model = chance.choice([None, "m1", "m2"])
            ops.append(
                call(name, f"{name} {index}", last, chance.choice([0, 3, 7]), owner, cost_nano=cost, model=model)
            )
        status = chance.choice([None, None, "completed", "failed", "cancelled"])
        if status:
            ops.append(End(user_id=owner, session_id=name, status=status, at=last + chance.choice([0, MINUTE])))
    return ops


@pytest.fixture(scope="module")
def book(engine: str) -> Iterator[rollbook.Rollbook]:
    with opened(Clock(NOW), all_users=True) as one:
        chance = random.Random(7)
        for number in range(2):
            write(one, _history(chance, user(number), 90))
        for number in (3, 5, 8):
            one.mark_unknown(f"s{number:03d}", user_id=user(0))
        for number in (7, 9):
            one.delete(f"s{number:03d}", user_id=user(1))
        _KNOWN[:] = [found for number in range(2) for found in _of(one, user(number), 90)]
        yield one


_KNOWN: Final[list[rollbook.Session]] = []  #: every session of the one book, as it is now


def _all(owner: str | None = None) -> list[rollbook.Session]:
    """Every session of the one book in the order of its key: that in which users and their sessions were made."""
    return [one for one in _KNOWN if owner in (None, one.user_id)]


def _of(book: rollbook.Rollbook, owner: str, count: int) -> list[rollbook.Session]:
    names = (f"s{number:03d}" for number in range(count))
    found = []
    for name in names:
        try:
            found.append(book.get(name, owner=owner))
        except rollbook.NotFound:
            continue
    return found


STATES: Final = ("completed", "cancelled", "abandoned", "unknown", "failed", "running")


def _ordered(sessions: list[rollbook.Session], order_by: str, *, ascending: bool) -> list[tuple[str, str]]:
    """By the column, nulls last, ties by key; the key goes the way the column goes. States by activity, too."""

    def value(one: rollbook.Session) -> Any:
        if order_by == "effective_status":
            return STATES.index(one.effective_status), one.last_activity_at
        return getattr(one, order_by)

    keyed = [(value(one), place, (one.user_id, one.session_id)) for place, one in enumerate(sessions)]
    known = sorted((item for item in keyed if item[0] is not None), reverse=not ascending)
    nulls = sorted((item[1:] for item in keyed if item[0] is None), reverse=not ascending)
    return [item[2] for item in known] + [item[1] for item in nulls]


def _pages(book: rollbook.Rollbook, limit: int, **asked: Any) -> list[tuple[str, str]]:
    """The keys of a list, followed by cursor. Every page says how many there are, and shows what was asked for."""
    totals: set[int] = set()
    found: list[tuple[str, str]] = []
    cursor = None
    while True:
        page = book.list(limit=limit, cursor=cursor, **asked)
        assert len(page.sessions) <= limit
        assert page.total_exact
        assert all(asked.get("status") in (None, one.effective_status) for one in page.sessions)
        totals.add(page.total)
        found += [(one.user_id, one.session_id) for one in page.sessions]
        assert page.has_more == (page.next_cursor is not None)
        if page.next_cursor is None:
            assert totals == {len(found)}
            return found
        assert len(page.sessions) == limit
        cursor = page.next_cursor


@pytest.mark.parametrize("owner", [user(0), user(1), user(9), None])
def test_r4_the_fragment_and_the_function_say_the_same(book: rollbook.Rollbook, owner: str | None) -> None:
    clock = book._plans.clock
    assert isinstance(clock, Clock)
    try:
        for now in (NOW, NOW + 1, NOW - 1, NOW + ABANDON_AFTER, NOW + ABANDON_AFTER + 1, NOW + 30 * HOUR):
            clock.now = now
            union: list[tuple[str, str]] = []
            stored = _all(owner)
            for status in EVERY:
                expected = [
                    (one.user_id, one.session_id)
                    for one in stored
                    if effective_status(STATUS_CODES[one.status], to_micros(one.last_activity_at), now, ABANDON_AFTER)
                    == status
                ]
                found = _pages(book, 13, status=status, user_id=owner)
                assert sorted(found) == sorted(expected), status
                union += found
            assert sorted(union) == sorted((one.user_id, one.session_id) for one in _all(owner))
    finally:
        clock.now = NOW


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("order_by", SORTS)
def test_r7_every_order_by_cursor_and_by_offset(book: rollbook.Rollbook, order_by: str, ascending: bool) -> None:
    for asked, sessions in (
        ({"user_id": user(0)}, _all(user(0))),
        ({}, _all()),
        ({"status": "completed"}, [one for one in _all() if one.status == "completed"]),
        ({"status": "abandoned", "user_id": user(1)}, [
            one for one in _all(user(1)) if one.effective_status == "abandoned"
        ]),
        ({"agent": "x", "tag": "t"}, [one for one in _all() if one.agent == "x" and "t" in one.tags]),
    ):  # fmt: skip
        expected = _ordered(sessions, order_by, ascending=ascending)
        named: dict[str, Any] = {"order_by": order_by, "ascending": ascending, **asked}
        for limit in (1 if len(expected) < 50 else 11, 7, 500):
            assert _pages(book, limit, **named) == expected, (asked, limit)
        by_offset = [
            (one.user_id, one.session_id)
            for offset in range(0, len(expected), 20)
            for one in book.list(limit=20, offset=offset, **named).sessions
        ]
        assert by_offset == expected


_PICKS: Final[dict[str, tuple[dict[str, Any], Any]]] = {
    "kind": ({"kind": "acp"}, lambda one: one.kind == "acp"),
    "the kind that is not said": ({"kind": "interactive"}, lambda one: one.kind == "interactive"),
    "channel": ({"channel": "cli"}, lambda one: one.channel == "cli"),
    "agent": ({"agent": "x"}, lambda one: one.agent == "x"),
    "agent nobody has": ({"agent": "z"}, lambda _: False),
    "project with a sign": ({"project": "p%"}, lambda one: one.project == "p%"),
    "dataset": ({"dataset_id": DATASET}, lambda one: one.dataset_id == DATASET),
    "tag": ({"tag": "u"}, lambda one: "u" in one.tags),
    "text in a title": ({"text": "of it"}, lambda one: "of IT" in (one.title or "")),
    "text with a percent sign": ({"text": "0%"}, lambda one: "0%" in (one.title or "")),
    "text with an underscore": ({"text": "a_b"}, lambda one: one.title == "a_b"),
    "text with a backslash": ({"text": "\\"}, lambda one: "\\" in (one.title or "")),
    "text with a quote": ({"text": "'"}, lambda one: "'" in (one.title or "")),
    "text in a goal": ({"text": "win"}, lambda one: one.goal_text == "Win"),
    "text in an id": ({"text": "s01"}, lambda one: "s01" in one.session_id),
    "all at once": (
        {"agent": "y", "channel": "web", "tag": "t", "kind": "acp", "project": "p_"},
        lambda one: (one.agent, one.channel, one.kind, one.project) == ("y", "web", "acp", "p_") and "t" in one.tags,
    ),
}


@pytest.mark.parametrize("owner", [user(0), None])
@pytest.mark.parametrize(("asked", "fits"), _PICKS.values(), ids=list(_PICKS))
def test_r7_every_filter_picks_what_fits(
    book: rollbook.Rollbook, asked: dict[str, Any], fits: Any, owner: str | None
) -> None:
    for status in (None, "running", "abandoned", "failed"):
        expected = [
            (one.user_id, one.session_id) for one in _all(owner) if fits(one) and status in (None, one.effective_status)
        ]
        assert sorted(_pages(book, 9, status=status, user_id=owner, **asked)) == sorted(expected)


@pytest.mark.parametrize("model", ["m1", "m2", "unknown", "no such model"])
def test_r7_a_model_is_any_that_the_session_used(book: rollbook.Rollbook, model: str) -> None:
    expected = [
        (one.user_id, one.session_id)
        for one in _all()
        if any(
            (row.model or "unknown") == model and not row.late
            for row in book.usage(one.session_id, user_id=one.user_id)
            if row.tokens_in or row.calls
        )
    ]
    assert sorted(_pages(book, 10, model=model)) == sorted(expected)


def test_r7_since_is_exact_to_the_microsecond(book: rollbook.Rollbook) -> None:
    times = {to_micros(one.last_activity_at) for one in _all()}
    hour = NOW // HOUR * HOUR
    edges = {at + step for at in times for step in (-1, 0, 1)} | {
        hour,
        hour - 1,
        hour + HOUR // 2,
        hour - HOUR // 2 - 1,
    }
    for since in sorted(edges):
        for owner in (user(0), None):
            for status in (None, "running", "abandoned"):
                expected = [
                    (one.user_id, one.session_id)
                    for one in _all()
                    if to_micros(one.last_activity_at) >= since
                    and owner in (None, one.user_id)
                    and status in (None, one.effective_status)
                ]
                page = book.list(since=from_micros(since), status=status, user_id=owner, limit=500)
                assert sorted((one.user_id, one.session_id) for one in page.sessions) == sorted(expected)
                assert page.total == len(expected)


# Pages while the book changes


@pytest.fixture(scope="module")
def busy(engine: str) -> Iterator[tuple[rollbook.Rollbook, list[rollbook.Session]]]:
    """A book for users who share nothing, one for each order, and the sessions that each of them begins with."""
    del engine  # which says where it is
    with opened(Clock(NOW), all_users=True) as book:
        write(book, _history(random.Random(3), user(99), 60))
        yield book, _of(book, user(99), 60)


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("order_by", SORTS)
def test_r7_what_did_not_change_is_neither_repeated_nor_skipped(
    busy: tuple[rollbook.Rollbook, list[rollbook.Session]], order_by: str, ascending: bool
) -> None:
    (book, sessions), chance, owner = busy, random.Random(3), user(100 + 2 * SORTS.index(order_by) + ascending)
    clock = book._plans.clock
    assert isinstance(clock, Clock)
    clock.now = NOW
    write(book, _history(chance, owner, 60))
    asked: dict[str, Any] = {"order_by": order_by, "ascending": ascending, "user_id": owner}
    before = _ordered(sessions, order_by, ascending=ascending)
    changed: set[str] = set()
    found: list[str] = []
    cursor = None
    while True:
        page = book.list(limit=5, cursor=cursor, **asked)
        found += [one.session_id for one in page.sessions]
        # A touch, a call, an end, a deletion: of rows before the cursor, after it, and of the one it names.
        names = [f"s{chance.randrange(60):03d}", f"new{len(found)}"]
        changed.update(names)
        told = [{"session_id": name, "tokens_in": 5, "cost_usd": "5e-9", "user_id": owner} for name in names]
        book.record_many(told)
        last = page.sessions[-1].session_id
        if len(found) % 3 == 0 and last not in changed:
            changed.add(last)
            book.delete(last, user_id=owner)
        clock.now += MICROS
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    calm = [name for _, name in before if name not in changed]
    assert [name for name in found if name not in changed] == calm
    assert len(calm) > 20


def test_r7_a_cursor_survives_the_deletion_of_its_row() -> None:
    with opened() as book:
        for number in range(6):
            book.touch(f"s{number}", at=from_micros(NOW - number * MINUTE))
        page = book.list(limit=3)
        assert [one.session_id for one in page.sessions] == ["s0", "s1", "s2"]
        for name in ("s2", "s3"):
            assert book.delete(name)
        rest = book.list(limit=3, cursor=page.next_cursor)
        assert [one.session_id for one in rest.sessions] == ["s4", "s5"]
        assert (rest.total, rest.has_more, rest.next_cursor) == (4, False, None)


def test_r7_a_relative_range_stays_where_the_first_page_put_it() -> None:
    clock = Clock(NOW)
    with opened(clock) as book:
        for number in range(4):
            book.touch(f"s{number}", at=from_micros(NOW - HOUR + number))
        page = book.list(since="1h", limit=2)
        clock.now += 10 * MINUTE
        rest = book.list(since="1h", limit=2, cursor=page.next_cursor)
        names = [one.session_id for one in [*page.sessions, *rest.sessions]]
        assert names == ["s3", "s2", "s1", "s0"]


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!!", "AAAA", "ä", " ", "null", "W10", "0" * 4000, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"]
)
def test_r7_a_garbage_cursor_is_refused(book: rollbook.Rollbook, cursor: str) -> None:
    with pytest.raises(InvalidInput, match="not a cursor"):
        book.list(cursor=cursor)


def test_r7_a_cursor_that_was_cut_or_changed_is_refused(book: rollbook.Rollbook) -> None:
    cursor = book.list(limit=2).next_cursor
    assert cursor is not None
    for place in range(len(cursor)):
        with pytest.raises(InvalidInput):
            book.list(limit=2, cursor=cursor[:place])
        other = "B" if cursor[place] != "B" else "C"
        changed = cursor[:place] + other + cursor[place + 1 :]
        if place < len(cursor) - 1:  # the last letter may hold bits that nothing reads
            with pytest.raises(InvalidInput):
                book.list(limit=2, cursor=changed)


@pytest.mark.parametrize(
    "other",
    [
        {"status": "running"}, {"since": "24h"}, {"order_by": "tokens_in"}, {"ascending": True}, {"kind": "acp"},
        {"agent": "x"}, {"model": "m1"}, {"user_id": user(0)}, {"tag": "t"}, {"text": "a"}, {"project": "p_"},
        {"channel": "cli"}, {"dataset_id": DATASET},
    ],
)  # fmt: skip
def test_r7_a_cursor_of_another_list_is_refused(book: rollbook.Rollbook, other: dict[str, Any]) -> None:
    cursor = book.list(limit=2).next_cursor
    with pytest.raises(InvalidInput, match="other filters or another order"):
        book.list(limit=2, cursor=cursor, **other)
    with pytest.raises(InvalidInput, match="not both"):
        book.list(limit=2, cursor=cursor, offset=1)


def test_r7_another_page_size_goes_on_with_the_same_list(book: rollbook.Rollbook) -> None:
    page = book.list(limit=2)
    rest = book.list(limit=500, cursor=page.next_cursor)
    whole = book.list(limit=500)
    assert [*page.sessions, *rest.sessions] == whole.sessions


def test_r7_totals_are_exact_from_sums_and_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 2000  # of many thousands that they are, which would be the same
    assert counted < lists.COUNTED_MOST
    monkeypatch.setattr(lists, "COUNTED_MOST", counted)
    with opened(all_users=True) as book:
        count = counted + 5
        ops = [touch(f"s{number}", NOW, user(0), tags=("t",), agent="x") for number in range(count)]
        ops.append(touch("other", NOW, user(1), tags=("u",), agent="x"))
        for start in range(0, len(ops), 2000):
            write(book, ops[start : start + 2000])
        narrowed: tuple[dict[str, Any], ...] = (
            {"user_id": user(0)},
            {"user_id": user(0), "agent": "x"},
            {"user_id": user(0), "since": "1h"},
        )
        for asked in narrowed:
            page = book.list(limit=1, **asked)
            assert (page.total, page.total_exact) == (count, True)
        page = book.list(limit=1)
        assert (page.total, page.total_exact) == (count + 1, True)
        page = book.list(limit=1, tag="t")
        assert (page.total, page.total_exact, page.has_more) == (counted, False, True)
        page = book.list(limit=1, tag="u")
        assert (page.total, page.total_exact) == (1, True)


def test_r7_an_offset_past_the_end_is_an_empty_page(book: rollbook.Rollbook) -> None:
    page = book.list(limit=10, offset=10_000)
    assert (page.sessions, page.has_more, page.next_cursor) == ([], False, None)
    assert page.total == len(_all())
