"""A session of the OpenAI Agents SDK that is kept in a book: ``Runner.run(agent, "Hi", session=RollbookSession(...))``.

The items of a conversation are entries of the stream ``openai-agents`` of the book's session of the same id.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from rollbook.errors import InvalidInput, RollbookError
from rollbook.integrations.desk import AnyBook, Desk, User, response_name, split
from rollbook.journal import lines
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import MAIN, Append, Appended
from rollbook.ledger.ops import Call
from rollbook.model import Tokens
from rollbook.rules import checks

try:
    from agents import RunHooks, SessionSettings
    from agents.models import get_default_model
except ModuleNotFoundError as error:  # pragma: no cover - tests of integrations have what they need
    raise ModuleNotFoundError(
        f"{error}: the OpenAI Agents SDK is not installed; install it with: pip install 'rollbook[openai-agents]'",
        name=error.name,
    ) from None

STREAM: Final = "openai-agents"
AGENT: Final = "openai-agents"
_log: Final = logging.getLogger("rollbook")
_NAME: Final = "_rollbook_usage_id"  #: of a response that its provider gave no id


class RollbookSession:
    """The conversation of one session, as the SDK's ``Session`` protocol asks for it.

    ``book`` is an open book of either kind, a URL or a path (None: the default book); one that is opened here is closed
    by :meth:`close`. Safe on several event loops and threads at once. Deleting the session from the book makes every
    later write raise :class:`rollbook.Gone`; :meth:`clear_session` does not.
    """

    def __init__(
        self,
        session_id: str,
        *,
        book: AnyBook = None,
        user_id: User = None,
        session_settings: SessionSettings | Mapping[str, Any] | None = None,
    ) -> None:
        """Take a session by its id; it is made by the first item that is added.

        ``session_settings`` (or a mapping of its fields) may hold ``limit``, how many of the newest items
        :meth:`get_items` answers where it is not told.
        """
        checks.session_id(session_id)
        self.session_id = session_id
        self.session_settings = _settings(session_settings)
        self._desk = Desk(book, user_id)

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """The conversation, oldest item first; with a limit, here or in the settings, the newest so many.

        0 is none. Raises InvalidInput for a negative limit.
        """
        if limit is None:
            limit = _settings(self.session_settings).limit
        desk = self._desk
        found = await desk.read(desk.plans.entries(self.session_id, STREAM, last_n=limit, user_id=desk.user_id))
        return [entry.body for entry in found]

    async def add_items(self, items: Sequence[Any]) -> None:
        """Add items behind the newest, all of them or none. No item: nothing happens."""
        desk = self._desk
        entries = tuple(desk.entry(item) for item in items)  # encoded before anything else runs
        if not entries:
            return
        done = await desk.write(desk.step(self.session_id, [Append(STREAM, entries)]))
        told = done.answers[0]
        if isinstance(told, Appended) and told.length == told.added:
            await desk.write(desk.plans.touch(self.session_id, agent=AGENT, user_id=desk.user_id))

    async def pop_item(self) -> Any | None:
        """Take the newest item away; the item, or None where there is none."""
        desk = self._desk
        popped = await desk.write(desk.plans.pop_entries(self.session_id, STREAM, user_id=desk.user_id))
        return popped[0].body if popped else None

    async def clear_session(self) -> None:
        """Remove every item. What the session cost stays in the ledger."""
        desk = self._desk
        await desk.write(desk.plans.drop_head(self.session_id, STREAM, user_id=desk.user_id))

    async def record_run(self, result: Any, *, model: str | None = None) -> int:
        """Meter the model calls of a run; how many of them the book did not know.

        ``result`` is what ``Runner.run`` answers, or the ``run_data`` of the exception that it raised. ``model`` is the
        one that the calls were made to; without it, it is that of the agent that answered. The same run again, or one
        that :class:`UsageHooks` metered already, counts once.
        """
        agents = {id(item.raw_item): item.agent for item in result.new_items}
        calls: list[Call] = []
        for response in result.raw_responses:
            agent = next((agents[id(item)] for item in response.output if id(item) in agents), result.last_agent)
            calls += self._calls(response, model or model_name(agent))
        turns = await self._desk.read(self._turns())
        return await self._desk.write(self._desk.meter(self.session_id, calls, agent=AGENT, turns=turns or None))

    async def record_response(self, response: Any, *, model: str | None = None) -> int:
        """Meter the model calls of one ``ModelResponse``; how many of them the book did not know."""
        return await self._desk.write(self._desk.meter(self.session_id, self._calls(response, model), agent=AGENT))

    async def close(self) -> None:
        """Close the book if it was opened for this session. A second call does nothing."""
        await self._desk.close()

    def _turns(self) -> Any:
        def look(peek: Peek, who: Who) -> int:
            head = peek.head(who, STREAM, MAIN)
            return 0 if head is None else sum(_is_prompt(line.body) for line in lines.walk(peek, STREAM, head.tip))

        return self._desk.plans.perused(self.session_id, self._desk.user_id, look)

    def _calls(self, response: Any, model: str | None) -> list[Call]:
        """The requests behind a response: mostly one."""
        usage = response.usage
        single = [entry for entry in usage.request_usage_entries or () if entry.total_tokens]
        if len(single) < 2 or sum(entry.total_tokens for entry in single) != usage.total_tokens:  # noqa: PLR2004
            single = [usage]
        name = usage_name(response, self.session_id)
        return [
            self._desk.call(
                self.session_id,
                usage_id=name if place == 0 else f"{name}:{place}",
                tokens=_tokens(entry),
                model=model,
                provider="openai" if name.startswith("openai:") else None,
                source=AGENT,
            )
            for place, entry in enumerate(single)
            if entry.input_tokens or entry.output_tokens
        ]


class UsageHooks(RunHooks):
    """Meters every model call into a session when it is made: ``Runner.run(…, hooks=UsageHooks(session))``.

    So what a run used is known also of one that fails.
    """

    def __init__(self, session: RollbookSession, *, model: str | None = None) -> None:
        """Take the session, and the model where a ``RunConfig`` names another than the agents'."""
        self.session = session
        self.model = model

    async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:  # noqa: ARG002 - the SDK's own
        """Meter one response. A book that cannot take it fails no run: the log says so, and ``record_run`` can."""
        try:
            await self.session.record_response(response, model=self.model or model_name(agent))
        except RollbookError as error:
            _log.warning("a model call of session %s was not metered: %s", self.session.session_id, error)


def model_name(agent: Any) -> str | None:
    """The name of an agent's model, or None where the model has none."""
    model = agent.model
    if model is None:
        return str(get_default_model())
    name = model if isinstance(model, str) else getattr(model, "model", None)
    return name if isinstance(name, str) else None


def usage_name(response: Any, session_id: str) -> str:
    """The name of a response in the ledger: by its id where the provider gives it once, else by what it holds.

    One without any id is known again as the same object only.
    """
    name = response_name(response.response_id)
    if name is not None:
        return name
    if response.response_id:
        said = [item.model_dump_json() if hasattr(item, "model_dump_json") else repr(item) for item in response.output]
        usage = response.usage
        told = "\0".join([session_id, response.response_id, str(usage.input_tokens), str(usage.output_tokens), *said])
        return f"{AGENT}:{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()}"
    found = getattr(response, _NAME, None)
    if found is None:
        found = f"{AGENT}:{uuid4()}"
        object.__setattr__(response, _NAME, found)
    return str(found)


def _tokens(usage: Any) -> Tokens:
    """A usage in disjoint kinds. The SDK's input contains what was cached, its output the reasoning."""
    of_input, of_output = usage.input_tokens_details, usage.output_tokens_details
    return split(
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        read=getattr(of_input, "cached_tokens", 0) or 0,
        written=getattr(of_input, "cache_write_tokens", 0) or 0,
        reasoning=getattr(of_output, "reasoning_tokens", 0) or 0,
    )


def _settings(given: SessionSettings | Mapping[str, Any] | None) -> Any:
    if isinstance(given, Mapping):
        try:
            return SessionSettings(**given)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"these are no session settings: {error}") from None
    return SessionSettings() if given is None else given


class _Said(msgspec.Struct):
    role: msgspec.Raw = msgspec.Raw(b"null")


_said: Final = msgspec.json.Decoder(_Said)


def _is_prompt(body: bytes) -> bool:
    """Whether an item is something that the user said."""
    try:
        return bytes(_said.decode(body).role) == b'"user"'
    except msgspec.MsgspecError:
        return False
