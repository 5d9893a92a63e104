"""Books with a clock that the test sets, and everything that such a book shows, as plain values to compare."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final
from uuid import UUID

import rollbook
from rollbook.ledger.ops import Call, Facts, Op, Touch
from rollbook.model import MICROS, Evidence, Tokens, to_dict
from rollbook.plans import Plans
from rollbook.settings import LOCAL_USER, Settings

NOW: Final = 1_780_000_000 * MICROS  #: the time at which most tests take place
MINUTE: Final = 60 * MICROS
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
SPEND_BY: Final = ("hour", "day", "model", "agent", "project", "user", "kind")


class Clock:
    """A clock that stands where it is put."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def user(number: int) -> str:
    """A user of the tests."""
    return str(UUID(int=0x5000_8000_0000_0000_1000 + number))


def _in_memory() -> AbstractContextManager[str]:
    return nullcontext("sqlite:///:memory:")


#: Where the next book is opened; the fixture ``engine`` says so.
place: Callable[[], AbstractContextManager[str]] = _in_memory


@contextmanager
def opened(
    clock: Callable[[], int] | None = None, *, all_users: bool = False, **settings: Any
) -> Iterator[rollbook.Rollbook]:
    """An empty book on the engine of the test, with a clock of its own."""
    with place() as url, opened_at(url, clock, all_users=all_users, **settings) as book:
        yield book


def opened_at(
    url: str, clock: Callable[[], int] | None = None, *, all_users: bool = False, **settings: Any
) -> rollbook.Rollbook:
    """The book at a URL, with a clock of its own."""
    plans = Plans(url, user=None, all_users=all_users, settings=Settings(**settings), clock=clock or Clock())
    return rollbook.Rollbook(plans)


def write(book: rollbook.Rollbook, ops: Sequence[Op]) -> list[Any]:
    """Hand operations to the writer in one batch, which is one transaction."""
    return book._plans.write(ops)


def touch(session: str, at: int, owner: str = LOCAL_USER, turns: int | None = None, **facts: Any) -> Touch:
    return Touch(user_id=owner, session_id=session, at=at, turns=turns, facts=Facts(**facts))


def call(session: str, usage_id: str, at: int, tokens_in: int = 100, owner: str = LOCAL_USER, **more: Any) -> Call:
    """A call as the writer takes it: a cost makes it reported, no cost makes it unpriced."""
    tokens = more.pop("tokens", Tokens(input=tokens_in))
    source = "unpriced" if more.get("cost_nano") is None else "reported"
    return Call(
        user_id=owner,
        session_id=session,
        usage_id=usage_id,
        occurred_at=at,
        tokens=tokens,
        **{"cost_source": source, "evidence": Evidence.PUSH, **more},
    )


def sound(book: rollbook.Rollbook) -> None:
    """R16: the books balance."""
    found = book.verify()
    assert found.ok, found.problems[:8]


def _without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in names}


def net_rows(book: rollbook.Rollbook, session_id: str, owner: str) -> list[tuple[Any, ...]]:
    """What the ledger says of a session when rows that say the opposite are struck out, without names and doors."""
    return _net(book.usage(session_id, user_id=owner))


def _net(rows: Iterable[rollbook.Usage]) -> list[tuple[Any, ...]]:
    net: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        sign = -1 if row.entry == "reversal" else 1
        amounts = (row.input, row.cache_read, row.cache_write, row.cache_write_1h, row.output, row.reasoning)
        cost = None if row.cost_nano_usd is None else sign * row.cost_nano_usd
        key = (
            row.occurred_at, row.model, tuple(sign * amount for amount in amounts), cost, row.cost_source, row.billing,
            row.evidence, row.errored, row.late,
        )  # fmt: skip
        net[key] += sign
    assert min(net.values(), default=0) >= 0, net
    return sorted((repr(key), count) for key, count in net.items() if count)


def snapshot(book: rollbook.Rollbook, owner: str = LOCAL_USER) -> dict[str, Any]:
    """Everything that a book shows of one user, but for the user's own id."""
    sessions = list(book.iterate(user_id=owner, order_by="started_at"))
    shown = {item.session_id: _session(item) for item in sessions}
    usage = {item.session_id: net_rows(book, item.session_id, owner) for item in sessions}
    return {"sessions": shown, "usage": usage, **_figures(book, owner)}


def snapshots(book: rollbook.Rollbook, owners: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The snapshots of many users of a book in which nothing was deleted, whose rows are read all at once."""
    shown: dict[str, dict[str, Any]] = defaultdict(dict)
    for item in book.iterate(order_by="started_at"):
        shown[item.user_id][item.session_id] = _session(item)
    rows: dict[tuple[str, str], list[rollbook.Usage]] = defaultdict(list)
    for row in book.iterate_usage():
        rows[row.user_id, row.session_id].append(row)
    for owner in owners:
        sessions = shown.pop(owner)
        usage = {name: _net(rows.pop((owner, name), ())) for name in sessions}
        yield owner, {"sessions": sessions, "usage": usage, **_figures(book, owner)}
    assert not shown, "sessions of somebody else"
    assert not rows, "calls of no session"


def _session(item: rollbook.Session) -> dict[str, Any]:
    return _without(to_dict(item), "user_id", "parent_user_id")


def _figures(book: rollbook.Rollbook, owner: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for since in ("all", "2h"):
        figures[f"stats {since}"] = to_dict(book.stats(since=since, user_id=owner))
        figures[f"models {since}"] = to_dict(book.cost_by_model(since=since, user_id=owner))
    for by in SPEND_BY:
        spend = to_dict(book.spend(by=by, since="all", user_id=owner))
        rows = [_without(row, "key") if by == "user" else row for row in spend["rows"]]
        figures[f"spend {by}"] = (rows, spend["total"])
    return figures


_TABLES: Final = (
    "every_session", "every_ledger_row", "every_model_row", "every_spend", "every_activity", "every_activity_model",
)  # fmt: skip


def everything(book: rollbook.Rollbook, *owners: str) -> dict[str, Any]:
    """Every row of the book, and what it shows of some users: what a refused write must leave as it was."""
    with book._plans.store.read() as tx:
        tables = {name: sorted(tx.each(name), key=repr) for name in _TABLES}
    return tables | {owner: snapshot(book, owner) for owner in (LOCAL_USER, *owners)}
