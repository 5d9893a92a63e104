"""The reference of the interface names every path that is described, with what it takes.

Run as a program (``python tests/server/test_http_reference.py``) this writes the lines anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rollbook.server import openapi
from rollbook.server.routes import ROUTES
from rollbook.server.routing import ADMIN, OPEN, READ, WRITE, Route

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "http.md"
FIRST: Final = "<!-- paths: tests/server/test_http_reference.py writes these lines -->\n"
LAST: Final = "<!-- end -->\n"
WHO: Final = {OPEN: "anybody", READ: "reader", WRITE: "writer", ADMIN: "admin"}


def line(route: Route) -> str:
    """What the reference says of a path."""
    told = [each for each in openapi.parameters(route) if each["in"] == "query"]
    names = ", ".join(f"`{each['name']}`{' *' if each['required'] else ''}" for each in told)
    return f"| {route.method} | `{route.path}` | {names} | {WHO[route.needs]} | {route.does.removesuffix('.')} |\n"


def lines() -> str:
    """All of them, by tag."""
    routes = [route for route in ROUTES if route.described]
    parts = []
    for tag in dict.fromkeys(route.tag for route in routes):
        rows = "".join(line(route) for route in routes if route.tag == tag)
        parts.append(
            f"\n### {tag.capitalize()}\n\n| | path | parameters | for a | what |\n|---|---|---|---|---|\n{rows}"
        )
    return "".join(parts) + "\n"


def whole(page: str) -> str:
    """The page with lines as they are to be."""
    before, _, rest = page.partition(FIRST)
    return f"{before}{FIRST}{lines()}{LAST}{rest.partition(LAST)[2]}"


def test_the_reference_names_every_path() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == whole(page), f"run: python {Path(__file__).name} (in tests/server), which writes the lines anew"


if __name__ == "__main__":
    PAGE.write_text(whole(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
