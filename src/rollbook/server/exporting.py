"""Exports over HTTP: as long as the book is, and never more than a step of it in memory."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from importlib import import_module
from typing import Annotated, Final, Literal

import msgspec

from rollbook.exporters import FORMATS
from rollbook.exporters.rows import Block, columns_of, of_kind
from rollbook.server import asked as kinds
from rollbook.server.endpoint import Receive, Scope, Send
from rollbook.server.routing import At, Route

_log: Final = logging.getLogger("rollbook.server")
_MEDIA: Final = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


class Exporting(kinds.Filters, frozen=True, kw_only=True):
    """What is exported, and how."""

    what: Annotated[Literal["usage", "sessions", "content"], msgspec.Meta(description="Which rows are exported.")] = (
        "usage"
    )
    format: Annotated[Literal["jsonl", "csv"], msgspec.Meta(description="How rows are written.")] = "jsonl"


async def export(at: At, channels: tuple[Exporting, Scope, Receive, Send]) -> int:
    """Send everything that is visible and fits, a step at a time; the status that it came to."""
    asked, _, receive, send = channels
    blocks = _blocks(at, asked)
    first = await anext(blocks)  # a wrong question fails before any answer
    left = asyncio.create_task(_left(receive))
    name = f'attachment; filename="rollbook-{asked.what}.{asked.format}"'
    headers = [
        (b"content-type", _MEDIA[asked.format].encode()), (b"content-disposition", name.encode()),
        (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    try:
        async with contextlib.aclosing(_written(asked, first, blocks)) as parts:
            async for part in parts:
                if left.done() or not await _admitted(at):
                    return 499
                await send({"type": "http.response.body", "body": part, "more_body": True})
    except Exception:  # noqa: BLE001 - the answer has begun: whoever asked sees that its end is missing
        _log.exception("an export broke off")
        return 500
    finally:
        left.cancel()
    await send({"type": "http.response.body", "body": b""})
    return 200


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _admitted(at: At) -> bool:
    """Whether whoever asked is still let in: an export may take longer than a key is valid."""
    return await at.server.doorkeeper.known(at.headers) is not None


async def _blocks(at: At, asked: Exporting) -> AsyncIterator[Block]:
    given = asked.filters()
    after = None
    while True:
        step = await at.book.extract(what=asked.what, after=after, **given)
        yield step.rows
        if (after := step.after) is None:
            return


async def _written(asked: Exporting, first: Block, blocks: AsyncIterator[Block]) -> AsyncGenerator[bytes]:
    """Blocks as they are written, in a thread beside: a block is some milliseconds of work."""
    buffer = io.BytesIO()
    writing = import_module(FORMATS[asked.format]).writing
    with writing(buffer, columns_of(of_kind(asked.what))) as write:
        yield await asyncio.to_thread(_taken, buffer, write, first)
        async for block in blocks:
            yield await asyncio.to_thread(_taken, buffer, write, block)


def _taken(buffer: io.BytesIO, write: Callable[[Block], None], block: Block) -> bytes:
    write(block)
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


ROUTES: Final = (
    Route(
        method="GET", path="/api/v1/export", answer=export, takes=Exporting, gives=bytes, tag="export", streams=True,
        media_type="application/x-ndjson, text/csv",
        does="Everything that is visible and fits, as lines of JSON or CSV, streamed.",
    ),
)  # fmt: skip
