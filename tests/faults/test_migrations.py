"""Books of every released version open, keep what they hold, and are changed wholly or not at all."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

import rollbook
from rollbook.errors import StoreError
from rollbook.ledger.names import guessed
from rollbook.store import statements
from rollbook.store.sqlite_connection import DIALECT

from . import released
from .tools import READY, Program, at_once, raw, sound, url_of

MIGRATIONS: Final = Path(statements.__file__).parent / "migrations"
#: The schemas that were released, by the text that makes each in a file. A line is added at a release, none is changed.
RELEASED: Final = {
    1: "9fb39fbe5dfcf4ebd2366a693e1dc3f21bc8f3746aa6d5e184ad74c747f9b4c9",
    2: "0bd0a37ff2f099e66c2118d6bfa9d0a1d9080cb46d7570cc879a0c91b9f486d2",
    3: "93dfa3468910269516059bd807a2eeaa3c32bb3e7a4796277ef90e7774fa4e57",
    4: "bc73960829406bd079d37c003791f9dec992fd3215398144a1af1903e409c335",
    5: "d6fa9fdfd234d25f08a26ab86b6eaba5f4e17674280db441d949fbc6385d6cfc",
}
NEWEST: Final = statements.migrations()[-1][0]


@pytest.fixture(params=sorted(RELEASED), ids=lambda number: f"schema {number}")
def schema(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The book of a released version, for copying: made when it is first asked for."""
    folder = tmp_path_factory.mktemp("released")

    @functools.cache
    def unpack(number: int) -> Path:
        made = folder / f"schema-{number}.db"
        released.build(number, made)
        return made

    return unpack


@pytest.fixture
def path(tmp_path: Path, schema: int, unpacked: Callable[[int], Path]) -> Path:
    """A book as a released version left it."""
    made = tmp_path / "book.db"
    shutil.copy(unpacked(schema), made)
    return made


def version(path: Path) -> int:
    number: int = raw(path, "pragma user_version")[0][0]
    return number


def contents(path: Path) -> list[str]:
    return list(released.dumped(path))


def kept(before: Any, now: Any, where: str = "") -> list[str]:
    """Where an answer is not what it was; there may be more in it than there was."""
    if isinstance(before, dict) and isinstance(now, dict):
        lost = [f"{where}.{key} is gone" for key in before.keys() - now.keys()]
        return lost + [
            line for key in before.keys() & now.keys() for line in kept(before[key], now[key], f"{where}.{key}")
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            line
            for n, (one, other) in enumerate(zip(before, now, strict=True))
            for line in kept(one, other, f"{where}[{n}]")
        ]
    return [] if before == now else [f"{where} was {before!r}, is {now!r}"]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _, _ in statements.migrations()] == list(range(1, NEWEST + 1))
    assert len([path for path in MIGRATIONS.glob("*.sql") if "." not in path.stem]) == NEWEST


def test_released_migrations_are_never_edited() -> None:
    found = {
        number: hashlib.sha256(statements.spell(text, DIALECT).encode()).hexdigest()
        for number, _, text in statements.migrations()
        if number in RELEASED
    }
    assert found == RELEASED


def test_every_released_schema_has_its_book() -> None:
    assert set(range(1, NEWEST)) <= RELEASED.keys() <= set(range(1, NEWEST + 1)), "only the newest is not released yet"
    for number in RELEASED:
        assert (released.BOOKS / f"schema-{number}.sql").exists()
        assert (released.BOOKS / f"schema-{number}.json").exists()


def test_a_released_book_holds_something_of_everything(schema: int) -> None:
    told = json.dumps(released.expected(schema))
    for word in (
        '"entry": "correction"', '"entry": "adjustment"', '"late": true', '"deleted": true', '"clock_flagged": true',
        '"attempt": 3', '"status": "unknown"', '"effective_status": "abandoned"', '"cost_source": "unpriced"',
        '"parent_id": "parent"', '"known": ["alias-1"',
    ):  # fmt: skip
        assert word in told, word


def test_a_released_book_opens_and_keeps_every_figure(path: Path, schema: int) -> None:
    assert version(path) == schema
    now = released.answers(path)
    assert version(path) == NEWEST
    assert kept(released.expected(schema), now) == []
    assert now["verified"]["ok"]
    with released.opened(path) as book:
        assert [finding for finding in book.doctor() if not finding.ok] == []


def test_what_is_compared_sees_a_difference(schema: int) -> None:
    before, now = released.expected(schema), released.expected(schema)
    now["sessions"][3]["tokens_in"] += 1
    now["everybody"]["stats"]["all"]["new"] = 1
    del now["verified"]["ok"]
    assert len(kept(before, now)) == 2


def test_a_migrated_book_has_the_schema_of_a_new_one(path: Path, tmp_path: Path) -> None:
    rollbook.open(url_of(path)).close()
    rollbook.open(url_of(tmp_path / "new.db")).close()
    words = "select type, name, tbl_name, sql from sqlite_schema order by type, name"
    assert raw(path, words) == raw(tmp_path / "new.db", words)


def test_a_released_book_takes_new_writes(path: Path) -> None:
    with released.opened(path) as book:
        known: dict[str, Any] = {"occurred_at": released.at(5), "model": "gpt-4o", "evidence": "transcript"}
        assert book.record_usage("parent", usage_id="amended", tokens_in=70, **known) == "duplicate"
        assert book.record_usage("parent", usage_id="again", aliases=["alias-3"], tokens_in=8) == "duplicate"
        assert book.record_usage("parent", usage_id="new", tokens_in=5, model="gpt-4o") == "counted"
        assert book.record_usage("completed", usage_id="also late", tokens_in=5) == "late"
        assert book.reopen("completed").late_calls == 1  # the earlier one was made between the end and now
        assert book.end("running", "failed", reason="now").end_reason == "now"
        assert book.touch("another").status == "running"
        assert book.delete("cancelled")
        assert book.record_usage("deleted", usage_id="gone", tokens_in=5000) == "duplicate"
        sound(book)


def test_importing_again_into_a_released_book_adds_nothing(path: Path) -> None:
    rollbook.open(url_of(path)).close()
    before = released.answers(path)
    for user, name in released.IMPORTED.items():
        said = json.loads(released.imported(path, user, released.TRANSCRIPTS / name))
        assert [source["calls"] > 0 for source in said["sources"]] == [True]
        assert [source["new_calls"] for source in said["sources"]] == [0]
    after = released.answers(path)
    for answer in (before, after):
        for one in answer.values():
            if isinstance(one, dict):
                one.pop("files", None)  # they lie elsewhere now
    assert kept(before, after) == []


def test_r8_sessions_of_old_books_that_name_no_agent_count_for_the_one_their_ids_speak_of(path: Path) -> None:
    with contextlib.closing(apsw.Connection(str(path))) as old:
        old.execute(
            "update session set session_id = 'cc_' || session_id where status <> 5 and session_no % 2 = 0"
            " and slice_no in (select slice_no from slice where agent = '')"
        )
        assert old.changes() > 0
    with rollbook.open(url_of(path), all_users=True) as book:
        sound(book)
        expected = Counter(one.agent or guessed(one.session_id) for one in book.list(since="all", limit=500).sessions)
        counted: Counter[str] = Counter()
        for line in book.cost_by_agent(since="all"):
            counted[line.agent] += line.session_count
    assert expected["claude-code"] > 0
    assert counted == expected


def test_r1_an_agent_that_is_called_unknown_keeps_its_name_whatever_its_sessions_are_called(path: Path) -> None:
    with contextlib.closing(apsw.Connection(str(path))) as old:
        old.execute(
            "update slice set agent = 'unknown' where slice_no = (select min(slice.slice_no) from slice join session"
            " on session.slice_no = slice.slice_no where agent <> '' and status <> 5)"
        )
        old.execute(
            "update session set session_id = 'cc_' || session_id"
            " where slice_no in (select slice_no from slice where agent = 'unknown')"
        )
        count = old.changes()
        assert count > 0
    with rollbook.open(url_of(path), all_users=True) as book:
        sound(book)
        found = [one.agent for one in book.list(since="all", limit=500).sessions if one.session_id[:3] == "cc_"]
        assert found == ["unknown"] * count
        assert sum(line.session_count for line in book.cost_by_agent(since="all") if line.agent == "unknown") >= count


def test_an_error_in_the_middle_of_a_migration_leaves_the_old_schema(
    path: Path, schema: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(path)
    *others, (number, name, text) = statements.migrations()
    with monkeypatch.context() as patched:
        patched.setattr(
            statements, "migrations", lambda: (*others, (number, name, f"{text};\ninsert into nowhere values (1)"))
        )
        with pytest.raises(StoreError, match="nowhere"):
            rollbook.open(url_of(path))
    assert version(path) == schema
    assert contents(path) == before
    assert kept(released.expected(schema), released.answers(path)) == []


@pytest.fixture(scope="module")
def migrating() -> Iterator[Program]:
    """Opens books in processes that are killed meanwhile."""
    with Program("migrating") as program:
        yield program


@pytest.mark.parametrize("count", range(0, statements.migrations()[-1][2].count(";") + 1, 4))
def test_kill_9_in_the_middle_of_a_migration_leaves_the_old_schema(
    path: Path, schema: int, count: int, migrating: Program
) -> None:
    before = contents(path)
    migrating.tell(f"{count} {path}")
    assert migrating.line() == "-9"
    assert version(path) == schema
    assert contents(path) == before
    assert kept(released.expected(schema), released.answers(path)) == []


_OPENER: Final = f"""
import sys
import rollbook, rollbook.book, rollbook.store.sqlite
{READY}
with rollbook.open("sqlite:///" + sys.argv[1]) as book:
    print(book.record_usage("s", tokens_in=1), book.verify().ok)
"""


def test_many_processes_may_open_a_released_book_at_once(tmp_path: Path, path: Path) -> None:
    for number in range(2):
        shared = tmp_path / f"shared{number}.db"
        shutil.copy(path, shared)
        assert at_once(_OPENER, shared, count=4) == ["counted True"] * 4
        assert version(shared) == NEWEST


def test_a_released_book_is_not_migrated_by_reading_only(path: Path, schema: int) -> None:
    before = path.read_bytes()
    if schema == NEWEST:
        with rollbook.open(url_of(path) + "?mode=ro") as book:
            sound(book)
    else:
        with pytest.raises(StoreError, match=r"older Rollbook .* open it once for writing"):
            rollbook.open(url_of(path) + "?mode=ro")
    assert path.read_bytes() == before


def test_an_older_library_refuses_a_newer_book_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "book.db"
    with rollbook.open(url_of(path)) as book:
        book.record_usage("s", tokens_in=1)
    before = path.read_bytes()
    older = statements.migrations()[:-1]
    with monkeypatch.context() as patched:
        patched.setattr(statements, "migrations", lambda: older)
        for mode in ("", "?mode=ro"):
            with pytest.raises(StoreError, match=r"newer Rollbook .* upgrade"):
                rollbook.open(url_of(path) + mode)
    assert path.read_bytes() == before
    raw(path, f"pragma user_version = {NEWEST + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer Rollbook .* upgrade"):
        rollbook.open(url_of(path))
    assert path.read_bytes() == before
