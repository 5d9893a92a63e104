"""Appends to a session that everybody appends to, with its own count in the state, until it is killed.

Each id is told in a file of the caller's once it is acknowledged.
"""

from __future__ import annotations

import itertools
import os
import sys

import rollbook


def main(url: str, journal: str, told: str, name: str) -> None:
    fd = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with rollbook.open(url, journal=journal or None, redact=False) as book:
        for number in itertools.count():
            mark = f"{name}-{number}"
            book.append("shared", "x", entries=[mark, f"{mark}-too"], ids=[mark, f"{mark}-too"], state={name: number})
            os.write(fd, f"{mark}\n".encode())


main(*sys.argv[1:])
