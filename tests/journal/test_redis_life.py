"""How long journals live in Redis, which there are, and that nobody else's keys are touched."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Raw

from rollbook.journal.redis import apply as redis_apply
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.steps import Append, Done, Drop, Fork, New, Patch, SetState, Step
from rollbook.settings import Settings
from servers import RedisServer

from .redis_tools import QA, USER, append, made, pop, read

_TTL_S = 1000


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Any]:
    with redis_server.talk() as client:
        yield client


@pytest.fixture
def prefix(redis_url: str) -> str:
    return redis_url.partition("prefix=")[2]


@pytest.fixture
def journals(redis_url: str) -> Iterator[RedisJournals]:
    journals = RedisJournals(redis_url, Settings())
    yield journals
    journals.close()


@pytest.fixture
def mortal(redis_url: str) -> Iterator[RedisJournals]:
    journals = RedisJournals(f"{redis_url}&ttl={_TTL_S}", Settings())
    yield journals
    journals.close()


def keys(client: Any, prefix: str, *without: str) -> list[bytes]:
    """Every key of a test's own place but the register and what goes by itself."""
    found = [key for key in client.scan_iter(match=f"{prefix}*", count=10_000) if b"roots:" not in key]
    return sorted(key for key in found if not key.endswith(tuple(each.encode() for each in without)))


def rich(session: str) -> Step:
    """A step after which a session has keys of every kind."""
    entries = (New("a", b"1", 1), New("b", b"2", 1))
    branch = Append(QA, (New("c", b"3", 1),), after="a", head="branch")
    return Step(USER, session, 1, (Append(QA, entries), branch, SetState({"k": Raw(b"1")})))


def test_writing_prolongs_every_key_of_a_session_and_reading_none(
    mortal: RedisJournals, client: Any, prefix: str
) -> None:
    made(mortal, rich("s"))
    made(mortal, Step(USER, "f", 1, (Fork("s", state=True),)))
    every = keys(client, prefix)
    assert len(every) == 9, every
    for key in every:
        client.pexpire(key, _TTL_S * 500)
    assert read(mortal, "s") == ["a", "b"]
    assert read(mortal, "f") == ["a", "b"]
    assert all(0 < client.pttl(key) <= _TTL_S * 500 for key in every)
    made(mortal, append("s", "d"))
    assert keys(client, prefix) == every
    assert [key for key in every if client.pttl(key) <= _TTL_S * 500] == []
    assert all(client.pttl(key) <= _TTL_S * 1000 for key in every if not key.endswith(b":root"))


def test_what_has_expired_is_no_session_any_more_and_can_begin_anew(
    mortal: RedisJournals, client: Any, prefix: str
) -> None:
    made(mortal, append("s", "a", "b"))
    made(mortal, append("t", "a"))
    for key in keys(client, f"{prefix}{{{USER}:s}}"):
        client.delete(key)  # as expiry does
    assert [kept.session_id for kept in mortal.sessions(USER)] == ["t"]
    assert read(mortal, "s") == []
    made(mortal, append("s", "c"))
    assert read(mortal, "s") == ["c"]
    assert sorted(kept.session_id for kept in mortal.sessions(USER)) == ["s", "t"]


def test_a_journal_that_somebody_keeps_for_ever_stays(
    mortal: RedisJournals, journals: RedisJournals, client: Any, prefix: str
) -> None:
    made(mortal, rich("s"))
    made(journals, append("s", "d"))
    assert {client.pttl(key) for key in keys(client, prefix)} == {-1}


def test_without_a_ttl_nothing_expires(journals: RedisJournals, client: Any, prefix: str) -> None:
    made(journals, rich("s"))
    journals.apply([Drop(USER, "s", 2)])
    made(journals, rich("s"))
    assert {client.pttl(key) for key in keys(client, prefix)} == {-1}


def test_a_session_that_was_dropped_leaves_nothing_of_what_it_held(
    journals: RedisJournals, client: Any, prefix: str
) -> None:
    made(journals, rich("s"))
    made(journals, Step(USER, "f", 1, (Fork("s", state=True),)))
    assert journals.apply([Drop(USER, "s", 2), Drop(USER, "f", 2)]) == [True, True]
    assert keys(client, prefix, ":done") == []
    (done,) = keys(client, prefix)
    assert 0 < client.pttl(done) <= 60_000


def test_a_session_that_was_dropped_may_become_a_fork_while_its_own_forks_stay(
    journals: RedisJournals, client: Any, prefix: str
) -> None:
    made(journals, append("s", "a"))
    made(journals, append("t", "b"))
    made(journals, Step(USER, "f", 1, (Fork("s"),)))
    assert journals.apply([Drop(USER, "s", 2)]) == [True]
    made(journals, Step(USER, "s", 3, (Fork("t"),)))
    made(journals, append("s", "of the new"))
    made(journals, append("f", "of the fork"))
    assert read(journals, "s") == ["b", "of the new"]
    assert read(journals, "f") == ["a", "of the fork"]
    assert sorted(kept.session_id for kept in journals.sessions()) == ["f", "s", "t"]
    assert journals.apply([Drop(USER, each, 4) for each in "sft"]) == [True] * 3
    assert keys(client, prefix, ":done") == []


def test_steps_of_one_root_are_made_in_order_also_by_who_does_not_know_it(
    journals: RedisJournals, redis_url: str
) -> None:
    made(journals, append("s", "a"))
    made(journals, Step(USER, "f", 1, (Fork("s"),)))
    made(journals, Step(USER, "g", 1, (Fork("f"),)))
    other = RedisJournals(redis_url, Settings())
    assert read(other, "f") == ["a"]  # so it knows one of the two, and has to look for the other
    first, _ = other.apply([pop("g"), Step(USER, "f", 1, (Patch(QA, "a", {"id": Raw(b"0")}),))])
    assert isinstance(first, Done)
    assert [entry.body for entry in first.answers[0]] == [b'{"id":"a"}']  # type: ignore[attr-defined]
    other.close()


def test_names_in_the_register_that_lead_to_nothing_go_when_they_are_old(
    journals: RedisJournals, client: Any, prefix: str
) -> None:
    made(journals, append("s", "a"))
    made(journals, Step(USER, "f", 1, (Fork("s"),)))
    (register,) = list(client.scan_iter(match=f"{prefix}roots:*", count=10_000))
    journals.apply([Drop(USER, "f", 2), Drop(USER, "s", 2)])
    assert list(journals.sessions()) == []
    assert client.zcard(register) == 2  # somebody may be about to begin it
    for member in client.zrange(register, 0, -1):
        client.zadd(register, {member: 1})
    assert list(journals.sessions()) == []
    assert client.zcard(register) == 0


def test_sessions_of_one_user_are_not_mixed_with_others(journals: RedisJournals) -> None:
    users = [USER, "00000000-0000-5000-8000-0000000000ab", "*", '"', "[a-z]*"]
    for user in users:
        journals.apply([Step(user, "s", 7, (Append(QA, (New("a", b"1", 1),)),))])
        journals.apply([Step(user, "only state", 8, (SetState({"k": Raw(b"1")}),))])
        journals.apply([Step(user, "", 9, (SetState({"k": Raw(b"1")}, of_user=True),))])
    for user in users:
        found = sorted((kept.session_id, kept.user_id, kept.changed_at) for kept in journals.sessions(user))
        assert found == [("only state", user, 8), ("s", user, 7)]
    assert len(list(journals.sessions())) == 2 * len(users)


def test_wipe_removes_ours_and_nothing_else(
    journals: RedisJournals, redis_server: RedisServer, client: Any, prefix: str
) -> None:
    # Foreign keys with Rollbook's own prefix are not touched either, nor is another prefix that begins with ours.
    other = RedisJournals(f"redis://127.0.0.1:{redis_server.port}/0?prefix={prefix}{uuid.uuid4().hex}:", Settings())
    made(other, append("s", "theirs"))
    foreign = [f"{prefix}{{{USER}:x}}:meta", f"{prefix}own", f"{prefix}roots:"]
    for key in foreign:
        client.set(key, "mine")
    made(journals, rich("s"))
    made(journals, Step(USER, "f", 1, (Fork("s"),)))
    made(journals, append("t", "a"))
    journals.apply([Step(USER, "", 9, (SetState({"k": Raw(b"1")}, of_user=True),))])
    assert journals.wipe() == 3
    assert list(journals.sessions()) == []
    assert read(other, "s") == ["theirs"]
    assert {client.get(key) for key in foreign} == {b"mine"}
    left = {key.decode() for key in client.scan_iter(match=f"{prefix}*", count=10_000)} - set(foreign)
    assert all(key.startswith(other._options.prefix) for key in left), left
    assert journals.wipe() == 0
    made(journals, append("f", "again"))
    assert read(journals, "f") == ["again"]
    other.close()


def test_two_processes_worth_of_readers_and_writers_all_get_on(redis_url: str) -> None:
    # One writes without a pause from what it knows; the other must read before each of its steps.
    quick, slow = (RedisJournals(redis_url, Settings()) for _ in range(2))
    made(slow, append("s", "slow 0"))
    done = threading.Event()
    count = 0

    def write() -> None:
        nonlocal count
        while not done.is_set():
            made(quick, append("s", f"quick {count}", fresh=True))
            count += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for n in range(1, 30):
            body = Raw(b"%d" % n)
            made(slow, Step(USER, "s", 1, (Append(QA, (New(f"slow {n}", b'{"n":0}', 1),)),)))
            made(slow, Step(USER, "s", 1, (Patch(QA, f"slow {n}", {"n": body}),)))
    finally:
        done.set()
        writer.join()
    found = read(slow, "s")
    assert [each for each in found if each.startswith("slow")] == [f"slow {n}" for n in range(30)]
    assert [each for each in found if each.startswith("quick")] == [f"quick {n}" for n in range(count)]
    assert made(slow, pop("s"))
    quick.close()
    slow.close()


def test_a_turn_keeps_others_waiting_and_ends_with_a_commit(
    journals: RedisJournals, client: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    request = journals._roots.request

    def noted(name: str, *rest: Any, **more: Any) -> Any:
        asked.append(name)
        return request(name, *rest, **more)

    made(journals, append("s", "a"))
    monkeypatch.setattr(journals._roots, "request", noted)
    turn = f"{prefix}{{{USER}:s}}:turn"
    client.set(turn, "another's", px=150)
    made(journals, append("s", "b"))
    assert asked.count("commit") > 1  # until the other one's time was over
    asked.clear()
    monkeypatch.setattr(redis_apply, "_MISSES", 0)
    made(journals, append("s", "c"))
    assert asked.count("turn") == asked.count("commit") == 1
    assert not client.exists(turn)  # it is given back at once


def test_a_large_session_is_read_as_it_was_at_one_moment(redis_url: str) -> None:
    reader, writer = (RedisJournals(redis_url, Settings()) for _ in range(2))
    body = b'{"text":"%b","n":0}' % (b"x" * 3000)
    for start in range(0, 600, 100):
        made(writer, Step(USER, "s", 1, (Append(QA, tuple(New(str(n), body, 1) for n in range(start, start + 100))),)))
    done = threading.Event()

    def edit() -> None:
        n = 0
        while not done.is_set():
            n += 1
            patches = tuple(Patch(QA, each, {"n": Raw(b"%d" % n)}) for each in ("0", "599"))
            made(writer, Step(USER, "s", 1, patches))

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        whole = 0
        for _ in range(20):
            with reader.read(USER, "s") as (peek, who):
                head = peek.head(who, QA, "main")
                assert head is not None
                newest = peek.below(QA, head.tip + 1, 600)
            assert newest[0].body.rpartition(b":")[2] == newest[-1].body.rpartition(b":")[2]
            whole += len(newest)
        assert whole == 20 * 600
    finally:
        done.set()
        editor.join()
    reader.close()
    writer.close()
