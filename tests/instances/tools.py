"""Books on a clock of the test's own, instances of machines that are not there, and programs that run sessions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import apsw
import uuid_utils

import rollbook
from rollbook import machine
from rollbook.book import Rollbook
from rollbook.core import Plan, Write
from rollbook.ledger.ops import Beat, Touch
from rollbook.model import MICROS
from rollbook.plans import Plans
from rollbook.rules.liveness import Known
from rollbook.settings import LOCAL_USER, Settings

PROGRAMS: Final = Path(__file__).with_name("programs")
SOURCE: Final = Path(rollbook.__file__).parent.parent
SLOW_S: Final = 60.0  #: reached only by something that hangs
#: Neither beats nor looks around by itself while a test runs.
QUIET: Final = Settings(beat_s=3600, lease_s=14_400, reconcile_s=0)


class Clock:
    """A clock that goes only where the test puts it."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += int(seconds * MICROS)


def opened(
    path: Path | str, clock: Callable[[], int] | None = None, settings: Settings = QUIET, *, everybody: bool = False
) -> Rollbook:
    """A book in a file, on a clock of one's own if there is one."""
    return opened_at(f"sqlite:///{path}", clock, settings, everybody=everybody)


def opened_at(
    url: str, clock: Callable[[], int] | None = None, settings: Settings = QUIET, *, everybody: bool = False
) -> Rollbook:
    """The same, wherever it is."""
    more: dict[str, Any] = {} if clock is None else {"clock": clock}
    return Rollbook(Plans(url, user=None, all_users=everybody, settings=settings, **more))


def plans_of(book: Rollbook) -> Plans:
    return book._plans


def written(book: Rollbook, *ops: Any) -> list[Any]:
    """What operations are answered."""

    def plan() -> Plan[list[Any]]:
        answers: list[Any] = yield Write(ops)
        return answers

    return plans_of(book).drive(plan())


class Peer:
    """A process elsewhere that runs sessions of the book, as far as the book is told."""

    def __init__(self, book: Rollbook, *names: str, user_id: str = LOCAL_USER, **known: Any) -> None:
        said = Known(host="twin", boot_id="another boot", pid_namespace="pid:[1]", pid=7, started="1", lease_us=0)
        self.known = said._replace(lease_us=60 * MICROS)._replace(**known)
        self.book, self.instance_id = book, str(uuid_utils.uuid7())
        self.beat()
        for name in names:
            self.runs(name, user_id=user_id)

    def beat(self) -> list[Any]:
        (marked,) = written(self.book, Beat(instance_id=self.instance_id, known=self.known))
        assert isinstance(marked, list)
        return marked

    def runs(self, name: str, *, user_id: str = LOCAL_USER, loose: bool = False) -> None:
        at = plans_of(self.book).clock()
        touch = Touch(user_id=user_id, session_id=name, at=at, instance=self.instance_id, loose=loose)
        assert written(self.book, touch) == [None]


def here(**more: Any) -> dict[str, Any]:
    """What a process of this machine says of itself, with changes."""
    known = machine.this_process(60 * MICROS)
    return {**known._asdict(), **more}


class Program:
    """A program that runs sessions, in a process of its own; killed when the block is left."""

    def __init__(
        self, name: str, *arguments: object, env: dict[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-u", str(PROGRAMS / f"{name}.py"), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
        )

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(SLOW_S, self.process.kill)
        watchdog.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watchdog.cancel()
        assert line, f"it ended with {self.process.wait()} and said nothing more"
        return line.rstrip("\n")

    def tell(self, line: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """Kill it, and ask how it ended, so that nothing of it stays."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SLOW_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SLOW_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def waits_for(true: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SLOW_S
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.01)


def rows(path: Path | str, statement: str) -> list[Any]:
    """Rows of a book's file, past the book."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()
