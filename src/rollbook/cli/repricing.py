"""`reprice`: the ledger through other prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rollbook.cli import options
from rollbook.cli.desk import Desk, command
from rollbook.cli.format import NONE, clean, money
from rollbook.cli.screen import Screen, ask, say
from rollbook.cli.table import Column
from rollbook.errors import InvalidInput

if TYPE_CHECKING:
    from rollbook.model import RepricedModel, Repricing

NOTHING: Final = "nothing was repriced"

_COLUMNS: Final = (
    Column(title="MODEL", least=12),
    Column(title="CALLS", right=True, spare=1),
    Column(title="CHANGED", right=True),
    Column(title="NEW", right=True),
    Column(title="KEPT", right=True, spare=3),
    Column(title="NO PRICE", right=True, spare=2),
    Column(title="BEFORE", right=True),
    Column(title="AFTER", right=True),
    Column(title="DIFFERENCE", right=True, style="bold"),
)


@command
def reprice(
    desk: Desk,
    prices: Annotated[
        str | None,
        typer.Option("--prices", metavar="FILE", help="A price file, before the shipped tables.", show_default=False),
    ] = None,
    since: options.SINCE = "all",
    until: options.UNTIL = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only calls of this model.")] = None,
    agent: options.AGENT = None,
    unpriced: Annotated[bool, typer.Option("--unpriced", help="Only calls that have no price yet.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Price again what was priced by tables, by newer ones or by a price file.

    It says first what would change, and asks. What a call cost before stays in the ledger; a cost that its source
    reported is left alone.
    """
    asked: dict[str, Any] = {
        "prices": prices,
        "since": since,
        "until": until,
        "model": model,
        "agent": agent,
        "only_unpriced": unpriced,
    }
    for name in ("model", "agent"):
        if asked[name] == "":
            raise InvalidInput(f"--{name} is empty; name one, or leave it out")
    screen = desk.screen()
    with desk.open() as book:
        found = book.reprice(**asked, dry_run=True)
        change = _changes(found.total) > 0
        if not desk.as_json and (change or dry_run):
            _show(screen, found)
        if change and not dry_run:
            if not yes:
                # In JSON nothing was shown yet of what would change.
                what = _said(found.total) if desk.as_json else f"{_changes(found.total):,} calls"
                ask(f"Append corrections for {what}?", "reprice", NOTHING)
            found = book.reprice(**asked)
    if desk.as_json:
        screen.json(found)
    elif not found.total.calls:
        narrowed = model or agent or unpriced or (since, until) != ("all", None)
        say(f"there are no calls that could be repriced{' among those that were asked for' if narrowed else ''}")
    elif not change:
        screen.line(_same(found.total))
    else:
        screen.line(("would reprice " if dry_run else "repriced ") + _said(found.total))


def _same(total: RepricedModel) -> str:
    """That nothing changes, and why."""
    priced = total.calls - total.unpriced
    said = [f"{priced:,} calls cost what they did"] if priced else []
    said += [f"{total.unpriced:,} calls have no price in these tables either"] if total.unpriced else []
    return f"nothing changes: {', '.join(said)}"


def _changes(row: RepricedModel) -> int:
    return row.changed + row.newly_priced


def _show(screen: Screen, found: Repricing) -> None:
    """The models for which something changes or is to be known, and their total."""
    told = [row for row in found.rows if _changes(row) or row.kept or row.unpriced]
    if told:
        screen.table(_COLUMNS, [_cells(row) for row in [*told, found.total]])


def _cells(row: RepricedModel) -> list[str]:
    counts = (row.calls, row.changed, row.newly_priced, row.kept, row.unpriced)
    return [
        clean(row.model),
        *(f"{count:,}" for count in counts),
        _money(row.old_cost_usd, row.old_cost_nano_usd),
        _money(row.new_cost_usd, row.new_cost_nano_usd),
        _signed(row.difference_nano_usd),
    ]


def _money(dollars: float | None, nano: int) -> str:
    return NONE if dollars is None else money(nano)


def _signed(nano: int) -> str:
    return ("+" if nano > 0 else "") + money(nano)


def _said(total: RepricedModel) -> str:
    by = f" by {clean(', '.join(total.versions))}" if total.versions else ""
    return f"{_changes(total):,} calls{by}: {_signed(total.difference_nano_usd)}"
