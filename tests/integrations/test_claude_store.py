"""The session store of the Claude Agent SDK: its own suite, and what that does not ask."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import fold_session_summary
from claude_agent_sdk.testing import run_session_store_conformance

import rollbook
from rollbook import InvalidInput, Rollbook
from rollbook.integrations.claude_agent import RollbookSessionStore

KEY = {"project_key": "-home-dev-shop", "session_id": "aaaaaaaa-0000-4000-8000-00000000000a"}
SUB = {**KEY, "subpath": "subagents/agent-1"}
#: Keys that a careless name, path or pattern would take for each other.
HOSTILE = [
    "",
    "a",
    "A",
    "a/b",
    "a%2Fb",
    "a/",
    "/a",
    "..",
    "*",
    "a b",
    "a\u0000",
    "é",
    "e\u0301",
    "a" * 500,
    "a" * 501,
    "main",
]


def entry(name: str | None, **facts: Any) -> Any:
    return {"type": "user", "timestamp": "2026-05-01T10:00:00.000Z", **({"uuid": name} if name else {}), **facts}


def names(entries: Sequence[Any] | None) -> list[Any]:
    return [each.get("uuid") or each.get("n") for each in entries or ()]


@pytest.mark.parametrize("journal", ["sql", "files"])
def test_the_suite_of_the_sdk(journal: str, tmp_path: Path) -> None:
    numbers = itertools.count()
    opened: list[Rollbook] = []

    def make() -> Any:
        place = tmp_path / str(next(numbers))
        journals = f"file://{place}.journal" if journal == "files" else None
        opened.append(rollbook.open(f"sqlite:///{place}.db", journal=journals))
        return RollbookSessionStore(opened[-1])

    asyncio.run(run_session_store_conformance(make))
    for book in opened:
        book.close()


def test_the_suite_of_the_sdk_over_one_book(book: Rollbook) -> None:
    """Users are apart, so a user for each contract is a store of its own."""
    numbers = itertools.count()
    make: Any = lambda: RollbookSessionStore(book, user_id=f"user {next(numbers)}")  # noqa: E731 - as the suite is called
    asyncio.run(run_session_store_conformance(make))


def test_a_uuid_is_appended_once_and_what_has_none_always(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookSessionStore(book)
        batch = [entry("a"), entry(None, n=1), entry("a"), entry("b")]
        await store.append(KEY, batch)
        await store.append(KEY, batch)
        await store.append(KEY, [entry("b", other=True), entry("c")])
        await store.append(SUB, [entry("a")])
        return await store.load(KEY), await store.load(SUB)

    main, sub = asyncio.run(run())
    assert names(main) == ["a", 1, "b", 1, "c"]
    assert names(sub) == ["a"]
    assert "other" not in main[2]


def test_a_batch_that_is_there_already_changes_nothing(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookSessionStore(book)
        await store.append(KEY, [entry("a", customTitle="one")])
        before = await store.list_session_summaries(KEY["project_key"])
        await store.append(KEY, [entry("a", customTitle="two")])
        assert await store.list_session_summaries(KEY["project_key"]) == before

    asyncio.run(run())


def test_keys_of_any_kind_are_apart(book: Rollbook) -> None:
    async def run() -> None:
        store = RollbookSessionStore(book)
        places = [{"project_key": name, "session_id": "s"} for name in HOSTILE]
        places += [{"project_key": "a", "session_id": "s", "subpath": name} for name in HOSTILE if name]
        for number, key in enumerate(places):
            await store.append(key, [entry(None, n=number)])
        for number, key in enumerate(places):
            assert names(await store.load(key)) == [number]
        for name in HOSTILE:
            assert [each["session_id"] for each in await store.list_sessions(name)] == ["s"]
        assert sorted(await store.list_subkeys({"project_key": "a", "session_id": "s"})) == sorted(
            filter(None, HOSTILE)
        )
        assert await store.list_subkeys({"project_key": "A", "session_id": "s"}) == []
        await store.delete({"project_key": "a", "session_id": "s"})
        left = [key for key in places if await store.load(key) is not None]
        assert left == [key for key in places if key["project_key"] != "a"]

    asyncio.run(run())


@pytest.mark.parametrize("key", [{**KEY, "subpath": ""}, {**KEY, "session_id": ""}, {**KEY, "session_id": "e\u0301"}])
def test_keys_that_name_nothing_are_refused(key: dict[str, str], book: Rollbook) -> None:
    with pytest.raises(InvalidInput):
        asyncio.run(RollbookSessionStore(book).append(key, [entry("a")]))


def test_what_was_deleted_can_begin_again(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookSessionStore(book)
        for name in ("a", "b"):
            await store.append(KEY, [entry(name)])
            await store.append(SUB, [entry(name)])
            assert names(await store.load(KEY)) == names(await store.load(SUB)) == [name]
            await store.delete(KEY)
            await store.delete(KEY)
            assert await store.list_sessions(KEY["project_key"]) == []
        await store.append(KEY, [entry("a")])
        return await store.list_subkeys(KEY)

    assert asyncio.run(run()) == []


@pytest.mark.parametrize("title", [None, "given by hand"])
def test_a_delete_forgets_the_title_that_came_from_the_lines(title: str | None, book: Rollbook) -> None:
    async def run() -> str | None:
        store = RollbookSessionStore(book)
        line = entry("a", sessionId=KEY["session_id"], message={"role": "user", "content": "my secret plan"})
        await store.append(KEY, [line])
        assert book.get(KEY["session_id"]).title == "my secret plan"
        if title is not None:
            book.touch(KEY["session_id"], title=title)
        await store.delete(KEY)
        return book.get(KEY["session_id"]).title

    assert (asyncio.run(run()) or None) == title


def test_appends_that_race_lose_nothing(tmp_path: Path, book: Rollbook) -> None:
    """Stores in threads, each with a loop and several tasks: order by task, and a summary of exactly what is there."""

    async def task(store: Any, name: str) -> None:
        for number in range(4):
            await store.append(KEY, [entry(f"{name}.{number}", customTitle=f"{name}.{number}")])

    async def loop(thread: int) -> None:
        store = RollbookSessionStore(book)
        await asyncio.gather(*(task(store, f"{thread}-{number}") for number in range(3)))

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda thread: asyncio.run(loop(thread)), range(3)))
    store = RollbookSessionStore(book)
    found = names(asyncio.run(store.load(KEY)))
    assert len(found) == 3 * 3 * 4
    for name in {each.partition(".")[0] for each in found}:
        assert [each for each in found if each.startswith(f"{name}.")] == [f"{name}.{number}" for number in range(4)]
    (summary,) = asyncio.run(store.list_session_summaries(KEY["project_key"]))
    loaded: Any = asyncio.run(store.load(KEY))
    key: Any = KEY
    assert summary["data"] == fold_session_summary(None, key, loaded)["data"]


def test_appends_of_one_loop_come_in_the_order_of_their_calls(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookSessionStore(book)
        await asyncio.gather(*(store.append(KEY, [entry(str(number))]) for number in range(20)))
        return await store.load(KEY)

    assert names(asyncio.run(run())) == [str(number) for number in range(20)]


def test_only_main_transcripts_of_the_project_are_listed(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookSessionStore(book)
        await store.append({**SUB, "session_id": "only a sub-agent"}, [entry("a")])
        await store.append(KEY, [entry("a")])
        before = await store.list_sessions(KEY["project_key"])
        await store.append(SUB, [entry("a")])
        assert await store.list_sessions(KEY["project_key"]) == before
        await store.append(KEY, [entry("b")])
        after = await store.list_sessions(KEY["project_key"])
        assert [each["session_id"] for each in after] == [KEY["session_id"]]
        assert after[0]["mtime"] >= before[0]["mtime"] > 1_577_836_800_000

    asyncio.run(run())


def test_a_session_deleted_from_the_book_is_not_listed(book: Rollbook) -> None:
    async def run() -> None:
        store = RollbookSessionStore(book)
        await store.append(KEY, [entry("a")])
        book.delete(KEY["session_id"])
        assert await store.load(KEY) is None
        assert await store.list_sessions(KEY["project_key"]) == []
        with pytest.raises(rollbook.Gone):
            await store.append(KEY, [entry("b")])

    asyncio.run(run())
