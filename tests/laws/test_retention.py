"""R12: what is pruned, held against what was there, and against books in which it never was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rollbook
from rollbook.ledger import state as places
from rollbook.model import from_micros, to_dict
from rollbook.settings import LOCAL_USER

from .histories import (
    EDGES,
    HISTORIES,
    NOTHING,
    SAID,
    Step,
    everyones,
    happen,
    live,
    often,
    plain,
    replay,
    steps,
    tables,
    well,
    with_own_names,
)  # fmt: skip
from .tools import DAY, HOUR, NOW, Clock, opened

pytestmark = pytest.mark.usefixtures("engine")

AGES: Final = st.sampled_from([None, "1h", "30d", "60d", timedelta(days=31, minutes=1)])
RULES: Final = st.fixed_dictionaries(
    {
        "sessions": AGES,
        "content": AGES,
        "ledger": AGES,
        "status": st.sampled_from([None, None, "abandoned", "completed", "failed", "unknown"]),
        "agent": st.sampled_from([None, None, "x"]),
        "kind": st.sampled_from([None, None, "acp", "interactive"]),
    }
).filter(lambda rule: rule["sessions"] or rule["content"] or rule["ledger"])


def age_us(age: str | timedelta) -> int:
    if isinstance(age, timedelta):
        return age // timedelta(microseconds=1)
    return int(age[:-1]) * {"h": HOUR, "d": DAY}[age[-1]]


def due(one: rollbook.Session, rule: dict[str, Any], what: str) -> bool:
    """Whether a rule says of a session that something of it goes."""
    fits = all(rule[name] in (None, getattr(one, name)) for name in ("agent", "kind"))
    fits = fits and rule["status"] in (None, one.effective_status) and one.effective_status != "running"
    return fits and rule[what] is not None and one.last_activity_at < from_micros(NOW - age_us(rule[what]))


# prune


@often(35)
@given(HISTORIES, RULES)
def test_r12_a_rule_removes_what_it_names_and_moves_no_other_figure(history: list[Step], rule: dict[str, Any]) -> None:
    with opened(Clock(), all_users=True) as book, opened(Clock(), all_users=True) as twin:
        for one in (book, twin):
            live(one, history)
        was = tables(book)
        sessions = list(book.iterate())
        foreseen = book.prune(**rule, dry_run=True)
        assert foreseen.dry_run
        assert tables(book) == was
        done = book.prune(**rule)
        well(book)
        assert plain(done) == plain(foreseen)
        # In the twin, the sessions are deleted one by one, and what is said of others is struck out.
        gone = [one for one in sessions if due(one, rule, "sessions")]
        for session in gone:
            assert twin.delete(session.session_id, user_id=session.user_id)
        silent = {(one.user_id, one.session_id) for one in sessions if one not in gone and due(one, rule, "content")}
        assert done.sessions == len(gone)
        heard = [one for one in sessions if (one.user_id, one.session_id) in silent]
        assert sum(any(getattr(one, name) for name in SAID) for one in heard) <= done.contents <= len(silent)
        assert struck(everyones(book), silent) == struck(everyones(twin), silent)
        for owner, name in silent:
            assert not any(getattr(book.get(name, user_id=owner), field) for field in SAID)
        assert plain(book.prune(**rule)) == NOTHING
        assert plain(book.prune(**rule, dry_run=True)) == NOTHING


def struck(shown: Any, silent: set[tuple[str, str]]) -> Any:
    """What a book shows, without what is said of some sessions."""
    if isinstance(shown, dict):
        if (shown.get("user_id"), shown.get("session_id")) in silent:
            shown = {key: value for key, value in shown.items() if key not in SAID}
        return {key: struck(value, silent) for key, value in shown.items()}
    if isinstance(shown, list | tuple):
        return [struck(value, silent) for value in shown]
    return shown


@often(35)
@given(HISTORIES, st.sampled_from(["30d", "60d"]), st.sampled_from([{}, {"agent": "x"}]))
def test_r12_what_is_reported_again_after_pruning_adds_nothing(
    history: list[Step], age: str, narrow: dict[str, Any]
) -> None:
    with opened(Clock(), all_users=True) as book:
        live(book, history)
        calls = [step for step in history if step[0] == "record_usage"]
        for step in calls:  # what two names are found to be one call by is found by now
            happen(book, step)
        book.prune(ledger=age, **narrow)
        was, shown = tables(book), everyones(book)
        for step in calls:
            outcome = happen(book, step)
            assert outcome in ("duplicate", "too_old"), outcome
            if outcome == "too_old":
                names = (step[1]["call"]["usage_id"], *step[1]["call"]["aliases"])
                assert book.known_usage(names) == set(names) or step[1]["who"] != LOCAL_USER
                for name in names:  # through other doors, with other amounts, in other sessions, at other times
                    changed = {"usage_id": name, "aliases": [], "evidence": "transcript"}
                    assert replay(book, step, **changed, tokens={"input": 10**6}, session_id="z") == "too_old"
                    assert replay(book, step, **changed, occurred_at=from_micros(NOW)) == "too_old"
                    assert replay(book, step, **changed, occurred_at=None) == "too_old"
        assert everyones(book) == shown
        assert tables(book) == was
        well(book)


@often(30)
@given(HISTORIES, st.booleans())
def test_r12_pruning_twice_is_pruning_once(history: list[Step], sessions: bool) -> None:
    rule: dict[str, Any] = {"sessions": "60d"} if sessions else {}
    with opened(Clock(), all_users=True) as book, opened(Clock(), all_users=True) as once:
        for one in (book, once):
            live(one, history)
            happen(one, history[0])
        book.prune(ledger="60d", content="60d", **rule)
        book.prune(ledger="30d", content="30d", **rule)
        once.prune(ledger="30d", content="30d", **rule)
        assert everyones(book) == everyones(once)
        found, wanted = tables(book), tables(once)
        for name in found:
            if name not in ("ledger", "session", "label", "session_info"):
                assert found[name] == wanted[name], name
        assert kept_rows(book) == kept_rows(once)
        well(book)


def kept_rows(book: rollbook.Rollbook) -> list[Any]:
    """The ledger, but for its numbering."""
    numbering = {places.L_ROW, places.L_RECORDED, places.L_USAGE_ID, places.L_SOURCE, places.L_PRICE}
    rows = tables(book)["ledger"]
    return sorted(([value for at, value in enumerate(row) if at not in numbering] for row in rows), key=repr)


@often(30)
@given(
    HISTORIES,
    st.lists(steps(ages=EDGES), min_size=1, max_size=6),
    st.sampled_from(["30d", "60d"]),
)
def test_r12_what_happens_after_pruning_has_the_same_effect_as_without(
    history: list[Step], more: list[Step], age: str
) -> None:
    """Where no event cuts a quarter hour in two."""
    with opened(Clock(), all_users=True) as book, opened(Clock(), all_users=True) as twin:
        for one in (book, twin):
            live(one, history)
        for agent in ("x", "y"):  # with a filter, so that old calls that were never there are taken
            book.prune(ledger=age, agent=agent)
        for step in with_own_names(more, "later"):
            assert said(happen(book, step)) == said(happen(twin, step)), step
            well(book)
        assert everyones(book) == everyones(twin)
        assert book.prune(ledger=age, sessions="60d").sessions == twin.prune(sessions="60d").sessions
        assert everyones(book) == everyones(twin)
        well(book)


def said(answer: Any) -> Any:
    return str(answer) if isinstance(answer, Exception) else to_dict(answer)


@often(30)
@given(HISTORIES, st.lists(steps(), min_size=1, max_size=8), RULES)
def test_r16_whatever_happens_after_pruning_the_books_balance(
    history: list[Step], more: list[Step], rule: dict[str, Any]
) -> None:
    with opened(Clock(), all_users=True) as book:
        live(book, history)
        book.prune(**rule)
        for step in more:
            happen(book, step)
            well(book)
        book.prune(**{**rule, "ledger": "1h", "status": None})
        well(book)
