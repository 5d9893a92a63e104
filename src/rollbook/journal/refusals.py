"""When a step is refused: every reason is found before anything is changed."""

from __future__ import annotations

from msgspec import UNSET

from rollbook.errors import Conflict, InvalidInput, NotFound
from rollbook.journal import bodies, lines
from rollbook.journal.shelf import Shelf, Who
from rollbook.journal.steps import (
    MAIN,
    Append,
    Change,
    DropHead,
    Expect,
    ExpectState,
    Fork,
    MoveHead,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
    Step,
)
from rollbook.rules.bodies import large


def refuse(shelf: Shelf, who: Who, step: Step, source: Who | None = None) -> None:
    """Raise Conflict, NotFound or InvalidInput for a step that cannot be made as a whole.

    ``source`` is how the backend knows the session that a Fork names.
    """
    for expect in step.expects:
        if isinstance(expect, ExpectState):
            _held(shelf, who, expect)
        else:
            _expected(shelf, who, expect)
    if len(step.changes) == 1 and type(step.changes[0]) is Append and step.changes[0].after is UNSET:
        return  # what nearly every step is, and nothing can be wrong with it
    met = _Met()
    for at, change in enumerate(step.changes):
        match change:
            case Append(after=str(name)) | MoveHead(to=str(name)):
                _known(shelf, who, change.stream, name, met)
            case Remove():
                _removable(shelf, who, change)
            case Patch():
                _patchable(shelf, who, change, met)
            case Fork():
                _forkable(shelf, who, change, source)
                _alone(step, change, at)
            case _:
                pass
        met.note(change)


class _Met:
    """What the changes of a step that were looked at so far come to."""

    def __init__(self) -> None:
        self.added: set[tuple[str, str]] = set()
        self.cut: set[str] = set()  #: streams that lose entries
        self.moved: set[str] = set()  #: streams of which the session may see less of a past that it shares
        self.written: dict[tuple[str, str], list[bytes]] = {}  #: the bodies that an entry may have by now

    def note(self, change: Change) -> None:
        match change:
            case Append():
                for new in change.entries:
                    self.added.add((change.stream, new.entry_id))
                    self.written.setdefault((change.stream, new.entry_id), []).append(new.body)
                if change.after is not UNSET:
                    self.moved.add(change.stream)
            case Replace():
                self.written.setdefault((change.stream, change.entry_id), []).append(change.body)
            case MoveHead():
                self.moved.add(change.stream)
            case Remove() | Pop() | DropHead():
                self.cut.add(change.stream)
            case _:
                pass


def _expected(shelf: Shelf, who: Who, expect: Expect) -> None:
    head = shelf.head(who, expect.stream, expect.head)
    found = 0 if head is None else head.revision
    if found != expect.revision:
        raise Conflict(
            f"{expect.stream} has changed: it is at revision {found}, not {expect.revision}; read it again",
            expected=expect.revision,
            found=found,
        )


def _held(shelf: Shelf, who: Who, expect: ExpectState) -> None:
    found = shelf.value(who, expect.key)
    if (None if found is None else bytes(found)) != (None if expect.value is None else bytes(expect.value)):
        raise Conflict(f"the state's {expect.key!r} has changed; read it again")


def _known(shelf: Shelf, who: Who, stream: str, name: str, met: _Met) -> None:
    if stream in met.cut:
        raise InvalidInput("a step must name entries to stand behind before it removes any of their stream")
    line = lines.seen(shelf, who, stream, name)
    if line is not None and line.who != who and stream in met.moved:
        raise InvalidInput(
            "a fork may lose sight of its past when a head moves; name its entries in steps of their own"
        )
    if line is None and (stream, name) not in met.added:
        raise NotFound(f"there is no entry {name!r} in {stream}")


def _removable(shelf: Shelf, who: Who, change: Remove) -> None:
    line = lines.seen(shelf, who, change.stream, change.entry_id)
    if line is not None and line.who not in (who, shelf.user):
        raise Conflict(
            f"the entry {change.entry_id!r} is of the session that this one was forked from; remove it there"
        )


def _patchable(shelf: Shelf, who: Who, change: Patch, met: _Met) -> None:
    line = lines.seen(shelf, who, change.stream, change.entry_id)
    place = (change.stream, change.entry_id)
    candidates = met.written.get(place, []) + ([] if line is None else [line.body])
    met.written[place] = [bodies.patched(body, change)[0] for body in candidates]
    for before, after in zip(candidates, met.written[place], strict=True):
        if change.most and len(after) > max(change.most, len(before)):
            raise large(len(after), f"the entry {change.entry_id!r} as it would be", change.most)


def _forkable(shelf: Shelf, who: Who, fork: Fork, source: Who | None) -> None:
    heads = [] if source is None else shelf.heads_of(source)
    if source is None or not (heads or shelf.state(source)):
        raise NotFound(f"there is no session {fork.source!r} to fork")
    if source == who:
        raise InvalidInput("a session cannot be forked from itself")
    if shelf.heads_of(who) or shelf.state(who):
        raise Conflict("the session has a journal already, so it cannot become a fork")
    if fork.at is not None and fork.stream is None:
        raise InvalidInput("an entry to fork at needs its stream")
    known = any(head.name == fork.head and fork.stream in (None, head.stream) for head in heads)
    of_state = (fork.state, fork.stream, fork.head, heads) == (True, None, MAIN, [])  # it may have nothing else
    if not known and not of_state:
        where = "" if fork.stream is None else f" in {fork.stream}"
        raise NotFound(f"there is no head {fork.head!r}{where} of {fork.source!r}")
    if fork.at is not None and lines.seen(shelf, source, fork.stream or "", fork.at) is None:
        raise NotFound(f"there is no entry {fork.at!r} in {fork.stream} of {fork.source!r}")


def _alone(step: Step, fork: Fork, at: int) -> None:
    """Raise InvalidInput where another change of a step meets what its fork brings, which nobody looked at."""
    for other in step.changes[:at]:
        if not isinstance(other, Fork) or other.source != fork.source or None in (other.stream, fork.stream):
            raise InvalidInput("a step forks before it does anything else, and only one session")
        if other.stream == fork.stream:
            raise InvalidInput(f"a step forks {fork.stream} once")
    for other in step.changes[at + 1 :]:
        if not isinstance(other, Fork | SetState) and not (isinstance(other, Append) and other.after in (UNSET, None)):
            raise InvalidInput("a step that forks may otherwise only append at the end and set state")
