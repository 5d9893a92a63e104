"""Proof that the books balance: every sum is computed again from the rows under it and compared (R16).

The ledger's rows and the sessions' lives are what is true; whatever else is stored is derived from them here, in one
pass in the order of the keys, and every difference is named. So it is with the journals in the database, of which
every entry is read; journals outside of it have their own health.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from rollbook.journal import audit
from rollbook.ledger import instances
from rollbook.ledger import state as st
from rollbook.ledger.names import (
    ALL_TIME,
    EVERY_SLICE,
    EVERYBODY,
    Slice,
    guessed,
    of_quarter,
    spent_in_day,
    spent_in_hour,
)
from rollbook.ledger.state import State
from rollbook.model import DAY_QUARTERS, QUARTER_US, QUARTERS, Problem, Verification
from rollbook.rules import life as lives
from rollbook.store import Reading, Row

_SUMS: Final = (
    "calls", "tokens_in", "tokens_out", "cache_read", "cache_write", "reasoning", "cost", "unpriced", "call_errors",
)  # fmt: skip
_SPEND: Final = ("calls", "tokens_in", "tokens_out", "cost", "unpriced", "late_calls", "late_cost")
_ACTIVITY: Final = ("sessions", "calls", "tokens_in", "tokens_out", "cost", "unpriced", "errors", "agent_time")
_ACTIVITY_MODEL: Final = _ACTIVITY[:6]
_FOLDED: Final = ("status", "last_activity_at", "ended_at", "attempt", "attempt_started_at", "agent_time")
PROBLEMS_MOST: Final = 1_000  #: problems that are listed; a book with more is broken enough


class _Group:
    """Rows of one table, taken session by session in the order of the keys."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: Iterator[Row] = iter(rows)
        self._ahead: Row | None = next(self._rows, None)
        self.taken = 0

    def upto(self, place: tuple[int, int]) -> list[Row]:
        """The rows of a session; rows of sessions before it, which belong to none, come along."""
        found: list[Row] = []
        while self._ahead is not None and (self._ahead[0], self._ahead[1]) <= place:
            found.append(self._ahead)
            self._ahead = next(self._rows, None)
        self.taken += len(found)
        return found


class _Check:
    def __init__(self, tx: Reading) -> None:
        self.tx = tx
        self.problems: list[Problem] = []
        self.spend: dict[Row, st.Vector] = {}
        self.activity: dict[Row, st.Vector] = {}
        self.models: dict[Row, st.Vector] = {}
        self.sessions = 0
        self.slices = {row[0]: Slice(*row[1:]) for row in tx.rows("kept_slices")}
        known = {facts: number for number, facts in self.slices.items()}
        #: of each slice of a user the one of everybody that it is in; there is none of a number like -1
        self.everybodys = {number: known.get(facts.everybodys, -1) for number, facts in self.slices.items()}

    def compare(
        self, what: str, where: str, fields: Iterable[str], stored: Iterable[Any], expected: Iterable[Any]
    ) -> None:
        for field, left, right in zip(fields, stored, expected, strict=True):
            if left != right and len(self.problems) < PROBLEMS_MOST:
                self.problems.append(Problem(what=what, where=where, field=field, stored=left, expected=right))

    def session(self, row: Row, ledger: list[Row], models: list[Row]) -> None:
        """One session against its ledger rows."""
        self.sessions += 1
        state = State(row)
        where = f"user {state.user_no} session {state.session_id}"
        self._life(state, where)
        self._slice(state, where)
        sums: st.Vector = st.ZERO
        late_rows = late_calls = 0
        by_model: dict[int, st.Vector] = {}
        for item in ledger:
            if (item[0], item[1]) != (state.user_no, state.session_no):
                self.compare("ledger", f"row {tuple(item[:3])}", ["session"], [None], ["exists"])
                continue
            amounts = st.vector(item)
            late = item[st.L_LATE]
            if not state.deleted and item[st.L_OCCURRED] > lives.floor(state.life):
                expected = 0 if lives.within(state.closed, item[st.L_OCCURRED]) else 1
                self.compare("ledger", f"{where} row {item[st.L_ROW]}", ["late"], [late], [expected])
            self._spend(state, item, amounts)
            if late:
                late_rows, late_calls = late_rows + 1, late_calls + amounts[st.CALLS]
            elif not state.deleted:
                sums = st.plus(sums, amounts)
                by_model[item[st.L_MODEL]] = st.plus(by_model.get(item[st.L_MODEL], st.ZERO), amounts)
        self.compare("session", where, _SUMS, state.sums, sums)
        counters = (state.late_rows, state.late_calls, state.ledger_rows - state.pruned_rows)
        self.compare(
            "session", where, ("late_rows", "late_calls", "ledger_rows"), counters, (late_rows, late_calls, len(ledger))
        )
        state.models = {number: amounts for number, amounts in by_model.items() if any(amounts)}
        stored = {item[2]: tuple(item[3:]) for item in models}
        for number in sorted(stored.keys() | state.models.keys()):
            pair = (stored.get(number, st.ZERO), state.models.get(number, st.ZERO))
            self.compare("model", f"{where} model {number}", _SUMS, *pair)
        state.sums = sums
        self._activity(state)

    def _life(self, state: State, where: str) -> None:
        if state.deleted:
            return
        folded = lives.fold(state.life, state.started_at, state.last_sign)
        stored = tuple(getattr(state, name) for name in _FOLDED)
        expected = (
            folded.status,
            folded.last_activity,
            folded.ended_at,
            folded.attempt,
            folded.attempt_started,
            folded.agent_time,
        )
        self.compare("session", where, _FOLDED, stored, expected)

    def _slice(self, state: State, where: str) -> None:
        facts = self.slices.get(state.slice_no)
        if facts is None:
            self.compare("session", where, ["slice"], [None], ["exists"])
            return
        driver = "" if state.deleted else facts.agent or guessed(state.session_id)
        stored, expected = (facts.user_no, facts.deleted, facts.driver), (state.user_no, int(state.deleted), driver)
        self.compare("slice", where, ("user_no", "deleted", "driver"), stored, expected)

    def _spend(self, state: State, row: Row, amounts: st.Vector) -> None:
        late = 1 if row[st.L_LATE] else 0
        calls, cost = amounts[st.CALLS], amounts[st.COST]
        unpriced, tokens = amounts[st.UNPRICED], (amounts[st.TOKENS_IN], amounts[st.TOKENS_OUT])
        quarter, model_no = row[st.L_OCCURRED] // QUARTER_US, row[st.L_MODEL]
        whole = self.everybodys.get(state.slice_no, -1)
        added = (calls, *tokens, cost, unpriced, calls * late, cost * late)
        for key in (
            (state.user_no, quarter, state.slice_no, model_no),
            (EVERYBODY, quarter, whole, model_no),
            (EVERYBODY, spent_in_hour(quarter // QUARTERS), whole, model_no),
            (EVERYBODY, spent_in_day(quarter // DAY_QUARTERS), whole, model_no),
        ):
            self.spend[key] = st.plus(self.spend.get(key, (0,) * len(added)), added)

    def _activity(self, state: State) -> None:
        place = st.place(state)
        if place is None:
            return
        user_no, quarter, status, slice_no = place
        amounts = st.activity(state)
        hours = (quarter // QUARTERS, ALL_TIME)
        for owner, kept_under, whens in (
            (user_no, slice_no, hours),
            (EVERYBODY, EVERY_SLICE, (*hours, of_quarter(quarter))),
        ):
            for when in whens:
                key = (owner, when, status, kept_under)
                self.activity[key] = st.plus(self.activity.get(key, st.NOTHING), amounts)
                for number, sums in state.models.items():
                    known = self.models.get((owner, when, number), st.NO_MODEL)
                    self.models[owner, when, number] = st.plus(known, st.model_activity(sums))

    def sums(self, what: str, keys: int, fields: tuple[str, ...], expected: dict[Row, st.Vector]) -> None:
        """A table of sums against what it should hold; a row of zeros is as good as none."""
        for row in self.tx.each(f"every_{what}"):
            known = expected.pop(row[:keys], (0,) * len(fields))
            self.compare(what, str(row[:keys]), fields, row[keys:], known)
        for key, amounts in expected.items():
            self.compare(what, str(key), fields, [0] * len(fields), amounts)


def verify(tx: Reading) -> Verification:
    """Compute every sum again and name every difference."""
    check = _Check(tx)
    ledger, models = _Group(tx.each("every_ledger_row")), _Group(tx.each("every_model_row"))
    for row in tx.each("every_session"):
        place = (row[0], row[1])
        check.session(row, ledger.upto(place), models.upto(place))
    for orphan in ledger.upto((lives.NEVER, lives.NEVER)):
        check.compare("ledger", f"row {tuple(orphan[:3])}", ["session"], [None], ["exists"])
    check.sums("spend", 4, _SPEND, check.spend)
    check.sums("activity", 4, _ACTIVITY, check.activity)
    check.sums("activity_model", 3, _ACTIVITY_MODEL, check.models)
    for name, usage_id in tx.each("every_wrong_key"):
        check.compare("key", str(name), ["usage_id"], [usage_id], [name])
    for (usage_id,) in tx.each("every_lost_row"):
        check.compare("key", str(usage_id), ["usage_key"], [None], [usage_id])
    for user_no, session_no, instance_id, missing in instances.astray(tx):
        check.compare("instance", f"{instance_id} of ({user_no}, {session_no})", [missing], [None], ["exists"])
    for found in chain(audit.differences(tx), audit.contents(tx), audit.texts(tx)):
        check.compare("journal", found.where, [found.field], [found.stored], [found.expected])
    return Verification(
        ok=not check.problems, sessions=check.sessions, ledger_rows=ledger.taken, problems=check.problems
    )
