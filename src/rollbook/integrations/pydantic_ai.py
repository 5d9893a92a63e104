"""A conversation store of Pydantic AI that is a book: ``store = RollbookConversationStore()``.

A conversation is the book's session of the same id: its record is a value of the session's state, its messages are
entries of the stream ``pydantic-ai``. A history that the conversation left stands under a head of its own; a fork is a
fork of the session and shares the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from rollbook.core import Plan
from rollbook.errors import Conflict, InvalidInput, NotFound
from rollbook.integrations.desk import AnyBook, Desk, User, plain
from rollbook.integrations.pydantic_ai_calls import metered, prompts, rest
from rollbook.integrations.recent import Recent
from rollbook.journal import lines
from rollbook.journal.shelf import Line, Peek, Who
from rollbook.journal.steps import MAIN, Append, Change, DropHead, ExpectState, Fork, MoveHead, New, SetState
from rollbook.model import to_micros
from rollbook.rules import bodies, checks

try:
    from pydantic import TypeAdapter
    from pydantic_ai.conversation_store import (
        ConversationConflict,
        ConversationEntry,
        ConversationRecord,
        ConversationStore,
    )
    from pydantic_ai.messages import ModelMessagesTypeAdapter
except ModuleNotFoundError as error:  # pragma: no cover - tests of integrations have what they need
    raise ModuleNotFoundError(
        f"{error}: Pydantic AI is not installed, or has no conversation store yet; "
        "install it with: pip install 'rollbook[pydantic-ai]'",
        name=error.name,
    ) from None

STREAM: Final = "pydantic-ai"
KEY: Final = "pydantic-ai"  #: of the record in a session's state, and the start of the keys in the user's
AGENT: Final = "pydantic-ai"
_PART: Final = 200  #: bytes of an id within a name
_RECORD_BYTES: Final = 1 << 30

_records: Final = TypeAdapter(ConversationRecord)


class _State(msgspec.Struct):
    """The value of the session's state."""

    record: Raw
    turns: int


class _Body(msgspec.Struct):
    """The body of an entry."""

    id: str
    parent_id: str | None
    kind: Any
    message: Raw


_state: Final = msgspec.json.Decoder(_State)
_body: Final = msgspec.json.Decoder(_Body)


class _Kept(NamedTuple):
    """A conversation as it is kept."""

    value: Raw | None  #: of the state
    record: Any  #: None where there is none
    turns: int
    heads: frozenset[str]
    tip: str | None  #: the entry id at the main head
    free: bool  #: nothing at all is kept of the session, so that it may become a fork


_NOTHING: Final = _Kept(None, None, 0, frozenset(), None, free=True)


class RollbookConversationStore(ConversationStore):
    """The five primitives of a ``ConversationStore``, in a book. Safe on several event loops and threads at once.

    ``book`` is an open book of either kind, a URL or a path (None: the default book); one that is opened here is closed
    by :meth:`close`. Every save meters what the responses in it used. Deleting a conversation removes the messages
    that no fork shares; what it cost stays in the ledger.
    """

    def __init__(self, book: AnyBook = None, *, user_id: User = None) -> None:
        """Take a book, and whose conversations they are."""
        self._desk = Desk(book, user_id)
        self._places = Recent()  # by entry id: a conversation that has it

    async def close(self) -> None:
        """Close the book if it was opened for this store. A second call does nothing."""
        await self._desk.close()

    async def read_record(self, conversation_id: str) -> Any:
        """The record of a conversation, or None."""
        kept = await self._desk.read(self._kept(conversation_id))
        return kept.record

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[Any]:
        """The records, or those of a scope, newest first, and at most so many."""
        return await self._desk.read(self._newest(scope, limit))

    async def write_record(
        self, record: Any, *, new_entries: Sequence[Any] = (), expected_revision: str | None
    ) -> None:
        """Store a record and new entries in one step, in place of the record of a revision.

        Raises ConversationConflict where that one is not there (None: where any is), or for an entry that is not known.
        """
        written = _Written(record, [(each, self._entry(each)) for each in new_entries], expected_revision)
        try:
            await self._desk.write(self._write(written))
        except (Conflict, NotFound):
            raise ConversationConflict(record.conversation_id) from None

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Remove a record, and the entries that no other conversation leads to.

        Raises ConversationConflict where no record of that revision is there.
        """
        try:
            await self._desk.write(self._delete(conversation_id, expected_revision))
        except Conflict:
            raise ConversationConflict(conversation_id) from None

    async def read_entry(self, entry_id: str) -> Any:
        """One entry, in whatever conversation of the user. Raises NotFound, a LookupError."""
        return (await self._desk.read(self._history(entry_id, 1)))[-1]

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[Any]:
        """The entries up to one, oldest first, or the newest so many of them. Raises NotFound, a LookupError."""
        if head_id is None or limit == 0:
            return []
        return await self._desk.read(self._history(head_id, limit))

    # Reading

    def _kept(self, conversation_id: str) -> Plan[_Kept]:
        if not _may_name(conversation_id):
            return _NOTHING

        def look(peek: Peek, who: Who) -> _Kept:
            state, heads = peek.state(who), peek.heads_of(who)
            value = state.get(KEY)
            main = peek.head(who, STREAM, MAIN)
            tip = None if main is None or not main.tip else peek.line(STREAM, main.tip)
            kept = None if value is None else _state.decode(value)
            return _Kept(
                value,
                None if kept is None else _records.validate_json(bytes(kept.record)),
                0 if kept is None else kept.turns,
                frozenset(head.name for head in heads if head.stream == STREAM),
                None if tip is None else tip.entry_id,
                free=not heads and not state,
            )

        found: _Kept = yield from self._desk.plans.perused(conversation_id, self._desk.user_id, look)
        if found.record is not None:
            self._places.note(conversation_id, _mentioned(found.record))
        return found

    def _newest(self, scope: str | None, limit: int | None) -> Plan[list[Any]]:
        """Records in the order of the user's state, which tells of each when it was saved, and its scope."""
        listed = yield from self._desk.indexed(f"{KEY}/")
        wanted = [each for each in listed if scope is None or each["scope"] == scope]
        wanted.sort(key=lambda each: each["saved"], reverse=True)
        found: list[Any] = []
        for each in wanted:
            if limit is not None and len(found) >= limit:
                break
            kept = yield from self._kept(each["id"])
            if kept.record is not None and scope in (None, kept.record.scope):
                found.append(kept.record)
        return sorted(found, key=lambda record: record.updated_at, reverse=True)

    def _history(self, entry_id: str, limit: int | None) -> Plan[list[Any]]:
        """The line that ends at an entry: of the conversation that had it last, else of whichever has it."""
        known = self._places.of(entry_id)
        if known is not None:
            found = yield from self._line(known, entry_id, limit)
            if found:
                return found
        for each in (yield from self._desk.indexed(f"{KEY}/")):
            if each["id"] != known:
                found = yield from self._line(each["id"], entry_id, limit)
                if found:
                    return found
        raise NotFound(f"no conversation has an entry {entry_id!r}")

    def _line(self, conversation_id: str, entry_id: str, limit: int | None) -> Plan[list[Any]]:
        name = plain(entry_id, _PART)

        def look(peek: Peek, who: Who) -> list[Line]:
            line = lines.seen(peek, who, STREAM, name)
            return [] if line is None else lines.tail(peek, STREAM, line.position, limit)

        found = yield from self._desk.plans.perused(conversation_id, self._desk.user_id, look)
        entries = [_stored(line) for line in found]
        self._places.note(conversation_id, [entry.id for entry in entries])
        return entries

    # Writing

    def _entry(self, entry: Any) -> New:
        try:
            message = ModelMessagesTypeAdapter.dump_python([entry.message], mode="json")[0]
        except ValueError as error:
            raise InvalidInput(f"a message cannot be said in JSON: {error}") from None
        body = {"id": entry.id, "parent_id": entry.parent_id, "kind": entry.kind, "message": message}
        return self._desk.entry(body, plain(entry.id, _PART))

    def _write(self, written: _Written) -> Plan[None]:
        record, desk = written.record, self._desk
        checks.session_id(record.conversation_id)
        kept = yield from self._kept(record.conversation_id)
        if (None if kept.record is None else kept.record.revision) != written.expected:
            raise Conflict
        turns = kept.turns + prompts(each.message for each, _ in written.entries)
        # What is metered first is metered again, to no effect, where the messages then have to be saved again.
        calls = list(metered(desk, record.conversation_id, [each.message for each, _ in written.entries], STREAM))
        yield from desk.meter(record.conversation_id, calls, agent=AGENT, turns=turns or None)
        yield from self._keep_branches(record, kept)
        first = yield from self._begun(written, kept)
        changes = [*first, *written.changes(kept, forked=bool(first))]
        changes.append(SetState({KEY: _json({"record": _dumped(record), "turns": turns})}))
        yield from desk.change(
            record.conversation_id, changes, _listing(record), expects=[ExpectState(KEY, kept.value)]
        )
        self._places.note(record.conversation_id, [*_mentioned(record), *(each.id for each, _ in written.entries)])
        unsaid = rest(desk, record, kept.record, calls, STREAM)
        if unsaid is not None:
            yield from desk.meter(record.conversation_id, [unsaid], agent=AGENT)

    def _keep_branches(self, record: Any, kept: _Kept) -> Plan[None]:
        """Let every history that the conversation left stand under a head, each by a step of its own.

        If the save is refused after that, a head too many is all that stays.
        """
        for tip in record.branches:
            head = plain(tip, _PART)
            if head not in kept.heads:
                made = [MoveHead(STREAM, head, head)]
                yield from self._desk.change(record.conversation_id, made, expects=[ExpectState(KEY, kept.value)])

    def _begun(self, written: _Written, kept: _Kept) -> Plan[list[Change]]:
        """How a conversation begins that continues an entry of another one."""
        entry_id = written.base
        if kept.record is not None or entry_id is None or kept.heads:
            return []
        yield from self._history(entry_id, 1)  # whoever has it is remembered
        source = self._places.of(entry_id)
        if kept.free and source is not None:
            return [Fork(source, STREAM, MAIN, plain(entry_id, _PART))]
        # The session holds something already, so it cannot become a fork: it gets entries of its own.
        history = yield from self._history(entry_id, None)
        return [Append(STREAM, tuple(self._entry(each) for each in history))]

    def _delete(self, conversation_id: str, expected: str) -> Plan[None]:
        kept = yield from self._kept(conversation_id)
        if kept.record is None or kept.record.revision != expected:
            raise Conflict
        yield from self._desk.change(
            conversation_id,
            [DropHead(STREAM), SetState({KEY: None})],
            SetState({_listed(conversation_id): None}, of_user=True),
            expects=[ExpectState(KEY, kept.value)],
        )


class _Written(NamedTuple):
    """What is to be written."""

    record: Any
    entries: list[tuple[Any, New]]
    expected: str | None

    @property
    def base(self) -> str | None:
        """The entry of another save that all of this stands behind."""
        found: str | None = self.entries[0][0].parent_id if self.entries else self.record.head_id
        return found

    def changes(self, kept: _Kept, *, forked: bool) -> Iterator[Change]:
        """Entries in as few changes as there are lines among them, and the main head where the record has it."""
        tip = self.base if forked else kept.tip
        at = None if tip is None else plain(tip, _PART)
        for after, news in _runs(self.entries, at):
            yield Append(STREAM, tuple(news), after=after)
            at = news[-1].entry_id
        head = None if self.record.head_id is None else plain(self.record.head_id, _PART)
        if head != at:
            yield MoveHead(STREAM, MAIN, head)


def _runs(entries: Iterable[tuple[Any, New]], at: str | None) -> Iterator[tuple[str | UnsetType | None, list[New]]]:
    """Entries that stand behind each other, and behind what the first of them stands; UNSET: the tip."""
    run: list[New] = []
    after: str | UnsetType | None = UNSET
    for entry, new in entries:
        parent = None if entry.parent_id is None else plain(entry.parent_id, _PART)
        if parent != at:
            if run:
                yield after, run
            run, after = [], parent
        run.append(new)
        at = new.entry_id
    if run:
        yield after, run


def _stored(line: Line) -> Any:
    body = _body.decode(line.body)
    (message,) = ModelMessagesTypeAdapter.validate_json(b"[%b]" % bytes(body.message))
    return ConversationEntry(id=body.id, parent_id=body.parent_id, message=message, kind=body.kind)


def _dumped(record: Any) -> Any:
    return _records.dump_python(record, mode="json")


def _mentioned(record: Any) -> list[str]:
    return [tip for tip in (record.forked_at, *record.branches, record.head_id) if tip is not None]


def _listed(conversation_id: str) -> str:
    return f"{KEY}/{plain(conversation_id, _PART)}"


def _listing(record: Any) -> SetState:
    value = {"id": record.conversation_id, "scope": record.scope, "saved": to_micros(record.updated_at)}
    return SetState({_listed(record.conversation_id): _json(value)}, of_user=True)


def _may_name(conversation_id: str) -> bool:
    """Whether a conversation can have an id at all: a session's id is not empty, and has no control characters."""
    try:
        return checks.session_id(conversation_id) == conversation_id
    except InvalidInput:
        return False


def _json(value: Any) -> Raw:
    return Raw(bodies.encoded(value, "a conversation's record", _RECORD_BYTES))
