"""`prune` and `purge`: what is not to be kept for ever."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rollbook.cli import options
from rollbook.cli.desk import Desk, command
from rollbook.cli.format import clean, money
from rollbook.cli.screen import ask
from rollbook.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from rollbook.book import Rollbook
    from rollbook.model import Pruned, Purged

NOTHING: Final = "nothing was removed"

_YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@command
def prune(
    desk: Desk,
    sessions: Annotated[
        str | None,
        typer.Option("--sessions", metavar="AGE", callback=options.here, help="Whole sessions; spend stays."),
    ] = None,
    content: Annotated[
        str | None,
        typer.Option(
            "--content", metavar="AGE", callback=options.here, help="Titles, goals, tags, metadata; figures stay."
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option("--ledger", metavar="AGE", callback=options.here, help="Single ledger rows; sums stay."),
    ] = None,
    status: options.STATUS = None,
    agent: options.AGENT = None,
    kind: options.KIND = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: _YES = False,
) -> None:
    """Remove what is older than an age, such as 90d; never anything of a running session.

    It says first what would go, and asks. Each age is counted from a session's last activity, for the ledger from the
    call.
    """
    rule: dict[str, Any] = {
        "sessions": sessions,
        "content": content,
        "ledger": ledger,
        "status": status,
        "agent": agent,
        "kind": kind,
    }
    with desk.open() as book:
        found = book.prune(**rule, dry_run=True)
        if not dry_run:
            if _anything(found) and not yes:
                ask(f"Remove {_said(found)} for good?", "prune", NOTHING)
            found = book.prune(**rule)
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif not _anything(found):
        screen.line("nothing is that old")
    else:
        screen.line(("would remove " if found.dry_run else "removed ") + _said(found))


def _anything(found: Pruned) -> bool:
    return bool(found.sessions or found.contents or found.ledger_rows)


def _said(found: Pruned) -> str:
    parts = []
    if found.sessions:
        parts.append(f"{found.sessions:,} sessions (what they spent stays)")
    if found.contents:
        parts.append(f"what was said of {found.contents:,} sessions")
    if found.ledger_rows:
        parts.append(f"{found.ledger_rows:,} ledger rows ({found.closing_rows:,} closing rows stand for them)")
    return ", ".join(parts)


@command
def purge(
    desk: Desk,
    session_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A session; with everything below it.")
    ] = None,
    whole_user: Annotated[
        bool, typer.Option("--whole-user", help="Everything of the user that --user names, or of yourself.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: _YES = False,
) -> None:
    """Remove a session or a user wholly, with what was spent; importing it again adds nothing."""
    if (session_id is None) != whole_user:
        raise InvalidInput("name a session, or say --whole-user")
    with desk.open() as book:
        remove: Callable[..., Purged]
        if session_id is None:
            about, remove = f"everything of user {clean(desk.user or book.user_id)}", book.purge_user
        else:
            about = f"session {clean(session_id)} and everything below it"
            remove = partial(book.purge, session_id, user_id=_owner(book, session_id))
        found = remove(dry_run=True)
        if not dry_run:
            if not yes:
                ask(f"Remove {about} wholly ({_came_to(found)})?", "purge", NOTHING)
            found = remove()
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    else:
        screen.line(("would remove " if dry_run else "removed ") + _came_to(found))


def _came_to(found: Purged) -> str:
    return f"{found.sessions:,} sessions with {found.calls:,} calls, {money(found.cost_nano_usd)}"


def _owner(book: Rollbook, session_id: str) -> str:
    """Whose session it is; one that was deleted, and so is not to be seen, is one's own."""
    try:
        return book.get(session_id).user_id
    except NotFound:
        return book.user_id
