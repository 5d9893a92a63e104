"""What somebody tried who meant harm: bytes and connections without end, counting what is others', odd cookies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import rollbook
from rollbook.errors import StoreError
from rollbook.principals import READER, WRITER, Principal
from rollbook.rules import checks
from rollbook.server import connection, events, guard
from rollbook.server.browser import cookie_in
from rollbook.server.endpoint import headers_of
from rollbook.server.running import Options

from .tools import Asking, asking, key_of, served, url_of

MINE, YOURS = (checks.user(name)[0] for name in ("mine@example.org", "yours@example.org"))


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path / "book.db") as made:
        yield made


# Connections


async def _app(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with contextlib.suppress(OSError):
            for _ in range(1_000):
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    if scope["path"] == "/reads":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def _connected() -> Any:
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(_app, http=connection.Impatient, ws="none", lifespan="off", log_level="warning")
    config.load()
    state = uvicorn.server.ServerState()
    server = await loop.create_server(
        lambda: connection.Impatient(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        async with asyncio.timeout(20):
            yield reader, writer, state
    finally:
        writer.close()
        server.close()


async def _until(state: Any, *, there: bool) -> None:
    """Until there is a connection, or none; the caller says for how long at the most."""
    while bool(state.connections) != there:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.01)


async def _sent(writer: Any, text: bytes, times: int) -> None:
    with contextlib.suppress(OSError):
        for _ in range(times):
            writer.write(text)
            await writer.drain()


@pytest.mark.parametrize(
    "begins", [b"GET /", b"GET / HTTP/1.1\r\nx-long: ", b"GET / HTTP/1.1\r\n" + b"x-many: 1\r\n"], ids=str
)
def test_a_head_without_an_end_is_not_kept(begins: bytes) -> None:
    async def run() -> bytes:
        async with _connected() as (reader, writer, _):
            writer.write(begins)
            more = b"x-many: " + b"1" * 80 + b"\r\n" if begins.endswith(b"\n") else b"a" * 1_000
            await _sent(writer, more * 10, 10_000)
            found = b""
            with contextlib.suppress(OSError):
                found = await reader.read()
            return found

    assert asyncio.run(run())[:13] in (b"HTTP/1.1 431 ", b""), "a reset may overtake the answer"


@pytest.mark.parametrize("path", [b"/reads", b"/none"], ids=["while it is read", "after it was answered"])
def test_lines_behind_a_body_in_chunks_have_an_end(path: bytes) -> None:
    async def run() -> None:
        async with _connected() as (_, writer, state):
            writer.write(b"POST " + path + b" HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
            await _sent(writer, b"x-behind: " + b"1" * 990 + b"\r\n", 10_000)
            await _until(state, there=False)

    asyncio.run(run())


def test_a_body_in_small_chunks_is_a_body() -> None:
    async def run() -> bytes:
        async with _connected() as (reader, writer, _):
            writer.write(b"POST /reads HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
            await _sent(writer, b"1\r\nx\r\n" * 1_000, 100)
            writer.write(b"0\r\n\r\n")
            found: bytes = await reader.readuntil(b"\r\n")
            return found

    assert asyncio.run(run()).startswith(b"HTTP/1.1 204 ")


@pytest.mark.parametrize(
    "then",
    [b"GET / HT", b"\r\n", b"POST /none HTTP/1.1\r\ncontent-length: 9\r\n\r\nx"],
    ids=["a head that stays a part", "nothing at all", "a body for which nobody waits"],
)
def test_who_was_answered_once_does_not_hold_a_connection_for_ever(
    monkeypatch: pytest.MonkeyPatch, then: bytes
) -> None:
    monkeypatch.setattr(connection, "_ASKS_S", 0.05)

    async def run() -> None:
        async with _connected() as (reader, writer, state):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.write(then)
            await _until(state, there=False)

    asyncio.run(run())


def test_who_waits_for_an_answer_is_not_hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ASKS_S", 0.05)

    async def run() -> None:
        async with _connected() as (reader, writer, _):
            for _ in range(2):
                writer.write(b"POST /slow HTTP/1.1\r\ncontent-length: 4\r\n\r\nbo")
                writer.write(b"dy")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")

    asyncio.run(run())


def test_who_takes_nothing_of_an_answer_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_STUCK_S", 0.1)

    async def run() -> None:
        async with _connected() as (_, writer, state):
            writer.write(b"GET /large HTTP/1.1\r\n\r\n")  # and nothing of it is read
            await _until(state, there=True)
            await _until(state, there=False)

    asyncio.run(run())


# Bodies


def test_who_is_not_known_sends_but_a_form(ask: Asking) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    large = ask.request("POST", "/signin", key=None, content=b"key=" + b"a" * 20_000, headers=form)
    assert large.status_code == 413
    import gzip  # noqa: PLC0415 - of this test alone

    bomb = gzip.compress(b"key=" + b"a" * 4_000_000)
    assert len(bomb) < 8_000
    packed = ask.request("POST", "/signin", key=None, content=bomb, headers={**form, "content-encoding": "gzip"})
    assert packed.status_code == 413


def test_what_was_refused_is_not_told_again_at_length(ask: Asking) -> None:
    for wrong in ('{"user": ' + "[" * 900 + "]" * 900 + "}", json.dumps({"none": "x" * 1_000_000})):
        answer = ask.request("POST", "/api/v1/keys", content=wrong, headers={"content-type": "application/json"})
        assert answer.status_code == 400
        assert len(answer.content) < 1_000
        assert answer.json()["detail"][0]["type"] == "value_error"
    short = ask.request("POST", "/api/v1/keys", json={"user": 7})
    assert short.json()["detail"][0]["input"] == 7, "what is short is told"


# Who asks


def test_a_cookie_is_found_among_those_of_others() -> None:
    own = f"{MINE}.local.{'s' * 43}"
    for text in (
        f'other={{"a": 1}}; rollbook={own}', f"no-value; rollbook={own}", f"x[y]=1;rollbook={own}; z",
        f'open="; rollbook={own}', f"rollbook=short; rollbook={own}", f"a b=c; rollbook={own}",
    ):  # fmt: skip
        found = cookie_in({"cookie": text})
        assert found is not None, text
        assert found.text == own
    for text in ("", "rollbook=", f"xrollbook={own}", f"rollbook={own}x", "rollbook"):
        assert cookie_in({"cookie": text}) is None


def test_signing_out_lets_others_be_remembered(ask: Asking) -> None:
    assert ask.get("/api/v1/me").status_code == 200
    remembered = dict(ask.server.doorkeeper._known)
    assert remembered
    odd = {"cookie": f"rollbook={MINE}.local.{'s' * 43}"}
    assert ask.request("POST", "/signout", key=None, headers=odd).status_code == 200
    assert ask.server.doorkeeper._known == remembered


def test_of_what_proxies_say_the_nearest_one_is_heard() -> None:
    scope = {"headers": [(b"x-forwarded-for", b"10.6.6.6"), (b"x-forwarded-for", b"203.0.113.9"),
                         (b"authorization", b"one"), (b"authorization", b"two")]}  # fmt: skip
    assert headers_of(scope) == {"x-forwarded-for": "203.0.113.9", "authorization": "one"}


def test_every_loopback_address_is_known_by_its_names_alone() -> None:
    options = Options(host="127.0.0.2")
    assert guard.known_host("127.0.0.2:7655", options)
    assert not guard.known_host("elsewhere.example.org", options)


def test_a_token_that_another_user_made_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rollbook.server.token import local_token  # noqa: PLC0415

    env = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    token = local_token(env)
    assert local_token(env) == token
    (place,) = tmp_path.rglob("server-token")
    if os.getuid() == 0:
        os.chown(place, 65_534, -1)
    else:  # only root gives files away: whoever else looks is another one than who made it
        me = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(StoreError, match="another user's"):
        local_token(env)


# What is others'


def test_nobody_counts_by_the_ids_of_events_what_others_do(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    key = key_of(path, "mine@example.org")

    def begins(running: Any, after: str | None = None) -> list[str]:
        asked = {} if after is None else {"after": after}
        with running.client(key) as client, client.stream("GET", "/api/v1/events", params=asked) as stream:
            lines = stream.iter_lines()
            found = [next(lines) for _ in range(2)]
            if after is not None:
                found += [next(lines) for _ in range(6)]
            return found

    with served(path) as running, running.client() as admin:
        first = begins(running)[0].removeprefix("id: ")
        assert begins(running)[0].removeprefix("id: ") != first, "nothing changed, and that is not told either"
        for name in ("one", "two"):
            assert admin.post("/api/v1/sessions", json={"session_id": name}).status_code == 200
        with running.client(key) as client:
            assert client.post("/api/v1/sessions", json={"session_id": "own"}).status_code == 200
        assert "-" not in first
        again = begins(running, after=first)
        assert "event: change" in again, "the id says where to go on"
        assert '"session_id":"own"' in "".join(again)
        forged = begins(running, after=first[:-1] + ("0" if first[-1] != "0" else "1"))
        assert "event: reset" in forged


def test_sealed_ids_come_back_and_nothing_else_does() -> None:
    assert events.unsealed(events.sealed("0badcafe-12")) == "0badcafe-12"
    for wrong in ("", "00", "zz", events.sealed("0badcafe-12")[2:], "0badcafe-12", "\xff", "ab" * 4_000):
        assert events.unsealed(wrong) == ""


def test_errors_of_the_book_name_no_paths_to_who_does_not_run_it(ask: Asking, tmp_path: Path) -> None:
    key = key_of(tmp_path / "book.db", "mine@example.org")
    told = []
    for shown in (key, None):
        guest = ask.run(ask.server.doorkeeper.by_secret(key if shown else ask.server.options.token or ""))

        async def broken(**_: Any) -> None:
            raise StoreError("/home/somebody/book.db is gone")

        guest.book.stats = broken
        answer = ask.get("/api/v1/sessions/stats", **({"key": key} if shown else {}))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        told.append("/home/somebody" in answer.text)
    assert told == [False, True]


def test_routes_of_one_path_are_counted_each_for_itself(ask: Asking) -> None:
    ask.get("/api/v1/sessions")
    ask.request("POST", "/api/v1/sessions", json={})
    text = ask.get("/metrics").text
    for method in ("GET", "POST"):
        assert f'rollbook_requests_total{{route="{method} /api/v1/sessions",status="200"}} 1.0' in text


def test_a_writer_deletes_its_own_while_what_another_deleted_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R12, with journals outside: what one user deleted is nothing that another one may, or must, clear away."""
    url, outside = url_of(tmp_path / "book.db"), f"file://{tmp_path / 'journal'}"
    mine = Principal(user_id=MINE, role=WRITER)
    yours = Principal(user_id=YOURS, role=WRITER)
    with rollbook.open(url, all_users=True, journal=outside) as book:
        for who in (mine, yours):
            book.acting(who).add_qa("s", question="?", answer="!")
        cleared = rollbook.core.Core.clear_outside

        def later(_: Any) -> Any:
            yield from ()

        monkeypatch.setattr(rollbook.core.Core, "clear_outside", later)
        assert book.acting(yours).delete("s")
        monkeypatch.setattr(rollbook.core.Core, "clear_outside", cleared)
        assert book.acting(mine).delete("s"), "and it is no error that something of another's waits"
        files = [path for path in (tmp_path / "journal").rglob("*.jsonl") if path.is_file()]
        assert [path.parent.name for path in files] == [YOURS], "one's own is gone, another's is left to others"
    with rollbook.open(url, all_users=True, journal=outside):
        pass  # whoever opens the book finishes it
    assert not list((tmp_path / "journal").rglob("s-*.jsonl"))


def test_a_reader_signs_in_and_does_nothing_else(ask: Asking, tmp_path: Path) -> None:
    """R6: the one thing that a reader writes is a note that it signed in."""
    key = key_of(tmp_path / "book.db", "mine@example.org", READER)
    assert ask.request("POST", "/signin", key=None, data={"key": key}).status_code == 200
    assert ask.request("POST", "/v1/traces", key=key, json={"resourceSpans": []}).status_code == 403
    said = {ask.request("POST", "/signin", key=None, data={"key": key}).status_code for _ in range(40)}
    assert said == {200, 429}, "and not so often that it fills the book"
    other = key_of(tmp_path / "book.db", "yours@example.org", READER)
    assert ask.request("POST", "/signin", key=None, data={"key": other}).status_code == 200


def test_connections_of_one_address_that_ask_nothing_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_UNASKED_MOST", 3)

    async def run() -> tuple[list[bool], bytes]:
        async with _connected() as (_, first, _):  # over which nothing is asked either
            port = first.get_extra_info("peername")[1]
            asking_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            for _, writer in asking_:
                writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            answers = [await reader.readuntil(b"\r\n") for reader, _ in asking_]
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
            ended = []
            for reader, _ in silent:
                try:
                    await asyncio.wait_for(reader.read(1), 0.2)
                except TimeoutError:
                    ended.append(False)
                except OSError:
                    ended.append(True)
                else:
                    ended.append(True)
            for _, writer in (*asking_, *silent):
                writer.close()
            return ended, answers[-1]

    ended, answer = asyncio.run(run())
    assert ended == [False, False, True, True, True], "who has asked something does not count"
    assert answer.startswith(b"HTTP/1.1 204")
