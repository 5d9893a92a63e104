"""R6, R7: what a query finds is what one would pick out of all sessions by hand, page by page, whoever asks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import InvalidInput
from rollbook.ledger import lists
from rollbook.ledger.lists import SORTS
from rollbook.ledger.ops import End, Op, Reopen
from rollbook.model import MICROS, Session, Tokens, to_micros
from rollbook.principals import READER, Principal
from rollbook.rules import checks
from rollbook.rules.query import Term, parse
from rollbook.rules.query_values import Ago, Moment, Pattern

from .tools import HOUR, MINUTE, NOW, Clock, call, opened, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

DAY: Final = 24 * HOUR
DATASETS: Final = [f"00000000-0000-0000-0000-0000000000d{number}" for number in range(3)]
NAMES: Final = ["ann", "ben@example.org", "Chika"]
USERS: Final = [checks.user(name)[0] for name in NAMES] + [user(7)]
MODELS: Final = [None, "claude-opus-4-5", "claude-sonnet-4-5", "gpt-5", "ä%_model"]
AGENTS: Final = [None, "claude-code", "codex", "Code_x", "none"]
PROJECTS: Final = [None, "/srv/shop", "/srv/shop api", "/home/x%"]
TAGS: Final = [None, ("bug",), ("bug", "a,b"), ('q"uote', "Bug-2", "back\\slash")]
TITLES: Final = [None, "100% of IT", "a_b", "Fix the cart", 'say "so"']


def _history(chance: random.Random, number: int, count: int) -> list[Op]:
    owner, ops = USERS[number], []
    name = NAMES[number] if number < len(NAMES) else None
    for each in range(count):
        session = f"u{number}-{each:02d}"
        last = NOW - chance.choice([0, MINUTE, 1799 * MICROS, 1801 * MICROS, 5 * HOUR, 2 * DAY, 2 * DAY + 1, 9 * DAY])
        begin = last - chance.choice([0, 20 * MINUTE, 3 * HOUR])
        parent = chance.choice([None, None, (owner, f"u{number}-{chance.randrange(count):02d}")])
        if parent is not None and parent[1] >= session:
            parent = None
        said = touch(
            session, begin, owner, agent=chance.choice(AGENTS), kind=chance.choice([None, "autonomous", "acp"]),
            channel=chance.choice([None, "cli", "web"]), project=chance.choice(PROJECTS), title=chance.choice(TITLES),
            dataset_id=chance.choice([None, *DATASETS]), tags=chance.choice(TAGS),
            goal_text=chance.choice([None, "Win the cup"]), parent_id=parent and parent[1],
            parent_user_id=parent and parent[0], turns=chance.choice([None, 2]),
        )  # fmt: skip
        ops += [_named(said, name), touch(session, last, owner, turns=chance.choice([None, 5]))]
        for index in range(chance.randrange(4)):
            cost = chance.choice([None, 0, 5, 2_000_000_000, 7_000_000_000])
            ops.append(
                call(session, f"{session} {index}", chance.choice([begin, last]), 0, owner,
                     tokens=Tokens(input=chance.choice([0, 300, 2_000]), output=chance.choice([0, 40])),
                     cost_nano=cost, model=chance.choice(MODELS), errored=chance.random() < 0.3)
            )  # fmt: skip
        status = chance.choice([None, None, "completed", "failed", "cancelled"])
        if status:
            ops.append(End(user_id=owner, session_id=session, status=status, at=last))
            if chance.random() < 0.2:
                ops.append(call(session, f"{session} late", last + MINUTE, 50, owner, cost_nano=1))
            if chance.random() < 0.2:
                ops.append(Reopen(user_id=owner, session_id=session, at=last + 2 * MINUTE))
    return ops


def _named(op: Any, name: str | None) -> Any:
    return type(op)(**{field: getattr(op, field) for field in op.__struct_fields__} | {"user_name": name})


@pytest.fixture(scope="module")
def book(engine: str) -> Iterator[rollbook.Rollbook]:
    with opened(Clock(NOW), all_users=True) as one:
        chance = random.Random(11)
        for number in range(len(USERS)):
            write(one, _history(chance, number, 40))
        for number in (3, 9):
            one.mark_unknown(f"u1-{number:02d}", user_id=USERS[1])
            one.delete(f"u0-{number:02d}", user_id=USERS[0])
        yield one


# The same by hand


class Hand:
    """Whether a session fits, by what it shows and by its ledger rows."""

    def __init__(self, book: rollbook.Rollbook) -> None:
        self.models: dict[tuple[str, str], set[str]] = {}
        self.names = dict(zip(USERS, [*NAMES, None], strict=True))
        for one in book.iterate():
            rows = book.usage(one.session_id, user_id=one.user_id)
            self.models[one.user_id, one.session_id] = {row.model or "unknown" for row in rows if not row.late}

    def fits(self, one: Session, text: str) -> bool:
        return all(self._holds(one, term) != term.negated for term in parse(text).terms)

    def _holds(self, one: Session, term: Term) -> bool:
        if isinstance(term.value, tuple):
            return any(self._named(one, term.field, pattern) for pattern in term.value)
        if isinstance(term.value, bool):
            return (one.unpriced_calls > 0) == term.value
        shown = _AMOUNTS[term.field](one)
        if shown is None:
            return False
        if isinstance(term.value, int):
            return _COMPARE[term.sign](shown, term.value, term.value + 1)
        start, until = (
            (term.value.start, term.value.until)
            if isinstance(term.value, Moment)
            else (NOW - term.value.micros, NOW - term.value.micros + 1)
        )
        assert isinstance(term.value, Ago | Moment)
        return _COMPARE[term.sign](shown, start, until)

    def _named(self, one: Session, field: str, pattern: Pattern) -> bool:
        if field == "text":
            word = pattern.parts[0].lower()
            return any(word in (text or "").lower() for text in (one.session_id, one.title, one.goal_text))
        if field == "tag":
            return any(pattern.fits(tag) for tag in one.tags) if pattern.parts else not one.tags
        if field == "model":
            names = self.models[one.user_id, one.session_id]
            if pattern.exact is None:
                names = names | {name.removeprefix("claude-") for name in names}
            return any(pattern.fits(name) for name in names)
        if field == "user":
            exact = pattern.exact and checks.user(pattern.exact)[0]
            return pattern.fits(one.user_id) or pattern.fits(self.names[one.user_id]) or exact == one.user_id
        return pattern.fits(_NAMES[field](one))


_COMPARE: Final[dict[str, Callable[[int, int, int], bool]]] = {
    ":": lambda shown, start, until: start <= shown < until,
    ">": lambda shown, _, until: shown >= until,
    ">=": lambda shown, start, _: shown >= start,
    "<": lambda shown, start, _: shown < start,
    "<=": lambda shown, _, until: shown < until,
}
_AMOUNTS: Final[dict[str, Callable[[Session], int | None]]] = {
    "cost": lambda one: None if one.cost_usd is None else one.cost_nano_usd,
    "tokens_in": lambda one: one.tokens_in,
    "tokens_out": lambda one: one.tokens_out,
    "calls": lambda one: one.calls,
    "errors": lambda one: one.error_count,
    "turns": lambda one: one.turns,
    "late": lambda one: one.late_calls,
    "attempt": lambda one: one.attempt,
    "duration": lambda one: round(one.agent_time_s * MICROS),
    "started": lambda one: to_micros(one.started_at),
    "active": lambda one: to_micros(one.last_activity_at),
    "ended": lambda one: None if one.ended_at is None else to_micros(one.ended_at),
}
_NAMES: Final[dict[str, Callable[[Session], str | None]]] = {
    "status": lambda one: one.effective_status,
    "kind": lambda one: one.kind,
    "channel": lambda one: one.channel,
    "agent": lambda one: one.agent,
    "project": lambda one: one.project,
    "dataset": lambda one: one.dataset_id,
    "id": lambda one: one.session_id,
    "title": lambda one: one.title,
    "parent": lambda one: one.parent_id,
}

TERMS_READ: Final = rf"""
status:running
status:abandoned
status:failed
status:completed,abandoned
status:unknown,running
kind:acp
kind:interactive,autonomous
channel:web
channel:none
channel:cli,none
agent:codex
agent:*code*
agent:C*
agent:none
agent:"none"
agent:none,codex
agent:*_*
model:claude-opus-4-5
model:claude-*
model:opus*
model:opus-4-5
model:unknown
model:*4*5
model:ä*
model:gpt-5,unknown
model:no
user:ann
user:Ann
user:a*
user:ben@EXAMPLE.org
user:{USERS[1]}
user:chika,ann
user:*
user:nobody
project:/srv/*
project:"/srv/shop api"
project:none
project:*%
dataset:{DATASETS[1]}
dataset:none
dataset:*d0,*d2
tag:bug
tag:BUG*
tag:"a,b"
tag:"back\\slash"
tag:none
tag:no,none
id:u1-07
id:u*-1*
title:none
title:fix*
title:*_*
parent:none
parent:*
parent:u2-*
parent:u1-00,u1-02,u1-05,u1-11,u1-20
cost>5
cost:0
cost<=2
cost>=7
cost<100
tokens_in>1000
tokens_in:0
tokens_out<1
calls:0
calls>=2
errors>0
turns:5
turns<3
late>0
attempt>1
duration>20m
unpriced:yes
unpriced:no
active>=2d
active<2d
active>1h
since:2d
started>5h
started<=2d
ended>2d
ended<1h
ended<=2026-05-28
ended:2026-05-28
started:2026-05-28
started>2026-05-26
started<2026-05-26
active<=2026-05-26
"cart"
"0%"
"a_b"
"say \"so\""
WIN
"u1-0"
tag:*"\""*
title:*"%"*
id:U*-0*
""".split("\n")[1:-1]


@pytest.fixture(scope="module")
def hand(book: rollbook.Rollbook) -> Hand:
    return Hand(book)


def _pages(asking: rollbook.Rollbook, limit: int, **asked: Any) -> tuple[list[tuple[str, str]], Any]:
    found: list[tuple[str, str]] = []
    first = page = asking.list(limit=limit, **asked)
    while True:
        found += [(one.user_id, one.session_id) for one in page.sessions]
        if page.next_cursor is None:
            return found, first
        page = asking.list(limit=limit, cursor=page.next_cursor, **asked)


def _keys(sessions: list[Session]) -> list[tuple[str, str]]:
    return sorted((one.user_id, one.session_id) for one in sessions)


@pytest.fixture(params=["by activity", "side by side"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """In a large book what is rare, or in another order, is looked for in the order in which sessions lie."""
    if request.param == "side by side":
        monkeypatch.setattr(lists, "_MANY", -1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("text", TERMS_READ)
def test_r7_every_term_and_its_contrary(book: rollbook.Rollbook, hand: Hand, text: str) -> None:
    everything = list(book.iterate())
    fitting = [one for one in everything if hand.fits(one, text)]
    found, page = _pages(book, 500, query=text)
    assert sorted(found) == _keys(fitting)
    assert (page.total, page.total_exact) == (len(fitting), True)
    contrary, page = _pages(book, 500, query=f"-{text}")
    assert sorted(contrary) == _keys([one for one in everything if one not in fitting])
    assert page.total == len(everything) - len(fitting)


def test_the_terms_tell_sessions_apart(book: rollbook.Rollbook, hand: Hand) -> None:
    everything = list(book.iterate())
    idle = [text for text in TERMS_READ if len({hand.fits(one, text) for one in everything}) == 1]
    assert set(idle) <= {"model:no", "model:opus-4-5", "user:*", "user:nobody", "user:Ann", "cost<100", "attempt>1"}, (
        idle
    )


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", range(3))
def test_r7_queries_put_together_by_chance(book: rollbook.Rollbook, hand: Hand, seed: int) -> None:
    chance = random.Random(seed)
    everything = list(book.iterate())
    for _ in range(12):
        terms = [chance.choice(["", "", "-"]) + term for term in chance.sample(TERMS_READ, chance.choice([2, 2, 3, 5]))]
        text = " ".join(terms)
        asked: dict[str, Any] = {"order_by": chance.choice(SORTS), "ascending": chance.random() < 0.5}
        extra = chance.choice(
            [{}, {}, {"status": "abandoned"}, {"user_id": USERS[1]}, {"agent": "codex"}, {"tag": "bug"}]
        )
        whole = [one for one in everything if hand.fits(one, text) and _fits_too(one, extra)]
        found, page = _pages(book, chance.choice([1, 7, 500]), query=text, **asked, **extra)
        assert sorted(found) == _keys(whole), text
        assert page.total == len(whole), text
        in_order = [one for one in _pages(book, 500, **asked)[0] if one in set(found)]
        assert found == in_order, text


def _fits_too(one: Session, extra: dict[str, Any]) -> bool:
    return (
        extra.get("status") in (None, one.effective_status) and extra.get("user_id") in (None, one.user_id)
        and extra.get("agent") in (None, one.agent) and ("tag" not in extra or extra["tag"] in one.tags)
    )  # fmt: skip


PRINCIPALS: Final = (
    Principal(user_id=USERS[0]),
    Principal(user_id=USERS[0], role=READER, reads=frozenset({DATASETS[1]})),
    Principal(user_id=user(99), role=READER, reads=frozenset(DATASETS[:2])),
    Principal(user_id=USERS[0], role=READER, children=frozenset({USERS[2]})),
    Principal(user_id=user(99), role=READER),
)


@pytest.mark.parametrize("who", PRINCIPALS, ids=range(len(PRINCIPALS)))
def test_r6_a_query_finds_only_what_may_be_seen(
    book: rollbook.Rollbook, hand: Hand, who: Principal, engine: str
) -> None:
    asking = book.acting(who)
    visible = list(asking.iterate())
    assert len(visible) < len(list(book.iterate()))
    for text in TERMS_READ if engine == "sqlite" else [*TERMS_READ[::4], "parent:*", "parent:none"]:
        for query in (text, f"-{text}"):
            # By what is shown: a parent that may not be seen is none.
            fitting = [one for one in visible if hand.fits(one, query)]
            found, page = _pages(asking, 500, query=query)
            assert (sorted(found), page.total) == (_keys(fitting), len(fitting)), query


@pytest.mark.parametrize("most", [3, 40])
def test_r7_what_is_not_rare_is_found_in_its_order(
    book: rollbook.Rollbook, hand: Hand, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(lists, "_MANY", -1)
    monkeypatch.setattr(lists, "COUNTED_MOST", most)
    for text in ("tag:bug", "status:failed,abandoned calls>0", "-status:completed model:claude-*", "id:u1-07"):
        whole = [one for one in book.iterate() if hand.fits(one, text)]
        for order in SORTS:
            found, page = _pages(book, 4, query=text, order_by=order)
            assert sorted(found) == _keys(whole)
            assert (page.total, page.total_exact) == (min(most, len(whole)), len(whole) <= most)


def test_r7_a_cursor_belongs_to_its_query(book: rollbook.Rollbook) -> None:
    page = book.list(query="tag:bug", limit=2)
    assert book.list(query=" tag:bug ", limit=2, cursor=page.next_cursor).sessions
    with pytest.raises(InvalidInput, match="other filters"):
        book.list(query="tag:bug*", limit=2, cursor=page.next_cursor)


def test_r7_a_relative_time_in_a_query_stays_where_the_first_page_put_it() -> None:
    clock = Clock(NOW)
    with opened(clock) as book:
        for number in range(4):
            write(book, [touch(f"s{number}", NOW - HOUR + number)])
        for query in ("since:1h", "started>=1h", "-started<1h"):
            clock.now = NOW
            page = book.list(query=query, limit=2)
            clock.now += 10 * MINUTE
            rest = book.list(query=query, limit=2, cursor=page.next_cursor)
            assert [one.session_id for one in [*page.sessions, *rest.sessions]] == ["s3", "s2", "s1", "s0"]


def test_r7_what_a_list_has_sums_for_is_counted_by_them(book: rollbook.Rollbook) -> None:
    for text in (
        "user:ann status:failed",
        "status:failed,running since:2d",
        "-status:completed",
        "user:ann agent:codex",
    ):
        page = book.list(query=text, limit=1)
        assert page.total_exact
    assert book.list(query="", limit=1).total == book.list(limit=1).total


def test_an_export_asks_the_same(book: rollbook.Rollbook, hand: Hand) -> None:
    for text in (
        "status:failed,abandoned",
        "-status:running cost>1",
        "user:a* model:claude-*",
        "started>2d",
        "tag:none",
    ):
        expected = [one for one in book.iterate() if hand.fits(one, text)]
        rows, after = [], None
        while True:
            step = book.extract(what="sessions", query=text, after=after, limit=20)
            rows += step.rows
            if (after := step.after) is None:
                break
        names = Session.__struct_fields__
        found = [(row[names.index("user_id")], row[names.index("session_id")]) for row in rows]
        assert sorted(found) == _keys(expected), text
