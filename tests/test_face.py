"""The two faces of a book have the same methods, and a session's handle ends what it began."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Final

import pytest

import rollbook
import rollbook.aio
from rollbook.aio import AsyncRollbook
from rollbook.aio_session import AsyncSessionHandle
from rollbook.book import Rollbook
from rollbook.book_session import SessionHandle
from rollbook.errors import Conflict, InvalidInput, NotFound, RollbookError, StoreError

URL: Final = "sqlite:///:memory:"


def _public(face: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(face) if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asynchronous"), [(Rollbook, AsyncRollbook), (SessionHandle, AsyncSessionHandle)])
def test_both_faces_have_the_same_methods_and_signatures(blocking: type, asynchronous: type) -> None:
    one, other = _public(blocking), _public(asynchronous)
    assert one.keys() == other.keys()
    for name, method in one.items():
        if isinstance(method, property):
            assert isinstance(other[name], property)
            continue
        here, there = inspect.signature(method), inspect.signature(other[name])
        assert list(here.parameters.values()) == list(there.parameters.values()), name
        plain = (
            str(here.return_annotation)
            .replace("Iterator[", "AsyncIterator[")
            .replace("SessionHandle", "AsyncSessionHandle")
        )
        assert str(there.return_annotation) in (plain, str(here.return_annotation)), name
        assert method.__doc__, name


def test_both_doors_take_the_same() -> None:
    assert inspect.signature(rollbook.open).parameters == inspect.signature(rollbook.aio.open).parameters


def test_every_promised_method_is_there() -> None:
    promised = (
        "touch", "end", "reopen", "mark_unknown", "upsert", "record_usage", "record_many", "get", "list", "iterate",
        "stats", "cost_by_model", "spend", "usage", "reconcile_except", "verify", "delete", "session", "doctor",
        "children", "inclusive", "ingest", "source_files", "close", "backup", "restore", "delete_session",
        "wipe_journal", "add_qa", "qa", "get_qa", "latest_qa_id", "update_qa", "delete_qa", "add_feedback",
        "delete_feedback", "add_trace_step", "trace", "graph_context", "set_graph_context", "get_state", "set_state",
        "delete_state", "all_state", "history", "history_text", "search", "reconcile", "instance", "tree",
    )  # fmt: skip
    assert set(promised) <= _public(Rollbook).keys()


@pytest.mark.parametrize("face", [Rollbook, AsyncRollbook])
def test_the_session_id_comes_first_and_the_rest_by_keyword(face: type) -> None:
    for name, method in _public(face).items():
        if isinstance(method, property):
            continue
        _, *others = inspect.signature(method).parameters.values()
        loose = [one.name for one in others if one.kind is one.POSITIONAL_OR_KEYWORD]
        assert loose in (
            [], ["session_id"], ["session_id", "status"], ["session"], ["items"], ["source"], ["names"], ["path"],
            ["target"], ["told"],
            ["session_id", "qa_id"], ["session_id", "key"], ["session_id", "context"], ["session_id", "stream"],
            ["session_id", "stream", "entry_id"], ["session_id", "new_session_id"], ["text"],
            ["principal"], ["user"], ["user", "dataset_id"], ["user", "parent"], ["key"], ["key_id"], ["secret"],
            ["name"], ["name", "value"], ["user_id", "session_id"],
        ), name  # fmt: skip


def test_both_faces_answer_the_same() -> None:
    at = "2026-01-05T09:00:00+00:00"

    async def there() -> list[Any]:
        async with rollbook.aio.open(URL) as book:
            await book.touch("s", agent="x", at=at)
            outcome = await book.record_usage("s", usage_id="u", tokens_in=5, cost_usd=1, occurred_at=at)
            many = await book.record_many([{"session_id": "s", "tokens_in": -1}, {"session_id": "s", "usage_id": "u"}])
            listed = [one async for one in book.iterate(agent="x")]
            return [
                outcome, str(many), await book.end("s", "completed", at=at), listed, await book.list(),
                await book.verify(), await book.spend(since="all"), await book.cost_by_model(since="all"), book.user_id,
            ]  # fmt: skip

    with rollbook.open(URL) as book:
        book.touch("s", agent="x", at=at)
        outcome = book.record_usage("s", usage_id="u", tokens_in=5, cost_usd=1, occurred_at=at)
        many = book.record_many([{"session_id": "s", "tokens_in": -1}, {"session_id": "s", "usage_id": "u"}])
        listed = list(book.iterate(agent="x"))
        here = [
            outcome, str(many), book.end("s", "completed", at=at), listed, book.list(), book.verify(),
            book.spend(since="all"), book.cost_by_model(since="all"), book.user_id,
        ]  # fmt: skip
    assert asyncio.run(there()) == here


def test_an_async_book_may_be_awaited_or_entered_and_is_closed_once() -> None:
    async def run() -> None:
        book = await rollbook.aio.open(URL)
        assert await book.record_usage("s", tokens_in=1) == "counted"
        await book.close()
        await book.close()
        with pytest.raises(StoreError, match="closed"):
            await book.touch("s")

    asyncio.run(run())


def test_a_closed_book_says_so() -> None:
    book = rollbook.open(URL)
    book.touch("s")
    book.close()
    book.close()
    for ask in (lambda: book.touch("s"), lambda: book.get("s"), book.verify, book.list):
        with pytest.raises(StoreError, match="closed"):
            ask()


# Handles. Each story is told to both faces.


class Stop(Exception):
    pass


def _blocking(book: Rollbook, inside: Callable[[SessionHandle], Any], name: str = "s") -> None:
    with book.session(name) as handle:
        inside(handle)


def _ends_and_stops(handle: SessionHandle) -> None:
    handle.end("completed")
    raise Stop


def _deletes_and_stops(handle: SessionHandle) -> None:
    handle.book.delete(handle.session_id)
    raise Stop


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error


def _told(error: BaseException | None) -> rollbook.Session:
    """A session whose block was left by an exception, or by none."""

    def inside(_: SessionHandle) -> None:
        _raise(error)

    with rollbook.open(URL) as book:
        if error is None:
            _blocking(book, inside)
        else:
            with pytest.raises(type(error)) as caught:
                _blocking(book, inside)
            assert caught.value is error
        return book.get("s")


def _told_there(error: BaseException | None) -> rollbook.Session:
    async def run() -> rollbook.Session:
        async with rollbook.aio.open(URL) as book:
            try:
                async with book.session("s"):
                    _raise(error)
            except BaseException as caught:  # noqa: BLE001 - whatever it is, it must be the very same
                assert caught is error  # noqa: PT017 - see above
            else:
                assert error is None
            return await book.get("s")

    return asyncio.run(run())


@pytest.mark.parametrize("tell", [_told, _told_there])
@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (None, "completed", None),
        (Stop("the tests\ndo not \x00pass"), "failed", "Stop: the tests do not  pass"),
        (Stop("\ud800"), "failed", "Stop:  "),
        (Stop("x" * 5000), "failed", ("Stop: " + "x" * 5000)[:1000]),
        (Stop("é" * 5000), "failed", "Stop: " + "é" * 497),
        (KeyboardInterrupt(), "cancelled", "KeyboardInterrupt"),
        (asyncio.CancelledError(), "cancelled", "CancelledError"),
        (SystemExit(0), "completed", None),
        (SystemExit(3), "failed", "SystemExit: 3"),
    ],
    ids=["nothing", "exception", "surrogate", "long", "long in bytes", "ctrl-c", "cancelled", "exit 0", "exit 3"],
)
def test_r2_how_a_block_is_left_is_how_its_session_ends(
    tell: Callable[[BaseException | None], rollbook.Session],
    error: BaseException | None,
    status: str,
    reason: str | None,
) -> None:
    found = tell(error)
    assert (found.status, found.end_reason, found.attempt) == (status, reason, 1)
    assert found.ended_at is not None


def test_r2_a_task_that_is_cancelled_ends_its_session_as_cancelled() -> None:
    async def run() -> rollbook.Session:
        async with rollbook.aio.open(URL) as book:
            began = asyncio.Event()

            async def work() -> None:
                async with book.session("s", agent="x") as handle:
                    await handle.record_usage(tokens_in=5)
                    began.set()
                    await asyncio.sleep(3600)

            task = asyncio.create_task(work())
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await book.get("s")

    found = asyncio.run(run())
    assert (found.status, found.tokens_in, found.agent) == ("cancelled", 5, "x")


def test_r2_a_timeout_ends_its_session_as_cancelled() -> None:
    async def run() -> rollbook.Session:
        async with rollbook.aio.open(URL) as book:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), book.session("s"):
                    await asyncio.sleep(3600)
            return await book.get("s")

    assert asyncio.run(run()).status == "cancelled"


def test_r2_entering_reopens_what_has_ended_and_leaves_alone_what_runs() -> None:
    with rollbook.open(URL) as book:
        book.touch("s")
        with book.session("s"):
            assert (book.get("s").status, book.get("s").attempt) == ("running", 1)
        for attempt, status in ((2, "failed"), (3, "cancelled"), (4, "completed")):
            with book.session("s") as handle:
                assert (handle.get().status, handle.get().attempt) == ("running", attempt)
                assert handle.record_usage(tokens_in=1) == "counted"
                handle.end(status)
            assert (book.get("s").status, book.get("s").attempt) == (status, attempt)
        assert book.get("s").tokens_in == 3
        assert book.verify().ok


def test_r2_entering_revives_what_was_presumed_crashed() -> None:
    with rollbook.open(URL) as book:
        book.touch("s")
        book.mark_unknown("s")
        with book.session("s") as handle:
            assert handle.get().status == "running"
        assert book.get("s").status == "completed"
        assert book.verify().ok


def test_r2_what_was_ended_inside_stays_as_it_was_ended() -> None:
    with rollbook.open(URL) as book:
        with book.session("by handle") as handle:
            handle.end("failed", reason="said so")
        with book.session("by book") as handle:
            book.end("by book", "cancelled")
        with pytest.raises(Stop):
            _blocking(book, _ends_and_stops, "then left")
        found = {one.session_id: (one.status, one.end_reason) for one in book.list().sessions}
        assert found == {
            "by handle": ("failed", "said so"), "by book": ("cancelled", None), "then left": ("completed", None),
        }  # fmt: skip


def test_r2_what_was_ended_and_reopened_inside_is_ended_on_leaving() -> None:
    with rollbook.open(URL) as book:
        with book.session("s") as handle:
            book.end("s", "failed")
            book.reopen("s")
            handle.touch(title="again")
        assert (book.get("s").status, book.get("s").attempt) == ("completed", 2)


def test_r2_a_refused_end_inside_does_not_keep_the_block_from_ending_it() -> None:
    with rollbook.open(URL) as book:
        with book.session("s") as handle, pytest.raises(InvalidInput):
            handle.end("done")
        assert book.get("s").status == "completed"
        with book.session("r") as handle:
            book.end("r", "failed")
            with pytest.raises(Conflict):
                handle.end("completed")
        assert book.get("r").status == "failed"


def test_a_handle_makes_an_id_and_is_for_its_user() -> None:
    with rollbook.open(URL, all_users=True) as book:
        handle = book.session(user_id="bob", agent="x")
        with pytest.raises(RollbookError, match="no id"):
            assert handle.session_id
        with handle:
            handle.touch(title="t")
            handle.record_usage(tokens_in=5)
        (found,) = book.list().sessions
        assert (found.session_id, found.title, found.tokens_in, found.status) == (
            handle.session_id,
            "t",
            5,
            "completed",
        )
        assert found.user_id != book.user_id
        assert found.user_id == book.get(found.session_id, user_id="bob").user_id
        with pytest.raises(NotFound):
            book.get(found.session_id, owner=book.user_id)


def test_an_exception_is_not_hidden_by_a_session_that_is_gone() -> None:
    """Leaving the block must not put another error in the place of the one that matters."""
    with rollbook.open(URL) as book:
        with pytest.raises(Stop):
            _blocking(book, _deletes_and_stops)
        assert book.list().total == 0


def test_many_tasks_share_a_book() -> None:
    async def one(book: AsyncRollbook, number: int) -> None:
        async with book.session(f"s{number}") as handle:
            for _ in range(5):
                await handle.record_usage(tokens_in=1, cost_usd="1e-9")

    async def run() -> tuple[int, int, bool]:
        async with rollbook.aio.open(URL) as book:
            work: list[Coroutine[Any, Any, None]] = [one(book, number) for number in range(40)]
            await asyncio.gather(*work)
            stats = await book.stats(since="all")
            return stats.completed, stats.tokens_in, (await book.verify()).ok

    assert asyncio.run(run()) == (40, 200, True)
