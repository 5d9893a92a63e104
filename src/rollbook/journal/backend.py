"""What a place for journals outside the ledger's database promises; :func:`open_journals` picks it by URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol, TypeVar, runtime_checkable

from rollbook.errors import Conflict, InvalidInput, NotSupported, RollbookError, StoreError
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Done, Drop, Step
from rollbook.settings import Settings

T = TypeVar("T")

_LOOKS: Final = 100  #: how often a journal that others change is looked at before the reader is told

Check = tuple[str, bool, str]  #: what was looked at, whether it is well, detail


class WrongPlaceError(StoreError):
    """A place that is something else's, or another book's: it will not do later either, unlike one that is down."""


class DamageError(StoreError):
    """What is kept of one journal is not what Rollbook wrote, so that trying again does not help; others are well."""


class Kept(NamedTuple):
    """A session of which there is a journal."""

    user_id: str
    session_id: str
    changed_at: int  #: microseconds UTC


class Journals(Protocol):
    """Journals of many sessions in one place, for many threads and processes at once."""

    url: str

    def claim(self, book_id: str) -> None:
        """Let the place be that of one book, for ever: of whoever says so first. The same again changes nothing.

        Raises :class:`WrongPlaceError`, and changes nothing, where it is another book's.
        """
        ...

    def apply(self, steps: Sequence[Step | Drop]) -> list[Done | bool | RollbookError]:
        """Make steps in order, each wholly or not at all; their answers when they are durable.

        A step that is refused answers its error and leaves the others alone; so does one in a journal that is damaged
        (:class:`DamageError`), or that could not be written now (StoreError). Raises StoreError where the place cannot
        be used; then every step that was not kept can be given again, and one that was kept is known again by its ids.
        """
        ...

    def read(self, user_id: str, session_id: str) -> AbstractContextManager[tuple[Peek, Who]]:
        """A session's journal to look at, and by what name it knows the session. It need not exist.

        It stays as it is while one looks, or looking raises Conflict where somebody changed it meanwhile: a look is
        never at two moments. :func:`peruse` looks again.
        """
        ...

    def user_state(self, user_id: str) -> AbstractContextManager[tuple[Peek, Who]]:
        """The same for the state of a user."""
        ...

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        """The sessions, of one user or of all, of which something is kept, in no order."""
        ...

    def wipe(self) -> int:
        """Remove every journal of everybody, and nothing that is not a journal; how many sessions there were."""
        ...

    def health(self) -> list[Check]:
        """What is to be said of the place: how durable an acknowledged step is, what is wrong with it."""
        ...

    def close(self) -> None:
        """Let go of connections, files and locks. A second call does nothing."""
        ...


@runtime_checkable
class Searches(Protocol):
    """What a place for journals has beside, where reading is so cheap that a search can look through sessions."""

    def latest(self, user_id: str | None, most: int) -> list[Kept]:
        """The sessions that were changed last, of one user or of all, the last one first."""
        ...


def peruse(journals: Journals, user_id: str, session_id: str | None, look: Callable[[Peek, Who], T]) -> T:
    """What a function makes of a session's journal (None: of the state of the user), at one moment.

    The function may be called several times. Raises Conflict where others write so much that no look comes to its end.
    """
    for left in reversed(range(_LOOKS)):
        try:
            place = journals.user_state(user_id) if session_id is None else journals.read(user_id, session_id)
            with place as (peek, who):
                return look(peek, who)
        except Conflict:
            if not left:
                raise
    raise AssertionError("a look either answers or raises")


def of_another(place: str, remedy: str) -> WrongPlaceError:
    """What is said of a place that another book has claimed."""
    return WrongPlaceError(
        f"{place} holds the journals of another book, and two books in one place would delete each other's; {remedy}"
    )


def open_journals(url: str, settings: Settings, *, make: bool = True) -> Journals:
    """The place that a URL names: ``redis://``, ``rediss://``, ``file://``; without ``make`` nothing is made there.

    Raises InvalidInput for a URL that cannot be read, NotSupported for what is not installed, StoreError for a place
    that cannot be used now and :class:`WrongPlaceError` for one that is something else's.
    """
    scheme, found, _ = url.partition("://")
    if not found:
        raise InvalidInput(f"not a journal URL: {url!r}; write redis://host:6379/0 or file:///path/to/folder")
    if scheme in ("redis", "rediss"):
        from rollbook.journal.redis.journals import RedisJournals  # noqa: PLC0415 - a backend is loaded by its URL alone

        return RedisJournals(url, settings)
    if scheme == "file":
        from rollbook.journal.files.journals import FileJournals  # noqa: PLC0415 - a backend is loaded by its URL alone

        return FileJournals(url, settings, make=make)
    raise NotSupported(f"no journals under {scheme}:// URLs; there are redis://, rediss:// and file://")
