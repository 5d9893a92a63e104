"""Plans that take in telemetry: what is told is joined with what was told before, and written with it."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from rollbook import gate, inbox
from rollbook.core import Outside, Plan, Read, Whole, Write, one
from rollbook.errors import Gone, InvalidInput, Overloaded, RollbookError, Stale
from rollbook.journal.steps import Append, Drop, Step
from rollbook.ledger import notes
from rollbook.ledger.ops import Call, Jot, Note, Op, Together, Touch
from rollbook.plans.writing import WritePlans
from rollbook.rules import checks
from rollbook.store import Reading
from rollbook.telemetry import series, traces
from rollbook.telemetry.names import metered
from rollbook.telemetry.told import Folded, Observed, OpsTold, PointTold, SpanTold, Told

_TRIES: Final = 20  #: how often something is joined anew because the same trace was written meanwhile
_SETTLED_AT_ONCE: Final = 20
_NOBODY: Final = "-"  #: stands for a session while it is not known

Placed = tuple[int | None, Op]
Item = TypeVar("Item", bound=Any)


class TelemetryPlans(WritePlans):
    """Methods that take in telemetry."""

    def observe(self, told: Sequence[Told]) -> Plan[Observed]:
        """Take in what telemetry told, in one transaction; what was taken, and what was refused and why.

        Spans and points are joined with those that came before, in whatever order and however often they come. Raises
        Overloaded where the same traces are written by so many at once that nothing fits; it can be sent again.
        """
        gate.check_user(self.principal, self.user_id)  # here already: what merely waits is a note, and asks for nothing
        # In a thread that reads, if there are such: a large body would hold up a loop.
        prepared, refused = yield Whole(lambda _: self._all_prepared(told))
        for _ in range(_TRIES):
            try:
                answers = yield from self._joined(prepared)
            except Stale:
                continue
            refused.update(answers)
            return Observed(len(told) - len(refused), refused)
        raise Overloaded("too many write the same traces at once; nothing was stored. Try again.")

    def settle(self) -> Plan[int]:
        """Let traces that nobody named for 15 minutes be sessions of their own; how many there were.

        It is done for every user of the book, and to be called every minute or so by whoever takes in telemetry.
        """
        gate.check_admin(self.principal)
        settled = 0
        while True:
            upto = traces.WAITING + self.clock() - traces.PATIENCE_US
            look = partial(notes.aged, room=traces.ROOM, since=traces.WAITING, upto=upto, most=_SETTLED_AT_ONCE)
            done = 0
            for user_id, name, version, value in (yield Read(look)):
                folded = traces.settle(value, name, user=(user_id, None), now=self.clock())
                note = _note(traces.ROOM, name, version, folded)
                try:
                    yield from self._together((user_id, None), [note], folded.ops)
                except Stale:  # something came for it meanwhile, or another server was first
                    continue
                done += 1
            settled += done
            if done < _SETTLED_AT_ONCE:
                return settled

    def _joined(self, prepared: Sequence[tuple[int, Told]]) -> Plan[dict[int, RollbookError]]:
        """Join what was told with the notes of what was told before, and write both; what was refused."""
        written, ops = yield Read(partial(self._folded, prepared))
        return (yield from self._together((self.user_id, self.user_name), written, ops)) if written or ops else {}

    def _folded(self, prepared: Sequence[tuple[int, Told]], tx: Reading) -> tuple[List[Note], List[Placed]]:
        """What the notes say with what was told, and what follows from that."""
        user, now = (self.user_id, self.user_name), self.clock()
        found = tx.rows("user_no", user_id=self.user_id)
        written: List[Note] = []
        ops: List[Placed] = [(place, op) for place, item in prepared if isinstance(item, OpsTold) for op in item.ops]
        for room, (kind, name) in _ROOMS.items():
            groups = _by_name(prepared, kind, name)
            known = notes.read(tx, found[0][0], room, groups, now=now) if found else {}
            for named, items in groups.items():
                version, value = known.get(named, (0, None))
                folded = _fold(room, value, items, user, now)
                if folded is not None:
                    written.append(_note(room, named, version, folded))
                    ops += folded.ops
        return written, [(place, self._priced(op)) for place, op in ops]

    def _together(
        self, user: tuple[str, str | None], written: Sequence[Note], placed: Sequence[Placed]
    ) -> Plan[dict[int, RollbookError]]:
        """Write notes and what follows from them; what was refused, by the places of what it came from.

        Contents that are kept elsewhere are made durable there before. Raises Stale if a note is not what it was.
        """
        asked: List[Any] = [op for _, op in placed]
        made = yield from self._jotted_outside(asked)
        taken = [op for op in asked if not isinstance(op, RollbookError)]
        asked_for = Together(user_id=user[0], user_name=user[1], notes=tuple(written), ops=tuple(taken))
        answers = iter(one((yield Write([asked_for]))))
        answered = [op if isinstance(op, RollbookError) else next(answers) for op in asked]
        gone = [placed[at][1] for at in made if isinstance(answered[at], Gone)]
        if gone:
            yield Outside([Drop(op.user_id, op.session_id, self.clock()) for op in gone if isinstance(op, Jot)])
        return {
            place: answer
            for (place, _), answer in zip(placed, answered, strict=True)
            if place is not None and isinstance(answer, RollbookError)
        }

    # What is told, checked like everybody's

    def _all_prepared(self, told: Sequence[Told]) -> tuple[List[tuple[int, Told]], dict[int, RollbookError]]:
        """What was told with its places, as far as it can be taken, and why the rest cannot."""
        refused: dict[int, RollbookError] = {}
        prepared: List[tuple[int, Told]] = []
        for place, item in enumerate(told):
            try:
                prepared.append((place, self._prepared(item, place, refused)))
            except RollbookError as error:
                refused[place] = error
        return prepared, refused

    def _prepared(self, item: Told, place: int, refused: dict[int, RollbookError]) -> Told:
        """What was told without what cannot be taken, without secrets, and with whose it is."""
        if isinstance(item, SpanTold):
            return self._prepared_span(item, place, refused)
        if isinstance(item, OpsTold):
            return OpsTold(ops=tuple(self._prepared_op(op) for op in item.ops))
        if not isinstance(item, PointTold):
            raise InvalidInput(
                f"what telemetry told must be a SpanTold, OpsTold or PointTold, not {type(item).__name__}"
            )
        series.check(item)
        touch = self._prepared_op(Touch(user_id="", session_id=item.session_id, at=item.at, facts=item.facts))
        return replace(item, session_id=touch.session_id, facts=touch.facts, model=checks.model(item.model))

    def _prepared_span(self, item: SpanTold, place: int, refused: dict[int, RollbookError]) -> SpanTold:
        name = item.session_id or _NOBODY
        touch = self._prepared_op(Touch(user_id="", session_id=name, at=item.at, facts=item.facts, turns=item.turns))
        until = max(touch.at, self._prepared_op(Touch(user_id="", session_id=name, at=item.until)).at)
        call, end = (
            None if op is None else self._prepared_op(replace(op, session_id=name)) for op in (item.call, item.end)
        )
        steps = item.steps
        if steps:
            steps, problems = self._entries(name, until, steps)
            refused.update(dict.fromkeys((place,), problems[0]) if problems else {})
        return replace(
            item, session_id=touch.session_id if item.session_id else None, at=touch.at, until=until,
            facts=touch.facts, service=checks.name(item.service, "a service"), call=call, end=end, steps=steps,
        )  # fmt: skip

    def _entries(self, name: str, at: int, steps: Any) -> tuple[Any, List[InvalidInput]]:
        """Contents as they are taken in, and what is wrong with the others."""
        step = Step("", name, at, tuple(Append(stream, (new,)) for stream, new in steps))
        terms = inbox.Contents(self.settings.entry_bytes, self.redactor)
        kept, problems = inbox.jot(Jot(user_id="", session_id=name, at=at, step=step), self.clock(), terms)
        changes: Any = () if kept is None else kept.step.changes
        return tuple((change.stream, new) for change in changes for new in change.entries), problems

    def _prepared_op(self, op: Item) -> Item:
        """An operation of a door as it is taken, with its owner. Raises InvalidInput."""
        taken: Any = self._checked(op)
        if not isinstance(taken, RollbookError) and self.redactor is not None and not isinstance(taken, Call | Jot):
            taken = self._redacted_or_refused(taken)
        if isinstance(taken, RollbookError):
            raise taken
        if isinstance(taken, Jot):
            taken = replace(taken, step=replace(taken.step, user_id=self.user_id))
        owned: Any = replace(taken, user_id=self.user_id)
        return self._priced(replace(owned, user_name=self.user_name) if hasattr(owned, "user_name") else owned)  # type: ignore[no-any-return]

    def _priced(self, op: Item) -> Item:
        """A call whose cost nobody reported, at the price in force when it was made (R14)."""
        if not isinstance(op, Call) or op.cost_nano is not None or op.cost_source != "unpriced":
            return op
        found = self.prices(op.model, op.provider, op.tokens, op.occurred_at, tier=op.tier)
        if found is None:
            return op
        return replace(op, cost_nano=found.cost_nano, cost_source="computed", price_version=found.version)


def _note(room: str, name: str, version: int, folded: Folded) -> Note:
    return Note(room=room, name=name, expected=version, value=folded.value, expires_at=folded.expires_at)


#: What belongs together, and the name of the note about it.
_ROOMS: Final[dict[str, tuple[type, Callable[[Any], str]]]] = {
    traces.ROOM: (SpanTold, lambda told: told.trace_id),
    series.ROOM: (PointTold, lambda told: metered(told.session_id, told.model)),
}


def _by_name(
    prepared: Iterable[tuple[int, Told]], kind: type, name: Callable[[Any], str]
) -> dict[str, List[tuple[int, Any]]]:
    """Of one kind of what was told, what belongs together."""
    found: dict[str, List[tuple[int, Any]]] = {}
    for place, item in prepared:
        if isinstance(item, kind):
            found.setdefault(name(item), []).append((place, item))
    return found


def _fold(
    room: str, value: str | None, items: Sequence[tuple[int, Any]], user: tuple[str, str | None], now: int
) -> Folded | None:
    fold = traces.fold if room == traces.ROOM else series.fold
    return fold(value, items, user=user, now=now)
