"""What a request is answered that could not be answered as it wished."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from rollbook.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    NotFound,
    NotSupported,
    Overloaded,
    RollbookError,
    StoreError,
    TooLarge,
    Unsupported,
)
from rollbook.server.routing import Reply

_RETRY_S: Final = "1"
_ECHOED_MOST: Final = 400  #: bytes
_STATUS: Final[tuple[tuple[type[RollbookError], int], ...]] = (
    (TooLarge, 413),
    (Unsupported, 415),
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
    (Gone, 410),
    (NotSupported, 501),
    (Overloaded, 503),
    (StoreError, 503),
    (InvalidInput, 400),
)
_PLACE: Final = re.compile(r" - at `\$\.?(.*)`$")


class Refused(Exception):
    """A request that is answered with a status of its own."""

    def __init__(self, status: int, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.reply = Reply(status=status, content={"detail": detail}, headers=headers)


class Unacceptable(Exception):
    """A part of a request that is not as it must be."""

    def __init__(self, part: str, error: msgspec.ValidationError | msgspec.DecodeError, given: Any = None) -> None:
        super().__init__(str(error))
        self.part = part
        self.given = given


def invalid(part: str, message: str, given: Any = None) -> Reply:
    """The envelope in which clients know that something is not acceptable: what, where and why."""
    found = _PLACE.search(message)
    place = [name for name in re.split(r"[.\[\]]+", found[1]) if name] if found else []
    shown: Any = given
    for name in place:
        shown = shown.get(name) if isinstance(shown, dict) else None
    if found:
        message = message[: found.start()]
    line = {"type": "value_error", "loc": [part, *place], "msg": message, "input": _echo(shown)}
    return Reply(status=400, content={"detail": [line], "body": None})


def _echo(given: Any) -> Any:
    """What was given, where it is short enough to be told again."""
    try:
        return given if len(msgspec.json.encode(given)) <= _ECHOED_MOST else None
    except (msgspec.MsgspecError, RecursionError, TypeError, ValueError):
        return None


def status_of(error: RollbookError) -> int:
    """The status that says what kind of error it is."""
    if isinstance(error, InvalidInput):
        return int(getattr(error, "status", 400))
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def reply_to(error: Exception, *, part: str, failed: str) -> Reply:
    """What an error is answered with; one that nobody foresaw says nothing of itself."""
    if isinstance(error, Refused):
        return error.reply
    if isinstance(error, Unacceptable):
        return invalid(error.part, str(error), error.given)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            if kind is InvalidInput:
                return invalid(part, str(error))
            headers = (("retry-after", _RETRY_S),) if status == 503 else ()  # noqa: PLR2004
            detail = "session not found" if failed and kind is NotFound else f"{error} [{kind.__name__}]"
            return Reply(status=status, content={"detail": detail}, headers=headers)
    return Reply(status=500, content={"error": failed or "internal server error"})
