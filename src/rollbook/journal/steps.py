"""What is asked of a journal, already checked: one :class:`Step` is one atomic change of one session's journal.

A journal holds *streams* (``qa``, ``trace``, a framework's own), each an ordered list of *entries*: opaque JSON
under an id of the caller's, at a position that only grows. A *head* names a line of entries in a stream: most streams
have one, ``main``, and several heads are branches that share their past. Beside the streams there is *state*: JSON by
key, for the session and for its user.

Every backend applies the same steps by the same rules (:mod:`rollbook.journal.rules`).
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

MAIN: Final = "main"  #: the head of a stream that nobody branched


class New(Struct, frozen=True, array_like=True, gc=False):
    """An entry to be appended."""

    entry_id: str
    body: bytes  #: JSON, UTF-8
    created_at: int  #: microseconds UTC
    text: str | None = None  #: what a search is to find it by
    failed: bool = False  #: it is a step that failed, which the session counts
    fresh: bool = False  #: the id was made for this very entry, so nobody gave it before


class Append(Struct, frozen=True, array_like=True, tag="append"):
    """Entries behind the tip of a head, in order; those whose ids the session's stream has already are left out."""

    stream: str
    entries: tuple[New, ...]
    head: str = MAIN
    after: str | UnsetType | None = UNSET  #: behind this entry instead, and the head moves there; None: a new start


class Replace(Struct, frozen=True, array_like=True, tag="replace"):
    """Another body for an entry; it stays where it is."""

    stream: str
    entry_id: str
    body: bytes
    text: str | None = None


class Patch(Struct, frozen=True, array_like=True, tag="patch"):
    """Other values for some top-level fields of an entry that is a JSON object; the others stay byte for byte."""

    stream: str
    entry_id: str
    fields: dict[str, msgspec.Raw]
    inside: dict[str, dict[str, msgspec.Raw]] = {}  #: values to set within fields that are objects (or null)
    text_of: tuple[str, ...] = ()  #: fields whose texts a search is to find the entry by; none: the text stays
    most: int = 0  #: bytes that the body may have then, unless it has more already; 0: any number


class Remove(Struct, frozen=True, array_like=True, tag="remove"):
    """An entry less; what stood behind it stands behind what stood before it. Only for the session that wrote it."""

    stream: str
    entry_id: str


class Pop(Struct, frozen=True, array_like=True, tag="pop"):
    """The newest entries of a head less; what others wrote, or their heads lead to, is only lost from sight."""

    stream: str
    head: str = MAIN
    count: int = 1


class MoveHead(Struct, frozen=True, array_like=True, tag="move"):
    """A head, made if need be, at an entry that the session sees; None: before the first."""

    stream: str
    head: str
    to: str | None


class DropHead(Struct, frozen=True, array_like=True, tag="drop"):
    """A head less, and with it the entries that no other head leads to; None: every head of the stream.

    What other sessions wrote, or their heads lead to, stays for them.
    """

    stream: str
    head: str | None = None


class Fork(Struct, frozen=True, array_like=True, tag="fork"):
    """Begin this session's journal with heads at entries of another session of the user, whose past it shares.

    It stands before the other changes of its step, which may only append at the end and set state.
    """

    source: str  #: session id
    stream: str | None = None  #: one stream, or every stream
    head: str = MAIN  #: of the source
    at: str | None = None  #: an entry of that stream; None: the tip
    state: bool = False  #: whether the source's state is copied


class SetState(Struct, frozen=True, array_like=True, tag="state"):
    """Values by key; None removes the key (a JSON null is a value)."""

    values: dict[str, msgspec.Raw | None]
    of_user: bool = False  #: the user's instead of the session's


Change = Append | Replace | Patch | Remove | Pop | MoveHead | DropHead | Fork | SetState


class Expect(Struct, frozen=True, array_like=True, tag="head"):
    """The revision that a head of the session must have, or nothing is written; 0: there is no such head."""

    stream: str
    revision: int
    head: str = MAIN


class ExpectState(Struct, frozen=True, array_like=True, tag="state"):
    """The value that a key of the session's state must have, byte for byte, or nothing is written; None: no value."""

    key: str
    value: msgspec.Raw | None


class Step(Struct, frozen=True, array_like=True):
    """Changes of one session's journal that are made together or not at all."""

    user_id: str
    session_id: str
    at: int  #: now, for what has no time of its own; microseconds UTC
    changes: tuple[Change, ...]
    expects: tuple[Expect | ExpectState, ...] = ()


class Drop(Struct, frozen=True, array_like=True):
    """Let nothing of a session's journal stay but what its forks share. Answered whether anything was removed.

    Without a session (an empty id) it is the user's state that goes.
    """

    user_id: str
    session_id: str
    at: int
    since: int | None = None  #: what was changed at this time or later is left as it is; microseconds UTC


# Answers


class Entry(Struct, frozen=True, array_like=True):
    """An entry as it is kept."""

    entry_id: str
    position: int
    created_at: int
    body: bytes
    session: str | int  #: the session that wrote it, as the backend knows it; the user, where that one let go of it


class Appended(Struct, frozen=True):
    """What became of appended entries."""

    added: int
    duplicates: tuple[Entry, ...]  #: what is stored under those ids that were there already
    length: int  #: entries of the head now
    failed: int  #: failed steps that were ever appended to the head
    failures: int = 0  #: failed steps among what was added


class Done(Struct, frozen=True):
    """What a step did.

    ``answers`` holds, for each change: Append -> Appended; Replace, Patch -> the entry as it is now, or None where
    there is none; Remove, DropHead -> whether it was there; Pop -> the entries, oldest first; SetState -> the keys
    that it removed; others -> None.
    """

    answers: tuple[object, ...]
    revisions: dict[tuple[str, str], int]
    """By stream and head: of the heads that changed, and of those that the step appends to or moves (0: none yet)."""
