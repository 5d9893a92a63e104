"""A cluster that loses a primary or moves keys while sessions are written: what was acknowledged is there, once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from rollbook.errors import RollbookError, StoreError
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.redis.keys import Keys, Place
from rollbook.journal.steps import Fork, Step
from rollbook.settings import Settings
from servers import HOST, RedisClusterServers, RedisServer, wait_for, with_prefix

from .redis_tools import USER, append, made, pop, popped, read

_SESSIONS = [f"s{n}" for n in range(12)]  # over all the slots, so every primary has some


class Writer:
    """Appends to many sessions without a pause, and gives again what was not acknowledged."""

    def __init__(self, url: str) -> None:
        self.journals = RedisJournals(url, Settings())
        self.kept: dict[str, list[str]] = {session: [] for session in _SESSIONS}
        self.popped: dict[str, list[str]] = {session: [] for session in _SESSIONS}
        self.refused = 0
        self.trouble: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        n = 0
        try:
            while not self._done.is_set():
                n += 1
                self._round({session: append(session, f"{n}") for session in _SESSIONS})
                for session in _SESSIONS:
                    self.kept[session].append(f"{n}")
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.trouble = error

    def _round(self, waiting: dict[str, Step]) -> None:
        for _ in range(10):
            try:
                answers = self.journals.apply(list(waiting.values()))
            except StoreError:
                self.refused += len(waiting)
                continue
            refused = [session for session, answer in zip(waiting, answers, strict=True) if _lost(answer)]
            self.refused += len(refused)
            waiting = {session: waiting[session] for session in refused}
            if not waiting:
                return
        raise TimeoutError("the cluster did not come back")

    def rounds(self) -> int:
        return len(self.kept[_SESSIONS[-1]])

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._done.set()
            self._thread.join()
            try:
                assert self.trouble is None, self.trouble
                assert {session: read(self.journals, session) for session in _SESSIONS} == self.kept
            finally:
                self.journals.close()

    def goes_on(self, rounds: int = 5) -> None:
        """Wait until so much more was acknowledged."""
        until = self.rounds() + rounds
        wait_for(lambda: self.trouble is not None or self.rounds() >= until, "the writer to go on")


def _lost(answer: object) -> bool:
    assert not isinstance(answer, RollbookError) or isinstance(answer, StoreError), answer
    return isinstance(answer, StoreError)


def test_a_primary_that_is_killed_loses_nothing_acknowledged(own_cluster: RedisClusterServers) -> None:
    writer = Writer(with_prefix(own_cluster.url))
    with writer.writing():
        writer.goes_on()
        keys = Keys(writer.journals._options.prefix, Place(USER, "s0"))
        victim = own_cluster.primary_of(keys.fixed[0])
        victim.kill()
        survivor = next(node for node in own_cluster.nodes if node.alive())
        with survivor.talk() as client:
            wait_for(lambda: _owner(client, keys.fixed[0]) not in (0, victim.port), "the replica to be promoted")
        writer.goes_on()
        victim.start()
        writer.goes_on()


def _owner(client: Any, key: bytes) -> int:
    slot = client.execute_command("CLUSTER", "KEYSLOT", key)
    for first, last, primary, *_ in client.execute_command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return int(primary[1])
    return 0


def _primaries(cluster: RedisClusterServers) -> list[RedisServer]:
    return [node for node in cluster.nodes if _role(node) == "master"]


def _role(node: RedisServer) -> str:
    with node.talk() as client:
        return str(client.info("replication")["role"])


def test_keys_that_move_to_another_node_while_they_are_written(redis_cluster_servers: RedisClusterServers) -> None:
    cluster = redis_cluster_servers
    writer = Writer(with_prefix(cluster.url))
    with writer.writing(), contextlib.ExitStack() as stack:
        writer.goes_on()
        for session in _SESSIONS[:3]:
            key = Keys(writer.journals._options.prefix, Place(USER, session)).fixed[0]
            source = cluster.primary_of(key)
            target = next(node for node in _primaries(cluster) if node is not source)
            here, there = stack.enter_context(source.talk()), stack.enter_context(target.talk())
            slot = here.execute_command("CLUSTER", "KEYSLOT", key)
            _move(here, there, target.port, slot)
            writer.goes_on()
            _move(there, here, source.port, slot)
            writer.goes_on()


def _move(here: Any, there: Any, port: int, slot: int) -> None:
    """Move a slot and its keys one at a time, as a resharding does."""
    names = [client.execute_command("CLUSTER", "MYID").decode() for client in (here, there)]
    there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
    here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    while keys := here.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
        here.execute_command("MIGRATE", HOST, port, "", 0, 5000, "KEYS", *keys)
    for client in (there, here):
        client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[1])


def test_forks_and_pops_over_the_slots_of_a_cluster(redis_cluster: str) -> None:
    journals = RedisJournals(redis_cluster, Settings())
    for n, session in enumerate(_SESSIONS):
        made(journals, append(session, "a", "b"))
        made(journals, Step(USER, f"{session} fork", n, (Fork(session),)))
        made(journals, append(f"{session} fork", "c"))
        assert popped(made(journals, pop(session))) == ["b"]
    assert [read(journals, f"{session} fork") for session in _SESSIONS] == [["a", "b", "c"]] * len(_SESSIONS)
    assert len(list(journals.sessions(USER))) == 2 * len(_SESSIONS)
    assert journals.wipe() == 2 * len(_SESSIONS)
    journals.close()


def test_every_primary_is_looked_at(redis_cluster: str) -> None:
    journals = RedisJournals(redis_cluster, Settings())
    replicas = [well for name, well, _ in journals.health() if name.endswith(" replicas")]
    assert replicas == [True] * 3
    journals.close()


def test_a_cluster_that_is_said_to_be_none_is_noticed(redis_cluster: str) -> None:
    journals = RedisJournals(f"{redis_cluster}&cluster=false&timeout=1", Settings())
    answers = journals.apply([append(session, "a") for session in _SESSIONS])
    told = {str(answer).partition(" (")[0] for answer in answers if isinstance(answer, StoreError)}
    assert told == {"this Redis is a node of a cluster: leave cluster=false out of the URL"}
    journals.close()
