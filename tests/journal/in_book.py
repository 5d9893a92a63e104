"""A book's own journals seen as a place for journals, so that the contract can be held against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rollbook.core import Core
from rollbook.elsewhere import identified
from rollbook.errors import RollbookError
from rollbook.journal import sql_peek
from rollbook.journal.backend import Check, Kept, of_another
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Change, Done, Drop, DropHead, SetState, Step
from rollbook.ledger.ops import Jot
from rollbook.settings import Settings

Answer = Done | bool | RollbookError


class BookJournals:
    """What a book's writer and readers do with the journals in its database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.changed: dict[tuple[str, str], int] = {}  #: when, by user and session; the book does not ask
        self.core = Core(url, user=None, all_users=True, settings=Settings())

    def claim(self, book_id: str) -> None:
        if identified(self.core.store, book_id) != book_id:
            raise of_another(self.url, "name another book")

    def apply(self, steps: Sequence[Step | Drop]) -> list[Answer]:
        answers: list[Answer] = []
        waiting: list[Jot] = []
        for step in steps:
            if isinstance(step, Step):
                waiting.append(_jot(step))
                self.changed[step.user_id, "" if _of_user(step) else step.session_id] = step.at
                continue
            answers += self.core.write(waiting)
            waiting = []
            answers.append(self._dropped(step))
        return answers + self.core.write(waiting)

    def _dropped(self, drop: Drop) -> Answer:
        """What a session contains is removed; the session itself, once deleted, would take no new contents."""
        if drop.since is not None and self.changed.get((drop.user_id, drop.session_id), 0) >= drop.since:
            return False
        of_user = not drop.session_id
        place = self.user_state(drop.user_id) if of_user else self.read(drop.user_id, drop.session_id)
        with place as (peek, who):
            changes: list[Change] = [
                DropHead(stream) for stream in sorted({head.stream for head in peek.heads_of(who)})
            ]
            if state := peek.state(who):
                changes.append(SetState(dict.fromkeys(state), of_user))
        if not changes:
            return False
        (answer,) = self.core.write([_jot(Step(drop.user_id, drop.session_id, drop.at, tuple(changes)))])
        return answer if isinstance(answer, RollbookError) else True

    @contextmanager
    def read(self, user_id: str, session_id: str) -> Iterator[tuple[Peek, Who]]:
        with self.core.store.read() as tx:
            yield sql_peek.peek(tx, user_id, session_id) or (MemoryShelf(), "")

    @contextmanager
    def user_state(self, user_id: str) -> Iterator[tuple[Peek, Who]]:
        with self.core.store.read() as tx:
            yield sql_peek.peek(tx, user_id, None) or (MemoryShelf(), "")

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        found = []
        with self.core.store.read() as tx:
            for user_no, name, _ in tx.rows("users"):
                for session_no, session_id, *_ in tx.rows("sessions_from", user_no=user_no, after=0, most=1 << 30):
                    peek = sql_peek.peek(tx, name, session_id)
                    assert peek is None or peek[1] == session_no
                    heads = [] if peek is None else peek[0].heads_of(peek[1])
                    if user_id in (None, name) and peek is not None and (heads or peek[0].state(peek[1])):
                        found.append(Kept(name, session_id, max((head.changed_at for head in heads), default=0)))
        return iter(found)

    def wipe(self) -> int:
        found = list(self.sessions())
        now = self.core.clock()
        for each in found:
            self._dropped(Drop(each.user_id, each.session_id, now))
        with self.core.store.read() as tx:
            users = [name for _, name, _ in tx.rows("users")]
        for name in users:
            with self.user_state(name) as (peek, who):
                values = SetState(dict.fromkeys(peek.state(who)), of_user=True)
            self.core.write([_jot(Step(name, "", now, (values,)))])
        return len(found)

    def health(self) -> list[Check]:
        return [("book", True, self.url)]

    def close(self) -> None:
        self.core.close()


def _of_user(step: Step) -> bool:
    return any(isinstance(change, SetState) and change.of_user for change in step.changes)


def _jot(step: Step) -> Jot:
    return Jot(user_id=step.user_id, session_id=step.session_id, at=step.at, step=step)
