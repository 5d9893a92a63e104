"""What is long is sent compressed to whoever takes it so, and is the same."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rollbook.server import packing
from rollbook.server.routing import Reply
from server.tools import Asking, asking

LIST = "/api/v1/sessions"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with asking(tmp_path_factory.mktemp("packing") / "book.db") as made:
        for number in range(40):
            made.run(made.book.record_usage(f"s{number}", tokens_in=number, model="m"))
        yield made


def _sent(served: Asking, path: str, takes: str | None, **asked: Any) -> tuple[bytes, dict[str, str]]:
    headers = {} if takes is None else {"accept-encoding": takes}
    built = served._clients.setdefault("raw", served._clients.get("raw") or _raw(served))

    async def ask() -> tuple[bytes, dict[str, str]]:
        async with built.stream("GET", path, params=asked, headers=headers) as answer:
            return b"".join([part async for part in answer.aiter_raw()]), dict(answer.headers)

    found: tuple[bytes, dict[str, str]] = served.run(ask())
    return found


def _raw(served: Asking) -> Any:
    from server.tools import TOKEN, client_of  # noqa: PLC0415 - made anew, without what the client adds by itself

    client = client_of(served.app, TOKEN)
    client.headers.pop("accept-encoding", None)
    return client


@pytest.mark.parametrize("takes", ["gzip", "deflate, GZIP;q=0.5", "br, *", "*;q=0, gzip"])
def test_a_page_is_a_tenth(served: Asking, takes: str) -> None:
    plain, said = _sent(served, LIST, None)
    assert "content-encoding" not in said
    assert len(plain) > 10 * packing._LEAST
    for _ in range(2):  # as it is worked out, and as it is kept
        small, said = _sent(served, LIST, takes)
        assert (said["content-encoding"], said["vary"]) == ("gzip", "accept-encoding")
        assert int(said["content-length"]) == len(small)
        assert gzip.decompress(small) == plain
        assert 8 * len(small) < len(plain)


@pytest.mark.parametrize("takes", ["", "br", "*, gzip;q=0", "identity", "gzipped", "gzip; Q=0.0"])
def test_who_does_not_take_it_so_gets_it_as_it_is(served: Asking, takes: str) -> None:
    small = _sent(served, LIST, "gzip")[0]
    plain, said = _sent(served, LIST, takes)
    assert "content-encoding" not in said
    assert len(plain) > len(small)
    assert plain == _sent(served, LIST, None)[0]


def test_what_is_short_is_not_worth_it(served: Asking) -> None:
    _, said = _sent(served, "/api/v1/me", "gzip")
    assert "content-encoding" not in said


def test_what_is_very_long_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    to_thread = asyncio.to_thread

    async def told(*args: Any, **named: Any) -> Any:
        threads.append(args[0])
        return await to_thread(*args, **named)

    monkeypatch.setattr(asyncio, "to_thread", told)
    body = os.urandom(packing._LARGE).hex().encode()
    reply = asyncio.run(packing.packed(Reply(content=body)))
    assert gzip.decompress(reply.content) == body
    assert threads == [gzip.compress]


def test_other_kinds_of_answers_stay_as_they_are(tmp_path: Path) -> None:
    for reply in (Reply(content=b"x" * 9999, media_type="text/html"), Reply(content=None, status=204)):
        assert asyncio.run(packing.packed(reply)) is reply
