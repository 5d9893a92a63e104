"""Forks again and again while a thread writes; parent and children write to the same sessions."""

from __future__ import annotations

import os
import sys
import threading
import warnings

from rollbook.errors import RollbookError
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.steps import Append, New, Step
from rollbook.settings import Settings

USER = "00000000-0000-5000-8000-000000000001"
CHILDREN = 12


def write(journals: FileJournals, name: str) -> None:
    answer = journals.apply([Step(USER, "s", 1, (Append("qa", (New(name, b"1", 1),)),))])[0]
    assert not isinstance(answer, RollbookError), answer


def main(folder: str) -> None:
    warnings.simplefilter("ignore")  # that a thread is there when a process forks is the point
    journals = FileJournals(f"file://{folder}", Settings(busy_timeout_s=20))
    stop = threading.Event()
    count = 0

    def go_on() -> None:
        nonlocal count
        while not stop.is_set():
            write(journals, f"parent-{count}")
            count += 1

    thread = threading.Thread(target=go_on)
    thread.start()
    children = []
    for number in range(CHILDREN):
        child = os.fork()
        if not child:
            for part in range(5):
                write(journals, f"child-{number}-{part}")
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    thread.join()
    with journals.read(USER, "s") as (peek, _):
        names = [line.entry_id for line in peek.below("qa", 1 << 40, 1 << 40)]
    expected = {f"parent-{each}" for each in range(count)}
    expected |= {f"child-{number}-{part}" for number in range(CHILDREN) for part in range(5)}
    assert len(names) == len(expected)
    assert set(names) == expected
    print("all there")


main(sys.argv[1])
