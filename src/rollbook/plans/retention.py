"""Plans that make a book smaller: retention rules, and removing a session or a user wholly (R12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from rollbook import gate
from rollbook.content import Wiped
from rollbook.core import Peruse, Plan, Read, Whole, Write, one
from rollbook.errors import InvalidInput, NotFound, StoreError
from rollbook.ledger import state as st
from rollbook.ledger.ops import Prune, Purge, PurgeUser, Sweep, Wipe
from rollbook.ledger.pruning import FOLDED_AT_ONCE, due, folded
from rollbook.ledger.scopes import Scope
from rollbook.model import NANO, Pruned, Purged, Status, cost_usd
from rollbook.plans.reading import ReadPlans, User
from rollbook.rules import checks
from rollbook.rules import life as lives
from rollbook.store import Reading, Row, Store

T = TypeVar("T")
Age = str | timedelta | datetime | None
Name = tuple[str, int]  #: of a call, and whose

_SESSIONS_AT_ONCE: Final = 200  #: sessions that one step looks at
_NAMES_AT_ONCE: Final = 10_000  #: names of calls that one step sweeps
_FIRST: Final[Name] = ("", 0)
_LAST: Final[Name] = ("\U0010ffff", 2**62)


class PrunePlans(ReadPlans):
    """Methods that remove."""

    def prune(
        self,
        *,
        sessions: Age = None,
        content: Age = None,
        ledger: Age = None,
        status: str | None = None,
        agent: str | None = None,
        kind: str | None = None,
        dry_run: bool = False,
        user_id: User = None,
    ) -> Plan[Pruned]:
        """Remove what is older than an age (``90d``, a timedelta) or a time, but nothing of a running session (R12).

        ``sessions``: of sessions last active before, all but what they spent, as :meth:`delete` does. ``content``: of
        sessions last active before, title, goal, tags, metadata and actor; the session and its figures stay.
        ``ledger``: rows of calls made before become closing rows, one for each model and quarter hour of a session,
        which changes no sum. ``status`` (the effective one), ``agent`` and ``kind`` narrow down the sessions. A book
        opened with ``all_users`` is pruned for everybody, unless ``user_id`` names one. What was removed, or with
        ``dry_run`` would be.

        Pruned calls that are reported again are answered ``too_old``; calls that the book never had are still taken.
        """
        gate.check_admin(self.principal)
        clock = self.now()
        ages = {"sessions": sessions, "content": content, "ledger": ledger}
        before = {what: self._before(value, what, clock.now) for what, value in ages.items()}
        if not any(before.values()):
            raise InvalidInput("say what to prune: an age such as 90d for sessions, content or ledger")
        for what, value in (("status", status), ("agent", agent), ("kind", kind)):
            if value == "":
                raise InvalidInput(f"{what} is empty; leave it out to prune whatever it is")
        rule: dict[str, Any] = {
            "now": clock.now,
            "running_since": clock.cutoff,
            **{f"{what}_before": time for what, time in before.items()},
            "status": _stored(status),
        }
        named = {"agent": checks.name(agent, "agent"), "kind": checks.kind(kind)}
        total = Pruned(dry_run=dry_run)
        after = (0, 0)
        while True:
            found: list[Row] = yield self._look(user_id, _due, {**rule, **named}, after)
            ops = [Prune(user_id=row[2], session_id=row[3], **rule) for row in found]
            if dry_run:
                foreseen: list[Pruned] = yield Read(partial(_foreseen, found=found, ops=ops))
                total = _plus(total, foreseen)
            else:
                for portion in _portions(ops, [row[6] for row in found]):
                    total = yield from self._applied(total, portion)
                    yield from self.clear_outside()
            if len(found) < _SESSIONS_AT_ONCE:
                break
            after = (found[-1][0], found[-1][1])
        if before["ledger"] and not dry_run:
            yield from self._sweep()
        yield from self.clear_outside()
        if not dry_run and (total.sessions or total.contents or total.ledger_rows):
            yield Whole(_forget)
        return total

    def _before(self, age: Age, what: str, now: int) -> int:
        if age is None:
            return 0
        try:
            before = checks.since(age, now) if age != "all" else None
        except InvalidInput:
            before = None
        if before is None:
            raise InvalidInput(f"{what} needs an age such as 12h or 90d, or a time with a zone, not {checks.said(age)}")
        if before > now:
            raise InvalidInput(f"{what} names a time that has not come: {checks.said(age)}")
        return before

    def _applied(self, total: Pruned, ops: list[Prune]) -> Plan[Pruned]:
        """Apply a rule to sessions, to each until nothing more of it folds."""
        while ops:
            answers: list[Pruned] = yield Write(ops)
            total = _plus(total, answers)
            ops = [op for op, done in zip(ops, answers, strict=True) if done.ledger_rows == FOLDED_AT_ONCE]
        return total

    def _sweep(self) -> Plan[None]:
        """Drop names that lead nowhere any more, a stretch at a time; others wait only where there are some."""
        after = _FIRST
        while after != _LAST:
            upto, loose = yield Read(partial(_stretch, after=after))
            if loose:
                one((yield Write([Sweep(after=after, upto=upto)])))
            after = upto

    def purge(self, session_id: str, *, dry_run: bool = False, user_id: User = None) -> Plan[Purged]:
        """Remove a session and everything below it wholly: contents, ledger rows, sums, names (R12).

        Its spend is in no figure any more. Only hashes stay, so that importing it again adds nothing; whatever else
        names it is answered Gone. What was removed, or with ``dry_run`` would be. Raises NotFound.
        """
        gate.check_admin(self.principal)
        owner, _ = self.owner(user_id)
        name = checks.session_id(session_id)

        def look(tx: Reading) -> list[Row]:
            user_no = self.scope(tx, owner).user_no
            return [(user_no, *row) for row in tx.rows("tree_of", user_no=user_no, session_id=name)]

        found: list[Row] = yield Read(look)
        if not found:
            if not dry_run:
                yield from self._purged_unknown(owner, [name])
                yield from self._sweep()  # names may be left of a purge that was interrupted
            raise NotFound(f"there is no session {name!r}")
        purged = yield from self._purged(owner, found, dry_run=dry_run)
        if dry_run:
            return purged
        yield from self._sweep()
        yield from self.clear_outside()
        yield Whole(_forget)
        return purged

    def purge_user(self, *, dry_run: bool = False, user_id: User = None) -> Plan[Purged]:
        """Remove everything of one user wholly, as :meth:`purge` does with a session. Nothing of others is touched.

        The same user may begin anew afterwards; importing what was purged adds nothing. Raises NotFound.
        """
        gate.check_admin(self.principal)
        owner, named = self.owner(user_id)
        user_no = yield Read(lambda tx: self.scope(tx, owner).user_no)
        if user_no < 0 and not (yield from self._has_state(owner)):
            if not dry_run:
                yield from self._purged_unknown(owner)
            raise NotFound(f"there is no user {named or owner}")
        total = Purged(sessions=0, calls=0, cost_usd=0.0, cost_nano_usd=0)
        after = 0
        while True:
            found: list[Row] = yield Read(partial(_sessions, user_no=user_no, after=after))
            if not found:
                break
            after = found[-1][1]
            more = yield from self._purged(owner, found, dry_run=dry_run)
            total = Purged(
                sessions=total.sessions + more.sessions,
                calls=total.calls + more.calls,
                cost_usd=(total.cost_nano_usd + more.cost_nano_usd) / NANO,
                cost_nano_usd=total.cost_nano_usd + more.cost_nano_usd,
            )
        if dry_run:
            return total
        yield from self._sweep()
        one((yield Write([PurgeUser(user_id=owner)])))
        yield from self.clear_outside()
        yield from self._purged_unknown(owner)
        yield Whole(_forget)
        return total

    def _purged_unknown(self, owner: str, names: list[str] | None = None) -> Plan[None]:
        """Remove what may be elsewhere of sessions that the book does not have, of steps that it never learnt of."""
        if self.elsewhere is not None:
            if names is None:
                names = yield Whole(lambda _: self._kept_outside(owner))
            for start in range(0, len(names), _SESSIONS_AT_ONCE):
                portion = names[start : start + _SESSIONS_AT_ONCE]
                yield Write([Purge(user_id=owner, session_id=name) for name in portion])
                yield from self.clear_outside()

    def _kept_outside(self, owner: str) -> list[str]:
        """The sessions of which something of a user is elsewhere; none where the place is not reached."""
        try:
            journals = self.journals
            return [] if journals is None else [kept.session_id for kept in journals.sessions(owner)]
        except StoreError:
            return []

    def _has_state(self, owner: str) -> Plan[bool]:
        """Whether there is state of a user of whom the ledger knows nothing, as there may be in a place outside."""
        if self.elsewhere is None:
            return False
        found: bool = yield Peruse(owner, None, lambda peek, who: bool(peek.state(who)))
        return found

    def wipe_journal(self, *, dry_run: bool = False) -> Plan[Wiped]:
        """Remove what every session of everybody contains: entries, state, and what a search finds (R12).

        The ledger stays. Only for a book that was opened with ``all_users=True``; else InvalidInput. How many sessions
        had a journal, or with ``dry_run`` have one.
        """
        gate.check_admin(self.principal)
        if not self.everybody:
            raise InvalidInput("this removes the journals of everybody: open the book with all_users=True")
        kept: int = yield Read(lambda tx: tx.rows("journal.kept_sessions")[0][0])
        elsewhere = self.elsewhere
        if dry_run:
            if elsewhere is not None:
                kept += yield Whole(lambda _: sum(1 for _ in elsewhere.place().sessions()))
            return Wiped(sessions=kept, dry_run=True)
        one((yield Write([Wipe()])))
        if elsewhere is not None:
            kept += yield Whole(lambda _: elsewhere.place().wipe())
        yield Whole(_forget)
        return Wiped(sessions=kept)

    def _purged(self, owner: str, found: list[Row], *, dry_run: bool) -> Plan[Purged]:
        """Purge sessions of a user, given as (user, session, id, rows); what they came to."""

        def spent(tx: Reading) -> list[Row]:
            return [tx.rows("spent_of", user_no=row[0], session_no=row[1])[0] for row in found]

        rows: list[Row] = yield Read(spent)
        answers: list[Any] = [True] * len(found) if dry_run else []
        # What is below goes first: if this is interrupted, the same call finishes it.
        gone = [] if dry_run else found[::-1]
        ops = [Purge(user_id=owner, session_id=row[2]) for row in gone]
        for portion in _portions(ops, [row[3] for row in gone]):
            answers += yield Write(portion)
            yield from self.clear_outside()
        calls, cost, unpriced = (sum(row[place] for row in rows) for place in range(3))
        return Purged(
            sessions=sum(answer is True for answer in answers),
            calls=calls,
            cost_usd=cost_usd(cost, calls, unpriced),
            cost_nano_usd=cost,
        )


def _forget(store: Store) -> None:
    store.forget()


def _stored(status: str | None) -> int | None:
    """An effective status as what is stored. What is abandoned is stored as running, and what runs is never pruned."""
    named = checks.status(status)
    if named == Status.RUNNING:
        raise InvalidInput("running sessions are never pruned; end them first")
    if named is None:
        return None
    return lives.RUNNING if named == Status.ABANDONED else lives.STATUS_CODES[named]


def _due(tx: Reading, scope: Scope, rule: dict[str, Any], after: tuple[int, int]) -> list[Row]:
    """The next sessions of which a rule may remove something."""
    if not scope.parts:
        return []
    (part,) = scope.parts
    values = {name: value for name, value in rule.items() if name != "now"}
    return tx.compose(
        "prune_due",
        {"scope": part.words["scope"]},
        user_no=part.user_no,
        after_user=after[0],
        after_session=after[1],
        most=_SESSIONS_AT_ONCE,
        **values,
    )


def _stretch(tx: Reading, *, after: Name) -> tuple[Name, bool]:
    """The end of a stretch of names that begins after one, and whether any of them leads to no call."""
    found = tx.rows("names_stretch", after_key=after[0], after_user=after[1], width=_NAMES_AT_ONCE)
    upto = (found[0][0], found[0][1]) if found else _LAST
    bounds = {"after_key": after[0], "after_user": after[1], "upto_key": upto[0], "upto_user": upto[1]}
    return upto, _leads_nowhere(tx, {(row[0], row[1]) for row in tx.rows("loose_aliases", **bounds)})


def _leads_nowhere(tx: Reading, names: set[Name]) -> bool:
    """Whether one of several names leads to no call, by way of however many others."""
    seen: set[Name] = set()
    while names:
        seen |= names
        found = tx.among("keys_of", sorted(names))
        if len(found) < len(names):
            return True
        names = {(row[2], row[1]) for row in found if row[2] is not None} - seen
    return False


def _sessions(tx: Reading, *, user_no: int, after: int) -> list[Row]:
    rows = tx.rows("sessions_from", user_no=user_no, after=after, most=_SESSIONS_AT_ONCE)
    return [(user_no, *row) for row in rows]


def _foreseen(tx: Reading, found: list[Row], ops: list[Prune]) -> list[Pruned]:
    """What a rule would remove of sessions."""
    answers = []
    for (user_no, session_no, _, _, status, last, _), op in zip(found, ops, strict=True):
        whole, content, ledger = due(status, last, op)
        removed = added = 0
        if ledger:
            rows = [list(row) for row in tx.rows(
                "prune_rows", user_no=user_no, session_no=session_no, before=op.ledger_before
            )]  # fmt: skip
            old = sum(row[st.L_ENTRY] == st.ENTRY_CLOSING for row in rows)
            removed = len(rows) - old
            added = len(folded(rows, 0, op.now)) - old if removed else 0
        wiped = content and not whole and bool(tx.rows("said_of", user_no=user_no, session_no=session_no))
        answers.append(Pruned(sessions=int(whole), contents=int(wiped), ledger_rows=removed, closing_rows=added))
    return answers


def _portions(ops: list[T], rows: Iterable[int]) -> Iterator[list[T]]:
    """Operations that make one transaction each, by how many rows they are about: others want to write too."""
    portion: list[T] = []
    filled = 0
    for op, size in zip(ops, rows, strict=True):
        if portion and filled + size > FOLDED_AT_ONCE:
            yield portion
            portion, filled = [], 0
        portion.append(op)
        filled += min(size, FOLDED_AT_ONCE)
    if portion:
        yield portion


def _plus(total: Pruned, more: list[Pruned]) -> Pruned:
    counts = {
        name: getattr(total, name) + sum(getattr(one, name) for one in more)
        for name in ("sessions", "contents", "ledger_rows", "closing_rows")
    }
    return Pruned(dry_run=total.dry_run, **counts)
