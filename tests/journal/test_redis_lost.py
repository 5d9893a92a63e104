"""R13 in Redis when connections die: what was acknowledged is there, once, in order, and nothing is popped twice."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from rollbook.errors import StoreError
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.steps import Drop, Fork, Step
from rollbook.settings import Settings
from servers import HOST, RedisServer

from .redis_tools import USER, Proxy, append, appended, made, pop, popped, proxy_to, read


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with proxy_to(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def journals(redis_url: str, proxy: Proxy) -> Iterator[RedisJournals]:
    journals = RedisJournals(f"redis://{HOST}:{proxy.port}/0?{redis_url.partition('?')[2]}", Settings())
    yield journals
    journals.close()


@pytest.mark.parametrize("fresh", [True, False])
def test_an_append_whose_answer_was_lost_is_made_once(journals: RedisJournals, proxy: Proxy, fresh: bool) -> None:
    proxy.lose([False, True, True, False])
    for each in "abc":
        assert appended(made(journals, append("s", each, fresh=fresh))).added == 1
    assert proxy.lost == 2
    assert read(journals, "s") == ["a", "b", "c"]


def test_a_pop_whose_answer_was_lost_pops_once(journals: RedisJournals, proxy: Proxy) -> None:
    made(journals, append("s", "a", "b", "c"))
    proxy.lose([True])
    assert popped(made(journals, pop("s"))) == ["c"]
    assert proxy.lost == 1
    assert read(journals, "s") == ["a", "b"]


def test_a_drop_whose_answer_was_lost_says_what_there_was(journals: RedisJournals, proxy: Proxy) -> None:
    made(journals, append("s", "a"))
    proxy.lose([True])
    assert journals.apply([Drop(USER, "s", 1)]) == [True]
    assert proxy.lost == 1
    assert journals.apply([Drop(USER, "s", 1)]) == [False]


def test_a_fork_whose_answer_was_lost_is_made_once(journals: RedisJournals, proxy: Proxy) -> None:
    made(journals, append("s", "a"))
    proxy.lose([True])
    made(journals, Step(USER, "f", 1, (Fork("s"),)))
    assert proxy.lost == 1
    assert read(journals, "f") == ["a"]


def test_many_steps_of_many_sessions_while_every_third_answer_is_lost(journals: RedisJournals, proxy: Proxy) -> None:
    proxy.lose(itertools.cycle([False, False, True]))
    model: dict[str, list[str]] = {f"s{n}": [] for n in range(5)}
    for n in range(40):
        steps: list[Step] = []
        expected: list[list[str] | None] = []
        for k, (session, kept) in enumerate(model.items()):
            if n % 4 == 3:
                steps.append(pop(session))
                expected.append([kept.pop()])
            else:
                steps.append(append(session, f"{n}", fresh=bool((n + k) % 2)))
                kept.append(f"{n}")
                expected.append(None)
        answers = journals.apply(steps)
        assert [None if want is None else popped(got) for want, got in zip(expected, answers, strict=True)] == expected  # type: ignore[arg-type]
    proxy.lose([])
    assert proxy.lost > 10
    assert {session: read(journals, session) for session in model} == model


def test_connections_killed_by_the_server_while_threads_write(redis_url: str, redis_server: RedisServer) -> None:
    done = threading.Event()

    def kill() -> None:
        with redis_server.talk() as client:
            while not done.wait(0.005):
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    journals = [RedisJournals(redis_url, Settings()) for _ in range(2)]
    popped_ids: list[str] = []

    def write(number: int) -> None:
        for n in range(60):
            made(journals[number], append("s", f"{number}.{n}", fresh=True))
            if n % 3 == 2:
                popped_ids.extend(popped(made(journals[number], pop("s"))))

    killer = threading.Thread(target=kill)
    killer.start()
    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    try:
        for each in writers:
            each.start()
        for each in writers:
            each.join()
    finally:
        done.set()
        killer.join()
    left = read(journals[0], "s")
    written = [f"{number}.{n}" for number in range(2) for n in range(60)]
    assert sorted([*left, *popped_ids]) == sorted(written)
    for number in range(2):
        own = [int(each.partition(".")[2]) for each in left if each.startswith(f"{number}.")]
        assert own == sorted(own)
    for place in journals:
        place.close()


def test_a_server_that_was_killed_holds_all_that_was_acknowledged(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    journals = RedisJournals(f"redis://{HOST}:{server.port}/0?timeout=8", Settings())
    kept: list[str] = []

    def crash() -> None:
        server.kill()
        server.start()

    restart = threading.Timer(0.3, crash)
    restart.start()
    n = 0
    while restart.is_alive() or n < 100:
        made(journals, append("s", str(n)))
        kept.append(str(n))
        n += 1
    restart.join()
    made(journals, append("s", "last"))
    assert read(journals, "s") == [*kept, "last"]
    journals.close()


def test_a_step_of_which_nobody_knows_may_be_given_again(redis_server: RedisServer, redis_url: str) -> None:
    with proxy_to(redis_server.port) as proxy:
        url = f"redis://{HOST}:{proxy.port}/0?timeout=1&{redis_url.partition('?')[2]}"
        journals = RedisJournals(url, Settings())
        proxy.lose(itertools.repeat(True))
        with pytest.raises(StoreError, match="giving it again is safe"):
            journals.apply([append("s", "a")])
        proxy.lose([])
        assert appended(made(journals, append("s", "a"))).added == 0
        assert read(journals, "s") == ["a"]
        journals.close()


def test_scripts_that_a_server_forgot_are_taught_again(redis_server: RedisServer, redis_url: str) -> None:
    journals = RedisJournals(redis_url, Settings())
    made(journals, append("s", "a"))
    with redis_server.talk() as client:
        client.script_flush()
    made(journals, append("s", "b"))
    assert read(journals, "s") == ["a", "b"]
    journals.close()


def test_a_forked_child_has_connections_of_its_own(redis_url: str) -> None:
    journals = RedisJournals(redis_url, Settings())
    made(journals, append("s", "parent"))
    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        code = 1
        try:
            for n in range(20):
                made(journals, append("s", f"child {n}"))
            code = 0
        finally:
            os._exit(code)
    for n in range(20):
        made(journals, append("s", f"parent {n}"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    found = read(journals, "s")
    for name in ("child", "parent"):
        assert [each for each in found if each.startswith(f"{name} ")] == [f"{name} {n}" for n in range(20)]
    journals.close()
