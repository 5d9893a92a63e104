"""Which route a path leads to."""

from __future__ import annotations

from typing import Any

import pytest

from rollbook.server.paths import Paths
from rollbook.server.routes import ROUTES
from rollbook.server.routing import Route


async def _nothing(_at: Any, _asked: Any) -> None:
    """Answers nothing."""


def _paths(*made: tuple[str, str], streams: bool = False) -> Paths[str]:
    routes = [Route(method=one, path=path, answer=_nothing, does="", streams=streams) for one, path in made]
    return Paths((route, f"{route.method} {route.path}") for route in routes)


PATHS = _paths(
    ("GET", "/sessions/{name}"), ("DELETE", "/sessions/{name}"), ("GET", "/sessions/stats"), ("GET", "/"),
    ("POST", "/sessions/{name}/qa/{qa}"), ("GET", "/files/{mark}/{name:path}"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "answers", "named"),
    [
        ("GET", "/sessions/a%2Fb", "GET /sessions/{name}", {"name": "a%2Fb"}),
        ("GET", "/sessions/stats", "GET /sessions/stats", {}),
        ("DELETE", "/sessions/stats", "DELETE /sessions/{name}", {"name": "stats"}),
        ("HEAD", "/sessions/stats", "GET /sessions/stats", {}),
        ("POST", "/sessions/{}/qa/{qa}", "POST /sessions/{name}/qa/{qa}", {"name": "{}", "qa": "{qa}"}),
        ("GET", "/files/1/a/b.js", "GET /files/{mark}/{name:path}", {"mark": "1", "name": "a/b.js"}),
        ("GET", "/", "GET /", {}),
    ],
)
def test_a_path_leads_to_what_names_most_of_it_and_has_the_method(
    method: str, path: str, answers: str, named: dict[str, str]
) -> None:
    found = PATHS.find(method, path)
    assert found is not None
    assert (found.answers, found.named) == (answers, named)


def test_a_path_without_the_method_tells_which_there_are() -> None:
    found = PATHS.find("PUT", "/sessions/a")
    assert found is not None
    assert found.answers is None
    assert sorted(found.methods) == ["DELETE", "GET", "HEAD"]


@pytest.mark.parametrize("path", ["/sessions", "/sessions/", "/sessions//qa/1", "/sessions/a/", "//", "*", ""])
def test_other_paths_lead_nowhere(path: str) -> None:
    assert PATHS.find("GET", path) is None


def test_a_stream_has_no_head_without_its_content() -> None:
    found = _paths(("GET", "/events"), streams=True).find("HEAD", "/events")
    assert found is not None
    assert found.answers is None


def test_every_route_of_the_table_is_found_by_its_own_path() -> None:
    paths = Paths((route, route) for route in ROUTES)
    for route in ROUTES:
        found = paths.find(route.method, route.path.replace(":path}", "}"))
        assert found is not None
        assert found.answers is route
