"""`wipe-journal`: what every session of everybody contains, removed."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import ask
from rollbook.errors import InvalidInput

_NOTHING: Final = "nothing was removed"


@command
def wipe_journal(
    desk: Desk,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove what all sessions of all users contain. What they used and cost stays."""
    if not desk.all_users:
        raise InvalidInput("this removes what the sessions of all users contain; say --all-users")
    with desk.open() as book:
        found = book.wipe_journal(dry_run=True)
        if not dry_run:
            if found.sessions and not yes:
                ask(f"Remove for good what {found.sessions:,} sessions of all users contain?", "wipe-journal", _NOTHING)
            found = book.wipe_journal()
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif not found.sessions:
        screen.line("no session contains anything")
    else:
        did, had = ("would remove", "contain") if dry_run else ("removed", "contained")
        screen.line(f"{did} what {found.sessions:,} sessions {had}")
