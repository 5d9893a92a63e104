"""R13: kill -9 while several processes append to one session: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import rollbook
from faults.tools import wait_until

PROGRAM: Final = Path(__file__).with_name("programs") / "book_writer.py"


def _told(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def test_r13_killed_writers_lose_nothing_acknowledged(
    tmp_path: Path, url: str, place: str | None, opened: Callable[..., rollbook.Rollbook]
) -> None:
    chance = random.Random(7)
    told = [tmp_path / f"w{number}.txt" for number in range(5)]
    with ExitStack() as stack:
        alive = []
        for number, path in enumerate(told):
            words = [url, place or "", str(path), f"w{number}"]
            process = subprocess.Popen([sys.executable, str(PROGRAM), *words])
            stack.callback(process.wait)
            stack.callback(process.kill)
            alive.append(process)
            wait_until(lambda path=path: len(_told(path)) > 4, "acknowledgements")  # type: ignore[misc]
            if len(alive) == 3:
                time.sleep(chance.uniform(0, 0.1))
                alive.pop(chance.randrange(3)).kill()
    with opened() as book:
        bodies = [str(entry.body) for entry in book.entries("shared", "x")]
        positions = [entry.position for entry in book.entries("shared", "x")]
        state = book.all_state("shared")
        assert book.verify().ok
        assert positions == sorted(set(positions))
        assert book.append("shared", "x", entries=["next"]).length == len(bodies) + 1
    assert len(bodies) == len(set(bodies))
    for number, path in enumerate(told):
        own, acknowledged = [one for one in bodies if one.startswith(f"w{number}-")], _told(path)
        # All that was acknowledged, in order and without a gap, and at most the step that was on its way, as a whole.
        steps = len(own) // 2
        assert own == [f"w{number}-{at}{end}" for at in range(steps) for end in ("", "-too")]
        assert steps - len(acknowledged) in (0, 1)
        assert state[f"w{number}"] == steps - 1, "state and entries are one step"
