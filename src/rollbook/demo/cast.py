"""Who appears in the made-up fleet: people, the models that they use, and where they work. All of them are invented."""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID, uuid5

from rollbook.rules import checks
from rollbook.settings import LOCAL_USER, USER_NAMESPACE


class Person(NamedTuple):
    """Somebody who has sessions."""

    user_id: str
    name: str | None  #: none of the local user
    ahead_h: int = 0  #: hours ahead of UTC at which this one gets up


class Model(NamedTuple):
    """A model and how it tends to be used."""

    name: str
    provider: str | None
    window: int  #: tokens that it is given at most
    talks: int  #: tokens that it says in a call, in the middle
    thinks: float  #: reasoning as a share of that
    seconds: float  #: that a call takes, in the middle


def person(name: str, ahead_h: int = 0) -> Person:
    """Somebody by name."""
    return Person(checks.user(name)[0], name, ahead_h)


def dataset(name: str) -> str:
    """A dataset's id."""
    return str(uuid5(UUID(USER_NAMESPACE), f"demo dataset {name}"))


LOCAL: Final = Person(LOCAL_USER, None, 1)
DEVELOPERS: Final = (LOCAL, person("ann", 1), person("ben"), person("chika", 9), person("dora", 1), person("emil", -5))
SUPPORT: Final = person("support-desk")
NIGHT: Final = person("night-shift")
EVERYBODY: Final = (*DEVELOPERS, SUPPORT, NIGHT)

OPUS: Final = Model("claude-opus-4-5-20251101", "anthropic", 190_000, 520, 0.0, 9.0)
SONNET: Final = Model("claude-sonnet-4-5-20250929", "anthropic", 190_000, 420, 0.0, 6.0)
HAIKU: Final = Model("claude-haiku-4-5-20251001", "anthropic", 120_000, 260, 0.0, 2.5)
CODEX: Final = Model("gpt-5.3-codex", "openai", 250_000, 380, 0.7, 8.0)
MINI: Final = Model("gpt-5.4-mini", "openai", 120_000, 240, 0.3, 3.0)
PRO: Final = Model("gemini-2.5-pro", "google", 400_000, 450, 0.5, 10.0)
FLASH: Final = Model("gemini-2.5-flash", "google", 200_000, 250, 0.2, 2.5)
HOUSE: Final = Model("house-llm-70b", None, 32_000, 220, 0.0, 4.0)  #: on machines of one's own: nobody has a price

TICKETS: Final = dataset("support tickets")
REPORTS: Final = dataset("nightly reports")
