"""What of a span says what: decided once for all spans that have attributes of the same keys.

An emitter's spans have but a few sets of keys. So which emitter wrote a span, and which of the names in its tables are
there, is worked out for a set of keys when it comes first (:func:`of`), and for what sent a batch once
(:class:`Sender`). What is left to do for a span is to look at its values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import Struct

from rollbook.otlp import words
from rollbook.otlp.emitters import CONVENTIONS, EMITTERS, Emitter
from rollbook.otlp.emitters.shape import Names, Said
from rollbook.otlp.records import Resource
from rollbook.otlp.words import Ways
from rollbook.rules import checks

PROJECT_BYTES: Final = 4096
_NOBODY: Final = len(EMITTERS)  #: of what says nothing of who wrote it
_MARKS: Final = tuple(mark for emitter in EMITTERS for mark in emitter.marks)
_PASSED_OVER: Final = tuple(pair for emitter in EMITTERS for pair in emitter.passed_over.items())
_MOST_MESSAGES: Final = 4_096
#: Keys of which it is remembered how to read them. Longer sets name every message, so hardly one comes again.
_MOST_KEYS: Final = 128
_MOST_KEY_CHARS: Final = 8_192
_MOST_REMEMBERED: Final = 1_024
_UNNAMED: Final = "unknown_service"  #: how a service is called that nobody named


class Numbered(Struct, frozen=True, gc=False):
    """Messages that stand in an attribute each."""

    starts: tuple[str, ...] = ()  #: how the keys of each message begin
    role: str = ""  #: what stands behind that
    content: str = ""


class SaidIn(Struct, frozen=True, gc=False):
    """Where messages are."""

    whole: Ways = ()
    numbered: Numbered = Numbered()


class Count(Struct, frozen=True, gc=False):
    """Where a table has tokens."""

    none: Mapping[str, int]  #: no token of any of its kinds
    disjoint: bool
    among: tuple[tuple[str, Ways], ...]


class Reading(Struct, frozen=True, gc=False, kw_only=True):
    """Where attributes of a set of keys say what: see ``Emitter``, whose fields these are."""

    emitter: Emitter | None
    passed_over: tuple[tuple[str, str], ...] = ()
    calls: Names = ()
    kind: tuple[tuple[str, Mapping[str, str]], ...] = ()
    counts: tuple[Count, ...] = ()
    cost: Ways = ()
    model: Ways = ()
    provider: Ways = ()
    response: Ways = ()
    request: Ways = ()
    succeeded: Ways = ()
    asked: tuple[SaidIn, ...] = ()
    answered: tuple[SaidIn, ...] = ()
    tool: Ways = ()
    tool_call: Ways = ()
    arguments: Ways = ()
    result: Ways = ()
    error: Ways = ()
    session: Ways = ()
    sub_agent: Ways = ()
    agents: Ways = ()
    actor: Ways = ()
    project: Ways = ()
    title: Ways = ()
    tags: Ways = ()
    turns: Ways = ()
    end: Ways = ()


#: What is looked up in the conventions where an emitter's own table has nothing, and what is not.
_SHARED: Final = (
    "cost", "model", "provider", "response", "request", "tool", "tool_call", "arguments", "result", "error", "session",
    "agents", "actor", "project", "title",
)  # fmt: skip
_OWN: Final = ("succeeded", "sub_agent", "tags", "turns", "end")


_remembered: Final[dict[tuple[int, tuple[str, ...]], Reading]] = {}  #: by the emitter's place, and the keys


def of(sender: Sender, name: str, attributes: Mapping[str, Any]) -> Reading:
    """How to read a span of a name. Its emitter is None if it is of no agent's work."""
    by = min(sender.place, _named(name)) if name.startswith(_MARKS) else sender.place
    keys = tuple(attributes)
    found = _remembered.get((by, keys))
    if found is None:
        found = _worked_out(by, keys)
        if len(keys) <= _MOST_KEYS and sum(map(len, keys)) <= _MOST_KEY_CHARS:
            if len(_remembered) >= _MOST_REMEMBERED:
                _remembered.clear()  # few emitters have so many sets of keys, and each is soon worked out again
            _remembered[by, keys] = found
    return found


def _worked_out(by: int, keys: tuple[str, ...]) -> Reading:
    marked = (place for place in range(by) if any(key.startswith(EMITTERS[place].marks) for key in keys))
    by = next(marked, by)
    return Reading(emitter=None) if by == _NOBODY else _narrowed(EMITTERS[by], dict.fromkeys(keys))


def _named(name: str) -> int:
    return next(place for place, emitter in enumerate(EMITTERS) if name.startswith(emitter.marks))


def _narrowed(emitter: Emitter, keys: Collection[str]) -> Reading:
    """What an emitter's table and the conventions say of attributes of these keys."""
    tables = (emitter,) if emitter is CONVENTIONS else (emitter, CONVENTIONS)
    shared = {
        field: words.ways((name for table in tables for name in getattr(table, field)), keys) for field in _SHARED
    }
    own = {field: words.ways(getattr(emitter, field), keys) for field in _OWN}
    return Reading(
        emitter=emitter,
        passed_over=tuple(pair for pair in _PASSED_OVER if pair[0] in keys),
        calls=tuple(name for name in emitter.calls if name in keys),
        kind=tuple((name, table.kinds) for table in tables for name in table.kind if name in keys),
        counts=tuple(count for table in tables if (count := _count(table, keys)).among),
        asked=tuple(_said(table.asked, keys) for table in tables),
        answered=tuple(_said(table.answered, keys) for table in tables),
        **shared,
        **own,
    )


def _count(table: Emitter, keys: Collection[str]) -> Count:
    among = ((field, words.ways(names, keys)) for field, names in table.tokens.items())
    return Count(dict.fromkeys(table.tokens, 0), table.disjoint, tuple(one for one in among if one[1]))


def _said(said: Said, keys: Collection[str]) -> SaidIn:
    return SaidIn(words.ways(said.whole, keys), Numbered(_starts(said, keys), said.role, said.content))


def _starts(said: Said, keys: Collection[str]) -> tuple[str, ...]:
    found: dict[int, str] = {}
    for prefix in said.numbered:
        pattern = re.compile(rf"{re.escape(prefix)}\.(\d{{1,4}})\.")
        for key in keys:
            match = pattern.match(key) if key.startswith(prefix) else None
            if match is not None and len(found) <= _MOST_MESSAGES:
                found.setdefault(int(match[1]), match[0])
    return tuple(start for _, start in sorted(found.items()))


class Defaults(Struct, frozen=True, kw_only=True):
    """What a resource says of the sessions of its spans, where they do not say it."""

    session: str | None = None
    agent: str | None = None
    actor: str | None = None
    project: str | None = None
    title: str | None = None
    tags: tuple[str, ...] | None = None


class Sender:
    """What is the same for all spans of a resource and scope."""

    def __init__(self, resource: Resource) -> None:
        said = resource.attributes.get("service.name")
        senders = (str(said or "").lower(), resource.scope.lower())
        self.place = next((at for at, one in enumerate(EMITTERS) if _sent(senders, one.services)), _NOBODY)
        name = words.label(said)
        self.service = None if name is None or name.startswith(_UNNAMED) else name
        self._attributes = resource.attributes
        self._defaults: dict[str, Defaults] = {}

    def defaults(self, emitter: Emitter) -> Defaults:
        """What it says, in an emitter's words."""
        found = self._defaults.get(emitter.name)
        if found is None:
            found = self._defaults[emitter.name] = self._said_of(_narrowed(emitter, self._attributes))
        return found

    def _said_of(self, reading: Reading) -> Defaults:
        def of(ways: Ways, most: int = checks.MAX_MODEL_BYTES) -> str | None:
            return words.label(words.first(ways, self._attributes), most)

        return Defaults(
            session=words.text(words.first(reading.session, self._attributes)),
            agent=of(reading.agents),
            actor=of(reading.actor),
            project=of(reading.project, PROJECT_BYTES),
            title=of(reading.title, checks.MAX_TITLE_BYTES),
            tags=words.labels(words.first(reading.tags, self._attributes), checks.MAX_TAGS),
        )


def _sent(senders: tuple[str, str], services: Names) -> bool:
    return any(
        sender.startswith(one) if one.endswith(("_", ".")) else sender == one for sender in senders for one in services
    )
