"""From Gemini CLI's records to what a book takes: whose record it is, what was metered, how the session stands.

One :class:`Transcript` folds one file, across as many readings as it takes. What it hands over depends on the records
alone and not on where the readings were cut, except for the time at which something is said.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.importers import gemini_lines as lines
from rollbook.importers import gemini_places as places
from rollbook.importers import sessions
from rollbook.importers.base import Context
from rollbook.importers.fold import Fold
from rollbook.importers.gemini_calls import SOURCE, Calls, named
from rollbook.importers.gemini_content import GeminiContent
from rollbook.importers.gemini_lines import Facts, Line
from rollbook.importers.lines import micros, one_line
from rollbook.importers.sessions import AI, CANCELLED, COMPLETED, FAILED, OPEN, Carried, Session
from rollbook.model import Kind
from rollbook.rules import checks

AGENT: Final = SOURCE
SUB_AGENT: Final = "subagent"
_PROMPTS_MOST: Final = 4096  #: prompts of a session that are remembered, so that each is one turn however often written
_FOLDERS_MOST: Final = 16
_CHANNEL: Final = "cli"
_LEFT: Final[dict[int, tuple[int, str | None]]] = {
    OPEN: (OPEN, None),
    COMPLETED: (COMPLETED, None),
    CANCELLED: (CANCELLED, "cancelled by the user"),
}


class Head(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a file has said of its session so far."""

    session: str | None = None
    sub_agent: bool = False
    project: str | None = None  #: the digest of its folder's name
    folders: list[str] = []
    start: int = 0  #: when it was opened; told with its first message, since one without any is none
    summary: str | None = None  #: a title that waits for the first prompt, whose own would otherwise follow it


class State(sessions.State, kw_only=True, omit_defaults=True):
    """What the next reading of a file has to know of this one."""

    head: Head = msgspec.field(default_factory=Head)
    current: str | None = None  #: the session of the latest message
    prompts: tuple[int, ...] = ()  #: short digests of the names of the prompts that were counted
    skipped: int = 0  #: of an older file, what was not understood in it


_state = msgspec.json.Decoder(State)


def load(state: bytes) -> State:
    """The state that an earlier reading left; an empty one where there is none."""
    return _state.decode(state) if state else State()


class Transcript(Fold[Line]):
    """The parser of one file."""

    def __init__(self, path: str, state: bytes, context: Context) -> None:
        self.calls = Calls(context)
        super().__init__(lines.LINES, context, self.calls)
        self.path = path
        carried = load(state)
        self.head = carried.head
        self.prompts = dict.fromkeys(carried.prompts)
        self.by_id = {one.id: Session(one, AGENT) for one in carried.sessions}
        self.current = self.by_id.get(carried.current or "")
        self.content: GeminiContent | None = None
        if context.contents is not None:
            self._contents = self.content = GeminiContent()

    def state(self) -> bytes:
        """What the next reading has to know of this one."""
        state = State(
            sessions=sessions.carry(self.by_id),
            head=self.head,
            current=None if self.current is None else self.current.carried.id,
            prompts=tuple(self.prompts)[-_PROMPTS_MOST:],
            skipped=self.skipped if places.is_older(self.path) else 0,
        )
        return sessions.dump(state)

    # one record

    def _take(self, line: Line) -> bool:
        self.take(line)
        return True

    def take(self, line: Line, *, copied: bool = False) -> None:
        """Fold one record in; one that is not understood is counted. A copy says nothing of how the session stands."""
        try:
            understood = self._fold(line, copied=copied)
        except InvalidInput:
            understood = False
        self.skipped += 0 if understood else 1

    def _fold(self, line: Line, *, copied: bool) -> bool:
        if line.id is not None and not len(line.patch) and line.rewind_to is None:
            return self._message(line, copied=copied)
        if line.set is not None:
            return self._facts(line.set, repeats=True)
        if line.session_id is not None:
            return self._facts(line, repeats=False)
        return line.known  # what is taken back or changed afterwards was paid for as it was

    def _facts(self, facts: Facts, *, repeats: bool) -> bool:
        """What is said of the session, and its messages; a change of it repeats those that are there already."""
        head = self.head
        start = 0 if facts.start_time is None else self.context.time(micros(facts.start_time))[0]
        if facts.session_id and facts.session_id != head.session:
            checks.session_id(facts.session_id)
            # another conversation in the same file: nothing of what was said of the one before holds for it
            head = self.head = Head(session=facts.session_id)
            self.current = None
        head.start = head.start or start
        head.sub_agent = head.sub_agent or facts.kind == SUB_AGENT
        head.project = head.project or facts.project_hash
        head.folders = head.folders or lines.folders(facts.directories)[:_FOLDERS_MOST]
        if facts.summary and not head.sub_agent:
            head.summary = one_line(facts.summary)
            self._entitle()
        held, unread = lines.messages(facts.messages)
        self.skipped += unread
        for line in held:
            self.take(line, copied=repeats)
        if facts.summary and head.sub_agent and self.current is not None:
            self.current.stands(COMPLETED)  # it is what the sub-agent found: written only when it is done
        return True

    def _message(self, line: Line, *, copied: bool) -> bool:
        if line.timestamp is None:
            return False
        speaks = line.type in ("user", "gemini")
        session = self.current or (self._opened() if speaks else None)
        if session is None:
            return True  # a notice before anything was said: there may never be a session
        at, flagged = self.context.time(micros(line.timestamp))
        self.calls.take(line, self._scope(), session.carried, at, flagged=flagged)
        self._begin(session, at)
        session.seen(self._latest(line, at), flagged=flagged)
        if self.content is not None:
            self.content.take(session.carried.id, line, at, self.context, last=self.head.sub_agent)
        if line.type == "user":
            self._user(line, session)
        elif not copied:
            self._stands(line, session)
        return True

    def _latest(self, line: Line, at: int) -> int:
        """The latest time that a message tells: its tools may have worked for long."""
        times = [tool.timestamp for tool in lines.tools(line) if tool.timestamp is not None]
        return max((at, *(self.context.time(micros(time))[0] for time in times)))

    def _scope(self) -> str:
        """What a message's id is unique within, unless it is by itself."""
        return self.head.session or places.stem(self.path)

    def _opened(self) -> Session:
        """The session that the next message is of. A sub-agent's is a child of the one whose folder it is in.

        The first versions gave sub-agents their parent's own id.
        """
        name, parent = self._scope(), None
        if self.head.sub_agent:
            parent = places.parent_of(self.path) or name
            name = f"{parent}/agent-{name}" if parent != name else f"{parent}/{SUB_AGENT}"
        session = self.by_id.get(name)
        if session is None:
            session = self.by_id[name] = Session(Carried(id=checks.session_id(name), parent=parent), AGENT)
        self.current = session
        return session

    def _begin(self, session: Session, at: int) -> None:
        """What the first message of a session tells of all of it."""
        if session.carried.introduced:
            return
        first = min(self.head.start or at, at)
        session.seen(first)
        kind = Kind.AUTONOMOUS if session.carried.parent else Kind.INTERACTIVE
        session.introduced(first, channel=_CHANNEL, kind=kind)
        session.located(places.project(self.path, self.head.project, self.head.folders), first)

    def _user(self, line: Line, session: Session) -> None:
        said = lines.user_said(line, last=self.head.sub_agent)
        name = int.from_bytes(blake2b(named(line.id or "", self._scope()).encode(), digest_size=6).digest())
        if not said.prompt or name in self.prompts:
            return
        self.prompts[name] = None
        session.stands(OPEN)
        session.prompted(said.text)
        self._entitle()

    def _stands(self, line: Line, session: Session) -> None:
        """How a session stands after an answer or a notice."""
        if line.type == "gemini":
            session.stands(*_LEFT[lines.answer(line)])
        elif line.type == "info" and lines.says_cancelled(line):
            session.stands(*_LEFT[CANCELLED])
        elif line.type == "error" and session.carried.stands == OPEN and session.carried.turns:
            text = lines.first_text(line)
            session.stands(FAILED, one_line(text, 200) if text else "error")

    def _entitle(self) -> None:
        """Give the session the title that the agent made, once its first prompt has been seen."""
        session, summary = self.current, self.head.summary
        if session is not None and session.carried.turns and summary is not None:
            session.titled(AI, summary)
            self.head.summary = None
