"""R6: every route, as every kind of principal: what is not visible does not exist, and nobody changes another's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest
import time_machine

import rollbook
from rollbook.model import to_dict
from rollbook.server.limits import Limits
from rollbook.server.routes import ROUTES
from rollbook.server.routing import ADMIN, OPEN, WRITE, Route

from .tools import TOKEN, Asking, asking, url_of

ANN, BOB, CAROL, ABOVE = "ann@example.org", "bob@example.org", "carol@example.org", "above@example.org"
SHARED: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
OTHER: Final = "11111111-5717-4562-b3fc-2c963f66afa6"
MARK: Final = "MARKED"  #: in everything that is ann's
SESSION: Final = "the-session"
UNKNOWN: Final = "none-such-as"

#: What each route that changes something is sent; one that is missing here fails the test that goes through them all.
BODIES: Final[dict[tuple[str, str], Any]] = {
    ("POST", "/api/v1/sessions/{session_id}/usage"): {"model": "m", "tokens_in": 5},
    ("POST", "/api/v1/usage"): [{"session_id": SESSION, "model": "m", "tokens_in": 5}],
    ("POST", "/api/v1/sessions"): {"session_id": SESSION, "title": "changed"},
    ("POST", "/api/v1/sessions/{session_id}/touch"): {"title": "changed"},
    ("POST", "/api/v1/sessions/{session_id}/end"): {"status": "failed"},
    ("POST", "/api/v1/sessions/{session_id}/reopen"): {},
    ("POST", "/api/v1/sessions/{session_id}/unknown"): {},
    ("DELETE", "/api/v1/sessions/{session_id}"): None,
    ("DELETE", "/api/v1/session"): None,
    ("POST", "/api/v1/sessions/{session_id}/qa"): {"question": "q", "answer": "a"},
    ("PATCH", "/api/v1/sessions/{session_id}/qa/{qa_id}"): {"answer": "changed"},
    ("DELETE", "/api/v1/sessions/{session_id}/qa/{qa_id}"): None,
    ("PUT", "/api/v1/sessions/{session_id}/qa/{qa_id}/feedback"): {"score": 1},
    ("DELETE", "/api/v1/sessions/{session_id}/qa/{qa_id}/feedback"): None,
    ("POST", "/api/v1/sessions/{session_id}/trace"): {"origin_function": "f", "status": "error"},
    ("POST", "/api/v1/sessions/{session_id}/messages"): {"role": "user", "content": "hi"},
    ("PUT", "/api/v1/sessions/{session_id}/state/{key}"): {"changed": True},
    ("DELETE", "/api/v1/sessions/{session_id}/state/{key}"): None,
    ("PUT", "/api/v1/sessions/{session_id}/graph-context"): {"context": "changed"},
    ("POST", "/api/v1/sessions/{session_id}/streams/{stream}"): {"entries": [{"changed": True}]},
    ("POST", "/api/v1/remember/entry"): {
        "entry": {"type": "qa", "question": "q", "answer": "a"}, "session_id": SESSION,
    },
    ("POST", "/api/v1/hooks/claude-code"): {"hook_event_name": "SessionEnd", "session_id": SESSION, "reason": "other"},
    ("POST", "/api/v1/ingest"): b'{"version":1,"items":[],"files":[]}',
    ("POST", "/api/v1/ingest/files"): b'{"source":"claude-code@m","files":[]}',
    ("POST", "/api/v1/keys"): {"user": ANN},
    ("DELETE", "/api/v1/keys/{key_id}"): None,
    ("POST", "/api/v1/grants"): {"user": BOB, "dataset_id": SHARED},
    ("DELETE", "/api/v1/grants"): None,
    ("POST", "/api/v1/families"): {"user": ANN, "parent": BOB},
    ("POST", "/signin"): b"key=none",
    ("POST", "/signout"): b"",
}  # fmt: skip
_SPANS: Final = {
    "resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "x"}, "spans": [{
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "chat",
        "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": "1790000001000000000",
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.conversation.id", "value": {"stringValue": SESSION}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
            {"key": "user.id", "value": {"stringValue": ANN}},
        ]}]}]}],
}  # fmt: skip


class Place(NamedTuple):
    """A served book with sessions of several users, and what lets them in."""

    ask: Asking
    keys: dict[str, str]
    ids: dict[str, str]


def _filled(book: Any, user: str, mark: str, dataset: str | None) -> dict[str, str]:
    book.touch(
        SESSION, user_id=user, dataset_id=dataset, title=f"{mark} title", agent=f"{mark}-agent", project=f"/{mark}",
        goal_text=f"{mark} goal", tags=[f"{mark}-tag"], metadata={"note": mark}, actor=f"{mark} actor",
    )  # fmt: skip
    book.touch(f"{mark}-child", user_id=user, dataset_id=dataset, parent=SESSION)
    book.record_usage(SESSION, user_id=user, model=f"{mark}-model", tokens_in=10, cost_usd=1.5, usage_id=f"{mark}-call")
    qa_id = book.add_qa(SESSION, question=f"question of {mark}", answer=f"{mark} answer", user_id=user)
    book.add_trace_step(SESSION, origin_function=f"{mark}_function", status="success", user_id=user)
    book.add_message(SESSION, role="user", content=f"{mark} message", user_id=user)
    book.set_state(SESSION, values={"key": f"{mark} value"}, user_id=user)
    book.set_graph_context(SESSION, f"{mark} graph", user_id=user)
    book.append(SESSION, "notes", entries=[f"{mark} note"], user_id=user)
    return {"qa_id": qa_id}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("every-route") / "book.db"
    with rollbook.open(url_of(path), all_users=True) as book:
        ids = _filled(book, ANN, MARK, SHARED)
        book.touch("own", user_id=BOB, title="bob's own")
        book.set_parent(ANN, ABOVE)
        keys = {
            "writer": book.create_key(BOB, role="writer").key,
            "reader": book.create_key(BOB, role="reader").key,
            "other dataset": book.create_key(CAROL, role="writer", datasets=[OTHER]).key,
            "dataset reader": book.create_key(CAROL, role="reader", datasets=[SHARED]).key,
            "dataset writer": book.create_key(CAROL, role="writer", datasets=[SHARED]).key,
            "above": book.create_key(ABOVE, role="writer").key,
            "admin": book.create_key(CAROL, role="admin").key,
            "local": TOKEN,
        }
        revoked = book.create_key(ANN, role="admin")
        book.revoke_key(revoked.key_id)
        keys["revoked"] = revoked.key
        keys["expired"] = book.create_key(ANN, role="admin", expires=timedelta(seconds=1)).key
        keys["wrong"] = keys["writer"][:-1] + ("A" if keys["writer"][-1] != "A" else "B")
        keys["made up"] = "rb_000000000000_" + "x" * 43
        ids |= {"ann": book.get(SESSION, user_id=ANN).user_id, "key_id": revoked.key_id}
    with time_machine.travel(timedelta(seconds=2)), asking(path) as ask:
        yield Place(ask, keys, ids)


def _path(place: Place, route: Route, session: str = SESSION) -> str:
    known = {
        "session_id": session, "qa_id": place.ids["qa_id"], "key": "key", "stream": "notes",
        "entry_id": "some-entry", "key_id": place.ids["key_id"],
    }  # fmt: skip
    return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], route.path)


def _said(place: Place, route: Route, *, named: bool, session: str = SESSION) -> dict[str, Any]:
    """What a request says: parameters that name ann's things, and a body."""
    asked = {
        "session_id": session, "user_id": place.ids["ann"], "text": MARK.lower(), "since": "all", "range": "all",
        "user": ANN, "dataset_id": SHARED, "what": "content",
    }  # fmt: skip
    wanted = route.takes.__struct_fields__
    if not named:
        wanted = tuple(name for name in wanted if name != "user_id")
    in_path = set(re.findall(r"\{(\w+)\}", route.path))
    said: dict[str, Any] = {"params": {name: asked[name] for name in wanted if name in asked and name not in in_path}}
    if route.body is not None:
        body = BODIES.get((route.method, route.path), _SPANS if "/v1/" in route.path else None)
        assert body is not None, f"say in BODIES what is sent to {route.method} {route.path}"
        said |= {"content": body} if isinstance(body, bytes) else {"json": body}
    return said


def _asked(place: Place, route: Route, who: str | None, *, named: bool, session: str = SESSION) -> Any:
    key = None if who is None else place.keys[who]
    said = _said(place, route, named=named, session=session)
    return place.ask.request(route.method, _path(place, route, session), key=key, **said)


def _everything(place: Place) -> str:
    """All that is ann's, as an administrator sees it."""
    ask, ann = place.ask, place.ids["ann"]
    book = ask.book
    found = [
        ask.run(book.list(user_id=ann)), ask.run(book.usage(SESSION, user_id=ann)),
        ask.run(book.conversation(SESSION, user_id=ann)), ask.run(book.qa(SESSION, user_id=ann)),
        ask.run(book.trace(SESSION, user_id=ann)), ask.run(book.all_state(SESSION, user_id=ann)),
        ask.run(book.heads(SESSION, user_id=ann)), ask.run(book.stats(since="all", user_id=ann)),
    ]  # fmt: skip
    return json.dumps(to_dict(found), default=str)


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


READS: Final = [
    route for route in ROUTES if route.method == "GET" and route.needs == "read" and route.path != "/api/v1/events"
]
WRITES: Final = [route for route in ROUTES if route.needs == WRITE]
CLOSED: Final = [route for route in ROUTES if route.needs != OPEN]
ADMINS: Final = [route for route in ROUTES if route.needs == ADMIN]


@pytest.mark.parametrize("who", [None, "revoked", "expired", "wrong", "made up"])
def test_r6_nobody_comes_in_without_a_key_that_lets_in(place: Place, who: str | None) -> None:
    let_in = []
    for route in CLOSED:
        answer = _asked(place, route, who, named=True)
        if answer.status_code == 429:  # attempts are counted, see test_limits
            place.ask.server.limits = Limits(place.ask.server.options)
            answer = _asked(place, route, who, named=True)
        if (answer.status_code, answer.text) != (401, '{"detail":"Unauthorized"}'):
            let_in.append((_name(route), answer.status_code))
    assert let_in == []


@pytest.mark.parametrize("who", ["writer", "reader", "other dataset"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
def test_r6_what_is_not_visible_does_not_exist(place: Place, who: str, named: bool) -> None:
    told: list[Any] = []
    for route in READS:
        seen = _asked(place, route, who, named=named)
        if MARK in seen.text or seen.status_code not in {200, 404}:
            told.append((_name(route), seen.status_code, seen.text[:200]))
        # It is answered exactly as for a session that there is none of.
        unknown = _asked(place, route, who, named=named, session=UNKNOWN)
        if (seen.status_code, seen.text.replace(SESSION, UNKNOWN)) != (unknown.status_code, unknown.text):
            told.append((_name(route), seen.text[:200], unknown.text[:200]))
    assert told == []


@pytest.mark.parametrize("who", ["writer", "other dataset", "dataset writer"])
@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
def test_r6_nobody_changes_what_is_anothers(place: Place, who: str, named: bool) -> None:
    before = _everything(place)
    wrong: list[Any] = []
    for route in WRITES:
        answer = _asked(place, route, who, named=named)
        expected = {403, 404} if named and "user_id" in route.takes.__struct_fields__ else range(200, 500)
        if answer.status_code not in expected:
            wrong.append((_name(route), answer.status_code, answer.text[:200]))
        if _everything(place) != before:
            wrong.append((_name(route), "changed it"))
            before = _everything(place)
    assert wrong == []


@pytest.mark.parametrize("who", ["reader", "dataset reader"])
def test_r6_a_reader_changes_nothing(place: Place, who: str) -> None:
    before = _everything(place)
    assert {_name(route): _asked(place, route, who, named=False).status_code for route in WRITES} == dict.fromkeys(
        map(_name, WRITES), 403
    )
    assert _everything(place) == before


@pytest.mark.parametrize("who", ["writer", "reader", "dataset writer", "above"])
def test_r6_administration_is_the_administrators(place: Place, who: str) -> None:
    assert {_name(route): _asked(place, route, who, named=False).status_code for route in ADMINS} == dict.fromkeys(
        map(_name, ADMINS), 403
    )


#: Where the contents of a session that is seen must come, so that a test which finds nothing proves something.
SHOWN: Final = [
    "/api/v1/sessions", "/api/v1/session", "/api/v1/sessions/{session_id}", "/api/v1/sessions/{session_id}/usage",
    "/api/v1/sessions/{session_id}/qa", "/api/v1/sessions/{session_id}/trace", "/api/v1/search",
    "/api/v1/sessions/{session_id}/conversation", "/api/v1/sessions/{session_id}/state", "/api/v1/export",
    "/api/v1/sessions/cost-by-model", "/api/v1/sessions/{session_id}/tree", "/api/v1/sessions/{session_id}/children",
]  # fmt: skip


@pytest.mark.parametrize("who", ["dataset reader", "dataset writer", "above", "admin", "local"])
def test_r6_what_is_visible_is_shown(place: Place, who: str) -> None:
    shown = {route.path: MARK in _asked(place, route, who, named=True).text for route in READS if route.path in SHOWN}
    assert shown == dict.fromkeys(SHOWN, True)


def test_every_route_that_changes_something_is_gone_through() -> None:
    changing = {(route.method, route.path) for route in ROUTES if route.method != "GET"}
    telemetry = {each for each in changing if "/v1/" in each[1] and "/api/v1" not in each[1]}
    assert changing - telemetry == BODIES.keys(), "say in BODIES what is sent to each route"
