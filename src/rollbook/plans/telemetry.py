"""Plans that take in telemetry: what is told is joined with what was told before, and written with it."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from rollbook import gate, inbox
from rollbook.core import Outside, Peruse, Plan, Read, Whole, Write, one
from rollbook.errors import Gone, NotFound, Overloaded, RollbookError, Stale, StoreError
from rollbook.journal.steps import Drop, Step
from rollbook.ledger import merging, notes
from rollbook.ledger.ops import Call, Jot, Merge, Note, Op, Together, Touch
from rollbook.model import to_micros
from rollbook.plans.writing import WritePlans
from rollbook.store import Reading
from rollbook.telemetry import applying, copied, series, traces
from rollbook.telemetry.intake import Intake, priced
from rollbook.telemetry.names import metered
from rollbook.telemetry.told import Folded, Observed, PointTold, SpanTold, Told

_TRIES: Final = 100  #: how often something is joined anew because the same trace was written meanwhile
_SETTLED_AT_ONCE: Final = 20
_TROUBLES: Final = 100  #: traces that cannot be settled now, after which no more are tried
_MERGED_AT_ONCE: Final = 2_000  #: calls
_NO_NOTE: Final = (0, None)  #: the version and the text of a note that is not there

Placed = tuple[applying.Places, Op]
Refused = tuple[dict[int, RollbookError], str]  #: by the places of what it was told by; and what was wrong first


class TelemetryPlans(WritePlans):
    """Methods that take in telemetry."""

    def observe(self, told: Sequence[Told]) -> Plan[Observed]:
        """Take in what telemetry told, in one transaction; what was taken, and what was refused and why.

        Spans and points are joined with those that came before, in whatever order and however often they come. Raises
        Overloaded where the same traces are written by so many at once that nothing fits, and StoreError where some of
        it cannot be kept now, such as contents whose place is away or full: then nothing was counted, and all of it
        can be sent again.
        """
        gate.check_user(self.principal, self.user_id)  # here already: what merely waits is a note, and asks for nothing
        # In a thread that reads, if there are such: a large body would hold up a loop.
        prepared, refused = yield Whole(lambda _: self._intake().of(told))
        for _ in range(_TRIES):
            try:
                answers, remark = yield from self._joined(prepared)
            except Stale:
                continue
            refused.update(answers)
            return Observed(len(told) - len(refused), refused, remark)
        raise Overloaded("too many write the same traces at once; nothing was stored. Try again.")

    def settle(self) -> Plan[int]:
        """Let traces that nobody named for 15 minutes be sessions of their own; how many there were.

        It is done for every user of the book, and to be called every minute or so by whoever takes in telemetry.
        Raises StoreError, after the others, where what some of them say cannot be kept now: they wait on.
        """
        gate.check_admin(self.principal)
        settled, trouble = 0, dict[tuple[str, str], StoreError]()
        while True:
            most = _SETTLED_AT_ONCE + len(trouble)
            upto = traces.WAITING + self.clock() - traces.PATIENCE_US
            look = partial(notes.aged, room=traces.ROOM, since=traces.WAITING, upto=upto, most=most)
            found = yield Read(look)
            for user_id, name, version, value in found:
                if (user_id, name) not in trouble:
                    try:
                        settled += yield from self._settled(user_id, name, version, value)
                    except StoreError as error:
                        trouble[user_id, name] = error
            if len(found) < most or len(trouble) > _TROUBLES:
                break
        if trouble:
            raise next(iter(trouble.values()))
        return settled

    def _settled(self, user_id: str, name: str, version: int, value: str) -> Plan[int]:
        """Let one trace be a session of its own; 0 where something came for it meanwhile, or another was first."""
        joined = traces.settle(value, now=self.clock())
        note = _note(traces.ROOM, name, version, joined)
        try:
            yield from self._together((user_id, None), [note], applying.ops([joined], (user_id, None)))
        except Stale:
            return 0
        return 1

    def _intake(self) -> Intake:
        terms = inbox.Contents(self.settings.entry_bytes, self.redactor)
        return Intake((self.user_id, self.user_name), self.clock(), self.prices, terms)

    def _joined(self, prepared: Sequence[tuple[int, Told]]) -> Plan[Refused]:
        """Join what was told with the notes of what was told before, and write both; what was refused."""
        written, ops = yield Read(partial(self._folded, prepared))
        if not written and not ops:
            return {}, ""
        merges = [op for _, op in ops if isinstance(op, Merge)]
        for op in merges:
            said, merge = yield from self._copied(op)
            ops = [*said, *((places, merge if each is op else each) for places, each in ops)]
        refused = yield from self._together((self.user_id, self.user_name), written, ops)
        if merges:
            yield from self.clear_outside()  # of what is elsewhere of sessions that are no more
        return refused

    def _copied(self, op: Merge) -> Plan[tuple[List[Placed], Merge]]:
        """What lets another session say what one says. Of much, all but the last is moved now: it may come again.

        And the merge as it may be done: nobody's session gets into a dataset by it that could not be put there.
        """
        try:
            session = yield from self._own(op.session_id, op.user_id)
        except NotFound:
            return [], op
        if gate.may_put(self.principal, session.dataset_id):
            op = replace(op, dataset_id=session.dataset_id)
        for _ in range(session.calls // _MERGED_AT_ONCE):  # so that nobody else waits for long to write
            yield Write([replace(op, part=_MERGED_AT_ONCE)])
        op = replace(op, seen=(yield Read(partial(merging.version, user_id=op.user_id, session_id=op.session_id))))
        at = to_micros(session.last_activity_at)
        page = copied.Page((), None)
        while True:
            page = yield Peruse(op.user_id, op.session_id, partial(copied.page, left=page.left))
            step = Step(op.user_id, op.into, at, page.changes)
            jot = Jot(user_id=op.user_id, session_id=op.into, at=at, step=step, user_name=op.user_name)
            said: List[Placed] = [((), jot)] if page.changes else []
            if page.left is None:
                return said, op
            if said:
                yield from self._together((op.user_id, op.user_name), (), said)

    def _folded(self, prepared: Sequence[tuple[int, Told]], tx: Reading) -> tuple[List[Note], List[Placed]]:
        """What the notes say with what was told, and what follows from that."""
        user, now = (self.user_id, self.user_name), self.clock()
        spans: dict[str, List[tuple[int, SpanTold]]] = {}
        points: dict[str, List[tuple[int, PointTold]]] = {}
        ops: List[Placed] = []
        for place, item in prepared:
            if isinstance(item, SpanTold):
                spans.setdefault(item.trace_id, []).append((place, item))
            elif isinstance(item, PointTold):
                points.setdefault(metered(item.session_id, item.model), []).append((place, item))
            else:
                ops += [((place,), op) for op in item.ops]
        found = tx.rows("user_no", user_id=self.user_id)
        user_no = found[0][0] if found else None
        written: List[Note] = []
        joined: List[traces.Joined] = []
        for name, told, version, value in _known(tx, user_no, traces.ROOM, spans, now):
            one = traces.fold(value, told, now=now)
            if one is not None:
                written.append(_note(traces.ROOM, name, version, one))
                joined.append(one)
        ops += applying.ops(joined, user)
        for name, told, version, value in _known(tx, user_no, series.ROOM, points, now):
            folded = series.fold(value, told, user=user, now=now)
            if folded is not None:
                written.append(_note(series.ROOM, name, version, folded))
                ops += [(() if place is None else (place,), op) for place, op in folded.ops]
        return written, [(places, priced(op, self.prices) if isinstance(op, Call) else op) for places, op in ops]

    def _together(
        self, user: tuple[str, str | None], written: Sequence[Note], placed: Sequence[Placed]
    ) -> Plan[Refused]:
        """Write notes and what follows from them; what was refused, by the places of what it came from.

        Contents that are kept elsewhere are made durable there before. Raises Stale if a note is not what it was, and
        StoreError where some of these cannot be kept there now: then it is not noted of anything that it was told.
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
        return _refused(placed, answered)


def _refused(placed: Sequence[Placed], answered: Sequence[Any]) -> Refused:
    """Why what was told was refused: what it says of its session besides is no reason, if the rest was taken."""
    about = {place for places, op in placed if not isinstance(op, Touch) for place in places}
    refused: dict[int, RollbookError] = {}
    remark = ""
    for (places, op), answer in zip(placed, answered, strict=True):
        if isinstance(answer, RollbookError):
            remark = remark or str(answer)
            refused.update((place, answer) for place in places if place not in about or not isinstance(op, Touch))
    return refused, remark


def _note(room: str, name: str, version: int, made: Folded | traces.Joined) -> Note:
    return Note(room=room, name=name, expected=version, value=made.value, expires_at=made.expires_at)


def _known(
    tx: Reading, user_no: int | None, room: str, told: Mapping[str, Any], now: int
) -> Iterator[tuple[str, Any, int, str | None]]:
    """What is told, by the name of the note that it is joined with, with the version and the text of that."""
    known = {} if user_no is None or not told else notes.read(tx, user_no, room, told, now=now)
    for name, items in told.items():
        yield name, items, *known.get(name, _NO_NOTE)
