"""What is damaged in Redis costs its own session only: it is deleted, listed and wiped; and a write says the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

import rollbook
from rollbook.errors import StoreError
from rollbook.journal import lines
from rollbook.journal.backend import DamageError, peruse
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.redis.keys import Keys, Place, at, line, member
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Append, Drop, Fork, New, Remove, SetState, Step
from rollbook.settings import Settings
from servers import HOST, RedisServer, wait_for

from .redis_tools import QA, USER, append, made, read

_DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")


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


def keys_of(prefix: str, session: str) -> dict[str, bytes]:
    keys = Keys(prefix, Place(USER, session))
    return {key.decode().rpartition(":")[2]: key for key in keys.fixed}


def left(client: Any, prefix: str, session: str) -> list[bytes]:
    return [key for key in client.keys(f"{prefix}*") if f":{session}}}" in key.decode()]


def wrong_type(client: Any, key: bytes) -> None:
    client.delete(key)
    if key.endswith(b":root"):
        client.hset(key, "mine", "mine")
    else:
        client.set(key, "mine")


def unreadable(client: Any, key: bytes) -> None:
    client.hset(key, 'h["s","qa","main"]', "no numbers")


DAMAGE = {
    **{name: (wrong_type, name) for name in ("meta", "root", "done", "entries", "ids", "order", "branches")},
    "unreadable": (unreadable, "meta"),
}


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_journal_can_be_dropped(
    journals: RedisJournals, redis_url: str, client: Any, prefix: str, kind: str, *, warm: bool
) -> None:
    state = SetState({"k": Raw(b"1")})
    entries = Append(QA, (New("a", b"1", 1), New("b", b"1", 1)))
    made(journals, Step(USER, "s", 1, (entries, state)))
    made(journals, append("t", "a"))
    damage, name = DAMAGE[kind]
    damage(client, keys_of(prefix, "s")[name])
    mine = journals if warm else RedisJournals(redis_url, Settings())
    answers = mine.apply([Drop(USER, "s", 2), append("t", "b")])
    assert answers[0] is True
    assert not isinstance(answers[1], Exception)
    assert not [key for key in left(client, prefix, "s") if not key.endswith(b":done")]
    made(RedisJournals(redis_url, Settings()), append("s", "new"))
    assert (read(mine, "s"), read(mine, "t")) == (["new"], ["a", "b"])


def test_a_damaged_journal_that_a_fork_shares_stays(
    journals: RedisJournals, redis_url: str, client: Any, prefix: str
) -> None:
    made(journals, append("s", "a"))
    made(journals, Step(USER, "f", 1, (Fork("s"),)))
    unreadable(client, keys_of(prefix, "s")["meta"])
    for session in ("s", "f"):
        other = RedisJournals(redis_url, Settings())
        (answer,) = other.apply([Drop(USER, session, 2)])
        assert isinstance(answer, DamageError)
        assert "damaged" in str(answer)
        other.close()
    assert client.exists(*keys_of(prefix, "s").values()) >= 4


@pytest.mark.parametrize("kind", ["meta", "unreadable"])
def test_a_damaged_journal_is_listed_and_wiped(
    redis_url: str, journals: RedisJournals, client: Any, prefix: str, kind: str
) -> None:
    for session in ("s", "t"):
        made(journals, append(session, "a"))
    made(journals, Step(USER, "f", 1, (Fork("s"), SetState({"k": Raw(b"1")}))))
    damage, name = DAMAGE[kind]
    damage(client, keys_of(prefix, "s")[name])
    fresh = RedisJournals(redis_url, Settings())
    assert {kept.session_id for kept in fresh.sessions()} == {"s", "t"}
    assert fresh.wipe() == 2
    assert [key for key in client.keys(f"{prefix}*") if not key.endswith(b":done")] == []
    fresh.close()


def test_an_entry_that_stands_behind_itself_is_damage(journals: RedisJournals, client: Any, prefix: str) -> None:
    made(journals, append("s", "a", "b"))
    key, field = keys_of(prefix, "s")["entries"], member(QA, 2)
    for parent in (2, 3, 9999):
        entry_id, who, _, rest = client.hget(key, field).split(b"\n", 3)
        client.hset(key, field, b"\n".join((entry_id, who, at(parent), rest)))
        with pytest.raises(StoreError, match="not before it"):
            read(journals, "s")


@pytest.mark.parametrize("value", [b"", b"a\n\n\n1", b"a\n\nzz\n1\n1", b"a\n\n\nx\n1", b"\xff\n\n\n1\n1"])
def test_a_line_that_is_none_is_damage(value: bytes) -> None:
    with pytest.raises(StoreError, match="damaged"):
        line(member(QA, 2), value, "s")


def test_a_damaged_session_of_a_book_is_deleted(tmp_path: Path, redis_url: str, client: Any, prefix: str) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=redis_url) as book:
        for session in ("good", "bad"):
            book.add_qa(session, question="q", answer="a")
        [key] = [key for key in left(client, prefix, "bad") if key.endswith(b":meta")]
        wrong_type(client, key)
        with pytest.raises(StoreError, match="delete the session"):
            book.qa("bad")
        assert book.delete_session("bad")
        assert [key for key in left(client, prefix, "bad") if not key.endswith(b":done")] == []
        assert [turn.question for turn in book.qa("good")] == ["q"]
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=redis_url) as book:
        assert [session.session_id for session in book.list().sessions] == ["good"]


# One value of a state, one entry of many


def _value(peek: Peek, who: Who, *, key: str) -> Raw | None:
    return peek.value(who, key)


def test_one_value_is_read_without_the_others(journals: RedisJournals, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {f"k{number}": Raw(b"%d" % number) for number in range(300)}
    made(journals, Step(USER, "s", 1, (SetState({**values}),)))
    made(journals, Step(USER, "t", 1, (SetState({"k": Raw(b"1")}),)))
    asked: list[object] = []
    ask = journals._ask

    def noted(keys: list[bytes], words: list[bytes | str | int]) -> object:
        asked.append(words[2])
        return ask(keys, words)

    monkeypatch.setattr(journals, "_ask", noted)
    for session, key, expected in (("s", "k7", b"7"), ("s", "no", None), ("t", "k", b"1"), ("t", "no", None)):
        found = peruse(journals, USER, session, partial(_value, key=key))
        assert (None if found is None else bytes(found)) == expected
    assert asked == ["value", "value"], "what is small came with the first answer"


def test_an_early_entry_is_removed_without_following_the_line(
    journals: RedisJournals, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(journals, append("s", *(f"e{number}" for number in range(2000)), fresh=True))
    made(journals, Step(USER, "s", 1, (Append(QA, (New("b", b"1", 1),), head="branch", after="e9"),)))
    sent: list[str] = []
    request = journals._roots.request

    def noted(script: str, *words: Any, **more: Any) -> Any:
        sent.append(script)
        return request(script, *words, **more)

    monkeypatch.setattr(journals._roots, "request", noted)
    for name in ("e5", "e4", "e500"):
        sent.clear()
        assert made(journals, Step(USER, "s", 1, (Remove(QA, name),))).answers == (True,)
        assert len(sent) < 10
    with journals.read(USER, "s") as (peek, who):
        found = {head.name: (head.length, len(lines.tail(peek, QA, head.tip, None))) for head in peek.heads_of(who)}
    assert found == {"main": (1997, 1997), "branch": (9, 9)}


def test_a_state_of_which_the_last_value_goes_is_none(journals: RedisJournals, client: Any, prefix: str) -> None:
    made(journals, Step(USER, "s", 1, (SetState({"a": Raw(b"1"), "b": Raw(b"1")}),)))
    made(journals, Step(USER, "s", 2, (SetState({"a": None, "none": None}),)))
    assert [kept.session_id for kept in journals.sessions()] == ["s"]
    made(journals, Step(USER, "s", 3, (SetState({"b": None}),)))
    assert list(journals.sessions()) == []
    assert not [key for key in left(client, prefix, "s") if not key.endswith(b":done")]


# What is said of a write


def test_too_few_replicas_store_nothing_and_the_message_says_so(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--appendonly", "no")
    journals = RedisJournals(f"redis://{HOST}:{server.port}/0?timeout=1", Settings())
    with server.talk() as client:
        client.config_set("min-replicas-to-write", 1)
        with pytest.raises(StoreError, match=r"min-replicas-to-write.*nothing was stored") as caught:
            journals.apply([append("s", "a")])
        assert "may have been kept" not in str(caught.value)
        client.config_set("min-replicas-to-write", 0)
    assert read(journals, "s") == []
    journals.close()


def test_fsync_replicas_waits_for_the_disk_of_a_replica(own_redis: Callable[..., RedisServer]) -> None:
    primary = own_redis(*_DURABLE)
    replica = own_redis(*_DURABLE, "--replicaof", f"{HOST} {primary.port}")
    journals = RedisJournals(f"redis://{HOST}:{primary.port}/0?timeout=2&wait_ms=300&fsync=replicas", Settings())
    with replica.talk() as client:
        wait_for(lambda: client.info("replication")["master_link_status"] == "up", "the replica to follow")
        wait_for(lambda: not isinstance(_tried(journals, "a"), Exception), "its file to be there")
        client.config_set("appendonly", "no")
        answer = _tried(journals, "b")  # it is in the replica's memory, and on no disk but the primary's
        assert isinstance(answer, StoreError)
        assert "[1, 0], not (1, 1); it may have been kept, and giving it again is safe" in str(answer)
    assert read(journals, "s") == ["a", "b"], "which is safe to give again, and was kept"
    journals.close()


def _tried(journals: RedisJournals, name: str) -> object:
    try:
        return journals.apply([append("s", name)])[0]
    except StoreError as error:
        return error
