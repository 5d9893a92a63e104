"""A disk that is full: files may not grow beyond a size, until they may again."""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from rollbook.errors import StoreError
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.steps import Append, New, Step
from rollbook.settings import Settings

USER = "00000000-0000-5000-8000-000000000001"
LIMIT = 10_000


def step(name: str) -> Step:
    return Step(USER, "s", 1, (Append("qa", (New(name, b'"' + b"x" * 700 + b'"', 1),)),))


def names(journals: FileJournals) -> list[str]:
    with journals.read(USER, "s") as (peek, _):
        return [line.entry_id for line in reversed(peek.below("qa", 1 << 40, 1 << 40))]


def main(folder: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journals = FileJournals(f"file://{folder}", Settings())
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
    kept, refused = [], 0
    for number in range(40):
        answer = journals.apply([step(f"e{number}")])[0]
        if isinstance(answer, StoreError):
            assert "limit" in str(answer), answer
            refused += 1
        else:
            kept.append(f"e{number}")
        assert names(journals) == kept
    assert len(kept) > 5
    assert refused > 20
    log = Path(folder) / USER / "s-s.jsonl"
    assert log.read_bytes().endswith(b"\n"), "nothing of a step that failed stays"
    # In one batch too, a step that has no room leaves the others of its log as they were.
    assert all(isinstance(each, StoreError) for each in journals.apply([step("x"), step("y")]))
    assert names(journals) == names(FileJournals(f"file://{folder}", Settings())) == kept
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journals.apply([step("last")])
    assert names(journals) == names(FileJournals(f"file://{folder}", Settings())) == [*kept, "last"]
    print("went on")


main(sys.argv[1])
