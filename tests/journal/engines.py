"""Books of tests on each engine that keeps journals in its own database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any, Final

import pytest

import rollbook
from laws.tools import Clock, opened
from rollbook.plans import Plans
from rollbook.settings import Settings

ENGINES: Final = ["sqlite", "postgres"]
Opened = Callable[..., AbstractContextManager[rollbook.Rollbook]]


@contextmanager
def opened_on(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """What opens new books on the engine that a fixture is asked for, as ``laws.tools.opened`` does in memory."""
    if request.param == "sqlite":
        yield opened
        return
    server = request.getfixturevalue("postgres_server")
    url = server.new_database()
    numbers = count()
    yield lambda *args, **more: on_server(f"{url}?schema=book{next(numbers)}", *args, **more)
    server.drop_database(url)


@contextmanager
def on_server(
    url: str, clock: Callable[[], int] | None = None, *, all_users: bool = False, **settings: Any
) -> Iterator[rollbook.Rollbook]:
    """A book on a server, with a clock of its own."""
    plans = Plans(url, user=None, all_users=all_users, settings=Settings(**settings), clock=clock or Clock())
    with rollbook.Rollbook(plans) as book:
        yield book
