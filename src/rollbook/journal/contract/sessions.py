"""What the contract's tests are written with: a session of a place, in few words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from msgspec import UNSET, Raw, UnsetType

from rollbook.errors import RollbookError
from rollbook.journal import lines
from rollbook.journal.backend import Journals, peruse
from rollbook.journal.shelf import Head, Line, Peek, Who
from rollbook.journal.steps import MAIN, Append, Appended, Change, Done, Drop, Expect, ExpectState, Fork, New, Step

USER: Final = "5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7a01"
OTHER: Final = "5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7a02"
QA: Final = "qa"

T = TypeVar("T")

Opener = Callable[[], Journals]

_clock_lock: Final = threading.Lock()
_last = [0]


def now() -> int:
    """The time, which no two calls in a process share; microseconds UTC."""
    with _clock_lock:
        _last[0] = max(_last[0] + 1, time.time_ns() // 1000)
        return _last[0]


def new(name: str, body: bytes = b"{}", **more: Any) -> New:
    """An entry to be appended."""
    return New(name, body, now(), **more)


class Place:
    """What a place can do. A subclass says so where it cannot."""

    #: What is kept can be opened a second time, by this process, while it is open.
    opens_twice: ClassVar[bool] = True
    #: Several processes may write at once.
    several_processes: ClassVar[bool] = True
    #: A step may change the state of the user together with anything else; otherwise it is refused as NotSupported.
    user_state_with_entries: ClassVar[bool] = True
    #: A journal stays as it is while one looks; otherwise looking may raise Conflict, and is done again.
    looks_stay: ClassVar[bool] = True
    #: The largest body that the tests write, in bytes.
    largest_body: ClassVar[int] = 1 << 20
    #: How many entries a huge session has.
    huge: ClassVar[int] = 10_000


class Session:
    """One session of a place."""

    def __init__(self, journals: Journals, name: str = "s", user: str = USER) -> None:
        self.journals = journals
        self.name = name
        self.user = user

    def plan(self, *changes: Change, expects: Sequence[Expect | ExpectState] = ()) -> Step:
        return Step(self.user, self.name, now(), changes, tuple(expects))

    def make(self, *changes: Change, expects: Sequence[Expect | ExpectState] = ()) -> Done:
        """Make a step, or raise why it was refused."""
        (answer,) = self.journals.apply([self.plan(*changes, expects=expects)])
        if isinstance(answer, RollbookError):
            raise answer
        assert isinstance(answer, Done)
        return answer

    def append(
        self, *names: str, stream: str = QA, head: str = MAIN, after: str | UnsetType | None = UNSET
    ) -> Appended:
        """Append entries whose bodies say their names."""
        entries = tuple(new(name, body_of(name)) for name in names)
        (answer,) = self.make(Append(stream, entries, head, after)).answers
        assert isinstance(answer, Appended)
        return answer

    def fork(self, name: str, *, at: str | None = None, stream: str | None = None, state: bool = False) -> Session:
        """Another session that begins as a fork of this one."""
        forked = Session(self.journals, name, self.user)
        forked.make(Fork(self.name, stream=stream, at=at, state=state))
        return forked

    def drop(self) -> bool:
        (answer,) = self.journals.apply([Drop(self.user, self.name, now())])
        assert isinstance(answer, bool)
        return answer

    def look(self, look: Callable[[Peek, Who], T]) -> T:
        return peruse(self.journals, self.user, self.name, look)

    def lines(self, stream: str = QA, head: str = MAIN, most: int | None = None) -> list[Line]:
        def look(peek: Peek, who: Who) -> list[Line]:
            found = peek.head(who, stream, head)
            return [] if found is None else lines.tail(peek, stream, found.tip, most)

        return self.look(look)

    def names(self, stream: str = QA, head: str = MAIN, most: int | None = None) -> list[str]:
        return [line.entry_id for line in self.lines(stream, head, most)]

    def bodies(self, stream: str = QA, head: str = MAIN) -> dict[str, bytes]:
        return {line.entry_id: line.body for line in self.lines(stream, head)}

    def page(self, most: int | None, before: str | None, stream: str = QA, head: str = MAIN) -> list[str]:
        def look(peek: Peek, who: Who) -> list[str]:
            found = peek.head(who, stream, head)
            assert found is not None
            return [line.entry_id for line in lines.page(peek, who, found, most, before)]

        return self.look(look)

    def head(self, stream: str = QA, head: str = MAIN) -> Head | None:
        return self.look(lambda peek, who: peek.head(who, stream, head))

    def heads(self) -> set[tuple[str, str]]:
        return self.look(lambda peek, who: {(head.stream, head.name) for head in peek.heads_of(who)})

    def revision(self, stream: str = QA, head: str = MAIN) -> int:
        found = self.head(stream, head)
        return 0 if found is None else found.revision

    def length(self, stream: str = QA, head: str = MAIN) -> int:
        found = self.head(stream, head)
        return 0 if found is None else found.length

    def kept(self, stream: str = QA) -> list[Line]:
        """Every entry of a stream, whichever head leads to it."""
        return self.look(lambda peek, _: peek.below(stream, 1 << 60, 1 << 20))

    def state(self) -> dict[str, bytes]:
        return self.look(_state)

    def user_state(self) -> dict[str, bytes]:
        return peruse(self.journals, self.user, None, _state)

    def everything(self) -> object:
        """All that a reader can see of the session."""

        def look(peek: Peek, who: Who) -> object:
            shown = {
                (head.stream, head.name): (head, lines.tail(peek, head.stream, head.tip, None))
                for head in peek.heads_of(who)
            }
            return shown, _state(peek, who)

        return self.look(look)


def _state(peek: Peek, who: Who) -> dict[str, bytes]:
    return {key: bytes(value) for key, value in peek.state(who).items()}


def body_of(name: str) -> bytes:
    """A body that says a name, if it is plain."""
    return b'{"name":"%s"}' % name.encode()


def raws(values: dict[str, bytes | None]) -> dict[str, Raw | None]:
    return {key: None if value is None else Raw(value) for key, value in values.items()}


def is_refused(
    session: Session, error: type[RollbookError], *changes: Change, expects: Iterable[Expect | ExpectState] = ()
) -> RollbookError:
    """Make sure that a step is refused with an error, and has changed nothing that can be seen."""
    before = session.everything(), session.user_state()
    (answer,) = session.journals.apply([session.plan(*changes, expects=tuple(expects))])
    assert type(answer) is error
    assert (session.everything(), session.user_state()) == before
    return answer
