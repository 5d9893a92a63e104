"""The live feed: to whom, from where on, and until when; on one server and on two of one database."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

import rollbook
from rollbook.server import events as serving

from .tools import TOKEN, Running, key_of, served, url_of

DATASET: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
_SOON_S: Final = 15.0


class Event(NamedTuple):
    """One event of a stream."""

    name: str
    id: str
    data: Any


class Listener:
    """A stream that is read in a thread."""

    def __init__(self, server: Running, key: str, **said: Any) -> None:
        self._client = server.client(key)
        self._said = said
        self.heard: list[Event] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        self.until(bool)

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            with self._client.stream("GET", "/api/v1/events", **self._said) as answer:
                assert answer.status_code == 200
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if line:
                        fields[name] = value
                    elif "event" in fields:
                        event = Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
                        with self._changed:
                            self.heard.append(event)
                            self._changed.notify_all()
                        fields = {}
        except Exception:  # noqa: BLE001 - the server was stopped, or the test closed it
            return

    def until(self, enough: Any) -> list[Event]:
        """Wait until enough was heard; all of it."""
        with self._changed:
            assert self._changed.wait_for(lambda: enough(self.heard), _SOON_S), self.heard
            return [*self.heard]

    def changed(self, session_id: str) -> list[Event]:
        """Wait until a session is told of; all that was told until then, but the beginning."""
        return self.until(lambda heard: any(each.data.get("session_id") == session_id for each in heard))[1:]

    def ended(self) -> list[Event]:
        """Wait until the stream has ended; all that was told."""
        self._thread.join(_SOON_S)
        assert not self._thread.is_alive()
        self._client.close()
        return self.heard


@contextmanager
def listening(server: Running, key: str = TOKEN, **said: Any) -> Iterator[Listener]:
    listener = Listener(server, key, **said)
    try:
        yield listener
    finally:
        for changes in list(server.server.limits._streams):
            changes.close()
        listener.ended()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def server(path: Path) -> Iterator[Running]:
    with served(path) as made:
        yield made


def _touch(server: Running, session_id: str, key: str = TOKEN, **said: Any) -> None:
    with server.client(key) as client:
        client.post("/api/v1/sessions", json={"session_id": session_id, **said}).raise_for_status()


def test_a_silent_stream_says_that_it_lives(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ASKED_ANEW_S", 0.02)
    monkeypatch.setattr(serving, "PING_S", 0.04)
    with listening(server) as listener:
        heard = listener.until(lambda heard: len(heard) >= 3)
        assert [(each.name, each.id) for each in heard[1:3]] == [("alive", "")] * 2, "and it has no place in the feed"
        _touch(server, "a")
        assert listener.changed("a")[-1].name == "change"


def test_changes_are_told_as_they_happen(server: Running) -> None:
    with listening(server) as listener:
        _touch(server, "one")
        (event,) = listener.changed("one")
        assert event.name == "change"
        assert event.data["kinds"] == ["facts", "life"] or event.data["kinds"] == ["life"]
        assert event.data["at"].endswith("+00:00")


def test_whoever_comes_back_is_told_what_was_missed(server: Running) -> None:
    with listening(server) as listener:
        _touch(server, "before")
        last = listener.changed("before")[-1].id
    _touch(server, "meanwhile-1")
    _touch(server, "meanwhile-2")
    with listening(server, headers={"last-event-id": last}) as listener:
        told = [event.data["session_id"] for event in listener.changed("meanwhile-2")]
        assert told == ["meanwhile-1", "meanwhile-2"]
    with listening(server, params={"after": last}) as listener:
        assert [event.data["session_id"] for event in listener.changed("meanwhile-2")] == told


@pytest.mark.parametrize("last", ["never-given-1", "x", "00000000-999"])
def test_whoever_was_away_for_too_long_is_told_to_look_anew(server: Running, last: str) -> None:
    with listening(server, headers={"last-event-id": last}) as listener:
        events = listener.until(lambda heard: len(heard) > 1)
        assert events[1].name == "reset"
        _touch(server, "afterwards")
        assert [event.name for event in listener.changed("afterwards")] == ["reset", "change"]


def test_one_session_alone(server: Running) -> None:
    with listening(server, params={"session_id": "wanted"}) as listener:
        _touch(server, "other")
        _touch(server, "wanted")
        assert [event.data["session_id"] for event in listener.changed("wanted")] == ["wanted"]


def test_r6_nobody_is_told_of_what_is_not_theirs(server: Running, path: Path) -> None:
    ann, bob = key_of(path, "ann"), key_of(path, "bob")
    reader = key_of(path, "carol", "reader", datasets=[DATASET])
    writer = key_of(path, "ann", datasets=[DATASET])
    with rollbook.open(url_of(path)) as book:
        book.set_parent("ann", "above")
    above = key_of(path, "above")
    with (
        listening(server, ann) as of_ann, listening(server, bob) as of_bob, listening(server, reader) as of_reader,
        listening(server, above) as of_above, listening(server) as of_all,
    ):  # fmt: skip
        _touch(server, "anns", ann)
        _touch(server, "shared", writer, dataset_id=DATASET)
        _touch(server, "bobs", bob)
        for listener, last, told in (
            (of_ann, "shared", ["anns", "shared"]), (of_bob, "bobs", ["bobs"]), (of_reader, "shared", ["shared"]),
            (of_above, "shared", ["anns", "shared"]), (of_all, "bobs", ["anns", "shared", "bobs"]),
        ):  # fmt: skip
            assert [event.data["session_id"] for event in listener.changed(last)] == told
        with server.client(writer) as client:
            client.delete("/api/v1/sessions/shared").raise_for_status()
        removed = of_reader.until(lambda heard: "removed" in heard[-1].data.get("kinds", []))[-1]
        assert removed.data["session_id"] == "shared", "a session that was seen is told to be gone"


def test_r6_to_name_another_user_shows_nothing(server: Running, path: Path) -> None:
    ann, bob = key_of(path, "ann"), key_of(path, "bob")
    with listening(server, bob, params={"user_id": "ann"}) as of_bob, listening(server) as of_all:
        _touch(server, "anns", ann)
        of_all.changed("anns")
        time.sleep(0.1)
        assert of_bob.heard[1:] == []


def test_revoking_a_key_ends_its_streams(server: Running, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ASKED_ANEW_S", 0.2)
    key = key_of(path, "ann")
    listener = Listener(server, key)
    with server.client() as client:
        client.delete(f"/api/v1/keys/{key.split('_')[1]}").raise_for_status()
    assert listener.ended()[-1].name == "stop"


def test_two_servers_of_one_database_tell_each_other(empty_book: str) -> None:
    """A client on each sees the other's changes live."""
    with served(empty_book) as one, served(empty_book) as other, listening(one) as at_one, listening(other) as at_other:
        _touch(one, "from-one")
        _touch(other, "from-other")
        for listener in (at_one, at_other):
            listener.changed("from-one")
            listener.changed("from-other")
