"""A fork gives the child a book of its own: neither disturbs the other, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from .tools import Lock, Program, holds, opened, url_of


@pytest.mark.timeout(200)
@pytest.mark.parametrize("what", ["busy", "pool", "closing", "aio"])
def test_r13_parent_and_child_both_write_after_a_fork(tmp_path: Path, what: str) -> None:
    path = tmp_path / "book.db"
    with Program("forking", url_of(path), what, env={"ROLLBOOK_BUSY_TIMEOUT": "5"}) as program:
        told = program.finished(150)
    assert len(told) >= 3
    with opened(path) as book:
        holds(book, told)


def test_an_idle_child_does_not_keep_the_lock_of_its_killed_parent(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book:
        book.touch("s")
        with Program("forking", url_of(path), "idle") as program:
            # The write waits for this lock, and holds its process's turn, while the fork is made.
            with Lock(path):
                child = int(program.line())
                program.kill()
            try:
                started = time.monotonic()
                assert book.record_usage("other", usage_id="1") == "counted"
                assert time.monotonic() - started < 10
            finally:
                os.kill(child, signal.SIGKILL)
