"""Write to a book without end, and log what is sent and what was acknowledged: ``caller.py URL LOG NAME MODE``.

Each line is one ``write``, which outlives a kill. ``>`` comes before a call is sent: its id, session, tokens and cost;
``<`` after it was acknowledged: its id and what became of it. ``!`` and ``=`` are the same for the life of a session.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import rollbook

Call = dict[str, Any]


class Log:
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


def calls(name: str, log: Log) -> Iterator[list[Call]]:
    """Now one call, now a few at once, in sessions that all processes share."""
    chance = random.Random(name)
    for number in itertools.count():
        few = []
        for place in range(chance.choice([1, 1, 1, 4])):
            usage_id, session_id = f"{name}-{number}-{place}", f"s{chance.randrange(4)}"
            tokens, cents = chance.randrange(1, 10_000), chance.randrange(100)
            log(">", usage_id, session_id, tokens, cents)
            few.append(
                {"session_id": session_id, "usage_id": usage_id, "tokens_in": tokens, "cost_usd": f"{cents / 100:.2f}"}
            )
        yield few


def acknowledged(log: Log, few: list[Call], answers: list[Any]) -> None:
    for call, answer in zip(few, answers, strict=True):
        if isinstance(answer, Exception):
            raise answer
        log("<", call["usage_id"], answer)


def call_on(book: rollbook.Rollbook, name: str, log: Log) -> None:
    for few in calls(name, log):
        if len(few) == 1:
            acknowledged(log, few, [book.record_usage(**few[0])])
        else:
            acknowledged(log, few, book.record_many(few))


def live_on(book: rollbook.Rollbook, name: str, log: Log) -> None:
    """A session of one's own that ends and is reopened without end."""
    session_id = f"own-{name}"
    log("!", session_id, "running")
    book.touch(session_id)
    log("=", session_id, "running")
    for status in itertools.cycle(["completed", "running", "failed", "running"]):
        log("!", session_id, status)
        if status == "running":
            book.reopen(session_id)
        else:
            book.end(session_id, status)
        log("=", session_id, status)


def guarded(work: Callable[..., None], *arguments: Any) -> None:
    """A thread that fails takes the process with it, and says why."""
    try:
        work(*arguments)
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(9)


def threads(url: str, name: str, log: Log) -> None:
    book = rollbook.open(url)
    running = [
        threading.Thread(target=guarded, args=(call_on, book, f"{name}-0", log)),
        threading.Thread(target=guarded, args=(call_on, book, f"{name}-1", log)),
        threading.Thread(target=guarded, args=(live_on, book, name, log)),
    ]
    for thread in running:
        thread.start()


async def tasks(url: str, name: str, log: Log) -> None:
    async def one(task: str) -> None:
        for few in calls(task, log):
            if len(few) == 1:
                acknowledged(log, few, [await book.record_usage(**few[0])])
            else:
                acknowledged(log, few, await book.record_many(few))

    async with rollbook.aio.open(url) as book, asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(one(f"{name}-{number}"))


def main(url: str, path: str, name: str, mode: str) -> None:
    log = Log(path)
    if mode == "threads":
        threads(url, name, log)
    else:
        import rollbook.aio  # noqa: F401, PLC0415

        asyncio.run(tasks(url, name, log))


main(*sys.argv[1:])
