"""Steps that are made together: each in memory, then each log that they changed is written and synced once.

All logs that they need are locked meanwhile. A log that fails costs the steps in it, and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Self

from rollbook.errors import Conflict, NotSupported, RollbookError, StoreError
from rollbook.journal import rules
from rollbook.journal.files import disk, written
from rollbook.journal.files.log import Log
from rollbook.journal.files.place import Place
from rollbook.journal.files.shelf import LogShelf
from rollbook.journal.steps import Done, Drop, Fork, SetState, Step

Answer = Done | bool | RollbookError

_Name = tuple[str, str]  #: of a user's session

_TRIES: Final = 100
_SYNCS: Final = 8  #: logs that are synced at the same time


class Held:
    """A log that is locked, and what is to become of it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.fd: int | None = None  #: None: there is no file
        self.locked = False
        self.error: RollbookError | None = None  #: why it cannot be used
        self.cleared = False  #: it was damaged, and nothing that was in it stays
        self.end = 0  #: of what was there before
        self.records: list[bytes] = []
        self.erase = False  #: nothing that was removed may stay in the file
        self.steps: list[tuple[int, str]] = []  #: those that are lost if it fails, and their sessions


class Batch:
    """Use it as a context: the locks are held within."""

    def __init__(self, place: Place, steps: Sequence[Step | Drop]) -> None:
        self._place = place
        self._steps = steps
        self._answers: list[Answer] = []
        self._held: dict[str, Held] = {}
        self._roots: dict[_Name, str] = {}  #: in whose log the journals of sessions are
        self._joined: dict[_Name, Held] = {}  #: where they are from this batch on, for those that became forks
        self._left: dict[_Name, Held] = {}  #: forks of which nothing is kept any more, and where it was

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # who knows how far it came: the disk does
            for held in self._held.values():
                if held.locked:
                    held.log.forget()
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
        for _ in range(_TRIES):
            wanted = self._wanted()
            for path in sorted(wanted):
                self._held[path] = self._hold(*wanted[path])
            if all(self._place.root_of(*name) == root for name, root in self._roots.items()):
                return
            self._release()
            self._roots.clear()
        raise StoreError("sessions become forks faster than they can be written to; try again")

    def _wanted(self) -> dict[str, tuple[Log, bool]]:
        """The logs that the steps need, and whether they are to be made."""
        wanted: dict[str, tuple[Log, bool]] = {}
        for step in self._steps:
            with contextlib.suppress(RollbookError):  # what is wrong with a step is said when it is made
                own = _session(step)
                _want(wanted, self._log(step.user_id, own), make=isinstance(step, Step))
                for source in _sources(step):
                    _want(wanted, self._log(step.user_id, source), make=False)
        return wanted

    def _log(self, user_id: str, session_id: str | None) -> Log:
        """The log that a session's journal is in, as it was found first."""
        if session_id is None:
            return self._place.log(user_id, None)
        name = (user_id, session_id)
        if name not in self._roots:
            self._roots[name] = self._place.root_of(user_id, session_id)
        return self._place.log(user_id, self._roots[name])

    def _hold(self, log: Log, make: bool) -> Held:  # noqa: FBT001 - as it stands in what is wanted
        held = Held(log)
        if not log.lock.acquire(timeout=self._place.wait_s):
            held.error = StoreError(f"{log.path} is in use by another thread that does not let go; try again")
            return held
        held.locked = True
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
        if held.error is not None and not log.damaged:
            self._let_go(held)
        return held

    def _let_go(self, held: Held) -> None:
        if not held.locked:
            return
        held.locked = False
        if held.fd is not None:
            with contextlib.suppress(OSError):
                if disk.is_empty(held.fd, held.log.path):
                    held.log.remove()  # it was made only to be locked
            self._place.locks.release(held.fd)
            held.fd = None
        self._place.cache.settle(held.log)
        held.log.lock.release()

    def _release(self) -> None:
        for held in self._held.values():
            self._let_go(held)
        self._held.clear()

    # Steps

    def _home(self, user_id: str, session_id: str | None) -> Held:
        """The log that holds a session's journal. Raises what is wrong with it."""
        log = self._log(user_id, session_id)
        held = self._joined.get((user_id, session_id or "")) or self._held.get(log.path)
        if held is None:
            raise StoreError(f"{log.path} could not be looked for before; try again")
        if held.error is not None:
            raise held.error
        return held

    def _home_to_drop(self, step: Drop) -> Held:
        """The same for a session that is to go, which may be damaged where nobody else has a part in its log."""
        session = _session(step)
        held = self._held.get(self._log(step.user_id, session).path)
        if held is None or held.error is None or not held.locked or held.log.session_id != session:
            return self._home(step.user_id, session)
        if self._place.has_forks(step.user_id, step.session_id):
            raise StoreError(f"{held.error} Other sessions were forked from it, so it cannot be dropped as it is")
        return held

    def _make(self, number: int, step: Step) -> Done:
        session = _session(step)
        who, source = session or "", None
        home = target = self._home(step.user_id, session)
        for name in _sources(step):
            found = self._home(step.user_id, name)
            if found.log.shelf.holds(name):
                source, target = name, found
        if target is not home and home.log.shelf.holds(who):
            raise Conflict("the session has a journal already, so it cannot become a fork")
        with self._recording(target, step.at) as shelf:
            if target is not home:
                rules.drop(shelf, who, step.at)  # what a fork has left that was interrupted
            rules.refuse(shelf, who, step, source)
            done = rules.apply(shelf, who, step, source)
        if target is not home:
            self._joined[step.user_id, who] = target
        self._left.pop((step.user_id, who), None)
        target.steps.append((number, who))
        return done

    def _drop(self, number: int, step: Drop) -> bool:
        name = (step.user_id, step.session_id)
        home = self._home_to_drop(step)
        if not home.log.damaged and rules.spares(home.log.shelf, step.session_id, step, home.log.changed_at):
            return False
        if step.session_id and (self._roots[name] != step.session_id or name in self._joined):
            self._left[name] = home
        if home.fd is None:
            return False
        if home.log.damaged and not home.cleared:
            return self._clear(number, home, step)
        with self._recording(home, step.at) as shelf:
            was_there = rules.drop(shelf, step.session_id, step.at)
            if was_there and step.session_id:
                self._drop_strangers(home, shelf, step)
        home.erase |= was_there
        home.steps.append((number, step.session_id))
        return was_there

    def _clear(self, number: int, home: Held, step: Drop) -> bool:
        """Drop a journal that cannot be read with all that is in its log, which is its own alone."""
        home.error, home.cleared, home.erase = None, True, True
        home.steps.append((number, step.session_id))
        return True

    def _drop_strangers(self, home: Held, shelf: LogShelf, step: Drop) -> None:
        """Let go of what forks have left that were interrupted, so that it keeps nothing alive."""
        everybody = {str(head.who) for head in shelf.all_heads.values()} | {str(who) for who in shelf.states}
        for who in everybody - {home.log.session_id, shelf.user}:
            joined = self._joined.get((step.user_id, who))
            if joined is None and self._place.root_of(step.user_id, who) != home.log.session_id:
                rules.drop(shelf, who, step.at)

    @contextlib.contextmanager
    def _recording(self, held: Held, at: int) -> Iterator[LogShelf]:
        """A shelf to change; what was done to it becomes a line, or was not done."""
        log = held.log
        shelf = log.own_shelf()
        ops: list[written.Op] = []
        shelf.ops = ops
        try:
            yield shelf
        except BaseException:
            shelf.ops = None
            if ops:
                self._again(held)
            raise
        shelf.ops = None
        if ops:
            held.records.append(written.encoded(written.Record(at, ops)))
            log.changed_at = max(log.changed_at, at)

    def _again(self, held: Held) -> None:
        """Make a log in memory anew from what is on the disk and the steps of this batch that went well."""
        held.log.forget()
        if held.fd is not None and not held.cleared:
            with disk.explained(held.log.path):
                held.log.catch_up(held.fd, repair=True)
        for raw in held.records:
            record = written.record(raw)
            for op in record.ops:
                held.log.shelf.take(op)
            held.log.changed_at = max(held.log.changed_at, record.at)

    # On the disk

    def _commit(self) -> None:
        touched = [held for held in self._held.values() if held.records or held.cleared]
        for held in touched:
            self._try(held, self._write)
        longer = [held for held in touched if held.error is None and held.records]
        if self._place.durable:
            self._sync(longer)
        # Where a fork's journal is stands there only once it is there, and no longer than that.
        for name, held in self._joined.items():
            self._try_root(name, held, partial(self._set_root, name, held))
        for name, held in self._left.items():
            self._try_root(name, held, partial(self._place.drop_root, *name))
        for held in self._held.values():
            if held.error is not None:
                self._fail(held.steps, held.error)
            elif held.fd is not None and held.records and held.log.wasteful():
                self._compact(held)

    def _set_root(self, name: _Name, held: Held) -> None:
        root = held.log.session_id
        assert root is not None  # noqa: S101 - only sessions are forked
        self._place.set_root(*name, root)

    def _try_root(self, name: _Name, held: Held, what: Callable[[], None]) -> None:
        if held.error is not None:
            return
        try:
            with disk.explained(self._place.fork_path(*name)):
                what()
        except StoreError as error:
            self._fail([each for each in held.steps if each[1] == name[1]], error)

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

    def _sync(self, longer: list[Held]) -> None:
        if len(longer) == 1:
            self._try(longer[0], self._sync_one)
        elif longer:
            with ThreadPoolExecutor(min(_SYNCS, len(longer))) as pool:
                list(pool.map(lambda held: self._try(held, self._sync_one), longer))

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

    def _compact(self, held: Held) -> None:
        """Write a log anew; that it cannot be done now costs nothing but room."""
        size = held.log.end
        try:
            with disk.explained(held.log.path):
                self._anew(held)
        except StoreError:
            held.log.forget()
            held.log.spared = size

    def _fail(self, steps: list[tuple[int, str]], error: RollbookError) -> None:
        for number, _ in steps:
            if not isinstance(self._answers[number], RollbookError):
                self._answers[number] = error


def _want(wanted: dict[str, tuple[Log, bool]], log: Log, *, make: bool) -> None:
    wanted[log.path] = (log, make or (log.path in wanted and wanted[log.path][1]))


def _session(step: Step | Drop) -> str | None:
    """The session of a step; None where it changes the user's state and nothing else. Raises NotSupported for both."""
    if isinstance(step, Drop):
        return step.session_id or None
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
