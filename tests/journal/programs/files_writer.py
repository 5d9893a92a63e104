"""Writes to one session that everybody writes to, to one of its own, and to forks, until it is killed.

Each name is told in a file of the caller's once it is acknowledged.
"""

from __future__ import annotations

import itertools
import os
import sys
import time

from rollbook.errors import Conflict
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.steps import Append, Change, Done, Drop, DropHead, Fork, New, Step
from rollbook.settings import Settings

USER = "00000000-0000-5000-8000-000000000001"
BODY = b'{"text":"' + b"x" * 700 + b'"}'
SCRAP = b'"' + b"x" * 20_000 + b'"'


def step(session: str, *changes: Change) -> Step:
    return Step(USER, session, int(time.time() * 1e6), changes)


def main(folder: str, told: str, name: str, most: str) -> None:
    journals = FileJournals(f"file://{folder}", Settings())
    fd = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(int(most)) if int(most) else itertools.count():
        ids = [f"{name}-{number}-{part}" for part in range(3)]
        entries = [Append("qa", (New(each, BODY, 1),)) for each in ids]
        steps = [step("shared", entries[0], entries[1]), step("shared", entries[2]), step(name, *entries)]
        # A stream that is dropped and made again leaves a lot behind, so that logs are written anew all the time.
        steps += [step(name, Append("scrap", (New(each, SCRAP, 1),))) for each in ids]
        answers = journals.apply([*steps, step(f"{name}-fork", Fork(name)), Drop(USER, f"{name}-fork", 1)])
        assert all(isinstance(answer, Done | bool | Conflict) for answer in answers), answers
        journals.apply([step(name, DropHead("scrap"))])
        os.write(fd, "".join(f"{each}\n" for each in ids).encode())
    print("done")


main(*sys.argv[1:])
