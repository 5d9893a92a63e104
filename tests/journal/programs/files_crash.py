"""Dies at every call that changes the disk, one after the other, and looks at what each death has left."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Raw

from rollbook.journal import lines
from rollbook.journal.files import log as files_log
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.steps import Append, Change, Drop, DropHead, Fork, New, SetState, Step
from rollbook.settings import Settings

USER = "00000000-0000-5000-8000-000000000001"
CALLS = ("write", "fsync", "fdatasync", "rename", "unlink", "ftruncate", "mkdir")
SECRET = b"hush"
DIED = 9


def step(session: str, *changes: Change) -> Step:
    return Step(USER, session, 5, changes)


def append(session: str, name: str, body: bytes = b"1") -> Step:
    return step(session, Append("qa", (New(name, body, 1),)))


def secret(session: str, name: str) -> Step:
    return append(session, name, b'"' + SECRET * 100 + b'"')


SHARED = [
    append("s", "one"),
    step("f", Fork("s")),
    append("f", "of f"),
    secret("s", "two"),
    step("s", SetState({"k": Raw(b'"hush"')})),
]
SCENARIOS: dict[str, tuple[list[Step | Drop], list[Step | Drop]]] = {
    "first": ([], [append("s", "one")]),
    "append": ([append("s", "one")], [append("s", "two")]),
    "compaction": (
        [
            append("s", "one"),
            *(step("s", Append("junk", (New("j", b'"' + b"x" * 9000 + b'"', 1),)), DropHead("junk")) for _ in range(6)),
        ],
        [append("s", "two")],
    ),
    "fork": ([append("s", "one")], [step("f", Fork("s"), Append("qa", (New("of f", b"1", 1),)))]),
    "drop": ([secret("s", "one")], [Drop(USER, "s", 5)]),
    "drop root": ([*SHARED], [Drop(USER, "s", 5)]),
    "drop fork": ([append("s", "one"), step("f", Fork("s")), secret("f", "two")], [Drop(USER, "f", 5)]),
}


def opened(folder: Path) -> FileJournals:
    return FileJournals(f"file://{folder}", Settings())


def shown(folder: Path) -> dict[str, Any]:
    """All that can be seen."""
    journals, found = opened(folder), dict[str, Any]()
    for session in ("s", "f"):
        with journals.read(USER, session) as (peek, who):
            heads = {head.stream: lines.tail(peek, head.stream, head.tip, None) for head in peek.heads_of(who)}
            entries = {name: [(line.entry_id, line.body) for line in each] for name, each in heads.items()}
            found[session] = (entries, {key: bytes(value) for key, value in peek.state(who).items()})
    found["sessions"] = sorted(each.session_id for each in journals.sessions())
    return found


def dies_at(number: int) -> None:
    """Let the process end at a certain call; a write comes half through before."""
    count = itertools.count()

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **more: Any) -> Any:
            if next(count) == number:
                if name == "write":
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os._exit(DIED)
            return call(*arguments, **more)

        return called

    for name in CALLS:
        if hasattr(os, name):
            setattr(os, name, around(name, getattr(os, name)))


def in_child(folder: Path, steps: Sequence[Step | Drop], number: int) -> bool:
    """Make steps in a process that dies; whether it lived through them."""
    child = os.fork()
    if not child:
        journals = opened(folder)
        setattr(files_log, "DEAD_BYTES", 4096)  # noqa: B010 - smaller than it is for anybody else
        dies_at(number)
        journals.apply(steps)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, DIED)
    return status == 0


def holds_secret(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and SECRET in path.read_bytes()]


def scenario(above: Path, name: str) -> int:
    before, steps = SCENARIOS[name]
    expected: list[dict[str, Any]] = []
    for number in itertools.count():
        folder = above / f"{name}-{number}"
        for each in before:
            opened(folder).apply([each])
        opened(folder)
        old = shown(folder)
        lived = in_child(folder, steps, number)
        now = shown(folder)
        if lived:
            assert now != old
            assert all(each in (old, now) for each in expected), (name, expected, old, now)
            assert not list(folder.rglob("*.new"))
            return number
        expected.append(now)
        journals = opened(folder)
        if name == "fork" and now == old and number % 2:
            # A fork that came half through must keep nothing alive of what it was forked from.
            journals.apply([secret("s", "two"), Drop(USER, "s", 9)])
            assert not list(journals.sessions()), (number, list(journals.sessions()))
            assert not [path for path in folder.rglob("*.jsonl") if b'"one"' in path.read_bytes()]
            journals.apply(before)
        journals.apply(steps)
        again = shown(folder)
        journals.apply([append("s", "after"), append("f", "after")])
        if name.startswith("drop"):
            assert not holds_secret(folder), (name, number, holds_secret(folder))
        journals.apply([Drop(USER, "s", 9), Drop(USER, "f", 9)])
        # A file that was made only to be locked may have been left; it is empty.
        left = [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
        assert left == ["rollbook-journal.json"], (name, number, left)
        expected.append(again)
    raise AssertionError


def main(above: str) -> None:
    for name in SCENARIOS:
        print(name, scenario(Path(above), name), flush=True)


main(sys.argv[1])
