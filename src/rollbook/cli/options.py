"""Options and arguments that several commands share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import typer

from rollbook.model import CHANNELS, Kind, Status

STATUSES: Final = tuple(str(status) for status in Status)
KINDS: Final = tuple(str(kind) for kind in Kind)
ENDS: Final = ("completed", "failed", "cancelled")


def here(value: str | None) -> str | None:
    """A date or time without a zone is one of this machine's; everything else is left for the book to read."""
    if value is None or not value[:1].isdigit():
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is not None:
        return value
    from rollbook.cli import zone  # noqa: PLC0415 - most commands are given no time

    return moment.replace(tzinfo=zone.local()).isoformat()


def said(since: str, until: str | None) -> str:
    """A range in words."""
    return since if until is None else f"{since} until {until}"


def listed(words: tuple[str, ...]) -> str:
    """Words as a placeholder in the help."""
    return "|".join(words)


ID = Annotated[str, typer.Argument(metavar="ID", help="The session's id.", show_default=False)]
SHORT_ID = Annotated[
    str, typer.Argument(metavar="ID", help="The session's id, or as much of its beginning as only it has.")
]
SINCE = Annotated[
    str,
    typer.Option(
        "--since", metavar="RANGE", callback=here, help="24h, 7d, 30d (any number of h or d), all, or a date or time."
    ),
]
UNTIL = Annotated[
    str | None,
    typer.Option("--until", metavar="RANGE", callback=here, help="Only what was before that; said like --since."),
]
AT = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", callback=here, help="When, such as 2026-05-01T12:00; Z or +02:00 names a zone."
    ),
]
STATUS = Annotated[
    str | None,
    typer.Option(
        "--status", metavar=listed(STATUSES), help="Only sessions in this state.", autocompletion=lambda: list(STATUSES)
    ),
]
KIND = Annotated[
    str | None,
    typer.Option("--kind", metavar=listed(KINDS), help="How it is driven.", autocompletion=lambda: list(KINDS)),
]
CHANNEL = Annotated[
    str | None,
    typer.Option(
        "--channel",
        metavar="CHANNEL",
        help=f"Where from: {', '.join(CHANNELS)}.",
        autocompletion=lambda: list(CHANNELS),
    ),
]
AGENT = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="The agent, such as claude-code.")]
PROJECT = Annotated[str | None, typer.Option("--project", metavar="NAME", help="The project: a folder or a name.")]
QUERY = Annotated[
    str | None,
    typer.Option("--query", metavar="QUERY", help="More conditions, such as 'status:failed cost>5 -agent:codex'."),
]
MODEL = Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model that it used.")]
