"""What the tests of journals in files share: short ways to write and to look."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Final

from faults.tools import Program
from rollbook.errors import RollbookError
from rollbook.journal import lines
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.steps import Append, Change, Done, Drop, New, Step
from rollbook.settings import Settings

USER: Final = "00000000-0000-5000-8000-000000000001"
PROGRAMS: Final = Path(__file__).with_name("programs")

_clock: Final = itertools.count(1_700_000_000_000_000)


def opened(folder: Path | str, *, fsync: str = "never", **settings: Any) -> FileJournals:
    """Journals in a folder; most tests ask what processes see, for which nothing need be on the disk."""
    return FileJournals(f"file://{folder}?fsync={fsync}", Settings(**settings))


def step(session: str, *changes: Change) -> Step:
    return Step(USER, session, next(_clock), changes)


def append(session: str, *names: str, body: bytes = b'{"a":1}') -> Step:
    return step(session, Append("qa", tuple(New(name, body, 1) for name in names)))


def drop(session: str) -> Drop:
    return Drop(USER, session, next(_clock))


def made(journals: FileJournals, *steps: Step | Drop) -> list[Done | bool]:
    """Make steps that must go well."""
    answers = journals.apply(steps)
    errors = [answer for answer in answers if isinstance(answer, RollbookError)]
    assert not errors
    return [answer for answer in answers if not isinstance(answer, RollbookError)]


def seen(journals: FileJournals, session: str) -> list[tuple[str, bytes]]:
    """Ids and bodies of a session's entries, whose positions and length must be right."""
    with journals.read(USER, session) as (peek, who):
        head = peek.head(who, "qa", "main")
        found = [] if head is None else lines.tail(peek, "qa", head.tip, None)
        assert head is None or head.length == len(found)
    assert [line.position for line in found] == sorted({line.position for line in found})
    return [(line.entry_id, line.body) for line in found]


def names(journals: FileJournals, session: str) -> list[str]:
    return [name for name, _ in seen(journals, session)]


def log_of(folder: Path, session: str) -> Path:
    """The file in which the journal of a session with a plain id is."""
    return folder / USER / f"s-{session}.jsonl"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def program(name: str, *arguments: object) -> Program:
    """One of the programs beside this file, in a process of its own."""
    return Program(str(PROGRAMS / name), *arguments)
