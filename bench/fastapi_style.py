"""The same endpoints written the usual way: FastAPI, pydantic models, SQLAlchemy's async engine on SQLite.

Metering itself is cognee's (see cognee_style.py): three statements for each call, a transaction for each request. The
engine has SQLAlchemy's default pool and the write-ahead log, and is durable (``synchronous=FULL``), as ours is.
(Without postponed annotations: FastAPI has to see what is defined within a function.)

    python fastapi_style.py BOOK PORT
"""

import json
import socket
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import BaseModel, Field
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from cognee_style import meter, records

messages = sa.Table(
    "messages",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("session_id", sa.String, index=True, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)

TOKEN = "of-the-benchmark"  # noqa: S105 - nobody else's


class Usage(BaseModel):  # type: ignore[misc]  # pydantic's types are not looked at
    """A call to be metered."""

    model: str
    provider: str | None = None
    tokens_in: int = Field(ge=0)
    tokens_out: int = Field(ge=0)
    cost_usd: float = Field(ge=0)
    usage_id: str | None = None


class Record(BaseModel):  # type: ignore[misc]
    """A session."""

    session_id: str
    user_id: str
    dataset_id: str | None
    status: str
    started_at: datetime
    last_activity_at: datetime
    ended_at: datetime | None
    tokens_in: int
    tokens_out: int
    cost_usd: float
    error_count: int
    last_model: str | None


class Records(BaseModel):  # type: ignore[misc]
    """A page of sessions."""

    sessions: list[Record]
    total: int


def made(path: str) -> FastAPI:
    """The application."""
    app = FastAPI()
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 60})
    event.listen(engine.sync_engine, "connect", _settings)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    bearer = HTTPBearer()

    async def database() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    async def who(shown: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> None:
        if shown.credentials != TOKEN:
            raise HTTPException(401)

    database_of = Annotated[AsyncSession, Depends(database)]

    @app.post("/api/v1/sessions/{session_id}/usage", dependencies=[Depends(who)])
    async def usage(
        session_id: str, calls: Annotated[list[Usage] | Usage, Body()], session: database_of
    ) -> dict[str, Any]:
        given = calls if isinstance(calls, list) else [calls]
        for call in given:
            await meter(session, {"session_id": session_id, **call.model_dump()})
        await session.commit()
        return {"results": [{"usage_id": call.usage_id, "outcome": "counted"} for call in given]}

    @app.on_event("startup")
    async def _make() -> None:
        async with engine.begin() as connection:
            await connection.run_sync(messages.metadata.create_all)

    @app.post("/v1/traces", dependencies=[Depends(who)])
    async def traces(request: Request, session: database_of) -> dict[str, Any]:
        said: list[dict[str, Any]] = []
        for span in _spans(MessageToDict(ExportTraceServiceRequest.FromString(await request.body()))):
            await meter(session, _call(span))
            said += _messages(span)
        await session.execute(sa.insert(messages), said)
        await session.commit()
        return {}

    @app.get("/api/v1/sessions", dependencies=[Depends(who)])
    async def listed(session: database_of, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Records:
        newest = sa.select(records).order_by(records.c.last_activity_at.desc()).limit(limit)
        rows = (await session.execute(newest)).mappings().all()
        total = (await session.execute(sa.select(sa.func.count()).select_from(records))).scalar_one()
        return Records(sessions=[Record(**row) for row in rows], total=total)

    return app


def _spans(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The attributes of each span, as plain values."""
    scopes = [scope for resource in told["resourceSpans"] for scope in resource["scopeSpans"]]
    spans = [span["attributes"] for scope in scopes for span in scope["spans"]]
    return [{each["key"]: next(iter(each["value"].values())) for each in span} for span in spans]


def _messages(said: dict[str, Any]) -> list[dict[str, Any]]:
    told = [*json.loads(said["gen_ai.input.messages"]), *json.loads(said["gen_ai.output.messages"])]
    name = said["gen_ai.conversation.id"]
    return [
        {"session_id": name, "role": each["role"], "content": part["content"]}
        for each in told
        for part in each["parts"]
    ]


def _call(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "session_id": said["gen_ai.conversation.id"],
        "model": said["gen_ai.response.model"],
        "tokens_in": int(said["gen_ai.usage.input_tokens"]),
        "tokens_out": int(said["gen_ai.usage.output_tokens"]),
        "cost_usd": 0.0,
    }


def _settings(connection: Any, _record: Any) -> None:
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listening:
        config = uvicorn.Config(made(sys.argv[1]), log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])
