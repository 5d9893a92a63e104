"""Works out what a query asks for: filters that a list has anyway, numbers for names, and conditions for the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.ledger.filters import Filters
from rollbook.ledger.reads import Clock
from rollbook.ledger.scopes import Part, Scope
from rollbook.model import Status
from rollbook.rules import checks
from rollbook.rules import life as lives
from rollbook.rules.query import Query, Term
from rollbook.rules.query_values import Ago, Moment, Pattern
from rollbook.store import Reading
from rollbook.store.statements import AnyOf, Piece

#: Fields that are filters of every list, by the names that they have there.
_FILTERS: Final = {
    "status": "status", "agent": "agent", "kind": "kind", "project": "project", "dataset": "dataset_id",
    "channel": "channel", "model": "model", "tag": "tag", "text": "text",
}  # fmt: skip
_NAMED: Final = ("user", "agent", "kind", "project", "dataset")  #: what sums are kept apart by
_NUMBERS: Final = frozenset(
    {"tokens_in", "tokens_out", "calls", "errors", "turns", "late", "attempt", "duration", "started", "active"}
)
_SIGNS: Final = {">": "sign_over", ">=": "sign_from", "<": "sign_under", "<=": "sign_upto", ":": "sign_is"}
_SILENT: Final = "silent"  #: how the statement calls what is running and abandoned
_EVERY: Final = frozenset(str(status) for status in Status)

Slice = tuple[
    int, int, str, str | None, str, str, str, str
]  #: number, user: number, id, name, dataset, agent, kind, project


def user_meant(tx: Reading, query: Query | None) -> tuple[str | None, Query | None]:
    """The one user whom a query asks for by a name, and the query without that; None where it does not."""
    if query is None:
        return None, None
    meant = [(term, name) for term in query.terms if term.field == "user" and (name := _one(term)) is not None]
    if len(meant) != 1:
        return None, query
    term, name = meant[0]
    found = tx.rows("users_called", name=name, user_id=_user_id(name))
    if len(found) != 1:
        return None, query
    return str(found[0][0]), Query(tuple(other for other in query.terms if other is not term))


def _user_id(name: str) -> str | None:
    try:
        return checks.user(name)[0]
    except InvalidInput:  # no name that a user could have
        return None


def _one(term: Term) -> str | None:
    """The single name that a term asks for, if it does nothing else."""
    if term.negated or not isinstance(term.value, tuple) or len(term.value) != 1:
        return None
    return term.value[0].exact


def worked_out(tx: Reading, scope: Scope, asked: Filters, clock: Clock) -> Filters:
    """Filters without a query: what it asks for stands in them."""
    if asked.query is None:
        return asked
    found = _Working(tx, scope, asked, clock)
    for term in asked.query.terms:
        found.take(term)
    return found.filters()


class _Working:
    """Filters that are put together term by term."""

    def __init__(self, tx: Reading, scope: Scope, asked: Filters, clock: Clock) -> None:
        self.tx, self.scope, self.asked, self.clock = tx, scope, asked, clock
        self._simple: dict[str, Any] = {}
        self._statuses: frozenset[str] | None = None
        self._since, self._until = asked.since, asked.until
        self._named: list[Term] = []
        self._pieces: list[AnyOf] = []
        self._values: dict[str, Any] = {}
        self._number = 0

    def filters(self) -> Filters:
        """All that was taken."""
        until = None if self._until is None else max(self._until, self._since or 0)
        return msgspec.structs.replace(
            self.asked, query=None, since=self._since, until=until, statuses=self._statuses, named=tuple(self._named),
            pieces=tuple(self._pieces), values=tuple(self._values.items()), **self._simple,
        )  # fmt: skip

    def take(self, term: Term) -> None:
        """One term more."""
        if self._is_filter(term) or self._is_window(term):
            return
        if term.field == "started" and term.sign in (">", ">=", ":") and not term.negated:
            self._begin(self._stretch(term)[0])  # it was active then or later
        if term.field == "status":
            named = {pattern.exact for pattern in _patterns(term)}
            left = _EVERY - named if term.negated else _EVERY & named
            self._statuses = left if self._statuses is None else self._statuses & left
        elif term.field in _NAMED:
            self._named.append(term)
        else:
            self._pieces.append(AnyOf(tuple(self._conditions(term)), term.negated))

    def _is_filter(self, term: Term) -> bool:
        """Whether it is one that every list has, and nothing else is asked of the same."""
        name, value = _FILTERS.get(term.field), _one(term)
        if name is None or value is None or getattr(self.asked, name) is not None or name in self._simple:
            return False
        self._simple[name] = value
        return True

    def _is_window(self, term: Term) -> bool:
        """Whether it is where a list begins or ends."""
        if term.field != "active" or term.negated:
            return False
        since, until = self._bounds(term)
        if since is not None:
            self._begin(since)
        if until is not None:
            self._until = until if self._until is None else min(self._until, until)
        return True

    def _begin(self, start: int) -> None:
        self._since = start if self._since is None else max(self._since, start)

    def _bounds(self, term: Term) -> tuple[int | None, int | None]:
        """From when until before when a time is: after a day is after its end, up to a day is up to its end."""
        start, until = self._stretch(term)
        return {
            ":": (start, until), ">": (until, None), ">=": (start, None), "<": (None, start), "<=": (None, until),
        }[term.sign]  # fmt: skip

    # Conditions

    def _conditions(self, term: Term) -> Iterable[Piece]:
        if term.field == "model":
            return [self._models(term)]
        if term.field == "channel":
            return [self._piece("asked_channel", _listed(pattern.exact or "none" for pattern in _patterns(term)))]
        if isinstance(term.value, tuple):
            return [self._like(term.field, pattern) for pattern in term.value]
        if isinstance(term.value, bool):
            return [Piece("asked_unpriced", negated=not term.value)]
        if isinstance(term.value, int):
            return [self._compared(term.field, term.sign, term.value)]
        return [self._timed(term)]

    def _piece(self, name: str, value: Any, *, words: Iterable[tuple[str, str]] = (), **more: Any) -> Piece:
        self._number += 1
        for key, each in {"value": value, **more}.items():
            self._values[f"asked_{key}_{self._number}"] = each
        return Piece(name, self._number, tuple(words))

    def _compared(self, field: str, sign: str, value: int) -> Piece:
        words = [("sign", _SIGNS[sign])]
        if field in _NUMBERS:
            return self._piece("asked_number", value, words=[("counted", f"counted_{field}"), *words])
        return self._piece(f"asked_{field}", value, words=words)

    def _timed(self, term: Term) -> Piece:
        start, until = self._stretch(term)
        if term.sign == ":":
            if term.field == "ended":
                return self._piece("asked_ended_within", start, until=until)
            return self._piece("asked_stretch", start, until=until, words=[("counted", f"counted_{term.field}")])
        since, before = self._bounds(term)
        sign, at = ("<", before) if since is None else (">=", since)
        return self._compared(term.field, sign, at or 0)

    def _stretch(self, term: Term) -> tuple[int, int]:
        if isinstance(term.value, Ago):
            at = max(0, self.clock.now - term.value.micros)
            return at, at + 1
        assert isinstance(term.value, Moment)  # noqa: S101 - a query's times are one or the other
        return term.value.start, term.value.until

    def _models(self, term: Term) -> Piece:
        known = [(0, "unknown"), *self.tx.rows("model_names")]
        fitting = [no for no, name in known if any(pattern.fits_model(name) for pattern in _patterns(term))]
        return self._piece("asked_models", _listed(fitting))

    def _like(self, field: str, pattern: Pattern) -> Piece:
        """A text that is compared with a pattern, or looked through for one."""
        if field == "text":
            return self._piece("asked_text", f"%{pattern.like}%")
        if not pattern.parts:
            if field == "parent":
                return self._parent("asked_any_parent", None)._replace(negated=True)
            return Piece(f"asked_no_{field}")
        match = ("match", "exact_name" if pattern.exact is not None else "like_pattern")
        value = pattern.exact if pattern.exact is not None else pattern.like
        if field == "parent":
            return self._parent("asked_parent", value, match)
        return self._piece(f"asked_{field}", value, words=[match])

    def _parent(self, name: str, value: str | None, *words: tuple[str, str]) -> Piece:
        """R6: what is above a session is not told where it may not be seen."""
        within = self.scope.within
        if within is None:
            return self._piece(name, value, words=[*words, ("seen", "all_seen")])
        users = _listed(part.user_no for part in within if part.slices is None)
        seen = _listed(number for part in within for number in sorted(part.numbers or ()))
        return self._piece(name, value, words=[*words, ("seen", "parent_seen")], users=users, seen=seen)


def _patterns(term: Term) -> tuple[Pattern, ...]:
    return term.value if isinstance(term.value, tuple) else ()


def _listed(values: Iterable[object]) -> str:
    """Words or numbers as a text in which each stands between commas."""
    return f",{','.join(map(str, values))},"


def in_one_go(asked: Filters, clock: Clock) -> Filters:
    """The same where rows are not asked for state by state: the states are a condition like all others."""
    if asked.status is None and asked.statuses is None:
        return asked
    left = _EVERY if asked.statuses is None else asked.statuses
    names = sorted(left if asked.status is None else left & {asked.status})
    codes = [_SILENT if name == Status.ABANDONED else lives.STATUS_CODES[name] for name in names]
    values = (("asked_value_0", _listed(codes)), ("asked_cutoff_0", clock.cutoff))
    return msgspec.structs.replace(
        asked, status=None, statuses=None, pieces=(*asked.pieces, AnyOf((Piece("asked_status"),))),
        values=(*asked.values, *values),
    )  # fmt: skip


def slices_named(tx: Reading, part: Part, terms: tuple[Term, ...]) -> frozenset[int]:
    """The slices of a part of which all terms hold."""
    rows = tx.rows("slices_named", user_no=None if part.everybody else part.user_no)
    ids = {name: _user_id(name) for term in terms if term.field == "user" for name in _exact_names(term)}
    return frozenset(row[0] for row in rows if all(_holds(term, row, ids) for term in terms))


def _exact_names(term: Term) -> list[str]:
    return [pattern.exact for pattern in _patterns(term) if pattern.exact is not None]


def _holds(term: Term, row: Slice, ids: dict[str, str | None]) -> bool:
    _, _, user_id, name, dataset_id, agent, kind, project = row
    if term.field == "user":
        named = any(
            pattern.fits(user_id)
            or (name is not None and pattern.fits(name))
            or ids.get(pattern.exact or "") == user_id
            for pattern in _patterns(term)
        )
        return named != term.negated
    value = {"agent": agent, "kind": kind, "project": project, "dataset": dataset_id}[term.field]
    return any(pattern.fits(value) for pattern in _patterns(term)) != term.negated
