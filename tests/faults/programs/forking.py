"""Forks of a process with an open book: ``forking.py URL busy|pool|closing|aio|idle``."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import rollbook
import rollbook.aio

WITHIN_S = 30.0
CHILDREN = 15


def child(work: Callable[[], None]) -> int:
    """Fork a process that does something and ends."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException as error:
        sys.stderr.write(f"in the child: {type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def ended_well(pid: int) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    sys.stderr.write(f"a child hung for {WITHIN_S} s\n")
    return False


def call(book: rollbook.Rollbook, name: str, session_id: str = "s") -> None:
    """A write, its acknowledgement told, and a read of what was written."""
    assert book.record_usage(session_id, usage_id=name, tokens_in=1) == "counted"
    os.write(1, (name + "\n").encode())


def forks_while_writing(book: rollbook.Rollbook) -> None:
    """Threads of the parent write and read without pause while children are forked, who write and read, too."""
    stop, failed = threading.Event(), []

    def go_on(name: str) -> None:
        for number in count():
            if stop.is_set():
                return
            try:
                call(book, f"{name}-{number}", name)
                book.get(name)
            except Exception as error:
                failed.append(error)
                return

    def in_child(name: str) -> None:
        for number in range(3):
            call(book, f"{name}-{number}")
            assert f"{name}-{number}" in {row.usage_id for row in book.usage("s")}
        book.close()

    threads = [threading.Thread(target=go_on, args=(f"parent{number}",), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    well = []
    for number in range(CHILDREN):
        time.sleep(0.01)
        well.append(ended_well(child(lambda number=number: in_child(f"child{number}"))))  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join(WITHIN_S)
    assert not failed, failed
    assert all(well), f"{well.count(False)} of {CHILDREN} children failed"
    call(book, "last")
    book.close()


def pool(book: rollbook.Rollbook) -> None:
    """Children of multiprocessing that live beside their parent, all of them writing."""

    def work(name: str) -> None:
        for number in range(40):
            call(book, f"{name}-{number}")

    call(book, "first")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(f"child{number}",)) for number in range(3)]
    for one in children:
        one.start()
    work("parent")
    for one in children:
        one.join(WITHIN_S)
    assert [one.exitcode for one in children] == [0, 0, 0]
    book.close()


def parent_closes_first(book: rollbook.Rollbook) -> None:
    """The child goes on with its book after the parent closed its own."""
    ready, closed = os.pipe(), os.pipe()

    def in_child() -> None:
        call(book, "child-before")
        os.write(ready[1], b"x")
        os.read(closed[0], 1)
        for number in range(3):
            call(book, f"child-after-{number}")
        assert len(book.usage("s")) == 5
        book.close()

    call(book, "parent")
    pid = child(in_child)
    os.read(ready[0], 1)
    book.close()
    os.write(closed[1], b"x")
    assert ended_well(pid)


def asynchronous(url: str) -> None:
    """A child uses its parent's asynchronous book in an event loop of its own."""

    async def use(book: rollbook.aio.AsyncRollbook, name: str) -> None:
        assert await book.record_usage("s", usage_id=name, tokens_in=1) == "counted"
        os.write(1, (name + "\n").encode())
        assert name in {row.usage_id for row in await book.usage("s")}

    async def opened() -> rollbook.aio.AsyncRollbook:
        book: rollbook.aio.AsyncRollbook = await rollbook.aio.open(url)
        await use(book, "parent-before")
        # The threads that read are idle at the fork, and the child has none of them.
        await asyncio.sleep(0.2)
        return book

    async def close(book: rollbook.aio.AsyncRollbook, name: str) -> None:
        await use(book, name)
        await book.close()

    def run(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(asyncio.wait_for(work, WITHIN_S / 2))

    book = asyncio.run(opened())
    pid = child(lambda: run(close(book, "child")))
    assert ended_well(pid)
    run(close(book, "parent-after"))


def idle_child(book: rollbook.Rollbook) -> None:
    """Fork, in the middle of a write, a child that never touches the book; then wait to be killed."""
    threading.Thread(target=book.record_usage, args=("s",), daemon=True).start()
    time.sleep(0.5)
    print(child(lambda: time.sleep(600)), flush=True)
    time.sleep(600)


def main(url: str, what: str) -> None:
    if what == "aio":
        asynchronous(url)
        return
    works = {"busy": forks_while_writing, "pool": pool, "closing": parent_closes_first, "idle": idle_child}
    works[what](rollbook.open(url))


main(*sys.argv[1:])
