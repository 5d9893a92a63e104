"""Any calls in any order by two users, held against a plain model after each of them (R1-R4, R8, R9, R12, R15, R16)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import rollbook
from rollbook.errors import Conflict, Gone, InvalidInput, NotFound
from rollbook.model import HOUR_US, MICROS, Evidence, Tokens, from_micros, to_dict
from rollbook.settings import LOCAL_USER

from .life import END, REOPEN, said
from .model import Model, Report, effective
from .tools import HOUR, MINUTE, NOW, Clock, opened, sound, user

OWNERS: Final = st.sampled_from([LOCAL_USER, LOCAL_USER, user(1)])
SESSIONS: Final = st.sampled_from(["a", "b", "c"])
#: How long ago something was; none is now, and what is negative lies ahead.
AGES: Final = st.sampled_from(
    [None, None, 0, 1, 1000, 10 * MICROS, MINUTE, 29 * MINUTE, HOUR, 3 * HOUR, -2 * MINUTE, -HOUR]
)
NAMES: Final = st.sampled_from([None, "u1", "u2", "u3", "u4"])
COUNTS: Final = st.sampled_from([None, 0, 10, 500])
FACTS: Final = st.fixed_dictionaries(
    {
        "agent": st.sampled_from([None, "x", "y"]),
        "kind": st.sampled_from([None, "acp"]),
        "project": st.sampled_from([None, "p"]),
        "title": st.sampled_from([None, "one", "two"]),
        "tags": st.sampled_from([None, (), ("t",)]),
        "metadata": st.sampled_from([None, {"n": 1}]),
        "turns": st.sampled_from([None, 1, 3]),
    }
)
CALLS: Final = st.fixed_dictionaries(
    {
        "session_id": SESSIONS,
        "usage_id": NAMES,
        "aliases": st.lists(st.sampled_from(["u1", "u2", "x"]), max_size=2, unique=True),
        "age": AGES,
        "tokens": st.builds(
            Tokens,
            input=st.integers(0, 3),
            cache_read=st.integers(0, 1),
            output=st.integers(0, 2),
            reasoning=st.integers(0, 1),
        ),
        "model": st.sampled_from([None, "m1", "m2"]),
        "cost": st.sampled_from([None, None, 0, 5, 7]),
        "evidence": st.sampled_from(["log", "push", "transcript"]),
        "errored": st.booleans(),
    }
)
SUMS: Final = (
    "calls",
    "tokens_in",
    "tokens_out",
    "cost_nano_usd",
    "unpriced_calls",
    "late_calls",
    "late_cost_nano_usd",
)


class Books(RuleBasedStateMachine):
    """A book and the models of its two users."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock(NOW)
        self.context: AbstractContextManager[Any] = opened(self.clock)
        self.books: list[rollbook.Rollbook] = [self.context.__enter__()]
        self.prepare()

    @property
    def book(self) -> rollbook.Rollbook:
        return self.books[0]

    def prepare(self) -> None:
        self.models = {LOCAL_USER: Model(), user(1): Model()}
        self.made = 0

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    def _when(self, age: int | None) -> tuple[int, bool, dict[str, Any]]:
        """A time, whether it is too far ahead to be believed, and how it is given."""
        if age is None:
            return self.clock.now, False, {}
        at = self.clock.now - age
        flagged = age < -5 * MINUTE
        return (self.clock.now if flagged else at), flagged, {"at": from_micros(at)}

    def _latest(self, owner: str, name: str) -> int:
        """The time of an end or a reopening that is about now: it comes after all that is known, whatever the clock."""
        told = self.models[owner].known[name].told
        return max(self.clock.now, told.last)

    def _answered(self, owner: str, answer: rollbook.Session) -> None:
        shown = self.models[owner].shown(answer.session_id, self.clock.now)
        assert _plain(answer) == shown

    # What is said

    @rule(owner=OWNERS, name=SESSIONS, age=AGES, facts=FACTS)
    def touch(self, owner: str, name: str, age: int | None, facts: dict[str, Any]) -> None:
        model, (at, flagged, given) = self.models[owner], self._when(age)
        if name in model.deleted:
            with pytest.raises(Gone):
                self.book.touch(name, user_id=owner, **given, **facts)
            return
        turns = facts.get("turns") or 0
        model.touch(name, at, turns, **{key: value for key, value in facts.items() if key != "turns"})
        model.known[name].flagged |= flagged
        self._answered(owner, self.book.touch(name, user_id=owner, **given, **facts))

    def _report(self, owner: str, call: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """A call as it is given, and what is to become of it."""
        model, (at, flagged, given) = self.models[owner], self._when(call["age"])
        self.made += 1
        report = Report(
            session=call["session_id"],
            names=(call["usage_id"] or f"made {self.made}", *call["aliases"]),
            at=at,
            tokens=call["tokens"],
            model=call["model"] or "",
            cost=call["cost"],
            evidence=Evidence[call["evidence"].upper()],
            errored=call["errored"],
        )
        outcome = model.report(report, timed=bool(given))
        if flagged and report.session in model.known:
            model.known[report.session].flagged = True
        item = {
            key: call[key] for key in ("session_id", "usage_id", "aliases", "tokens", "model", "evidence", "errored")
        }
        if given:
            item["occurred_at"] = given["at"]
        if call["cost"] is not None:
            item["cost_usd"] = f"{call['cost']}e-9"
        return item | {"user_id": owner}, outcome

    @rule(owner=OWNERS, call=CALLS)
    def record_usage(self, owner: str, call: dict[str, Any]) -> None:
        item, outcome = self._report(owner, call)
        assert self.book.record_usage(**item) == outcome

    @rule(owner=OWNERS, calls=st.lists(CALLS, max_size=4))
    def record_many(self, owner: str, calls: list[dict[str, Any]]) -> None:
        given = [self._report(owner, call) for call in calls]
        bad = {"session_id": "a", "tokens_in": -1}
        answers = self.book.record_many([bad, *(item for item, _ in given)])
        assert isinstance(answers[0], InvalidInput)
        assert answers[1:] == [outcome for _, outcome in given]

    def _refused(self, owner: str, name: str, *, timed: bool = False) -> type[Exception] | None:
        """How a statement about a session that is not there is refused."""
        model = self.models[owner]
        if name in model.deleted:
            return Gone
        return None if timed or name in model.known else NotFound

    @rule(
        owner=OWNERS, name=SESSIONS, age=AGES, status=st.sampled_from(["completed", "failed", "cancelled"]),
        reason=st.sampled_from([None, "why"]),
    )  # fmt: skip
    def end(self, owner: str, name: str, age: int | None, status: str, reason: str | None) -> None:
        model, (at, flagged, given) = self.models[owner], self._when(age)
        if refusal := self._refused(owner, name, timed=bool(given)):
            with pytest.raises(refusal):
                self.book.end(name, status, user_id=owner, reason=reason, **given)
            return
        at = at if given else self._latest(owner, name)
        agrees = model.end(name, said(at, END, status, reason, "client"))
        if agrees:
            model.known[name].flagged |= flagged
            self._answered(owner, self.book.end(name, status, user_id=owner, reason=reason, **given))
        else:
            with pytest.raises(Conflict):
                self.book.end(name, status, user_id=owner, reason=reason, **given)

    @rule(owner=OWNERS, name=SESSIONS, age=AGES)
    def reopen(self, owner: str, name: str, age: int | None) -> None:
        model, (at, flagged, given) = self.models[owner], self._when(age)
        if refusal := self._refused(owner, name, timed=bool(given)):
            with pytest.raises(refusal):
                self.book.reopen(name, user_id=owner, **given)
            return
        model.live(name, said(at if given else self._latest(owner, name), REOPEN))
        model.known[name].flagged |= flagged
        self._answered(owner, self.book.reopen(name, user_id=owner, **given))

    @rule(owner=OWNERS, name=SESSIONS, reason=st.sampled_from([None, "gone"]))
    def mark_unknown(self, owner: str, name: str, reason: str | None) -> None:
        if refusal := self._refused(owner, name):
            with pytest.raises(refusal):
                self.book.mark_unknown(name, user_id=owner, reason=reason)
            return
        self.models[owner].presume_crashed(name, self.clock.now, reason, "client")
        self._answered(owner, self.book.mark_unknown(name, user_id=owner, reason=reason))

    @rule(owner=OWNERS, name=SESSIONS)
    def reconcile_except(self, owner: str, name: str) -> None:
        model = self.models[owner]
        others = [other for other in model.known if other != name]
        marked = sum(model.presume_crashed(other, self.clock.now, None, "reconcile") for other in others)
        assert self.book.reconcile_except(name, user_id=owner) == marked

    @rule(
        owner=OWNERS, name=SESSIONS, tokens_in=COUNTS, tokens_out=COUNTS, cost=COUNTS, turns=COUNTS,
        status=st.sampled_from([None, "running", "active", "completed", "failed", "unknown"]),
    )  # fmt: skip
    def upsert(  # noqa: PLR0917 - hypothesis names them
        self,
        owner: str,
        name: str,
        tokens_in: int | None,
        tokens_out: int | None,
        cost: int | None,
        turns: int | None,
        status: str | None,
    ) -> None:
        given = {
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "cost_nano_usd": cost,
            "turns": turns,
            "status": status,
        }
        asked = {"session_id": name, **given}
        model = self.models[owner]
        if name in model.deleted:
            with pytest.raises(Gone):
                self.book.upsert(asked, user_id=owner)
            return
        # More reasoning than output cannot be, whoever says so.
        model.upsert(
            name, self.clock.now, "running" if status == "active" else status, turns,
            tokens_in=tokens_in, tokens_out=tokens_out, cost_nano_usd=cost,
        )  # fmt: skip
        answer = self.book.upsert(asked, user_id=owner)
        self._answered(owner, answer)
        for key, value in (
            ("tokens_in", tokens_in),
            ("tokens_out", tokens_out),
            ("cost_nano_usd", cost),
            ("turns", turns),
        ):
            assert value is None or getattr(answer, key) == value

    @rule(owner=OWNERS, name=SESSIONS, really=st.sampled_from([False, False, True]))
    def delete(self, owner: str, name: str, really: bool) -> None:
        if really:
            assert self.book.delete(name, user_id=owner) == self.models[owner].delete(name)

    @rule(step=st.sampled_from([1, MICROS, 31 * MICROS, 29 * MINUTE, 31 * MINUTE, 2 * HOUR, -1, -MICROS, -2 * MINUTE]))
    def time_passes(self, step: int) -> None:
        self.clock.now += step

    # What the book shows

    @invariant()
    def balances(self) -> None:
        if hasattr(self, "book"):
            sound(self.book)

    @invariant()
    def shows_what_was_said(self) -> None:
        for owner, model in getattr(self, "models", {}).items():
            now = self.clock.now
            expected = {name: model.shown(name, now) for name in model.known}
            assert {one.session_id: _plain(one) for one in self.book.list(user_id=owner).sessions} == expected
            for name in model.deleted:
                with pytest.raises(NotFound):
                    self.book.get(name, user_id=owner)
            for status in ("running", "abandoned", "completed", "unknown"):
                page = self.book.list(status=status, user_id=owner)
                fits = {
                    name
                    for name, known in model.known.items()
                    if (told := known.told) and effective(told.status, told.last, now) == status
                }
                assert {one.session_id for one in page.sessions} == fits
                assert (page.total, page.total_exact) == (len(fits), True)

    @invariant()
    def figures(self) -> None:
        for owner, model in getattr(self, "models", {}).items():
            now = self.clock.now
            for since in (None, now - 10 * MINUTE, now - HOUR):
                asked = "all" if since is None else from_micros(since)
                stats = to_dict(self.book.stats(since=asked, user_id=owner))
                expected = model.stats(since, now)
                assert {key: stats[key] for key in expected} == pytest.approx(expected)
                found = {
                    row.model: (
                        row.session_count, row.calls, row.tokens_in, row.tokens_out, row.cost_nano_usd,
                        row.unpriced_calls,
                    )
                    for row in self.book.cost_by_model(since=asked, user_id=owner)
                }  # fmt: skip
                assert found == model.by_model(since, now)

    @invariant()
    def spend(self) -> None:
        for owner, model in getattr(self, "models", {}).items():
            for by in ("model", "agent", "project", "kind", "hour"):
                expected = model.spend(by)
                if by == "hour":
                    # The line of what was deleted is one, whatever the hours.
                    expected = {
                        (gone, key if gone else from_micros(int(key) * HOUR_US).isoformat(timespec="minutes")): amounts
                        for (gone, key), amounts in expected.items()
                    }
                answer = self.book.spend(by=by, since="all", user_id=owner)
                found = {(row.deleted, row.key): tuple(getattr(row, key) for key in SUMS) for row in answer.rows}
                # Whether a call of a deleted session was late is not the model's business.
                lines = {key: row[: 5 if key[0] else 7] for key, row in found.items()}
                wanted = {key: row[: 5 if key[0] else 7] for key, row in expected.items()}
                assert lines == wanted, f"by {by}: {lines} is not {wanted}"
                assert tuple(getattr(answer.total, key) for key in SUMS) == tuple(
                    sum(row[place] for row in found.values()) for place in range(len(SUMS))
                )


def _plain(session: rollbook.Session) -> dict[str, Any]:
    return {key: value for key, value in to_dict(session).items() if key not in ("user_id", "parent_user_id")}


Books.TestCase.settings = settings(
    max_examples=45,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    # Histories are short and each step is checked in full, so making them shorter takes longer than reading them.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestBooks = Books.TestCase
