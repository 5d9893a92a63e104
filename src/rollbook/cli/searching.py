"""`search`: where in the contents of sessions something was said."""

from __future__ import annotations

import re
from typing import Annotated, Final

import typer

from rollbook.cli import format as show
from rollbook.cli import options
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import say
from rollbook.content import Found

_MARKED: Final = re.compile(r"(\[[^\[\]]*\])")
_INDENT: Final = "    "


@command
def search(
    desk: Desk,
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help='Words that it holds; "a phrase", begin*, and -not.')
    ],
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Only in this session, and in what it shares.")
    ] = None,
    since: options.SINCE = "all",
    agent: options.AGENT = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many places, up to 100.")] = 20,
) -> None:
    """Find what was said in sessions: questions, answers, messages, and what tools did."""
    words = " ".join(text)
    with desk.look() as book:
        one = None
        if session is not None:
            from rollbook.cli.sessions import resolve  # noqa: PLC0415 - only where a session is named

            one = resolve(book, session)
        found = book.search(
            words, session_id=None if one is None else one.session_id, user_id=None if one is None else one.user_id,
            since=since, agent=agent, limit=limit,
        )  # fmt: skip
        remark = None if found else desk.nothing(book, "nothing was found")
    screen = desk.screen()
    if desk.as_json:
        screen.json({"found": found})
    else:
        for hit in found:
            screen.line(
                (show.moment(hit.created_at), "dim"), "  ", (show.clean(hit.session_id), "bold cyan"),
                (f"  {show.clean(hit.stream)}", "dim"), f"  {show.clean(hit.title)}" if hit.title else "",
            )  # fmt: skip
            screen.line(_INDENT, *_marked(hit))
    if remark:
        say(remark)


def _marked(hit: Found) -> list[str | tuple[str, str]]:
    """The words around a match; what matched stands in brackets, and stands out on a terminal."""
    parts = _MARKED.split(show.clean(hit.snippet))
    return [(part, "bold yellow") if _MARKED.fullmatch(part) else part for part in parts if part]
