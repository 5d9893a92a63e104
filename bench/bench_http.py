"""How many requests and records a second a server takes on one core, beside the same endpoint written the usual way.

    python bench/bench_http.py [--small] [--only WORD] [--connections N]

The server is a process of its own on one core, and the loader on the other; each request waits until what it says is
durable. The book has 10,000 sessions with three models each.

- ``POST, one call`` and ``POST, 50 calls`` meter calls, each request with a random session and usage ids of its own;
- ``GET, 50 sessions`` is the first page of a list, with its exact total, asked for again and again while nothing is
  written; ``each anew`` in words that differ each time, so that no answer is given to two who ask;
- ``OTLP, 500 spans`` are model calls as an instrumentation exports them, in protobuf, each trace new;
- ``usual`` is FastAPI with pydantic and SQLAlchemy's async engine (fastapi_style.py), which keeps no ledger; of spans
  it keeps the counters and the messages, as ours does beside the calls, the steps and the index;
- ``streams`` opens so many event streams and measures the memory that each takes, and how long after a request to write
  was sent, which is stored before it is answered, each of them is told of it (p50 and p99 over writes and streams).

After a round the book is verified, and what it counted is compared with what was sent.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import psutil

import cognee_style
import fastapi_style
import harness
import rollbook
from bench_otlp import body_of
from calls import Workload, calls, fill
from harness import Measured, Variant, latencies, now
from http_load import load, request

_BATCH: Final = 50
_SPANS: Final = 500
_JSON: Final = ("content-type", "application/json")
_KEY: Final = ("authorization", f"Bearer {fastapi_style.TOKEN}")
_SOON_S: Final = 60.0


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--streams", type=int, default=None)
    parser.add_argument("--only", default="")
    given = parser.parse_args(argv)
    small = given.small
    streams = given.streams or (100 if small else 1_000)
    sessions = 1_000 if small else 10_000
    with harness.workplace(given.folder) as folder:
        _prepare(folder, sessions)
        variants = [
            each
            for each in _variants(str(folder), sessions, given.connections, small, streams)
            if given.only in each.name
        ]
        told = harness.alternate(variants, given.rounds or harness.ROUNDS)
    sizes = {"sessions": sessions, "connections": given.connections, "streams": streams}
    harness.report("http", told, sizes, more=("idle_mb", "kb_a_stream"))
    return 0


def _prepare(folder: Path, sessions: int) -> None:
    work = Workload(sessions=sessions, warm=0, calls=0)
    fill(f"sqlite:///{folder / 'ours.db'}", work)
    cognee_style.fill(str(folder / "usual.db"), work)


def _variants(folder: str, sessions: int, connections: int, small: bool, streams: int) -> list[Variant]:
    def variant(name: str, way: str, what: str, count: int, *, baseline: str | None = None) -> Variant:
        arguments = (folder, way, what, count, sessions, connections)
        return Variant(name=name, run=_measure, arguments=arguments, baseline=baseline)

    few = 5 if small else 1
    return [
        variant("usual: POST, one call", "usual", "one", 500 // few),
        variant("POST, one call", "ours", "one", 20_000 // few, baseline="usual: POST, one call"),
        variant("usual: POST, 50 calls", "usual", "many", 50 // few),
        variant("POST, 50 calls", "ours", "many", 2_000 // few, baseline="usual: POST, 50 calls"),
        variant("usual: GET, 50 sessions", "usual", "list", 500 // few),
        variant("GET, 50 sessions", "ours", "list", 5_000 // few, baseline="usual: GET, 50 sessions"),
        variant("GET, each anew", "ours", "anew", 5_000 // few, baseline="usual: GET, 50 sessions"),
        variant("usual: OTLP, 500 spans", "usual", "spans", 10 // few),
        variant("OTLP, 500 spans", "ours", "spans", 100 // few, baseline="usual: OTLP, 500 spans"),
        Variant(name="streams", run=_streams, arguments=(folder, streams, 100 // few)),
    ]


def _measure(  # noqa: PLR0917 - a variant's arguments
    folder: str, way: str, what: str, count: int, sessions: int, connections: int
) -> Measured:
    many, items = _requests(what, count + max(1, count // 10), sessions)
    warm, timed = many[count:], many[:count]
    if what == "spans":
        connections = 4
    with _served(folder, way) as (port, process, path):
        idle = _memory(process)
        found = load(port, warm, timed, connections, items=items)
        found.peak_mb = _memory(process)
        found.more["idle_mb"] = f"{idle:.0f}"
    if way == "ours" and what not in ("list", "anew"):
        _check(path, sessions * 3 + len(many) * items)
    return found


def _requests(what: str, count: int, sessions: int) -> tuple[list[bytes], int]:
    """So many requests, and how many items each carries."""
    if what in ("list", "anew"):
        ends = [""] * count if what == "list" else [f"&n={number}" for number in range(count)]
        return [request("GET", f"/api/v1/sessions?range=all&limit=50{end}", headers=[_KEY]) for end in ends], 1
    if what == "spans":
        head = [_KEY, ("content-type", "application/x-protobuf")]
        return [request("POST", "/v1/traces", body=body_of(_SPANS, n), headers=head) for n in range(count)], _SPANS
    items = _BATCH if what == "many" else 1
    made = calls(Workload(sessions=sessions, warm=0, calls=count * items))
    found = []
    for start in range(0, len(made), items):
        batch = made[start : start + items]
        name = batch[0]["session_id"]
        told = [{key: value for key, value in call.items() if key != "session_id"} for call in batch]
        body = msgspec.json.encode(told if items > 1 else told[0])
        found.append(request("POST", f"/api/v1/sessions/{name}/usage", body=body, headers=[_KEY, _JSON]))
    return found, items


def _check(path: str, expected: int) -> None:
    with rollbook.open(f"sqlite:///{path}", all_users=True) as book:
        found, proof = book.stats(since="all"), book.verify()
    if found.calls != expected or not proof.ok:
        raise SystemExit(f"the book counted {found.calls} calls, not {expected}: {proof.problems[:3]}")


@contextmanager
def _served(folder: str, way: str) -> Iterator[tuple[int, psutil.Process, str]]:
    """A server on a core of its own, with a fresh copy of its book."""
    path = str(Path(folder, f"{way}-running.db"))
    for old in Path(folder).glob(f"{way}-running.db*"):
        old.unlink()
    shutil.copyfile(Path(folder, f"{way}.db"), path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = {
        "ours": ["-m", "rollbook", "--db", f"sqlite:///{path}", "serve", "--port", str(port)],
        "usual": [str(Path(__file__).with_name("fastapi_style.py")), path, str(port)],
    }[way]
    env = {**os.environ, "ROLLBOOK_TOKEN": fastapi_style.TOKEN, "ROLLBOOK_SPOOL": str(Path(folder, "spool"))}
    running = subprocess.Popen([sys.executable, *words], env=env, stderr=subprocess.DEVNULL)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(running.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:])
    try:
        _until_there(port)
        yield port, psutil.Process(running.pid), path
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(_SOON_S)
        if len(cores) > 1:
            os.sched_setaffinity(0, cores)


def _until_there(port: int) -> None:
    until = time.monotonic() + _SOON_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            time.sleep(1.0)
            return
    raise SystemExit("the server did not start")


def _memory(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def _streams(folder: str, streams: int, writes: int) -> Measured:
    with _served(folder, "ours") as (port, process, _):
        idle = _memory(process)
        waits, seconds, full = asyncio.run(_listen(port, streams, writes, process))
    p50, p99 = latencies(waits)
    more = {"idle_mb": f"{idle:.0f}", "kb_a_stream": f"{(full - idle) * 1024 / streams:.0f}"}
    return Measured(rate=len(waits) / seconds, p50_ms=p50, p99_ms=p99, peak_mb=full, more=more)


async def _listen(port: int, streams: int, writes: int, process: psutil.Process) -> tuple[list[float], float, float]:
    """Open streams, write one thing after another, and see when each stream is told of it."""
    asked = request("GET", "/api/v1/events", headers=[_KEY])
    opened = []
    for _ in range(streams):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        await reader.readuntil(b"event: ready")
        opened.append((reader, writer))
    full = _memory(process)
    seen: dict[str, list[float]] = {}
    chance = random.Random(3)
    names = [f"told-{chance.getrandbits(48):012x}" for _ in range(writes)]

    async def follow(reader: asyncio.StreamReader) -> None:
        left = set(names)
        while left:
            line = await reader.readline()
            if line.startswith(b"data: {"):
                name = msgspec.json.decode(line[6:]).get("session_id")
                if name in left:
                    left.discard(name)
                    seen.setdefault(name, []).append(now())

    following = [asyncio.create_task(follow(reader)) for reader, _ in opened]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = now()
    written: dict[str, float] = {}
    for name in names:
        body = msgspec.json.encode({"session_id": name})
        written[name] = now()
        writer.write(request("POST", "/api/v1/sessions", body=body, headers=[_KEY, _JSON]))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        await asyncio.sleep(0.1)
    await asyncio.gather(*following)
    seconds = now() - began
    for _, each in opened:
        each.close()
    writer.close()
    return [max(0.0, at - written[name]) for name in names for at in seen[name]], seconds, full


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
