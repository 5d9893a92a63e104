"""`import`: what agents left on this machine, taken into the book."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli import format as show
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import Screen, say
from rollbook.cli.table import Column

if TYPE_CHECKING:
    from rollbook.book import Rollbook
    from rollbook.importers.base import ImportReport, Progress

_TOLD: Final = 5  #: of many files that were passed over, how many are named

_COLUMNS: Final = (
    Column(title="SOURCE"),
    Column(title="FILES", right=True),
    Column(title="READ", right=True),
    Column(title="SESSIONS", right=True, spare=1),
    Column(title="CALLS", right=True),
    Column(title="NEW", right=True),
    Column(title="SKIPPED LINES", right=True, spare=2),
    Column(title="TIME", right=True, spare=3),
)


def _sources() -> list[str]:
    from rollbook.importers import SOURCES  # noqa: PLC0415

    return list(SOURCES)


@command
def import_(
    desk: Desk,
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", help="Such as claude-code. Default: all.", autocompletion=_sources),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="A file or folder instead of the usual ones; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and count, and store nothing.")] = False,
) -> None:
    """Take in what is new in the transcripts of coding agents. Their own folders are only read."""
    with desk.open() as book:
        reports = gather(book, sources or None, path or None, dry_run=dry_run)
    screen = desk.screen()
    if desk.as_json:
        screen.json({"sources": [report.row() for report in reports]})
    else:
        table(screen, reports)
    tell(reports, dry_run=dry_run)


def gather(
    book: Rollbook, names: Sequence[str] | None, paths: Sequence[str] | None = None, *, dry_run: bool = False
) -> list[ImportReport]:
    """Import from the named sources, or from all."""
    from rollbook.importers import source  # noqa: PLC0415 - commands that import nothing load no importer
    from rollbook.importers.base import run_import  # noqa: PLC0415

    reports = []
    for wanted in [source(name) for name in dict.fromkeys(names or _sources())]:
        with _progress(wanted.name) as progress:
            reports.append(run_import(book, wanted, paths, dry_run=dry_run, progress=progress))
    return reports


def samples(book: Rollbook) -> list[ImportReport]:
    """Import the transcripts that are shipped for those who have none."""
    from rollbook.importers import SAMPLES  # noqa: PLC0415

    found = [name for name in _sources() if (SAMPLES / name).is_dir()]
    return [report for name in found for report in gather(book, [name], [str(SAMPLES / name)])]


@contextmanager
def _progress(name: str) -> Iterator[Progress | None]:
    """A bar beside the answer, where a person sees it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def table(screen: Screen, reports: Sequence[ImportReport]) -> None:
    """What each source gave."""
    rows = [
        [
            report.source,
            f"{report.files:,}",
            show.size(report.bytes),
            f"{report.sessions:,}",
            f"{report.calls:,}",
            f"{report.new_calls:,}",
            f"{report.skipped_lines:,}",
            f"{report.seconds:.1f}s",
        ]
        for report in reports
    ]
    screen.table(_COLUMNS, rows)


def tell(reports: Sequence[ImportReport], *, dry_run: bool = False) -> None:
    """What the table does not say."""
    for report in reports:
        for problem in report.problems[:_TOLD]:
            say(f"passed over: {problem}")
        if len(report.problems) > _TOLD:
            say(f"passed over: {len(report.problems) - _TOLD} more of {report.source}")
    if not any(report.files for report in reports):
        say(f"no transcripts of {', '.join(report.source for report in reports)} here; --path says where else to look")
    if dry_run:
        say("a dry run: nothing was stored")
