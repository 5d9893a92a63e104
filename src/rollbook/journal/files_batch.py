"""Steps that are made together: every log they need is locked, each step is made in memory, and each log is written and
synced once. A log that fails costs the steps in it, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

from rollbook.errors import Conflict, NotSupported, RollbookError, StoreError
from rollbook.journal import files_disk as disk
from rollbook.journal import files_lines as lines
from rollbook.journal import rules
from rollbook.journal.files_log import Log
from rollbook.journal.files_place import Place
from rollbook.journal.files_shelf import LogShelf
from rollbook.journal.steps import Done, Drop, Fork, SetState, Step

Answer = Done | bool | RollbookError

_HOPS: Final = 16  #: from a fork to its source and on to that one's
_SYNCS: Final = 8  #: logs that are synced at the same time


class Held:
    """A log that is locked, and what is to become of it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.fd: int | None = None  #: None: there is no file
        self.error: RollbookError | None = None  #: why it cannot be used
        self.end = 0  #: of what was there before
        self.records: list[bytes] = []
        self.erase = False  #: nothing that was removed may stay in the file
        self.joined: Held | None = None  #: the log in which the session's journal is from now on
        self.steps: list[int] = []  #: those that are lost if it fails


class Batch:
    """Use it as a context: the locks are held within."""

    def __init__(self, place: Place, steps: Sequence[Step | Drop]) -> None:
        self._place = place
        self._steps = steps
        self._answers: list[Answer] = []
        self._held: dict[str, Held] = {}
        self._left: list[Held] = []  #: forks of which nothing is kept any more

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def run(self) -> list[Answer]:
        """Make the steps; their answers once they are durable."""
        self._take()
        for number, step in enumerate(self._steps):
            try:
                self._answers.append(self._drop(number, step) if isinstance(step, Drop) else self._make(number, step))
            except RollbookError as error:
                self._answers.append(error)
        self._commit()
        return self._answers

    # Locks: in the order of paths, so that no two wait for each other

    def _take(self) -> None:
        wanted: dict[str, tuple[Log, bool]] = {}
        for step in self._steps:
            with contextlib.suppress(RollbookError):  # what is wrong with the step is said when it is made
                own = self._place.log(step.user_id, _session(step))
                _want(wanted, own, make=isinstance(step, Step))
                for source in _sources(step):
                    _want(wanted, self._place.log(step.user_id, source), make=False)
        for _ in range(_HOPS):
            for path in sorted(wanted):
                self._held[path] = self._hold(*wanted[path])
            known = len(wanted)
            for held in self._held.values():
                if held.log.root is not None:
                    _want(wanted, self._root(held.log), make=wanted[held.log.path][1])
            if len(wanted) == known:
                return
            self._release()

    def _hold(self, log: Log, make: bool) -> Held:  # noqa: FBT001 - as it stands in what is wanted
        held = Held(log)
        if not log.lock.acquire(timeout=self._place.wait_s):
            held.error = StoreError(f"{log.path} is in use by another thread that does not let go; try again")
            return held
        try:
            with disk.explained(log.path):
                if make:
                    self._place.make_room(log)
                held.fd = self._place.locks.write(log.path, make=make)
                if held.fd is None:
                    log.forget()
                else:
                    log.catch_up(held.fd, repair=True)
                held.end = log.end
        except RollbookError as error:
            held.error = error
        except BaseException:
            self._let_go(held)
            raise
        if held.error is not None:
            self._let_go(held)
        return held

    def _let_go(self, held: Held) -> None:
        if held.fd is not None:
            with contextlib.suppress(OSError):
                if not os.fstat(held.fd).st_size:
                    held.log.remove()  # it was made only to be locked
            self._place.locks.release(held.fd)
            held.fd = None
        self._place.cache.settle(held.log)
        held.log.lock.release()

    def _release(self) -> None:
        for held in self._held.values():
            if held.error is None:
                self._let_go(held)
        self._held.clear()

    # Where a session's journal is

    def _root(self, log: Log) -> Log:
        return self._place.log(log.user_id, log.root)

    def _home(self, log: Log) -> Held:
        """The log that holds the journal of a log's session. Raises what is wrong with it."""
        held = self._held[log.path]
        for _ in range(_HOPS):
            if held.error is not None:
                raise held.error
            if held.joined is not None:
                held = held.joined
            elif held.log.root is not None:
                held = self._held[self._root(held.log).path]
            else:
                return held
        raise StoreError(f"{log.path} leads from one log to another without end; remove it")

    # Steps

    def _make(self, number: int, step: Step) -> Done:
        session = _session(step)
        own = self._held[self._place.log(step.user_id, session).path]
        home = target = self._home(own.log)
        who, source = session or "", None
        for name in _sources(step):
            found = self._home(self._place.log(step.user_id, name))
            if found.log.shelf.holds(name):
                source, target = name, found
        if target is not home:
            self._may_move(own, home, who)
        with self._recording(target, step.at) as shelf:
            if target is not home:
                self._move(shelf, home.log.shelf, who, step.at)
            rules.refuse(shelf, who, step, source)
            done = rules.apply(shelf, who, step, source)
        if target is not home:
            own.joined = target
        target.steps.append(number)
        if own.joined is not None:
            own.steps.append(number)
        return done

    @staticmethod
    def _may_move(own: Held, home: Held, who: str) -> None:
        """Raise Conflict where a session that is to become a fork has a journal that would have to stay where it is."""
        shelf = home.log.shelf
        alone = own is home and not shelf.all_heads and shelf.states.keys() <= {who}
        if shelf.heads_of(who) or (not alone and (own is home or shelf.holds(who)) and not shelf.empty()):
            raise Conflict("the session has a journal already, so it cannot become a fork")

    @staticmethod
    def _move(shelf: LogShelf, old: LogShelf, who: str, at: int) -> None:
        """Let a session begin in another's log with its state; what an interrupted fork has left of it goes."""
        rules.drop(shelf, who, at)
        for key, value in old.state(who).items():
            shelf.set_state(who, key, value)

    def _drop(self, number: int, step: Drop) -> bool:
        own = self._held[self._place.log(step.user_id, step.session_id).path]
        home = self._home(own.log)
        if home.fd is None:
            return False
        who = step.session_id
        with self._recording(home, step.at) as shelf:
            was_there = rules.drop(shelf, who, step.at)
            if was_there:
                self._drop_strangers(home, shelf, step.at)
        home.erase |= was_there
        home.steps.append(number)
        if own is not home:
            self._left.append(own)
        return was_there

    def _drop_strangers(self, home: Held, shelf: LogShelf, at: int) -> None:
        """Let go of what forks have left that were interrupted, so that it keeps nothing alive."""
        users = {head.who for head in shelf.all_heads.values()} | shelf.states.keys()
        for who in users - {home.log.session_id, shelf.user}:
            log = self._place.log(home.log.user_id, str(who))
            held = self._held.get(log.path)
            if held is None and log.lock.acquire(blocking=False):
                try:
                    self._place.refresh(log)
                    lost = log.root is None
                finally:
                    log.lock.release()
                if lost:
                    rules.drop(shelf, who, at)

    @contextlib.contextmanager
    def _recording(self, held: Held, at: int) -> Iterator[LogShelf]:
        """A shelf to change; what was done to it becomes a line, or was not done."""
        log = held.log
        shelf = log.own_shelf()
        shelf.ops = ops = []
        try:
            yield shelf
        except BaseException:
            shelf.ops = None
            if ops:
                self._again(held)
            raise
        shelf.ops = None
        if ops:
            held.records.append(lines.encoded(lines.Record(at, ops)))
            log.changed_at = max(log.changed_at, at)

    def _again(self, held: Held) -> None:
        """Make a log in memory anew from what is on the disk and the steps of this batch that went well."""
        held.log.forget()
        if held.fd is not None:
            with disk.explained(held.log.path):
                held.log.catch_up(held.fd, repair=True)
        for raw in held.records:
            record = lines.record(raw)
            for op in record.ops:
                held.log.shelf.take(op)
            held.log.changed_at = max(held.log.changed_at, record.at)

    # On the disk

    def _commit(self) -> None:
        touched = [held for held in self._held.values() if held.records]
        for held in touched:
            self._try(held, self._write)
        written = [held for held in touched if held.error is None and held.records]
        if self._place.durable:
            self._sync(written)
        # A pointer is only set to what is there, and what it stands for goes only after that.
        for held in self._held.values():
            if held.joined is not None and held.joined.error is None and held.error is None:
                self._try(held, self._point)
        for held in self._left:
            if held.error is None and self._home_failed(held) is None:
                self._try(held, self._unlink)
        for held in self._held.values():
            if held.error is not None:
                self._fail(held)
            elif held.fd is not None and held.records and held.log.wasteful():
                self._compact(held)

    def _home_failed(self, held: Held) -> RollbookError | None:
        try:
            self._home(held.log)
        except RollbookError as error:
            return error
        return None

    def _try(self, held: Held, what: Callable[[Held], None]) -> None:
        try:
            with disk.explained(held.log.path):
                what(held)
        except StoreError as error:
            held.log.forget()
            held.error = error

    def _write(self, held: Held) -> None:
        assert held.fd is not None  # noqa: S101 - a step has changed it, and so it was made
        if held.log.shelf.empty():
            held.log.remove()
            self._sync_folder(held)
            held.records.clear()
        elif held.erase:
            self._anew(held)
            held.records.clear()
        else:
            held.log.put(held.fd, held.records)

    def _anew(self, held: Held) -> None:
        fresh = held.log.anew(self._place.locks, durable=self._place.durable)
        assert held.fd is not None  # noqa: S101 - see above
        self._place.locks.release(held.fd)
        held.fd = fresh
        self._sync_folder(held)

    def _sync(self, written: list[Held]) -> None:
        if len(written) == 1:
            self._try(written[0], self._sync_one)
        elif written:
            with ThreadPoolExecutor(min(_SYNCS, len(written))) as pool:
                list(pool.map(lambda held: self._try(held, self._sync_one), written))

    def _sync_one(self, held: Held) -> None:
        assert held.fd is not None  # noqa: S101 - it was written to
        try:
            disk.sync(held.fd)
            self._sync_folder(held)
        except OSError:
            held.log.undo(held.fd, held.end)
            raise

    def _sync_folder(self, held: Held) -> None:
        if self._place.durable:
            held.log.sync_folder()

    def _point(self, held: Held) -> None:
        root = held.joined.log.session_id if held.joined is not None else None
        assert root is not None  # noqa: S101 - only sessions are forked
        held.log.point(root, self._place.locks, durable=self._place.durable)
        self._sync_folder(held)

    def _unlink(self, held: Held) -> None:
        held.log.remove()
        self._sync_folder(held)

    def _compact(self, held: Held) -> None:
        """Write a log anew; that it cannot be done now costs nothing but room."""
        size = held.log.end
        try:
            with disk.explained(held.log.path):
                self._anew(held)
        except StoreError:
            held.log.forget()
            held.log.spared = size

    def _fail(self, held: Held) -> None:
        for number in held.steps:
            if not isinstance(self._answers[number], RollbookError):
                self._answers[number] = held.error or StoreError()


def _want(wanted: dict[str, tuple[Log, bool]], log: Log, *, make: bool) -> None:
    wanted[log.path] = (log, make or (log.path in wanted and wanted[log.path][1]))


def _session(step: Step | Drop) -> str | None:
    """The session of a step; None where it changes the user's state and nothing else. Raises NotSupported for both."""
    if isinstance(step, Drop):
        return step.session_id
    of_user = [isinstance(change, SetState) and change.of_user for change in step.changes]
    if not any(of_user):
        return step.session_id
    if not all(of_user) or step.expects:
        raise NotSupported("journals in files keep a user's state apart; set it in a step of its own")
    return None


def _sources(step: Step | Drop) -> list[str]:
    """The session that a step forks from, if it does."""
    changes = () if isinstance(step, Drop) else step.changes
    return list(dict.fromkeys(change.source for change in changes if isinstance(change, Fork)))
