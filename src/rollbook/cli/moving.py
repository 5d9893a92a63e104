"""`import` of another system's database: everything that is in it, told as one table, and what does not balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rollbook.cli import format as show
from rollbook.cli.desk import Desk
from rollbook.cli.screen import say
from rollbook.cli.table import Column
from rollbook.errors import InvalidInput

if TYPE_CHECKING:
    from rollbook.importers.moving import MoveReport, Totals, Unbalanced

_TOLD: Final = 5  #: of many sessions or problems, how many are named

_COLUMNS: Final = (
    Column(title="SOURCE"),
    *(Column(title=title, right=True) for title in ("SESSIONS", "CALLS", "NEW", "AMENDED", "ENTRIES", "NEW ENTRIES")),
    Column(title="UNBALANCED", right=True),
    Column(title="SKIPPED", right=True),
    Column(title="TIME", right=True, spare=1),
)


def movers(sources: Sequence[str]) -> bool:
    """Whether it is databases of another system that are to be imported. Raises InvalidInput for a mixture."""
    from rollbook.importers import MOVERS  # noqa: PLC0415 - commands that import nothing load no importer

    named = [name for name in sources if name in MOVERS]
    if named and len(sources) > 1:
        raise InvalidInput(f"{named[0]} is imported by itself, since --path names its database")
    return bool(named)


def move(desk: Desk, source: str, paths: Sequence[str], *, dry_run: bool) -> None:
    """Import from databases, which are opened before any book is, so that a wrong one leaves no book behind."""
    from rollbook.importers import mover  # noqa: PLC0415 - see movers
    from rollbook.importers.moving import Places, run_move  # noqa: PLC0415
    from rollbook.importers.runs import existing  # noqa: PLC0415

    checked = [path if "://" in path else existing(path) for path in paths]
    with Places(mover(source), checked) as places, desk.open() as book:
        report = run_move(book, places, dry_run=dry_run)
    if desk.as_json:
        desk.screen().json({"sources": [report.row()]})
    else:
        _table(desk, report)
    _tell(desk, report, dry_run=dry_run)


def _table(desk: Desk, report: MoveReport) -> None:
    counts = (
        report.sessions, report.calls, report.new_calls, report.amended_calls, report.entries, report.new_entries,
        report.unbalanced, report.skipped_rows,
    )  # fmt: skip
    desk.screen().table(_COLUMNS, [[report.source, *(f"{count:,}" for count in counts), f"{report.seconds:.1f}s"]])


def _tell(desk: Desk, report: MoveReport, *, dry_run: bool) -> None:
    """What the table does not say."""
    _tell_unbalanced(report)
    if report.completed_entries:
        say(f"feedback was added to {_many(report.completed_entries, 'entry', 'entries')}")
    if report.expired_entries:
        say(f"{_many(report.expired_entries, 'entry', 'entries')} had expired there, and were left out")
    if report.too_old:
        say(f"{_many(report.too_old, 'row')} of usage pruned or purged before, and not counted again")
    for problem in report.problems[:_TOLD]:
        say(f"passed over: {show.clean(problem)}")
    if len(report.problems) > _TOLD:
        say(f"passed over: {len(report.problems) - _TOLD} more of {report.source}")
    if report.users > 1 and not desk.all_users:
        say(f"they are sessions of {report.users} users; --all-users shows them all")
    if dry_run:
        say("a dry run: nothing was stored")


def _tell_unbalanced(report: MoveReport) -> None:
    if not report.unbalanced:
        return
    say(f"{_many(report.unbalanced, 'session')} whose record says another total than its models or calls:")
    for one in report.unbalanced_sessions[:_TOLD]:
        say(f"  {show.clean(one.session_id)}: {_said(one)}")
    if report.unbalanced > _TOLD:
        say(f"  and {report.unbalanced - _TOLD:,} more; --json names {len(report.unbalanced_sessions)}")


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _said(one: Unbalanced) -> str:
    return f"{_totals(one.record)} by its record, {_totals(one.parts)} by those"


def _totals(totals: Totals) -> str:
    return f"{totals.tokens_in:,} in, {totals.tokens_out:,} out, {show.money(totals.cost_nano)}"
