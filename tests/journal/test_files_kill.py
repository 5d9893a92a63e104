"""R13: kill -9 in the middle of what several processes write. Nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from pathlib import Path

from faults.tools import wait_until

from .files_tools import append, made, names, opened, program


def _told(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def test_r13_nothing_acknowledged_is_lost_when_writers_are_killed(tmp_path: Path) -> None:
    folder, chance = tmp_path / "j", random.Random(20)
    told: list[Path] = []
    with ExitStack() as stack:
        alive = []
        for number in range(7):
            told.append(tmp_path / f"w{number}.txt")
            alive.append(stack.enter_context(program("files_writer", folder, told[-1], f"w{number}", 0)))
            wait_until(lambda: len(_told(told[-1])) > 6, "acknowledgements")
            if len(alive) < 3:
                continue
            time.sleep(chance.uniform(0, 0.1))
            alive.pop(chance.randrange(3)).kill()
        before = sum(map(len, map(_told, told)))
        wait_until(lambda: sum(map(len, map(_told, told))) > before + 12, "acknowledgements after the kills")
        for each in alive:
            each.kill()
    journals = opened(folder)
    assert all(check[1] for check in journals.health()[1:]), journals.health()
    shared = names(journals, "shared")
    assert len(shared) == len(set(shared))
    for number, path in enumerate(told):
        own, acknowledged = names(journals, f"w{number}"), _told(path)
        assert len(acknowledged) > 6
        # What is there is all that was acknowledged, in order, and at most what was on its way.
        for found in (own, [each for each in shared if each.startswith(f"w{number}-")]):
            assert found[: len(acknowledged)] == acknowledged
            assert len(found) - len(acknowledged) in range(4)
        assert len(own) % 3 == 0, "a step is there as a whole"
        made(journals, append(f"w{number}", "next"))
    assert not [each for each in (folder).rglob("*.jsonl") if not each.stat().st_size and "fork" not in each.name]


def test_processes_that_write_at_once_all_get_their_turn(tmp_path: Path) -> None:
    with ExitStack() as stack:
        for name in ("a", "b", "c"):
            stack.enter_context(program("files_writer", tmp_path / "j", tmp_path / name, name, 25))
        journals = opened(tmp_path / "j")
        wait_until(lambda: len(names(journals, "shared")) == 3 * 75, "everything, seen by a reader meanwhile")
    shared = names(journals, "shared")
    for name in ("a", "b", "c"):
        assert [each for each in shared if each.startswith(name)] == names(journals, name)
