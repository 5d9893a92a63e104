"""Be killed in the middle of the last migration, again and again: ``migrating.py``.

Each line that it is given is the place of a book, and after how many of the statements a process is to be killed that
opens it. It tells how that process ended.
"""

from __future__ import annotations

import os
import signal
import sys

import apsw

import rollbook
import rollbook.book  # what opening needs, once for all
import rollbook.store.sqlite
from rollbook.store import statements


def opened(path: str, count: int) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    apsw.connection_hooks.append(lambda raw: raw.create_scalar_function("die", die, 0))
    *before, (number, name, text) = statements.migrations()
    parts = text.split(";")
    assert count < len(parts)
    broken = (number, name, ";".join([*parts[:count], "\nselect die()", *parts[count:]]))
    statements.migrations = lambda: (*before, broken)  # type: ignore[assignment]
    rollbook.open(f"sqlite:///{path}").close()


def main() -> None:
    for line in sys.stdin:
        count, _, path = line.rstrip("\n").partition(" ")
        pid = os.fork()
        if not pid:
            opened(path, int(count))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


main()
