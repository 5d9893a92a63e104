"""The description of the interface is true: what it says may be sent is taken, and what is answered it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from itertools import islice
from typing import Any, Final, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core import NotSet
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

import rollbook
from rollbook.server import openapi
from rollbook.server.routes import ROUTES
from rollbook.server.routing import ADMIN, WRITE
from server import tools

#: A stream has no end to wait for; it is asked for elsewhere.
ENDLESS: Final = ("/api/v1/events",)
#: What no schema can say: a cursor is one that was given, a query has a language of its own, a text to search for holds
#: a word, bytes are OTLP.
OPAQUE: Final = ("cursor", "after", "query")
#: Where what may be said depends on more than a schema can say, and why.
BEYOND: Final = {
    "POST /api/v1/usage": "tokens are given in one of two ways",
    "GET /api/v1/search": "a text holds a word",
    "GET /api/v1/spend": "a time zone is a known one",
    "GET /api/v1/spend/series": "the same",
    "PUT /api/v1/sessions/{session_id}/qa/{qa_id}/feedback": "there is a score or a text",
    "PATCH /api/v1/sessions/{session_id}/qa/{qa_id}": "there is anything",
    "POST /api/v1/sessions/{session_id}/streams/{stream}": "as many ids as entries, and no stream with a form",
    "POST /api/v1/remember/entry": "earlier stores took no entry without a session, and said so in their own way",
    "POST /api/v1/sessions/{session_id}/usage": "a session that a call names is that of the path",
    "POST /api/v1/sessions": "a parent is a session of the same family",
    "POST /api/v1/sessions/{session_id}/touch": "the same",
    "POST /api/v1/keys": "a key is made for the time to come",
    "POST /api/v1/families": "nobody stands under themselves",
    "POST /api/v1/hooks/claude-code": "the agent's own events",
    "POST /v1/traces": "OTLP",
    "POST /v1/logs": "OTLP",
    "POST /v1/metrics": "OTLP",
}
_TAKEN: Final = ["2xx", "3xx", "401", "403", "404", "409", "410", "429", "5xx"]
_REFUSED: Final = ["400", "401", "403", "404", "405", "406", "409", "410", "413", "415", "429", "431", "5xx"]

LABELS: Final = tuple(
    f"{route.method} {route.path}" for route in ROUTES if route.described and route.path not in ENDLESS
)
CHANGING: Final = {f"{route.method} {route.path}" for route in ROUTES if route.needs in (WRITE, ADMIN)}


#: How a range is refused whose end is before its beginning, of which no schema can say that it is none.
BAD, TURNED = 400, "the range ends before it begins"
#: Who asks: the first may do anything.
ROLES: Final = ("admin", "reader")
#: Whose body may be any JSON: none is wrong.
ANY_BODY: Final = "PUT /api/v1/sessions/{session_id}/state/{key}"
#: Whose body may be left out: a request without one is as it should be.
NO_BODY: Final = tuple(
    f"POST /api/v1/sessions{path}"
    for path in ("", "/{session_id}/touch", "/{session_id}/reopen", "/{session_id}/unknown")
)


class Many(NamedTuple):
    """How many requests of each kind are sent to one operation."""

    edges: int  #: values at the edges of what is described, and just beyond
    drawn: int  #: values drawn at random, right ones and wrong ones


THOROUGH: Final = Many(edges=30, drawn=4)
BRIEF: Final = Many(edges=6, drawn=2)
REFUSED: Final = Many(edges=4, drawn=0)  #: of those who may not change anything: they are told so, whatever it was
_SPARSE: Final = 3  #: of so many edges in a row one is taken


@cache
def operations() -> dict[str, Any]:
    """The operations that are described, by method and path."""
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"mode": "all", "deterministic": True, "database": "none"},
            "checks": {
                "positive_data_acceptance": {"expected-statuses": _TAKEN},
                "negative_data_rejection": {"expected-statuses": _REFUSED},
            },
            "phases": {"coverage": {"unexpected-methods": ["OPTIONS"]}},
            "operations": [
                {
                    "include-name": name,
                    "checks": {"positive_data_acceptance": {"expected-statuses": [*_TAKEN, "400", "501"]}},
                }
                for name in BEYOND
            ],
        }
    )
    described = openapi.document(ROUTES)
    for item in described["paths"].values():
        for operation in item.values():  # (Telemetry in its other way of writing has tests of its own.)
            operation.get("requestBody", {}).get("content", {}).pop("application/x-protobuf", None)
    schema = schemathesis.openapi.from_dict(described, config=config)
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return {operation.label: operation for operation in found}


class Asked:
    """A server with something in its book, as one kind of principal sees it."""

    def __init__(self, base: str, key: str) -> None:
        self._base, self._key = base, key
        self._session = requests.Session()  # one connection for all, and nothing of this machine's settings
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def check(self, label: str, case: Any) -> None:
        """Send a request, and see that the answer is as described."""
        excluded = [ignored_auth, *([negative_data_rejection] if right_after_all(label, case) else [])]
        response = case.call(base_url=self._base, session=self._session, headers=tools.bearer(self._key))
        if response.status_code == BAD and TURNED in response.text:
            excluded.append(positive_data_acceptance)
        case.validate_response(response, excluded_checks=excluded)

    def close(self) -> None:
        self._session.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Asked]]:
    """A server for each kind of principal, as what one of them changes the other would find changed."""
    with ExitStack() as stack:
        made: dict[str, Asked] = {}
        for role in ROLES:
            path = tmp_path_factory.mktemp("described") / "book.db"
            with rollbook.open(path, user="ada@example.com") as book:
                fill(book)
                key = book.create_key("ada@example.com", role=role).key
            running = stack.enter_context(tools.served(path))
            made[role] = stack.enter_context(closing(Asked(running.base, key)))
        yield made


def fill(book: rollbook.Rollbook) -> None:
    """A little of everything."""
    book.touch("s-1", agent="claude-code", title="a title", tags=["blue"], channel="cli", project="p")
    book.record_usage("s-1", tokens_in=3, tokens_out=4, cost_usd=0.5, model="gpt-4o")
    book.record_usage("s-1", tokens_in=3, model="nobody-knows-its-price")
    book.add_qa("s-1", question="why?", answer="because", feedback_score=4)
    book.add_trace_step("s-1", origin_function="look", status="error", method_params={"a": [1]})
    book.add_message("s-1", role="user", content="hello")
    book.set_state("s-1", values={"k": {"v": 1}})
    book.append("s-1", "own", entries=[{"a": 1}])
    book.touch("s-2", parent="s-1")
    book.end("s-2", "completed")


def edges(operation: Any, most: int) -> Iterator[Any]:
    """Requests at the edges of what is described."""
    schema = operation.schema
    modes, generation = list(GenerationMode), schema.config.generation_for(operation=operation)
    cases = schema.iter_coverage_cases(operation, generation_modes=modes, generation_config=generation)
    return islice(cases, 0, most * _SPARSE, _SPARSE)


def right_after_all(label: str, case: Any) -> bool:
    """Whether a request that was made up to be wrong is not, since all that could be is its body."""
    if label == ANY_BODY:
        return isinstance(case.body, dict | list | str | int | float | bool | None)
    return label in NO_BODY and isinstance(case.body, NotSet)


def whole(value: Any) -> Any:
    """A body in which 1.0 is 1: as a schema has it those are one number; here a score of 1.0 is none."""
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def drawn(operation: Any, mode: GenerationMode, most: int) -> list[Any]:
    """Requests that are as described, or such that are not."""
    made: list[Any] = []
    quiet = settings(
        max_examples=most, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip

    def keep(case: Any) -> None:
        made.append(case)

    drawing: Any = given(operation.as_strategy(mode))
    trying: Any = quiet(drawing(keep))
    with suppress(Unsatisfiable):  # where an operation takes nothing, nothing that can be sent is wrong
        trying()
    return made


def plain(case: Any) -> Any:
    """A request without what no schema can say."""
    for name in OPAQUE:
        if isinstance(case.query, dict):
            case.query.pop(name, None)
    case.body = whole(case.body)
    return case


@pytest.mark.parametrize("label", LABELS)
def test_whatever_is_described_is_so(label: str, asked: dict[str, Asked]) -> None:
    """Requests are made up once: whoever may do less is sent the first ones of each kind."""
    operation = operations()[label]
    few = REFUSED if label in CHANGING else BRIEF
    kinds = [(edges(operation, THOROUGH.edges), few.edges)]
    kinds += [(iter(drawn(operation, mode, THOROUGH.drawn)), few.drawn) for mode in GenerationMode]
    for cases, most in kinds:
        for number, case in enumerate(cases):
            for role in ROLES if number < most else ROLES[:1]:
                asked[role].check(label, plain(case))
