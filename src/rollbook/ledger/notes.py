"""Notes about what arrives in parts, and operations that are made together with them.

A note is JSON under a user, a room and a name. It has a version, which grows with every change and is never given out
again, so whoever read a note, thought about it and writes it back learns whether somebody else did so meanwhile
(``Stale``): it reads again and thinks anew. A note that has expired is as good as none. Where others write at the
same time, the notes of a batch are locked after its sessions, in the order of their keys; of two who add the same note
at once one is undone, and finds it when it tries again.

The answers of operations can be kept as such a note: the same request again is given the same answers and does nothing.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from rollbook import errors
from rollbook.errors import Conflict, RollbookError, Stale
from rollbook.journal.steps import Appended, Done, Entry
from rollbook.ledger.ops import ForgetNotes, Op, Together
from rollbook.model import Outcome, Pruned
from rollbook.store import Reading, Writing

if TYPE_CHECKING:
    from rollbook.ledger.work import Work

#: Rooms of notes.
TRACE: Final = "trace"  #: what is known of a trace whose spans arrive in parts
SERIES: Final = "series"  #: how far the series of a metric was counted
ANSWER: Final = "answer"  #: what a request was answered
SIGNIN: Final = "signin"  #: who signed in
_CONTENTS: Final = (TRACE, ANSWER)

FORGOTTEN_AT_ONCE: Final = 1_000  #: expired notes that one operation removes at the most; ask again until it is fewer

Key = tuple[int, str, str]  #: user, room, name


class Repeated(list[Any]):
    """The answers that the same request was given before; nothing was done now."""


class Kept(Struct, frozen=True, gc=False):
    """A note as it is, or is to be, stored."""

    version: int
    value: str
    expires_at: int


def read(tx: Reading, user_no: int, room: str, names: Iterable[str], *, now: int) -> dict[str, tuple[int, str]]:
    """The version and the JSON text of those of these notes that are there and have not expired (microseconds UTC)."""
    keys = [(user_no, room, name) for name in dict.fromkeys(names)]
    return {row[2]: (row[3], row[4]) for row in tx.among("notes_of", keys) if row[5] > now}


def kept(tx: Reading, user_id: str, room: str, name: str, *, now: int) -> str | None:
    """The JSON text of one note of a user, if it is there and has not expired."""
    found = tx.rows("user_no", user_id=user_id)
    known = read(tx, found[0][0], room, [name], now=now) if found else {}
    return known[name][1] if name in known else None


def aged(tx: Reading, room: str, *, since: int, upto: int, most: int) -> list[tuple[str, str, int, str]]:
    """Notes of everybody that expire in a span of time, the oldest first: user, name, version and JSON text."""
    return [row[:4] for row in tx.rows("notes_by_age", room=room, since=since, upto=upto, most=most)]


def due(tx: Reading, *, room: str, since: int, upto: int, most: int) -> list[tuple[str, str, int, str]]:
    """Notes of a room, of everybody, that expire within a stretch of time, first those that expire first.

    Of each the user's id, the name, the version and the JSON text.
    """
    found = tx.rows("notes_due", room=room, since=since, upto=upto, most=most)
    return [(row[0], row[1], row[2], row[3]) for row in found]


class Notes:
    """The notes that a batch looks at and changes."""

    def __init__(self, tx: Writing, now: int) -> None:
        self._tx = tx
        self._now = now
        self._known: dict[Key, Kept | None] = {}
        self._stored: set[Key] = set()  #: those of which there is a row, expired or not
        self._changed: set[Key] = set()

    def preload(self, keys: Iterable[Key]) -> None:
        """Load notes in bulk; where others write as well, nobody else changes them meanwhile."""
        missing = sorted({key for key in keys if key not in self._known})
        if not missing:
            return
        self._known.update(dict.fromkeys(missing))
        for row in self._tx.among("hold_notes" if self._tx.shared else "notes_of", missing):
            key = (row[0], row[1], row[2])
            self._known[key] = Kept(*row[3:])
            self._stored.add(key)

    def find(self, key: Key) -> Kept | None:
        """A note, unless it has expired."""
        if key not in self._known:
            self.preload([key])
        kept = self._known[key]
        return None if kept is None or kept.expires_at <= self._now else kept

    def set(self, key: Key, value: str | None, expires_at: int) -> None:
        """Another value for a note; None removes it."""
        if key not in self._known:
            self.preload([key])
        old = self._known[key]
        self._changed.add(key)
        # The clock is in it, so that a note which was removed does not come back under a version that it had.
        version = self._now if old is None else max(self._now, old.version + 1)
        self._known[key] = None if value is None else Kept(version, value, expires_at)

    def forget(self, before: int) -> int:
        """Remove some of the notes that expired before a time, but those that this batch looks at; how many."""
        found = self._tx.rows("expired_notes", before=before, most=FORGOTTEN_AT_ONCE)
        gone = sorted({(row[0], row[1], row[2]) for row in found} - self._known.keys())
        self._tx.put("drop_notes", gone)
        return len(gone)

    def wipe(self) -> None:
        """Remove, of everybody, what holds contents of sessions; nobody else writes meanwhile."""
        self._tx.run("drop_contents_of_notes", [()])
        for key in [key for key in self._known if key[1] in _CONTENTS]:
            self._known[key] = None
            self._changed.discard(key)
            self._stored.discard(key)

    def save(self) -> None:
        """Write what was changed, in the order of the keys."""
        if not self._changed:
            return
        changed = [(key, self._known[key]) for key in sorted(self._changed)]
        self._tx.put("drop_notes", [key for key, kept in changed if kept is None and key in self._stored])
        kept_on = [(key, kept) for key, kept in changed if kept is not None]
        rows = {key: (*key, kept.version, kept.value, kept.expires_at) for key, kept in kept_on}
        self._tx.put("save_notes", [row for key, row in rows.items() if key in self._stored])
        self._tx.put("add_notes", [row for key, row in rows.items() if key not in self._stored])


# Operations


def together(work: Work, op: Together, apply: Callable[[Work, Op], Any]) -> list[Any]:
    """Change notes and make operations, or nothing of both; or give the answers that were given before."""
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    notes, keep = work.notes, op.keep
    if keep is not None and (said := notes.find((user_no, ANSWER, keep.name))) is not None:
        body_hash, answers = decoded(said.value)
        if body_hash != keep.body_hash:
            raise Conflict(f"the idempotency key {keep.name!r} was used for another request; take a new one")
        return Repeated(answers)
    named = [((user_no, note.room, note.name), note) for note in op.notes]
    for key, note in named:
        kept = notes.find(key)
        found = 0 if kept is None else kept.version
        if found != note.expected:
            raise Stale(f"the {note.room} note {note.name!r} was changed", expected=note.expected, found=found)
    for key, note in named:
        notes.set(key, note.value, note.expires_at)
    answers = [apply(work, each) for each in op.ops]
    if keep is not None:
        notes.set((user_no, ANSWER, keep.name), encoded(keep.body_hash, answers), keep.expires_at)
    return answers


def forget(work: Work, op: ForgetNotes) -> int:
    """Remove expired notes, at most so many; how many it were."""
    return work.notes.forget(op.before)


def looked_at(op: Together, user_no: int) -> list[Key]:
    """The notes that an operation will look at."""
    keys = [(user_no, note.room, note.name) for note in op.notes]
    return keys if op.keep is None else [*keys, (user_no, ANSWER, op.keep.name)]


# Answers as text


_STRUCTS: Final[dict[str, type[Struct]]] = {kind.__name__: kind for kind in (Appended, Done, Entry, Pruned)}
_ERRORS: Final[dict[str, type[RollbookError]]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RollbookError)
}


def encoded(body_hash: str, answers: Sequence[Any]) -> str:
    """Answers as JSON, with what tells the request that they were given to from another one."""
    return msgspec.json.encode([body_hash, [_plain(it) for it in answers]]).decode()


def decoded(text: str) -> tuple[str, list[Any]]:
    """The same back, equal to what it was: errors by their kind, their message, and what a Conflict tells."""
    body_hash, answers = msgspec.json.decode(text)
    return body_hash, [_lively(it) for it in answers]


def _plain(it: Any) -> Any:
    """Plain values as they are; whatever JSON has no word for as an object of one field, which says what it is."""
    if isinstance(it, Outcome):
        return {"outcome": it.value}
    if it is None or isinstance(it, bool | int | float | str):
        return it
    if isinstance(it, list):
        return [_plain(each) for each in it]
    if isinstance(it, RollbookError):
        name = next(kind.__name__ for kind in type(it).__mro__ if kind.__name__ in _ERRORS)
        return {"error": [name, str(it), getattr(it, "expected", None), getattr(it, "found", None)]}
    return _named(it)


def _named(it: Any) -> dict[str, Any]:
    if isinstance(it, tuple):
        return {"tuple": [_plain(each) for each in it]}
    if isinstance(it, bytes):
        return {"bytes": b64encode(it).decode()}
    if isinstance(it, dict):
        return {"dict": [[_plain(key), _plain(value)] for key, value in it.items()]}
    return {type(it).__name__: [_plain(getattr(it, name)) for name in _STRUCTS[type(it).__name__].__struct_fields__]}


def _lively(it: Any) -> Any:
    if isinstance(it, list):
        return [_lively(each) for each in it]
    if not isinstance(it, dict):
        return it
    ((what, told),) = it.items()
    return _MADE[what](told) if what in _MADE else _struct(_STRUCTS[what], told)


def _struct(kind: type[Struct], told: list[Any]) -> Struct:
    return kind(**dict(zip(kind.__struct_fields__, map(_lively, told), strict=True)))


def _error(told: list[Any]) -> RollbookError:
    name, message, expected, found = told
    kind = _ERRORS[name]
    return kind(message, expected=expected, found=found) if issubclass(kind, Conflict) else kind(message)


_MADE: Final[dict[str, Callable[[Any], Any]]] = {
    "outcome": Outcome,
    "error": _error,
    "bytes": b64decode,
    "tuple": lambda told: tuple(map(_lively, told)),
    "dict": lambda told: {_lively(key): _lively(value) for key, value in told},
}
