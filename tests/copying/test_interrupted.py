"""A copy that was interrupted, wherever, is a book that takes no writes, and is finished by another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rollbook
from laws.tools import opened_at
from rollbook.copying import rows as written
from rollbook.errors import Conflict, InvalidInput, StoreError
from rollbook.store import Store

from .tools import Places, copied, filled, reading, rows, same

SOURCE = Path(rollbook.__file__).parent.parent
PROGRAM = Path(__file__).with_name("programs") / "copying.py"


class Halt(Exception):
    """Stands for whatever may happen to a process."""


@pytest.fixture
def halting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let a copy come to an end with its transaction of a number, counted from where this was called."""
    patiently = written.patiently
    monkeypatch.setattr(written, "_ROWS", 20)

    def halt(at: int) -> None:
        left = [at]

        def counted(target: Store, work: Callable[[Any], None]) -> None:
            left[0] -= 1

            def halted(tx: Any) -> None:
                work(tx)
                if not left[0]:
                    raise Halt

            patiently(target, halted)

        monkeypatch.setattr(written, "patiently", counted)
        monkeypatch.setattr("rollbook.copying.run.patiently", counted)

    return halt


def unfinished(url: str) -> list[str]:
    with reading(url) as book:
        return [finding.detail for finding in book.doctor() if finding.name == "copy"]


def test_at_every_transaction(places: Places, new: Callable[[], str], halting: Callable[[int], None]) -> None:
    """Each run gets one transaction further into what the last one left, and the source goes on changing."""
    source, target = filled(places.file(), 4), new()
    for at in range(1, 500):
        halting(at)
        try:
            copied(source, target)
        except Halt:
            with opened_at(source) as book:
                book.record_usage("s1", model="m0", tokens_in=1, usage_id=f"while {at}")
                book.add_qa(f"also {at}", question="weather?", answer=f"{at}")
                if at % 5 == 0:
                    (book.delete if at % 2 else book.purge)(f"also {at}")
        else:
            break
        if at > 1:
            assert len(unfinished(target)) == 1
    assert at > 10
    assert not unfinished(target)
    same(source, target)


def test_while_it_is_not_whole_nobody_else_writes(
    places: Places, new: Callable[[], str], halting: Callable[[int], None]
) -> None:
    source, target = filled(places.file()), new()
    with opened_at(target) as before, opened_at(target) as during:
        during.verify()
        halting(5)
        with pytest.raises(Halt):
            copied(source, target)
        left = rows(target)
        for book in (before, during, before):
            with pytest.raises(StoreError, match="a copy that is not whole yet"):
                book.touch("of mine")
            with pytest.raises(StoreError, match="a copy that is not whole yet"):
                book.add_qa("of mine", question="?", answer="!")
        with opened_at(target) as after, pytest.raises(StoreError, match="run 'rollbook copy' again"):
            after.touch("of mine")
        assert rows(target) == left
        halting(0)
        copied(source, target)
        for book in (before, during):
            book.touch("of mine")
    with pytest.raises(Conflict, match="has been written to since it was copied"):
        copied(source, target)


def test_half_a_copy_is_copied_nowhere(places: Places, halting: Callable[[int], None]) -> None:
    source, target, other = filled(places.file()), places.file(), places.file()
    halting(6)
    with pytest.raises(Halt):
        copied(source, target)
    halting(0)
    with pytest.raises(InvalidInput, match="itself a copy that is not whole yet"):
        copied(target, other)
    with pytest.raises(Conflict, match="is a copy of another book"):
        copied(filled(places.file()), target)
    copied(source, target)
    same(source, target)


@pytest.mark.parametrize("after", [3, 9])
def test_killed(places: Places, new: Callable[[], str], after: int) -> None:
    source, target = filled(places.file()), new()
    with subprocess.Popen(
        [sys.executable, "-u", str(PROGRAM), source, target, "10"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as process:
        assert process.stdout is not None
        for _ in range(after):
            assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert len(unfinished(target)) == 1
    copied(source, target)
    same(source, target)
