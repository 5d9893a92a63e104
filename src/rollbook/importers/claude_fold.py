"""From Claude Code's lines to what a book takes: whose line it is, what was metered, how the session stands.

One :class:`Transcript` folds one file, across as many readings as it takes. What it hands over depends on the lines
alone and not on where the readings were cut, except for the time at which something is said: repeats of a call become
one call (the best record of it), a session's lines become a few touches, and its last lines an end once they have
been silent for long.
"""

from __future__ import annotations

import contextlib
from pathlib import PurePath
from typing import Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.importers import claude_lines as lines
from rollbook.importers import sessions
from rollbook.importers.base import Context
from rollbook.importers.claude_calls import Calls
from rollbook.importers.claude_content import ClaudeContent
from rollbook.importers.claude_lines import SYNTHETIC, ForkedFrom, Line, Message
from rollbook.importers.content import Waiting
from rollbook.importers.fold import Fold
from rollbook.importers.lines import micros, one_line
from rollbook.importers.sessions import AI, CANCELLED, COMPLETED, CUSTOM, FAILED, OPEN, SUMMARY, Carried, Session
from rollbook.model import Kind
from rollbook.rules import checks
from rollbook.telemetry import doors
from rollbook.telemetry.names import sub_agent

AGENT: Final = "claude-code"
Place = tuple[str | None, bool | None, str | None]  #: what tells a line's session: id, side chain, sub-agent

_SPEAKING: Final = ("assistant", "user", None)
_NAMING: Final = ("summary", "custom-title", "ai-title")
_STOPS: Final = {"end_turn": COMPLETED, "stop_sequence": COMPLETED, "refusal": FAILED}


class State(sessions.State, kw_only=True, omit_defaults=True):
    """What the next reading of a file has to know of this one."""

    current: str | None = None  #: the session of the latest line
    stray: str | None = None  #: a title that came before any session
    past: bool = False  #: there were lines of other sessions, or copies, that may be another one's past
    open: list[Waiting] = msgspec.field(default_factory=list)  #: calls of tools whose results have not come


_state = msgspec.json.Decoder(State)


def load(state: bytes) -> State:
    """The state that an earlier reading left; an empty one where there is none."""
    return _state.decode(state) if state else State()


class Transcript(Fold[Line]):
    """The parser of one file."""

    def __init__(self, path: str, state: bytes, context: Context) -> None:
        self.calls = Calls(context)
        super().__init__(lines.LINES, context, self.calls)
        self.home, self.agent = _names(path)
        self.by_line: dict[Place, Session] = {}
        carried = load(state)
        self.stray = carried.stray
        for one in carried.sessions:
            self.by_id[one.id] = Session(one, AGENT)
        self.current = self.by_id.get(carried.current or "")
        self.past = carried.past
        self.content: ClaudeContent | None = None
        if context.contents is not None:
            self._contents = self.content = ClaudeContent(path, carried.open, context)
            self._open = self.content.calls

    def state(self) -> bytes:
        """What the next reading has to know of this one."""
        current = None if self.current is None else self.current.carried.id
        state = State(sessions=sessions.carry(self.by_id), current=current, stray=self.stray, past=self.past)
        if self.content is not None:
            state.open = self.content.calls.carried()
        return sessions.dump(state)

    # one line

    def _take(self, line: Line) -> bool:
        """Fold one line in; whether it was understood."""
        try:
            return self._fold(line)
        except InvalidInput:
            return False

    def _fold(self, line: Line) -> bool:
        kind = line.type
        if kind is None and not (isinstance(line.message, Message) and line.message.usage):
            return False
        speaks = kind in _SPEAKING
        if line.timestamp is None or not (speaks or line.session_id):
            self._titles(line, self._session(line) if line.session_id else self.current)
            return not speaks
        session = self._session(line)
        at, flagged = self.context.time(micros(line.timestamp))
        lived = session.carried.last
        session.seen(at, flagged=flagged)
        if self.content is not None:
            self._remember(self.content, line, session, at, lived=bool(lived))
        if kind in _NAMING or self.stray is not None:
            self._titles(line, session)
        self.current = session
        carried = session.carried
        if not carried.located:
            session.located(line.cwd, at)
        if not carried.introduced and speaks and kind:
            channel, driven = doors.claude(line.entrypoint)
            session.introduced(at, channel=channel, kind=Kind.AUTONOMOUS if carried.parent else driven)
        if kind == "user":
            self._user(line, session)
        elif speaks:
            return self._assistant(line, session, at, flagged=flagged)
        elif kind == "progress":
            return self._progress(line)
        return True

    def _session(self, line: Line) -> Session:
        """Whose line it is. A copy in a fork is the original's; a side chain's is a child's."""
        forked = line.forked_from
        if forked is not None and type(forked) is ForkedFrom and forked.session and forked.session != line.session_id:
            if line.session_id:
                self._named(line.session_id, line).comes_from(forked.session)
            return self._named(forked.session, line)
        place = (line.session_id, line.is_sidechain, line.agent_id)
        session = self.by_line.get(place)
        if session is None:
            session = self._named(line.session_id or self.home, line, self.agent)
            self.by_line[place] = session
        return session

    def _named(self, root: str, line: Line, of_file: str | None = None) -> Session:
        name, parent = root, None
        if line.is_sidechain or of_file is not None:
            name, parent = sub_agent(root, line.agent_id or of_file or ""), root
        session = self.by_id.get(name)
        if session is None:
            session = self.by_id[name] = Session(Carried(id=checks.session_id(name), parent=parent), AGENT)
        return session

    # what was said and done

    def _remember(self, content: ClaudeContent, line: Line, session: Session, at: int, *, lived: bool) -> None:
        """Take in what a line contains, for the session that it names."""
        copy_of = _copied_to(line)
        if copy_of is not None:
            self.past = True
            fork = self.by_id.get(copy_of)
            if fork is not None and fork.carried.last and line.type in _SPEAKING and not line.is_sidechain:
                content.take(fork.carried.id, line, at)
            return
        if session.carried.parent is None:
            carried = session.carried
            if not lived and self.past and (carried.id == self.home or carried.forked_from is not None):
                self._recall(content, session)
            self.past = self.past or carried.id != self.home
        if line.type in _SPEAKING:
            content.take(session.carried.id, line, at)

    def _recall(self, content: ClaudeContent, session: Session) -> None:
        """Take in what the file tells of a session's past before its own first line."""
        name = session.carried.id
        for line in content.past():
            copy_of = _copied_to(line)
            root = line.session_id or self.home
            if line.is_sidechain or line.timestamp is None:
                continue
            if copy_of is None and root == name:
                return
            if line.type in _SPEAKING and (copy_of == name or (copy_of is None and name == self.home)):
                with contextlib.suppress(InvalidInput):
                    content.take(name, line, self.context.time(micros(line.timestamp))[0])

    def _titles(self, line: Line, session: Session | None) -> None:
        if session is not None and self.stray is not None:
            session.titled(SUMMARY, self.stray)
            self.stray = None
        if line.type == "summary" and line.summary:
            title = one_line(line.summary)
            if session is None:
                self.stray = title
            else:
                session.titled(SUMMARY, title)
        elif session is not None and line.type == "custom-title" and line.custom_title:
            session.titled(CUSTOM, one_line(line.custom_title))
        elif session is not None and line.type == "ai-title" and line.ai_title:
            session.titled(AI, one_line(line.ai_title))

    def _user(self, line: Line, session: Session) -> None:
        if line.is_meta or line.is_compact_summary:
            return
        message = line.message
        if not isinstance(message, Message):
            return
        said = lines.user_said(message.content)
        if said.interrupted:
            session.stands(CANCELLED, "interrupted by the user")
        elif said.answered:
            session.stands(OPEN)
        elif said.prompt:
            session.stands(OPEN)
            session.prompted(said.text)

    def _assistant(self, line: Line, session: Session, at: int, *, flagged: bool) -> bool:
        message = line.message
        if not isinstance(message, Message):
            return False
        if line.is_api_error_message:
            text = lines.first_text(message.content)
            session.stands(FAILED, one_line(text, 200) if text else "API error")
        elif message.model != SYNTHETIC:
            session.stands(*_standing(message))
        if message.usage is None or message.model == SYNTHETIC:
            return True
        return self.calls.take(line, message, message.usage, session.carried, at, flagged=flagged)

    def _progress(self, line: Line) -> bool:
        """A sub-agent's call that its parent's transcript repeats: in old versions there was no other record of it."""
        found = lines.progress(line.data)
        if found is None or found.message.timestamp is None or not isinstance(found.message.message, Message):
            return True
        inner, usage = found.message, found.message.message.usage
        inner.session_id, inner.is_sidechain, inner.agent_id = line.session_id, True, found.agent_id
        inner.forked_from, inner.type = line.forked_from, "assistant"
        return usage is None or self._fold(inner)


def _copied_to(line: Line) -> str | None:
    """The fork that a line was copied to; None for a line of a session's own."""
    forked = line.forked_from
    if forked is None or type(forked) is not ForkedFrom or not forked.session or forked.session == line.session_id:
        return None
    return line.session_id


def _standing(message: Message) -> tuple[int, str | None]:
    """How a session stands after an assistant's line."""
    if message.stop_reason is None:
        # Older versions never wrote a reason: words without a call of a tool are the end of a turn if nothing follows.
        return (COMPLETED if lines.ends_in_text(message.content) else OPEN), None
    status = _STOPS.get(message.stop_reason, OPEN)
    return status, message.stop_reason if status == FAILED else None


def _names(path: str) -> tuple[str, str | None]:
    """The session and the sub-agent that a file's name stands for, for lines that do not say it themselves."""
    *inner, name = PurePath(path).parts
    stem = name.removesuffix(".jsonl")
    below = "subagents" in inner[1:]
    agent = stem if below or stem.startswith("agent-") else None
    home = inner[inner.index("subagents", 1) - 1] if below else stem
    home = "".join(char if char.isprintable() else "?" for char in home) or "unnamed"
    return home, agent
