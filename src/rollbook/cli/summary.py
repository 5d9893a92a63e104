"""`summary`: the page to begin with. What ran, what needs a look, and what it cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from rollbook.cli import format as show
from rollbook.cli import importing, views
from rollbook.cli.desk import Desk, command
from rollbook.cli.screen import Screen, say
from rollbook.model import ModelCost, Session, Spend, Stats, to_dict
from rollbook.settings import data_dir
from rollbook.store import shown

if TYPE_CHECKING:
    from rollbook.book import Rollbook
    from rollbook.importers.base import ImportReport

_LOOK: Final = ("failed", "unknown", "abandoned")  #: states that somebody should know of
_LOOKED_AT: Final = 10
_RECENT: Final = 5
_RANGE: Final = "30d"
_DAYS: Final = 31  #: of spend that the page shows
_NOTHING: Final = "no session was active in that time; --since all looks further back"
_SAMPLES_DB: Final = "rollbook-samples.db"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One page about a book."""

    book: str
    samples: bool
    stats: Stats
    look: list[Session]
    recent: list[Session]
    models: list[ModelCost]
    spend: Spend


@command
def summary(
    desk: Desk,
    import_: Annotated[
        bool,
        typer.Option(
            "--import",
            envvar="ROLLBOOK_SUMMARY_IMPORT",
            help="First take in what is new; samples where there is nothing at all.",
        ),
    ] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="RANGE", help="24h, 7d, 30d, all, or a time. Default: 30d.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve the book that was shown, as 'rollbook serve' does.")
    ] = False,
) -> None:
    """The whole book on one page: sessions, what needs a look, cost by model and per day."""
    told = _tell(desk, since, importing_first=import_)
    if serve:
        from rollbook.cli import serving  # noqa: PLC0415 - it is not always asked for

        serving.here(told, serving.PORT, or_any=True)


def _tell(desk: Desk, since: str | None, *, importing_first: bool) -> Desk:
    """Show a book, or the samples; whose desk it is that was shown."""
    reports: list[ImportReport] = []
    with desk.look() as book:
        if importing_first:
            reports = importing.gather(book, importing.chosen())
        if not importing_first or _anything(book, reports):
            found = _gather(book, since or _recent(book), samples=False)
            remark = None if found.stats.sessions else desk.nothing(book, _NOTHING)
            _answer(desk, found, reports, remark)
            return desk
        beside = _beside(book.url)
    say("no transcripts on this machine yet; these are samples that come with rollbook, in a book of their own")
    with Desk(db=beside).open() as book:
        reports = importing.samples(book)
        found = _gather(book, since or "all", samples=True)
    _answer(desk, found, reports, None)
    return replace(desk, db=beside, user=None)


def _recent(book: Rollbook) -> str:
    """The usual range; all time where nothing happened in it."""
    return _RANGE if book.list(since=_RANGE, limit=1).sessions else "all"


def _anything(book: Rollbook, reports: list[ImportReport]) -> bool:
    return any(report.files for report in reports) or bool(book.list(limit=1).sessions)


def _beside(url: str) -> str:
    """The samples' own book, in the folder of the one that was asked for."""
    if not url.startswith("sqlite:"):
        return f"sqlite:///{data_dir() / _SAMPLES_DB}"
    scheme, _, path = url.partition("///")
    name = path.partition("?")[0]
    return url if name == ":memory:" else f"{scheme}///{Path(name).parent / _SAMPLES_DB}"


def _gather(book: Rollbook, since: str, *, samples: bool) -> Summary:
    from rollbook.cli.zone import local  # noqa: PLC0415

    look = [one for status in _LOOK for one in book.list(status=status, since=since, limit=_LOOKED_AT).sessions]
    look.sort(key=lambda one: one.last_activity_at, reverse=True)
    return Summary(
        book=shown(book.url),
        samples=samples,
        stats=book.stats(since=since),
        look=look[:_LOOKED_AT],
        recent=book.list(since=since, limit=_RECENT).sessions,
        models=book.cost_by_model(since=since),
        spend=book.spend(by="day", since=since, tz=local()),
    )


def _answer(desk: Desk, found: Summary, reports: list[ImportReport], remark: str | None) -> None:
    screen = desk.screen()
    if desk.as_json:
        answer: dict[str, Any] = to_dict(found)
        screen.json({**answer, "sources": [report.row() for report in reports]})
    else:
        _page(screen, found, users=desk.all_users)
    if remark:
        say(remark)
    for report in reports:
        if report.new_calls or report.skipped_lines:
            say(f"{report.source}: {report.new_calls:,} new calls in {show.size(report.bytes)}, "
                f"{report.skipped_lines:,} lines not understood")  # fmt: skip
        importing.tell_old(report)
        importing.tell_problems(report)


def _page(screen: Screen, found: Summary, *, users: bool) -> None:
    screen.line((f"Rollbook, {_range(found.stats.range)}", "bold cyan"))
    views.stats(screen, found.stats, book=("samples" if found.samples else "book", show.clean(found.book)))
    if found.look:
        count = sum(getattr(found.stats, status) for status in _LOOK)
        screen.heading(f"Need a look ({count:,})" + (f", the last {_LOOKED_AT}" if count > _LOOKED_AT else ""))
        views.sessions(screen, found.look, users=users)
    if found.recent:
        screen.heading("Last active")
        views.sessions(screen, found.recent, users=users)
    if found.models:
        screen.heading("Cost by model")
        views.models(screen, found.models)
    if found.spend.rows:
        days = found.spend.rows[-_DAYS:]
        part = f", the last {len(days)} of {len(found.spend.rows)}" if len(days) < len(found.spend.rows) else ""
        screen.heading(f"Spend per day ({found.spend.tz}){part}")
        views.spend(screen, msgspec.structs.replace(found.spend, rows=days))


def _range(name: str) -> str:
    return "all time" if name == "all" else f"since {name}" if "-" in name else f"last {name}"
