"""`export`: sessions, ledger rows, contents or spend, whole, for other programs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final, cast

import typer

from rollbook.cli import format as show
from rollbook.cli import options
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import say
from rollbook.errors import InvalidInput
from rollbook.rules import checks

_HERE: Final = "-"  #: standard output, as other programs name it

WHAT = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="sessions, usage, content or spend.",
        show_default=False,
        autocompletion=lambda: ["sessions", "usage", "content", "spend"],
    ),
]
FORMAT = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="jsonl, csv or parquet. Default: as the file is named, else jsonl.",
        autocompletion=lambda: ["jsonl", "csv", "parquet"],
    ),
]
OUTPUT = Annotated[
    str | None, typer.Option("--output", metavar="FILE", help="Where to. Default: standard output, which is -.")
]


@command
def export(
    desk: Desk,
    what: WHAT,
    format: FORMAT = None,
    output: OUTPUT = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a file of that name.")] = False,
    since: options.SINCE = "all",
    until: options.UNTIL = None,
    status: options.STATUS = None,
    agent: options.AGENT = None,
    kind: options.KIND = None,
    model: options.MODEL = None,
    channel: options.CHANNEL = None,
    project: options.PROJECT = None,
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="In its id, title or goal.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="With this tag.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", metavar="UUID", help="In this dataset.")] = None,
    query: options.QUERY = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="WHAT", help="For spend: hour, day (default), model, agent, project, user, kind."),
    ] = None,
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="ZONE", help="For spend: where days begin. Default: here.")
    ] = None,
) -> None:
    """Write all sessions, ledger rows, what was said, or spend as JSON lines, CSV or Parquet."""
    from rollbook.exporters import export as write  # noqa: PLC0415 - other commands export nothing

    asked: dict[str, Any] = {
        "since": since, "until": until, "status": status, "agent": agent, "kind": kind, "model": model,
        "channel": channel, "project": project, "text": text, "tag": tag, "dataset_id": dataset, "query": query,
        "by": by, "tz": tz,
    }  # fmt: skip
    asked = {name: value for name, value in asked.items() if value is not None}
    _fits(what, asked)
    if what == "spend":
        from rollbook.cli.zone import local  # noqa: PLC0415 - only spend needs time zones

        asked.setdefault("tz", local())
    to = None if output == _HERE else output
    form = format.lower() if format else _named(to)
    with desk.look() as book, _progress(what if to else None) as progress:
        started = time.monotonic()
        rows = write(book, what, to or _standard(form), format=form, replace=replace, progress=progress, **asked)
        seconds = time.monotonic() - started
        remark = None if rows else desk.nothing(book, "nothing matches")
    if to:
        done = {"path": os.path.realpath(to), "what": what, "format": form, "rows": rows, "bytes": _size(to)}
        _told(desk, to, {**done, "seconds": round(seconds, 3)})
    if remark:
        say(remark)


def _fits(what: str, asked: dict[str, Any]) -> None:
    """Refuse options that the kind of export does not take."""
    from rollbook.exporters import WHATS, takes  # noqa: PLC0415

    checks.one_of(what, "kind of export", WHATS)
    for name in asked:
        if name not in takes(what):
            raise InvalidInput(f"an export of {what} takes no {_flag(name)}; it takes {_flags(takes(what))}")


def _flags(names: Iterable[str]) -> str:
    return ", ".join(map(_flag, names))


def _flag(name: str) -> str:
    return f"--{name.removesuffix('_id')}"


def _named(output: str | None) -> str:
    """The format that a file's name says. An ending that says another one is not passed over."""
    from rollbook.exporters import FORMATS  # noqa: PLC0415

    ending = Path(output or "").suffix.lower().removeprefix(".")
    if ending and ending not in FORMATS:
        raise InvalidInput(f"the ending of {output} says no format; say it with --format: {', '.join(FORMATS)}")
    return ending or "jsonl"


def _size(output: str) -> int:
    return Path(output).stat().st_size


def _told(desk: Desk, to: str, done: dict[str, Any]) -> None:
    screen = desk.screen()
    if desk.as_json:
        screen.json(done)
    else:
        screen.line(f"{show.clean(to)}  {done['rows']:,} rows  {show.size(done['bytes'])}")


def _standard(form: str) -> IO[bytes]:
    """Standard output as bytes; on a terminal as text that can do nothing to it."""
    if not sys.stdout.isatty():
        return sys.stdout.buffer
    if form == "parquet":
        raise InvalidInput("Parquet is not for a terminal; name a file with --output")
    return cast("IO[bytes]", _Shown())


class _Shown:
    """A terminal. Whole lines are written to it, and what agents wrote is made visible in them."""

    def write(self, data: bytes) -> int:
        lines = data.decode().split("\n")
        sys.stdout.write("\n".join(show.clean(line) if line else "" for line in lines))
        return len(data)


@contextmanager
def _progress(what: str | None) -> Iterator[Callable[[int], None] | None]:
    """How far it is, where a person sees it."""
    if what is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.update(task, completed=done)
