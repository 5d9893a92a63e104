"""R13, R3: kill -9 in the middle of concurrent writes. What was acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from .tools import Program, holds, opened, url_of, wait_until

SECONDS: Final = float(os.environ.get("ROLLBOOK_KILL_SECONDS", "8"))  #: how long to go on killing
KILLS: Final = 4  #: in one round, each in the midst of others; then all at once
BLOCKED_S: Final = (
    10.0  #: far longer than a lock should outlive its holder, far shorter than the time after which writes give up
)


class Caller:
    """A process that writes without end, and what it told of it."""

    def __init__(self, stack: ExitStack, book: Path | str, name: str, folder: Path | None = None) -> None:
        self._log = (folder or Path(book).parent) / f"{name}.log"
        mode = "tasks" if int(name[1:]) % 3 == 2 else "threads"
        self.program = stack.enter_context(Program("caller", url_of(book), self._log, name, mode))

    def lines(self) -> list[list[str]]:
        if not self._log.exists():
            return []
        text = self._log.read_text()
        # A kill cannot split a write to a file, but reading may see the start of one.
        return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]

    def acknowledged(self) -> int:
        return sum(line[0] == "<" for line in self.lines())

    def goes_on(self) -> None:
        """It gets further acknowledgements, soon."""
        before = self.acknowledged()
        wait_until(
            lambda: self.program.process.poll() is not None or self.acknowledged() > before, "progress", BLOCKED_S
        )
        assert self.program.process.poll() is None, f"a writer ended by itself with {self.program.process.poll()}"


def _round(folder: Path, chance: random.Random) -> None:
    book, names = folder / "book.db", (f"p{number}" for number in count())
    with ExitStack() as stack:
        alive = [Caller(stack, book, next(names)) for _ in range(3)]
        everybody = list(alive)
        for caller in alive:
            wait_until(lambda caller=caller: caller.acknowledged() > 0, "a first acknowledgement")  # type: ignore[misc]
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 0.1))
            alive.pop(chance.randrange(len(alive))).program.kill()
            alive.append(Caller(stack, book, next(names)))
            everybody.append(alive[-1])
            for caller in alive[:-1]:
                caller.goes_on()
        # The last one that was started may be killed while it opens the book.
        time.sleep(chance.uniform(0, 0.4))
        for caller in alive:
            caller.program.process.kill()
    check(book, everybody)


def _sent(everybody: list[Caller]) -> dict[str, tuple[str, int, int]]:
    lines = (line for caller in everybody for line in caller.lines() if line[0] == ">")
    return {line[1]: (line[2], int(line[3]), int(line[4])) for line in lines}


def check(path: Path | str, everybody: list[Caller]) -> None:
    sent = _sent(everybody)
    told = {line[1]: line[2] for caller in everybody for line in caller.lines() if line[0] == "<"}
    assert set(told.values()) == {"counted"}
    with opened(path) as book:
        there = [row.usage_id for number in range(4) for row in book.usage(f"s{number}")]
        assert len(there) == len(set(there)), "a call is in the ledger twice"
        assert told.keys() <= set(there) <= sent.keys(), sorted(told.keys() - set(there))[:5]
        for caller in everybody:
            _check_life(caller, {item.session_id: item.status for item in book.iterate(text="own-")})
        # Everybody sends everything again, as after a lost answer.
        again = book.record_many(
            {"session_id": session, "usage_id": key, "tokens_in": tokens, "cost_usd": f"{cents / 100:.2f}"}
            for key, (session, tokens, cents) in sent.items()
        )
        outcomes = dict(zip(sent, map(str, again), strict=True))
        assert all(outcomes[key] == "duplicate" for key in there)
        assert all(outcomes[key] == "counted" for key in sent.keys() - set(there))
        total = book.spend(by="model", since="all").total
        assert total.calls == len(sent)
        assert total.tokens_in == sum(tokens for _, tokens, _ in sent.values())
        assert total.cost_nano_usd == sum(cents * 10_000_000 for _, _, cents in sent.values())
        assert total.calls == sum(item.calls for item in book.iterate())
        holds(book, sent)


def _check_life(caller: Caller, statuses: dict[str, str]) -> None:
    """A session ends in what was acknowledged last, or in what was on its way when its process was killed."""
    life = [line for line in caller.lines() if line[0] in "!="]
    done = [line for line in life if line[0] == "="]
    if done:
        assert statuses[done[-1][1]] in (done[-1][2], life[-1][2])


@pytest.mark.timeout(300)
def test_r13_kill_9_loses_nothing_acknowledged_and_counts_nothing_twice(tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("ROLLBOOK_KILL_SEED", "1"))
    for number in _until(time.monotonic() + SECONDS):
        folder = tmp_path / f"round{number}"
        folder.mkdir()
        _round(folder, chance)


def _until(deadline: float) -> Iterator[int]:
    """At least two rounds."""
    for number in count():
        if number >= 2 and time.monotonic() > deadline:
            return
        yield number
