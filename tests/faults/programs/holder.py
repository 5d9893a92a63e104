"""Hold the write lock of a database until told to commit: ``holder.py PATH [STATEMENT]``."""

from __future__ import annotations

import sys

import apsw


def main(path: str, statement: str) -> None:
    connection = apsw.Connection(path)
    connection.set_busy_timeout(30_000)
    connection.execute("begin immediate")
    if statement:
        connection.execute(statement)
    print("held")
    sys.stdin.readline()
    connection.execute("commit")
    print("let go")
    connection.close()


main(*sys.argv[1:])
