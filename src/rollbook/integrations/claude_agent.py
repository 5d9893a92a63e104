"""A session store of the Claude Agent SDK that is a book: ``ClaudeAgentOptions(session_store=RollbookSessionStore())``.

A transcript is a stream of the book's session of the same id, one for each project; those of sub-agents are heads of
another stream beside it. What their lines say that the agent used is metered under the names that an import of the
transcript gives, so both count once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from msgspec import Raw

from rollbook.core import Plan
from rollbook.errors import Conflict, InvalidInput, NotFound
from rollbook.importers.base import Context, Item
from rollbook.importers.claude_fold import Transcript
from rollbook.integrations.desk import AnyBook, Desk, User, plain
from rollbook.journal import lines
from rollbook.journal.shelf import Head, Peek, Who
from rollbook.journal.steps import MAIN, Append, Change, DropHead, Expect, New, SetState
from rollbook.ledger.ops import Touch
from rollbook.rules import bodies, checks

try:
    from claude_agent_sdk import fold_session_summary
except ModuleNotFoundError as error:  # pragma: no cover - tests of integrations have what they need
    raise ModuleNotFoundError(
        f"{error}: the Claude Agent SDK is not installed; install it with: pip install 'rollbook[claude-agent]'",
        name=error.name,
    ) from None

ROOM: Final = "claude-agent"  #: the names of streams and of keys of state begin with it
ATTEMPTS: Final = 100  #: at an append that others keep outrunning
_PART: Final = 80  #: bytes of a project or a sub-agent within a name


class _Place(NamedTuple):
    """Where a transcript is kept."""

    project: str
    session_id: str
    subpath: str | None

    @property
    def main(self) -> str:
        """The stream of the main transcript."""
        return f"{ROOM}/{plain(self.project, _PART)}"

    @property
    def subs(self) -> str:
        """The stream of those of all sub-agents: names of streams are kept for ever, so there is but one."""
        return f"{self.main}/sub"

    @property
    def stream(self) -> str:
        return self.main if self.subpath is None else self.subs

    @property
    def head(self) -> str:
        return MAIN if self.subpath is None else plain(self.subpath, _PART)

    @property
    def key(self) -> str:
        """Under which what is remembered of the transcript stands in the session's state."""
        return self.main if self.subpath is None else f"{self.main}/{self.head}"

    def named(self, uuid: Any) -> str | None:
        """An entry's id: unique among all that the stream holds."""
        if not isinstance(uuid, str) or not uuid:
            return None
        name = plain(uuid, _PART)
        return name if self.subpath is None else f"{self.head}/{name}"

    @property
    def listed(self) -> str:
        """The key of the user's state that says that there is a main transcript."""
        return f"{self.main}/{plain(self.session_id, _PART)}"


class _Seen(NamedTuple):
    """What is kept of a transcript."""

    head: Head | None
    known: frozenset[str]  #: which ids of a batch there are
    notes: dict[str, Any]  #: what is remembered beside the lines, and never shown


class RollbookSessionStore:
    """All six methods of the SDK's ``SessionStore``. Safe on several event loops and threads at once.

    ``book`` is an open book of either kind, a URL or a path (None: the default book); one that is opened here is closed
    by :meth:`close`. An entry whose ``uuid`` the transcript has already is left out; one without is always appended.
    """

    def __init__(self, book: AnyBook = None, *, user_id: User = None) -> None:
        """Take a book, and whose sessions they are."""
        self._desk = Desk(book, user_id)
        self._turns: WeakKeyDictionary[
            asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str], asyncio.Lock]
        ] = WeakKeyDictionary()

    async def append(self, key: Any, entries: Sequence[Any]) -> None:
        """Append lines to a transcript, all of them or none, and meter what they say that was used."""
        place = _place(key)
        batch = [
            self._desk.entry(dict(entry), place.named(entry.get("uuid"))) for entry in entries
        ]  # encoded before anything else runs
        if not batch:
            return
        async with self._turn(place):
            for left in reversed(range(ATTEMPTS)):
                try:
                    await self._desk.write(self._append(place, batch))
                    break
                except Conflict:
                    if not left:
                        raise

    async def load(self, key: Any) -> list[Any] | None:
        """The lines of a transcript in the order of their appends; None where there is none."""
        place, desk = _place(key), self._desk
        found = await desk.read(
            desk.plans.entries(place.session_id, place.stream, head=place.head, user_id=desk.user_id)
        )
        return [entry.body for entry in found] or None

    async def list_sessions(self, project_key: str) -> list[Any]:
        """The sessions of a project that have a main transcript, and when it was last written to (epoch ms)."""
        found = await self._desk.read(self._listed(project_key))
        return [{"session_id": name, "mtime": _mtime(head)} for name, head, _ in found]

    async def list_session_summaries(self, project_key: str) -> list[Any]:
        """What the SDK folded of each session of a project."""
        found = await self._desk.read(self._listed(project_key))
        return [
            {"session_id": name, "mtime": _mtime(head), "data": notes["summary"]}
            for name, head, notes in found
            if "summary" in notes
        ]

    async def delete(self, key: Any) -> None:
        """Remove a transcript; the main one with those of its sub-agents. What was metered stays in the ledger."""
        place = _place(key)
        await self._desk.write(self._delete(place))

    async def list_subkeys(self, key: Any) -> list[str]:
        """The sub-agents of a session that have a transcript."""
        place, desk = _place({**key, "subpath": None}), self._desk

        def look(peek: Peek, who: Who) -> list[str]:
            state, there = peek.state(who), [head for head in peek.heads_of(who) if head.stream == place.subs]
            kept = [bodies.decoded(bytes(state[f"{place.main}/{head.name}"])) for head in there]
            return [str(notes["subpath"]) for notes in kept]

        return await desk.read(desk.plans.perused(place.session_id, desk.user_id, look))

    async def close(self) -> None:
        """Close the book if it was opened for this store. A second call does nothing."""
        await self._desk.close()

    def _turn(self, place: _Place) -> asyncio.Lock:
        """Held during an append, so that those of one process come in the order of their calls."""
        locks = self._turns.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        return locks.setdefault((place.session_id, place.key), asyncio.Lock())

    # Plans

    def _append(self, place: _Place, batch: Sequence[New]) -> Plan[None]:
        desk = self._desk
        seen: _Seen = yield from self._seen(place, batch)
        by_id: dict[str, New] = {}
        for each in batch:
            if each.entry_id not in seen.known:
                by_id.setdefault(each.entry_id, each)
        new = list(by_id.values())
        if not new:
            return
        notes, items = self._folded(place, seen.notes, new)
        # What is metered first is metered again, to no effect, where the lines then have to be appended again.
        yield from desk.plans.ingest(items)
        revision = 0 if seen.head is None else seen.head.revision
        index = None
        if seen.head is None and place.subpath is None:
            index = SetState({place.listed: _json({"session_id": place.session_id})}, of_user=True)
        yield from desk.change(
            place.session_id,
            [Append(place.stream, tuple(new), place.head), SetState({place.key: _json(notes)})],
            index,
            expects=[Expect(place.stream, revision, place.head)],
        )

    def _seen(self, place: _Place, batch: Sequence[New] = ()) -> Plan[_Seen]:
        stream = place.stream

        def look(peek: Peek, who: Who) -> _Seen:
            head, value = peek.head(who, stream, place.head), peek.state(who).get(place.key)
            ids = [] if head is None else [each.entry_id for each in batch if not each.fresh]
            known = frozenset(name for name in ids if lines.seen(peek, who, stream, name) is not None)
            return _Seen(head, known, {} if value is None else bodies.decoded(bytes(value)))

        return (yield from self._desk.plans.perused(place.session_id, self._desk.user_id, look))

    def _folded(self, place: _Place, notes: Mapping[str, Any], new: Sequence[New]) -> tuple[dict[str, Any], list[Item]]:
        """What is to be remembered after new lines, and what they tell the book."""
        plans = self._desk.plans
        context = Context(user_id=plans.owner(self._desk.user_id)[0], now=plans.clock(), price=plans.prices)
        parser = Transcript(f"{ROOM}.jsonl", notes.get("fold", "").encode(), context)
        parser.home = place.session_id
        parser.agent = None if place.subpath is None else place.subpath.rpartition("/")[2]
        parser.feed(b"".join(each.body + b"\n" for each in new))
        items = parser.drain(last=True)
        now = {**notes, "fold": parser.state().decode()}
        for item in items:
            if isinstance(item, Touch) and item.session_id == place.session_id and item.facts.title is not None:
                now["title"] = item.facts.title
        if place.subpath is not None:
            now["subpath"] = place.subpath
            return now, items
        before = {"session_id": place.session_id, "mtime": 0, "data": notes["summary"]} if "summary" in notes else None
        key = {"project_key": place.project, "session_id": place.session_id}
        now["summary"] = fold_session_summary(before, key, [bodies.decoded(each.body) for each in new])["data"]
        return now, items

    def _listed(self, project: str) -> Plan[list[tuple[str, Head, dict[str, Any]]]]:
        """The main transcripts of a project, with what is remembered of each."""
        place = _Place(project, "", None)
        found = []
        for value in (yield from self._desk.indexed(f"{place.main}/")):
            name = value["session_id"]
            seen = yield from self._seen(place._replace(session_id=name))
            if seen.head is not None:
                found.append((name, seen.head, seen.notes))
        return found

    def _delete(self, place: _Place) -> Plan[None]:
        whole = place.subpath is None

        def look(peek: Peek, who: Who) -> tuple[set[str], list[str], str | None]:
            state = peek.state(who)
            notes = bodies.decoded(bytes(state[place.key])) if place.key in state else {}
            streams = {head.stream for head in peek.heads_of(who) if head.stream in (place.stream, place.subs)}
            keys = [key for key in state if key == place.key or (whole and key.startswith(f"{place.main}/"))]
            return streams, keys, notes.get("title")

        desk = self._desk
        streams, keys, title = yield from desk.plans.perused(place.session_id, desk.user_id, look)
        if not streams and not keys:
            return
        changes: list[Change] = [DropHead(stream, None if whole else place.head) for stream in sorted(streams)]
        changes.append(SetState(dict.fromkeys(keys)))
        index = SetState({place.listed: None}, of_user=True) if whole else None
        yield from desk.change(place.session_id, changes, index)
        if title is not None and whole:
            yield from self._untitle(place.session_id, title)

    def _untitle(self, session_id: str, title: str) -> Plan[None]:
        """Forget a title that came from the lines."""
        plans, user_id = self._desk.plans, self._desk.user_id
        try:
            session = yield from plans.get(session_id, user_id=user_id)
        except NotFound:
            return
        if session.title == title:
            yield from plans.touch(session_id, title="", user_id=user_id)


def _place(key: Mapping[str, Any]) -> _Place:
    project, name, subpath = key["project_key"], key["session_id"], key.get("subpath")
    if checks.session_id(name) != name:
        raise InvalidInput(f"the session id {name!r} is not in normal form (NFC)")
    if not isinstance(project, str):
        raise InvalidInput(f"a project key must be text, not {type(project).__name__}")
    if subpath is not None and (not isinstance(subpath, str) or not subpath):
        raise InvalidInput("a subpath must be text; leave it out for the main transcript")
    return _Place(project, name, subpath)


def _mtime(head: Head) -> int:
    return head.changed_at // 1000


def _json(value: Any) -> Raw:
    return Raw(bodies.encoded(value, "what is remembered of a transcript", 1 << 30))
