"""A Redis that cannot be used says so within the time set, and the same call works when it can be used again."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollbook.errors import NotSupported, StoreError
from rollbook.journal.redis import node as redis_node
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.steps import Append, Drop, SetState, Step
from rollbook.settings import Settings
from servers import HOST, RedisServer, wait_for

from .redis_tools import QA, USER, append, appended, made, proxy_to, read

_TIMEOUT_S = 1
_SLACK_S = 1.5  # a busy machine may be late, but not by as much as no limit at all would make it


def opened(server: RedisServer, *options: str, secret: str = "") -> RedisJournals:
    query = "&".join((f"timeout={_TIMEOUT_S}", *options))
    return RedisJournals(f"redis://{secret}{HOST}:{server.port}/0?{query}", Settings())


@pytest.fixture
def server(own_redis: Callable[..., RedisServer]) -> RedisServer:
    return own_redis("--appendonly", "no", "--repl-diskless-sync-delay", "0")


@pytest.fixture
def journals(server: RedisServer) -> Iterator[RedisJournals]:
    journals = opened(server)
    yield journals
    journals.close()


def refused(journals: RedisJournals, told: str) -> None:
    """A write and what it says, within the time set."""
    begun = time.monotonic()
    with pytest.raises(StoreError, match=told):
        journals.apply([append("s", "b")])
    assert time.monotonic() - begun < _TIMEOUT_S + _SLACK_S


def works_again(journals: RedisJournals, *before: str) -> None:
    made(journals, append("s", "b"))
    assert read(journals, "s") == [*before, "b"]


def test_out_of_memory(server: RedisServer, journals: RedisJournals) -> None:
    made(journals, append("s", "a"))
    made(journals, append("t", "a"))
    with server.talk() as client:
        client.config_set("maxmemory", "1")
        refused(journals, "out of memory")
        assert read(journals, "s") == ["a"]
        assert journals.apply([Drop(USER, "t", 1)]) == [True]  # what makes room is not refused
        client.config_set("maxmemory", "0")
    works_again(journals, "a")


def test_a_replica_is_not_written_to(server: RedisServer, own_redis: Callable[..., RedisServer]) -> None:
    replica = own_redis("--appendonly", "no", "--replicaof", f"{HOST} {server.port}")
    with replica.talk() as client:
        wait_for(lambda: client.info("replication")["master_link_status"] == "up", "the replica to follow")
        journals = opened(replica)
        refused(journals, "replica")
        threading.Timer(0.3, lambda: client.execute_command("REPLICAOF", "NO", "ONE")).start()
        works_again(journals)  # promoted in the middle of the call
        journals.close()


def test_a_server_that_is_down(server: RedisServer, journals: RedisJournals) -> None:
    made(journals, append("s", "a"))
    server.kill()
    refused(journals, "cannot be used")
    begun = time.monotonic()
    with pytest.raises(StoreError):
        read(journals, "s")
    assert time.monotonic() - begun < _TIMEOUT_S + _SLACK_S
    server.start()
    works_again(journals)  # it kept nothing on disk


def test_a_server_that_hangs(server: RedisServer, journals: RedisJournals) -> None:
    made(journals, append("s", "a"))
    server.send_signal(signal.SIGSTOP)
    try:
        refused(journals, "giving it again is safe")
    finally:
        server.send_signal(signal.SIGCONT)
    assert made(journals, append("s", "b"))
    assert read(journals, "s") == ["a", "b"]


def test_a_server_that_loads_its_data(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--appendonly", "no", "--enable-debug-command", "yes")
    journals = opened(server)
    made(journals, append("s", "a"))
    with server.talk() as client:
        for n in range(500):
            client.set(f"other {n}", b"x" * 2048)
        client.config_set("key-load-delay", 5_000)
        client.config_set("loading-process-events-interval-bytes", 1024)
        loading = threading.Thread(target=_reload, args=(server,))
        loading.start()
        wait_for(lambda: bool(client.info("persistence")["loading"]), "the server to load")
        refused(journals, "loading")
        client.config_set("key-load-delay", 0)
        loading.join()
    works_again(journals, "a")
    journals.close()


def _reload(server: RedisServer) -> None:
    with server.talk() as client:
        client.connection_pool.connection_kwargs["socket_timeout"] = 60
        client.execute_command("DEBUG", "RELOAD")


def test_a_wrong_password(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--appendonly", "no")
    with server.talk() as client:
        client.config_set("requirepass", "right")
    for secret in ("", ":wrong@"):
        with pytest.raises(StoreError, match="password") as caught:
            opened(server, secret=secret)
        assert "wrong" not in str(caught.value)
    journals = opened(server, secret=":right@")
    assert "right" not in journals.url
    made(journals, append("s", "a"))
    journals.close()


def test_a_user_who_may_not(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--appendonly", "no")
    with server.talk() as client:
        client.execute_command("ACL", "SETUSER", "me", "on", ">secret", "~other:*", "+@all")
    journals = opened(server, secret="me:secret@")
    with pytest.raises(StoreError, match="may not"):
        journals.apply([append("s", "a")])
    journals.close()


def test_foreign_values_under_our_keys(redis_url: str, redis_server: RedisServer) -> None:
    prefix = redis_url.partition("prefix=")[2]
    journals = RedisJournals(redis_url, Settings())
    with redis_server.talk() as client:
        client.set(f"{prefix}{{{USER}:s}}:meta", "mine")
    answers = journals.apply([append("s", "a"), append("t", "a")])
    assert isinstance(answers[0], StoreError)
    assert "prefix=" in str(answers[0])
    assert not isinstance(answers[1], StoreError)  # one session's trouble is not another's
    journals.close()


def test_a_write_is_not_acknowledged_before_a_replica_has_it(own_redis: Callable[..., RedisServer]) -> None:
    primary = own_redis("--appendonly", "no", "--repl-diskless-sync-delay", "0")
    replica = own_redis("--appendonly", "no", "--replicaof", f"{HOST} {primary.port}")
    with primary.talk() as client:
        wait_for(lambda: bool(client.set("other", 1)) and client.wait(1, 50) == 1, "the replica to follow")
    # The replica may be slow, where much else goes on.
    journals = RedisJournals(f"redis://{HOST}:{primary.port}/0?timeout=20&wait_ms=5000", Settings())
    made(journals, append("s", "a"))
    hasty = opened(primary, "wait_ms=200")
    replica.send_signal(signal.SIGSTOP)
    try:
        refused(hasty, "giving it again is safe")
        refused(hasty, "giving it again is safe")  # that it is there already does not make it safe
    finally:
        replica.send_signal(signal.SIGCONT)
    hasty.close()
    assert appended(made(journals, append("s", "b"))).added == 0
    assert read(journals, "s") == ["a", "b"]
    assert {name: well for name, well, _ in journals.health()}[f"redis {HOST}:{primary.port} replicas"]
    journals.close()


def test_a_replica_that_is_gone_for_long_is_not_waited_for(
    own_redis: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    primary = own_redis("--appendonly", "no", "--repl-diskless-sync-delay", "0")
    replica = own_redis("--appendonly", "no", "--replicaof", f"{HOST} {primary.port}")
    journals = opened(primary, "wait_ms=100")
    with primary.talk() as client:
        wait_for(lambda: bool(client.set("other", 1)) and client.wait(1, 50) == 1, "the replica to follow")
        assert {name: well for name, well, _ in journals.health()}[f"redis {HOST}:{primary.port} replicas"]
        replica.kill()
        wait_for(lambda: not client.info("replication")["connected_slaves"], "the replica to be missed")
    refused(journals, "did not have a write safe")
    monkeypatch.setattr(redis_node, "_GRACE_S", 0.0)
    works_again(journals)
    assert not {name: well for name, well, _ in journals.health()}[f"redis {HOST}:{primary.port} replicas"]
    journals.close()


def test_tls(redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[1] / "data" / "tls"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with proxy_to(redis_server.port, context) as proxy:
        url = f"rediss://{HOST}:{proxy.port}/0?timeout=1&{redis_url.partition('?')[2]}"
        with pytest.raises(StoreError, match="CERTIFICATE_VERIFY_FAILED"):
            RedisJournals(url, Settings())
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "cert.pem"))
        journals = RedisJournals(url, Settings())
        made(journals, append("s", "a"))
        assert read(journals, "s") == ["a"]
        journals.close()


def test_more_replicas_than_there_are(journals: RedisJournals, server: RedisServer) -> None:
    needs_two = opened(server, "wait=2", "wait_ms=50")
    refused(needs_two, r"not \(2,\)")
    made(journals, append("s", "b"))
    needs_two.close()


def test_weak_set_ups_are_said_aloud(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    journals = opened(server, "ttl=60")
    told = {name.partition(str(server.port))[2]: (well, text) for name, well, text in journals.health()}
    assert not told[" disk"][0]
    assert "appendonly" in told[" disk"][1]
    assert not told[" replicas"][0]
    assert not told[" memory"][0]
    with server.talk() as client:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "always")
        client.config_set("maxmemory-policy", "noeviction")
        wait_for(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the file")
    told = {name.partition(str(server.port))[2]: (well, text) for name, well, text in journals.health()}
    assert told[" disk"][0]
    assert " memory" not in told
    server.kill()
    assert next(well for _, well, _ in journals.health()) is False
    journals.close()


def test_nobody_there() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreError, match="cannot be used"):
        RedisJournals(f"redis://{HOST}:{port}/0?timeout=1", Settings())


def test_a_closed_journal(redis_url: str) -> None:
    journals = RedisJournals(redis_url, Settings())
    journals.close()
    journals.close()
    with pytest.raises(StoreError, match="closed"):
        journals.apply([append("s", "a")])
    with pytest.raises(StoreError, match="closed"):
        read(journals, "s")
    with pytest.raises(StoreError, match="closed"):
        list(journals.sessions())


def test_state_of_a_user_and_of_a_session_are_two_steps(redis_url: str) -> None:
    journals = RedisJournals(redis_url, Settings())
    both = Step(USER, "s", 1, (Append(QA, ()), SetState({}, of_user=True)))
    mixed, alone = journals.apply([both, append("s", "a")])
    assert isinstance(mixed, NotSupported)
    assert not isinstance(alone, Exception)
    journals.close()
