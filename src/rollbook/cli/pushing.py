"""`push`: what agents left on this machine, sent to a server."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rollbook.cli import importing
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import say
from rollbook.errors import InvalidInput


@command
def push(
    desk: Desk,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The server, such as https://rollbook.example.org.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", help="Such as claude-code. Default: all agents.", show_default=False),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="KEY",
            envvar="ROLLBOOK_TOKEN",
            help="What it lets you in with. Default: the private file of a server on this machine.",
            show_default=False,
        ),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="A file or folder instead of the usual ones; repeatable."),
    ] = None,
    content: Annotated[
        bool, typer.Option("--content", help="Also what was said and which tools were called, without secrets.")
    ] = False,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Send it unencrypted to another machine, key and all.")
    ] = False,
) -> None:
    """Send what is new in the transcripts of coding agents, and events of hooks that wait, to a server.

    What was sent is not sent again, and what was interrupted goes on. Whose sessions they are is the key's to say.
    """
    from rollbook.hooks import delivery, spool  # noqa: PLC0415 - other commands send nothing
    from rollbook.remote.book import RemoteBook  # noqa: PLC0415

    if desk.user is not None and desk.user != os.environ.get("ROLLBOOK_USER"):
        raise InvalidInput("whose sessions they are is the key's to say; leave out --user")
    wanted = importing.named(sources, path or []) if sources else importing.chosen(path or [])
    with RemoteBook(to, token=token, allow_http=allow_http, waiting=_waiting) as book:
        hooks = delivery.deliver_all(book, spool.folder())
        reports = importing.gather(book, wanted, content=content)
    screen = desk.screen()
    if desk.as_json:
        screen.json({"sources": [report.row() for report in reports], "hooks": hooks._asdict()})
    else:
        importing.table(screen, reports if sources else [report for report in reports if report.files])
    if hooks.events:
        refused = f", of which {hooks.refused:,} were refused" if hooks.refused else ""
        say(f"{hooks.events:,} events of hooks were delivered{refused}")
    importing.tell(reports)


def _waiting(why: str, seconds: float) -> None:
    say(f"{why}; trying again in {max(1, round(seconds))} s")
