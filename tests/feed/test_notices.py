"""Processes that use one book on PostgreSQL tell each other what they changed, whatever becomes of the server."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as some

from rollbook import peers
from rollbook.errors import StoreError
from rollbook.feed import Change, Feed, Lost, Subscription, items
from rollbook.peers import Carried, texts_of
from rollbook.store import Notifies
from rollbook.store.postgres_notices import Notices

PATIENCE_S = 30.0
CHANNEL = "rollbook \"of\" 'tests'"


def notices_of(url: str) -> Notices:
    return Notices(partial(psycopg.connect, url, autocommit=True), CHANNEL)


@pytest.fixture
def notices(postgres_url: str) -> Iterator[Notices]:
    with closing(notices_of(postgres_url)) as notices:
        yield notices


class Heard:
    """What a listener was told, in a queue."""

    def __init__(self, notices: Notices) -> None:
        self.texts: SimpleQueue[str | None] = SimpleQueue()
        self.stop = notices.listen(self.texts.put)

    def next(self) -> str | None:
        return self.texts.get(timeout=PATIENCE_S)


def test_everybody_who_listens_is_told_in_order(notices: Notices, postgres_url: str) -> None:
    assert isinstance(notices, Notifies)
    with closing(notices_of(postgres_url)) as other:
        listeners = [Heard(notices), Heard(other), Heard(other)]
        for heard in listeners:
            assert heard.next() is None, "from now on"
        notices.notify(["a", "b", "é'\" $1 %s"])
        other.notify(["c"])
        for heard in listeners:
            assert [heard.next() for _ in range(4)] == ["a", "b", "é'\" $1 %s", "c"]


def test_a_listener_ends_at_once_and_leaves_no_connection(notices: Notices, postgres_url: str) -> None:
    heard = Heard(notices)
    assert heard.next() is None
    heard.stop()
    heard.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "rollbook-listen"]
    notices.notify(["a"])
    with pytest.raises(Empty):
        heard.texts.get_nowait()
    notices.close()
    with psycopg.connect(postgres_url, autocommit=True) as look:
        asked = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        wait_until(lambda: look.execute(asked).fetchone() == (0,))


def wait_until(so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_silent_line_is_looked_at_and_loses_nothing(notices: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.store.postgres_notices._TICK_S", 0.001)
    monkeypatch.setattr("rollbook.store.postgres_notices._SILENCE_S", 0.0)
    heard = Heard(notices)
    assert heard.next() is None
    for number in range(200):
        notices.notify([f"{number}"])
        assert heard.next() == f"{number}"


# Two processes

WRITER = """
import sys, psycopg
from functools import partial
from rollbook.feed import Feed
from rollbook.peers import Carried
from rollbook.store.postgres_notices import Notices
url, channel = sys.argv[1:]
feed, notices = Feed(), Notices(partial(psycopg.connect, url, autocommit=True), channel)
carried = Carried(feed, notices, writes=True)
for line in sys.stdin:
    user, session, kinds = line.rstrip("\\n").split(" ")
    feed.publish([(user, session, int(kinds))], 7)
carried.close()
notices.close()
"""


class Neighbour:
    """Another process that publishes what it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def publish(self, *names: str, kinds: int = items.LIFE) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"u {name} {kinds}\n" for name in names))
        self.process.stdin.flush()


@contextmanager
def neighbour_at(url: str) -> Iterator[Neighbour]:
    command = [sys.executable, "-c", WRITER, url, CHANNEL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        yield Neighbour(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


@contextmanager
def feed_at(url: str) -> Iterator[Feed]:
    feed, notices = Feed(), notices_of(url)
    carried = Carried(feed, notices, writes=True)
    yield feed
    feed.close()
    carried.close()
    notices.close()


def began(reader: Subscription) -> None:
    """It is told that it hears from others only now."""
    first = reader.next(PATIENCE_S)
    assert isinstance(first, Lost)
    assert "began" in first.reason


def change(reader: Subscription) -> tuple[str, set[str]]:
    item = reader.next(PATIENCE_S)
    assert isinstance(item, Change), item
    assert (item.user_id, item.at) in (("u", 7), ("u", 8))
    return item.session_id, set(item.kinds)


def test_what_another_process_changed_is_told_by_name(postgres_url: str) -> None:
    with neighbour_at(postgres_url) as neighbour, feed_at(postgres_url) as feed, feed.subscribe("u") as reader:
        began(reader)
        neighbour.publish("a", "b")
        assert [change(reader), change(reader)] == [("a", {"life"}), ("b", {"life"})]
        feed.publish([("u", "own", items.USAGE)], 8)
        assert change(reader) == ("own", {"usage"})
        neighbour.publish("c", kinds=items.USAGE | items.FACTS)
        assert change(reader) == ("c", {"usage", "facts"}), "one's own comes back, and is told only once"


def test_what_could_not_be_told_is_told_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_PAUSE_S", 0.001)
    line = Broken()
    feed = Feed()
    carried = Carried(feed, line, writes=True)
    feed.publish([("u", "a", 1)], 1)
    wait_until(lambda: line.tried > 3)
    feed.publish([("u", "b", 1)], 1)
    line.broken = False
    wait_until(lambda: bool(line.told))
    carried.close()
    assert [msgspec.json.decode(text)[2] for text in line.told] == [None]


class Broken:
    """A line that can be mended."""

    def __init__(self) -> None:
        self.broken, self.tried, self.told = True, 0, list[str]()

    def notify(self, payloads: Any) -> None:
        self.tried += 1
        if self.broken:
            raise StoreError
        self.told += payloads

    def listen(self, told: Any) -> Callable[[], None]:
        del told
        return lambda: None


def test_a_writer_waits_for_no_line_and_what_waits_is_bounded() -> None:
    class Stuck(Broken):
        def notify(self, payloads: Any) -> None:
            first.set()
            go.wait(PATIENCE_S)
            self.told += payloads

    first, go, line, feed = threading.Event(), threading.Event(), Stuck(), Feed()
    carried = Carried(feed, line, writes=True)
    feed.publish([("u", "first", 1)], 1)
    assert first.wait(PATIENCE_S)
    for number in range(3 * peers._WAITING_MOST):
        feed.publish([("u", f"s{number}", 1)], 1)
    assert carried._waiting is None
    go.set()
    carried.close()
    assert [msgspec.json.decode(text)[2] is None for text in line.told] == [False, True]


def test_many_commits_go_in_few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "GATHER_S", 0.2)
    line, feed = Broken(), Feed()
    line.broken = False
    carried = Carried(feed, line, writes=True)
    for number in range(1000):
        feed.publish([("u", f"s{number % 10}", 1 << number % 3)], 1)
    carried.close()
    assert line.tried <= 2
    told = [one for text in line.told for _, sessions in msgspec.json.decode(text)[2] for one in sessions]
    assert {name for name, _ in told} == {f"s{number}" for number in range(10)}


@pytest.mark.parametrize("text", ["", "x", "[]", '["a", 1, [["u", [["s"]]]]]', '{"new": 1}'])
def test_a_text_that_is_not_understood_is_told_as_lost(text: str) -> None:
    feed = Feed()
    carried = Carried(feed, Broken(), writes=True)
    with feed.subscribe() as reader:
        carried._hear(text)
        assert isinstance(reader.next(0), Lost)
    carried.close()


def test_a_kind_that_is_not_known_yet_is_told_without_its_name() -> None:
    feed = Feed()
    carried = Carried(feed, Broken(), writes=True)
    with feed.subscribe() as reader:
        carried._hear('["another", 1, [["u", [["s", 4097]]]]]')
        item = reader.next(0)
        assert isinstance(item, Change)
        assert (item.session_id, set(item.kinds)) == ("s", {"life"})
    carried.close()


_IDS = some.text(some.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=128)


@given(
    some.dictionaries(some.tuples(some.uuids().map(str), _IDS), some.integers(1, 63), max_size=200), some.integers(1, 9)
)
def test_texts_are_short_and_hold_everything(waiting: dict[tuple[str, str], int], times: int) -> None:
    whole = {(user, session * times): kinds for (user, session), kinds in waiting.items()}
    texts = list(texts_of("sender", whole, 1))
    assert all(len(text.encode()) < 8000 for text in texts)
    feed, line = Feed(), Broken()
    carried = Carried(feed, line, writes=False)
    with feed.subscribe() as reader:
        for text in texts:
            carried._hear(text)
        found = {}
        while (item := reader.next(0)) is not None:
            assert isinstance(item, Change)
            found[item.user_id, item.session_id] = item.kinds
    carried.close()
    assert found == {name: items.KIND_SETS[kinds] for name, kinds in whole.items()}


def test_the_longest_ids_fit() -> None:
    whole = {(f"{user:036}", f"{session:03}" + '"' * 509): 63 for user in range(5) for session in range(50)}
    texts = list(texts_of("sender", whole, 1 << 60))
    assert max(len(text.encode()) for text in texts) < 8000
    assert sum(len(sessions) for text in texts for _, sessions in msgspec.json.decode(text)[2]) == 250


def test_where_nobody_can_listen_it_is_looked_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a replica: whoever listens is told now and then that something may have changed."""
    monkeypatch.setattr("rollbook.store.postgres_notices._PAUSES_S", (0.001, 0.001))

    class Replica:
        def execute(self, *_: object) -> None:
            raise psycopg.errors.ReadOnlySqlTransaction

        def close(self) -> None:
            pass

    replica: Any = Replica()
    heard = Heard(Notices(lambda: replica, CHANNEL))
    assert [heard.next() for _ in range(3)] == [None] * 3
    heard.stop()
