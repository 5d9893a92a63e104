"""Reading with several processes: others parse files, this one stores what they found.

Parsing holds the interpreter's lock, so threads would not help. The others are plain child processes (``hand``) that
are told files over a pipe and answer with what they read, one batch at a time, so that a full pipe holds them back and
memory stays small. They are started only where there is much to read; until one is ready, and whenever all of them are
busy, this process reads as well. One that fails takes nothing with it: the files that it had are read here.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import msgspec

from rollbook import inbox
from rollbook.errors import RollbookError
from rollbook.importers import follow
from rollbook.importers.base import Batch, Context, Item, Source
from rollbook.importers.content import jot
from rollbook.importers.follow import Found
from rollbook.inbox import Checked, Contents
from rollbook.journal.steps import New
from rollbook.ledger.ops import Call, End, Jot, SourceFile, Touch

try:
    import fcntl
except ImportError:  # pragma: no cover - no such pipes there, and no crew
    fcntl = None  # type: ignore[assignment]

_MOST: Final = 3  #: processes beside this one
#: To be read by one process before it is given more: enough to keep it busy while what it read is stored, and so
#: little that this process reads too when there is nothing to store.
_AHEAD_BYTES: Final = 16 << 20
_PIPE_BYTES: Final = 1 << 20  #: that a pipe is asked to hold, so that nobody waits while the other one is busy
_PIPE_LEAST: Final = 1 << 16  #: that it holds anyway
_READ: Final = 1 << 20
_HEAD: Final = 4  #: bytes that say how long a message is


class Job(msgspec.Struct, array_like=True):
    """What one is told first."""

    source: str
    user_id: str
    now: int
    prices: str | None
    most: int = 0  #: bytes of an entry, where contents are read too
    redacts: bool = False  #: whether secrets are taken out of them


class Entries(msgspec.Struct, array_like=True):
    """Entries of one session, by stream."""

    session_id: str
    at: int
    flagged: bool
    streams: list[tuple[str, tuple[New, ...]]]


class Task(msgspec.Struct, array_like=True):
    """A file to read."""

    found: Found
    known: SourceFile | None


class Part(msgspec.Struct, array_like=True):
    """Something that was read of a file."""

    touches: list[Touch] = []
    ends: list[End] = []
    calls: list[Call] = []
    entries: list[Entries] = []
    file: SourceFile | None = None
    read: int = 0
    skipped: int = 0
    refused: int = 0
    trouble: str | None = None
    last: bool = False  #: of its file


def batches_of(source: Source, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch | str]:
    """What is new in one file, checked; then, if it could not be read wholly, one text that says why."""
    batches = source.read(found, known, context)
    while True:
        try:
            batch = next(batches, None)
        except OSError as error:
            yield follow.reason(found.path, error)
            return
        except msgspec.MsgspecError:
            if known is None:
                raise
            # What was kept of the last reading is not understood: everything is read anew, which doubles nothing.
            yield from batches_of(source, found, None, context)
            return
        except Exception as error:  # noqa: BLE001 - one file that no rule foresaw must not stop the others
            yield f"{found.key}: not understood ({type(error).__name__}: {error})"
            return
        if batch is None:
            return
        yield from checked(batch, context)


def checked(batch: Batch, context: Context) -> Iterator[Batch | str]:
    """A batch with its items checked; those that are refused are told."""
    taken: list[Item] = []
    for item in batch.items:
        try:
            if isinstance(item, Jot):
                kept, refused = _contents(item, context)
                batch.refused += len(refused)
                yield from (f"session {item.session_id}: {error}" for error in refused)
                taken += kept
            else:
                taken.append(inbox.checked(item, context.now))
        except RollbookError as error:
            yield f"session {item.session_id}: {error}"
    batch.items = Checked(taken)
    if batch.file is not None and context.contents is not None:
        batch.file = msgspec.structs.replace(batch.file, source=context.registered(batch.file.source))
    yield batch


def _contents(item: Jot, context: Context) -> tuple[list[Item], list[RollbookError]]:
    contents = context.contents
    if contents is None:
        return [], []
    kept, refused = inbox.jot(item, context.now, contents)
    return [] if kept is None else [kept], [*refused]


def packed(message: msgspec.Struct) -> bytes:
    """A message as it is written to a pipe."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_HEAD, "big") + body


def send(pipe: int, message: bytes) -> None:
    """Write one message to a pipe."""
    left = memoryview(message)
    while left:
        left = left[os.write(pipe, left) :]


def receive(pipe: int) -> bytes | None:
    """Read one message from a pipe; None at its end."""
    head = _exactly(pipe, _HEAD)
    return None if head is None else _exactly(pipe, int.from_bytes(head, "big"))


def _exactly(pipe: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = os.read(pipe, min(size, _READ))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class _Hand:
    """One other process, as this one sees it."""

    def __init__(self, job: Job) -> None:
        #: Files that it has not read yet, with how many bytes it took to ask for each, and how many there are to read.
        self.tasks: deque[tuple[Task, int, int]] = deque()
        self.asked = 0
        self.ahead = 0
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rollbook.importers.hand"],  # nothing is loaded from the working folder
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # what is buffered here, select would not see
        )
        assert self.process.stdin is not None  # noqa: S101 - it was asked for
        assert self.process.stdout is not None  # noqa: S101
        self.into, self.out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self.able = False  #: it has said that it is there
        self.room = _widened(self.into)
        _widened(self.out)
        try:
            send(self.into, packed(job))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Crew:
    """The processes that help with one import. A context manager; none is started before ``start``."""

    def __init__(self, source: str, context: Context, prices: str | None, most: int | None) -> None:
        contents = context.contents or Contents(0)
        redacts = contents.redactor is not None
        self._job = Job(source, context.user_id, context.now, prices, contents.most, redacts)
        self._most = _spare() if most is None else most
        self._hands: list[_Hand] = []
        self._lost: list[Task] = []
        self._context = context
        self._decode = msgspec.msgpack.Decoder(Part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hand in self._hands:
            hand.close()
        self._hands.clear()

    def start(self) -> None:
        """Begin, unless it has begun."""
        count, self._most = self._most, 0
        for _ in range(count):
            try:
                self._hands.append(_Hand(self._job))
            except OSError:  # no such interpreter, no more processes: then this one reads alone
                return

    def submit(self, found: Found, known: SourceFile | None) -> bool:
        """Give a file to one that has room; whether there was one."""
        able = [hand for hand in self._hands if hand.able]
        if not able:
            return False
        task = Task(found, known)
        try:
            message = packed(task)
        except UnicodeEncodeError:  # a name that is not UTF-8
            return False
        hand = min(able, key=lambda one: one.asked)
        # What it was asked for and has not read fits into the pipe, so writing never waits for one that is itself
        # waiting until its answers are read here.
        if hand.asked + len(message) > hand.room or hand.ahead > _AHEAD_BYTES:
            return False
        try:
            send(hand.into, message)
        except OSError:
            self._drop(hand)
            return False
        size = found.size - (known.offset if known else 0)
        hand.tasks.append((task, len(message), size))
        hand.asked += len(message)
        hand.ahead += size
        return True

    def ready(self) -> Iterator[Batch | str]:
        """What has been read by now, without waiting."""
        while self._asked(0):
            yield from self._take(0)

    def rest(self, source: Source) -> Iterator[Batch | str]:
        """Everything that is still to come."""
        while any(hand.tasks for hand in self._hands):
            yield from self._take(None)
        while self._lost:
            task = self._lost.pop()
            yield from batches_of(source, task.found, task.known, self._context)

    def _asked(self, timeout: float | None) -> list[_Hand]:
        """Those that have something to say, or are gone."""
        pipes = {hand.out: hand for hand in self._hands}
        asked = select.poll()
        for pipe in pipes:
            asked.register(pipe, select.POLLIN)
        return [pipes[pipe] for pipe, _ in asked.poll(timeout)] if pipes else []

    def _take(self, timeout: float | None) -> Iterator[Batch | str]:
        for hand in self._asked(timeout):
            pipe = hand.out
            try:
                body = receive(pipe)
                part = None if body is None else self._decode.decode(body)
            except (OSError, msgspec.MsgspecError):
                part = None
            if part is None:
                self._drop(hand)
                continue
            yield from self._news(hand, part)

    def _news(self, hand: _Hand, part: Part) -> Iterator[Batch | str]:
        if not hand.able:
            hand.able = True
            return
        if part.last:
            _, asked, size = hand.tasks.popleft()
            hand.asked -= asked
            hand.ahead -= size
        if part.trouble is not None:
            yield part.trouble
        elif not part.last:
            user_id = self._context.user_id
            jots = [jot(user_id, one.session_id, one.at, one.streams, flagged=one.flagged) for one in part.entries]
            items: Checked[Item] = Checked([*part.touches, *part.ends, *part.calls, *jots])
            yield Batch(items=items, file=part.file, read=part.read, skipped=part.skipped, refused=part.refused)

    def _drop(self, hand: _Hand) -> None:
        """One is gone: what it was to read is read here. What it had read of a file already is taken again, once."""
        self._hands.remove(hand)
        self._lost += [task for task, _, _ in hand.tasks]
        hand.close()


def _widened(pipe: int) -> int:
    """Let a pipe hold more, where the system lets it; how much it holds at least."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES) // 2
    except (AttributeError, OSError):  # not Linux, or more than one user may have
        return _PIPE_LEAST // 2


def _spare() -> int:
    """Cores beside the one that this process works on; none where pipes cannot be waited for."""
    if not hasattr(select, "poll"):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST, cores - 1)
