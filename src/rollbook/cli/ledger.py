"""`stats`, `models`, `spend` and `usage`: what it came to."""

from __future__ import annotations

from typing import Annotated

import typer

from rollbook.cli import options, views
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import say
from rollbook.cli.sessions import resolve


@command
def stats(desk: Desk, since: options.SINCE = "30d", until: options.UNTIL = None) -> None:
    """Figures over the sessions that were last active within a range of time."""
    with desk.look() as book:
        found = book.stats(since=since, until=until)
        nothing = f"no session was active in that time ({options.said(since, until)})"
        remark = None if found.sessions else desk.nothing(book, nothing)
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
        return
    views.stats(screen, found)
    if remark:
        say(remark)


@command
def models(desk: Desk, since: options.SINCE = "30d", until: options.UNTIL = None) -> None:
    """Cost by model, over the same sessions as stats; most expensive first."""
    with desk.look() as book:
        found = book.cost_by_model(since=since, until=until)
        nothing = f"no model was used in that time ({options.said(since, until)})"
        remark = None if found else desk.nothing(book, nothing)
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif found:
        views.models(screen, found)
    elif remark:
        say(remark)


@command
def spend(
    desk: Desk,
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help="hour, day, model, agent, project, user or kind.")
    ] = "day",
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="ZONE", help="Where days begin, such as Europe/Vienna. Default: here.")
    ] = None,
    since: options.SINCE = "30d",
    until: options.UNTIL = None,
) -> None:
    """What was spent, by when the calls were made."""
    from rollbook.cli.zone import local  # noqa: PLC0415 - only spend needs time zones

    with desk.look() as book:
        found = book.spend(by=by, since=since, until=until, tz=local() if tz is None else tz)
        nothing = f"nothing was spent in that time ({options.said(since, until)})"
        remark = None if found.rows else desk.nothing(book, nothing)
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif found.rows:
        views.spend(screen, found)
    elif remark:
        say(remark)


@command
def usage(
    desk: Desk,
    session_id: options.SHORT_ID,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most so many rows.")] = None,
) -> None:
    """The ledger's rows of one session, oldest first."""
    with desk.look() as book:
        one = resolve(book, session_id)
        found = book.usage(one.session_id, user_id=one.user_id, limit=limit)
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif found:
        views.usage(screen, found)
    else:
        say("this session made no calls")
