"""What is refused before anybody looks at it, and what is too much."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rollbook.server import connection
from rollbook.server.guard import refused
from rollbook.server.running import Options

from .tools import TOKEN, Asking, asking, bearer, key_of, served


def _headers(**said: str) -> dict[str, Any]:
    return {"headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in said.items()]}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"host": "127.0.0.1:7655"}, None),
        ({"host": "localhost"}, None),
        ({"host": "[::1]:7655"}, None),
        ({"host": "LOCALHOST:7655"}, None),
        ({"host": "evil.example.org:7655"}, 421),
        ({"host": "localhost.evil.example.org"}, 421),
        ({"host": ""}, 421),
        ({"host": "localhost:7655", "origin": "http://localhost:7655"}, None),
        ({"host": "localhost:7655", "origin": "http://localhost:9000"}, 403),
        ({"host": "localhost:7655", "origin": "https://evil.example.org"}, 403),
        ({"host": "localhost:7655", "origin": "null"}, 403),
        ({"host": "localhost:7655", "sec_fetch_site": "same-origin"}, None),
        ({"host": "localhost:7655", "sec_fetch_site": "none"}, None),
        ({"host": "localhost:7655", "sec_fetch_site": "same-site"}, 403),
        ({"host": "localhost:7655", "sec_fetch_site": "cross-site"}, 403),
    ],
)
def test_requests_of_other_sites_are_refused(said: dict[str, str], status: int | None) -> None:
    found = refused(_headers(**said), Options())
    assert (None if found is None else found.status) == status


_TLS: dict[str, Any] = {"scheme": "https", "client": ("203.0.113.5", 1)}
_PROXIED: dict[str, Any] = {"scheme": "http", "client": ("10.0.0.1", 1)}
_PLAIN: dict[str, Any] = {"scheme": "http", "client": ("203.0.113.5", 1)}


@pytest.mark.parametrize(
    ("scope", "scheme", "forwarded", "taken"),
    [
        (_PLAIN, "http", None, True),
        (_PLAIN, "https", None, False),
        (_TLS, "https", None, True),
        (_TLS, "http", None, False),
        (_PROXIED, "https", "https", True),
        (_PROXIED, "https", "http, HTTPS", True),
        (_PROXIED, "http", "https", False),
        (_PROXIED, "http", "http", True),
        (_PROXIED, "https", "http", False),
        (_PROXIED, "https", None, False),
        (_PLAIN, "https", "https", False),
        (_PLAIN, "http", "https", True),
    ],
)
def test_another_scheme_is_another_site(scope: dict[str, Any], scheme: str, forwarded: str | None, taken: bool) -> None:
    """A page of plain HTTP may be anybody's; what a proxy says of it counts where the proxy is trusted."""
    said = {"host": "books.example.org", "origin": f"{scheme}://books.example.org"}
    if forwarded is not None:
        said["x_forwarded_proto"] = forwarded
    options = Options(host="0.0.0.0", hosts=("books.example.org",), proxies=("10.0.0.1",))
    found = refused({**scope, **_headers(**said)}, options)
    assert (found is None) == taken
    if found is not None:
        assert found.status == 403
        assert "--proxy" in found.content["detail"]


def test_a_server_with_names_is_known_by_these() -> None:
    options = Options(host="0.0.0.0", hosts=("books.example.org",))
    assert refused(_headers(host="books.example.org"), options) is None
    assert refused(_headers(host="other.example.org"), options) is not None
    assert refused(_headers(host="whatever.example.org"), Options(host="0.0.0.0")) is None


@pytest.mark.parametrize("path", ["/api/v1/events", "/healthz", "/api/v1/sessions", "/none"])
def test_streams_and_all_else_are_guarded_alike(tmp_path: Path, path: str) -> None:
    with asking(tmp_path / "book.db") as ask:
        answer = ask.request("GET", path, headers={"host": "evil.example.org"})
        assert answer.status_code == 421


@pytest.fixture
def small(tmp_path: Path) -> Any:
    with asking(tmp_path / "book.db", body_bytes=2_000, requests_per_minute=5, failures_per_minute=3) as ask:
        yield ask


def test_a_body_that_is_too_large_is_413(small: Asking) -> None:
    answer = small.request("POST", "/api/v1/sessions", json={"title": "x" * 3_000})
    assert answer.status_code == 413
    assert "2000" in answer.json()["detail"]


def test_a_compressed_body_is_no_larger_than_a_plain_one(small: Asking) -> None:
    import gzip  # noqa: PLC0415 - of this test alone

    body = gzip.compress(b" " * 1_000_000)
    assert len(body) < 2_000
    answer = small.request(
        "POST", "/api/v1/sessions", content=body,
        headers={"content-encoding": "gzip", "content-type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 413


def test_headers_that_are_too_large_are_431(small: Asking) -> None:
    assert small.request("GET", "/api/v1/me", headers={"x-much": "y" * 40_000}).status_code == 431


def test_a_key_that_asks_too_often_is_429_and_told_when(small: Asking) -> None:
    answers = [small.get("/api/v1/me") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_nobody_tries_many_keys(small: Asking) -> None:
    answers = [small.get("/api/v1/me", key=f"guess-{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429]
    assert small.get("/api/v1/me").status_code == 200, "whoever has a key is not held up by those who have none"


def test_keys_are_counted_each_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    keys = [key_of(path, user) for user in ("ann", "bob")]
    with asking(path, requests_per_minute=2) as ask:
        found = [ask.get("/api/v1/me", key=key).status_code for key in (*keys, *keys, keys[0])]
    assert found == [200, 200, 200, 200, 429]


def test_streams_have_an_end(tmp_path: Path) -> None:
    with served(tmp_path / "book.db", streams=3, streams_per_key=2) as server, server.client() as client:
        with client.stream("GET", "/api/v1/events") as one, client.stream("GET", "/api/v1/events") as two:
            assert one.status_code == two.status_code == 200
            listening = [one.iter_lines(), two.iter_lines()]  # one that is let go of closes its stream
            assert all(map(next, listening))
            refused_one = client.get("/api/v1/events")
            assert refused_one.status_code == 429
            assert refused_one.headers["retry-after"]
        until = time.monotonic() + 10
        while server.server.limits.open_streams and time.monotonic() < until:
            time.sleep(0.02)
        assert server.server.limits.open_streams == 0, "a stream that was left is not counted any more"


def test_whoever_sends_a_body_too_slowly_is_408(tmp_path: Path) -> None:
    with (
        served(tmp_path / "book.db", idle_s=0.2) as server,
        socket.create_connection(("127.0.0.1", server.port)) as raw,
    ):
        raw.sendall(
            b"POST /api/v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n"
            b"content-type: application/json\r\nauthorization: "
            + bearer(TOKEN)["authorization"].encode()
            + b"\r\n\r\n{"
        )
        raw.settimeout(10)
        assert raw.recv(1_000).startswith(b"HTTP/1.1 408 ")


def test_forms_that_do_not_come_keep_nobody_out(tmp_path: Path) -> None:
    """Whoever sends one needs no key, so many that are sent slowly are not all waited for."""
    slow = b"POST /signin HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\nkey="
    with served(tmp_path / "book.db", idle_s=20) as server, ExitStack() as stack:
        for _ in range(16):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            raw.sendall(slow)
        with server.client() as client:
            until = time.monotonic() + 10
            while (answer := client.post("/signin", data={"key": "wrong"})).status_code != 429:
                assert time.monotonic() < until
                time.sleep(0.02)
            assert answer.json() == {"detail": "too many forms are on their way"}
            assert client.get("/api/v1/me").status_code == 200
            assert client.post("/api/v1/sessions", json={}).status_code == 200
            stack.close()
            while (answer := client.post("/signin", data={"key": TOKEN})).status_code != 200:
                assert time.monotonic() < until, answer.text
                time.sleep(0.02)


def test_a_connection_over_which_nothing_is_asked_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ASKS_S", 0.05)

    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        import uvicorn  # noqa: PLC0415

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(app, http=connection.Impatient, ws="none", lifespan="off", log_level="warning")
        config.load()
        state = uvicorn.server.ServerState()
        server = await loop.create_server(
            lambda: connection.Impatient(config=config, server_state=state, app_state={}), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HT")  # and then nothing
        said = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        server.close()
        return said

    assert asyncio.run(run()) == b""


def test_an_error_that_nobody_foresaw_says_nothing_of_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with asking(tmp_path / "book.db") as ask:

        async def broken(**_: Any) -> None:
            raise RuntimeError("a secret of the server")

        guest = ask.run(ask.server.doorkeeper.by_secret("t0ken-of-the-tests"))
        guest.book.stats = broken
        answer = ask.get("/api/v1/sessions/stats")
    assert answer.status_code == 500
    assert answer.json() == {"error": "stats failed"}
    assert "GET /api/v1/sessions/stats failed" in caplog.text


def test_unknown_paths_and_methods(tmp_path: Path) -> None:
    with asking(tmp_path / "book.db") as ask:
        assert ask.get("/api/v1/none").status_code == 404
        assert ask.request("PUT", "/api/v1/sessions").status_code == 405


def test_a_proxys_headers_are_believed_only_of_a_proxy_that_is_trusted(tmp_path: Path) -> None:
    headers = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with served(tmp_path / "book.db") as server, server.client(None) as client:
        assert "Secure" not in client.post("/signin", data={"key": TOKEN}, headers=headers).headers["set-cookie"]
    with served(tmp_path / "book.db", proxies=("127.0.0.1",)) as server, server.client(None) as client:
        assert "Secure" in client.post("/signin", data={"key": TOKEN}, headers=headers).headers["set-cookie"]
