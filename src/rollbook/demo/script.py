"""One session of the made-up fleet, written down as it goes: what was said and done, and what it took."""

from __future__ import annotations

import random
from typing import Any, Final, NamedTuple

import msgspec

from rollbook.demo.cast import Model, Person
from rollbook.inbox import Plain
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Call, End, Facts, Jot, Mark, Reopen, Touch
from rollbook.model import MICROS, Evidence, Tokens
from rollbook.pricing import Prices
from rollbook.rules.texts import MESSAGES, QAS, TRACE

Item = Plain | Jot

_CACHED_US: Final = 300 * MICROS  #: how long a provider keeps what it was given
_SYSTEM: Final = 14_000  #: tokens that an agent says of itself and of its tools
_AT_ONCE: Final = 1_000  #: entries in one operation


class Stage(NamedTuple):
    """What all sessions have in common."""

    now: int
    prices: Prices


class Script:
    """A session being written. What would come after its last moment is left out, so it just stops there."""

    def __init__(
        self,
        stage: Stage,
        chance: random.Random,
        who: Person,
        session_id: str,
        facts: Facts,
        *,
        at: int,
        until: int | None = None,
        source: str = "push",
        billing: str = "api",
    ) -> None:
        self.stage, self.chance, self.who, self.session_id, self.facts = stage, chance, who, session_id, facts
        self.at = at
        self.until = stage.now - MICROS if until is None else min(until, stage.now - MICROS)
        self.source, self.billing = source, billing
        self.others: list[Script] = []  #: of sub-agents
        self.turns = 0
        self.ended = False
        self._ops: list[Item] = [self._touch(facts)]
        self._entries: dict[str, list[New]] = {}
        self._context, self._called_at = 0, 0
        self._last = at

    def _touch(self, facts: Facts | None = None, turns: int | None = None) -> Touch:
        return Touch(
            user_id=self.who.user_id, user_name=self.who.name, session_id=self.session_id, at=self.at,
            facts=facts or Facts(), turns=turns,
        )  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether its last moment is past."""
        return self.at > self.until

    def wait(self, low_s: float, high_s: float) -> None:
        """Time passes."""
        self.at += round(self.chance.uniform(low_s, high_s) * MICROS)

    def hex(self, digits: int) -> str:
        return f"{self.chance.getrandbits(4 * digits):0{digits}x}"

    @property
    def entries(self) -> int:
        """How much was said and done, in its sub-agents as well."""
        return sum(map(len, self._entries.values())) + sum(other.entries for other in self.others)

    # What it takes

    def call(self, model: Model, fresh: int, *, errored: bool = False, talks: int | None = None) -> None:
        """A call of a model that is given so many tokens more than before."""
        self._context += fresh + (0 if self._context else _SYSTEM)
        if self._context > model.window * 0.85:  # it makes itself short
            self._context = _SYSTEM + fresh
        said = 0 if errored else max(12, round(self.chance.lognormvariate(0, 0.7) * (talks or model.talks)))
        self.at += round(self.chance.lognormvariate(0, 0.35) * MICROS * (model.seconds + said / 90))
        if self.over:
            return
        tokens = Tokens() if errored else self._tokens(model, fresh, said)
        found = self.stage.prices(model.name, model.provider, tokens, self.at)
        self._ops.append(
            Call(
                user_id=self.who.user_id, user_name=self.who.name, session_id=self.session_id,
                usage_id=f"req_{self.hex(20)}", occurred_at=self.at, tokens=tokens, model=model.name,
                provider=model.provider, cost_nano=None if found is None else found.cost_nano,
                cost_source="unpriced" if found is None else "computed",
                price_version=None if found is None else found.version, billing=self.billing, source=self.source,
                evidence=Evidence.PUSH, errored=errored,
            )
        )  # fmt: skip
        self._context += said
        self._called_at = self._last = self.at

    def _tokens(self, model: Model, fresh: int, said: int) -> Tokens:
        thought = round(said * model.thinks)
        before = max(0, self._context - fresh)
        warm = model.provider is not None and self.at - self._called_at < _CACHED_US
        if model.provider == "anthropic":
            plain = self.chance.randrange(3, 12)
            write = max(0, self._context - plain - (before if warm else 0))
            return Tokens(input=plain, cache_read=before if warm else 0, cache_write=write, output=said)
        read = before // 128 * 128 if warm else 0
        return Tokens(input=self._context - read, cache_read=read, output=said, reasoning=thought)

    def again(self) -> None:
        """The last call is reported once more, as a client does that heard no answer: it counts once."""
        last = next((op for op in reversed(self._ops) if isinstance(op, Call)), None)
        if last is not None:
            self._ops.append(last)

    # What is said and done

    def say(self, role: str, text: str) -> None:
        """Something is said."""
        if text and not self.over:
            self._add(MESSAGES, {"role": role, "content": text})
            self.turns += role == "user"

    def answer(self, asked: int, question: str, answer: str, **more: Any) -> None:
        """A question that was written down when it was asked, with its answer, which has come by now."""
        if not self.over:
            blank = {"context": None, "feedback_text": None, "feedback_score": None, "memify_metadata": None}
            self._add(QAS, {"question": question, "answer": answer, **blank, **more}, at=asked)
            self.turns += 1

    def did(self, tool: str, given: Any, gave: Any, seconds: float, *, error: str = "", feedback: str = "") -> None:
        """A tool was used."""
        began = self.at
        self.at += round(seconds * MICROS)
        if self.over:
            return
        body = {
            "origin_function": tool, "status": "error" if error else "success", "memory_query": "",
            "memory_context": "",
            "method_params": given, "method_return_value": None if error else gave, "error_message": error,
            "session_feedback": feedback, "started_at": began, "duration_s": (self.at - began) / MICROS,
            "tool_name": tool, "span_id": self.hex(16), "error": "ToolError" if error else None,
        }  # fmt: skip
        self._add(TRACE, body, failed=bool(error))

    def _add(self, stream: str, body: dict[str, Any], *, at: int | None = None, failed: bool = False) -> None:
        entries = self._entries.setdefault(stream, [])
        name, text = f"{stream}-{len(entries) + 1:05d}", msgspec.json.encode(body)
        entries.append(New(name, text, self.at if at is None else at, failed=failed))
        self._last = self.at

    # How it goes on

    def end(self, status: str, reason: str | None = None, *, by: str = "client") -> bool:
        """It ends, unless its last moment came before; whether it did."""
        self.wait(0.2, 2)
        if self.over:
            return False
        self._ops.append(
            End(
                user_id=self.who.user_id, user_name=self.who.name, session_id=self.session_id, status=status,
                at=self.at, reason=reason, decided_by=by,
            )
        )  # fmt: skip
        self.ended = True
        return True

    def reopen(self) -> None:
        """It goes on after its end."""
        if not self.over:
            self._ops.append(Reopen(user_id=self.who.user_id, session_id=self.session_id, at=self.at))

    def crash(self, reason: str) -> None:
        """It stopped without a word, and somebody noticed."""
        self._ops.append(
            Mark(user_id=self.who.user_id, session_id=self.session_id, at=self._last + 40 * MICROS, reason=reason)
        )

    def ops(self) -> list[Item]:
        """All that is to be handed to a book for it and for its sub-agents."""
        found = list(self._ops)
        found.append(msgspec.structs.replace(self._touch(turns=self.turns), at=self._last))
        for stream, entries in self._entries.items():
            for first in range(0, len(entries), _AT_ONCE):
                some = tuple(entries[first : first + _AT_ONCE])
                found.append(self._jot(stream, some))
        return found + [op for other in self.others for op in other.ops()]

    def _jot(self, stream: str, entries: tuple[New, ...]) -> Jot:
        at = entries[-1].created_at
        step = Step(user_id=self.who.user_id, session_id=self.session_id, at=at, changes=(Append(stream, entries),))
        return Jot(user_id=self.who.user_id, user_name=self.who.name, session_id=self.session_id, at=at, step=step)
