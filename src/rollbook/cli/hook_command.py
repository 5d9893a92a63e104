"""`hook` among the other commands: its help, setting it up, and the ordinary way to it. What it does is in ``hook``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rollbook.cli import hook as short
from rollbook.cli.desk import Desk, command
from rollbook.cli.options import listed
from rollbook.cli.screen import say
from rollbook.errors import InvalidInput


@command
def hook(
    desk: Desk,
    agent: Annotated[
        str,
        typer.Argument(
            metavar="AGENT",
            help=f"Whose hook it is: {listed(short.AGENTS)}.",
            autocompletion=lambda: list(short.AGENTS),
        ),
    ],
    show: Annotated[
        bool, typer.Option("--print", help="Print what belongs into the agent's settings.", allow_from_autoenv=False)
    ] = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install", help="Write it there; what was there is kept beside it first.", allow_from_autoenv=False
        ),
    ] = False,
    settings: Annotated[
        str | None,
        typer.Option(
            "--settings", metavar="FILE", help="The agent's settings, if not the usual ones.", allow_from_autoenv=False
        ),
    ] = None,
) -> None:
    """Take an event of an agent's hook, on standard input, and leave it for the book. Never holds the agent up."""
    if agent not in short.AGENTS:
        raise InvalidInput(f"no hook of {agent!r}; it is one of {', '.join(short.AGENTS)}")
    if show and install:
        raise InvalidInput("--print shows what --install writes; leave out one of them")
    if settings is not None and not install:
        raise InvalidInput("--settings says where --install writes; leave it out, or install")
    if install:
        _install(desk, settings)
    elif show:
        from rollbook.hooks import setting_up  # noqa: PLC0415 - for what is done once

        desk.screen().json({"hooks": setting_up.hooks(setting_up.program())})
    elif sys.stdin.isatty():
        raise InvalidInput(
            f"{agent} runs this and tells of an event on standard input; 'rollbook hook {agent} --install' sets it up"
        )
    else:
        db = None if desk.db == os.environ.get("ROLLBOOK_DB") else desk.db
        short.show(short.Asked(agent, db, desk.user))


def _install(desk: Desk, settings: str | None) -> None:
    from rollbook.hooks import setting_up  # noqa: PLC0415 - for what is done once

    place = setting_up.usual(os.environ) if settings is None else Path(settings).expanduser()
    done = setting_up.install(place, setting_up.program())
    if desk.as_json:
        desk.screen().json(
            {"settings": str(done.place), "added": done.added, "backup": done.backup and str(done.backup)}
        )
        return
    if not done.added:
        say(f"{done.place} has these hooks already")
        return
    kept = f"; what it was is in {done.backup}" if done.backup is not None else ""
    say(f"{done.place} has {len(done.added)} hooks more{kept}. Sessions that begin from now on have them.")
