"""`tail`: what happens in a book, as it happens."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rollbook.cli import format as say
from rollbook.cli import views
from rollbook.cli.desk import Desk, command
from rollbook.errors import NotFound
from rollbook.model import Session, to_dict

if TYPE_CHECKING:
    from rollbook.book import Rollbook

_COMPARED: Final = 200  #: sessions that are compared with how they were last shown
_REMEMBERED: Final = 2_000
_STATUS: Final = 9  #: columns


@command
def tail(
    desk: Desk,
    lines: Annotated[
        int, typer.Option("--lines", "-n", metavar="N", min=0, max=_COMPARED, help="Show the last so many first.")
    ] = 10,
) -> None:
    """Follow what happens: a line for each session that changes, as it is now, until Ctrl-C."""
    with desk.look() as book, book.changes() as changes:
        shown = Shown(desk, book)
        with suppress(KeyboardInterrupt):
            shown.begin(lines)
            for change in changes:
                if change.lost:
                    shown.compare()
                else:
                    shown.one(change)


class Shown:
    """What was shown of each session last."""

    def __init__(self, desk: Desk, book: Rollbook) -> None:
        self._desk = desk
        self._book = book
        self._screen = desk.screen()
        self._last: dict[tuple[str, str], tuple[Any, ...]] = {}

    def begin(self, lines: int) -> None:
        """The sessions that were active last, the latest at the end."""
        found = self._book.list(limit=_COMPARED).sessions
        for place, session in reversed(list(enumerate(found))):
            if place < lines:
                self._show(session, ())
            self._remember(session)
        sys.stdout.flush()

    def one(self, change: Any) -> None:
        """A session of which it was told that it changed."""
        if not change.session_id:  # what is a user's own is no session's
            return
        try:
            session = self._book.get(change.session_id, owner=change.user_id)
        except NotFound:
            self._gone(change)
        else:
            self._show(session, sorted(change.kinds))
            self._remember(session)
        sys.stdout.flush()

    def compare(self) -> None:
        """Find out which sessions changed, where that was not told."""
        for session in reversed(self._book.list(limit=_COMPARED).sessions):
            if self._last.get((session.user_id, session.session_id)) != _state(session):
                self._show(session, ())
                self._remember(session)
        sys.stdout.flush()

    def _remember(self, session: Session) -> None:
        name = (session.user_id, session.session_id)
        self._last.pop(name, None)
        self._last[name] = _state(session)
        if len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]

    def _show(self, session: Session, kinds: Sequence[str]) -> None:
        if self._desk.as_json:
            _json(session.user_id, session.session_id, kinds, session)
            return
        status = session.effective_status
        told = [
            say.clean(session.agent),
            say.clean(session.last_model),
            f"{session.calls:,} call{'' if session.calls == 1 else 's'}",
            f"{say.tokens(session.tokens_in)} in, {say.tokens(session.tokens_out)} out",
            say.cost(session),
            say.clean(session.title or session.goal_text),
            f"({', '.join(kinds)})" if kinds else say.NONE,
        ]
        self._line(status, session.session_id, told, views.STATUS_STYLES.get(status, ""))

    def _gone(self, change: Any) -> None:
        if self._desk.as_json:
            _json(change.user_id, change.session_id, sorted(change.kinds), None)
        else:
            self._line("removed", change.session_id, (), "dim")

    def _line(self, status: str, session_id: str, told: Iterable[str], style: str) -> None:
        self._screen.line(
            (time.strftime("%H:%M:%S  "), "dim"), (status.ljust(_STATUS), style), "  ",
            "  ".join([say.clean(session_id), *(one for one in told if one != say.NONE)]),
        )  # fmt: skip


def _state(session: Session) -> tuple[Any, ...]:
    """What a line shows of a session, and when it was last heard of."""
    return (
        session.effective_status, session.attempt, session.last_activity_at, session.calls, session.tokens_in,
        session.tokens_out, session.cost_nano_usd, session.unpriced_calls, session.title,
    )  # fmt: skip


def _json(user_id: str, session_id: str, kinds: Sequence[str], session: Session | None) -> None:
    answer = {"user_id": user_id, "session_id": session_id, "kinds": list(kinds), "session": to_dict(session)}
    sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")
