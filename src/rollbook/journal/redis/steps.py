"""Steps on their way into Redis: which place each is for, and what it will ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from rollbook.errors import InvalidInput, NotSupported, RollbookError
from rollbook.journal.redis import keys as names
from rollbook.journal.redis.keys import Keys, Meta, Place
from rollbook.journal.redis.server import Request
from rollbook.journal.redis.shelf import RedisShelf
from rollbook.journal.shelf import Line
from rollbook.journal.steps import Append, Done, Drop, Fork, MoveHead, Patch, Remove, Replace, SetState, Step

Answer = Done | bool | RollbookError


class Item(Struct, eq=False):
    """One step on its way."""

    step: Step | Drop
    place: Place
    source: Place | None = None  #: whom it is forked from
    answer: Answer | None = None

    @property
    def who(self) -> str:
        return self.place.who

    @property
    def whos(self) -> tuple[str, ...]:
        """The sessions that it is about."""
        return (self.who,) if self.source is None else (self.who, self.source.who)


class Group(Struct, eq=False):
    """Steps of one root that are made by one commit."""

    root: Place
    keys: Keys
    items: list[Item]
    meta: Meta | None = None
    found: dict[bytes, list[Line]] = {}
    claimed: dict[Place, tuple[bytes, bytes]] = {}  #: pointers before and after
    shelf: RedisShelf | None = None
    answers: list[Answer] = []
    request: Request | None = None
    new: Meta | None = None
    fresh: bool = False  #: whether the meta was read for this very attempt


def items_of(steps: Sequence[Step | Drop]) -> list[Item]:
    """Steps with their places; those that Redis cannot make have their answers already."""
    return [_item(step) for step in steps]


def _item(step: Step | Drop) -> Item:
    item = Item(step, Place(step.user_id, step.session_id or None))
    if isinstance(step, Drop):
        return item
    of_user = [isinstance(change, SetState) and change.of_user for change in step.changes]
    sources = {change.source for change in step.changes if isinstance(change, Fork)}
    if any(of_user):
        item.place = Place(step.user_id, None)
        if not all(of_user) or step.expects:
            item.answer = NotSupported(
                "in Redis the state of a user is kept apart from sessions, so a step cannot change both: make two steps"
            )
    elif len(sources) > 1:
        item.answer = InvalidInput("a step forks one session only")
    elif sources:
        item.source = Place(step.user_id, sources.pop())
    return item


def stretches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Items that may be made side by side where their roots differ; a fork changes what root a session has."""
    stretch: list[Item] = []
    for item in items:
        if item.source is not None:
            yield stretch
            yield [item]
            stretch = []
        else:
            stretch.append(item)
    yield stretch


def ids(step: Step | Drop) -> Iterator[bytes]:
    """The ids that the rules will ask for."""
    for change in () if isinstance(step, Drop) else step.changes:
        match change:
            case Append():
                yield from (names.id_field(change.stream, new.entry_id) for new in change.entries if not new.fresh)
                if isinstance(change.after, str):
                    yield names.id_field(change.stream, change.after)
            case Replace() | Patch() | Remove():
                yield names.id_field(change.stream, change.entry_id)
            case MoveHead(to=str(name)):
                yield names.id_field(change.stream, name)
            case _:
                pass
