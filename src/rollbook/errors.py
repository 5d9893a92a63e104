"""Everything Rollbook raises on purpose.

One base and a few kinds; each says what the caller can do about it. The docstring is the default message.
"""

from __future__ import annotations


class RollbookError(Exception):
    """Something went wrong in the book."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class InvalidInput(RollbookError, ValueError):
    """A value that was given is not acceptable; nothing was stored."""


class TooLarge(InvalidInput):
    """More at once than is taken; nothing was stored. Send it in parts."""


class Unsupported(InvalidInput):
    """It is written in a way that is not read here: a media type or an encoding."""


class NotFound(RollbookError, LookupError):
    """There is no such session, or it is not yours to see."""


class Forbidden(RollbookError):
    """You may not do that; nothing was changed."""


class Conflict(RollbookError):
    """The session's record already says something else; nothing was changed."""

    def __init__(self, message: str | None = None, *, expected: int | None = None, found: int | None = None) -> None:
        super().__init__(message)
        self.expected = expected  #: the revision that the caller had seen, where that is what differs
        self.found = found  #: the revision that there is


class Stale(Conflict):
    """Somebody else changed a note meanwhile; nothing was changed. Read it again."""


class Gone(RollbookError):
    """The session was deleted; it takes no new content."""


class Overloaded(RollbookError):
    """Too many writes are waiting; nothing was stored. Try again."""


class NotSupported(RollbookError):
    """This backend or installation cannot do that."""


class StoreError(RollbookError):
    """The database cannot be used: not a book, locked, full, read-only or of a newer version."""
