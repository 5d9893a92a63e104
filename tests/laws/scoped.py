"""Random books of several users, and what a principal would see if every row were looked at one by one (R6)."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

import rollbook
from rollbook.errors import InvalidInput
from rollbook.ledger.ops import End
from rollbook.model import NANO, QUARTER_US, Session, cost_usd, from_micros, to_micros
from rollbook.principals import ADMIN, OWNER, READER, WRITER, Principal
from rollbook.rules import life

from .tools import DAY, HOUR, MINUTE, NOW, call, touch, user, write

USERS: Final = [user(number) for number in range(5)]
STRANGER: Final = user(99)
CHILDREN: Final = {USERS[1]: USERS[0], USERS[2]: USERS[0]}
DATASETS: Final = [user(1000 + number) for number in range(3)]
IDS: Final = [f"s{number}" for number in range(8)]
WORDS: Final = ["apple", "pear", "plum"]
Key = tuple[str, str]
Sums = tuple[int, ...]


def fill(book: rollbook.Rollbook, chance: random.Random) -> None:
    """Sessions of several users with the same ids, in datasets or none, below each other, ended and deleted."""
    for child, above in CHILDREN.items():
        book.set_parent(child, above)
    keys = chance.sample([(owner, name) for owner in USERS for name in IDS], 32)
    for number, (owner, name) in enumerate(keys):
        at = NOW - chance.choice([0, 10 * MINUTE, 50 * MINUTE, HOUR, 5 * HOUR, 2 * DAY, 40 * DAY]) - number
        facts: dict[str, Any] = {
            "dataset_id": chance.choice([None, *DATASETS]),
            "agent": chance.choice([None, "a", "b"]),
            "kind": chance.choice([None, "acp"]),
            "project": chance.choice([None, "p"]),
            "channel": chance.choice([None, "cli"]),
            "title": f"{chance.choice(WORDS)} of {owner} {name}",
            "tags": chance.choice([(), ("t",)]),
        }
        parent = chance.choice(keys) if chance.random() < 0.7 else None
        calls = [
            call(
                name, f"u {owner} {name} {each}", at + chance.randrange(-2 * HOUR, 2 * HOUR), owner=owner,
                tokens_in=chance.randrange(100), model=chance.choice([None, "m1", "m2"]),
                cost_nano=chance.choice([None, 0, chance.randrange(1000)]),
            )
            for each in range(chance.randrange(4))
        ]  # fmt: skip
        write(book, [touch(name, at, owner, **facts), *calls])
        if parent is not None:  # refused where it may not be, or would be a cycle
            said = touch(name, at, owner, parent_id=parent[1], parent_user_id=parent[0])
            refused = write(book, [said])[0]
            assert refused is None or isinstance(refused, InvalidInput)
        if chance.random() < 0.5:
            status = chance.choice(["completed", "failed", "cancelled"])
            write(book, [End(user_id=owner, session_id=name, at=at + MINUTE, status=status)])
        for word in chance.sample(WORDS, 2):
            book.add_qa(name, question=f"{word} {owner} {name}", answer="yes", user_id=owner)
    for owner, name in chance.sample(keys, 5):
        book.delete(name, user_id=owner)
    book.set_state(None, values={"k": "mine"}, user_id=USERS[0])


def principals(chance: random.Random) -> list[Principal]:
    """Everybody who may ask, and some whom chance brings together."""
    found = [
        Principal(user_id=USERS[0], role=OWNER, everybody=True),
        Principal(user_id=USERS[0], role=OWNER),
        Principal(user_id=STRANGER, role=ADMIN, everybody=True),
        Principal(user_id=STRANGER, role=READER),
        Principal(user_id=STRANGER, role=READER, reads=frozenset(DATASETS)),
        Principal(user_id=USERS[0], role=WRITER, children=frozenset(CHILDREN)),
    ]
    for _ in range(3):
        datasets = chance.sample(DATASETS, 2)
        found.append(
            Principal(
                user_id=chance.choice(USERS),
                role=chance.choice([READER, WRITER]),
                children=frozenset(chance.sample(USERS, chance.randrange(2))),
                reads=frozenset(datasets[:1]),
                writes=frozenset(datasets[chance.randrange(1, 3) :]),
            )
        )
    return found


class Row(msgspec.Struct, frozen=True):
    """A session as it is stored, deleted or not."""

    place: tuple[int, int]
    key: Key
    dataset_id: str | None
    deleted: bool
    slice: tuple[Any, ...]


class Truth:
    """Every row of a book."""

    def __init__(self, book: rollbook.Rollbook) -> None:
        self.book = book  # as one sees it who sees everything
        self.sessions = {(one.user_id, one.session_id): one for one in book.iterate()}
        with book._plans.store.read() as tx:
            users = {row[0]: row[1] for row in tx.rows("users")}
            models = {0: "unknown"}
            self.ledger = tx.rows("every_ledger_row")
            self.model_rows = tx.rows("every_model_row")
            for number in {row[4] for row in self.ledger} - {0}:
                models[number] = tx.rows("model_name", model_no=number)[0][0]
            self.models = models
            self.rows = []
            for row in tx.rows("every_session"):
                facts = tx.rows("slice_facts", slice_no=row[4])[0][:6]
                deleted = row[3] == life.DELETED
                self.rows.append(Row((row[0], row[1]), (users[row[0]], row[2]), facts[1] or None, deleted, facts))
        self._lists: dict[str, list[Session]] = {}
        self._told: dict[tuple[str, ...], Any] = {}
        self.by_place = {row.place: row for row in self.rows}
        self.by_key = {row.key: row for row in self.rows}

    def listed(self, **asked: Any) -> list[Session]:
        """Everybody's sessions that fit, in order."""
        name = repr(asked)
        if name not in self._lists:
            self._lists[name] = list(self.book.iterate(**asked))
        return self._lists[name]

    def told(self, what: str, *asked: str) -> Any:
        """What a reading method answers, of a session of a user or of a text."""
        if (what, *asked) not in self._told:
            more: dict[str, Any] = {"limit": 100} if what == "search" else {"user_id": asked[1]}
            self._told[what, *asked] = getattr(self.book, what)(asked[0], **more)
        return self._told[what, *asked]


class Eyes:
    """What a principal sees of the truth, of one user or of all."""

    def __init__(self, truth: Truth, principal: Principal, named: str | None = None) -> None:
        self.truth, self.principal, self.named = truth, principal, named
        self._all: list[Session] | None = None

    def has(self, row: Row) -> bool:
        """Whether a session is to be seen, by whose it is and by its dataset."""
        who, owner = self.principal, row.key[0]
        if self.named is not None and owner != self.named:
            return False
        if who.unrestricted:
            return who.everybody or self.named is not None or owner == who.user_id
        return owner in who.users or row.dataset_id in who.datasets

    def session(self, one: Session) -> Session:
        """A session with its parent, if that is to be seen as well."""
        whole = Eyes(self.truth, self.principal)
        if one.parent_id is None or self.principal.unrestricted or one.parent_user_id in self.principal.users:
            return one
        above = self.truth.by_key.get((one.parent_user_id or "", one.parent_id))
        if above is not None and whole.has(above):
            return one
        return msgspec.structs.replace(one, parent_id=None, parent_user_id=None)

    def seen(self, sessions: Iterable[Session]) -> list[Session]:
        found = [one for one in sessions if self.has(self.truth.by_key[one.user_id, one.session_id])]
        return [self.session(one) for one in found]

    def all(self) -> list[Session]:
        if self._all is None:
            self._all = self.seen(self.truth.sessions.values())
        return self._all

    def by_id(self, name: str) -> Session | None:
        """One's own first, then the last active."""
        own = self.named or self.principal.user_id
        found = [one for one in self.all() if one.session_id == name]
        place = {row.key: row.place for row in self.truth.rows}
        return min(
            found,
            key=lambda one: (
                one.user_id != own, -to_micros(one.last_activity_at), place[one.user_id, one.session_id]
            ),
            default=None,
        )  # fmt: skip

    def below(self, top: Session) -> dict[Key, list[Key]]:
        """The tree of a session: each with the sessions directly below it."""
        found: dict[Key, list[Key]] = {}
        waiting = [(top.user_id, top.session_id)]
        visible = [
            one for one in self.truth.sessions.values() if self.has(self.truth.by_key[one.user_id, one.session_id])
        ]
        while waiting:
            above = waiting.pop()
            children = [one for one in visible if (one.parent_user_id, one.parent_id) == above]
            children.sort(key=lambda one: (one.started_at, self.truth.by_key[one.user_id, one.session_id].place))
            found[above] = [(one.user_id, one.session_id) for one in children]
            waiting += found[above]
        return found

    def stats(self, since: int | None) -> dict[str, Any]:
        """R8, session by session."""
        found = [one for one in self.all() if since is None or to_micros(one.last_activity_at) >= since]
        count = {
            status: sum(one.effective_status == status for one in found)
            for status in ("completed", "failed", "abandoned", "running", "cancelled", "unknown")
        }
        cost = sum(one.cost_nano_usd for one in found)
        decided = len(found) - count["running"]
        time = sum(round(one.agent_time_s * 1_000_000) for one in found) / 1_000_000
        tokens_in, tokens_out = sum(one.tokens_in for one in found), sum(one.tokens_out for one in found)
        return count | {
            "sessions": len(found),
            "total_spend_nano_usd": cost,
            "total_spend_usd": cost / NANO,
            "avg_spend_per_session_usd": cost / NANO / len(found) if found else 0.0,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "tokens_total": tokens_in + tokens_out,
            "agent_time_s": time,
            "avg_session_s": time / len(found) if found else 0.0,
            "success_rate": count["completed"] / decided if decided else 1.0,
            "calls": sum(one.calls for one in found),
            "unpriced_calls": sum(one.unpriced_calls for one in found),
            "errors": sum(one.error_count for one in found),
        }

    def models(self, since: int | None) -> dict[str, Sums]:
        """R9: sessions, calls, tokens in and out, cost, unpriced."""
        found: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
        for (
            user_no,
            session_no,
            model_no,
            calls,
            tokens_in,
            tokens_out,
            _,
            _,
            _,
            cost,
            unpriced,
            _,
        ) in self.truth.model_rows:
            row = self.truth.by_place[user_no, session_no]
            one = self.truth.sessions.get(row.key)
            if one is None or not self.has(row) or (since is not None and to_micros(one.last_activity_at) < since):
                continue
            into = found[self.truth.models.get(model_no, "unknown")]
            for place, value in enumerate((1, calls, tokens_in, tokens_out, cost, unpriced)):
                into[place] += value
        return {name: tuple(sums) for name, sums in found.items()}

    def spend(self, by: str, since: int | None) -> dict[tuple[bool, str], Sums]:
        """Calls, tokens in and out, cost, unpriced, late calls and their cost, ledger row by ledger row."""
        found: dict[tuple[bool, str], list[int]] = defaultdict(lambda: [0] * 7)
        for row, amounts in self.rows_of_ledger():
            session = self.truth.by_place[row[0], row[1]]
            if since is not None and row[6] < since:
                continue
            key = "(deleted)" if session.deleted else _key(by, row, session, self.truth.models)
            into = found[session.deleted, key]
            for place, value in enumerate(amounts):
                into[place] += value
        return {name: tuple(sums) for name, sums in found.items() if any(sums)}

    def rows_of_ledger(self) -> list[tuple[Any, Sums]]:
        """The ledger rows of what is seen, with what they add to spend."""
        found = []
        for row in self.truth.ledger:
            if self.has(self.truth.by_place[row[0], row[1]]):
                cost = row[17] or 0
                calls, tokens_in, tokens_out = row[8], sum(row[9:13]) + row[15], row[13] + row[14] + row[16]
                late = (calls, cost) if row[27] else (0, 0)
                found.append((row, (calls, tokens_in, tokens_out, cost, row[18], *late)))
        return found


def _key(by: str, row: Any, session: Row, models: dict[int, str]) -> str:
    at = from_micros(row[6] // QUARTER_US * QUARTER_US)
    _, _, agent, kind, project, _ = session.slice
    keys: dict[str, Callable[[], str]] = {
        "hour": lambda: at.replace(minute=0).isoformat(timespec="minutes"),
        "day": lambda: at.date().isoformat(),
        "model": lambda: models[row[4]],
        "agent": lambda: agent or "(none)",
        "project": lambda: project or "(none)",
        "user": lambda: session.key[0],
        "kind": lambda: kind,
    }
    return keys[by]()


def usd(sums: Sums) -> float | None:
    """What a line of spend, or of a model without its sessions, comes to."""
    return cost_usd(sums[3], sums[0], sums[4])


def extracted(asking: rollbook.Rollbook, what: str, limit: int, **said: Any) -> Iterator[Any]:
    """The rows of a whole export, step by step."""
    after = None
    while True:
        step = asking._plans.drive(asking._plans.extract(what=what, limit=limit, after=after, **said))
        yield from step.rows
        if step.after is None:
            return
        after = step.after
