"""The description of the interface (OpenAPI 3.1), made of the table of routes and of the types that it names."""

from __future__ import annotations

import hashlib
import re
import typing
from collections.abc import Iterable, Iterator
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import msgspec

import rollbook
from rollbook.server import wire
from rollbook.server.browser import NAME, POLICY
from rollbook.server.once import HEADER
from rollbook.server.routing import NEVER, OPEN, READ, WRITE, At, Nothing, Reply, Route
from rollbook.server.shelf import HTML, shelf

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/{name}"
_IN_PATH: Final = re.compile(r"\{(\w+)\}")
_JSON: Final = "application/json"

#: What everybody may be answered who is not answered what was asked for.
_ALWAYS: Final = (400, 403, 421, 429, 431, 500, 503)
_WITH_BODY: Final = (408, 413, 415)
_CHANGING: Final = (404, 409, 410)
_MEANS: Final = {
    400: "Something that was given is not acceptable; nothing was stored.",
    401: "Nobody is let in without a key, this machine's token or the cookie of a browser that signed in.",
    403: "Whoever asks may not do that, or another site makes a browser ask.",
    404: "There is nothing of that name, or it is not to be seen.",
    408: "The body did not come in time.",
    409: "What is stored says something else, or an idempotency key was used for another request.",
    410: "The session was deleted; it takes nothing new.",
    413: "The body is too large, or holds too many items.",
    415: "The body is written in a way that is not read here.",
    421: "The server is not known by the name in the Host header.",
    429: "Too many requests; Retry-After says when to come again.",
    431: "The headers are too large.",
    500: "Something failed here.",
    501: "This server cannot do that.",
    503: "Too much waits to be written, or the database cannot be used; come again after Retry-After seconds.",
}
_SECURITY: Final[Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or the token of this machine's user."},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same in a header of its own."},
    "basic": {"type": "http", "scheme": "basic", "description": "The same as the password, under any name."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": NAME, "description": "Of a browser that signed in."},
}
_SAYS: Final = (
    "One durable record of every AI agent session: its life, what it used and cost, what was said and done. "
    "Times are RFC 3339 in UTC. Money is dollars (`*_usd`) and exact whole nano-dollars (`*_nano_usd`); a cost of null "
    "has no price, which is not free. Parameters that are not known are ignored. What whoever asks may not see does "
    "not exist (404). A slash within a session's id is written as %2F. Any change may carry an `Idempotency-Key`: the "
    "same request under the same key is carried out once, for 24 hours."
)


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was not answered."""

    detail: str


class Wrong(msgspec.Struct, frozen=True):
    """What is not acceptable, and where it stands."""

    type: str  #: ends in ``value_error``
    loc: list[str]
    msg: str
    input: Any


class Unacceptable(msgspec.Struct, frozen=True):
    """What is not acceptable of a request."""

    detail: list[Wrong]
    body: None


class Failure(msgspec.Struct, frozen=True):
    """What failed."""

    error: str


_ERRORS: Final = (Refusal, Unacceptable, Failure)


def document(routes: Iterable[Route]) -> Json:
    """The description of all routes that are to be described."""
    described = [route for route in routes if route.described]
    kinds = [kind for route in described for kind in (*_kinds(route.body), *_kinds(wire.twin(route.gives)))]
    # (As of a set, so that a type that comes twice has one name.)
    schemas, components = msgspec.json.schema_components([*dict.fromkeys([*kinds, *_ERRORS])], ref_template=_SCHEMAS)
    known = dict(zip(dict.fromkeys([*kinds, *_ERRORS]), schemas, strict=True))
    paths: Json = {}
    for route in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rollbook", "version": rollbook.__version__, "description": _SAYS},
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _SECURITY],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in described)],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _error(status, known) for status in _MEANS},
            "securitySchemes": _SECURITY,
        },
    }


def _kinds(kind: Any) -> Iterator[Any]:
    """The types of which a schema is made: of an alternative each, since two structs have none together."""
    if kind in (None, bytes, Nothing):
        return
    if wire.is_union(kind):
        yield from typing.get_args(kind)
    else:
        yield kind


def _schema(kind: Any, known: dict[Any, Json]) -> Json:
    found = [known[each] for each in _kinds(kind)]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _operation(route: Route, known: dict[Any, Json]) -> Json:
    made: Json = {
        "operationId": named(route),
        "tags": [route.tag],
        "summary": route.does.removesuffix("."),
        "parameters": parameters(route),
        "responses": _responses(route, known),
    }
    if route.needs == OPEN:
        made["security"] = []
    elif route.needs != READ:
        who = "a writer's" if route.needs == WRITE else "an administrator's"
        made["description"] = f"Needs {who} key."
    if route.body is not None:
        made["requestBody"] = {"required": not _may_be_left_out(route), "content": _taken(route, known)}
    return made


def _taken(route: Route, known: dict[Any, Json]) -> Json:
    if route.body is not bytes:
        return {_JSON: {"schema": _schema(route.body, known)}}
    # (A body that a route reads by itself is telemetry, and may be written in two ways.)
    return {"application/x-protobuf": {}, _JSON: {"schema": {"type": "object"}}}


def _may_be_left_out(route: Route) -> bool:
    """Whether a request without a body is as good as one with an empty object."""
    if route.reads is None:
        return False
    try:
        route.reads(b"")
    except msgspec.DecodeError:
        return False
    return True


def named(route: Route) -> str:
    """The operation's name, which stays as long as the path does."""
    path = route.path.removeprefix("/api/v1")
    return "_".join([route.method.lower(), *re.findall(r"\w+", path)]).replace("-", "_")


def parameters(route: Route) -> list[Json]:
    """The parameters of a route, those of the path first."""
    in_path = _IN_PATH.findall(route.path)
    _, components = msgspec.json.schema_components([route.takes])
    shapes = components.get(route.takes.__name__, {}).get("properties", {})
    fields = {field.encode_name: field for field in msgspec.structs.fields(route.takes)}
    found = [
        _parameter(name, shapes[name], components, in_path=name in in_path, required=field.required)
        for name, field in sorted(fields.items(), key=lambda each: each[0] not in in_path)
    ]
    if route.method != "GET" and route.needs != OPEN and route.kept != NEVER:
        schema = {"type": "string", "pattern": "^[ -~]+$", "minLength": 1, "maxLength": 255}
        says = "A name for this request: the same request under it is carried out once."
        found.append({"name": HEADER, "in": "header", "required": False, "description": says, "schema": schema})
    return found


def _parameter(name: str, shape: Json, components: Json, *, in_path: bool, required: bool) -> Json:
    schema = _resolved(dict(shape), components)
    default = schema.pop("default", None)
    choices = schema.get("anyOf", ())
    given = [choice for choice in choices if choice != {"type": "null"}]
    if len(given) != len(choices):  # null is said by leaving it out
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = {**(given[0] if len(given) == 1 else {"anyOf": given}), **rest}
    if default is not None:
        schema["default"] = default
    if in_path and schema.get("type") == "string":
        schema.setdefault("minLength", 1)
    made: Json = {"name": name, "in": "path" if in_path else "query", "required": in_path or required}
    if says := schema.pop("description", None):
        made["description"] = says
    return {**made, "schema": schema}


def _resolved(schema: Any, components: Json) -> Any:
    """A schema without references: parameters are small."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _resolved(components[schema["$ref"].rpartition("/")[2]], components)
        return {key: _resolved(value, components) for key, value in schema.items()}
    return [_resolved(each, components) for each in schema] if isinstance(schema, list) else schema


def _responses(route: Route, known: dict[Any, Json]) -> Json:
    content: Json = {}
    for media in route.media_type.split(", "):
        kind = wire.twin(route.gives)
        if kind is not Nothing:
            content[media] = {"schema": _schema(kind, known)} if kind not in (bytes, str) else {}
    says = HTTPStatus(route.status).phrase
    good: Json = {"description": says, "content": content} if content else {"description": says}
    found = {str(route.status): good}
    for status in sorted(_statuses(route)):
        if wire.is_union(route.gives):  # one of several, all of which may be refused alike
            found.setdefault(str(status), _error(status, known, _schema(wire.twin(route.gives), known)))
        else:
            found.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
    return found


def _statuses(route: Route) -> set[int]:
    statuses = set(_ALWAYS)
    if route.needs != OPEN:
        statuses.add(401)
    if route.body is not None:
        statuses |= set(_WITH_BODY)
    if route.method != "GET":
        statuses |= set(_CHANGING)
    if route.tag == "contents":
        statuses.add(501)  # where contents are kept in a place that cannot do it
    if "{" in route.path or "session_id" in route.takes.__struct_fields__:
        statuses.add(404)
    return statuses


def _error(status: int, known: dict[Any, Json], *others: Json) -> Json:
    """What stands in an answer of a status that is an error."""
    kinds = {400: (Unacceptable, Refusal, Failure), 500: (Failure,)}.get(status, (Refusal,))
    given = [*(known[kind] for kind in kinds), *others]
    schema = given[0] if len(given) == 1 else {"anyOf": given}
    made: Json = {"description": _MEANS[status], "content": {_JSON: {"schema": schema}}}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        made["headers"] = {"retry-after": {"schema": {"type": "string"}, "description": "Seconds."}}
    if status == HTTPStatus.UNAUTHORIZED:
        made["headers"] = {"www-authenticate": {"schema": {"type": "string"}}}
    return made


# Served


@cache
def written() -> tuple[bytes, str]:
    """The description of this server's routes as JSON, and what it is known by."""
    from rollbook.server.routes import ROUTES  # noqa: PLC0415 - the table holds this module's routes

    text = msgspec.json.encode(document(ROUTES))
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


async def described(at: At, asked: Nothing) -> Reply:  # noqa: ARG001 - the shape of what answers a route
    """The description."""
    text, mark = written()
    kept = (("etag", mark), ("cache-control", "no-cache"))
    if mark in at.headers.get("if-none-match", ""):
        return Reply(status=304, headers=kept)
    return Reply(content=text, headers=kept)


async def readable(at: At, asked: Nothing) -> Reply:  # noqa: ARG001
    """The page that shows it."""
    return Reply(content=shelf().pages["plain/docs"].content, media_type=HTML, headers=POLICY)


ROUTES: Final = (
    Route(
        method="GET", path="/openapi.json", answer=described, needs=OPEN, gives=dict[str, Any], tag="server",
        does="The description of this interface (OpenAPI 3.1).", described=False,
    ),
    Route(
        method="GET", path="/docs", answer=readable, needs=OPEN, gives=bytes, tag="server", media_type=HTML,
        does="The description of this interface, to read.", described=False,
    ),
)  # fmt: skip
