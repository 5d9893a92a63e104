"""R13: a server that is killed under load loses nothing that it acknowledged, and clients that retry double nothing."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx

import rollbook

from .tools import PLAIN, TOKEN, bearer, url_of

CLIENTS: Final = 4
EACH: Final = 40  #: requests of one client
KILLS: Final = 2
SERVE: Final = """
import asyncio, sys
from rollbook import aio
from rollbook.server.running import Options
from rollbook.server.serve import serve

async def main():
    async with aio.open(sys.argv[1], all_users=True) as book:
        await serve(book, Options(port=int(sys.argv[2]), token=sys.argv[3]))

asyncio.run(main())
"""


def started(url: str, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SERVE, url, str(port), TOKEN])


def request_of(client: int, number: int) -> tuple[str, Any]:
    """What a client sends: calls without ids of their own, so that only the key keeps them from doubling."""
    where = f"/api/v1/sessions/s{client}"
    if number % 4 == 0:
        return f"{where}/qa", {"question": f"{number}", "answer": "a"}
    if number % 4 == 1:
        return "/api/v1/usage", [{"session_id": f"s{client}", "tokens_in": 1} for _ in range(3)]
    return f"{where}/usage", {"tokens_in": 1, "cost_usd": 0.001}


class Told(dict[str, bytes]):
    """What clients were answered, by their keys."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def note(self, key: str, answer: bytes) -> None:
        """An answer; to the same key always the same one."""
        assert self.setdefault(key, answer) == answer
        self._more.set()

    async def enough(self, number: int) -> None:
        """Wait until so many were answered."""
        while len(self) < number:
            self._more.clear()
            await self._more.wait()


async def client(base: str, number: int, told: Told) -> None:
    """Send everything, each until it is answered; an answer that is lost is asked for again under its key."""
    async with httpx.AsyncClient(base_url=base, headers=bearer(TOKEN), timeout=5, verify=PLAIN) as http:
        for each in range(EACH):
            key = f"{number}-{each}"
            path, body = request_of(number, each)
            while True:
                try:
                    answer = await http.post(path, json=body, headers={"idempotency-key": key})
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                    continue
                assert answer.status_code == 200, answer.text
                told.note(key, answer.content)
                break


async def load(url: str, port: int) -> Told:
    """All clients at once, while the server is killed and started again."""
    base, told = f"http://127.0.0.1:{port}", Told()
    server = started(url, port)
    try:
        clients = asyncio.gather(*(client(base, number, told) for number in range(CLIENTS)))
        for kill in range(1, KILLS + 1):
            await told.enough(kill * CLIENTS * EACH // (KILLS + 1))
            server.send_signal(signal.SIGKILL)
            server.wait()
            server = started(url, port)
        await clients
        await asyncio.gather(*(client(base, number, told) for number in range(CLIENTS)))  # the same answers again
    finally:
        server.kill()
        server.wait()
    return told


def test_r13_nothing_is_lost_and_nothing_doubled_by_kills_under_load(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = url_of(tmp_path / "book.db")
    told = asyncio.run(asyncio.wait_for(load(url, port), 120))
    assert len(told) == CLIENTS * EACH
    with rollbook.open(url, all_users=True) as book:
        assert book.verify().ok
        for number in range(CLIENTS):
            session = book.get(f"s{number}")
            assert session.calls == session.tokens_in == EACH // 4 * 3 + EACH // 2
            assert session.cost_nano_usd == EACH // 2 * 1_000_000
            asked = [qa.question for qa in book.qa(f"s{number}")]
            assert asked == [str(each) for each in range(0, EACH, 4)]
