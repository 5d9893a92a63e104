"""`import --watch`: importing whatever is written, until it is told to end."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

from rollbook.cli import importing
from rollbook.cli.desk import Desk
from rollbook.cli.screen import Screen, say
from rollbook.errors import InvalidInput, RollbookError

if TYPE_CHECKING:
    from rollbook.book import Rollbook
    from rollbook.importers.base import ImportReport

_REMEMBERED: Final = 1_000  #: files that were passed over and told of


def follow(desk: Desk, book: Rollbook, wanted: importing.Wanted, *, content: bool = False) -> None:
    """Import what is there, then what is written, until Ctrl-C or SIGTERM. What was told is stored."""
    from rollbook.importers import source  # noqa: PLC0415 - see importing.gather
    from rollbook.importers.watching import Watch  # noqa: PLC0415 - it loads watchfiles

    told = _told(desk)
    sources = [(source(name), paths) for name, paths in wanted.items()]
    book._plans.presence.attend()  # noqa: SLF001 - a program that goes on looks after what died on its machine
    with _until_told(), Watch(book, sources, told=told, notice=say, content=content) as watch:
        try:
            reports = importing.gather(book, _there(wanted), content=content)
        except InvalidInput:
            raise
        except RollbookError as error:
            watch.everything()
            watch.failed(str(error))
        else:
            _first(desk, reports)
            watch.remember()
        say(f"following {', '.join(wanted)}; Ctrl-C ends it")
        sys.stderr.flush()
        watch.run()


def _there(wanted: importing.Wanted) -> importing.Wanted:
    """What of it is there already; of the rest it is said that it is waited for."""
    from rollbook.importers.recognition import absent  # noqa: PLC0415 - see importing.gather

    for path in dict.fromkeys(path for paths in wanted.values() for path in paths or () if absent(path)):
        say(f"{path} is not there yet; waiting for it")
    return {
        name: None if paths is None else [path for path in paths if not absent(path)] for name, paths in wanted.items()
    }


def _first(desk: Desk, reports: Sequence[ImportReport]) -> None:
    """What the import at the beginning gave."""
    if desk.as_json:
        for report in reports:
            _json(report)
    else:
        importing.table(desk.screen(), [report for report in reports if report.files])
        sys.stdout.flush()
    importing.tell(reports)


def _told(desk: Desk) -> Callable[[ImportReport], None]:
    """How one later import is told: in one line, and what was passed over once."""
    screen, problems = desk.screen(), set[str]()

    def told(report: ImportReport) -> None:
        if report.sessions or report.skipped_lines or report.too_old:
            _json(report) if desk.as_json else _line(screen, report)
        if len(problems) > _REMEMBERED:
            problems.clear()
        report.problems = [problem for problem in report.problems if problem not in problems]
        problems.update(report.problems)
        importing.tell_problems(report)

    return told


def _json(report: ImportReport) -> None:
    sys.stdout.write(json.dumps(report.row()) + "\n")
    sys.stdout.flush()


def _line(screen: Screen, report: ImportReport) -> None:
    parts = [_count(report.new_calls, "new call"), _count(report.sessions, "session")]
    if report.new_entries:
        parts.append(_count(report.new_entries, "new entry", "new entries"))
    if report.skipped_lines:
        parts.append(f"{_count(report.skipped_lines, 'line')} not understood")
    if report.too_old:
        parts.append(f"{_count(report.too_old, 'call')} pruned or purged before")
    screen.line((time.strftime("%H:%M:%S"), "dim"), f"  {report.source}  {', '.join(parts)}")
    sys.stdout.flush()


def _count(number: int, name: str, names: str | None = None) -> str:
    return f"{number:,} {name if number == 1 else names or f'{name}s'}"


@contextmanager
def _until_told() -> Iterator[None]:
    """SIGTERM is how a service is ended: in the same way as by Ctrl-C, but it is no interruption."""
    told: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        if not told:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
