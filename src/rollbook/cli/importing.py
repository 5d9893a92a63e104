"""`import`: what agents left on this machine, taken into the book."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli import format as show
from rollbook.cli import moving
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import Screen, say
from rollbook.cli.table import Column
from rollbook.errors import InvalidInput

if TYPE_CHECKING:
    from rollbook.book import Rollbook
    from rollbook.importers.base import Book, ImportReport, Progress

Wanted = Mapping[str, Sequence[str] | None]  #: sources, and where to look for each; None is in the usual places

_TOLD: Final = 5  #: of many files that were passed over, how many are named

_COLUMNS: Final = (
    Column(title="SOURCE"),
    Column(title="FILES", right=True),
    Column(title="READ", right=True),
    Column(title="SESSIONS", right=True, spare=1),
    Column(title="CALLS", right=True),
    Column(title="NEW", right=True),
    *(Column(title=title, right=True) for title in ("ENTRIES", "NEW ENTRIES")),
    Column(title="SKIPPED LINES", right=True, spare=2),
    Column(title="TIME", right=True, spare=3),
)


def _sources() -> list[str]:
    from rollbook.importers import SOURCES  # noqa: PLC0415

    return list(SOURCES)


def _completed() -> list[str]:
    from rollbook.importers import MOVERS  # noqa: PLC0415

    return [*_sources(), *MOVERS]


@command
def import_(
    desk: Desk,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Such as claude-code; or cognee, zeph or claw, with --path. Default: all agents.",
            autocompletion=_completed,
        ),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="PATH", help="A file, folder or URL instead of the usual ones; repeatable."),
    ] = None,
    content: Annotated[
        bool, typer.Option("--content", help="Also what was said and which tools were called: messages and steps.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and count, and store nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and import what is written, until Ctrl-C.")] = False,
) -> None:
    """Take in what is new in the transcripts of coding agents. Their own folders are only read."""
    if watch and dry_run:
        raise InvalidInput("--watch stores what it imports, and --dry-run stores nothing; leave out one of them")
    if moving.movers(sources or ()):
        if watch:
            raise InvalidInput("a database of another system is not followed; leave out --watch, and import it again")
        moving.move(desk, (sources or [""])[0], path or [], dry_run=dry_run)
        return
    wanted = named(sources, path or [], later=watch) if sources else chosen(path or [], later=watch)
    if watch:
        from rollbook.cli import watching  # noqa: PLC0415 - it imports this module

        with desk.open() as book:
            watching.follow(desk, book, wanted, content=content)
        return
    with desk.open() as book:
        reports = gather(book, wanted, dry_run=dry_run, content=content)
    screen = desk.screen()
    if desk.as_json:
        screen.json({"sources": [report.row() for report in reports]})
    else:
        table(screen, reports if sources else [report for report in reports if report.files])
    tell(reports, dry_run=dry_run)


def named(sources: Sequence[str], paths: Sequence[str], *, later: bool = False) -> Wanted:
    """Where sources are named: those. What cannot be imported is refused before any book is opened, and so made."""
    from rollbook.importers import source  # noqa: PLC0415 - see gather
    from rollbook.importers.recognition import absent  # noqa: PLC0415
    from rollbook.importers.runs import existing  # noqa: PLC0415

    for name in sources:
        source(name)
    for path in paths:
        if not (later and absent(path)):
            existing(path)
    return dict.fromkeys(sources, list(paths) or None)


def chosen(paths: Sequence[str] = (), *, later: bool = False) -> Wanted:
    """Where no source is named: all, or what lies at the paths, each of the source that knows it."""
    if not paths:
        return dict.fromkeys(_sources())
    from rollbook.importers import source  # noqa: PLC0415 - see gather
    from rollbook.importers.recognition import absent, understood  # noqa: PLC0415
    from rollbook.rules.checks import utc_now  # noqa: PLC0415

    wanted: dict[str, list[str] | None] = {}
    for path in paths:
        if later and absent(path):
            raise InvalidInput(f"{path} is not there yet; say which source it will be of: {', '.join(_sources())}")
        names = [one.name for one in understood(path, map(source, _sources()), utc_now())]
        if len(names) != 1:
            what = f"may be of {' or of '.join(names)}" if names else "holds nothing that a source is known to write"
            raise InvalidInput(f"{path} {what}; say which source it is of: {', '.join(_sources())}")
        wanted[names[0]] = [*(wanted.get(names[0]) or []), path]
    return wanted


def gather(book: Book, wanted: Wanted, *, dry_run: bool = False, content: bool = False) -> list[ImportReport]:
    """Import from some sources."""
    from rollbook.importers import source  # noqa: PLC0415 - commands that import nothing load no importer
    from rollbook.importers.runs import run_import  # noqa: PLC0415

    reports = []
    for one, paths in [(source(name), paths) for name, paths in wanted.items()]:
        with _progress(one.name) as progress, _uncollected():
            reports.append(run_import(book, one, paths, dry_run=dry_run, progress=progress, content=content))
    return reports


def samples(book: Rollbook) -> list[ImportReport]:
    """Import the transcripts that are shipped for those who have none."""
    from rollbook.importers import SAMPLES  # noqa: PLC0415

    found = [name for name in _sources() if (SAMPLES / name).is_dir()]
    return gather(book, {name: [str(SAMPLES / name)] for name in found})


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing that an import makes refers to itself in circles, and looking for that takes a quarter of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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
    """What each source gave; entries only where there are any."""
    shown = [column for column in _COLUMNS if "ENTRIES" not in column.title or any(one.entries for one in reports)]
    rows = [
        [
            report.source,
            f"{report.files:,}",
            show.size(report.bytes),
            f"{report.sessions:,}",
            f"{report.calls:,}",
            f"{report.new_calls:,}",
            *([f"{report.entries:,}", f"{report.new_entries:,}"] if len(shown) == len(_COLUMNS) else []),
            f"{report.skipped_lines:,}",
            f"{report.seconds:.1f}s",
        ]
        for report in reports
    ]
    if rows:
        screen.table(shown, rows)


def tell_problems(report: ImportReport) -> None:
    """What an import passed over."""
    for problem in report.problems[:_TOLD]:
        say(f"passed over: {problem}")
    if len(report.problems) > _TOLD:
        say(f"passed over: {len(report.problems) - _TOLD} more of {report.source}")


def tell_old(report: ImportReport) -> None:
    """What an import did not take because the book had had it, and removed it."""
    if report.too_old:
        what = "1 call was" if report.too_old == 1 else f"{report.too_old:,} calls were"
        say(f"{report.source}: {what} pruned or purged before, and not counted again")


def tell(reports: Sequence[ImportReport], *, dry_run: bool = False) -> None:
    """What the table does not say."""
    for report in reports:
        tell_old(report)
        tell_problems(report)
    if not any(report.files for report in reports):
        say(f"no transcripts of {', '.join(report.source for report in reports)} here; --path says where else to look")
    if dry_run:
        say("a dry run: nothing was stored")
