"""What there is to say of the book as a whole: whether it balances, how it is, by what it prices, what may go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, Final

import msgspec

from rollbook import __version__
from rollbook.errors import InvalidInput
from rollbook.model import Finding, Problem, Pruned
from rollbook.pricing import Prices
from rollbook.server.routing import ADMIN, At, Nothing, Route

_TABLES: Final = "genai-prices"
_NAMED: Final = 1000  #: problems that one answer names

Age = Annotated[str, msgspec.Meta(description="An age such as 36h or 90d.", pattern="^[1-9][0-9]{0,5}[hd]$")]


class Looks:
    """Looks at the whole book, which take long: one is taken at a time, in a thread that reads.

    Whoever asks for one that is under way is given what it finds, so impatience costs the book nothing.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._under_way: dict[str, asyncio.Task[Any]] = {}

    async def of(self, name: str, look: Callable[[], Awaitable[Any]]) -> Any:
        """What a look finds; it goes on where whoever asked goes away."""
        task = self._under_way.get(name)
        if task is None:
            task = asyncio.create_task(self._taken(look))
            self._under_way[name] = task
            task.add_done_callback(lambda done: self._over(name, done))
        return await asyncio.shield(task)

    async def _taken(self, look: Callable[[], Awaitable[Any]]) -> Any:
        async with self._turn:
            return await look()

    def _over(self, name: str, task: asyncio.Task[Any]) -> None:
        del self._under_way[name]
        if not task.cancelled():
            task.exception()  # nobody may be there any more to be told of it


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """Whether every sum is that of the rows under it."""

    ok: bool
    sessions: int
    ledger_rows: int
    problems: list[Problem]  #: the first thousand
    more_problems: int  #: beside those
    began_at: datetime
    seconds: float


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor found, and what to do about it."""

    ok: bool
    findings: list[Finding]


class OwnPrices(msgspec.Struct, frozen=True, kw_only=True):
    """A price file of one's own; it goes before the tables."""

    version: str | None  #: None: it cannot be used
    path: str | None  #: for administrators alone
    problem: str | None


class PricesInForce(msgspec.Struct, frozen=True, kw_only=True):
    """By what calls are priced that name no cost themselves, as ledger rows say it."""

    tables: str
    own: OwnPrices | None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is not to be kept for ever."""

    sessions: Age | None = None
    content: Age | None = None
    ledger: Age | None = None


async def verified(at: At, asked: Nothing) -> Verified:  # noqa: ARG001 - the shape of what answers a route
    """Every sum is computed again from the ledger."""
    return await at.server.looks.of("verify", lambda: _verify(at))  # type: ignore[no-any-return]  # as that gives


async def _verify(at: At) -> Verified:
    began_at, began = datetime.now(UTC), time.monotonic()
    found = await at.book.verify()
    return Verified(
        ok=found.ok, sessions=found.sessions, ledger_rows=found.ledger_rows, problems=found.problems[:_NAMED],
        more_problems=max(0, len(found.problems) - _NAMED), began_at=began_at,
        seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip


async def examined(at: At, asked: Nothing) -> Examined:  # noqa: ARG001
    """File, database, clock, journal, price tables."""
    found: list[Finding] = await at.server.looks.of("doctor", at.book.doctor)
    findings = [Finding(name="rollbook", ok=True, detail=__version__), *found]
    return Examined(ok=all(it.ok for it in findings), findings=findings)


async def prices(at: At, asked: Nothing) -> PricesInForce:  # noqa: ARG001
    """By what calls are priced."""
    in_full = at.principal.unrestricted
    # In a thread: the first to ask makes the file be read, and the package's version looked up.
    return await asyncio.to_thread(_in_force, at.book.prices, in_full=in_full)


def _in_force(known: Prices, *, in_full: bool) -> PricesInForce:
    own = None
    if known.path is not None:
        path = known.path if in_full else None
        try:
            file = known.load()
            own = OwnPrices(version=None if file is None else file.version, path=path, problem=None)
        except InvalidInput as error:
            own = OwnPrices(version=None, path=path, problem=str(error) if in_full else "it cannot be used")
    return PricesInForce(tables=f"{_TABLES}/{version(_TABLES)}", own=own)


async def foreseen(at: At, asked: Rule) -> Pruned:
    """What pruning would remove; nothing is."""
    rule = msgspec.structs.asdict(asked)
    if not any(rule.values()):
        return Pruned(dry_run=True)
    return await at.server.looks.of(f"retention {rule}", lambda: at.book.prune(**rule, dry_run=True))  # type: ignore[no-any-return]


def _route(path: str, answer: Any, gives: Any, does: str, **more: Any) -> Route:
    return Route(method="GET", path=path, answer=answer, gives=gives, does=does, tag="book", **more)


ROUTES: Final = (
    _route("/api/v1/prices", prices, PricesInForce, "By which tables calls are priced."),
    _route("/api/v1/verify", verified, Verified, "Compute every sum again from the ledger.", needs=ADMIN),
    _route("/api/v1/doctor", examined, Examined, "Say what is wrong with the book and what to do about it.",
           needs=ADMIN),
    _route("/api/v1/retention", foreseen, Pruned, "What pruning by a rule would remove; removes nothing.",
           needs=ADMIN, takes=Rule),
)  # fmt: skip
