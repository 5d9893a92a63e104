"""Puts the made-up fleet into a book of its own."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from rollbook.book import Rollbook
from rollbook.demo.fleet import fleet
from rollbook.demo.script import Item, Script, Stage
from rollbook.errors import InvalidInput, RollbookError
from rollbook.model import to_micros
from rollbook.plans import Plans
from rollbook.rules import checks
from rollbook.rules.redaction import Redactor
from rollbook.settings import load

SEED: Final = 7
SESSIONS: Final = 600
_BATCH: Final = 4_000  #: operations in one transaction
_REMEMBERED: Final = 24  #: support talks that keep some state


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What was put into a book."""

    sessions: int
    calls: int
    entries: int
    now: datetime


def opened(url: str, now: datetime) -> Rollbook:
    """A book whose clock stands at a time, so that all that is made in it depends on nothing else."""
    moment = to_micros(now)
    settings = load()._replace(journal=None)  # what is made up is not put where others keep what they said
    redactor = Redactor() if settings.redact else None
    return Rollbook(
        Plans(url, user=None, all_users=True, settings=settings, redactor=redactor, clock=lambda: moment)
    )  # fmt: skip


def is_made_up(book: Rollbook) -> bool:
    """Whether a book holds nothing but what was made up, or nothing at all."""
    return all("made_up" in one.metadata for one in book.iterate())


def fill(book: Rollbook, now: datetime, *, seed: int = SEED, sessions: int = SESSIONS, large: bool = False) -> Made:
    """Put the fleet into an empty book. Raises InvalidInput for fewer sessions than one."""
    if checks.count(sessions, "sessions", checks.MAX_COUNT) < 1:
        raise InvalidInput("a fleet has at least one session")
    stage = Stage(to_micros(now), book.prices)
    remembered: list[Script] = []
    entries = 0
    waiting: list[Item] = []
    for script in fleet(stage, seed=seed, sessions=sessions, large=large):
        waiting += script.ops()
        entries += script.entries
        if script.facts.agent == "support-bot" and script.ended and len(remembered) < _REMEMBERED:
            remembered.append(script)
        if len(waiting) >= _BATCH:
            _hand_over(book, waiting)
            waiting = []
    _hand_over(book, waiting)
    _remember(book, remembered, seed)
    stats = book.stats(since=None)
    return Made(sessions=stats.sessions, calls=stats.calls, entries=entries, now=now)


def _hand_over(book: Rollbook, items: Iterable[Item]) -> None:
    for answer in book.ingest(list(items)):
        if isinstance(answer, RollbookError):
            raise answer


def _remember(book: Rollbook, scripts: list[Script], seed: int) -> None:
    """State and graph knowledge, which no door hands over."""
    chance = random.Random(f"{seed}/state")  # noqa: S311 - see rollbook.demo.fleet
    for script in scripts:
        name, owner = script.session_id, script.who.user_id
        values = {"language": chance.choice(("en", "de", "fr")), "customer": {"since": chance.randrange(2015, 2025)}}
        book.set_state(name, values=values, user_id=owner)
        tag = (script.facts.tags or ("order",))[-1]
        book.set_graph_context(name, f"({tag}) -concerns-> (order) -made by-> (customer)", user_id=owner)
