"""`backup` and `restore`: a book as one file, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as changed_to
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli import format as show
from rollbook.cli.desk import Desk, command
from rollbook.cli.format import clean
from rollbook.cli.screen import ask, say
from rollbook.errors import InvalidInput
from rollbook.settings import default_url
from rollbook.store import shown

if TYPE_CHECKING:
    from rollbook.store import Progress

_DOING: Final = {"read": "reading", "copy": "copying", "check": "checking", "keep": "keeping", "replace": "replacing"}


@command
def backup(
    desk: Desk,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file to write.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file of that name.")] = False,
) -> None:
    """Copy the book into one file while it is in use, and its checksum into PATH.sha256.

    The copy is checked before it gets its name: it is whole, or it is not there.
    """
    with desk.look() as book, _progress() as progress:
        made = book.backup(path, replace=replace, progress=progress)
    screen = desk.screen()
    if desk.as_json:
        screen.json(made)
    else:
        screen.line(f"{clean(made.path)}: {_held(made.sessions, made.ledger_rows)}, {show.size(made.bytes)}")


@command
def restore(
    desk: Desk,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file that 'backup' wrote.", show_default=False)],
    no_checksum: Annotated[
        bool, typer.Option("--no-checksum", help="Do without PATH.sha256 where there is none to read.")
    ] = (False),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Replace everything in the book by what a backup holds, once that is proven to be whole.

    What the book held is kept in a backup beside it. Programs that have the book open go on with the new contents.
    """
    # Opening a book makes it: first comes what may still say no.
    if not Path(path).expanduser().is_file():
        raise InvalidInput(f"there is no file {path}; nothing was restored")
    if not yes:
        where = clean(shown(desk.db or default_url()))
        ask(f"Replace everything in {where} by {clean(path)}?", "restore", "nothing was restored")
    with desk.open() as book, _progress() as progress:
        done = book.restore(path, checksum=not no_checksum, progress=progress)
    screen = desk.screen()
    if desk.as_json:
        screen.json(done)
    else:
        screen.line(f"{clean(done.path)}: {_held(done.sessions, done.ledger_rows)} restored")
    if done.replaced is not None:
        say(f"what the book held before is in {done.replaced}")


@command
def copy(
    desk: Desk,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The book's URL.", show_default=False)],
    target: Annotated[
        str, typer.Argument(metavar="TO", help="Another one's: an empty book, or an earlier copy.", show_default=False)
    ],
) -> None:
    """Copy a book into another one, from SQLite to PostgreSQL or back. FROM may be in use, and nothing in it changes.

    Run again it goes on where it was, or brings the copy up to date: only what differs is written.
    """
    from rollbook.store import reading_only  # noqa: PLC0415

    with changed_to(desk, db=reading_only(source)).open() as book, _progress(in_rows=True) as progress:
        try:
            done = book.copy_to(target, progress=progress)
        except KeyboardInterrupt:
            say("what was copied stays; the same command goes on with the rest")
            raise
    screen = desk.screen()
    if desk.as_json:
        screen.json(done)
    else:
        changed = (
            f"{done.added:,} rows written, {done.removed:,} removed"
            if done.added or done.removed
            else "nothing had changed"
        )
        screen.line(f"the copy is whole: {_held(done.sessions, done.ledger_rows)} ({changed})")
    if done.elsewhere:
        say(
            f"{done.elsewhere:,} sessions have contents outside the database, which were not copied: name their place "
            f"wherever the copy is opened (ROLLBOOK_JOURNAL)"
        )


def _held(sessions: int, rows: int) -> str:
    return f"{sessions:,} sessions, {rows:,} ledger rows"


@contextmanager
def _progress(*, in_rows: bool = False) -> Iterator[Progress | None]:
    """A bar beside the answer, where a person sees it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn() if in_rows else DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=_DOING[what], completed=done, total=total or None)
