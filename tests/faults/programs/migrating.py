"""Be killed in the middle of the last migration: ``migrating.py PATH COUNT``, after so many of its statements."""

from __future__ import annotations

import os
import signal
import sys

import apsw

import rollbook
from rollbook.store import statements


def main(path: str, count: int) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    apsw.connection_hooks.append(lambda raw: raw.create_scalar_function("die", die, 0))
    *before, (number, name, text) = statements.migrations()
    parts = text.split(";")
    assert count < len(parts)
    broken = (number, name, ";".join([*parts[:count], "\nselect die()", *parts[count:]]))
    statements.migrations = lambda: (*before, broken)  # type: ignore[assignment]
    print("begins")
    rollbook.open(f"sqlite:///{path}").close()
    print("was not killed")


main(sys.argv[1], int(sys.argv[2]))
