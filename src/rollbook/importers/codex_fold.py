"""From Codex's lines to what a book takes: whose line it is, what was metered, how the session stands.

One :class:`Transcript` folds one file, across as many readings as it takes. What it hands over depends on the lines
alone and not on where the readings were cut, except for the time at which something is said.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw

from rollbook.errors import InvalidInput
from rollbook.importers import codex_lines as lines
from rollbook.importers import sessions
from rollbook.importers.base import Context
from rollbook.importers.codex_calls import COPIED, INHERITED, OWN, Calls, Counter, Spot, Terms, split_of
from rollbook.importers.codex_content import CodexContent
from rollbook.importers.codex_facts import ID_BYTES, checked, door, metadata, named
from rollbook.importers.codex_life import FINISHED, STARTED, asked, happened, worked
from rollbook.importers.codex_lineage import Lineage, parent_of
from rollbook.importers.codex_lines import Line
from rollbook.importers.content import Waiting
from rollbook.importers.fold import Fold
from rollbook.importers.lines import micros
from rollbook.importers.sessions import Carried, Session
from rollbook.rules import checks

AGENT: Final = "codex"
_PAGED: Final = "paginated"  #: the newest way to keep a history, in which messages are items


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a file has told so far, beside its sessions."""

    lineage: Lineage
    counter: Counter
    terms: Terms
    metadata: dict[str, Any] = {}
    guessed: bool = False  #: a model had to be guessed, and that was said
    cycled: bool = False  #: the beginnings and ends of turns are written down
    paged: bool = False  #: messages are items of turns
    said: int = 0  #: messages of a transcript that has one time for all of them
    open: list[Waiting] = []  #: calls of tools whose results have not come


def _nothing_told() -> Told:
    return Told(lineage=Lineage(), counter=Counter(), terms=Terms())


class State(sessions.State, kw_only=True, omit_defaults=True):
    """What the next reading of a file has to know of this one."""

    told: Told = msgspec.field(default_factory=_nothing_told)


_state = msgspec.json.Decoder(State)


class Here(NamedTuple):
    """A line on its way."""

    payload: Raw
    ordinal: int | None
    moment: int  #: the time that it tells, before it is held against the clock


def load(state: bytes) -> State:
    """The state that an earlier reading left; an empty one where there is none."""
    return _state.decode(state) if state else State()


class Transcript(Fold[Line]):
    """The parser of one file."""

    def __init__(self, path: str, state: bytes, context: Context) -> None:
        carried = load(state)
        self.told = carried.told
        self.lineage = self.told.lineage
        self.terms = self.told.terms
        self.calls = Calls(context, self.told.counter)
        super().__init__(lines.LINES, context, self.calls)
        self.path = path
        self.by_id = {one.id: Session(one, AGENT) for one in carried.sessions}
        self.own = self.by_id.get(self.lineage.own or "")
        self.content: CodexContent | None = None
        if context.contents is not None:
            self._contents = self.content = CodexContent(path, self.told.open, context)
            self._open = self.content.calls

    def state(self) -> bytes:
        """What the next reading has to know of this one."""
        if self.content is not None:
            self.told.open = self.content.calls.carried()
        return sessions.dump(State(sessions=sessions.carry(self.by_id), told=self.told))

    # one line

    def _take(self, line: Line) -> bool:
        """Fold one line in; whether it was understood."""
        try:
            return self._fold(line)
        except InvalidInput:
            return False

    def _fold(self, line: Line) -> bool:
        if not line.payload:
            return self._oldest(line)
        if line.timestamp is None:
            return False
        moment = micros(line.timestamp)
        at, flagged = self.context.time(moment)
        if line.type == "session_meta" and self.own is None:
            return self._begin(line, at, flagged=flagged)
        own = self.own or self._unnamed(moment)
        self.lineage.pass_by(moment)
        if not self.lineage.copies or moment >= self.lineage.made:
            own.seen(at, flagged=flagged)
        return self._fold_kind(line.type, Here(line.payload, line.ordinal, moment))

    def _fold_kind(self, kind: str | None, here: Here) -> bool:
        match kind:
            case "response_item":
                return self._response_item(here)
            case "event_msg":
                return self._event(here)
            case "turn_context":
                return self._turn_context(here)
            case "token_usage_record":
                return self._response(here)
            case "session_meta":
                return self._meta(here)
            case "inter_agent_communication":
                return self._sent(here)
            case _:
                return True

    def _is_own(self, here: Here) -> bool:
        return self.lineage.is_own(here.ordinal, here.moment, self.terms.turn)

    def _is_told(self, here: Here) -> bool:
        return self.lineage.is_told(here.ordinal, here.moment, self.terms.turn)

    def _begin(self, line: Line, at: int, *, flagged: bool) -> bool:
        """The file's own first line."""
        meta = lines.META.one(line.payload)
        if meta is None or not meta.id:
            return False
        identity = checked(meta.id)
        self.lineage.begin(meta, identity)
        parent = parent_of(meta, identity)
        own = self._start(identity, None if parent is None else checked(parent))
        self.told.paged = meta.history_mode == _PAGED
        self.told.metadata = metadata(meta)
        self.terms.provider = checks.name(meta.model_provider, "a provider")
        self.lineage.pass_by(micros(line.timestamp) if line.timestamp else at)
        channel, kind = door(meta)
        own.seen(at, flagged=flagged)
        own.located(meta.cwd, at)
        own.introduced(at, channel=channel, kind=str(kind), metadata=self.told.metadata)
        return True

    def _unnamed(self, moment: int) -> Session:
        """The session of a file that does not say whose it is: its name does."""
        self.lineage.own, self.lineage.made = named(self.path), moment
        return self._start(self.lineage.own, None)

    def _start(self, identity: str, parent: str | None) -> Session:
        self.own = self.by_id.setdefault(identity, Session(Carried(id=identity, parent=parent), AGENT))
        return self.own

    def _meta(self, here: Here) -> bool:
        """A first line once more: an ancestor's, that was copied with its history, or the same when it was resumed."""
        meta = lines.META.one(here.payload)
        if meta is None:
            return False
        if meta.id:
            checked(meta.id)
            self.lineage.inherit(meta)
        return True

    def _turn_context(self, here: Here) -> bool:
        turn = lines.TURN.one(here.payload)
        if turn is None:
            return False
        self._turn(turn.turn_id)
        if turn.model:
            self.terms.model = checks.name(turn.model, "a model")
        self.terms.told(turn.service_tier)
        return True

    def _turn(self, turn: str | None) -> None:
        if turn and len(turn) <= ID_BYTES and turn != self.terms.turn:
            self.terms.turn = turn
            self.told.counter.turned()

    def _response_item(self, here: Here) -> bool:
        """Words and tools. Only what the model does says that a turn goes on."""
        if self.own is None:
            return True
        told = self._is_told(here)
        if self.content is not None and (told or self.own.carried.parent is None):
            self.content.take(self.own.carried.id, here.payload, here.moment)
        if not told:
            return True
        worked(self.own, here.payload, cycled=self.told.cycled)
        return True

    def _oldest(self, line: Line) -> bool:
        """A line of the first versions, which had no envelope and only one time, on the first line."""
        if line.type is None and line.timestamp is not None and line.id and self.own is None:
            at, flagged = self.context.time(micros(line.timestamp))
            self.lineage.own = checked(line.id)
            self._start(self.lineage.own, None).seen(at, flagged=flagged)
            return True
        if line.type == "message" and line.role == "user" and self.own is not None:
            text = lines.words(line.content)
            if text is not None:
                self.own.prompted(text)
        if self.content is not None and line.type == "message" and self.own is not None:
            self.told.said += 1
            self.content.plain(self.own.carried, line, self.told.said)
        return line.type is not None or line.record_type is not None

    # what happened

    def _event(self, here: Here) -> bool:
        kind = lines.kind(here.payload)
        if kind == "token_count":
            return self._token_count(here)
        if kind == "thread_settings_applied":
            return self._settings(here)
        if kind in FINISHED:
            self.told.cycled = True
        if kind in STARTED:
            self.told.cycled = True
            found = lines.TURN.one(here.payload)
            if found is not None:
                self._turn(found.turn_id)
        told = self.own is not None and self._is_told(here)
        if self.content is not None and self.own is not None and (told or self.own.carried.parent is None):
            text = asked(kind, here.payload, paged=self.told.paged)
            if text is not None:
                self.content.asked(self.own.carried.id, text, here.moment)
        if self.own is not None and told:
            happened(self.own, kind, here.payload, cycled=self.told.cycled, paged=self.told.paged)
        return True

    def _sent(self, here: Here) -> bool:
        """What another agent asked for."""
        sent = lines.SENT.one(here.payload)
        if sent is not None and sent.trigger_turn and sent.content and self.own is not None and self._is_told(here):
            self.own.prompted(sent.content)
            if self.content is not None:
                self.content.asked(self.own.carried.id, sent.content, here.moment)
        return True

    def _settings(self, here: Here) -> bool:
        applied = lines.APPLIED.one(here.payload)
        if applied is None:
            return False
        settings = applied.thread_settings
        if settings is not None:
            if settings.model:
                self.terms.model = checks.name(settings.model, "a model")
            if settings.model_provider_id:
                self.terms.provider = checks.name(settings.model_provider_id, "a provider")
            self.terms.told(settings.service_tier)
        return True

    # what was metered

    def _token_count(self, here: Here) -> bool:
        found = lines.TOKEN_COUNT.one(here.payload)
        if found is None:
            return False
        info = found.info
        if info is None:
            return True
        if info.model:
            self.terms.model = checks.name(info.model, "a model")
        total, last = split_of(info.total_token_usage), split_of(info.last_token_usage)
        counter = self.told.counter
        goes_on = self.lineage.copies and counter.stood is None and total is not None and total != last
        grown = counter.grew(total, last)
        if not any(grown[:5]):
            return True
        own = self._is_own(here)
        owners, spot = self._whose(here.moment, own=own)
        if own and goes_on:
            # The counter goes on from an ancestor's that was not copied: this may be the ancestor's last call, told
            # again. It is, if that call is ever met.
            owners = [*owners, *(one.id for one in self.lineage.ancestors)]
            spot = spot._replace(weight=INHERITED, inherits=True)
        guessed = self.calls.counted(grown, total, self.terms, spot, owners)
        self._guessed(here.moment, guessed=guessed and spot.session == self.lineage.own)
        return True

    def _response(self, here: Here) -> bool:
        found = lines.RESPONSE.one(here.payload)
        if found is None:
            return False
        split = split_of(found.usage)
        if split is None or not any(split[:5]) or not found.response_id:
            return True
        self._turn(found.turn_id)
        thread = found.thread_id
        if not thread or thread == self.lineage.own:
            own = thread == self.lineage.own or self._is_own(here)
            spot = self._whose(here.moment, own=own)[1]
        else:
            happened_at = self.lineage.owner(here.moment, self.terms.turn)[1] if self.lineage.copies else here.moment
            spot = self._ancestral(checked(thread), happened_at, COPIED)
        guessed = self.calls.responded(checked(found.response_id), split, self.terms, spot)
        self._guessed(here.moment, guessed=guessed and spot.session == self.lineage.own)
        return True

    def _whose(self, moment: int, *, own: bool) -> tuple[list[str], Spot]:
        """The sessions that may have made a call, and what is claimed of it here."""
        identity = self.lineage.own or ""
        if own:
            at, flagged = self.context.time(moment)
            return [identity], Spot(identity, at, OWN, flagged)
        ancestor, at, sure = self.lineage.owner(moment, self.terms.turn)
        owners = [one.id for one in self.lineage.ancestors]
        return owners, self._ancestral(ancestor.id, at, COPIED if sure else INHERITED)

    def _ancestral(self, identity: str, at: int, weight: int) -> Spot:
        """A claim for an ancestor, of which something is thereby known."""
        at, flagged = self.context.time(at)
        session = self.by_id.get(identity)
        if session is None:
            session = self.by_id[identity] = Session(Carried(id=checked(identity)), AGENT)
        session.seen(at, flagged=flagged)
        known = next((one for one in self.lineage.ancestors if one.id == identity), None)
        if known is not None:
            session.located(known.cwd, at)
        return Spot(identity, at, weight, flagged)

    def _guessed(self, moment: int, *, guessed: bool) -> None:
        """Say it where a model had to be guessed."""
        if guessed and not self.told.guessed and self.own is not None:
            self.told.guessed = True
            self.told.metadata = {**self.told.metadata, "model_guessed": True}
            self.own.learnt(self.context.time(moment)[0], metadata=self.told.metadata)
