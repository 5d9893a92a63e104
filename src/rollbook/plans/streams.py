"""Plans over a session's journal as it is: entries in streams, heads, forks, and state."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import UNSET, Raw, UnsetType

from rollbook.content import AppendedView, EntryView, HeadView
from rollbook.core import Outside, Peruse, Plan, Write, one
from rollbook.errors import Gone, InvalidInput, NotFound
from rollbook.feed.items import STATE
from rollbook.journal import lines
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Head, Line, Peek, Who
from rollbook.journal.steps import (
    MAIN,
    Append,
    Appended,
    Change,
    Done,
    Drop,
    DropHead,
    Entry,
    Expect,
    ExpectState,
    Fork,
    MoveHead,
    New,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
    Step,
)
from rollbook.ledger.journaling import failures_of
from rollbook.ledger.ops import Jot, Jotted
from rollbook.model import from_micros
from rollbook.plans.reading import ReadPlans, User
from rollbook.rules import bodies, checks

R = TypeVar("R")
When = datetime | str | float | None


class StreamPlans(ReadPlans):
    """Methods of the journal that know nothing of what entries say."""

    # Writing

    def append(
        self,
        session_id: str,
        stream: str,
        *,
        entries: Sequence[Any],
        ids: Sequence[str] | None = None,
        head: str = MAIN,
        after: str | UnsetType | None = UNSET,
        expected: int | None = None,
        state: Mapping[str, Any] | None = None,
        user_state: Mapping[str, Any] | None = None,
        user_id: User = None,
        at: When = None,
    ) -> Plan[AppendedView]:
        """Append entries to a stream, all of them or none, in one step with values of state (R11).

        ``entries`` are plain JSON values, or ``bytes`` of JSON to be kept as they are; ``ids`` name them, so that the
        same again is no entry twice. They go behind the newest of the ``head``, or ``after`` an entry, where the line
        then branches (None: a new beginning). ``expected`` is the revision that the head must have (0: none yet), else
        Conflict. ``state`` and ``user_state`` are values to set; not every place for journals can do the latter here.
        """
        moment, _ = checks.moment(at, "at", self.clock())
        added = self.entries_of(entries, ids, moment)
        where = bodies.free_stream(stream)
        named = bodies.head(head)
        changes: List[Change] = [Append(where, added, named, self._after(after))]
        for values, of_user in ((state, False), (user_state, True)):
            if values is not None:
                changes.append(self.state_change(values, of_user=of_user))
        revision = bodies.revision(expected)
        expects = () if revision is None else (Expect(where, revision, named),)
        done = yield from self.step(session_id, changes, expects=expects, user_id=user_id, at=moment)
        told = done.answers[0]
        assert isinstance(told, Appended)  # noqa: S101 - it is the first change
        return AppendedView(
            ids=[new.entry_id for new in added],
            added=told.added,
            duplicates=[view(entry, where) for entry in told.duplicates],
            length=told.length,
            revision=done.revisions[where, named],
        )

    def entries_of(self, values: Sequence[Any], ids: Sequence[str] | None, at: int) -> tuple[New, ...]:
        """New entries of values that a caller gives."""
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise InvalidInput("entries must be a list of JSON values")
        given = list(values)
        names: Sequence[str | None] = [None] * len(given) if ids is None else list(ids)
        if len(names) != len(given):
            raise InvalidInput(f"there are {len(given)} entries and {len(names)} ids")
        found = []
        for value, name in zip(given, names, strict=True):
            known, fresh = self.made_id() if name is None else bodies.entry_id(name)
            found.append(New(known, self.body(value), at, None, False, fresh))  # noqa: FBT003 - array-like
        return tuple(found)

    def body(self, value: Any, what: str = "an entry") -> bytes:
        """A value as it is stored: without secrets, as JSON, not too large; ``what`` is the name of its field."""
        most = self.settings.entry_bytes
        if isinstance(value, bytes):
            kept = bodies.given(value, what, most)
            if self.redactor is None:
                return kept
            plain = bodies.decoded(kept)
            clean = self.redactor.field(what, plain)
            return kept if clean == plain else bodies.encoded(clean, what, most)
        return bodies.encoded(value if self.redactor is None else self.redactor.field(what, value), what, most)

    @staticmethod
    def _after(after: str | UnsetType | None) -> str | UnsetType | None:
        return bodies.entry_id(after)[0] if isinstance(after, str) else after

    def replace_entry(
        self, session_id: str, stream: str, entry_id: str, *, body: Any, user_id: User = None
    ) -> Plan[bool]:
        """Give an entry another body; whether there is such an entry. Its place and time stay."""
        change = Replace(bodies.free_stream(stream), bodies.entry_id(entry_id)[0], self.body(body))
        return (yield from self._whether(session_id, change, user_id))

    def patch_entry(
        self, session_id: str, stream: str, entry_id: str, *, fields: Mapping[str, Any], user_id: User = None
    ) -> Plan[bool]:
        """Set some fields of an entry that is a JSON object; whether there is such an entry."""
        if not isinstance(fields, Mapping):
            raise InvalidInput("fields must be a mapping with text keys")
        values = {bodies.field(name): Raw(self.body(value, name)) for name, value in fields.items()}
        where, most = bodies.free_stream(stream), self.settings.entry_bytes
        change = Patch(where, bodies.entry_id(entry_id)[0], values, most=most)
        return (yield from self._whether(session_id, change, user_id))

    def remove_entry(self, session_id: str, stream: str, entry_id: str, *, user_id: User = None) -> Plan[bool]:
        """Remove one entry; whether it was there. A fork cannot remove what its source wrote: Conflict."""
        change = Remove(bodies.stream(stream), bodies.entry_id(entry_id)[0])
        return (yield from self._whether(session_id, change, user_id))

    def pop_entries(
        self, session_id: str, stream: str, *, count: int = 1, head: str = MAIN, user_id: User = None
    ) -> Plan[List[EntryView]]:
        """Take the newest entries away; what they were, oldest first."""
        change = Pop(bodies.stream(stream), bodies.head(head), checks.count(count, "count", checks.MAX_COUNT))
        done = yield from self._existing(session_id, [change], user_id)
        popped: Any = () if done is None else done.answers[0]
        return [view(entry, change.stream) for entry in popped]

    def move_head(self, session_id: str, stream: str, *, head: str, to: str | None, user_id: User = None) -> Plan[int]:
        """Let a head stand at an entry (None: before the first), making it if need be; its revision.

        A new head is a branch that shares its past. What a moved head leaves stays as long as the stream does.
        """
        where, named = bodies.stream(stream), bodies.head(head)
        change = MoveHead(where, named, None if to is None else bodies.entry_id(to)[0])
        done = yield from self.step(session_id, [change], user_id=user_id)
        return done.revisions[where, named]

    def drop_head(self, session_id: str, stream: str, *, head: str | None = None, user_id: User = None) -> Plan[bool]:
        """Drop a head, or all of a stream, and the entries that nothing else leads to; whether there was any."""
        change = DropHead(bodies.stream(stream), None if head is None else bodies.head(head))
        return (yield from self._whether(session_id, change, user_id))

    def fork(
        self,
        session_id: str,
        new_session_id: str,
        *,
        stream: str | None = None,
        at: str | None = None,
        head: str = MAIN,
        state: bool = True,
        user_id: User = None,
    ) -> Plan[None]:
        """Begin a session's journal as that of another one of the user, whose past it shares; both go on by themselves.

        ``stream`` and ``at`` fork one stream at one of its entries; ``state`` is copied. Raises NotFound for an unknown
        session, stream, head or entry, Conflict if the new session has a journal already.
        """
        source = checks.session_id(session_id)
        change = Fork(
            source,
            None if stream is None else bodies.stream(stream),
            bodies.head(head),
            None if at is None else bodies.entry_id(at)[0],
            bool(state),
        )
        yield from self.step(new_session_id, [change], user_id=user_id)

    # Reading

    def entries(
        self,
        session_id: str,
        stream: str,
        *,
        last_n: int | None = None,
        before: str | None = None,
        head: str = MAIN,
        user_id: User = None,
    ) -> Plan[List[EntryView]]:
        """The newest entries of a stream, oldest first; all without ``last_n``; those ``before`` an entry (R11)."""
        most, where, named = bodies.last_n(last_n), bodies.stream(stream), bodies.head(head)
        mark = None if before is None else bodies.entry_id(before)[0]

        def look(peek: Peek, who: Who) -> List[EntryView]:
            return [view(line, where) for line in newest(peek, who, where, most, head=named, before=mark)]

        return (yield from self.perused(session_id, user_id, look, (where, named)))

    def entry(self, session_id: str, stream: str, entry_id: str, *, user_id: User = None) -> Plan[EntryView]:
        """One entry. Raises NotFound."""
        where, name = bodies.stream(stream), bodies.entry_id(entry_id)[0]
        line = yield from self.perused(session_id, user_id, lambda peek, who: lines.seen(peek, who, where, name))
        if line is None:
            raise NotFound(f"there is no entry {name!r} in {where}")
        return view(line, where)

    def heads(self, session_id: str, *, stream: str | None = None, user_id: User = None) -> Plan[List[HeadView]]:
        """The lines of entries that a session has, by stream and name."""
        where = None if stream is None else bodies.stream(stream)

        def look(peek: Peek, who: Who) -> List[HeadView]:
            found = [head for head in peek.heads_of(who) if where in (None, head.stream)]
            return [_head_view(head) for head in sorted(found, key=lambda head: (head.stream, head.name))]

        return (yield from self.perused(session_id, user_id, look))

    def revision(self, session_id: str, stream: str, *, head: str = MAIN, user_id: User = None) -> Plan[int]:
        """What changes with every write to a line of entries; 0 where there is none."""
        where, named = bodies.stream(stream), bodies.head(head)
        found = yield from self.perused(session_id, user_id, lambda peek, who: peek.head(who, where, named))
        return 0 if found is None else int(found.revision)

    # State

    def all_state(self, session_id: str | None = None, *, user_id: User = None) -> Plan[dict[str, Any]]:
        """Every value of a session's state by key; without a session, of the user's."""
        found = yield from self.perused(session_id, user_id, lambda peek, who: peek.state(who), of_user=True)
        return {
            key: bodies.decoded(bytes(value), f"the value {key!r} of the state") for key, value in sorted(found.items())
        }

    def get_state(self, session_id: str | None, key: str, *, default: Any = None, user_id: User = None) -> Plan[Any]:
        """One value of the state, or the default where there is none. A stored None is a value."""
        name = bodies.key(key)
        found = yield from self.perused(session_id, user_id, lambda peek, who: peek.value(who, name), of_user=True)
        return default if found is None else bodies.decoded(bytes(found), f"the value {name!r} of the state")

    def set_state(self, session_id: str | None, *, values: Mapping[str, Any], user_id: User = None) -> Plan[None]:
        """Set values of a session's state by key; without a session, of the user's. The other keys stay."""
        yield from self.step(session_id, [self.state_change(values, of_user=session_id is None)], user_id=user_id)

    def delete_state(self, session_id: str | None, key: str, *, user_id: User = None) -> Plan[bool]:
        """Remove one value of the state; whether it was there."""
        change = SetState({bodies.key(key): None}, session_id is None)
        return (yield from self._whether(session_id, change, user_id))

    def state_change(self, values: Mapping[str, Any], *, of_user: bool) -> SetState:
        """The change that sets values."""
        if not isinstance(values, Mapping):
            raise InvalidInput("state must be a mapping with text keys")
        return SetState({bodies.key(key): Raw(self.body(value, key)) for key, value in values.items()}, of_user)

    # What all of them come down to

    def step(
        self,
        session_id: str | None,
        changes: Sequence[Change],
        *,
        expects: Sequence[Expect | ExpectState] = (),
        user_id: User = None,
        at: int | None = None,
        instance: str | None = None,
    ) -> Plan[Done]:
        """Changes of a session's journal, made together or not at all (R13); ``instance`` runs the session."""
        owner, label = self.owner(user_id)
        name = _named(session_id, of_user=_of_user(changes)) or ""
        if self.elsewhere is not None:
            sources = [(owner, change.source) for change in changes if isinstance(change, Fork)]
            ready = yield from self.make_ready([*sources, (owner, name)])
            for (_, refused), error in ready.refused.items():
                raise error if refused == name else NotFound(f"there is no session {refused!r} to fork")
        now = self.clock()  # after whatever was to be removed before
        asked = Step(owner, name, now, tuple(changes), tuple(expects))
        moment = now if at is None else at
        if self.elsewhere is None:
            op = Jot(user_id=owner, session_id=name, at=moment, step=asked, user_name=label, instance=instance)
            return one((yield Write([op])))  # type: ignore[no-any-return]  # what a Jot is answered
        done: Done = one((yield Outside([asked])))
        if name:
            failed, failures = failures_of(done)
            told = Jotted(
                user_id=owner, session_id=name, at=moment, failed=failed, failures=failures, user_name=label,
                instance=instance,
            )  # fmt: skip
            try:
                one((yield Write([told])))
            except Gone:
                yield Outside([Drop(owner, name, now)])
                raise
        else:  # the state of the user, of which the book takes no note
            self.feed.publish([(owner, "", STATE)], now)
        return done

    def _existing(self, session_id: str | None, changes: Sequence[Change], user_id: User) -> Plan[Done | None]:
        """A step that only an existing journal can be changed by, so that it makes no session; None: there is none."""

        def there(peek: Peek, who: Who) -> bool:
            return any(_touches(peek, who, change) for change in changes)

        found = yield from self.perused(session_id, self.owner(user_id)[0], there, of_user=_of_user(changes))
        if found or (yield from self.written_before()):
            return (yield from self.step(session_id, changes, user_id=user_id))
        return None

    def _whether(self, session_id: str | None, change: Change, user_id: User) -> Plan[bool]:
        done = yield from self._existing(session_id, [change], user_id)
        return done is not None and bool(done.answers[0])

    def perused(
        self,
        session_id: str | None,
        user_id: User,
        look: Callable[[Peek, Who], R],
        first: tuple[str, str] | None = None,
        *,
        of_user: bool = False,
    ) -> Plan[R]:
        """Look at a session's journal, or, ``of_user`` and without a session, at the user's state.

        Whose, where nobody is named, is as :meth:`get` says. What is not visible is as if it were not there.
        """
        name = _named(session_id, of_user=of_user)
        owner = yield from self._keeper(name, user_id)
        if owner is None:
            return look(MemoryShelf(), "")
        found: R = yield Peruse(owner, name, look, first)
        return found


def _named(session_id: str | None, *, of_user: bool) -> str | None:
    """A session's id; only what may be of the user alone does without."""
    if session_id is None and of_user:
        return None
    return checks.session_id(session_id)  # type: ignore[arg-type]  # None is refused there


def _of_user(changes: Sequence[Change]) -> bool:
    """Whether changes are of the user's state alone, which needs no session."""
    return all(isinstance(change, SetState) and change.of_user for change in changes)


def _touches(peek: Peek, who: Who, change: Change) -> bool:
    """Whether a session has what a change is about, so that it may change something."""
    if isinstance(change, SetState):
        return any(peek.value(who, key) is not None for key in change.values)
    return not isinstance(change, Fork) and any(head.stream == change.stream for head in peek.heads_of(who))


def newest(
    peek: Peek, who: Who, stream: str, most: int | None, *, head: str = MAIN, before: str | None = None
) -> List[Line]:
    """The newest lines of a head, oldest first. Raises NotFound for an entry that they cannot stand before."""
    found = peek.head(who, stream, head)
    if found is None:
        return []
    try:
        return lines.page(peek, who, found, most, before)
    except LookupError:
        raise NotFound(f"there is no entry {before!r} in {stream}") from None


def view(entry: Line | Entry, stream: str) -> EntryView:
    """An entry as it is answered."""
    return EntryView(
        entry_id=entry.entry_id,
        position=entry.position,
        created_at=from_micros(entry.created_at),
        body=bodies.decoded(entry.body, f"the entry {entry.entry_id!r} of {stream}"),
    )


def _head_view(head: Head) -> HeadView:
    return HeadView(
        stream=head.stream, head=head.name, length=head.length, revision=head.revision,
        changed_at=from_micros(head.changed_at),
    )  # fmt: skip
