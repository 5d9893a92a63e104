"""What is new in one of OpenCode's databases.

Every row has the time of its last write, and a number that grows with each new row: what was written since the last
import, what is new although it bears an older time (a session that was taken over from elsewhere), and what was not
finished when it was read, is read. The rows themselves say the rest, so that reading one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from hashlib import blake2b
from time import time_ns
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from rollbook.errors import InvalidInput
from rollbook.importers import opencode_rows as rows
from rollbook.importers.base import PARSER_ITEMS, QUIET_US, Batch, Context, Item
from rollbook.importers.follow import Found
from rollbook.importers.opencode_calls import SOURCE, call, failed, split_of
from rollbook.importers.opencode_content import OpenCodeContent
from rollbook.importers.opencode_db import Database
from rollbook.importers.opencode_rows import Message, micros
from rollbook.importers.opencode_schema import Schema
from rollbook.importers.opencode_sessions import AGENT, tell
from rollbook.importers.sessions import CARRIED_MOST, Session, State, dump
from rollbook.ledger.ops import SourceFile
from rollbook.rules import checks

BATCH_ROWS: Final = 1_000
EDGE_MOST: Final = 1_000  #: rows whose contents are remembered
OPEN_MOST: Final = 500  #: unfinished messages that are looked at again at every import; of more the newest
OPEN_MS: Final = 7 * 86_400_000  #: for how long one that does not change is
OVERLAP_MS: Final = 10_000  #: a writer may have waited for another one after it looked at the clock: twice that long
#: A file system tells times of writing in ticks: after a write as recent as this, the next may have the same time.
_TICK_NS: Final = 100_000_000


_Edge = Collection[tuple[int, int]]


class _Taken(NamedTuple):
    """What became of a row."""

    held: int  #: a sum of what it held
    same: bool = False  #: it has not changed since it was read
    open: bool = False  #: it is not finished


class Mark(msgspec.Struct, array_like=True):
    """How far one table has been read."""

    time: int = -1  #: from which time of writing on there may be something new, in milliseconds
    row: int = 0  #: the largest number of a row
    edge: list[tuple[int, int]] = []  #: the rows that were written since that time, and a sum of what they held
    open: list[tuple[int, int, int]] = []  #: unfinished rows, the sum, and until when they are looked at again


class Progress(State, kw_only=True, omit_defaults=True):
    """What the next reading of a database has to know of this one."""

    marks: dict[str, Mark] = msgspec.field(default_factory=dict)
    #: Since when, in milliseconds, there were sessions whose end waits and for which there was no room; 0 for none.
    crowded: int = 0


_progress: Final = msgspec.json.Decoder(Progress)


def load(state: bytes) -> Progress:
    """What an earlier reading left."""
    return _progress.decode(state) if state else Progress()


def read(found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
    """Batches of what is new, each with how far it goes."""
    with Database(found.path) as database:
        yield from _Reading(database, found, known, context).batches()


class _Reading:
    """One database while it is read."""

    def __init__(self, database: Database, found: Found, known: SourceFile | None, context: Context) -> None:
        self.database = database
        self.found = found
        self.context = context
        self.settled = found.mtime_ns < time_ns() - _TICK_NS
        self.schema = Schema(database, context)
        same = known is not None and (known.device, known.inode) == (found.device, found.inode)
        self.progress = load(known.state) if known is not None and same else Progress()
        if known is not None and same and known.head_hash != self.seal():
            self.progress = Progress()
        self.pending = {one.id: one for one in self.progress.sessions}
        self.crowded = self.progress.crowded  #: of the sessions for which there was no room, those not looked up yet
        self.items: list[Item] = []
        self.content = None if context.contents is None else OpenCodeContent(context)
        self.touched: dict[str, None] = {}
        self.taken = 0  #: rows since the last batch
        self.bytes = 0
        self.skipped = 0

    def batches(self) -> Iterator[Batch]:
        """Messages table by table, each batch with the sessions that it touched; at last the sessions that changed."""
        try:
            for table in self.schema.messages:
                yield from self.table(table, self.message)
            for table in self.schema.sessions:
                yield from self.table(table, self.session)
            yield from self.due()
        except OSError:
            # The calls are kept, and read again the next time: nothing is noted of how far this went.
            yield Batch(items=self.items, file=None, read=self.bytes, skipped=self.skipped)
            raise
        yield self.batch(whole=True)

    def table(self, table: str, take: Callable[[str, int, _Edge], _Taken]) -> Iterator[Batch]:
        """What is new in one table.

        It is gone through in steps, between which others write. Whatever is written after this reading began bears a
        time that is not much earlier than the latest one now: from there on the next reading looks again, and knows by
        their contents the rows that have not changed. Unless the clock was set back: then all is looked at again. And a
        time may be much older than the moment at which others see the row, or the clock have been ahead for a while:
        rows that were not finished are looked at again whatever their times.
        """
        mark = self.progress.marks.setdefault(table, Mark())
        now = self.context.now // 1_000
        since, seen = mark.time if mark.time <= now else -1, mark.row
        waiting = {row: until for row, _, until in mark.open}
        edge = {*mark.edge, *((row, held) for row, held, _ in mark.open)}
        latest = self.database.one("oc_latest", {"table": table}, now=now)
        mark.time = max(since, latest - OVERLAP_MS) if isinstance(latest, int) else since
        mark.edge, mark.open = [], []
        at = 0
        while stamps := self.database.rows("oc_stamps", {"table": table}, after=at):
            for row, stamp in stamps:
                at = row
                time = stamp if isinstance(stamp, int) else -1
                if row <= seen and time < since and row not in waiting:
                    continue
                taken = take(table, row, edge)
                mark.row = row
                if time >= mark.time and len(mark.edge) < EDGE_MOST:
                    mark.edge.append((row, taken.held))
                until = waiting.get(row, 0) if taken.same else now + OPEN_MS if taken.open else 0
                if until > now:
                    mark.open = [*mark.open[-OPEN_MOST + 1 :], (row, taken.held, until)]
                if self.taken >= BATCH_ROWS or (self.content is not None and self.content.weight >= PARSER_ITEMS):
                    yield self.batch(whole=False)
        mark.row = at

    def due(self) -> Iterator[Batch]:
        """Sessions for which there was no room, once the first of them may have ended: told anew."""
        if not self.crowded or self.crowded + QUIET_US // 1_000 > self.context.now // 1_000:
            return
        names = self.schema.active(self.crowded)
        for name in names:
            self.touched[name] = None
            if len(self.touched) >= BATCH_ROWS:
                yield self.batch(whole=False)
        self.crowded = 0

    def message(self, table: str, row: int, edge: _Edge) -> _Taken:
        """Take in one message."""
        self.taken += 1
        one = self.schema.row(table, row)
        if one is None:
            return _Taken(0)
        name, session, kind, made, raw = one
        held = crc32(raw) if isinstance(raw, bytes) else 0
        if (row, held) in edge:
            return _Taken(held, same=True)
        self.bytes += len(raw) if isinstance(raw, bytes) else 0
        try:
            message = rows.message((rows.text_of(name), rows.text_of(session)), kind, made, raw, self.context)
            self.use(table, message)
        except InvalidInput:
            self.skipped += 1
            return _Taken(held)
        if self.content is not None and not self.content.take(message, self.schema.stored_parts(table, message)):
            held = 0  # so that it is looked at again
        return _Taken(held, open=_unfinished(message) and message.last + OPEN_MS > self.context.now // 1_000)

    def use(self, table: str, message: Message) -> None:
        """A message that was understood."""
        self.touched[message.session] = None
        if message.kind == "assistant":
            origin = self.schema.origin(table, message)
            found = call(message, origin, self.schema.parts_of(table, message), self.context)
            if found is not None:
                self.items.append(found)

    def session(self, table: str, row: int, edge: _Edge) -> _Taken:  # noqa: ARG002 - telling a session twice is nothing
        """Take in a session that changed."""
        self.taken += 1
        name = rows.text_of(self.database.one("oc_session_id", {"table": table}, row=row))
        if name:
            self.touched[name] = None
        return _Taken(0)

    def batch(self, *, whole: bool) -> Batch:
        """What has been gathered. Only the last batch marks the file as read as it was listed."""
        items: list[Item] = []
        lived: dict[str, int] = {}  #: when the sessions were active last
        for name in self.touched:
            try:
                checks.session_id(name)
            except InvalidInput:
                continue
            info, tail, turns = self.schema.state(name)
            told, carried = tell(info, tail, turns, self.context)
            items += told
            lived[name] = micros(tail.last)
            self.pending.pop(name, None)
            if carried is not None:
                self.pending[name] = carried
        if whole:  # in these nothing is new, but time has passed
            ends = [Session(one, AGENT).end(self.context) for one in self.pending.values()]
            items += [end for end in ends if end is not None]
        if self.content is not None:
            items += self.content.drain(self.context, lambda name: lived.get(name, 0))
        self.keep()
        batch = Batch(items=items + self.items, file=self.mark(whole=whole), read=self.bytes, skipped=self.skipped)
        self.items, self.touched, self.taken, self.bytes, self.skipped = [], {}, 0, 0, 0
        return batch

    def keep(self) -> None:
        """Keep the sessions whose end waits for silence; of very many the first, and since when there are more."""
        waiting = sorted((one for one in self.pending.values() if one.due), key=lambda one: (one.last, one.id))
        self.progress.sessions = waiting[:CARRIED_MOST]
        self.progress.crowded = self.crowded
        if len(waiting) > CARRIED_MOST:
            since = max(1, waiting[CARRIED_MOST].last // 1_000 - OVERLAP_MS)
            self.progress.crowded = min(since, self.crowded or since)

    def mark(self, *, whole: bool) -> SourceFile:
        """How far it was read: the file as it was listed, unless there is more to look for in it as it is."""
        whole = whole and self.settled and not self.progress.crowded
        return SourceFile(
            source=SOURCE,
            path=self.found.key,
            device=self.found.device,
            inode=self.found.inode,
            size=self.found.size if whole else 0,
            offset=0,
            head_hash=self.seal(),
            mtime_ns=self.found.mtime_ns if whole else 0,
            state=dump(self.progress),
        )

    def seal(self) -> str:
        """What shows that the tables are those that were read: their first row, and the last that was seen."""
        seal = blake2b(digest_size=16)
        for table, mark in sorted(self.progress.marks.items()):
            if table in (*self.schema.messages, *self.schema.sessions):
                found = self.database.rows("oc_first", {"table": table}, seen=mark.row)
                seal.update(repr((table, sorted(set(found)))).encode())
        return seal.hexdigest()


def _unfinished(message: Message) -> bool:
    """Whether a message may be written again: its agent makes an empty one first, and fills it in when it is done."""
    data = message.data
    if message.kind != "assistant" or (message.done is not None and failed(data.error)):
        return False
    return message.done is None or data.finish is None or not any(split_of(data.tokens))
