"""Processes of their own for the tests of faults, and what is asked of a book after one."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import apsw

import rollbook
from rollbook.plans import Plans
from rollbook.settings import Settings

PROGRAMS: Final = Path(__file__).with_name("programs")
SOURCE: Final = Path(rollbook.__file__).parent.parent
#: Where a program, after its imports, becomes many processes, as many as its last argument says, that begin together.
#: Its own one waits for them, and ends well if they do.
READY: Final = """
import os
begin, word, there, ready = *os.pipe(), *os.pipe()
others = []
for _ in range(int(sys.argv[-1])):
    others.append(os.fork())
    if not others[-1]:
        break
else:
    for _ in others:
        os.read(there, 1)
    os.close(word)  # everybody hears that nobody holds it any more
    sys.exit(any([os.waitpid(pid, 0)[1] for pid in others]))
os.close(word)
sys.stdout = open(1, "w", closefd=False)  # so that a line is written as one
os.write(ready, b"!")
os.read(begin, 1)
"""
SLOW_S: Final = 60.0  #: longer than anything here takes on a busy machine; reached only by something that hangs


def at_once(program: str, *arguments: object, count: int) -> list[str]:
    """What so many processes print, a line each, that all begin together once all are there: see ``READY``."""
    words = [sys.executable, "-c", program, *map(str, arguments), str(count)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=2 * SLOW_S, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


class Program:
    """One of the programs beside this file, running in a process of its own; killed when the block is left."""

    def __init__(
        self, name: str, *arguments: object, env: dict[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.name = name
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-u", str(PROGRAMS / f"{name}.py"), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self, within: float = SLOW_S) -> str:
        """The next line that it prints."""
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty:
            raise AssertionError(f"{self.name} said nothing for {within} s") from None
        assert line is not None, f"{self.name} ended with {self.process.wait()} and said nothing more"
        return line

    def tell(self, line: str = "") -> None:
        """Give it a line to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finished(self, within: float = SLOW_S) -> list[str]:
        """The rest of what it prints; it must end well."""
        code = self.process.wait(within)
        rest = []
        while (line := self._lines.get(timeout=within)) is not None:
            rest.append(line)
        assert code == 0, f"{self.name} ended with {code}: {rest[-5:]}"
        return rest

    def kill(self) -> None:
        """As the kernel kills: no clean-up of any kind."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._listener.join(SLOW_S / 60)
        # Whoever it forked may hold the other end for ever, and who listens is not to be waited for then.
        unheard = self._listener.is_alive()
        for pipe in (self.process.stdin, None if unheard else self.process.stdout):
            if pipe is not None:
                pipe.close()


def opened(path: Path | str, **settings: Any) -> rollbook.Rollbook:
    """A book with settings of its own."""
    return rollbook.Rollbook(Plans(url_of(path), user=None, all_users=False, settings=Settings(**settings)))


def url_of(path: Path | str) -> str:
    return path if isinstance(path, str) and "://" in path else f"sqlite:///{path}"


def wait_until(true: Callable[[], bool], what: str, within: float = SLOW_S) -> None:
    """Look again and again until it is true."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"waited {within} s in vain for: {what}"
        time.sleep(0.002)


def ids_in(book: rollbook.Rollbook) -> list[str]:
    """The usage ids of every call in the book, one for each time that it is there."""
    return [row.usage_id for session in book.iterate() for row in book.usage(session.session_id) if row.calls]


def sound(book: rollbook.Rollbook) -> None:
    """R16: the books balance."""
    found = book.verify()
    assert found.ok, found.problems[:5]


def holds(book: rollbook.Rollbook, usage_ids: Iterable[str]) -> None:
    """Exactly these calls are in the book, each once, and the books balance."""
    assert sorted(ids_in(book)) == sorted(usage_ids)
    sound(book)


class Lock:
    """The write lock of a database, held by another process from entering the block until it is left."""

    def __init__(self, path: Path | str, statement: str = "") -> None:
        self._program = Program("holder", path, statement)

    def __enter__(self) -> Self:
        assert self._program.line() == "held"
        return self

    def commit(self) -> None:
        """Let go, keeping what was written."""
        self._program.tell("commit")
        assert self._program.line() == "let go"

    def __exit__(self, *_: object) -> None:
        self._program.__exit__()


def raw(path: Path | str, *statements: str) -> list[Any]:
    """Run statements on a connection that is not the book's; the rows of the last one."""
    connection = apsw.Connection(str(path))
    try:
        rows: list[Any] = []
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        return rows
    finally:
        connection.close()
