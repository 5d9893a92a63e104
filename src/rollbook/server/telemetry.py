"""Telemetry in: OTLP over HTTP, for traces, logs and metrics, under every path that emitters are set up with.

A body is read in a thread, and a large one is stored in portions, so that it holds up nobody. Of each portion whatever
is understood is stored in one transaction; what is not is counted in the answer, and costs only itself. Where a portion
cannot be stored now, the whole body is to be sent again: what was stored of it is known then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from rollbook.otlp import logs, mapping, metrics, wire
from rollbook.otlp.wire import Signal
from rollbook.server.routing import WRITE, At, Nothing, Reply, Route
from rollbook.telemetry.told import Told

_AT_ONCE: Final = 2_000  #: records that are stored in one transaction
_PREFIXES: Final = ("", "/otlp", "/api/public/otel")
_MAPPED: Final[dict[Signal, Callable[[Sequence[Any]], Any]]] = {
    "traces": mapping.mapped,
    "logs": logs.mapped,
    "metrics": metrics.mapped,
}


def _answer(signal: Signal) -> Callable[[At, Nothing], Any]:
    async def taken(at: At, asked: Nothing) -> Reply:  # noqa: ARG001 - the shape of what answers a route
        """Take in one export."""
        most = at.server.options.body_bytes
        told, rejected, message, json = await asyncio.to_thread(_read, signal, at, most)
        for start in range(0, len(told), _AT_ONCE):
            portion = told[start : start + _AT_ONCE]
            async with at.server.turns.of(at.principal.user_id, portion):
                observed = await at.book.observe(portion)
            rejected += len(observed.refused)
            message = message or next((str(each) for each in observed.refused.values()), observed.remark)
        at.server.meters.taken(signal, len(told), rejected)
        body, media = wire.answered(signal, json=json, rejected=rejected, message=message)
        return Reply(content=body, media_type=media)

    return taken


def _read(signal: Signal, at: At, most: int) -> tuple[Sequence[Told], int, str, bool]:
    decoded = wire.decode(
        signal,
        at.body,
        content_type=at.headers.get("content-type", ""),
        content_encoding=at.headers.get("content-encoding", ""),
        most=most,
    )
    mapped = _MAPPED[signal](decoded.records)
    return mapped.told, decoded.rejected + mapped.rejected, decoded.message or mapped.message, decoded.json


ROUTES: Final = tuple(
    Route(
        method="POST", path=f"{prefix}/v1/{signal}", answer=_answer(signal), body=bytes, gives=bytes, needs=WRITE,
        tag="telemetry", media_type="application/x-protobuf, application/json",
        does=f"Take in {signal} as OTLP, protobuf or JSON.", coded=True, described=not prefix,
    )
    for prefix in _PREFIXES
    for signal in _MAPPED
)  # fmt: skip
