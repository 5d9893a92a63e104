"""`statusline` among the other commands: its help, and the ordinary way to it. What it does is in ``statusline``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollbook.cli import statusline as short
from rollbook.cli.desk import Desk, command
from rollbook.cli.options import listed
from rollbook.errors import InvalidInput


@command
def statusline(
    desk: Desk,
    agent: Annotated[
        str,
        typer.Argument(
            metavar="AGENT",
            help=f"Whose line it is: {listed(short.AGENTS)}.",
            autocompletion=lambda: list(short.AGENTS),
        ),
    ],
    refresh: Annotated[
        bool, typer.Option("--refresh/--no-refresh", help="Import in the background what is new. Default: yes.")
    ] = True,
) -> None:
    """One line for an agent that shows one: this session's cost, today's spend, the model."""
    if agent not in short.AGENTS:
        raise InvalidInput(f"no status line for {agent!r}; it is one of {', '.join(short.AGENTS)}")
    if sys.stdin.isatty():
        raise InvalidInput(
            f"{agent} runs this and tells of its session on standard input; in its settings, statusLine is "
            f'{{"type": "command", "command": "rollbook statusline {agent}"}}'
        )
    short.show(short.Asked(agent, desk.db, desk.user, desk.all_users, desk.as_json, refresh))
