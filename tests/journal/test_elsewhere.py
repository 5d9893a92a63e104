"""A place for journals outside the book: whose it is, what happens while it is away, and what a reader may not do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook import aio
from rollbook.book import examine
from rollbook.errors import Conflict, InvalidInput, NotFound, StoreError
from rollbook.journal.backend import Journals

Open = Callable[..., rollbook.Rollbook]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where journals are kept outside the book."""
    return f"file://{tmp_path}/journal" if request.param == "files" else str(request.getfixturevalue("redis_url"))


@pytest.fixture(params=["book", "files", "redis"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where journals are kept: None is the book's own database."""
    if request.param == "book":
        return None
    return f"file://{tmp_path}/journal" if request.param == "files" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
def opened(tmp_path: Path, place: str) -> Open:
    def opened(name: str = "book.db", **more: Any) -> rollbook.Rollbook:
        return rollbook.open(f"sqlite:///{tmp_path}/{name}", **{"journal": place, **more})

    return opened


@pytest.fixture
def book(opened: Open) -> Iterator[rollbook.Rollbook]:
    with opened() as book:
        yield book


def outside(book: rollbook.Rollbook) -> Journals:
    """The place that the book has opened."""
    journals = book._plans.journals
    assert journals is not None
    return journals


def kept(book: rollbook.Rollbook) -> list[str]:
    return sorted(each.session_id for each in outside(book).sessions())


def findings(book: rollbook.Rollbook) -> dict[str, tuple[bool, str]]:
    return {finding.name: (finding.ok, finding.detail) for finding in book.doctor()}


class Away:
    """A folder of journals that can be taken away and put back."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / "disk"
        self.url = f"file://{self.base}/journal"
        self.base.mkdir()

    def take(self) -> None:
        """Let the place be one that no folder can be made in, as where a disk is not mounted."""
        self.base.rename(self.base.with_name("taken"))
        self.base.touch()

    def put_back(self) -> None:
        self.base.unlink()
        self.base.with_name("taken").rename(self.base)


@pytest.fixture
def away(tmp_path: Path) -> Away:
    return Away(tmp_path)


# Reading only


def test_a_book_that_is_only_read_changes_nothing_outside(opened: Open) -> None:
    with opened() as book:
        name = book.add_qa("s", question="q", answer="a")
        book.set_state(None, values={"k": 1})
    with opened("book.db?mode=ro") as reader:
        for change in (
            lambda: reader.add_qa("s", question="q", answer="a"),
            lambda: reader.add_qa("new", question="q", answer="a"),
            lambda: reader.add_feedback("s", name, score=1),
            lambda: reader.delete_qa("s", name),
            lambda: reader.set_state("s", values={"k": 2}),
            lambda: reader.set_state(None, values={"k": 2}),
            lambda: reader.delete_state(None, "k"),
            lambda: reader.fork("s", "f"),
            lambda: reader.delete_session("s"),
        ):
            with pytest.raises(StoreError, match="reading only"):
                change()
        assert ([turn.question for turn in reader.qa("s")], reader.all_state(None)) == (["q"], {"k": 1})
        assert kept(reader) == ["s"]


def test_a_wipe_of_a_book_that_is_only_read_removes_nothing(opened: Open) -> None:
    with opened() as book:
        book.add_qa("s", question="q", answer="a")
    with opened("book.db?mode=ro", all_users=True) as reader:
        with pytest.raises(StoreError, match="reading only"):
            reader.wipe_journal()
        assert kept(reader) == ["s"]


def test_looking_makes_nothing_outside(
    tmp_path: Path, place: str, opened: Open, monkeypatch: pytest.MonkeyPatch, redis_server: Any
) -> None:
    def there() -> list[Any]:
        with redis_server.talk() as client:
            prefix = place.partition("prefix=")[2]
            keys = sorted(client.scan_iter(match=f"{prefix}*", count=10_000)) if prefix else []
        return [(tmp_path / "journal").exists(), keys]

    rollbook.open(f"sqlite:///{tmp_path}/book.db").close()
    monkeypatch.setenv("ROLLBOOK_JOURNAL", place)
    said = {finding.name: finding for finding in examine(f"sqlite:///{tmp_path}/book.db")}
    assert place.startswith("redis") or not said["journal"].ok
    with opened("book.db?mode=ro") as reader:
        assert reader.list().total == 0
    assert there() == [False, []]


# Whose place it is


def test_two_books_do_not_share_a_place(opened: Open) -> None:
    with opened() as book, opened(all_users=True) as twice:
        book.add_qa("s", question="q", answer="a")
        assert len(twice.qa("s")) == 1
        with pytest.raises(StoreError, match=r"another book.*(another folder|\?prefix=)"):
            opened("other.db")
        assert len(book.qa("s")) == 1


def test_a_copy_of_a_book_and_a_restored_one_keep_their_place(opened: Open, tmp_path: Path) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db") as book:
        book.touch("s")
        book.backup(tmp_path / "early.db")  # from before there was a journal elsewhere
    with opened() as book:
        book.add_qa("s", question="q", answer="a")
        book.backup(tmp_path / "copy.db")
        book.restore(tmp_path / "early.db")
    with opened() as book, opened("copy.db") as copy:
        assert [turn.question for turn in book.qa("s")] == [turn.question for turn in copy.qa("s")] == ["q"]


def test_a_path_names_a_folder_of_journals(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db", journal=tmp_path / "a b%20") as book:
        book.add_qa("s", question="q", answer="a")
        assert kept(book) == ["s"]
    assert (tmp_path / "a b%20" / "rollbook-journal.json").exists()


# A place that is away


def test_the_ledger_goes_on_while_the_place_is_away(away: Away, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/book.db"
    with rollbook.open(url, journal=away.url) as book:
        book.add_qa("s", question="q", answer="a")
    away.take()
    with rollbook.open(url, journal=away.url) as book:
        book.record_usage("s", tokens_in=5)
        assert (book.get("s").tokens_in, book.list().total) == (5, 1)
        for asked in (
            lambda: book.qa("s"),
            lambda: book.add_qa("s", question="2", answer="a"),
            lambda: book.search("q"),
        ):
            with pytest.raises(StoreError):
                asked()
        assert not findings(book)["journal"][0]
        away.put_back()
        book.add_qa("s", question="2", answer="a")
        assert [turn.question for turn in book.qa("s")] == ["q", "2"]


def test_a_redis_that_is_away_lets_the_book_open(tmp_path: Path) -> None:
    async def metered() -> int:
        async with aio.open(f"sqlite:///{tmp_path}/book.db", journal="redis://127.0.0.1:1/0?timeout=1") as book:
            await book.record_usage("s", tokens_in=5)
            with pytest.raises(StoreError):
                await book.add_qa("s", question="q", answer="a")
            with pytest.raises(StoreError):
                await book.qa("s")
            return (await book.get("s")).tokens_in

    assert asyncio.run(metered()) == 5


def test_many_who_wait_for_a_place_that_is_away_wait_once(
    away: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def slow(*_: object, **__: object) -> Journals:
        tries.append(1)
        time.sleep(0.2)
        raise StoreError("it is away")

    async def told() -> list[Any]:
        async with aio.open(f"sqlite:///{tmp_path}/book.db", journal=away.url) as book:
            asked = (book.qa(str(number)) for number in range(8))
            return list(await asyncio.gather(*asked, return_exceptions=True))

    monkeypatch.setattr("rollbook.elsewhere.open_journals", slow)
    said = asyncio.run(told())
    assert [(type(each), str(each)) for each in said] == [(StoreError, "it is away")] * 8
    assert len(tries) < 8


def test_r12_what_is_removed_while_the_place_is_away_is_removed_later(away: Away, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/book.db"
    with rollbook.open(url, journal=away.url) as book:
        for name in ("deleted", "purged", "pruned"):
            book.add_qa(name, question="q", answer="a", at=AT)
            book.end(name, "completed", at=AT)
        book.set_state(None, values={"k": 1}, user_id="ann")
        book.touch("hers", user_id="ann")
    away.take()
    with rollbook.open(url, journal=away.url) as book:
        assert book.delete_session("deleted")
        assert book.purge("purged").sessions == 1
        assert book.prune(content="1d").contents == 1
        book.purge_user(user_id="ann")
        ok, said = findings(book)["removals"]
        assert (ok, "5 sessions or users" in said) == (False, True)
    with rollbook.open(url) as book:  # without its journal nothing can be removed there, and nothing is forgotten
        assert not findings(book)["removals"][0]
    away.put_back()
    with rollbook.open(url, journal=away.url) as book:
        assert (kept(book), book.all_state(None, user_id="ann")) == ([], {})
        assert findings(book)["removals"][0]


def test_r12_a_prune_tries_once_to_reach_a_place_that_is_away(
    away: Away, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, tries = f"sqlite:///{tmp_path}/book.db", []
    with rollbook.open(url, journal=away.url) as book:
        for number in range(6):
            book.touch(str(number), at=AT)
            book.end(str(number), "completed", at=AT)

    def is_away(*_: object, **__: object) -> Journals:
        tries.append(1)
        time.sleep(0.1)
        raise StoreError("it is away")

    monkeypatch.setattr("rollbook.elsewhere.open_journals", is_away)
    monkeypatch.setattr("rollbook.plans.retention._SESSIONS_AT_ONCE", 2)
    with rollbook.open(url, journal=away.url) as book:
        assert book.prune(sessions="1d").sessions == 6
    assert len(tries) == 2  # one of them when the book was opened


def test_r12_one_session_that_cannot_be_removed_holds_up_no_other(away: Away, tmp_path: Path) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=away.url) as book:
        for name in ("a", "b", "c"):
            book.add_qa(name, question="q", answer="a")
        book.fork("b", "f")
        (log,) = (path for path in away.base.rglob("s-*.jsonl") if path.name.startswith("s-b"))
        whole = log.read_bytes()
        log.write_bytes(b"no log\n" * 3)
        book.delete_session("b")
        assert book.delete_session("a")
        assert book.delete_session("c")
        assert "1 sessions" in findings(book)["removals"][1]
        log.write_bytes(whole)
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=away.url) as book:
        assert kept(book) == ["f"]
        assert findings(book)["removals"][0]


def test_doctor_says_that_a_book_was_opened_without_its_journal(book: rollbook.Rollbook, tmp_path: Path) -> None:
    book.add_qa("s", question="q", answer="a")
    with rollbook.open(f"sqlite:///{tmp_path}/book.db") as without:
        ok, said = findings(without)["journal"]
        assert (ok, said.startswith("1 sessions"), "ROLLBOOK_JOURNAL" in said) == (False, True, True)
        without.delete_session("s")
        assert "journal" not in findings(without)


# The state of a user


def test_r12_a_user_who_has_only_state_is_purged(book: rollbook.Rollbook, tmp_path: Path) -> None:
    book.set_state(None, values={"k": "private words"}, user_id="ann")
    book.set_state(None, values={"k": 1}, user_id="bob")
    book.purge_user(user_id="ann")
    assert (book.all_state(None, user_id="ann"), book.all_state(None, user_id="bob")) == ({}, {"k": 1})
    for folder, _, names in os.walk(tmp_path):
        assert all(b"private words" not in Path(folder, name).read_bytes() for name in names)
    with pytest.raises(NotFound):
        book.purge_user(user_id="ann")


def test_r12_a_user_is_purged_with_sessions_and_state(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a", user_id="ann")
    book.set_state(None, values={"k": 1}, user_id="ann")
    assert book.purge_user(user_id="ann", dry_run=True).sessions == 1
    assert book.purge_user(user_id="ann").sessions == 1
    assert (book.all_state(None, user_id="ann"), kept(book)) == ({}, [])
    assert findings(book)["removals"][0]


def test_only_the_state_does_without_a_session(tmp_path: Path, anywhere: str | None) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=anywhere) as book:
        book.set_state(None, values={"k": 1})
        nobody: Any = None
        for asked in (
            lambda: book.add_qa(nobody, question="q", answer="a"),
            lambda: book.add_trace_step(nobody, origin_function="f"),
            lambda: book.add_message(nobody, role="user", content="c"),
            lambda: book.append(nobody, "x", entries=[1]),
            lambda: book.replace_entry(nobody, "x", "e", body=1),
            lambda: book.remove_entry(nobody, "x", "e"),
            lambda: book.pop_entries(nobody, "x"),
            lambda: book.move_head(nobody, "x", head="h", to=None),
            lambda: book.drop_head(nobody, "x"),
            lambda: book.fork("s", nobody),
            lambda: book.entries(nobody, "x"),
            lambda: book.heads(nobody),
        ):
            with pytest.raises(InvalidInput):
                asked()
        assert (book.get_state(None, "k"), book.delete_state(None, "k"), book.all_state(None)) == (1, True, {})
        assert book.list().total == 0


# What a step answers


def test_r11_the_revision_that_is_answered_is_the_steps_own(
    tmp_path: Path, anywhere: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=anywhere) as book:
        first = book.append("s", "x", entries=[1, 2], ids=["a", "b"])

        def read_later(*_: object, **__: object) -> Any:
            raise AssertionError("somebody else may have written in between")

        monkeypatch.setattr(type(book._plans), "revision", read_later)
        again = book.append("s", "x", entries=[1], ids=["a"])
        made = book.move_head("s", "x", head="side", to="a")
        still = book.move_head("s", "x", head="side", to="a")
        monkeypatch.undo()
        assert (again.revision, still) == (first.revision, made)
        assert made == book.revision("s", "x", head="side")
        with pytest.raises(Conflict):
            book.append("s", "x", entries=[3], expected=made - 1, head="side")


@pytest.mark.parametrize("wrong", [{"stream": "typo"}, {"head": "typo"}, {"stream": "x", "head": "typo"}])
def test_a_fork_of_what_is_not_there_makes_no_session(
    tmp_path: Path, anywhere: str | None, wrong: dict[str, str]
) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=anywhere) as book:
        book.append("s", "x", entries=[1])
        book.set_state("s", values={"k": 1})
        with pytest.raises(NotFound):
            book.fork("s", "f", **wrong)  # type: ignore[arg-type]  # of several types
        assert (book.list().total, book.all_state("f")) == (1, {})
        book.set_state("only", values={"k": 1})
        book.fork("only", "f")
        assert book.all_state("f") == {"k": 1}


def test_a_handle_deletes_its_session(tmp_path: Path, anywhere: str | None) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=anywhere) as book:
        with book.session("s") as session:
            session.add_qa(question="q", answer="a")
            assert session.delete_session()
        assert (book.list().total, book.qa("s")) == (0, [])

        async def there() -> bool:
            async with aio.open(book.url, journal=anywhere) as other, other.session("t") as session:
                return await session.delete_session()

        assert asyncio.run(there())


def test_the_id_of_a_book_is_made_where_a_place_needs_it(book: rollbook.Rollbook, tmp_path: Path) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/plain.db") as plain:
        plain.touch("s")
    ids = []
    for name in ("book.db", "plain.db"):
        with sqlite3.connect(tmp_path / name) as raw:
            ids.append(raw.execute("select count(*) from book_fact where name = 'id'").fetchone()[0])
    assert ids == [1, 0]
