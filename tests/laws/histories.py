"""Random histories of two users' sessions over months, for the laws of retention."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import apsw
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import rollbook
from postgres_books import tables_of
from rollbook.errors import RollbookError
from rollbook.ledger.checkup import CHECKS
from rollbook.model import QUARTER_US, Outcome, Pruned, Tokens, from_micros, to_dict
from rollbook.settings import LOCAL_USER

from .tools import DAY, HOUR, MINUTE, NOW, SPEND_BY, sound, user

OWNERS: Final = (LOCAL_USER, user(1))
#: Within an hour, around the ages at which is pruned, and some in one quarter hour.
AGES: Final = st.sampled_from(
    [0, MINUTE, HOUR, 10 * DAY, 29 * DAY, 30 * DAY - 1, 30 * DAY, 30 * DAY + 1, 31 * DAY, 31 * DAY + 2 * MINUTE,
     31 * DAY + HOUR, 59 * DAY, 61 * DAY, 61 * DAY + MINUTE, 90 * DAY]
)  # fmt: skip
CALL_NAMES: Final = ("u1", "u2", "u3", "u4", "u5", "x1", "x2")
SAID: Final = ("title", "goal_text", "tags", "metadata", "actor")

_FACTS: Final = st.fixed_dictionaries(
    {
        "agent": st.sampled_from([None, "x", "y"]),
        "kind": st.sampled_from([None, "acp"]),
        "project": st.sampled_from([None, "p"]),
        "parent": st.sampled_from([None, None, "a", "b"]),
        "title": st.sampled_from([None, "one", "two", ""]),
        "goal_text": st.sampled_from([None, "goal"]),
        "tags": st.sampled_from([None, (), ("t",)]),
        "metadata": st.sampled_from([None, {}, {"n": 1}]),
        "actor": st.sampled_from([None, "me"]),
        "turns": st.sampled_from([None, 2]),
    }
)
_CALLS: Final = st.fixed_dictionaries(
    {
        "usage_id": st.sampled_from(CALL_NAMES),
        "aliases": st.lists(st.sampled_from(CALL_NAMES), max_size=2, unique=True),
        "tokens": st.builds(
            Tokens,
            input=st.integers(0, 3),
            cache_read=st.integers(0, 1),
            output=st.integers(0, 2),
            reasoning=st.integers(0, 1),
        ),
        "model": st.sampled_from([None, "m1", "m2"]),
        "provider": st.sampled_from([None, "p1"]),
        "cost_usd": st.sampled_from([None, None, 0, "5e-9", "7e-9"]),
        "evidence": st.sampled_from(["metric", "log", "push", "transcript"]),
        "errored": st.booleans(),
    }
)
_UPSERTS: Final = st.fixed_dictionaries(
    {
        "tokens_in": st.sampled_from([None, 0, 500]),
        "cost_nano_usd": st.sampled_from([None, 0, 9]),
        "last_model": st.sampled_from([None, "m1", "m3"]),
        "status": st.sampled_from([None, "running", "failed"]),
    }
)


def often(count: int) -> settings:
    """So many examples; they are whole books, and as large as they are on purpose."""
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


Step = tuple[str, dict[str, Any]]
NOTHING: Final = {"sessions": 0, "contents": 0, "ledger_rows": 0, "closing_rows": 0}


def _step(
    what: str, whose: st.SearchStrategy[Any], ages: st.SearchStrategy[int], **more: Any
) -> st.SearchStrategy[Step]:
    given = {"who": whose, "session_id": st.sampled_from("abcde"), "age": ages, **more}
    return st.tuples(st.just(what), st.fixed_dictionaries(given))


def steps(*, ages: st.SearchStrategy[int] = AGES, gentle: bool = False) -> st.SearchStrategy[Step]:
    """One thing that happens; ``gentle`` ones delete nothing and state no absolute counters."""
    whose = st.sampled_from([*OWNERS, LOCAL_USER])
    statuses = st.sampled_from(["completed", "failed", "cancelled"])
    kinds = [
        _step("touch", whose, ages, facts=_FACTS),
        _step("record_usage", whose, ages, call=_CALLS),
        _step("record_usage", whose, ages, call=_CALLS),
        _step("record_usage", whose, ages, call=_CALLS),
        _step("end", whose, ages, status=statuses),
        _step("reopen", whose, ages),
    ]
    if not gentle:
        kinds += [
            _step("mark_unknown", whose, ages),
            _step("delete", whose, ages),
            _step("upsert", whose, ages, fields=_UPSERTS),
        ]
    return st.one_of(kinds)


def with_own_names(history: list[Step], prefix: str) -> list[Step]:
    """The same with a name for each call that no other has, so that none is reported twice."""
    named: list[Step] = []
    for number, (what, given) in enumerate(history):
        if what == "record_usage":
            name = f"{prefix} {number}"
            call = {**given["call"], "usage_id": name, "aliases": (f"{name} alias",)}
            named.append((what, {**given, "call": call}))
        else:
            named.append((what, given))
    return named


HISTORIES: Final = st.lists(steps(), min_size=1, max_size=25)
#: The same with events that lie between two quarter hours, so that no quarter hour is cut by one.
EDGES: Final = AGES.map(lambda age: NOW - ((NOW - age) // QUARTER_US * QUARTER_US - 1))


def happen(book: rollbook.Rollbook, step: Step) -> Any:
    """Let something happen; what is refused, is."""
    what, given = step
    owner, name, at = given["who"], given["session_id"], from_micros(NOW - given["age"])
    try:
        if what == "touch":
            facts = given["facts"]
            if name in "ab":  # that are above others
                facts = {**facts, "parent": None}
            return book.touch(name, user_id=owner, at=at, **facts)
        if what == "record_usage":
            return book.record_usage(name, user_id=owner, occurred_at=at, **given["call"])
        if what == "end":
            return book.end(name, given["status"], user_id=owner, at=at)
        if what == "reopen":
            return book.reopen(name, user_id=owner, at=at)
        if what == "mark_unknown":
            return book.mark_unknown(name, user_id=owner)
        if what == "delete":
            return book.delete(name, user_id=owner)
        return book.upsert({"session_id": name, **given["fields"]}, user_id=owner)
    except RollbookError as error:
        return error


def live(book: rollbook.Rollbook, history: list[Step]) -> None:
    for step in history:
        happen(book, step)


def replay(book: rollbook.Rollbook, step: Step, **changes: Any) -> Outcome:
    """Report a call again."""
    given = step[1]
    call = {**given["call"], "session_id": given["session_id"], "user_id": given["who"]}
    return book.record_usage(**{**call, "occurred_at": from_micros(NOW - given["age"]), **changes})


def sums(book: rollbook.Rollbook, owner: str | None) -> dict[Any, Any]:
    """Every list and sum of a user or of everybody."""
    shown: dict[Any, Any] = {}
    for status in ("running", "abandoned", "completed", "failed", "cancelled", "unknown"):
        # Between users, equal times are told apart by numbers that depend on who came first.
        found = [
            (one.last_activity_at, one.user_id, one.session_id) for one in book.iterate(status=status, user_id=owner)
        ]
        shown["list", status] = sorted(found) if owner is None else found
    for since in ("all", "30d", "2h") if owner else ("all", "30d"):
        shown["stats", since] = to_dict(book.stats(since=since, user_id=owner))
        shown["models", since] = to_dict(book.cost_by_model(since=since, user_id=owner))
    for since in ("all", "30d"):
        for by in SPEND_BY:
            shown["spend", since, by] = to_dict(book.spend(by=by, since=since, user_id=owner))
    return shown


def figures(book: rollbook.Rollbook, owner: str | None) -> dict[Any, Any]:
    """Every figure, and everything said, of a user or of everybody."""
    shown = sums(book, owner)
    for one in book.iterate(user_id=owner, order_by="started_at"):
        place = {"user_id": one.user_id}
        shown[one.user_id, one.session_id] = (
            to_dict(book.get(one.session_id, **place)),
            to_dict(book.inclusive(one.session_id, **place)),
            [child.session_id for child in book.children(one.session_id, **place)],
        )
    return shown


def everyones(book: rollbook.Rollbook) -> dict[str, dict[Any, Any]]:
    """Every figure of everybody, and the sums of each."""
    return {"everybody": figures(book, None)} | {owner: sums(book, owner) for owner in OWNERS}


def tables(book: rollbook.Rollbook) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for how often a session was looked at by a writer."""
    url = book._plans.store.url
    found = tables_of(url) if url.startswith("postgresql:") else _tables_of_a_file(book)
    return found | {"session": [row[:-1] for row in found["session"]]}


def _tables_of_a_file(book: rollbook.Rollbook) -> dict[str, list[tuple[Any, ...]]]:
    with book._plans.store.read() as tx:
        raw: apsw.Connection = tx.raw  # type: ignore[attr-defined]  # SQLite's
        names = [row[0] for row in raw.execute("select name from sqlite_master where type = 'table' order by name")]
        return {name: sorted(raw.execute(f'select * from "{name}"').fetchall(), key=repr) for name in names}


def well(book: rollbook.Rollbook) -> None:
    """R16: the books balance, and every name leads somewhere."""
    sound(book)
    ok, said = book._plans.read(partial(CHECKS["names"], clock=book._plans.now()))
    assert ok, said


def plain(answer: Pruned) -> dict[str, int]:
    """What was removed, in numbers."""
    return {name: getattr(answer, name) for name in NOTHING}
