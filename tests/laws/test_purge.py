"""R12: of what is purged nothing is left but hashes, and others' figures are as if it had never been there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rollbook
from rollbook.core import Write
from rollbook.errors import Gone, NotFound
from rollbook.model import MICROS, from_micros
from rollbook.settings import LOCAL_USER

from .histories import Step, everyones, happen, live, often, steps, tables, well, with_own_names
from .tools import DAY, NOW, Clock, opened, user, write

pytestmark = pytest.mark.usefixtures("engine")

MARK: Final = "quetzal"
FACTS: Final[dict[str, Any]] = {
    "title": f"the {MARK}", "goal_text": f"find a {MARK}", "tags": [MARK], "metadata": {MARK: [MARK]}, "actor": MARK,
    "agent": f"{MARK}-bot", "project": f"/home/{MARK}", "channel": "web", "kind": "acp",
}  # fmt: skip


def marked(book: rollbook.Rollbook, mark: str = MARK) -> list[str]:
    """The tables in which a word is left."""
    return [name for name, rows in tables(book).items() if any(holds(cell, mark) for row in rows for cell in row)]


def holds(cell: Any, mark: str) -> bool:
    return mark.encode() in cell if isinstance(cell, bytes) else mark in str(cell)


def below(book: rollbook.Rollbook, owner: str, name: str) -> set[str]:
    """A session and everything below it."""
    found = {name}
    for child in book.children(name, user_id=owner):
        found |= below(book, owner, child.session_id)
    return found


# a session


@often(35)
@given(st.lists(steps(gentle=True), min_size=1, max_size=25), st.sampled_from("abcde"), st.booleans())
def test_r12_others_are_as_if_a_purged_session_had_never_been(history: list[Step], name: str, pruned: bool) -> None:
    history = with_own_names(history, "own")
    with opened(Clock(), all_users=True) as book, opened(Clock(), all_users=True) as twin:
        live(book, history)
        if pruned:
            book.prune(ledger="30d", content="60d")
        before = book.spend(user_id=LOCAL_USER, since="all").total
        try:
            gone = below(book, LOCAL_USER, name)
        except NotFound:
            with pytest.raises(NotFound):
                book.purge(name)
            return
        done = book.purge(name)
        well(book)
        for step in history:
            if not (step[1]["who"] == LOCAL_USER and step[1]["session_id"] in gone):
                happen(twin, step)
        if pruned:
            twin.prune(ledger="30d", content="60d")
        assert everyones(book) == everyones(twin)
        after = book.spend(user_id=LOCAL_USER, since="all").total
        assert done.sessions == len(gone)
        assert (done.calls, done.cost_nano_usd) == (
            before.calls - after.calls,
            before.cost_nano_usd - after.cost_nano_usd,
        )
        shown = everyones(book)
        for step in history:
            if step[1]["who"] == LOCAL_USER and step[1]["session_id"] in gone:
                assert isinstance(happen(book, step), Gone)
        assert everyones(book) == shown
        well(book)


@pytest.mark.parametrize("how", ["as it is", "deleted", "content pruned", "ledger pruned", "a part pruned"])
def test_r12_nothing_of_a_purged_session_is_in_any_table(how: str) -> None:
    with opened(Clock(), all_users=True) as book:
        name, at = f"s-{MARK}", from_micros(NOW - 40 * DAY)
        book.touch("other", agent="x", at=at)
        book.touch(name, **FACTS, at=at)
        book.touch(f"below-{MARK}", parent=name, title=MARK, at=at)
        for number in range(4):
            place: dict[str, Any] = {"occurred_at": from_micros(NOW - (40 - number % 2 * 20) * DAY), "model": "m"}
            given = [f"{MARK}-a{number}", f"{MARK}-b{number}"]
            book.record_usage(name, usage_id=f"{MARK}-{number}", aliases=given, tokens_in=5, **place)
            book.record_usage(f"below-{MARK}", usage_id=f"{MARK}-below-{number}", tokens_in=5, **place)
            book.record_usage("other", usage_id=f"other-{number}", **place)
        # Two calls that turn out to be one: its names lead to one another.
        book.record_usage(
            name, usage_id=f"{MARK}-3", aliases=[f"{MARK}-1"], tokens_in=9, evidence="transcript", occurred_at=at
        )
        book.end(name, "failed", reason=MARK, at=at)
        if how == "deleted":
            assert book.delete(name)
        elif how == "content pruned":
            book.prune(content="30d")
        elif how == "ledger pruned":
            book.prune(ledger="30d")
        elif how == "a part pruned":
            book.prune(ledger="30d", agent=FACTS["agent"])
        assert book.purge(name).sessions == 2
        assert marked(book) == []
        assert [one.session_id for one in book.iterate()] == ["other"]
        well(book)
        # Nor does it come back under any of its names.
        was = tables(book)
        names = [f"{MARK}-{way}{number}" for number in range(4) for way in ("", "a", "b", "below-")]
        for each, session in itertools.product(names, (name, "other")):
            try:
                assert book.record_usage(session, usage_id=each, tokens_in=9, occurred_at=at) == "too_old"
            except Gone:
                assert session == name
        assert tables(book) == was


@pytest.mark.parametrize(
    "use",
    [
        lambda book: book.touch("s"),
        lambda book: book.touch("s", parent="t"),
        lambda book: book.record_usage("s"),
        lambda book: book.end("s", "completed", at=NOW / MICROS),
        lambda book: book.reopen("s", at=NOW / MICROS),
        lambda book: book.upsert({"session_id": "s", "tokens_in": 5}),
    ],
)
def test_r12_a_purged_session_is_gone_for_good(use: Callable[[rollbook.Rollbook], object]) -> None:
    with opened(Clock()) as book:
        book.touch("s")
        book.purge("s")
        was = tables(book)
        with pytest.raises(Gone, match="purged"):
            use(book)
        assert tables(book) == was
        assert not book.delete("s")
        asks: list[Callable[[str], object]] = [book.get, book.purge, book.usage]
        for asked in asks:
            with pytest.raises(NotFound):
                asked("s")


def test_r12_what_is_not_there_cannot_be_purged() -> None:
    with opened(Clock()) as book:
        was = tables(book)
        with pytest.raises(NotFound):
            book.purge("s")
        with pytest.raises(NotFound):
            book.purge_user(user_id=user(9))
        assert tables(book) == was
        book.touch("s")
        with pytest.raises(NotFound):
            book.purge("s", user_id=user(9))
        assert book.get("s")


def test_r12_a_purge_reaches_every_depth_and_no_further() -> None:
    with opened(Clock(), all_users=True) as book:
        for number in range(12):
            book.touch(f"s{number}", parent=f"s{number - 1}" if number else None)
            book.record_usage(f"s{number}", tokens_in=1, cost_usd=1)
        book.touch("s5", user_id=user(1))
        book.touch("s6", parent="s5", user_id=user(1))
        assert book.purge("s4").sessions == 8
        assert sorted(one.session_id for one in book.iterate(user_id=LOCAL_USER)) == ["s0", "s1", "s2", "s3"]
        assert sorted(one.session_id for one in book.iterate(user_id=user(1))) == ["s5", "s6"]
        assert book.inclusive("s0").cost_nano_usd == 4 * 10**9
        well(book)


def test_r13_asking_again_finishes_a_purge_that_was_interrupted() -> None:
    with opened(Clock()) as book:
        book.record_usage("s", usage_id=MARK, aliases=[f"{MARK}-alias"], tokens_in=5)
        plan = book._plans.purge("s")
        step = plan.send(None)
        while not isinstance(step, Write):
            step = plan.send(book._plans.perform(step))
        assert write(book, step.ops) == [True]
        plan.close()
        assert book.verify().ok
        assert marked(book) == ["usage_key"]
        for name in (MARK, f"{MARK}-alias"):
            assert book.record_usage("t", usage_id=name, tokens_in=5) == "too_old"
        with pytest.raises(NotFound):
            book.purge("s")
        assert marked(book) == []
        well(book)


# a user


@often(25)
@given(st.lists(steps(), min_size=1, max_size=25), st.booleans())
def test_r12_a_purged_user_is_as_if_never_there(history: list[Step], pruned: bool) -> None:
    with opened(Clock(), all_users=True) as book, opened(Clock(), all_users=True) as twin:
        live(book, history)
        if pruned:
            book.prune(ledger="30d", sessions="60d")
        if not any(row[1] == user(1) for row in tables(book)["account"]):
            with pytest.raises(NotFound):
                book.purge_user(user_id=user(1))
            return
        before = book.spend(by="user", since="all", user_id=user(1)).total
        done = book.purge_user(user_id=user(1))
        assert (done.calls, done.cost_nano_usd) == (before.calls, before.cost_nano_usd)
        live(twin, [step for step in history if step[1]["who"] != user(1)])
        if pruned:
            twin.prune(ledger="30d", sessions="60d")
        assert everyones(book) == everyones(twin)
        assert marked(book, user(1)) == []
        well(book)
        # The user may begin anew, but not with what was there.
        book.touch("new", user_id=user(1))
        assert book.record_usage("new", user_id=user(1), usage_id="new", tokens_in=1) == "counted"
        for step in history:
            if step[0] == "record_usage" and step[1]["who"] == user(1):
                assert isinstance(happen(book, step), Gone)
        (session,) = book.list(user_id=user(1)).sessions
        assert (session.calls, session.tokens_in) == (1, 1)
        well(book)


def test_r12_a_new_user_is_not_taken_for_one_that_was_purged() -> None:
    with opened(Clock(), all_users=True) as book:
        for number in (1, 2):
            owner = user(number)
            assert book.record_usage("s", usage_id="u", aliases=["a"], tokens_in=5, user_id=owner) == "counted"
            book.prune(ledger=from_micros(NOW), user_id=owner)
            assert book.record_usage("s", usage_id="a", tokens_in=5, user_id=owner) == "duplicate"  # it is running
            book.purge_user(user_id=owner)
            with pytest.raises(NotFound):
                book.get("s", user_id=owner)


# what others have to wait for


def written(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What kinds of operations are written from now on."""
    kinds: list[str] = []
    real = book._plans._opened.writer

    def noting(ops: Any) -> Any:
        kinds.extend(type(op).__name__ for op in ops)
        return real(ops)

    monkeypatch.setattr(book._plans._opened, "writer", noting)
    return kinds


def test_r12_names_are_swept_only_where_some_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.plans.retention._NAMES_AT_ONCE", 4)
    with opened(Clock()) as book:
        for number in range(10):
            book.record_usage(f"s{number}", usage_id=f"k{number}-a", aliases=[f"k{number}-b"] if number != 3 else [])
        # One call after all, by way of another name: that leads somewhere.
        book.record_usage("s8", usage_id="k8-c", aliases=["k8-d"])
        book.record_usage("s8", usage_id="k8-e", aliases=["k8-a", "k8-c"], evidence="transcript")
        kinds = written(book, monkeypatch)
        book.purge("s3")
        assert kinds == ["Purge"]
        with pytest.raises(NotFound):
            book.purge("nobody's")
        assert kinds == ["Purge"]
        book.purge("s5")
        assert kinds == ["Purge", "Purge", "Sweep"]
        book.purge("s8")
        assert set(kinds[3:]) == {"Purge", "Sweep"}
        left = {row[0] for row in tables(book)["usage_key"]}
        assert left == {f"k{number}-{end}" for number in (0, 1, 2, 4, 6, 7, 9) for end in "ab"}
        assert book.record_usage("s0", usage_id="k0-b") == "duplicate"
        well(book)


@pytest.mark.parametrize("last", ["running", "completed", "deleted"])
def test_r12_a_slice_stays_as_long_as_a_session_is_in_it(last: str) -> None:
    with opened(Clock(), all_users=True) as book:
        for name in ("one", "two", "three"):
            book.touch(name, project=f"/{MARK}", dataset_id=user(4))
            book.record_usage(name, model="m", tokens_in=5)
            if last == "deleted":
                book.delete(name)
            elif last == "completed":
                book.end(name, "completed")
        # (What was said first counts.)
        book.touch("moved", project=f"/{MARK}/before", dataset_id=user(4), at=from_micros(NOW - 1))
        book.touch("moved", project="/elsewhere", dataset_id=user(5), at=from_micros(NOW - 2))
        before = everyones(book)
        for name in ("one", "two"):
            book.purge(name)
            well(book)
            assert user(4) in str(tables(book)["slice"])
            assert f"/{MARK}/before" not in str(tables(book)["slice"])  # no session is in it any more
        book.touch("moved", project=f"/{MARK}", dataset_id=user(4), at=from_micros(NOW - 3))
        book.purge("three")
        assert f"/{MARK}" in str(tables(book)["slice"])
        book.purge("moved")
        assert MARK not in str(tables(book)["slice"])
        assert user(4) not in str(tables(book)["slice"])
        assert before != everyones(book)
        # What was dropped is made anew.
        book.touch("four", project=f"/{MARK}", dataset_id=user(4))
        assert [one.project for one in book.iterate()] == [f"/{MARK}"]
        well(book)
