"""`verify`, `doctor` and `reconcile`: whether the books balance, the database is sound, and processes are alive."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rollbook.cli.desk import FAILED, Desk, command
from rollbook.cli.format import clean
from rollbook.cli.screen import say
from rollbook.cli.table import Column

if TYPE_CHECKING:
    from rollbook.model import Finding

_PROBLEMS: Final = (
    Column(title="WHAT"),
    Column(title="WHERE", least=12),
    Column(title="FIELD"),
    Column(title="STORED", right=True, style="red"),
    Column(title="EXPECTED", right=True, style="green"),
)
_CRASHED: Final = (Column(title="ID", least=13), Column(title="REASON", least=20))
_USER: Final = Column(title="USER", least=8)
_STUCK_S: Final = 3_600  #: after which events of hooks are stuck
_DELIVER: Final = "the next hook takes what waits to the book, and 'rollbook push' to a server"


@command
def verify(desk: Desk) -> None:
    """Compute every sum again from the ledger; exits with 1 if one differs."""
    with desk.look() as book:
        found = book.verify()
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
    elif found.ok:
        screen.line(("the books balance", "green"), f": {found.sessions:,} sessions, {found.ledger_rows:,} ledger rows")
    else:
        rows = [[clean(str(getattr(row, name))) for name in row.__struct_fields__] for row in found.problems]
        screen.table(_PROBLEMS, rows)
    if differing := sum(problem.what != "copy" for problem in found.problems):
        say(f"{differing} sums differ from the rows under them")
    if not found.ok:
        raise typer.Exit(FAILED)


@command
def doctor(desk: Desk) -> None:
    """Say what is wrong with the book and what to do about it; exits with 1 if anything is. Changes nothing."""
    from rollbook import __version__  # noqa: PLC0415
    from rollbook.model import Finding  # noqa: PLC0415

    found = [Finding(name="rollbook", ok=True, detail=__version__), *desk.examine(), *_hooks()]
    well = all(it.ok for it in found)
    screen = desk.screen()
    if desk.as_json:
        screen.json({"ok": well, "findings": found})
    else:
        # Not a table: what to do about it must not be cut off.
        screen.pairs([(it.name, f"{'ok' if it.ok else 'wrong'}: {clean(it.detail)}") for it in found])
    if not well:
        say("something is wrong with this book")
        raise typer.Exit(FAILED)


def _hooks() -> list[Finding]:
    """Whether events of hooks are stuck in this machine's spool, or were dropped; nothing where there are no hooks."""
    from rollbook.hooks import spool  # noqa: PLC0415
    from rollbook.model import Finding  # noqa: PLC0415

    place = spool.folder()
    try:
        found = spool.state(place)
    except OSError as error:
        return [Finding(name="hooks", ok=False, detail=f"the spool {place} cannot be read: {error.strerror}")]
    if found.dropped:
        detail = f"{found.dropped:,} events were dropped, as more than {spool.EVENTS_MOST:,} waited in {place}"
        return [Finding(name="hooks", ok=False, detail=f"{detail}; {_DELIVER}")]
    if found.oldest is not None:
        waits = f"{found.waiting:,} events wait in {place}, the first for {max(0, time.time() - found.oldest):.0f} s"
        stuck = time.time() - found.oldest > _STUCK_S
        return [Finding(name="hooks", ok=not stuck, detail=f"{waits}; {_DELIVER}" if stuck else waits)]
    return [Finding(name="hooks", ok=True, detail="no event waits")] if os.path.isdir(place) else []  # noqa: PTH112


@command
def reconcile(
    desk: Desk,
    at_once: Annotated[
        bool, typer.Option("--now", help="Go by the clock, without listening for beats of processes elsewhere.")
    ] = False,
) -> None:
    """Presume crashed what dead processes ran, of whoever it was: gone from this machine, or silent for too long."""
    with desk.open() as book:
        found = book.reconcile(wait=not at_once, listening=_listening)
    screen = desk.screen()
    if desk.as_json:
        screen.json(found)
        return
    if found.sessions:
        columns = (*_CRASHED, _USER) if desk.all_users else _CRASHED
        rows = [[clean(it.session_id), clean(it.reason), it.user_id][: len(columns)] for it in found.sessions]
        screen.table(columns, rows)
    others = f", and {found.hidden:,} of other users" if found.hidden else ""
    said = f"{found.looked_at:,} processes looked at, {len(found.instances):,} dead"
    say(f"{said}: {len(found.sessions):,} sessions presumed crashed{others}")
    if found.undecided:
        say(f"of {found.undecided:,} processes this machine cannot tell")


def _listening(processes: int, seconds: float) -> None:
    say(f"{processes:,} processes elsewhere are silent; listening for {seconds:.0f} s (--now does without)")
