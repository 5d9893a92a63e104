"""Journals in the ledger's own database: what the rules look at and change, as named statements.

Within a batch, new entries wait in memory and are written many rows at a time; whatever has to look at the tables
writes them first. Heads are remembered between batches, since every append needs its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Raw

from rollbook.errors import Conflict
from rollbook.journal import rules, sql_search
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Head, Line, Shelf, Who
from rollbook.journal.sql_peek import OF_USER, SqlPeek, line_of, text_of
from rollbook.journal.steps import Append, Done, Step
from rollbook.store import Row, Writing
from rollbook.store.numbers import Numbers

_ROOTS_MOST: Final = 20_000  #: roots whose heads are remembered between batches

Heads = dict[tuple[Who, str, str], Head]  #: by session, stream and name
Place = tuple[int, int]  #: user and session, or user and root


class JournalCache:
    """What the writer remembers between batches; valid while nobody else writes to the book."""

    def __init__(self) -> None:
        self.heads: dict[Place, Heads] = {}  #: by user and root
        self.root_of: dict[Place, int] = {}  #: by user and session
        self.doc_numbers = Numbers("journal.doc_numbers")
        self.outside = False  #: whether journals are kept outside of this database

    def clear(self) -> None:
        self.heads.clear()
        self.root_of.clear()
        self.doc_numbers.clear()

    def forget(self, user_no: int, session_no: int) -> None:
        """Somebody else changed a session, or what stands under it as a root."""
        self.root_of.pop((user_no, session_no), None)
        self.heads.pop((user_no, session_no), None)

    def trim(self) -> None:
        """Forget the oldest roots where there are too many."""
        if len(self.heads) > _ROOTS_MOST:
            for place in list(self.heads)[: len(self.heads) - _ROOTS_MOST]:
                for session_no in {key[0] for key in self.heads.pop(place)}:
                    self.root_of.pop((place[0], int(session_no)), None)
                self.root_of.pop(place, None)


class JournalWork:
    """The journals that one batch touches."""

    def __init__(
        self, tx: Writing, cache: JournalCache, number: Callable[[str], int], hold: Callable[[int, int], None]
    ) -> None:
        self.tx = tx
        self.cache = cache
        self.number = number  #: of a stream, by its name
        self.index = sql_search.INDEXES[tx.index]
        self.hold = hold  #: told of every root that is about to be changed, by user and number
        self.shelves: dict[Place, SqlShelf] = {}
        self.lines: list[Row] = []
        self.docs: list[Row] = []
        self.texts: list[Row] = []
        self.states: dict[tuple[int, int, str], Raw | None] = {}
        self.heads: dict[tuple[int, int, int, str], Row | None] = {}
        #: Contents to be removed outside, by user and session id: when it was noted, since when what changed stays.
        self.gone: dict[tuple[str, str], tuple[int, int | None]] = {}

    # Before the batch

    def preload(self, wanted: Sequence[tuple[int, int, Step]]) -> None:
        """Ask once for the heads and the ids that steps of existing sessions will look at."""
        self._load({(user_no, session_no) for user_no, session_no, _ in wanted})
        keys: dict[tuple[int, int, int, str], tuple[SqlShelf, str]] = {}
        for user_no, session_no, step in wanted:
            shelf = self.shelf(user_no, session_no)
            for change in step.changes:
                if isinstance(change, Append) and shelf.kept:
                    number = shelf.stream_no(change.stream)
                    for new in change.entries:
                        if not new.fresh:
                            keys[user_no, shelf.root_no, number, new.entry_id] = (shelf, change.stream)
        if keys:
            known = set(self.tx.among("journal.known_ids", list(keys)))
            for key, (shelf, stream) in keys.items():
                if key not in known:
                    shelf.absent.add((stream, key[3]))

    def _load(self, places: set[Place]) -> None:
        cache = self.cache
        missing = [place for place in places if place not in cache.root_of]
        if missing:
            found = {(row[0], row[1]): row[2] for row in self.tx.among("journal.roots_of", missing)}
            for place in missing:
                cache.root_of[place] = found.get(place, place[1])
        roots = {(place[0], cache.root_of[place]) for place in places} - cache.heads.keys()
        for root in roots:
            cache.heads[root] = {}
        if roots:
            names: dict[int, str] = {}
            for user_no, root_no, session_no, stream_no, head, *rest in self.tx.among("journal.heads_under", [*roots]):
                if stream_no not in names:
                    names[stream_no] = self.tx.rows("journal.stream_name", stream_no=stream_no)[0][0]
                stream = names[stream_no]
                cache.heads[user_no, root_no][session_no, stream, head] = Head(session_no, stream, head, *rest)

    def shelf(self, user_no: int, session_no: int) -> SqlShelf:
        """The journal of a session, under its root."""
        if (user_no, session_no) not in self.cache.root_of:
            self._load({(user_no, session_no)})
        root_no = self.cache.root_of[user_no, session_no]
        place = (user_no, root_no)
        found = self.shelves.get(place)
        if found is None:
            self.hold(user_no, root_no)
            if place not in self.cache.heads:
                self._load({(user_no, session_no)})
            found = self.shelves[place] = SqlShelf(self, user_no, root_no)
        return found

    # Steps

    def refuse(self, user_no: int, session_no: int | None, step: Step, source_no: int | None) -> None:
        """Raise what is wrong with a step, before anything is changed; no number: the session is not there yet."""
        shelf: Shelf
        if source_no is None:
            shelf = MemoryShelf() if session_no is None else self.shelf(user_no, session_no)
        else:
            shelf = self.shelf(user_no, source_no)
            own = shelf if session_no is None else self.shelf(user_no, session_no)
            if own is not shelf and session_no is not None and own.heads_of(session_no):
                raise Conflict("the session has a journal already, so it cannot become a fork")
        rules.refuse(shelf, -1 if session_no is None else session_no, step, source_no)

    def begin(self, user_no: int, session_no: int) -> None:
        """Know of a session that was made just now that nothing is kept of it."""
        self.cache.root_of[user_no, session_no] = session_no
        self.cache.heads[user_no, session_no] = {}

    def apply(self, user_no: int, session_no: int, step: Step, source_no: int | None) -> Done:
        """Make a step that was not refused."""
        if source_no is not None:
            self.cache.root_of[user_no, session_no] = self.shelf(user_no, source_no).root_no
        return rules.apply(self.shelf(user_no, session_no), session_no, step, source_no)

    def drop(self, user_no: int, session_no: int, at: int) -> bool:
        """Remove a session's journal but for what its forks share."""
        return rules.drop(self.shelf(user_no, session_no), session_no, at)

    def drop_user_state(self, user_no: int) -> None:
        """Remove the state of a user as it is now; what is set later in the batch stays."""
        self.flush_state()
        self.tx.run("journal.drop_user_state", [(user_no,)])

    def wipe(self) -> None:
        """Remove every journal of everybody."""
        self.lines, self.docs, self.texts = [], [], []
        self.states, self.heads, self.shelves = {}, {}, {}
        for name in ("wipe_heads", "wipe_entries", "wipe_state", "wipe_texts", "wipe_docs", "drop_streams"):
            self.tx.rows(f"journal.{name}")
        self.cache.clear()

    # After it

    def flush(self) -> None:
        """Write the entries that wait, since somebody is about to look."""
        if self.lines:
            self.lines.sort()
            self.tx.put("journal.add_lines", self.lines)
            self.lines = []
        if self.docs:
            self.tx.put("journal.add_docs", self.docs)
            self.tx.put("journal.add_texts", self.texts)
            self.docs, self.texts = [], []

    def flush_state(self) -> None:
        changed = sorted(self.states.items())
        self.tx.put(
            "journal.save_state", [(*key, bytes(value).decode()) for key, value in changed if value is not None]
        )
        self.tx.run("journal.drop_state", [key for key, value in changed if value is None])
        self.states = {}

    def save(self) -> None:
        """Write everything, within the transaction of the batch."""
        if not self.shelves and not self.gone:
            return
        self.flush()
        changed = sorted(self.heads.items())
        self.tx.put("journal.save_heads", [row for _, row in changed if row is not None])
        self.tx.run("journal.drop_heads", [key for key, row in changed if row is None])
        if self.states:
            self.flush_state()
        self.tx.put("journal.add_outbox", [(*name, *note) for name, note in sorted(self.gone.items())])
        self.cache.trim()

    def let_go(self) -> None:
        """Hold nothing that holds this: the batch is over."""
        self.shelves.clear()
        self.hold = _nobody

    def doc(self) -> int:
        """The number of a new text."""
        return self.cache.doc_numbers.take(self.tx, OF_USER)


def _nobody(_user_no: int, _root_no: int) -> None:
    """Nobody is told of a root."""


class SqlShelf(SqlPeek):
    """One root's journal under the write lock."""

    def __init__(self, work: JournalWork, user_no: int, root_no: int) -> None:
        super().__init__(work.tx, user_no, root_no)
        self.work = work
        self.kept = work.cache.heads[user_no, root_no]
        self.absent: set[tuple[str, str]] = set()  #: stream and id of entries that are known not to be there

    def stream_no(self, stream: str) -> int:
        return self.work.number(stream)

    def _rows(self, name: str, stream: str, **values: object) -> list[Row]:
        self.work.flush()
        return super()._rows(name, stream, **values)

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        return self.kept.get((who, stream, name))

    def heads(self, stream: str) -> list[Head]:
        return [head for head in self.kept.values() if head.stream == stream]

    def heads_of(self, who: Who) -> list[Head]:
        return [head for head in self.kept.values() if head.who == who]

    def find(self, stream: str, entry_id: str) -> list[Line]:
        # Where no head is, no entry is.
        if not self.kept or (stream, entry_id) in self.absent:
            return []
        return super().find(stream, entry_id)

    def state(self, who: Who) -> dict[str, Raw]:
        if self.work.states:
            self.work.flush_state()
        return super().state(who)

    def value(self, who: Who, key: str) -> Raw | None:
        waiting = self.work.states
        at = (self.user_no, int(who), key)
        return waiting[at] if at in waiting else super().value(who, key)

    def above(self, stream: str, position: int) -> Line | None:
        rows = self._rows("line_above", stream, position=position)
        return line_of(rows[0]) if rows else None

    def children(self, stream: str, position: int) -> list[Line]:
        return [line_of(row) for row in self._rows("lines_behind", stream, position=position)]

    def whole(self, stream: str) -> Iterable[tuple[int, int | None]]:
        return [(row[0], row[1]) for row in self._rows("positions", stream)]

    def put_head(self, head: Head) -> None:
        key = (head.who, head.stream, head.name)
        self.kept[key] = head
        place = (self.user_no, int(head.who), self.stream_no(head.stream), head.name)
        self.work.heads[place] = (
            *place, self.root_no, head.tip, head.length, head.revision, head.top, head.failed, head.changed_at,
        )  # fmt: skip

    def drop_head(self, head: Head) -> None:
        self.kept.pop((head.who, head.stream, head.name), None)
        self.work.heads[self.user_no, int(head.who), self.stream_no(head.stream), head.name] = None

    def add(self, stream: str, line: Line) -> None:
        self.absent.discard((stream, line.entry_id))
        at = (self.user_no, self.root_no, self.stream_no(stream), line.position)
        doc = self._text(at, line) if line.text else None
        row = (*at, line.entry_id, line.who, line.parent, line.created_at, doc, line.body.decode())
        self.work.lines.append(row)

    def _text(self, at: tuple[int, int, int, int], line: Line) -> int:
        number = self.work.doc()
        self.work.docs.append((number, *at))
        self.work.texts.append(self.work.index.row_of(number, *at[:2], line.created_at, line.text or ""))
        return number

    def change(self, stream: str, line: Line) -> None:
        at = (self.user_no, self.root_no, self.stream_no(stream), line.position)
        found = self._rows("doc_at", stream, position=line.position)
        doc = found[0][0] if found else None
        if line.text is not None:
            self._forget_text(at)
            doc = self._text(at, line) if line.text else None
        self.tx_run("change_line", (line.who, line.parent, text_of(line.body), doc, *at))

    def remove(self, stream: str, position: int) -> None:
        at = (self.user_no, self.root_no, self.stream_no(stream), position)
        self.work.flush()
        self._forget_text(at)
        self.tx_run("drop_lines", at)

    def _forget_text(self, at: tuple[int, int, int, int]) -> None:
        self.tx_run("drop_text_at", at)
        self.tx_run("drop_doc_at", at)

    def tx_run(self, name: str, row: Row) -> None:
        self.work.tx.run(f"journal.{name}", [row])

    def set_state(self, who: Who, key: str, value: Raw | None) -> None:
        self.work.states[self.user_no, int(who), key] = value
