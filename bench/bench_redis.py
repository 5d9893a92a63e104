"""How many entries a second a journal in Redis takes, beside programs that use the same commands without any rules.

    python bench/bench_redis.py [--small] [--entries N] [--url redis://…] [--always]

Entries of about 300 bytes go to 64 sessions in turn, one a call or 64 a call; then the newest 20 of a long session are
read. Without ``--url`` a server is started that keeps nothing on disk, so that the figures are of the programs;
``--always`` lets it sync its append-only file before it answers, as a journal should have it.

- ``library`` is ``apply`` of one step, or of 64 steps on 64 sessions; ``read`` and the newest 20 entries;
- ``script`` is one hand-written script for each entry, sent with redis-py: it puts the entry, its id, its place in the
  order and the session's head into keys of the same kinds, and checks nothing; 64 are sent in one pipeline;
- ``MULTI`` is the same commands in a transaction of redis-py for each entry;
- for reading, ``commands`` is ZREVRANGE and HMGET.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import redis

import harness
from harness import Measured, Variant, latencies, now, settle
from rollbook.journal import lines
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.steps import Append, New, Step
from rollbook.settings import Settings

_SESSIONS: Final = 64
_NEWEST: Final = 20
_USER: Final = "00000000-0000-5000-8000-000000000001"
_BODY: Final = b'{"role":"user","content":"' + b"x" * 270 + b'"}'
_SCRIPT: Final = Path(__file__).with_name("bench_redis.lua")


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--entries", type=int, default=None)
    parser.add_argument("--url", help="a server to use; its keys with a prefix of this run's own stay behind")
    parser.add_argument("--always", action="store_true", help="appendfsync always, for the server that is started")
    given = parser.parse_args(argv)
    entries = given.entries or (2_000 if given.small else 20_000)
    rounds = given.rounds or harness.ROUNDS
    with _server(given.url, given.always) as url:
        told = harness.alternate(_variants(url, entries), rounds)
    harness.report("redis-always" if given.always else "redis", told, {"entries": entries, "sessions": _SESSIONS})
    return 0


def _variants(url: str, entries: int) -> list[Variant]:
    found = []
    for size in (1, _SESSIONS):
        word = f"{size} a call"
        limit = f"script, {word}"
        found += [
            Variant(name=limit, run=_plain, arguments=(url, entries, size, False), must_agree=word),
            Variant(
                name=f"MULTI, {word}",
                run=_plain,
                arguments=(url, entries, size, True),
                baseline=limit,
                must_agree=word,
            ),
            Variant(
                name=f"library, {word}",
                run=_library,
                arguments=(url, entries, size),
                baseline=limit,
                must_agree=word,
            ),
        ]
    reading = "commands, newest 20"
    found += [
        Variant(name=reading, run=_plain_reading, arguments=(url, entries), must_agree="newest"),
        Variant(
            name="library, newest 20",
            run=_reading,
            arguments=(url, entries),
            baseline=reading,
            must_agree="newest",
        ),
    ]
    return found


@contextlib.contextmanager
def _server(url: str | None, always: bool) -> Iterator[str]:
    if url is not None:
        yield url
        return
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
    from servers import HOST, RedisServer  # noqa: PLC0415 - what starts servers for the tests

    options = ("--appendonly", "yes", "--appendfsync", "always") if always else ("--appendonly", "no")
    with tempfile.TemporaryDirectory(prefix="rollbook-bench-", dir=".") as folder:
        server = RedisServer(Path(folder).resolve(), *options)
        try:
            yield f"redis://{HOST}:{server.port}/0"
        finally:
            server.stop()


def _timed(entries: int, size: int, call: Callable[[range], None]) -> tuple[float, float, float]:
    """Calls a second in entries, and the percentiles of one call."""
    warm = max(size, entries // 10)
    for start in range(0, warm, size):
        call(range(start, start + size))
    settle()
    taken = []
    begun = now()
    for start in range(warm, warm + entries, size):
        at = now()
        call(range(start, start + size))
        taken.append(now() - at)
    return (len(taken) * size / (now() - begun), *latencies(taken))


def _library(url: str, entries: int, size: int) -> Measured:
    journals = RedisJournals(f"{url}?prefix=bench{uuid.uuid4().hex[:8]}:", Settings())

    def call(numbers: range) -> None:
        answers = journals.apply([_step(number) for number in numbers])
        assert not any(isinstance(answer, Exception) for answer in answers)

    rate, p50, p99 = _timed(entries, size, call)
    with journals.read(_USER, "s0") as (peek, who):
        head = peek.head(who, "items", "main")
        assert head is not None
        checks = [line.body for line in lines.tail(peek, "items", head.tip, 3)], head.length
    journals.wipe()
    journals.close()
    return Measured(rate=rate, p50_ms=p50, p99_ms=p99, checks=checks)


def _step(number: int) -> Step:
    new = New(f"{number:08}", _BODY, number, fresh=True)
    return Step(_USER, f"s{number % _SESSIONS}", number, (Append("items", (new,)),))


class _Plain:
    """The commands alone."""

    def __init__(self, url: str) -> None:
        self.client: Any = redis.Redis.from_url(url)
        self.prefix = f"bench{uuid.uuid4().hex[:8]}:"
        self.script = self.client.script_load(_SCRIPT.read_bytes())

    def keys(self, session: int) -> list[str]:
        return [f"{self.prefix}{{{_USER}:s{session}}}:{name}" for name in ("meta", "entries", "order", "ids")]

    def by_script(self, pipe: Any, number: int) -> None:
        position = b"%012x" % (number // _SESSIONS + 1)
        pipe.evalsha(self.script, 4, *self.keys(number % _SESSIONS), position, f"{number:08}", _BODY)

    def by_multi(self, pipe: Any, number: int) -> None:
        meta, entries, order, ids = self.keys(number % _SESSIONS)
        position = b"%012x" % (number // _SESSIONS + 1)
        pipe.execute_command("MULTI")
        pipe.hset(entries, position, _BODY)
        pipe.zadd(order, {position: 0})
        pipe.hset(ids, f"{number:08}", position)
        pipe.hset(meta, "tip", position)
        pipe.hincrby(meta, "length", 1)
        pipe.execute_command("EXEC")

    def newest(self, session: int, count: int) -> tuple[list[bytes], int]:
        meta, entries, order, _ = self.keys(session)
        positions = self.client.zrevrange(order, 0, count - 1)
        bodies = self.client.hmget(entries, positions)
        return bodies[::-1], int(self.client.hget(meta, "length"))

    def close(self) -> None:
        self.client.unlink(*(key for session in range(_SESSIONS) for key in self.keys(session)))
        self.client.close()


def _plain(url: str, entries: int, size: int, multi: bool) -> Measured:
    plain = _Plain(url)
    add = plain.by_multi if multi else plain.by_script

    def call(numbers: Sequence[int]) -> None:
        pipe = plain.client.pipeline(transaction=False)
        for number in numbers:
            add(pipe, number)
        pipe.execute()

    rate, p50, p99 = _timed(entries, size, call)
    checks = plain.newest(0, 3)
    plain.close()
    return Measured(rate=rate, p50_ms=p50, p99_ms=p99, checks=checks)


def _plain_reading(url: str, entries: int) -> Measured:
    plain = _Plain(url)
    pipe = plain.client.pipeline(transaction=False)
    for number in range(entries):
        plain.by_script(pipe, number * _SESSIONS)
    pipe.execute()
    rate, p50, p99 = _timed(entries // 4, 1, lambda _: (plain.newest(0, _NEWEST), None)[1])
    bodies, _ = plain.newest(0, _NEWEST)
    plain.close()
    return Measured(rate=rate, p50_ms=p50, p99_ms=p99, checks=bodies)


def _reading(url: str, entries: int) -> Measured:
    journals = RedisJournals(f"{url}?prefix=bench{uuid.uuid4().hex[:8]}:", Settings())
    for start in range(0, entries, _SESSIONS):
        journals.apply([_step(number * _SESSIONS) for number in range(start, min(entries, start + _SESSIONS))])

    def newest() -> list[bytes]:
        with journals.read(_USER, "s0") as (peek, who):
            head = peek.head(who, "items", "main")
            assert head is not None
            return [line.body for line in lines.tail(peek, "items", head.tip, _NEWEST)]

    rate, p50, p99 = _timed(entries // 4, 1, lambda _: (newest(), None)[1])
    bodies = newest()
    journals.wipe()
    journals.close()
    return Measured(rate=rate, p50_ms=p50, p99_ms=p99, checks=bodies)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
