"""The conversation store against the one that Pydantic AI ships: any story has the same outcome in both."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import InMemoryConversationStore
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.usage import RequestUsage, RunUsage

import rollbook
from rollbook import Rollbook
from rollbook.integrations.pydantic_ai import RollbookConversationStore

NAMES = ("ann", "bob")
START = datetime(2026, 5, 1, tzinfo=UTC)
_clock = itertools.count()


def message() -> Any:
    """A message that no other one is equal to."""
    number = next(_clock)
    at = START + timedelta(seconds=number)
    if number % 2:
        usage = RequestUsage(input_tokens=number, output_tokens=1)
        return ModelResponse(parts=[TextPart(content=f"answer {number}")], usage=usage, timestamp=at, model_name="m")
    return ModelRequest(parts=[UserPromptPart(content=f"prompt {number}", timestamp=at)])


class Side:
    """One store, what was loaded of it last by name, and its entries in the order in which they were saved."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.held: dict[str, Conversation] = {}
        self.entries: list[str] = []

    async def outcome(self, step: tuple[Any, ...], new: list[Any]) -> Any:
        """What a step comes to, without the ids that each store makes for itself."""
        kind, name, *rest = step
        try:
            return await getattr(self, kind)(name, new, *rest)
        except (UserError, LookupError) as error:
            return type(error).__name__

    async def load(self, name: str, _: list[Any], limit: int | None) -> Any:
        found = await self.store.load(name, limit=limit)
        if found is not None:
            self.held[name] = found
        return None if found is None else (found.messages, found.usage, found.new_message_index)

    async def save(self, name: str, new: list[Any], keep: int | None, scope: str | None) -> Any:
        """Save what is held, with more messages, or with its last messages cut off or replaced."""
        held = self.held.setdefault(name, Conversation(conversation_id=name))
        held.messages = [*held.messages[: len(held.messages) if keep is None else keep], *new]
        held.usage = held.usage + RunUsage(requests=1, input_tokens=len(new))
        saved = await self.store.save(held, scope=scope)
        self.entries += [entry.id for entry in saved]
        return len(saved)

    async def branch(self, name: str, _: list[Any], at: int, tip: int | None) -> Any:
        record = await self.store.read_record(name)
        where: dict[str, Any] = {"at": at}
        if tip is not None and record is not None and record.branches:
            where = {"from_entry": record.branches[tip % len(record.branches)]}
        expected = None if record is None else record.revision
        self.held[name] = await self.store.branch(name, **where, expected_revision=expected)
        return self.held[name].messages

    async def fork(self, name: str, _: list[Any], other: str, at: int | None) -> Any:
        self.held[other] = await self.store.fork(name, at=at, new_conversation_id=other)
        return self.held[other].messages

    async def delete(self, name: str, _: list[Any], scope: str | None) -> None:
        await self.store.delete(name, scope=scope)

    async def forget(self, name: str, _: list[Any]) -> None:
        self.held.pop(name, None)

    async def everything(self) -> Any:
        """All that can be read of the store."""
        found: list[Any] = []
        for scope, limit in ((None, None), ("a", None), ("b", 1), (None, 2)):
            found.append(
                [each.conversation_id for each in await self.store.list_conversations(scope=scope, limit=limit)]
            )
        for record in await self.store.list_conversations():
            entries = await self.store.load_entries(record.conversation_id)
            assert [each.parent_id for each in entries] == [None, *(each.id for each in entries)][: len(entries)]
            lines = [[each.message for each in await self.store.read_history(tip)] for tip in record.branches]
            facts = (record.usage, record.scope, record.forked_from, record.forked_at is None, record.head_id is None)
            found.append((record.conversation_id, [each.message for each in entries], lines, facts))
        for name in self.entries:
            try:
                found.append((await self.store.read_entry(name)).message)
            except LookupError:
                found.append(None)
        return found


name = st.sampled_from(NAMES)
few = st.integers(0, 4)
scope = st.sampled_from([None, None, None, "a", "b"])
steps = st.one_of(
    st.tuples(st.just("save"), name, st.none(), scope),
    st.tuples(st.just("save"), name, few, scope),
    st.tuples(st.just("load"), name, st.none() | few),
    st.tuples(st.just("branch"), name, few, st.none()),
    st.tuples(st.just("branch"), name, few, few),
    st.tuples(st.just("fork"), name, st.sampled_from([*NAMES, "eve"]), st.none() | few),
    st.tuples(st.just("delete"), name, scope),
    st.tuples(st.just("forget"), name),
)
#: Every story begins with a conversation that there is something to do with.
FIRST = [(("save", "ann", None, "a"), 4), (("fork", "ann", "bob", 3), 0)]
stories = st.lists(st.tuples(steps, st.integers(0, 2)), min_size=3, max_size=12).map(lambda story: FIRST + story)


async def told(book: Rollbook, story: list[tuple[Any, int]], *, forgetful: bool) -> None:
    ours, theirs = Side(RollbookConversationStore(book)), Side(InMemoryConversationStore())
    for step, count in story:
        new = [message() for _ in range(count)]
        if forgetful:
            ours.store = RollbookConversationStore(book)  # as another process, which has met no entry
        assert await ours.outcome(step, new) == await theirs.outcome(step, new), step
        assert await ours.everything() == await theirs.everything(), step


@settings(max_examples=40)
@given(story=stories)
def test_a_story_has_the_same_outcome(story: list[tuple[Any, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, rollbook.open(f"sqlite:///{folder}/book.db") as book:
        asyncio.run(told(book, story, forgetful=False))
        assert book.verify().ok


@settings(max_examples=15)
@given(story=stories)
def test_a_story_has_the_same_outcome_in_files_and_for_whoever_comes_new(story: list[tuple[Any, int]]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        rollbook.open(f"sqlite:///{folder}/book.db", journal=f"file://{folder}/journal") as book,
    ):
        asyncio.run(told(book, story, forgetful=True))
