"""`demo`: a made-up fleet in a book of its own, to try things out with."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli import options
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import say
from rollbook.errors import InvalidInput
from rollbook.settings import data_dir
from rollbook.store import shown

if TYPE_CHECKING:
    from rollbook.demo.filling import Made

_NAME: Final = "rollbook-demo.db"
_SQLITE: Final = "sqlite:///"

NOW = Annotated[
    str | None,
    typer.Option(
        "--now", metavar="TIME", callback=options.here, help="When the week ends. The same time gives the same week."
    ),
]


@command
def demo(
    desk: Desk,
    sessions: Annotated[int, typer.Option("--sessions", metavar="N", min=1, help="So many sessions.")] = 600,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another number makes another fleet.")] = 7,
    now: NOW = None,
    large: Annotated[bool, typer.Option("--large", help="One session more, with 10,000 entries.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve the book, as 'rollbook serve' does.")] = False,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="The port to serve it on.")] = None,
) -> None:
    """Make up a fleet of a week, in a book of its own: rollbook-demo.db in your data folder, or --db.

    Everybody and everything in it is invented. A book that holds anything else is refused.
    """
    url = _place(desk)
    made = _make(url, _moment(now), seed=seed, sessions=sessions + large, large=large)
    screen = desk.screen()
    if desk.as_json:
        screen.json({"book": url, "sessions": made.sessions, "calls": made.calls, "entries": made.entries})
    else:
        screen.line(f"{shown(url)}: {made.sessions:,} sessions, {made.calls:,} calls, {made.entries:,} entries")
    if serve:
        from rollbook.cli import serving  # noqa: PLC0415 - it is not always asked for

        serving.here(replace(desk, db=url, user=None), serving.PORT if port is None else port)
    elif not desk.as_json:
        say(f"see it: rollbook serve --db {shown(url)}")


def _place(desk: Desk) -> str:
    """The URL of the demo's own book. One that the environment names is not meant: the demo's stands beside it."""
    if desk.db is None:
        return f"{_SQLITE}{data_dir() / _NAME}"
    if not desk.db.startswith(_SQLITE) or ":memory:" in desk.db:
        raise InvalidInput("the demo is made in a file; name one, such as --db sqlite:////path/rollbook-demo.db")
    if desk.db == os.environ.get("ROLLBOOK_DB"):
        return f"{_SQLITE}{Path(desk.db.removeprefix(_SQLITE).partition('?')[0]).parent / _NAME}"
    return desk.db


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    from rollbook.model import from_micros  # noqa: PLC0415 - most commands are given no time
    from rollbook.rules import checks  # noqa: PLC0415

    return from_micros(checks.moment(text, "--now", checks.utc_now())[0])


def _make(url: str, now: datetime, *, seed: int, sessions: int, large: bool) -> Made:
    """Fill the book; one that holds a made-up fleet already gets this one instead, also where it is being served."""
    from rollbook.demo import filling  # noqa: PLC0415 - no other command needs it

    path = Path(url.removeprefix(_SQLITE).partition("?")[0]).expanduser()
    if not path.exists():
        with filling.opened(url, now) as book:
            return filling.fill(book, now, seed=seed, sessions=sessions, large=large)
    with filling.opened(url, now) as book:
        if not filling.is_made_up(book):
            raise InvalidInput(f"{shown(url)} holds sessions that are not made up; name another file with --db")
        beside = path.with_name(f"{path.name}-made")
        _forget(beside)
        try:
            with filling.opened(f"{_SQLITE}{beside}", now) as other:
                made = filling.fill(other, now, seed=seed, sessions=sessions, large=large)
            kept = book.restore(beside, checksum=False).replaced
        finally:
            _forget(beside)
        if kept is not None:
            _forget(Path(kept))
        return made


def _forget(path: Path) -> None:
    """Remove a book that was made here, with what stands beside it."""
    for end in ("", "-wal", "-shm", "-next", "-turn", ".sha256"):
        path.with_name(path.name + end).unlink(missing_ok=True)
