"""The language in which sessions are asked for: ``status:abandoned cost>5 model:opus* -agent:codex "free text"``.

Terms stand beside each other and all must hold. A term is a field, a sign and a value, or a text that is looked for in
id, title and goal; ``-`` before it turns it round. Values of names may be several, with commas between them, of which
one must fit, and ``*`` in a name stands for anything. What is in quotes is meant as it is.

Every query has one canonical text: ``parse(str(query)) == query``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final, NoReturn

from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.model import CHANNELS, NANO
from rollbook.rules import checks
from rollbook.rules.query_values import Ago, Moment, Pattern, quoted, span_text

Value = tuple[Pattern, ...] | int | bool | Ago | Moment

MAX_CHARS: Final = 4_000
MAX_TERMS: Final = 40
TEXT: Final = "text"  #: the field of a text without a field
NONE: Final = "none"  #: what stands for the lack of a name
_SIGNS: Final = (":", ">=", "<=", ">", "<")


class Term(Struct, frozen=True):
    """One condition."""

    field: str
    sign: str  #: ``:`` is equality
    value: Value
    negated: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.negated else ''}{self._told()}"

    def _told(self) -> str:
        if self.field == TEXT and isinstance(self.value, tuple):
            return quoted(self.value[0].parts[0])
        return f"{self.field}{self.sign}{FIELDS[self.field].told(self.value)}"


class Query(Struct, frozen=True):
    """What sessions are asked for: terms that must all hold."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))


class Field(Struct, frozen=True):
    """What can be asked for."""

    says: str
    kind: str  #: word | name | count | money | span | time | yes
    words: tuple[str, ...] = ()  #: the only values, where there are few
    may_lack: bool = False  #: whether ``none`` asks for sessions that have none

    @property
    def signs(self) -> tuple[str, ...]:
        return _SIGNS if self.kind in ("count", "money", "span", "time") else (":",)

    def told(self, value: Value) -> str:
        """A value as it is written."""
        if isinstance(value, tuple):
            return ",".join(map(str, value))
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return {"money": _dollars, "span": span_text}.get(self.kind, str)(value)
        return str(value)


def _dollars(nano: int) -> str:
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


FIELDS: Final[dict[str, Field]] = {
    "status": Field("its state now", "word", checks.STATUSES),
    "agent": Field("the agent", "name", may_lack=True),
    "model": Field("a model that it used; unknown for calls that named none", "name"),
    "user": Field("whose it is, by name, e-mail or id", "name"),
    "kind": Field("how it is driven", "word", checks.KINDS),
    "channel": Field("where it is held", "word", CHANNELS, may_lack=True),
    "project": Field("the folder or project", "name", may_lack=True),
    "dataset": Field("the dataset, by its UUID", "name", may_lack=True),
    "tag": Field("a tag that it has", "name", may_lack=True),
    "id": Field("its id", "name"),
    "title": Field("its title", "name", may_lack=True),
    "parent": Field("the id of the session above it", "name", may_lack=True),
    "cost": Field("dollars; never of what is wholly unpriced", "money"),
    "tokens_in": Field("tokens that were read", "count"),
    "tokens_out": Field("tokens that were produced", "count"),
    "calls": Field("calls of models", "count"),
    "errors": Field("calls and steps that failed", "count"),
    "turns": Field("turns of whoever it talks to", "count"),
    "late": Field("calls after its end", "count"),
    "attempt": Field("how often it was begun", "count"),
    "duration": Field("agent time", "span"),
    "unpriced": Field("whether calls are without a price", "yes"),
    "started": Field("when it began", "time"),
    "active": Field("when it was last active", "time"),
    "ended": Field("when it ended", "time"),
}
_OTHER_NAMES: Final = {
    "started_at": "started", "ended_at": "ended", "last_activity_at": "active", "cost_usd": "cost",
    "dataset_id": "dataset", "error_count": "errors", "tags": "tag", "session_id": "id", "user_id": "user",
    "unpriced_calls": "unpriced", "parent_id": "parent", "agent_time": "duration",
}  # fmt: skip
_RANGE: Final = {"since": ">=", "until": "<"}  #: both ends of the time of the last activity, as other doors call them

_FIELD: Final = re.compile(r"([A-Za-z_]+)(:|>=|<=|>|<|=)")
_PIECE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([*,])|([^\s"*,]+)', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_COUNT: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([kKmMgG]?)")
_SHARES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_MOST: Final = 2**62


def parse(text: str) -> Query:
    """What a text asks for. Raises InvalidInput that says where it cannot be read, and what may stand there."""
    if not isinstance(text, str):
        raise InvalidInput(f"a query must be text, not {type(text).__name__}")
    if len(text) > MAX_CHARS:
        raise InvalidInput(f"a query is at most {MAX_CHARS} characters long, not {len(text)}")
    checks.prose(text, "a query", 4 * MAX_CHARS)
    return Query(_Reading(text).terms())


class _Reading:
    """A text, and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def terms(self) -> tuple[Term, ...]:
        found = []
        while self._skip():
            found.append(self._term())
            if len(found) > MAX_TERMS:
                raise InvalidInput(f"a query has at most {MAX_TERMS} terms")
        return tuple(found)

    def _skip(self) -> bool:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at < len(self.text)

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        place = self.at if at is None else at
        raise InvalidInput(f"in the query at character {place + 1}: {what}")

    def _term(self) -> Term:
        negated = self.text[self.at] == "-"
        self.at += negated
        found = _FIELD.match(self.text, self.at)
        if found is None:
            at = self.at
            words = "".join(text for text, _ in self._pieces())
            if not words.strip():
                self.fail("there is nothing to look for", at)
            return Term(TEXT, ":", (Pattern((self._short(words, at),)),), negated)
        at, self.at = self.at, found.end()
        name, sign = found[1].lower(), ":" if found[2] == "=" else found[2]
        return self._of_field(name, sign, at, negated=negated)

    def _of_field(self, name: str, sign: str, at: int, *, negated: bool) -> Term:
        name = _OTHER_NAMES.get(name, name)
        if name == TEXT:
            start = self.at
            words = "".join(text for text, _ in self._pieces())
            return Term(TEXT, ":", (Pattern((self._short(words, start) or self.fail("there is no text"),)),), negated)
        end = _RANGE.get(name)
        field = FIELDS.get("active" if end else name)
        if field is None:
            self.fail(
                f"there is no field {name!r}; fields are {', '.join(FIELDS)}. Write it in quotes to look for it", at
            )
        if sign not in field.signs or (end and sign != ":"):
            self.fail(f"{name} takes no {sign}, only {' '.join((':',) if end else field.signs)}", at)
        value = self._value(name, field)
        if end is None and sign == ":" and isinstance(value, Ago):
            sign = ">="  # active:7d is within seven days
        return Term("active" if end else name, end or sign, value, negated)

    def _short(self, words: str, at: int) -> str:
        if len(words.encode()) > checks.MAX_TITLE_BYTES:
            self.fail(f"a text is at most {checks.MAX_TITLE_BYTES} bytes long", at)
        return words

    def _pieces(self) -> list[tuple[str, bool]]:
        """What stands up to the next space: texts, and whether each was in quotes."""
        found: list[tuple[str, bool]] = []
        while self.at < len(self.text) and not self.text[self.at].isspace():
            piece = _PIECE.match(self.text, self.at)
            if piece is None:
                self.fail('this quote has no end; a quote within is written \\"')
            self.at = piece.end()
            exact, sign, word = piece.groups()
            found.append((_ESCAPED.sub(r"\1", exact), True) if exact is not None else (sign or word, False))
        return found

    def _value(self, name: str, field: Field) -> Value:
        at = self.at
        pieces = self._pieces()
        if not pieces:
            self.fail(f"{name} has no value; {_hint(name, field)}", at)
        if field.kind in ("name", "word"):
            return self._names(name, field, pieces, at)
        word = "".join(text for text, _ in pieces)
        try:
            found = _READERS[field.kind](word)
        except InvalidInput as error:
            self.fail(str(error), at)
        if found is None:
            self.fail(f"{name} cannot be {checks.said(word)}; {_hint(name, field)}", at)
        return found

    def _names(self, name: str, field: Field, pieces: list[tuple[str, bool]], at: int) -> Value:
        """Patterns with commas between them."""
        found, parts, exact = [], [""], False
        for text, literal in [*pieces, (",", False)]:
            if literal:
                parts[-1] += text
                exact = True
            elif text == "*":
                parts.append("")
            elif text != ",":
                parts[-1] += text
            else:
                found.append(self._name(name, field, tuple(parts), at, exact=exact))
                parts, exact = [""], False
        return tuple(found)

    def _name(self, name: str, field: Field, parts: tuple[str, ...], at: int, *, exact: bool) -> Pattern:
        if parts == (NONE,) and field.may_lack and not exact:
            return Pattern(())
        if parts == ("",):
            self.fail(f"{name} has an empty value; {_hint(name, field)}", at)
        if sum(len(part.encode()) for part in parts) > checks.MAX_GOAL_BYTES // 16:
            self.fail(f"this value of {name} is too long", at)
        if field.kind == "word":
            return self._word(name, field, parts, at)
        if name == "dataset" and len(parts) == 1:
            try:
                return Pattern((str(checks.dataset(parts[0])),))
            except InvalidInput as error:
                self.fail(str(error), at)
        parts = tuple(unicodedata.normalize("NFC", part) for part in parts)  # as names are kept
        # Several stars behind one another are one.
        inner = tuple(part for part in parts[1:-1] if part)
        return Pattern(parts if len(parts) == 1 else (parts[0], *inner, parts[-1]))

    def _word(self, name: str, field: Field, parts: tuple[str, ...], at: int) -> Pattern:
        word = "*".join(parts).lower()
        word = {"active": "running", "crashed": "unknown"}.get(word, word) if name == "status" else word
        if word not in field.words:
            self.fail(f"there is no {name} {checks.said(word)}; {_hint(name, field)}", at)
        return Pattern((word,))


def _hint(name: str, field: Field) -> str:
    """What may stand in the place of a value."""
    if field.kind == "word":
        return f"it is one of {', '.join((*field.words, NONE) if field.may_lack else field.words)}"
    if name in _RANGE:
        return f"write a span or a time, such as {name}:7d or {name}:2026-05-01T12:00Z"
    hints = {
        "name": f"write {name}:value, {name}:begin* or {name}:one,other",
        "count": f"write a number, such as {name}>1000 or {name}>1.5M",
        "money": f"write dollars, such as {name}>5 or {name}<0.25",
        "span": f"write a span, such as {name}>90s, {name}>10m or {name}>2h",
        "time": f"write a span or a time, such as {name}>7d, {name}:2026-05-01 or {name}<2026-05-01T12:00Z",
        "yes": f"write {name}:yes or {name}:no",
    }
    return hints[field.kind]


def _count(word: str) -> int | None:
    found = _COUNT.fullmatch(word)
    if found is None:
        return None
    amount = Decimal(found[1]) * _SHARES[found[2].lower()]
    return int(amount) if amount == int(amount) and amount < _MOST else None


def _money(word: str) -> int | None:
    try:
        amount = Decimal(word.removeprefix("$")) * NANO
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount < _MOST or not word.isascii() or "_" in word:
        return None
    return int(amount.to_integral_value(ROUND_HALF_EVEN))


def _span(word: str) -> int | None:
    found = Ago.read(word)
    return None if found is None else found.micros


def _yes(word: str) -> bool | None:
    return {"yes": True, "true": True, "no": False, "false": False}.get(word.lower())


def _time(word: str) -> Ago | Moment | None:
    return Ago.read(word) or Moment.read(word)


_READERS: Final[dict[str, Callable[[str], int | bool | Ago | Moment | None]]] = {
    "count": _count, "money": _money, "span": _span, "yes": _yes, "time": _time,
}  # fmt: skip
