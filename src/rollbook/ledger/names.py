"""Numbers for names: users, models, labels and slices, kept in memory because they are few and never change."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from rollbook.store import Row, Writing

EVERYBODY: Final = 0  #: the user under whose number the sums over all users are kept
EVERY_SLICE: Final = 0  #: in Activity's sums over all users


def spent_in_hour(hour: int) -> int:
    """The quarter hour under which everybody's Spend of a whole hour is kept: below all others, newest lowest."""
    return -1 - hour


def spent_in_day(day: int) -> int:
    """The same of a whole day, UTC; below all hours."""
    return -1_000_000_000 - day


def of_quarter(quarter: int) -> int:
    """The hour under which Activity keeps one quarter hour of everybody's sessions: below all others, newest lowest."""
    return -2 - quarter


UNKNOWN: Final = "unknown"  #: what drives a session of which neither a fact nor its id says an agent
ALL_TIME: Final = -1  #: the hour under which Activity keeps everything, whenever it was


class Slice(NamedTuple):
    """The facts of a session by which spend is kept apart."""

    user_no: int
    dataset_id: str
    agent: str
    kind: str
    project: str
    deleted: int
    driver: str  #: the agent, or else the one of which the session's id speaks; empty for deleted sessions

    @property
    def everybodys(self) -> Slice:
        """The slice under which this one's spend is kept once more, with that of all other users."""
        return Slice(EVERYBODY, "", self.agent, self.kind, "", self.deleted, "")


def guessed(session_id: str) -> str:
    """Which agent a session's id speaks of, by the names that earlier session stores knew."""
    name = session_id.lower()
    if "claude" in name or name.startswith("cc_"):
        return "claude-code"
    return next((agent for agent in ("codex", "slack", "mcp") if agent in name), UNKNOWN)


class Names:
    """Names and their numbers, read and made under the write lock."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: a transaction that made names was rolled back, or another process wrote."""
        self.users: dict[str, int] = {}
        self.user_ids: dict[int, str] = {}
        self.purged: bool | None = None  #: whether anything was ever pruned or purged; None where nobody has looked yet
        self.models: dict[str, int] = {"": 0}
        self.model_names: dict[int, str] = {0: ""}
        self.labels: dict[str, int] = {"": 0}
        self.label_names: dict[int, str] = {0: ""}
        self.streams: dict[str, int] = {}
        self.slices: dict[Slice, int] = {}
        self.slice_facts: dict[int, Slice] = {}
        self.everybodys: dict[int, int] = {}  #: slices of users, and the one of everybody that each is in

    def find_user(self, tx: Writing, user_id: str) -> int | None:
        """The number of a user, if the book knows the user."""
        number = self.users.get(user_id)
        if number is None:
            found = tx.rows("user_no", user_id=user_id)
            if not found:
                return None
            number = self.users[user_id] = found[0][0]
            self.user_ids[number] = user_id
        return number

    def user(self, tx: Writing, user_id: str, name: str | None) -> int:
        number = self.find_user(tx, user_id)
        if number is None:
            tx.run("add_user", [(user_id, name)])
            number = self.find_user(tx, user_id)
            assert number is not None  # noqa: S101 - it was inserted in this transaction
        return number

    def user_id(self, tx: Writing, number: int) -> str:
        name = self.user_ids.get(number)
        if name is None:
            name = self.user_ids[number] = tx.rows("user_id", user_no=number)[0][0]
        return name

    def model(self, tx: Writing, name: str | None) -> int:
        name = name or ""
        number = self.models.get(name)
        if number is None:
            number = self.models[name] = _made(tx, "model", (name,), name=name)
            self.model_names[number] = name
        return number

    def model_name(self, tx: Writing, number: int) -> str:
        name = self.model_names.get(number)
        if name is None:
            name = self.model_names[number] = tx.rows("model_name", model_no=number)[0][0]
        return name

    def label(self, tx: Writing, name: str | None) -> int:
        name = name or ""
        number = self.labels.get(name)
        if number is None:
            number = self.labels[name] = _made(tx, "label", (name,), name=name)
        return number

    def label_name(self, tx: Writing, number: int) -> str:
        name = self.label_names.get(number)
        if name is None:
            name = self.label_names[number] = tx.rows("label_name", label_no=number)[0][0]
        return name

    def stream(self, tx: Writing, name: str) -> int:
        """The number of a stream of a journal; to be forgotten where streams that no head has are purged."""
        number = self.streams.get(name)
        if number is None:
            number = self.streams[name] = _made(tx, "stream", (name,), room="journal.", name=name)
        return number

    def slice(self, tx: Writing, facts: Slice) -> int:
        number = self.slices.get(facts)
        if number is None:
            number = self.slices[facts] = _made(tx, "slice", facts, **facts._asdict())
            self.slice_facts[number] = facts
        return number

    def facts_of(self, tx: Writing, number: int) -> Slice:
        facts = self.slice_facts.get(number)
        if facts is None:
            facts = self.slice_facts[number] = Slice(*tx.rows("slice_facts", slice_no=number)[0])
            self.slices[facts] = number
        return facts

    def everybodys_slice(self, tx: Writing, number: int) -> int:
        """The slice of everybody that a user's slice is in."""
        whole = self.everybodys.get(number)
        if whole is None:
            whole = self.everybodys[number] = self.slice(tx, self.facts_of(tx, number).everybodys)
        return whole


def _made(tx: Writing, what: str, row: Row, *, room: str = "", **by: Any) -> int:
    """The number of a name, which is made if need be.

    Where others write as well, that is done behind all locks of what the batch is about, and before anything is saved.
    """
    if tx.shared:
        if found := tx.rows(f"{room}{what}_no", **by):
            return int(found[0][0])
        tx.rows("hold_names")
    tx.run(f"{room}add_{what}", [row])
    return int(tx.rows(f"{room}{what}_no", **by)[0][0])
